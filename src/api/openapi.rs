//! The description of the API, made from the routes themselves.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{any, get},
};
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
    api::{Problem, problem::ProblemShape, v1},
    platform::caller::Site,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Vouchsafe",
        description = "May this user do this, and why? Send an API key as `Authorization: Bearer vs_…`. Errors are \
                       `application/problem+json` (RFC 9457) with a `code` that never changes.",
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
                add("413", "body_too_large: more than 16 KiB");
            }
        }
    }
}

/// Returns the routes of the API and their description.
pub(super) fn routes() -> Router<Site> {
    let (routes, mut description) =
        OpenApiRouter::with_openapi(Vouchsafe::openapi()).merge(v1::routes()).split_for_parts();
    add_common_answers(&mut description);
    let text: Arc<str> = description.to_pretty_json().expect("a description is plain JSON").into();
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
    Problem::not_found("not_found", "There is nothing here. GET /api/openapi.json lists what there is.")
}

async fn not_this_way() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This route does not know this method.")
}
