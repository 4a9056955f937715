//! Coupons: made, redeemed, put away.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

pub use crate::store::coupons::Change;

use crate::{
    domain::{
        coupon::{BadTerms, Closed, Coupon, CouponCode, LONGEST_TEXT, MOST_AT_ONCE, Terms},
        event::Event,
        grant::Grant,
        ids::{CouponId, UserId},
        login::Allowance,
    },
    platform::env::Env,
    services::{
        aftermath::Aftermath,
        catalogue,
        grants::{self, ListedGrant},
    },
    store::{
        StoreError, coupons,
        rate_limits::{self, Counted},
        users,
    },
};

/// Codes that one member may try.
const TRIES_PER_MEMBER: Allowance = Allowance { name: "coupon_member", count: 30, window: TimeDelta::hours(1) };
/// Codes that may be tried from one network.
const TRIES_PER_NETWORK: Allowance = Allowance { name: "coupon_network", count: 30, window: TimeDelta::hours(1) };
/// How often codes are drawn again when some are there already. With a million coupons one of 10^9
/// draws meets one.
const DRAWS: usize = 8;

/// Why coupons are not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum CouponError {
    /// The terms make no sense.
    #[error(transparent)]
    Terms(#[from] BadTerms),
    /// There is no such tier.
    #[error("there is no such tier")]
    TierUnknown,
    /// A code of one's own is for one coupon.
    #[error("1 to {MOST_AT_ONCE} coupons are made in one go, and one when the code is given")]
    BadCount,
    /// A coupon has that code.
    #[error("there is a coupon with this code")]
    CodeTaken,
    /// Too long, or not one line.
    #[error("a description is one line of at most {LONGEST_TEXT} characters")]
    Description,
    /// There is no such coupon.
    #[error("there is no such coupon")]
    NoSuchCoupon,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a coupon is not redeemed.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// No coupon has that code.
    #[error("there is no such coupon")]
    Unknown,
    /// It is switched off or archived.
    #[error("this coupon cannot be redeemed any more")]
    Inactive,
    /// It can be later.
    #[error("this coupon can be redeemed from {0}")]
    NotYet(DateTime<Utc>),
    /// It could be earlier.
    #[error("this coupon could be redeemed until {0}")]
    Expired(DateTime<Utc>),
    /// As many as may have redeemed it.
    #[error("this coupon is used up")]
    UsedUp,
    /// This member has redeemed it.
    #[error("this coupon was redeemed by this member before")]
    AlreadyYours,
    /// Nobody is that.
    #[error("there is no such member")]
    NoSuchMember,
    /// Too many codes were tried.
    #[error("too many codes were tried; the next is possible at {until}")]
    TooMany {
        /// When the next is possible.
        until: DateTime<Utc>,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Closed> for RedeemError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Inactive => Self::Inactive,
            Closed::NotYet(from) => Self::NotYet(from),
            Closed::Expired(until) => Self::Expired(until),
            Closed::UsedUp => Self::UsedUp,
        }
    }
}

/// Coupons to be made.
#[derive(Debug, Clone)]
pub struct NewCoupons<'a> {
    /// A code of one's own; without, codes are drawn.
    pub code: Option<CouponCode>,
    /// What they bring.
    pub terms: Terms,
    /// What is to be remembered about them.
    pub description: &'a str,
    /// How many.
    pub count: i64,
}

/// Makes coupons, all or none.
pub async fn create(env: &Env, new: NewCoupons<'_>, actor: &str) -> Result<Vec<Coupon>, CouponError> {
    let terms = new.terms.checked()?;
    if !(1..=MOST_AT_ONCE).contains(&new.count) || (new.code.is_some() && new.count != 1) {
        return Err(CouponError::BadCount);
    }
    check_description(new.description)?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if catalogue::latest(env, conn).await?.tier(&terms.tier).is_none() {
        return Err(CouponError::TierUnknown);
    }
    let draw = || Coupon {
        id: env.random.id(now),
        code: new.code.clone().unwrap_or_else(|| CouponCode::generate(|| env.random.below(31))),
        terms: terms.clone(),
        redemptions: 0,
        active: true,
        archived_at: None,
        description: new.description.to_owned(),
        created_by: actor.to_owned(),
        created_at: now,
    };
    let count = usize::try_from(new.count).unwrap_or(0);
    let mut made: Vec<Coupon> = Vec::with_capacity(count);
    for _ in 0..DRAWS {
        let drawn: Vec<Coupon> = (made.len()..count).map(|_| draw()).collect();
        let written: std::collections::HashSet<CouponId> =
            coupons::insert(conn, &drawn, now).await?.into_iter().collect();
        made.extend(drawn.into_iter().filter(|coupon| written.contains(&coupon.id)));
        if made.len() == count || new.code.is_some() {
            break;
        }
    }
    if made.len() < count {
        return Err(CouponError::CodeTaken);
    }
    let mut aftermath = Aftermath::new(now);
    let code = new.code.as_ref().map(CouponCode::as_str);
    let details = json!({
        "count": count, "code": code, "type": terms.kind, "tier": terms.tier, "days": terms.days,
        "description": new.description,
    });
    aftermath.log_by(actor, None, "coupons_created", details);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(made)
}

fn check_description(text: &str) -> Result<(), CouponError> {
    let is_line = text.chars().count() <= LONGEST_TEXT && !text.chars().any(char::is_control);
    if is_line { Ok(()) } else { Err(CouponError::Description) }
}

/// Switches a coupon on or off, archives it or describes it anew.
pub async fn change(env: &Env, code: &CouponCode, change: Change<'_>, actor: &str) -> Result<Coupon, CouponError> {
    check_description(change.description.unwrap_or_default())?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let coupon = coupons::update(conn, code, change, now).await?.ok_or(CouponError::NoSuchCoupon)?;
    let mut aftermath = Aftermath::new(now);
    let details = json!({
        "code": code, "active": change.active, "archived": change.archived, "description": change.description,
    });
    aftermath.log_by(actor, None, "coupon_changed", details);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(coupon)
}

/// Returns the coupon with a code.
pub async fn find(env: &Env, code: &CouponCode) -> Result<Option<Coupon>, StoreError> {
    let mut reader = env.db.reader().await?;
    coupons::find(&mut reader.conn(), code).await
}

/// Returns a page of coupons, the newest first, from before `before`; archived ones or the others.
pub async fn list(env: &Env, archived: bool, before: Option<CouponId>, count: i64) -> Result<Vec<Coupon>, StoreError> {
    let mut reader = env.db.reader().await?;
    coupons::page(&mut reader.conn(), archived, before, count).await
}

/// Redeems a coupon for a member, and counts the try against whoever may be guessing.
pub async fn redeem(
    env: &Env,
    user: UserId,
    raw_code: &str,
    guesser: Guesser<'_>,
    actor: &str,
) -> Result<ListedGrant, RedeemError> {
    count_try(env, user, guesser).await?;
    let code = CouponCode::normalise(raw_code).ok_or(RedeemError::Unknown)?;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::lock(conn, user).await?.ok_or(RedeemError::NoSuchMember)?;
    let coupon = coupons::find(conn, &code).await?.ok_or(RedeemError::Unknown)?;
    let now = env.clock.now();
    let catalogue = catalogue::latest(env, conn).await?;
    let mut aftermath = Aftermath::new(now);
    let terms = &coupon.terms;
    let grant = grants::new_grant(env, &user, terms.tier.clone(), terms.kind.grant(), terms.days, actor, now);
    let grant = Grant { coupon: Some(coupon.id), ..grant };
    let id = grant.id;
    let details = json!({ "code": code, "grant": id, "tier": terms.tier, "days": terms.days });
    aftermath.log_by(actor, Some(user.id), "coupon_redeemed", details);
    let event = Event::CouponRedeemed { code: code.to_string(), tier: terms.tier.clone(), days: terms.days };
    aftermath.happened(user.id, event);
    let listed = grants::add(conn, &catalogue, &user, grant, terms.days, &mut aftermath).await?;
    // Nothing of the grant stays when one of the two refuses: the transaction is dropped.
    if !coupons::insert_redemption(conn, env.random.id(now), coupon.id, user.id, id, now).await? {
        return Err(RedeemError::AlreadyYours);
    }
    if !coupons::count_redemption(conn, coupon.id, now).await? {
        let coupon = coupons::find(conn, &code).await?.ok_or(RedeemError::Unknown)?;
        return Err(coupon.closed(now).map_or(RedeemError::UsedUp, RedeemError::from));
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(listed)
}

/// Who may be guessing codes.
#[derive(Debug, Clone, Copy)]
pub enum Guesser<'a> {
    /// A person in a browser, in that network.
    Person(&'a str),
    /// An app, which speaks for many members from one network.
    App,
    /// Who could read all codes.
    Operator,
}

/// Counts a try against what one member and one network may do.
async fn count_try(env: &Env, user: UserId, guesser: Guesser<'_>) -> Result<(), RedeemError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let mut counted = Vec::new();
    if let Guesser::Person(network) = guesser {
        counted.push(rate_limits::count(conn, TRIES_PER_NETWORK, network, now).await?);
    }
    if !matches!(guesser, Guesser::Operator) {
        counted.push(rate_limits::count(conn, TRIES_PER_MEMBER, &user.to_string(), now).await?);
    }
    tx.commit().await?;
    let refused = counted.into_iter().find_map(|counted| match counted {
        Counted::Allowed => None,
        Counted::RefusedUntil(until) => Some(until),
    });
    refused.map_or(Ok(()), |until| Err(RedeemError::TooMany { until }))
}
