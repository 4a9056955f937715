//! What is done outside of requests: by the clock, and from the queue.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, Page, PageParameters, Parameters},
        caller::{Administer, Manage, May},
        problem::ProblemShape,
    },
    domain::{
        ids::JobId,
        schedule::{Counts, Routine},
    },
    platform::caller::Site,
    services::{
        jobs::{self, DeadJob, KindState},
        schedules::{self, Schedule},
    },
};

/// Something that comes again by the clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleResponse {
    /// Its name.
    #[schema(example = "count_days")]
    name: String,
    /// When it is due next, or was and waits to be done.
    next_run_at: DateTime<Utc>,
    /// Whether somebody is at work on it.
    running: bool,
    /// When it last began.
    last_started_at: Option<DateTime<Utc>>,
    /// When it last ended, well or badly.
    last_finished_at: Option<DateTime<Utc>>,
    /// When it last ended well.
    last_succeeded_at: Option<DateTime<Utc>>,
    /// How long it took last.
    last_duration_ms: Option<i64>,
    /// What it did when it last ended well, in numbers.
    #[schema(value_type = Option<BTreeMap<String, i64>>)]
    last_outcome: Option<Counts>,
    /// Why the last run failed, if it did.
    last_error: Option<String>,
    /// How often it failed in a row.
    failures: i64,
}

/// How the jobs of one kind stand of which some are not done.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueResponse {
    /// Which kind.
    #[schema(example = "send_mail")]
    kind: String,
    /// Those that wait.
    waiting: i64,
    /// Those that are being done.
    running: i64,
    /// Those that failed and are tried again.
    retried: i64,
    /// Those that were given up.
    given_up: i64,
    /// Since when the one has been due that waits longest.
    oldest_due_at: Option<DateTime<Utc>>,
}

/// Everything that is done outside of requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobsResponse {
    /// What comes again by the clock.
    scheduled: Vec<ScheduleResponse>,
    /// What waits, by its kind.
    queue: Vec<QueueResponse>,
}

/// A job that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadJobResponse {
    /// Which.
    id: JobId,
    /// What was to be done.
    #[schema(example = "send_mail")]
    kind: String,
    /// How often it was tried.
    attempts: i64,
    /// Why it failed last.
    last_error: Option<String>,
    /// When it was queued.
    created_at: DateTime<Utc>,
    /// When it was given up.
    given_up_at: DateTime<Utc>,
}

fn schedule(schedule: Schedule, now: DateTime<Utc>) -> ScheduleResponse {
    ScheduleResponse {
        name: schedule.routine.name().to_owned(),
        next_run_at: schedule.next_run_at,
        running: schedule.is_running(now),
        last_started_at: schedule.last_started_at,
        last_finished_at: schedule.last_finished_at,
        last_succeeded_at: schedule.last_succeeded_at,
        last_duration_ms: schedule.last_duration_ms,
        last_outcome: schedule.last_outcome,
        last_error: schedule.last_error,
        failures: schedule.failures,
    }
}

impl From<KindState> for QueueResponse {
    fn from(state: KindState) -> Self {
        Self {
            kind: state.kind,
            waiting: state.waiting,
            running: state.running,
            retried: state.retried,
            given_up: state.dead,
            oldest_due_at: state.oldest_due_at,
        }
    }
}

impl From<DeadJob> for DeadJobResponse {
    fn from(job: DeadJob) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            attempts: job.attempts,
            last_error: job.last_error,
            created_at: job.created_at,
            given_up_at: job.dead_at,
        }
    }
}

/// See how the jobs stand
#[utoipa::path(
    get, path = "/api/v1/jobs", operation_id = "list_jobs", tag = "Jobs",
    security(("bearer" = ["manage"])),
    responses((status = 200, description = "What comes by the clock, and what waits", body = JobsResponse)),
)]
pub(super) async fn list(State(site): State<Site>, _: May<Manage>) -> Result<Answer<JobsResponse>, Problem> {
    let now = site.env.clock.now();
    let scheduled = schedules::list(&site.env).await?.into_iter().map(|one| schedule(one, now)).collect();
    let queue = jobs::by_kind(&site.env).await?.into_iter().map(QueueResponse::from).collect();
    Ok(Answer(JobsResponse { scheduled, queue }))
}

/// Do a scheduled job now
///
/// One of the nodes begins within a second or two.
#[utoipa::path(
    post, path = "/api/v1/jobs/{name}/run", operation_id = "run_job", tag = "Jobs",
    security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "Which, as the list says", example = "count_days")),
    responses(
        (status = 202, description = "It is due now"),
        (status = 404, description = "job_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "job_running: it is due already or under way", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn run(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(name): InPath<String>,
) -> Result<StatusCode, Problem> {
    let routine: Routine =
        name.parse().map_err(|_| Problem::not_found("job_unknown", "There is no scheduled job of that name."))?;
    match schedules::order(&site.env, routine, (&caller.actor(), None)).await? {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(Problem::conflict("job_running", "It is due already or under way.")),
    }
}

/// List jobs that were given up
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/jobs/dead", operation_id = "list_dead_jobs", tag = "Jobs",
    security(("bearer" = ["manage"])),
    params(PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<DeadJobResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn dead(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<DeadJobResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = jobs::dead(&site.env, before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |job| job.id.to_string(), DeadJobResponse::from)))
}

fn gone() -> Problem {
    Problem::not_found("job_unknown", "There is no job with that id that was given up.")
}

/// Try a job again that was given up
///
/// It is put back into the queue with all its tries.
#[utoipa::path(
    post, path = "/api/v1/jobs/dead/{id}/retry", operation_id = "retry_job", tag = "Jobs",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Which, as the list says")),
    responses(
        (status = 202, description = "It waits again"),
        (status = 404, description = "job_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn retry(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<JobId>,
) -> Result<StatusCode, Problem> {
    match jobs::revive(&site.env, id, (&caller.actor(), None)).await? {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(gone()),
    }
}

/// Delete a job that was given up
#[utoipa::path(
    delete, path = "/api/v1/jobs/dead/{id}", operation_id = "discard_job", tag = "Jobs",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Which, as the list says")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "job_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn discard(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<JobId>,
) -> Result<StatusCode, Problem> {
    match jobs::discard(&site.env, id, (&caller.actor(), None)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(gone()),
    }
}
