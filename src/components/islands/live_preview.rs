//! The preview of a letter follows what is typed.
//!
//! The form fills the frame, as it does without script, so that what a letter says keeps its own policy and can do
//! nothing to the page. It is sent there only after it was tried: where a wording is broken, the last one that worked
//! stays in sight.

use std::{cell::Cell, rc::Rc, time::Duration};

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event, HtmlButtonElement};

use crate::{
    calls::{CallError, try_mail_template},
    components::islands::ready_after,
    domain::lang::Lang,
    words,
};

/// How long nobody types before it is tried.
const PAUSE: Duration = Duration::from_millis(400);
/// The parts of a wording, by the names of their fields.
const PARTS: [&str; 3] = ["subject", "text", "html"];
/// What is named when nothing could be tried.
const PREVIEW: &str = "preview";

/// Wraps the form of a wording and the frame that shows it.
#[island]
pub fn LivePreview(
    /// The reader's language.
    lang: Lang,
    /// Which letter.
    letter: String,
    /// In which language it is worded.
    of: Lang,
    /// The form and the frame, as the server wrote them.
    children: Children,
) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    let ready = ready_after(Box::new(move || {
        let Some(root) = root.get_untracked() else { return };
        let root = root.unchecked_into();
        Rc::new(Preview { root, lang, letter, of, newest: Cell::new(0), is_filling: Cell::new(false) }).listen();
    }));
    view! { <div class="workbench" node_ref=root data-ready=ready>{children()}</div> }
}

struct Preview {
    root: Element,
    lang: Lang,
    letter: String,
    of: Lang,
    /// The number of the newest try. Answers to others come too late.
    newest: Cell<u32>,
    /// Whether a frame is being filled: an empty one tells of its loading, too.
    is_filling: Cell<bool>,
}

impl Preview {
    /// One listener for all: each that a view holds is a kilobyte of wasm. Capturing, because `load` does not bubble.
    fn listen(self: Rc<Self>) {
        let root = self.root.clone();
        let hear = Closure::<dyn FnMut(Event)>::new(move |event| self.clone().hear(&event)).into_js_value();
        for kind in ["input", "click", "load"] {
            let _ = root.add_event_listener_with_callback_and_bool(kind, hear.unchecked_ref(), true);
        }
    }

    fn hear(self: Rc<Self>, event: &Event) {
        match event.type_().as_str() {
            "input" => self.try_after(PAUSE),
            "load" => self.drop_old_frame(),
            _ => self.press(event),
        }
    }

    /// Shows the other part.
    fn press(self: Rc<Self>, event: &Event) {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let button = target.and_then(|target| target.closest("button[name=show]").ok().flatten());
        let Some(button) = button else { return };
        event.prevent_default();
        if let Some(before) = self.find("button[aria-pressed]") {
            let _ = before.remove_attribute("aria-pressed");
        }
        let _ = button.set_attribute("aria-pressed", "true");
        self.try_after(Duration::ZERO);
    }

    fn try_after(self: Rc<Self>, pause: Duration) {
        let number = self.newest.get() + 1;
        self.newest.set(number);
        let try_it = move || {
            if self.newest.get() == number {
                leptos::task::spawn_local(self.try_now(number));
            }
        };
        set_timeout(try_it, pause);
    }

    async fn try_now(self: Rc<Self>, number: u32) {
        let [subject, text, html] = PARTS.map(|part| self.typed(part));
        let answer = try_mail_template(self.letter.clone(), self.of, subject, text, html).await;
        if self.newest.get() == number {
            self.take(answer);
        }
    }

    fn typed(&self, part: &str) -> String {
        let field = self.find(&["#", part].concat());
        let value = field.and_then(|field| js_sys::Reflect::get(&field, &"value".into()).ok());
        value.and_then(|value| value.as_string()).unwrap_or_default()
    }

    fn take(&self, answer: Result<Option<(String, String)>, CallError>) {
        let problem = answer.unwrap_or_else(|error| {
            let message = match error {
                CallError::NotAllowed => words::signed_out_meanwhile(self.lang),
                _ => words::network_failed(self.lang),
            };
            Some((PREVIEW.to_owned(), message.to_owned()))
        });
        for name in PARTS.into_iter().chain([PREVIEW]) {
            let message = problem.as_ref().filter(|(place, _)| place == name).map(|(_, message)| message.as_str());
            if let Some(place) = self.find(&["#", name, "-error"].concat()) {
                place.set_text_content(message);
            }
            if let Some(field) = self.find(&[".field [name=", name, "]"].concat()) {
                let _ = field.set_attribute("aria-invalid", if message.is_some() { "true" } else { "false" });
            }
        }
        if problem.is_none() {
            self.fill();
        }
    }

    /// Sends the form to a new frame: in one that has shown something, it would become a step of the browser's history.
    /// The style keeps the new one out of sight until the old one is gone.
    fn fill(&self) {
        if let Some(unfinished) = self.find("iframe + iframe") {
            unfinished.remove();
        }
        let pressed = self.find("button[aria-pressed]").or_else(|| self.find("button[name=show]"));
        let (Some(old), Some(button)) = (self.find("iframe"), pressed) else { return };
        let Ok(new) = old.clone_node() else { return };
        let (new, button): (Element, HtmlButtonElement) = (new.unchecked_into(), button.unchecked_into());
        // A frame keeps the name with which it began.
        let name = [PREVIEW, &self.newest.get().to_string()].concat();
        let _ = new.remove_attribute("src");
        let _ = new.set_attribute("name", &name);
        button.set_form_target(&name);
        self.is_filling.set(false);
        let _ = old.after_with_node_1(&new);
        self.is_filling.set(true);
        if let Some(form) = button.form() {
            let _ = form.request_submit_with_submitter(Some(&button));
        }
    }

    fn drop_old_frame(&self) {
        let frames = (self.find("iframe"), self.find("iframe + iframe"));
        if let (true, (Some(old), Some(_))) = (self.is_filling.get(), frames) {
            old.remove();
        }
    }

    fn find(&self, selector: &str) -> Option<Element> {
        self.root.query_selector(selector).ok().flatten()
    }
}
