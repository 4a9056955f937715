//! `[analyze]`: who writes about portfolios.

use std::time::Duration;

use url::Url;

use crate::config::{
    Secret,
    layers::{ConfigError, Layers, Setting},
};

/// Where the path of the chat call begins on a server of which only the host is named.
const USUAL_ROOT: &str = "v1";

/// `[analyze]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct AnalyzeConfig {
    /// The language model; without one the built-in writer writes.
    pub model: Option<LanguageModelConfig>,
}

/// How to reach a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageModelConfig {
    /// The address of the chat call itself.
    pub url: Url,
    /// What is sent as a bearer token; some servers need none.
    pub key: Option<Secret>,
    /// The name of the model.
    pub name: String,
    /// How long one try may take; there are two.
    pub timeout: Duration,
}

impl AnalyzeConfig {
    pub(super) fn read(layers: &Layers, request_timeout: Duration) -> Result<Self, ConfigError> {
        let setting = |key| layers.setting("analyze", key);
        let (url, key, name) = (setting("analyze_url"), setting("analyze_key"), setting("analyze_model"));
        let timeout_setting = setting("analyze_timeout_seconds");
        let timeout = timeout_setting.seconds(1..=120)?;
        if url.text().is_empty() {
            if let Some(named) = [&key, &name].into_iter().find(|setting| !setting.text().is_empty()) {
                let problem = "is set, but analyze.analyze_url (VOUCHSAFE_ANALYZE_URL) is empty";
                return Err(named.refuse(problem, "empty as well, or an address must be given"));
            }
            return Ok(Self { model: None });
        }
        if name.text().trim().is_empty() {
            return Err(name.refuse("is empty, but analyze.analyze_url is set", "the name of a model"));
        }
        if !key.text().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(key.refuse("cannot be sent in a header", "letters, digits and signs of ASCII, no spaces"));
        }
        // Both tries and the pause between must fit into the time that the answer may take.
        if timeout * 2 >= request_timeout {
            let most = request_timeout.as_secs().saturating_sub(1) / 2;
            return Err(timeout_setting.refuse(
                format!("is {}, and there are two tries", timeout.as_secs()),
                format!("at most {most}, less than half of server.request_timeout_seconds"),
            ));
        }
        Ok(Self {
            model: Some(LanguageModelConfig {
                url: endpoint(&url)?,
                key: (!key.text().is_empty()).then(|| Secret::new(key.text())),
                name: name.text().trim().to_owned(),
                timeout,
            }),
        })
    }
}

/// Returns the address of the chat call: the one that is given, or under the root that is given.
fn endpoint(setting: &Setting<'_>) -> Result<Url, ConfigError> {
    let allowed = "an address like https://api.example.com/v1, without a name, a password, a query or a fragment";
    // It may hold a password where none belongs, and is not shown.
    let refused = |problem: &str| setting.refuse(problem, allowed);
    let mut url = Url::parse(setting.text()).map_err(|_| refused("is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("is not an address of a web server"));
    }
    let has_more =
        !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    if has_more {
        return Err(refused("has more than a host and a path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let path = match path.as_str() {
        "" => format!("/{USUAL_ROOT}/chat/completions"),
        whole if whole.ends_with("/chat/completions") => whole.to_owned(),
        root => format!("{root}/chat/completions"),
    };
    url.set_path(&path);
    Ok(url)
}
