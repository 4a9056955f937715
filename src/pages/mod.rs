//! Pages: a view and its handlers each. A page is rendered on the server from what a service
//! returned; its forms post to their own address, and come back as the same page with 422 when
//! something is wrong. Islands in `components` bring what profits from it to life.

mod activity;
mod admin_claim;
mod api_docs;
mod api_keys;
mod app_settings;
mod billing;
mod bonus;
mod coupons;
mod day;
mod error;
mod features;
mod frame;
mod invitation;
mod invitations;
mod invite;
mod jobs;
mod login;
mod mail_preferences;
mod mail_templates;
mod mailbox;
mod mails;
mod matrix;
mod next;
mod notifications;
mod outlook;
mod overview;
mod partners;
mod payments;
mod portfolio;
mod pricing;
mod privacy;
mod redeem;
mod referrals;
mod settings;
mod tiers;
mod trial;
mod unsubscribe;
mod users;
mod verify;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::Redirect,
    routing::{get, post},
};

use crate::{
    domain::catalogue::Catalogue,
    platform::caller::{Refused, Site, Visit},
};

pub use error::ErrorPages;

/// Returns the page that tells people what the API can do, drawn from its description.
pub fn api_docs(site: &Site, description: &serde_json::Value) -> Router<Site> {
    let origin = site.env.config.server.public_url.as_str();
    let reference = Arc::new(api_docs::Reference::read(description, origin));
    let show = async move |site, visit| api_docs::show(site, visit, reference.clone()).await;
    Router::new().route("/api/docs", get(show))
}

/// Returns the routes of all pages.
pub fn routes(site: &Site) -> Router<Site> {
    let mut routes = Router::new()
        .route("/", get(start))
        .route("/login", get(login::show).post(login::submit))
        .route("/verify", get(verify::show).post(verify::submit))
        .route("/verify/resend", post(verify::resend))
        .route("/pricing", get(pricing::show))
        .route("/billing/checkout", post(billing::checkout))
        .route("/billing/portal", post(billing::portal))
        .route("/billing/done", get(billing::done))
        .route("/settings", get(settings::show))
        .route("/settings/invitations", get(invite::show).post(invite::invite))
        .route("/settings/invitations/resend", post(invite::resend))
        .route("/settings/invitations/revoke", post(invite::revoke))
        .route("/invitation/{token}", get(invitation::show).post(invitation::accept))
        .route("/redeem", get(redeem::show).post(redeem::submit))
        .route("/redeem/{code}", get(redeem::show_code))
        .route("/settings/export", get(privacy::export))
        .route("/settings/delete", get(privacy::show).post(privacy::submit))
        .route("/settings/keep", post(privacy::keep))
        .route("/settings/sessions/revoke", post(settings::revoke_session))
        .route("/settings/sessions/revoke-all", post(settings::revoke_all_sessions))
        .route("/portfolio", get(portfolio::show).post(portfolio::save))
        .route("/portfolio/import", post(portfolio::import).layer(DefaultBodyLimit::max(portfolio::FILE_LIMIT)))
        .route("/portfolio/versions/{number}", get(portfolio::show_version))
        .route("/portfolio/restore", post(portfolio::restore))
        .route("/portfolio/analyze", post(portfolio::analyze))
        .route("/settings/mails", post(mail_preferences::submit))
        .route("/unsubscribe/{token}", get(unsubscribe::show).post(unsubscribe::submit))
        .route("/admin/mails", get(mails::list))
        .route("/admin/mails/resend", post(mails::resend_all))
        .route("/admin/mails/templates", get(mail_templates::list))
        .route("/admin/mails/templates/{letter}/{lang}", get(mail_templates::edit).post(mail_templates::save))
        .route(
            "/admin/mails/templates/{letter}/{lang}/preview",
            get(mail_templates::preview).post(mail_templates::preview_typed),
        )
        .route("/admin/mails/templates/{letter}/{lang}/reset", post(mail_templates::reset))
        .route("/admin/mails/templates/{letter}/{lang}/test", post(mail_templates::send_test))
        .route("/admin/mails/{id}", get(mails::show))
        .route("/admin/mails/{id}/resend", post(mails::resend))
        .route("/sign-out", post(settings::sign_out))
        .route("/language", post(settings::set_language))
        .route("/admin/claim", get(admin_claim::show).post(admin_claim::submit))
        .route("/admin", get(overview::show))
        .route("/admin/activity", get(activity::list))
        .route("/admin/activity/export", get(activity::export))
        .route("/admin/jobs", get(jobs::list))
        .route("/admin/jobs/{name}/run", post(jobs::run))
        .route("/admin/jobs/dead/{id}/retry", post(jobs::retry))
        .route("/admin/jobs/dead/{id}/discard", post(jobs::discard))
        .route("/admin/matrix", get(matrix::show))
        .route("/admin/matrix/review", post(matrix::review))
        .route("/admin/matrix/commit", post(matrix::commit))
        .route("/admin/matrix/undo", post(matrix::undo))
        .route("/admin/features", get(features::list).post(features::create))
        .route("/admin/features/new-feature", get(features::new))
        .route("/admin/features/{id}", get(features::edit).post(features::change))
        .route("/admin/tiers", get(tiers::list).post(tiers::create))
        .route("/admin/tiers/new-tier", get(tiers::new))
        .route("/admin/tiers/{id}", get(tiers::edit).post(tiers::change))
        .route("/admin/keys", get(api_keys::show).post(api_keys::create))
        .route("/admin/keys/{id}/revoke", post(api_keys::revoke))
        .route("/admin/payments", get(payments::list))
        .route("/admin/payments/replay-dead", post(payments::replay_dead))
        .route("/admin/payments/reconcile", post(payments::reconcile))
        .route("/admin/payments/subscriptions", get(payments::subscriptions))
        .route("/admin/payments/test", get(payments::test).post(payments::send_test))
        .route("/admin/payments/{id}", get(payments::show))
        .route("/admin/payments/{id}/replay", post(payments::replay))
        .route("/admin/invitations", get(invitations::list).post(invitations::create))
        .route("/admin/invitations/{id}/resend", post(invitations::resend))
        .route("/admin/invitations/{id}/revoke", post(invitations::revoke))
        .route("/admin/settings", get(app_settings::show).post(app_settings::save))
        .route("/admin/referrals", get(referrals::list))
        .route("/admin/referrals/{id}/release", post(referrals::release))
        .route("/admin/referrals/{id}/reject", post(referrals::reject))
        .route("/admin/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/admin/webhooks/{id}", get(webhooks::show).post(webhooks::change))
        .route("/admin/webhooks/{id}/rotate", post(webhooks::rotate))
        .route("/admin/webhooks/{id}/enable", post(webhooks::enable))
        .route("/admin/webhooks/{id}/disable", post(webhooks::disable))
        .route("/admin/webhooks/{id}/delete", post(webhooks::delete))
        .route("/admin/webhooks/{id}/test", post(webhooks::send_test))
        .route("/admin/webhooks/{id}/resend", post(webhooks::resend_failed))
        .route("/admin/webhooks/{id}/deliveries/{delivery}", get(webhooks::show_delivery))
        .route("/admin/webhooks/{id}/deliveries/{delivery}/resend", post(webhooks::resend))
        .route("/admin/coupons", get(coupons::list).post(coupons::create))
        .route("/admin/coupons/batches", get(coupons::list_batches))
        .route("/admin/coupons/batches/{id}", get(coupons::batch))
        .route("/admin/coupons/batches/{id}/coupons.csv", get(coupons::batch_file))
        .route("/admin/coupons/batches/{id}/sheet", get(coupons::batch_sheet))
        .route("/admin/coupons/{code}", get(coupons::show).post(coupons::change))
        .route("/admin/coupons/{code}/qr.svg", get(coupons::qr))
        .route("/admin/coupons/{code}/archive", post(coupons::archive))
        .route("/admin/partners", get(partners::list).post(partners::create))
        .route("/admin/partners/{id}", get(partners::show).post(partners::change))
        .route("/admin/partners/{id}/link", post(partners::make_link))
        .route("/admin/partners/{id}/link/end", post(partners::end_link))
        .route("/admin/partners/{id}/statement/{month}", get(partners::show_statement))
        .route("/partner/{token}", get(partners::show_link))
        .route("/partner/{token}/statement/{month}", get(partners::link_statement))
        .route("/admin/bonus", get(bonus::list).post(bonus::create))
        .route("/admin/bonus/{id}", get(bonus::show).post(bonus::change))
        .route("/admin/bonus/{id}/archive", post(bonus::archive))
        .route("/admin/notifications", get(notifications::list))
        .route("/admin/notifications/read", post(notifications::mark_all_read))
        .route("/admin/notifications/settings", get(notifications::settings).post(notifications::change_settings))
        .route("/admin/notifications/{id}/read", post(notifications::mark_read))
        .route("/admin/users", get(users::list))
        .route("/admin/users/{id}", get(users::show))
        .route("/admin/users/{id}/delete", get(privacy::show_for_admin).post(privacy::submit_for_admin))
        .route("/admin/users/{id}/keep", post(privacy::keep_for_admin))
        .route("/admin/users/{id}/tier", post(users::set_tier))
        .route("/admin/users/{id}/disable", post(users::disable))
        .route("/admin/users/{id}/enable", post(users::enable))
        .route("/admin/users/{id}/restrict", post(users::restrict))
        .route("/admin/users/{id}/unrestrict", post(users::unrestrict))
        .route("/admin/users/{id}/credit", post(users::give_credit))
        .route("/admin/users/{id}/credit/end", post(users::end_credit))
        .route("/admin/users/{id}/grants", post(users::give_grant))
        .route("/admin/users/{id}/grants/revoke", post(users::revoke_grant))
        .route("/admin/users/{id}/sessions/revoke", post(users::end_session))
        .route("/admin/users/{id}/sessions/revoke-all", post(users::end_all_sessions));
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

/// Returns the tier that a form starts with where nobody has chosen one: the weakest that is paid for, for nobody is
/// given what is free.
fn chosen_tier(typed: &str, catalogue: &Catalogue) -> String {
    let first_paid = || catalogue.tiers().iter().find(|tier| tier.paid).map(|tier| tier.id.to_string());
    Some(typed.to_owned()).filter(|typed| !typed.is_empty()).or_else(first_paid).unwrap_or_default()
}
