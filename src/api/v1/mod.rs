//! REST, version 1: what apps ask and change. Fields may be added, not renamed.

mod decisions;
mod keys;
mod usage;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::platform::caller::Site;

/// The routes, each with its description.
pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new()
        .routes(routes!(decisions::check))
        .routes(routes!(decisions::check_batch))
        .routes(routes!(usage::consume))
        .routes(routes!(usage::reserve))
        .routes(routes!(usage::confirm))
        .routes(routes!(usage::release))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
}
