//! The description of the API, made from the routes themselves.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::Response,
    routing::{any, get},
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description, RefOr, ResponseBuilder,
        content::ContentBuilder,
        schema::Ref,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    api::{Problem, analyze, problem::ProblemShape, v1},
    platform::caller::{self, Site},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Vouchsafe",
        description = "May this user do this, and why? Send an API key as `Authorization: Bearer vs_…`. Errors are \
                       `application/problem+json` (RFC 9457) with a `code` that never changes.",
    ),
    tags(
        (name = "Decisions", description = "May this user do this, and why? Nothing is counted."),
        (name = "Usage", description = "Counting, and holding units for work that may fail."),
        (name = "Users", description = "Who they are and how they stand. A user is named by id, by your own external id, or by email."),
        (name = "Restrictions", description = "Limits of one user's own, which go before the tier's."),
        (name = "Credits", description = "Days of paid access that somebody was given."),
        (name = "Grants", description = "Time at a tier that somebody was given, and whose turn it is."),
        (name = "Coupons", description = "Codes that are redeemed for time at a tier."),
        (name = "Partners", description = "Gyms, companies and others for whom coupons are made, and what came of them."),
        (name = "Bonus", description = "Rules that reward users by themselves, and who was rewarded."),
        (name = "Payments", description = "What the providers of payments told, and what is bought."),
        (name = "Referrals", description = "Who invited whom, and what became of the reward."),
        (name = "Invitations", description = "Who is invited by mail, and what waits for them."),
        (name = "Tiers and features", description = "What there is to have."),
        (name = "Matrix", description = "Which tier has how much of which feature."),
        (name = "Settings", description = "The product's settings."),
        (name = "Analysis", description = "What a portfolio amounts to, for paying members."),
        (name = "Activity", description = "The audit log."),
        (name = "Statistics", description = "What was counted of every day."),
        (name = "Jobs", description = "What is done outside of requests: by the clock, and from the queue."),
        (name = "Mails", description = "What was written to users, which letters they want, and how letters are worded."),
        (name = "Notifications", description = "What admins are told, and how."),
        (name = "Webhooks", description = "Apps that hear what happens to users, and what was delivered to them."),
        (name = "API keys", description = "Keys by which apps ask. `admin` includes `manage`, which includes `consume`, which includes `check`."),
    ),
    components(schemas(ProblemShape)),
    security(("bearer" = [])),
    modifiers(&Common),
)]
struct Vouchsafe;

/// What every route has in common.
struct Common;

impl Modify for Common {
    fn modify(&self, description: &mut Description) {
        let components = description.components.get_or_insert_default();
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Adds the answers that every route may give.
fn add_common_answers(description: &mut Description) {
    let problem = |description: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let content = ("application/problem+json", content);
        RefOr::T(ResponseBuilder::new().description(description).content(content.0, content.1).build())
    };
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let has_body = operation.request_body.is_some();
            let answers = &mut operation.responses.responses;
            let mut add = |status: &str, text: &str| {
                answers.entry(status.to_owned()).or_insert_with(|| problem(text));
            };
            add("401", "unauthorized: no API key, or none that is good");
            add("403", "scope_missing or other_user: the key may not do this");
            add("503", "unavailable: the database does not answer now");
            if has_body {
                add("400", "invalid_json or body_incomplete: the body is not JSON");
                add("413", "body_too_large");
                add("422", "invalid_body: the body is JSON, but not this");
            }
        }
    }
}

/// Returns the routes; of those that the log of activity is told of, what `noted` makes.
fn described_routes(noted: impl FnOnce(OpenApiRouter<Site>) -> OpenApiRouter<Site>) -> (Router<Site>, Description) {
    let routes = OpenApiRouter::with_openapi(Vouchsafe::openapi())
        .merge(v1::busy_routes())
        .merge(noted(v1::routes()))
        .merge(analyze::routes());
    let (routes, mut description) = routes.split_for_parts();
    add_common_answers(&mut description);
    (routes, description)
}

/// Returns the description of the API (OpenAPI 3.1).
pub fn description() -> Value {
    serde_json::to_value(described_routes(|routes| routes).1).expect("a description is plain JSON")
}

/// Returns the routes of the API, the one that describes them among them.
pub(super) fn routes(site: &Site) -> Router<Site> {
    let noting = middleware::from_fn_with_state(site.clone(), caller::from_outside);
    let (routes, description) = described_routes(|routes| routes.route_layer(noting));
    let text = description.to_pretty_json().expect("a description is plain JSON");
    // utoipa 5.5 writes this member of a link as Rust would.
    let text: Arc<str> = text.replace("\"operation_id\":", "\"operationId\":").into();
    routes
        .route("/api/openapi.json", get(async move || openapi(&text)))
        .route("/api/{*path}", any(nothing))
        .method_not_allowed_fallback(not_this_way)
}

fn openapi(text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn nothing() -> Problem {
    Problem::not_found(
        "not_found",
        "There is nothing here. GET /api/openapi.json lists what there is, /api/docs for people.",
    )
}

async fn not_this_way() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This route does not know this method.")
}
