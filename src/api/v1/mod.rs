//! REST, version 1: what apps ask and change. Fields may be added, not renamed.

mod activity;
mod bonus;
mod catalogue;
mod coupons;
mod credits;
mod decisions;
mod grants;
mod invitations;
mod jobs;
mod keys;
mod mails;
mod matrix;
mod notifications;
mod partners;
mod payments;
mod prices;
mod privacy;
mod referrals;
mod restrictions;
mod settings;
mod stats;
mod usage;
mod users;
mod webhook_endpoints;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::platform::caller::Site;

/// The routes by which apps ask and count, each with its description. They change nothing of which the log
/// of activity is told, and are the busiest.
pub(super) fn busy_routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new()
        .routes(routes!(decisions::check))
        .routes(routes!(decisions::check_batch))
        .routes(routes!(users::list_entitlements))
        .routes(routes!(users::explain))
        .routes(routes!(usage::consume))
        .routes(routes!(usage::reserve))
        .routes(routes!(usage::read))
        .routes(routes!(usage::confirm))
        .routes(routes!(usage::release))
}

/// The other routes, each with its description.
pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new()
        .routes(routes!(users::put, users::list))
        .routes(routes!(users::read, users::change, privacy::delete))
        .routes(routes!(privacy::export))
        .routes(routes!(privacy::keep))
        .routes(routes!(users::status))
        .routes(routes!(users::list_accesses))
        .routes(routes!(users::disable))
        .routes(routes!(users::enable))
        .routes(routes!(restrictions::list))
        .routes(routes!(restrictions::put, restrictions::delete))
        .routes(routes!(credits::list, credits::give, credits::end))
        .routes(routes!(grants::list, grants::give))
        .routes(routes!(grants::revoke))
        .routes(routes!(coupons::create, coupons::list))
        .routes(routes!(coupons::read, coupons::change))
        .routes(routes!(coupons::redeem))
        .routes(routes!(coupons::list_redemptions))
        .routes(routes!(coupons::draw))
        .routes(routes!(coupons::list_batches))
        .routes(routes!(coupons::read_batch))
        .routes(routes!(partners::create, partners::list))
        .routes(routes!(partners::read, partners::replace))
        .routes(routes!(partners::make_link, partners::end_link))
        .routes(routes!(partners::statement))
        .routes(routes!(catalogue::list_tiers))
        .routes(routes!(catalogue::read_tier, catalogue::put_tier))
        .routes(routes!(prices::list, prices::put))
        .routes(routes!(catalogue::list_features))
        .routes(routes!(catalogue::read_feature, catalogue::put_feature))
        .routes(routes!(matrix::read))
        .routes(routes!(matrix::preview))
        .routes(routes!(matrix::commit))
        .routes(routes!(matrix::undo))
        .routes(routes!(settings::list))
        .routes(routes!(settings::put))
        .routes(routes!(payments::list_events))
        .routes(routes!(payments::read_event))
        .routes(routes!(payments::replay_event))
        .routes(routes!(payments::list_subscriptions))
        .routes(routes!(payments::list_of_user))
        .routes(routes!(invitations::create, invitations::list))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::resend))
        .routes(routes!(referrals::list))
        .routes(routes!(referrals::release))
        .routes(routes!(referrals::reject))
        .routes(routes!(activity::list))
        .routes(routes!(activity::export))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::run))
        .routes(routes!(jobs::dead))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::discard))
        .routes(routes!(stats::read))
        .routes(routes!(mails::list))
        .routes(routes!(mails::resend_all))
        .routes(routes!(mails::read))
        .routes(routes!(mails::resend))
        .routes(routes!(mails::read_preferences, mails::put_preferences))
        .routes(routes!(mails::list_templates))
        .routes(routes!(mails::preview_template))
        .routes(routes!(mails::test_template))
        .routes(routes!(mails::read_template, mails::put_template, mails::reset_template))
        .routes(routes!(bonus::create, bonus::list))
        .routes(routes!(bonus::preview))
        .routes(routes!(bonus::read, bonus::change))
        .routes(routes!(bonus::archive))
        .routes(routes!(bonus::list_awards))
        .routes(routes!(bonus::of_user))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::mark_all_read))
        .routes(routes!(notifications::read_settings, notifications::put_settings))
        .routes(routes!(notifications::mark_read))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(webhook_endpoints::create, webhook_endpoints::list))
        .routes(routes!(webhook_endpoints::read, webhook_endpoints::change, webhook_endpoints::delete))
        .routes(routes!(webhook_endpoints::rotate))
        .routes(routes!(webhook_endpoints::test))
        .routes(routes!(webhook_endpoints::list_deliveries))
        .routes(routes!(webhook_endpoints::read_delivery))
        .routes(routes!(webhook_endpoints::resend))
        .routes(routes!(webhook_endpoints::resend_failed))
}
