//! The audit log.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, LONGEST_NOTE, Page, PageParameters, Parameters},
        caller::{Manage, May},
        problem::ProblemShape,
        v1::users::user,
    },
    domain::ids::{ActivityId, UserId},
    platform::{caller::Site, stream},
    services::activity::{self, Activity, Filter, Format},
};

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivityParameters {
    /// About this user only: id, external id or email.
    user: Option<String>,
    /// About this action only.
    #[param(example = "matrix_changed", max_length = 500)]
    action: Option<String>,
    /// By this one only: an address, `operator`, `system`, the name of a key.
    #[param(example = "operator", max_length = 500)]
    actor: Option<String>,
    /// From this address only. Of older lines the network is left, as `203.0.113.0/24`.
    #[param(example = "203.0.113.7", max_length = 500)]
    ip_address: Option<String>,
    /// From this time on.
    #[param(format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<String>,
    /// From before this time.
    #[param(format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<String>,
}

/// As what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// `csv` or `jsonl`; `jsonl` without it.
    #[param(example = "csv")]
    format: Option<String>,
}

impl ActivityParameters {
    async fn read(self, site: &Site) -> Result<Filter, Problem> {
        let user = match &self.user {
            Some(name) => Some(user(site, name).await?.id),
            None => None,
        };
        Ok(Filter {
            user,
            actor: word("actor", self.actor)?,
            action: word("action", self.action)?,
            address: word("ip_address", self.ip_address)?,
            from: instant("from", self.from)?,
            to: instant("to", self.to)?,
        })
    }
}

fn word(name: &str, word: Option<String>) -> Result<Option<String>, Problem> {
    match word {
        Some(word) if word.len() > LONGEST_NOTE || word.chars().any(char::is_control) => Err(Problem::unprocessable(
            "invalid_parameter",
            format!("{name} is a word of at most {LONGEST_NOTE} bytes."),
        )),
        word => Ok(word),
    }
}

fn instant(name: &str, text: Option<String>) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let instant = DateTime::parse_from_rfc3339(&text).ok().map(|instant| instant.to_utc());
    let instant = instant.filter(|instant| (0..=9999).contains(&instant.year()));
    let problem = || Problem::unprocessable("invalid_parameter", format!("{name} is a time as 2026-12-31T23:59:59Z."));
    instant.map(Some).ok_or_else(problem)
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityResponse {
    /// Which.
    id: ActivityId,
    /// Whom it concerns.
    user: Option<UserId>,
    /// Who did it.
    actor: String,
    /// What: `login`, `matrix_changed`, …
    action: String,
    /// The particulars; each action has its own.
    #[schema(value_type = Object)]
    details: serde_json::Value,
    /// From where, if that is known; of older lines the network is left.
    ip_address: Option<String>,
    /// What the browser called itself, if it was one.
    user_agent: Option<String>,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Activity> for ActivityResponse {
    fn from(line: Activity) -> Self {
        Self {
            id: line.id,
            user: line.user_id,
            actor: line.actor,
            action: line.action,
            details: line.details,
            ip_address: line.ip_address,
            user_agent: line.user_agent,
            created_at: line.created_at,
        }
    }
}

/// Read the audit log
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/activity", operation_id = "list_activity", tag = "Activity",
    security(("bearer" = ["manage"])),
    params(ActivityParameters, PageParameters),
    responses(
        (status = 200, description = "A page of the log", body = Page<ActivityResponse>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<ActivityParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<ActivityResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let filter = parameters.read(&site).await?;
    let lines = activity::list(&site.env, filter.which(before), count + 1).await?;
    Ok(Answer(Page::new(lines, count, |line| line.id.to_string(), ActivityResponse::from)))
}

/// Export the audit log
///
/// All lines that fit, the newest first, as a table or with an object of JSON on each line. The answer is
/// written while it is sent; if the connection ends without the last piece, something is missing.
#[utoipa::path(
    get, path = "/api/v1/activity/export", operation_id = "export_activity", tag = "Activity",
    security(("bearer" = ["manage"])),
    params(ActivityParameters, ExportParameters),
    responses(
        (status = 200, description = "The lines, in the format that is asked for", content((String = "application/jsonl"), (String = "text/csv"))),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn export(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<ActivityParameters>,
    Parameters(how): Parameters<ExportParameters>,
) -> Result<Response, Problem> {
    let format: Format = how
        .format
        .as_deref()
        .unwrap_or("jsonl")
        .parse()
        .map_err(|_| Problem::unprocessable("invalid_parameter", "format is csv or jsonl."))?;
    let filter = parameters.read(&site).await?;
    let (pieces, body) = stream::body();
    tokio::spawn(async move { activity::export(&site.env, &filter, format, pieces).await });
    let disposition = format!("attachment; filename=\"activity.{}\"", format.as_str());
    let headers =
        [(header::CONTENT_TYPE, format.content_type().to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, body).into_response())
}
