//! Coupons: made, redeemed, put away.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

pub use crate::{
    domain::coupon::Guesser,
    store::coupons::{Change, Filter, ListedRedemption},
};

use crate::{
    domain::{
        coupon::{
            BadTerms, Batch, Closed, Coupon, CouponCode, CouponKind, LONGEST_TEXT, MOST_AT_ONCE, Redemption, Refusal,
            Terms, to_csv,
        },
        ids::{BatchId, CouponId, RedemptionId, UserId},
        qr::Drawing,
    },
    platform::env::Env,
    services::{aftermath::Aftermath, catalogue, grants::ListedGrant, redemptions},
    store::{StoreError, activity, coupons, partners},
};

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
    /// There is no such partner, or they are archived.
    #[error("there is no such partner")]
    PartnerUnknown,
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
    /// It is for a partner whose contract does not run.
    #[error("this coupon belongs to a partner whose contract does not run now")]
    NoContract,
    /// This member has redeemed it, under this account or an earlier one.
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
    Store(#[from] Arc<StoreError>),
}

impl From<Refusal> for RedeemError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::Unknown,
            Refusal::Closed(Closed::Inactive) => Self::Inactive,
            Refusal::Closed(Closed::NotYet(from)) => Self::NotYet(from),
            Refusal::Closed(Closed::Expired(until)) => Self::Expired(until),
            Refusal::Closed(Closed::UsedUp) => Self::UsedUp,
            Refusal::NoContract => Self::NoContract,
            Refusal::AlreadyYours => Self::AlreadyYours,
            Refusal::NoSuchMember => Self::NoSuchMember,
            Refusal::TooMany { until } => Self::TooMany { until },
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

/// How many coupons are written between two words about how far it is.
const STEP: usize = 1_000;

/// Coupons that were made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The coupons.
    pub coupons: Vec<Coupon>,
    /// What holds them together; nothing for a single one.
    pub batch: Option<BatchId>,
}

/// Makes coupons, all or none. `progress` hears how many there are so far; they last once this
/// returns.
pub async fn create(
    env: &Env,
    new: NewCoupons<'_>,
    actor: &str,
    mut progress: impl FnMut(usize) + Send,
) -> Result<Made, CouponError> {
    let mut terms = new.terms.checked()?;
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
    if let Some(id) = terms.partner_id {
        let partner = partners::find_all(conn, &[id]).await?.pop();
        let partner = partner.filter(|partner| partner.archived_at.is_none()).ok_or(CouponError::PartnerUnknown)?;
        if terms.kind == CouponKind::Partner {
            terms.partner = Some(partner.details.name);
        }
    }
    let batch = (new.count > 1).then(|| Batch {
        id: env.random.id(now),
        label: new.description.to_owned(),
        count: new.count,
        created_by: actor.to_owned(),
        created_at: now,
    });
    if let Some(batch) = &batch {
        coupons::insert_batch(conn, batch).await?;
    }
    let batch = batch.map(|batch| batch.id);
    let draw = || Coupon {
        id: env.random.id(now),
        code: new.code.clone().unwrap_or_else(|| CouponCode::generate(|| env.random.below(31))),
        terms: terms.clone(),
        redemptions: 0,
        active: true,
        archived_at: None,
        description: new.description.to_owned(),
        batch,
        created_by: actor.to_owned(),
        created_at: now,
    };
    let count = usize::try_from(new.count).unwrap_or(0);
    let mut made: Vec<Coupon> = Vec::with_capacity(count);
    for _ in 0..DRAWS {
        while made.len() < count {
            let drawn: Vec<Coupon> = (made.len()..count.min(made.len() + STEP)).map(|_| draw()).collect();
            let written: std::collections::HashSet<CouponId> =
                coupons::insert(conn, &drawn, now).await?.into_iter().collect();
            let is_full = written.len() == drawn.len();
            made.extend(drawn.into_iter().filter(|coupon| written.contains(&coupon.id)));
            progress(made.len());
            if !is_full {
                break;
            }
        }
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
        "description": new.description, "batch": batch, "partner": terms.partner_id,
    });
    aftermath.log_by(actor, None, "coupons_created", details);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(Made { coupons: made, batch })
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

/// Returns a page of coupons, the newest first, from before `before`.
pub async fn list(env: &Env, filter: &Filter, before: Option<CouponId>, count: i64) -> Result<Vec<Coupon>, StoreError> {
    let mut reader = env.db.reader().await?;
    // No description holds what cannot be seen, and PostgreSQL takes no text with a NUL.
    let seen = |text: &String| text.chars().filter(|letter| !letter.is_control()).collect::<String>();
    let text = filter.text.as_ref().map(seen).filter(|text| !text.is_empty());
    coupons::page(&mut reader.conn(), &Filter { text, ..filter.clone() }, before, count).await
}

/// Returns a page of the redemptions of a coupon, the newest first, from before `before`.
pub async fn redemptions(
    env: &Env,
    coupon: CouponId,
    before: Option<RedemptionId>,
    count: i64,
) -> Result<Vec<ListedRedemption>, StoreError> {
    let mut reader = env.db.reader().await?;
    coupons::redemptions(&mut reader.conn(), coupon, before, count).await
}

/// Returns what was made in one go, the newest first, from before `before`, each with how often its
/// coupons were redeemed in all.
pub async fn batches(env: &Env, before: Option<BatchId>, count: i64) -> Result<Vec<(Batch, i64)>, StoreError> {
    let mut reader = env.db.reader().await?;
    coupons::batches(&mut reader.conn(), before, count).await
}

/// Returns coupons that were made in one go, with how often they were redeemed in all.
pub async fn find_batch(env: &Env, id: BatchId) -> Result<Option<(Batch, i64)>, StoreError> {
    let mut reader = env.db.reader().await?;
    coupons::find_batch(&mut reader.conn(), id).await
}

/// Returns the coupons that were made in one go as a file that spreadsheets read; nothing if there is no such batch.
pub async fn batch_file(env: &Env, id: BatchId) -> Result<Option<String>, StoreError> {
    let zone = catalogue::current(env).await?.settings.timezone;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    if coupons::find_batch(conn, id).await?.is_none() {
        return Ok(None);
    }
    let filter = Filter { batch: Some(id), ..Filter::default() };
    let found = coupons::page(conn, &filter, None, MOST_AT_ONCE).await?;
    Ok(Some(to_csv(&found, zone, |code| redeem_link(env, code))))
}

/// Returns where a coupon is redeemed.
pub fn redeem_link(env: &Env, code: &CouponCode) -> String {
    format!("{}/redeem/{code}", env.config.server.public_url.as_str().trim_end_matches('/'))
}

/// Draws the link under which a coupon is redeemed as a QR code, a file of SVG; nothing if the site's address is too
/// long for one.
pub fn drawing(env: &Env, code: &CouponCode) -> Option<String> {
    Drawing::of(&redeem_link(env, code)).map(|drawing| drawing.file())
}

/// Redeems a coupon for a member, together with what else waits. Tries in vain are counted against
/// whoever may be guessing.
pub async fn redeem(
    env: &Env,
    user: UserId,
    raw_code: &str,
    guesser: Guesser,
    actor: &str,
) -> Result<ListedGrant, RedeemError> {
    let code = CouponCode::normalise(raw_code);
    let redemption = Redemption { user, code, guesser, actor: actor.to_owned(), place: activity::here() };
    Ok(redemptions::redeem(env, redemption).await??)
}
