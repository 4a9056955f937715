//! The product's settings.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, versioned},
        caller::{Administer, Manage, May},
        problem::ProblemShape,
        v1::catalogue::not_put,
    },
    domain::settings::AppSettings,
    platform::caller::Site,
    services::catalogue,
};

/// What a setting can be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// On or off.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A word.
    Text(String),
}

impl SettingValue {
    /// Reads what is stored. Only texts would be mistaken for something else: a tier may be called `true`.
    fn read(key: &str, stored: String) -> Self {
        let is_text = key.ends_with("_tier");
        match (stored.parse(), stored.parse()) {
            (Ok(flag), _) if !is_text => Self::Flag(flag),
            (_, Ok(number)) if !is_text => Self::Number(number),
            _ => Self::Text(stored),
        }
    }

    fn to_stored(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A setting.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingResponse {
    /// Which.
    key: String,
    /// What it is.
    value: SettingValue,
}

/// What a setting shall be.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SettingRequest {
    /// A number of days, `true` or `false`, the id of a tier, …
    value: SettingValue,
}

fn response(settings: &AppSettings, key: &str) -> Option<SettingResponse> {
    let value = SettingValue::read(key, settings.value(key)?);
    Some(SettingResponse { key: key.to_owned(), value })
}

/// List settings
#[utoipa::path(
    get, path = "/api/v1/settings", operation_id = "list_settings", tag = "Settings",
    security(("bearer" = ["manage"])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that you have")),
    responses(
        (status = 200, description = "All settings", body = Page<SettingResponse>, headers(("ETag" = String, description = "The version of the configuration"))),
        (status = 304, description = "What you have is still right"),
    ),
)]
pub(super) async fn list(State(site): State<Site>, _: May<Manage>, headers: HeaderMap) -> Result<Response, Problem> {
    let catalogue = catalogue::newest(&site.env).await?;
    let items = AppSettings::KEYS.iter().filter_map(|key| response(&catalogue.settings, key)).collect();
    Ok(versioned(&headers, catalogue.version, &Page::all(items)))
}

/// Change a setting
#[utoipa::path(
    put, path = "/api/v1/settings/{key}", operation_id = "put_setting", tag = "Settings",
    security(("bearer" = ["admin"])),
    params(("key" = String, Path, description = "Which", example = "trial_duration_days")),
    request_body = SettingRequest,
    responses(
        (status = 200, description = "The setting as it is now", body = SettingResponse),
        (status = 404, description = "setting_unknown or tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_setting", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(key): InPath<String>,
    JsonBody(request): JsonBody<SettingRequest>,
) -> Result<Answer<SettingResponse>, Problem> {
    let stored = request.value.to_stored();
    catalogue::set_setting(&site.env, &caller.actor(), &key, &stored).await.map_err(not_put)?;
    let value = SettingValue::read(&key, stored);
    Ok(Answer(SettingResponse { key, value }))
}
