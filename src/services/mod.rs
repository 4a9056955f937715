//! Verbs: one file per journey. Each owns its transaction.
//!
//! Pages, API, jobs and command line all knock here; the rules are in `domain`, the statements
//! in `store`.

pub mod access;
pub mod activity;
pub mod admin_claim;
mod aftermath;
pub mod analysis;
pub mod api_keys;
pub mod billing;
pub mod bonus;
pub mod catalogue;
pub(crate) mod collisions;
pub mod coupons;
pub mod credits;
pub mod doctor;
pub mod endings;
pub mod entitlements;
mod events;
pub mod grants;
pub mod invitations;
pub mod jobs;
pub mod letters;
pub mod live;
pub mod login;
pub mod mail_preferences;
pub mod mail_templates;
pub mod matrix;
pub mod members;
pub mod notifications;
pub mod partners;
pub mod payment_views;
pub mod payments;
pub mod portfolios;
pub mod prices;
pub mod privacy;
pub mod quotes;
mod redemptions;
pub mod referrals;
pub mod reminders;
pub mod replays;
pub mod restrictions;
mod rounds;
pub mod schedules;
pub mod sessions;
pub mod stats;
pub mod subscriptions;
pub mod test_events;
mod trials;
pub mod usage;
pub mod webhooks;

use std::net::IpAddr;

use crate::domain::lang::Lang;

/// Who is asking, as far as the connection tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client.
    pub address: IpAddr,
    /// The network against which requests are counted: an IPv4 address or an IPv6 /64.
    pub network: String,
    /// What the browser calls itself, at most 200 characters.
    pub user_agent: String,
    /// The language of the answer.
    pub lang: Lang,
}
