//! Pages: a view and its handlers each. A page is rendered on the server from what a service
//! returned; its forms post to their own address, and come back as the same page with 422 when
//! something is wrong. Islands in `components` bring what profits from it to life.

mod admin_claim;
mod error;
mod frame;
mod login;
mod mailbox;
mod matrix;
mod next;
mod settings;
mod verify;

use axum::{
    Router,
    response::Redirect,
    routing::{get, post},
};

use crate::platform::caller::{Refused, Site, Visit};

pub use error::ErrorPages;

/// Returns the routes of all pages.
pub fn routes(site: &Site) -> Router<Site> {
    let mut routes = Router::new()
        .route("/", get(start))
        .route("/login", get(login::show).post(login::submit))
        .route("/verify", get(verify::show).post(verify::submit))
        .route("/verify/resend", post(verify::resend))
        .route("/settings", get(settings::show))
        .route("/settings/sessions/revoke", post(settings::revoke_session))
        .route("/settings/sessions/revoke-all", post(settings::revoke_all_sessions))
        .route("/sign-out", post(settings::sign_out))
        .route("/language", post(settings::set_language))
        .route("/admin/claim", get(admin_claim::show).post(admin_claim::submit))
        .route("/admin", get(async || Redirect::to("/admin/matrix")))
        .route("/admin/matrix", get(matrix::show))
        .route("/admin/matrix/review", post(matrix::review))
        .route("/admin/matrix/commit", post(matrix::commit))
        .route("/admin/matrix/undo", post(matrix::undo));
    if matches!(site.env.config.mail.transport, crate::config::MailTransport::Preview) {
        routes = routes
            .route("/dev/mailbox", get(mailbox::show))
            .route("/dev/mailbox/{id}", get(mailbox::letter))
            .route("/dev/mailbox.json", get(mailbox::json));
    }
    routes
}

async fn start(visit: Visit) -> Result<Redirect, Refused> {
    Ok(Redirect::to(if visit.identity.is_some() { "/settings" } else { "/login" }))
}
