//! A moment in the reader's own time zone.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::components::islands::ready_after;

/// Shows a moment as the server wrote it (UTC), then in the browser's zone and language.
#[island]
pub fn LocalTime(
    /// The moment, RFC 3339.
    datetime: String,
    /// How the server writes it.
    text: String,
    /// The BCP 47 tag by which the browser writes dates.
    lang: String,
) -> impl IntoView {
    let shown = RwSignal::new(text);
    let moment = datetime.clone();
    let ready = ready_after(Box::new(move || {
        let date = js_sys::Date::new(&JsValue::from_str(&moment));
        let options = js_sys::Object::new();
        for (name, value) in [("dateStyle", "long"), ("timeStyle", "short")] {
            let _ = js_sys::Reflect::set(&options, &name.into(), &value.into());
        }
        if !date.get_time().is_nan() {
            shown.set(date.to_locale_string(&lang, &options).into());
        }
    }));
    view! { <time datetime=datetime data-ready=ready>{move || shown.get()}</time> }
}
