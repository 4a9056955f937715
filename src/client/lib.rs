//! The wasm file: re-exports the islands of `vouchsafe`, so that the linker keeps them.

pub use vouchsafe::*;

/// Called by the page's script once the wasm file is there; each island then hydrates itself.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
