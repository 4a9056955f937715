//! `[security]`: keys and tokens.

use crate::config::{
    Secret,
    layers::{ConfigError, Layers},
};

/// The fewest characters of the secret that keys are derived from.
pub const MINIMUM_SECRET_LENGTH: usize = 32;

/// `[security]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct SecurityConfig {
    /// What all keys are derived from; `None` only in development, where one is made at start.
    pub secret: Option<Secret>,
    /// Opens the whole API; `None`: nothing does.
    pub admin_token: Option<Secret>,
}

impl SecurityConfig {
    pub(super) fn read(layers: &Layers, is_development: bool) -> Result<Self, ConfigError> {
        let secret = layers.setting("security", "secret");
        let needed = format!("at least {MINIMUM_SECRET_LENGTH} characters, for example from `openssl rand -hex 32`");
        match secret.text().chars().count() {
            0 if is_development => {}
            0 => return Err(secret.refuse("is empty, which only development allows (set VOUCHSAFE_SECRET)", needed)),
            length if length < MINIMUM_SECRET_LENGTH => {
                return Err(secret.refuse(format!("has only {length} characters"), needed));
            }
            _ => {}
        }
        let admin_token = layers.setting("security", "admin_token");
        if !admin_token.text().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                admin_token.refuse("cannot be sent in a header", "letters, digits and signs of ASCII, no spaces")
            );
        }
        Ok(Self { secret: given(secret.text()), admin_token: given(admin_token.text()) })
    }
}

fn given(text: &str) -> Option<Secret> {
    (!text.is_empty()).then(|| Secret::new(text))
}
