//! Keys by which apps ask.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters, instant, json},
        caller::{Administer, May},
        problem::ProblemShape,
    },
    domain::{
        api_key::{ApiKey, Scope},
        ids::{ApiKeyId, UserId},
    },
    platform::caller::Site,
    services::{
        api_keys::{self, ApiKeyError, NewApiKey},
        members,
    },
};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct KeyRequest {
    /// What you call it.
    #[schema(min_length = 1, max_length = 100, example = "backend")]
    name: String,
    /// What it may do. `admin` includes `manage`, which includes `consume`, which includes `check`.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// The one user it may ask about: id, external id or email. Such a key may live in a browser; it has the scopes
    /// check and consume at most, and ends within 30 days.
    user: Option<String>,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "instant")]
    expires_at: Option<DateTime<Utc>>,
}

/// A key, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyResponse {
    /// Which.
    id: ApiKeyId,
    /// What its owner calls it.
    name: String,
    /// The first characters of the token.
    hint: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The one user it may ask about.
    user: Option<UserId>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
    /// When it ends by itself.
    expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    last_used_at: Option<DateTime<Utc>>,
    /// Since when it is no longer good.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for KeyResponse {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            hint: key.hint,
            scopes: key.scopes.iter().collect(),
            user: key.user,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new key, with its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewKeyResponse {
    /// The token. It is shown this once.
    token: String,
    /// The key.
    #[serde(flatten)]
    key: KeyResponse,
}

/// Make a key
#[utoipa::path(
    post, path = "/api/v1/keys", operation_id = "create_key", tag = "API keys",
    security(("bearer" = ["admin"])),
    request_body = KeyRequest,
    responses(
        (status = 201, description = "Made; the token is shown this once", body = NewKeyResponse),
        (status = 400, description = "Not JSON", body = ProblemShape, content_type = "application/problem+json"),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_key", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<Response, Problem> {
    let user = match &request.user {
        Some(user) => Some(members::find(&site.env, user).await?.ok_or_else(Problem::user_unknown)?.id),
        None => None,
    };
    let new = NewApiKey {
        name: request.name,
        scopes: request.scopes.into_iter().collect(),
        user,
        expires_at: request.expires_at,
    };
    let (key, token) = api_keys::create(&site.env, new, &caller.actor()).await.map_err(|error| match error {
        ApiKeyError::Store(error) => error.into(),
        ApiKeyError::NoSuchUser => Problem::user_unknown(),
        error => Problem::unprocessable("invalid_key", format!("{error}.")),
    })?;
    let mut response = json(&NewKeyResponse { token, key: key.into() });
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// List keys
///
/// The newest first. Keys that are bound to one user are not listed.
#[utoipa::path(
    get, path = "/api/v1/keys", operation_id = "list_keys", tag = "API keys",
    security(("bearer" = ["admin"])),
    params(PageParameters),
    responses(
        (status = 200, description = "A page of keys", body = Page<KeyResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Administer>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<KeyResponse>>, Problem> {
    let count = page.count()?;
    let keys = api_keys::list(&site.env, page.cursor()?, count + 1).await?;
    Ok(Answer(Page::new(keys, count, |key| key.id.to_string(), KeyResponse::from)))
}

/// End a key
///
/// It opens nothing from now on; other nodes notice within a second, counting at once.
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", operation_id = "revoke_key", tag = "API keys",
    security(("bearer" = ["admin"])),
    params(("id" = ApiKeyId, Path, description = "The key")),
    responses(
        (status = 204, description = "Ended"),
        (status = 404, description = "key_unknown: there is no such key, or it had ended before", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn revoke(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<ApiKeyId>,
) -> Result<Response, Problem> {
    if api_keys::revoke(&site.env, id, &caller.actor()).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Problem::not_found("key_unknown", "There is no such key, or it has ended."))
    }
}
