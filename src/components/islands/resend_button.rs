//! The button that asks for another code.

use std::time::Duration;

use leptos::prelude::*;

use crate::components::islands::ready_after;

/// Counts down until another code may be sent. Without JavaScript it can be pressed at any
/// time, and the server says when it is too early.
#[island]
pub fn ResendButton(
    /// Seconds to wait from now.
    seconds: i64,
    /// What the button says when it can be pressed.
    label: String,
    /// What it says while it counts, before the seconds and after.
    waiting: (String, String),
) -> impl IntoView {
    let left = RwSignal::new(0);
    let ready = ready_after(Box::new(move || {
        left.set(seconds);
        if seconds > 0 {
            // By the clock and not by counting: timers sleep in tabs behind.
            let end = js_sys::Date::now() + seconds as f64 * 1000.0;
            let _ = set_interval_with_handle(
                move || left.set((((end - js_sys::Date::now()) / 1000.0).ceil() as i64).max(0)),
                Duration::from_millis(500),
            );
        }
    }));
    view! {
        <button
            type="submit" class="btn quiet"
            disabled=move || { left.get() > 0 }
            data-ready=ready
        >
            {move || match left.get() {
                0 => label.clone(),
                left => [waiting.0.as_str(), &left.to_string(), &waiting.1].concat(),
            }}
        </button>
    }
}
