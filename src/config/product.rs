//! `[product]`: how the product presents itself.

use crate::config::layers::{ConfigError, Layers};

/// The longest name that fits page titles and subjects, in characters.
const LONGEST_NAME: usize = 60;

/// `[product]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct ProductConfig {
    /// What the product is called, on pages and in mails.
    pub name: String,
}

impl ProductConfig {
    pub(super) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        let setting = layers.setting("product", "product_name");
        let name = setting.text().trim();
        // The name enters subjects of mails, where a line break would begin another header.
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(setting.refuse_text(format!("1 to {LONGEST_NAME} characters in one line")));
        }
        Ok(Self { name: name.to_owned() })
    }
}
