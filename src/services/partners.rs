//! Partners: kept, given a link under which they read, and told what came of their coupons.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    domain::{
        ids::{PartnerId, RedemptionId},
        login::Allowance,
        partner::{BadDetails, Figures, Month, Partner, PartnerDetails, StatementLine, statement_csv},
    },
    platform::{env::Env, keys::hash_token},
    services::{aftermath::Aftermath, catalogue},
    store::{
        StoreError, partners,
        rate_limits::{self, Counted},
    },
};

/// How often the page behind a link may be opened from one network.
const LOOKS_PER_NETWORK: Allowance = Allowance { name: "partner_network", count: 120, window: TimeDelta::hours(1) };
/// The longest token that is looked up, in characters.
const LONGEST_TOKEN: usize = 100;
/// Lines of a statement that are read at once.
const LINES: i64 = 1_000;
/// The most months that a page offers.
const MOST_MONTHS: usize = 36;

/// Why a partner is not kept.
#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    /// What is known of them cannot be kept.
    #[error(transparent)]
    Details(#[from] BadDetails),
    /// Another has that name.
    #[error("there is a partner of this name")]
    NameTaken,
    /// There is no such partner.
    #[error("there is no such partner")]
    NoSuchPartner,
    /// They are archived.
    #[error("this partner is archived")]
    Archived,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a partner.
pub async fn create(env: &Env, details: PartnerDetails, actor: &str) -> Result<Partner, PartnerError> {
    let details = details.checked()?;
    let now = env.clock.now();
    let partner = Partner {
        id: env.random.id(now),
        details,
        linked_at: None,
        archived_at: None,
        created_by: actor.to_owned(),
        created_at: now,
    };
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if !partners::insert(conn, &partner, now).await? {
        return Err(PartnerError::NameTaken);
    }
    let mut aftermath = Aftermath::new(now);
    let details = json!({ "partner": partner.id, "name": partner.details.name });
    aftermath.log_by(actor, None, "partner_added", details);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(partner)
}

/// Changes what is known of a partner, and puts them out of the way or back. Who is archived reads
/// nothing any more, and nobody redeems their coupons.
pub async fn change(
    env: &Env,
    id: PartnerId,
    details: PartnerDetails,
    archived: bool,
    actor: &str,
) -> Result<Partner, PartnerError> {
    let details = details.checked()?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    match partners::update(conn, id, &details, archived, now).await? {
        Some(true) => {}
        Some(false) => return Err(PartnerError::NoSuchPartner),
        None => return Err(PartnerError::NameTaken),
    }
    let partner = partners::find_all(conn, &[id]).await?.pop().ok_or(PartnerError::NoSuchPartner)?;
    let mut aftermath = Aftermath::new(now);
    let told = json!({
        "partner": id, "name": details.name, "contract_from": details.contract_from,
        "contract_until": details.contract_until, "archived": archived,
    });
    aftermath.log_by(actor, None, "partner_changed", told);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(partner)
}

/// Returns where a partner reads what came of their coupons, without signing in.
pub fn link(env: &Env, token: &str) -> String {
    format!("{}/partner/{token}", env.config.server.public_url.as_str().trim_end_matches('/'))
}

/// Gives a partner another link and returns its token, which is kept as a hash only. The link before
/// is worth nothing from then on.
pub async fn make_link(env: &Env, id: PartnerId, actor: &str) -> Result<String, PartnerError> {
    let token: [u8; 32] = env.random.bytes();
    let token = URL_SAFE_NO_PAD.encode(token);
    set_link(env, id, Some(&hash_token(token.as_bytes())), actor).await?;
    Ok(token)
}

/// Takes a partner's link away.
pub async fn end_link(env: &Env, id: PartnerId, actor: &str) -> Result<(), PartnerError> {
    set_link(env, id, None, actor).await
}

async fn set_link(env: &Env, id: PartnerId, hash: Option<&[u8]>, actor: &str) -> Result<(), PartnerError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let partner = partners::find_all(conn, &[id]).await?.pop().ok_or(PartnerError::NoSuchPartner)?;
    if partner.archived_at.is_some() && hash.is_some() {
        return Err(PartnerError::Archived);
    }
    partners::set_link(conn, id, hash, now).await?;
    let mut aftermath = Aftermath::new(now);
    let action = if hash.is_some() { "partner_link_made" } else { "partner_link_ended" };
    aftermath.log_by(actor, None, action, json!({ "partner": id, "name": partner.details.name }));
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns a partner.
pub async fn find(env: &Env, id: PartnerId) -> Result<Option<Partner>, StoreError> {
    let mut reader = env.db.reader().await?;
    Ok(partners::find_all(&mut reader.conn(), &[id]).await?.pop())
}

/// Returns the partner of a name or an id.
pub async fn find_named(env: &Env, named: &str) -> Result<Option<Partner>, StoreError> {
    if let Ok(id) = named.parse() {
        return find(env, id).await;
    }
    let mut reader = env.db.reader().await?;
    partners::find_by_name(&mut reader.conn(), named.trim()).await
}

/// Returns a page of partners with what came of their coupons, the newest first, from before
/// `before`; archived ones or the others.
pub async fn list(
    env: &Env,
    archived: bool,
    before: Option<PartnerId>,
    count: i64,
) -> Result<Vec<(Partner, Figures)>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let found = partners::list(conn, archived, before, count).await?;
    let ids: Vec<PartnerId> = found.iter().map(|partner| partner.id).collect();
    let figures = partners::figures(conn, &ids).await?;
    let of = |id: PartnerId| figures.iter().find(|(of, _)| *of == id).map(|(_, figures)| *figures).unwrap_or_default();
    Ok(found.into_iter().map(|partner| (partner.clone(), of(partner.id))).collect())
}

/// Returns the names of partners who are not archived, in their order: for a choice, which needs nothing
/// else.
pub async fn names(env: &Env, count: i64) -> Result<Vec<(PartnerId, String)>, StoreError> {
    let mut reader = env.db.reader().await?;
    partners::names(&mut reader.conn(), count).await
}

/// What came of a partner's coupons, with the months for which there is a statement.
#[derive(Debug, Clone)]
pub struct Account {
    /// Who.
    pub partner: Partner,
    /// What came of it.
    pub figures: Figures,
    /// The months since the first redemption, the newest first; at least this one.
    pub months: Vec<Month>,
}

/// Returns what came of a partner's coupons.
pub async fn account(env: &Env, partner: Partner) -> Result<Account, StoreError> {
    let zone = catalogue::current(env).await?.settings.timezone;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let figures = partners::figures(conn, &[partner.id]).await?.pop().map(|(_, figures)| figures).unwrap_or_default();
    let now = env.clock.now();
    let this = Month::of(now, zone);
    let first = partners::first_redemption(conn, partner.id).await?.map_or(this, |at| Month::of(at, zone));
    let months = std::iter::successors(Some(this), |month| (*month > first).then(|| month.before()));
    Ok(Account { partner, figures, months: months.take(MOST_MONTHS).collect() })
}

/// Returns every redemption of a partner's coupons in a month of the product's zone, the oldest
/// first.
pub async fn statement(env: &Env, partner: PartnerId, month: Month) -> Result<Vec<StatementLine>, StoreError> {
    let zone = catalogue::current(env).await?.settings.timezone;
    let within = (month.begins(zone), month.after().begins(zone));
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let mut lines: Vec<StatementLine> = Vec::new();
    loop {
        let after: Option<RedemptionId> = lines.last().map(|line| line.id);
        let more = partners::statement(conn, partner, within, after, LINES).await?;
        let is_last = i64::try_from(more.len()).unwrap_or(0) < LINES;
        lines.extend(more);
        if is_last {
            return Ok(lines);
        }
    }
}

/// Returns the same as a file that spreadsheets read.
pub async fn statement_file(env: &Env, partner: PartnerId, month: Month) -> Result<String, StoreError> {
    let zone = catalogue::current(env).await?.settings.timezone;
    Ok(statement_csv(&statement(env, partner, month).await?, zone))
}

/// Why nothing is shown behind a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such link, or no more.
    #[error("there is no such link")]
    Unknown,
    /// Too many were opened.
    #[error("too many looks; the next is possible at {until}")]
    TooMany {
        /// When the next is possible.
        until: DateTime<Utc>,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns who reads under a link, and counts the look against the network it comes from.
pub async fn behind_link(env: &Env, token: &str, network: &str) -> Result<Partner, LinkError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let counted = rate_limits::count(&mut tx.conn(), LOOKS_PER_NETWORK, network, now).await?;
    tx.commit().await?;
    if let Counted::RefusedUntil(until) = counted {
        return Err(LinkError::TooMany { until });
    }
    if token.len() > LONGEST_TOKEN {
        return Err(LinkError::Unknown);
    }
    let mut reader = env.db.reader().await?;
    // Looked up by its hash: how long that takes tells nothing of the token.
    let found = partners::find_by_link(&mut reader.conn(), &hash_token(token.as_bytes())).await?;
    found.ok_or(LinkError::Unknown)
}
