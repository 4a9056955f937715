//! What was counted of every day.

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, Parameters},
        caller::{Manage, May},
        problem::ProblemShape,
    },
    domain::stats::Metric,
    platform::caller::Site,
    services::stats::{self, MOST_DAYS},
};

/// Of which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatsParameters {
    /// The last days, today among them, from 1 to 400; 30 without it.
    #[param(minimum = 1, maximum = 400)]
    days: Option<i64>,
}

/// One figure of a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct FigureResponse {
    /// The day, in the product's time zone.
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    /// Of what: `members`, `new`, `active`, `sign_ins`, `conversions`, `subscriptions`, `redemptions` or `usage`.
    #[schema(example = "usage")]
    metric: String,
    /// Of which tier, kind of coupon or feature; empty for all.
    #[schema(example = "photos")]
    subject: String,
    /// How many.
    value: i64,
}

/// What was counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsResponse {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    from: NaiveDate,
    /// The last, which is today.
    #[schema(value_type = String, format = Date)]
    to: NaiveDate,
    /// Whose days they are.
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    /// Until when everything was counted.
    counted_until: Option<DateTime<Utc>>,
    /// The figures. A day without any was not counted.
    figures: Vec<FigureResponse>,
}

/// Read what was counted of every day
#[utoipa::path(
    get, path = "/api/v1/stats", operation_id = "read_stats", tag = "Statistics",
    security(("bearer" = ["manage"])),
    params(StatsParameters),
    responses(
        (status = 200, description = "The figures", body = StatsResponse),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<StatsParameters>,
) -> Result<Answer<StatsResponse>, Problem> {
    let days = parameters.days.unwrap_or(30);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::unprocessable("invalid_parameter", format!("days is a number from 1 to {MOST_DAYS}.")));
    }
    let overview = stats::overview(&site.env, days).await?;
    let stretch = &overview.stretch;
    let mut figures = Vec::new();
    for day in stretch.days() {
        for metric in Metric::ALL {
            for subject in stretch.subjects(metric) {
                if let Some(value) = stretch.value(metric, &subject, day) {
                    figures.push(FigureResponse { day, metric: metric.as_str().to_owned(), subject, value });
                }
            }
        }
    }
    Ok(Answer(StatsResponse {
        from: stretch.from,
        to: stretch.to,
        timezone: overview.zone.name().to_owned(),
        counted_until: overview.counted_until,
        figures,
    }))
}
