//! What admins are told, and by which ways.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters},
        caller::{Administer, Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        ids::NotificationId,
        lang::Lang,
        notification::{Kind, Notification, Shape, Ways},
    },
    platform::caller::Site,
    services::notifications::{self, ChatChange, Reader, Settings, SettingsError},
};

/// Which notifications.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotificationParameters {
    /// Those only that were not marked as read for all.
    unread: Option<bool>,
}

/// Something that admins were told.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationResponse {
    /// Which.
    id: NotificationId,
    /// What kind of thing happened.
    #[schema(inline)]
    kind: Kind,
    /// What it is called.
    title: String,
    /// What tells it apart from others of its kind; empty for nothing.
    about: String,
    /// The page where there is more.
    path: String,
    /// How often it happened until somebody read it.
    count: i64,
    /// When it happened first.
    first_at: DateTime<Utc>,
    /// When last.
    last_at: DateTime<Utc>,
    /// Whether it was marked as read for all; each admin has a mark of their own besides.
    read: bool,
}

impl From<Notification> for NotificationResponse {
    fn from(notification: Notification) -> Self {
        let occurrence = &notification.occurrence;
        Self {
            id: notification.id,
            kind: occurrence.kind(),
            title: occurrence.kind().title(Lang::En).to_owned(),
            about: occurrence.about(Lang::En),
            path: occurrence.path(),
            count: notification.count,
            first_at: notification.first_at,
            last_at: notification.last_at,
            read: notification.is_read,
        }
    }
}

/// By which ways a kind is told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NotificationWays {
    /// Which kind.
    #[schema(inline)]
    kind: Kind,
    /// In the list, with the count in the admins' bar.
    in_app: bool,
    /// In the daily mail to admins who have something unread.
    digest: bool,
    /// In the chat.
    webhook: bool,
}

/// The chat that is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationChat {
    /// Its host. The rest of the address is a secret and never shown.
    host: String,
    /// In which shape it is told.
    #[schema(inline)]
    shape: Shape,
}

/// How admins are told.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationSettings {
    /// By which ways each kind is told.
    kinds: Vec<NotificationWays>,
    /// The chat that is told; `null` for none.
    chat: Option<NotificationChat>,
    /// The hour from which on the daily mail is sent, in the product's zone: the setting `admin_digest_hour`.
    digest_hour: i64,
}

impl From<Settings> for NotificationSettings {
    fn from(settings: Settings) -> Self {
        let ways =
            |(kind, Ways { in_app, digest, webhook }): (Kind, Ways)| NotificationWays { kind, in_app, digest, webhook };
        Self {
            kinds: settings.ways.into_iter().map(ways).collect(),
            chat: settings.chat.map(|chat| NotificationChat { host: chat.host, shape: chat.shape }),
            digest_hour: settings.digest_hour,
        }
    }
}

/// What of the settings is to change.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NotificationSettingsRequest {
    /// Kinds that are told by other ways from now on; those that are left out stay.
    #[serde(default)]
    kinds: Vec<NotificationWays>,
    /// The address of an incoming webhook of the chat; an empty one tells no chat any more, none leaves it as it is.
    #[schema(max_length = 2000, example = "https://hooks.slack.com/services/T0/B0/x")]
    chat_url: Option<String>,
    /// In which shape it wants to be told; without, as its host does.
    #[schema(inline)]
    chat_shape: Option<Shape>,
}

/// How many were marked.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarkedResponse {
    /// How many were unread.
    marked: u64,
}

/// List notifications
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/notifications", operation_id = "list_notifications", tag = "Notifications",
    security(("bearer" = ["manage"])),
    params(NotificationParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<NotificationResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<NotificationParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<NotificationResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let is_read = (parameters.unread == Some(true)).then_some(false);
    let found = notifications::list(&site.env, Reader::All, is_read, before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |one: &Notification| one.id.to_string(), NotificationResponse::from)))
}

/// Mark a notification as read
///
/// For all admins. What happens again afterwards is a new one.
#[utoipa::path(
    post, path = "/api/v1/notifications/{id}/read", operation_id = "read_notification", tag = "Notifications",
    security(("bearer" = ["manage"])),
    params(("id" = NotificationId, Path, description = "The notification")),
    responses(
        (status = 200, description = "As it is now", body = NotificationResponse),
        (status = 404, description = "notification_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn mark_read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<NotificationResponse>, Problem> {
    let unknown = || {
        Problem::not_found(
            "notification_unknown",
            "There is no such notification. GET /api/v1/notifications lists them.",
        )
    };
    let id: NotificationId = id.parse().map_err(|_| unknown())?;
    let marked = notifications::mark_read(&site.env, Reader::All, id).await?.ok_or_else(unknown)?;
    Ok(Answer(marked.into()))
}

/// Mark all notifications as read
///
/// For all admins.
#[utoipa::path(
    post, path = "/api/v1/notifications/read", operation_id = "read_all_notifications", tag = "Notifications",
    security(("bearer" = ["manage"])),
    responses((status = 200, description = "How many were unread", body = MarkedResponse)),
)]
pub(super) async fn mark_all_read(State(site): State<Site>, _: May<Manage>) -> Result<Answer<MarkedResponse>, Problem> {
    let marked = notifications::mark_all_read(&site.env, Reader::All, site.env.clock.now()).await?;
    Ok(Answer(MarkedResponse { marked }))
}

/// Read how admins are told
#[utoipa::path(
    get, path = "/api/v1/notifications/settings", operation_id = "read_notification_settings", tag = "Notifications",
    security(("bearer" = ["manage"])),
    responses((status = 200, description = "The settings", body = NotificationSettings)),
)]
pub(super) async fn read_settings(
    State(site): State<Site>,
    _: May<Manage>,
) -> Result<Answer<NotificationSettings>, Problem> {
    Ok(Answer(notifications::settings(&site.env).await?.into()))
}

/// Change how admins are told
///
/// What is left out stays.
#[utoipa::path(
    put, path = "/api/v1/notifications/settings", operation_id = "put_notification_settings", tag = "Notifications",
    security(("bearer" = ["admin"])),
    request_body = NotificationSettingsRequest,
    responses(
        (status = 200, description = "The settings as they are now", body = NotificationSettings),
        (status = 422, description = "invalid_body or invalid_url", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put_settings(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    JsonBody(request): JsonBody<NotificationSettingsRequest>,
) -> Result<Answer<NotificationSettings>, Problem> {
    let ways =
        |NotificationWays { kind, in_app, digest, webhook }: NotificationWays| (kind, Ways { in_app, digest, webhook });
    let ways: Vec<(Kind, Ways)> = request.kinds.into_iter().map(ways).collect();
    let chat = match request.chat_url.as_deref().map(str::trim) {
        None => ChatChange::Keep,
        Some("") => ChatChange::Remove,
        Some(address) => ChatChange::Set(address, request.chat_shape),
    };
    let settings = notifications::change_settings(&site.env, &ways, chat, &caller.actor()).await;
    match settings {
        Ok(settings) => Ok(Answer(settings.into())),
        Err(SettingsError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::unprocessable("invalid_url", sentence(&error))),
    }
}
