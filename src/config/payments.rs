//! `[payments]`: the providers that take the money.

use std::time::Duration;

use url::{Host, Url};

use crate::config::{
    Secret,
    layers::{ConfigError, Layers, Setting},
};

/// `[payments]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct PaymentsConfig {
    /// stripe.com
    pub stripe: ProviderConfig,
    /// paddle.com, Paddle Billing
    pub paddle: ProviderConfig,
    /// polar.sh
    pub polar: ProviderConfig,
    /// How long a provider may take for one of our questions.
    pub timeout: Duration,
}

/// What is between us and one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// What the provider signs its events with: the secret in use, then those before it. Without
    /// any, its events are not taken.
    pub webhook_secrets: Vec<Secret>,
    /// What opens its API. Without it nothing is asked of the provider.
    pub api_key: Option<Secret>,
    /// Where its API is, perhaps with a path, without a slash at the end of it.
    pub api_base: Url,
}

impl PaymentsConfig {
    pub(super) fn read(layers: &Layers, request_timeout: Duration) -> Result<Self, ConfigError> {
        let timeout_setting = layers.setting("payments", "payments_timeout_seconds");
        let config = Self {
            stripe: ProviderConfig::read(layers, "stripe")?,
            paddle: ProviderConfig::read(layers, "paddle")?,
            polar: ProviderConfig::read(layers, "polar")?,
            timeout: timeout_setting.seconds(1..=120)?,
        };
        let asks = [&config.stripe, &config.paddle, &config.polar].iter().any(|provider| provider.api_key.is_some());
        // A member who waits for a checkout is to be told why there is none, rather than that the page took too long.
        if asks && config.timeout >= request_timeout {
            return Err(timeout_setting.refuse(
                format!("is {}", config.timeout.as_secs()),
                format!("less than server.request_timeout_seconds, which is {}", request_timeout.as_secs()),
            ));
        }
        Ok(config)
    }
}

impl ProviderConfig {
    fn read(layers: &Layers, provider: &str) -> Result<Self, ConfigError> {
        let setting = |what| layers.setting("payments", &format!("{provider}_{what}"));
        let (secrets, key) = (setting("webhook_secret"), setting("api_key"));
        let webhook_secrets = secrets
            .texts()
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(|secret| visible(&secrets, "holds a secret that no provider gives out", secret))
            .collect::<Result<_, _>>()?;
        let api_key = match key.text().trim() {
            "" => None,
            text => Some(visible(&key, "cannot be sent in a header", text)?),
        };
        Ok(Self { webhook_secrets, api_key, api_base: api_base(&setting("api_base"))? })
    }
}

fn visible(setting: &Setting<'_>, problem: &str, text: &str) -> Result<Secret, ConfigError> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(setting.refuse(problem, "letters, digits and signs of ASCII, no spaces"));
    }
    Ok(Secret::new(text))
}

fn api_base(setting: &Setting<'_>) -> Result<Url, ConfigError> {
    let allowed = "an address like https://api.example.com, without a name, a password, a query or a fragment";
    // It may hold a password where none belongs, and is not shown.
    let refused = |problem: &str| setting.refuse(problem, allowed);
    let mut url = Url::parse(setting.text().trim()).map_err(|_| refused("is not an address"))?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(refused("is not an address of a web server")),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_local => {}
        "http" => return Err(refused("begins with http://, and the key would travel in the clear")),
        _ => return Err(refused("is not an address of a web server")),
    }
    let has_more =
        !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    if has_more {
        return Err(refused("has more than a host and a path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}
