//! REST, version 1: what apps ask and change. Fields may be added, not renamed.

mod activity;
mod catalogue;
mod coupons;
mod credits;
mod decisions;
mod grants;
mod keys;
mod matrix;
mod payments;
mod prices;
mod referrals;
mod restrictions;
mod settings;
mod usage;
mod users;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::platform::caller::Site;

/// The routes, each with its description.
pub(super) fn routes() -> OpenApiRouter<Site> {
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
        .routes(routes!(users::put, users::list))
        .routes(routes!(users::read, users::change))
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
        .routes(routes!(referrals::list))
        .routes(routes!(referrals::release))
        .routes(routes!(referrals::reject))
        .routes(routes!(activity::list))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
}
