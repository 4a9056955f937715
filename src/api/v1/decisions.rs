//! May this user do this?

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, JsonBody, json},
        caller::{Caller, Check, May},
        problem::ProblemShape,
    },
    domain::{
        entitlement::{self, Decision},
        ids::{FeatureId, UserId},
        usage::MOST_UNITS,
    },
    platform::{caller::Site, memory::Known},
    services::entitlements,
};

/// The most questions of one call.
const MOST_QUESTIONS: usize = 100;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CheckRequest {
    /// The user's id, external id or email.
    #[schema(example = "ann@example.com")]
    user: String,
    /// The feature.
    #[schema(value_type = FeatureId, example = "ai_calls")]
    feature: String,
    /// How much of it; 1 without it.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: Option<i64>,
}

/// Several questions.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CheckBatchRequest {
    /// At most 100.
    #[schema(min_items = 1, max_items = 100)]
    checks: Vec<CheckRequest>,
}

/// Several answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckBatchResponse {
    /// In the order of the questions.
    results: Vec<Decision>,
}

/// Reads an amount, which is 1 if nothing is said.
pub(super) fn amount(amount: Option<i64>) -> Result<i64, Problem> {
    match amount.unwrap_or(1) {
        amount if (1..=MOST_UNITS).contains(&amount) => Ok(amount),
        _ => Err(Problem::unprocessable("invalid_amount", format!("amount is a whole number from 1 to {MOST_UNITS}."))),
    }
}

/// Finds the user of a question, if the caller may ask about them. A key that is bound to one user
/// gets the same answer about others, whether they exist or not.
pub(super) async fn known(site: &Site, caller: &Caller, user: &str) -> Result<Arc<Known>, Problem> {
    let found = entitlements::find(&site.env, user).await?;
    match (found, caller.bound_to()) {
        (Some(known), None) => Ok(known),
        (Some(known), Some(bound)) if known.standing.user.id == bound => Ok(known),
        (_, Some(_)) => Err(Problem::other_user()),
        (None, None) => Err(Problem::user_unknown()),
    }
}

/// The same for who counts: nothing else is read of the user.
pub(super) async fn identified(site: &Site, caller: &Caller, user: &str) -> Result<UserId, Problem> {
    let found = entitlements::identify(&site.env, user).await?;
    match caller.bound_to() {
        None => found.ok_or_else(Problem::user_unknown),
        Some(bound) => found.filter(|user| *user == bound).ok_or_else(Problem::other_user),
    }
}

/// May this user do this?
///
/// Nothing is counted. The answer is at most one second behind what other nodes have changed.
#[utoipa::path(
    post, path = "/api/v1/check", tag = "Decisions",
    security(("bearer" = ["check"])),
    request_body = CheckRequest,
    responses(
        (status = 200, description = "The decision, allowed or not", body = Decision),
        (status = 400, description = "Not JSON", body = ProblemShape, content_type = "application/problem+json"),
        (status = 404, description = "user_unknown or feature_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_amount", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn check(
    State(site): State<Site>,
    May { caller, .. }: May<Check>,
    JsonBody(question): JsonBody<CheckRequest>,
) -> Result<Response, Problem> {
    let amount = amount(question.amount)?;
    let known = known(&site, &caller, &question.user).await?;
    let feature = known.catalogue.feature_named(&question.feature).ok_or_else(Problem::feature_unknown)?;
    let decision = entitlement::decide_about(&known.catalogue, &known.standing, feature, amount, site.env.clock.now());
    Ok(json(&decision))
}

/// Many questions at once
///
/// Here somebody or something unknown is an answer, too: `user_unknown`, `feature_unknown`.
#[utoipa::path(
    post, path = "/api/v1/check/batch", tag = "Decisions",
    security(("bearer" = ["check"])),
    request_body = CheckBatchRequest,
    responses(
        (status = 200, description = "The decisions, in the order of the questions", body = CheckBatchResponse),
        (status = 400, description = "Not JSON", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_amount", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn check_batch(
    State(site): State<Site>,
    May { caller, .. }: May<Check>,
    JsonBody(batch): JsonBody<CheckBatchRequest>,
) -> Result<Answer<CheckBatchResponse>, Problem> {
    if !(1..=MOST_QUESTIONS).contains(&batch.checks.len()) {
        return Err(Problem::unprocessable("invalid_body", format!("checks holds 1 to {MOST_QUESTIONS} questions.")));
    }
    let mut results = Vec::with_capacity(batch.checks.len());
    for question in &batch.checks {
        let amount = amount(question.amount)?;
        let feature: FeatureId = question
            .feature
            .parse()
            .map_err(|error| Problem::unprocessable("invalid_body", format!("feature: {error}.")))?;
        let decision = entitlements::decide(&site.env, &question.user, &feature, amount).await?;
        if caller.bound_to().is_some_and(|bound| decision.user != Some(bound)) {
            return Err(Problem::other_user());
        }
        results.push(decision);
    }
    Ok(Answer(CheckBatchResponse { results }))
}
