//! The limits between tiers and features.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type},
    },
};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, is_known, versioned},
        caller::{Administer, Inspect, Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        catalogue::{Feature, Tier},
        ids::ActivityId,
        limit::{Cell, HIGHEST_LIMIT, Limit},
        matrix::{CellChange, CellConflict, ChangeError, MatrixCell, Review, check_reason},
    },
    platform::{caller::Site, guard::WEBHOOK_LIMIT},
    services::{
        catalogue,
        matrix::{self, CommitError, Committed},
    },
};

/// The most bytes of a set of changes: 2,000 of them fit.
const CHANGES_LIMIT: usize = WEBHOOK_LIMIT;

fn number_or_null(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(0))
        .maximum(Some(HIGHEST_LIMIT))
        .description(Some(description))
}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        number_or_null("A number of units; `null` is unlimited, 0 is off.").into()
    }
}

impl ToSchema for Limit {}

impl PartialSchema for Cell {
    fn schema() -> RefOr<Schema> {
        let inherit = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["inherit"]));
        let description = "A limit of the tier's own, or `inherit`: the feature's default.";
        OneOfBuilder::new()
            .item(number_or_null("`null` is unlimited, 0 is off."))
            .item(inherit)
            .description(Some(description))
            .into()
    }
}

impl ToSchema for Cell {}

/// Everything that is on offer.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatrixResponse {
    /// The version of the configuration.
    version: i64,
    /// The tiers, the weakest first.
    tiers: Vec<Tier>,
    /// The features, in their order.
    features: Vec<Feature>,
    /// The limits that tiers have of their own; where there is none the feature's default counts.
    limits: Vec<MatrixCell>,
}

/// A set of changes.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangesRequest {
    /// At most 2,000, each cell once.
    #[schema(min_items = 1, max_items = 2000)]
    changes: Vec<CellChange>,
    /// Why; it is kept in the audit log.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// A set of changes that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommittedResponse {
    /// The line of the audit log; POST /api/v1/matrix/undo/{activity} takes the set back.
    activity: ActivityId,
    /// How many cells changed.
    cells: usize,
}

impl From<Committed> for CommittedResponse {
    fn from(committed: Committed) -> Self {
        Self { activity: committed.activity, cells: committed.cells }
    }
}

/// Somebody else was quicker.
#[derive(ToSchema)]
#[schema(as = MatrixConflict)]
#[expect(dead_code, reason = "it only describes the shape")]
pub struct ConflictShape {
    /// The status, again in the body.
    status: u16,
    /// `matrix_changed`.
    #[schema(example = "matrix_changed")]
    code: String,
    /// One sentence for people.
    title: String,
    /// The cells that are no longer what you saw, as they are now.
    conflicts: Vec<CellConflict>,
}

fn not_changed(error: ChangeError) -> Problem {
    let code = match &error {
        ChangeError::Nothing => "nothing_to_change",
        ChangeError::TooMany => "too_many_changes",
        ChangeError::NoSuchCell { .. } => "cell_unknown",
        ChangeError::Twice { .. } => "cell_twice",
        ChangeError::BadLimit { .. } => "invalid_limit",
        ChangeError::ReasonMissing => "reason_missing",
        ChangeError::BadReason => "invalid_reason",
    };
    Problem::unprocessable(code, sentence(&error))
}

fn not_committed(error: CommitError) -> Problem {
    match error {
        CommitError::Store(error) => error.into(),
        CommitError::Change(error) => not_changed(error),
        CommitError::NoSuchChange => {
            Problem::not_found("change_unknown", "There is no such change. GET /api/v1/activity lists them.")
        }
        CommitError::Conflicts(conflicts) => {
            let title = "Somebody else changed some of these cells since you read them. Nothing was written.";
            Problem::conflict("matrix_changed", title).with("conflicts", json!(conflicts))
        }
    }
}

/// Read the matrix
#[utoipa::path(
    get, path = "/api/v1/matrix", operation_id = "read_matrix", tag = "Matrix",
    security(("bearer" = ["check"])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that you have")),
    responses(
        (status = 200, description = "Everything that is on offer", body = MatrixResponse, headers(("ETag" = String, description = "The version of the configuration"))),
        (status = 304, description = "What you have is still right"),
    ),
)]
pub(super) async fn read(State(site): State<Site>, _: May<Inspect>, headers: HeaderMap) -> Result<Response, Problem> {
    let catalogue = catalogue::newest(&site.env).await?;
    let is_fresh = is_known(&headers, &catalogue.version.into());
    let limits = if is_fresh { Vec::new() } else { matrix::cells(&site.env).await? };
    let response = MatrixResponse {
        version: catalogue.version,
        tiers: catalogue.tiers().to_vec(),
        features: catalogue.features().to_vec(),
        limits,
    };
    Ok(versioned(&headers, catalogue.version, &response))
}

/// Try changes
///
/// Nothing is written. The answer lays each change beside what it would replace, and says how many
/// users would gain or lose.
#[utoipa::path(
    post, path = "/api/v1/matrix/preview", operation_id = "preview_changes", tag = "Matrix",
    security(("bearer" = ["manage"])),
    request_body = ChangesRequest,
    responses(
        (status = 200, description = "What would change", body = Review),
        (status = 422, description = "invalid_body, nothing_to_change, cell_unknown, cell_twice, invalid_limit, too_many_changes or invalid_reason", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn preview(
    State(site): State<Site>,
    _: May<Manage>,
    JsonBody(request): JsonBody<ChangesRequest, CHANGES_LIMIT>,
) -> Result<Answer<Review>, Problem> {
    check_reason(request.reason.as_deref().unwrap_or_default(), false).map_err(not_changed)?;
    matrix::preview(&site.env, &request.changes).await.map(Answer).map_err(not_committed)
}

/// Make changes
///
/// All of them or none: if one of the cells is no longer at the version you saw, nothing is
/// written and the answer says what stands there now.
#[utoipa::path(
    post, path = "/api/v1/matrix/commit", operation_id = "commit_changes", tag = "Matrix",
    security(("bearer" = ["admin"])),
    request_body = ChangesRequest,
    responses(
        (
            status = 200, description = "Made", body = CommittedResponse,
            links(("undo" = (operation_id = "undo_changes", parameters(("activity" = "$response.body#/activity"))))),
        ),
        (status = 409, description = "matrix_changed: somebody else was quicker", body = ConflictShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, nothing_to_change, cell_unknown, cell_twice, invalid_limit, too_many_changes, reason_missing or invalid_reason", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn commit(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    JsonBody(request): JsonBody<ChangesRequest, CHANGES_LIMIT>,
) -> Result<Answer<CommittedResponse>, Problem> {
    let reason = request.reason.unwrap_or_default();
    let committed = matrix::commit(&site.env, &caller.actor(), &request.changes, &reason).await;
    committed.map(|committed| Answer(committed.into())).map_err(not_committed)
}

/// Take changes back
#[utoipa::path(
    post, path = "/api/v1/matrix/undo/{activity}", operation_id = "undo_changes", tag = "Matrix",
    security(("bearer" = ["admin"])),
    params(("activity" = ActivityId, Path, description = "What the commit answered")),
    responses(
        (status = 200, description = "Taken back, by a set of changes of its own", body = CommittedResponse),
        (status = 404, description = "change_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "matrix_changed: somebody changed these cells since", body = ConflictShape, content_type = "application/problem+json"),
        (status = 422, description = "nothing_to_change, cell_unknown or invalid_limit", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn undo(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(activity): InPath<ActivityId>,
) -> Result<Answer<CommittedResponse>, Problem> {
    let committed = matrix::undo(&site.env, &caller.actor(), activity).await;
    committed.map(|committed| Answer(committed.into())).map_err(not_committed)
}
