//! Partners, and what came of their coupons: `partners`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        coupon::CouponCode,
        grant::GrantState,
        ids::{PartnerId, RedemptionId, TierId},
        partner::{Figures, Partner, PartnerDetails, StatementLine},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct PartnerRow {
    id: PartnerId,
    name: String,
    contact: String,
    email: Option<String>,
    contract_from: Option<DateTime<Utc>>,
    contract_until: Option<DateTime<Utc>>,
    note: String,
    linked_at: Option<DateTime<Utc>>,
    archived_at: Option<DateTime<Utc>>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl From<PartnerRow> for Partner {
    fn from(row: PartnerRow) -> Self {
        Self {
            id: row.id,
            details: PartnerDetails {
                name: row.name,
                contact: row.contact,
                email: row.email,
                contract_from: row.contract_from,
                contract_until: row.contract_until,
                note: row.note,
            },
            linked_at: row.linked_at,
            archived_at: row.archived_at,
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

macro_rules! columns {
    () => {
        "id, name, contact, email, contract_from, contract_until, note, linked_at, archived_at, created_by, created_at"
    };
}

/// Returns partners in use whose contract ends after `from` and no later than `until`, the earliest first.
pub async fn ending(
    conn: &mut Conn<'_>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    count: i64,
) -> Result<Vec<Partner>> {
    let rows: Vec<PartnerRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM partners WHERE archived_at IS NULL AND contract_until > $1 AND contract_until <= $2
        ORDER BY contract_until, id LIMIT $3"
    ))
    .bind(from)
    .bind(until)
    .bind(count)
    .fetch_all(c))?;
    Ok(rows.into_iter().map(Partner::from).collect())
}

/// Adds a partner. Returns `false` if somebody has that name.
pub async fn insert(conn: &mut Conn<'_>, partner: &Partner, now: DateTime<Utc>) -> Result<bool> {
    let details = &partner.details;
    let inserted = execute!(conn, |c| {
        sqlx::query(
        "INSERT INTO partners (
            id, name, contact, email, contract_from, contract_until, note, archived_at, created_by, created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING"
    )
    .bind(partner.id)
    .bind(&details.name)
    .bind(&details.contact)
    .bind(&details.email)
    .bind(details.contract_from)
    .bind(details.contract_until)
    .bind(&details.note)
    .bind(partner.archived_at)
    .bind(&partner.created_by)
    .bind(partner.created_at)
    .bind(now)
    .execute(c)
    })?;
    Ok(inserted == 1)
}

/// Returns some partners.
pub async fn find_all(conn: &mut Conn<'_>, ids: &[PartnerId]) -> Result<Vec<Partner>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<PartnerRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM partners WHERE id IN ("));
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Partner::from).collect())
}

/// Returns the partner of a name.
pub async fn find_by_name(conn: &mut Conn<'_>, name: &str) -> Result<Option<Partner>> {
    let row: Option<PartnerRow> =
        run!(conn, |c| sqlx::query_as(concat!("SELECT ", columns!(), " FROM partners WHERE name = $1"))
            .bind(name)
            .fetch_optional(c))?;
    Ok(row.map(Partner::from))
}

/// Returns the partner who reads under a link, from the hash of its token. Who is archived has none.
pub async fn find_by_link(conn: &mut Conn<'_>, link_hash: &[u8]) -> Result<Option<Partner>> {
    let row: Option<PartnerRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM partners WHERE link_hash = $1 AND archived_at IS NULL"
    ))
    .bind(link_hash)
    .fetch_optional(c))?;
    Ok(row.map(Partner::from))
}

/// Returns a page of partners, the newest first, from before `before`; archived ones or the others.
pub async fn list(conn: &mut Conn<'_>, archived: bool, before: Option<PartnerId>, count: i64) -> Result<Vec<Partner>> {
    let rows: Vec<PartnerRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM partners WHERE archived_at IS "));
        query.push(if archived { "NOT NULL" } else { "NULL" });
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Partner::from).collect())
}

/// Returns the names of partners who are not archived, in their order.
pub async fn names(conn: &mut Conn<'_>, count: i64) -> Result<Vec<(PartnerId, String)>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, name FROM partners WHERE archived_at IS NULL ORDER BY LOWER(name), id LIMIT $1"
    )
    .bind(count)
    .fetch_all(c))?)
}

/// Changes what is known of a partner, and puts them out of the way or back. Returns whether there
/// is one; `None` if another has that name.
pub async fn update(
    conn: &mut Conn<'_>,
    id: PartnerId,
    details: &PartnerDetails,
    archived: bool,
    now: DateTime<Utc>,
) -> Result<Option<bool>> {
    // The unique name is met as an error; a savepoint keeps it from ending the transaction on Postgres.
    execute!(conn, |c| sqlx::query("SAVEPOINT partner").execute(c))?;
    let updated = execute!(conn, |c| {
        sqlx::query(
        "UPDATE partners SET name = $2, contact = $3, email = $4, contract_from = $5, contract_until = $6, note = $7,
            archived_at = CASE WHEN $8 THEN COALESCE(archived_at, $9) ELSE NULL END, updated_at = $9
        WHERE id = $1"
    )
    .bind(id)
    .bind(&details.name)
    .bind(&details.contact)
    .bind(&details.email)
    .bind(details.contract_from)
    .bind(details.contract_until)
    .bind(&details.note)
    .bind(archived)
    .bind(now)
    .execute(c)
    });
    match updated {
        Ok(rows) => {
            execute!(conn, |c| sqlx::query("RELEASE SAVEPOINT partner").execute(c))?;
            Ok(Some(rows == 1))
        }
        Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
            execute!(conn, |c| sqlx::query("ROLLBACK TO SAVEPOINT partner").execute(c))?;
            execute!(conn, |c| sqlx::query("RELEASE SAVEPOINT partner").execute(c))?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives a partner another link, by the hash of its token, or none. The one before is worth nothing
/// from then on. Returns whether there is such a partner.
pub async fn set_link(
    conn: &mut Conn<'_>,
    id: PartnerId,
    link_hash: Option<&[u8]>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE partners SET link_hash = $2, linked_at = $3, updated_at = $4 WHERE id = $1"
    )
    .bind(id)
    .bind(link_hash)
    .bind(link_hash.map(|_| now))
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Returns what came of the coupons of some partners. Who has none is left out. A pass that ran out
/// within the last minute may count as active still: it is written down by then.
pub async fn figures(conn: &mut Conn<'_>, ids: &[PartnerId]) -> Result<Vec<(PartnerId, Figures)>> {
    #[derive(FromRow)]
    struct FiguresRow {
        partner_id: PartnerId,
        coupons: i64,
        redemptions: i64,
        active: i64,
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<FiguresRow> = build!(conn, |query, c| {
        query.push(
            "SELECT partner_id, CAST(SUM(CASE WHEN archived_at IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS coupons,
                CAST(SUM(redemption_count) AS BIGINT) AS redemptions, CAST(SUM((
                    SELECT COUNT(*) FROM access_grants
                    WHERE access_grants.coupon_id = coupons.id AND ended_at IS NULL AND revoked_at IS NULL
                        AND user_id IS NOT NULL
                )) AS BIGINT) AS active
            FROM coupons WHERE partner_id IN (",
        );
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(") GROUP BY partner_id");
        query.build_query_as().fetch_all(c).await
    })?;
    let figures = |row: &FiguresRow| Figures { coupons: row.coupons, redemptions: row.redemptions, active: row.active };
    Ok(rows.into_iter().map(|row| (row.partner_id, figures(&row))).collect())
}

/// Returns a page of the redemptions of a partner's coupons within `[from, until)`, the oldest first,
/// from after `after`.
pub async fn statement(
    conn: &mut Conn<'_>,
    partner: PartnerId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    after: Option<RedemptionId>,
    count: i64,
) -> Result<Vec<StatementLine>> {
    #[derive(FromRow)]
    struct LineRow {
        id: RedemptionId,
        redeemed_at: DateTime<Utc>,
        code: String,
        tier_id: TierId,
        duration_days: i64,
        is_there: bool,
        began_at: Option<DateTime<Utc>>,
        running_since: Option<DateTime<Utc>>,
        ended_at: Option<DateTime<Utc>>,
        revoked_at: Option<DateTime<Utc>>,
    }
    let rows: Vec<LineRow> = build!(conn, |query, c| {
        query.push(
            "SELECT coupon_redemptions.id, coupon_redemptions.redeemed_at, coupons.code, coupons.tier_id,
                coupons.duration_days, access_grants.id IS NOT NULL AS is_there, access_grants.began_at,
                access_grants.running_since, access_grants.ended_at, access_grants.revoked_at
            FROM coupons
            JOIN coupon_redemptions ON coupon_redemptions.coupon_id = coupons.id
            LEFT JOIN access_grants ON access_grants.id = coupon_redemptions.grant_id
            WHERE coupons.partner_id = ",
        );
        query.push_bind(partner);
        query.push(" AND coupon_redemptions.redeemed_at >= ").push_bind(from);
        query.push(" AND coupon_redemptions.redeemed_at < ").push_bind(until);
        if let Some(after) = after {
            query.push(" AND coupon_redemptions.id > ").push_bind(after);
        }
        query.push(" ORDER BY coupon_redemptions.id LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    let line = |row: LineRow| {
        let state = GrantState::of(row.revoked_at, row.ended_at, row.running_since, row.began_at);
        Ok(StatementLine {
            id: row.id,
            redeemed_at: row.redeemed_at,
            code: CouponCode::normalise(&row.code)
                .ok_or_else(|| StoreError::corrupt("coupons", "code")("no code of a coupon"))?,
            tier: row.tier_id,
            days: row.duration_days,
            state: row.is_there.then_some(state),
        })
    };
    rows.into_iter().map(line).collect()
}

/// Returns when a partner's coupons were first redeemed.
pub async fn first_redemption(conn: &mut Conn<'_>, partner: PartnerId) -> Result<Option<DateTime<Utc>>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT coupon_redemptions.redeemed_at FROM coupons
        JOIN coupon_redemptions ON coupon_redemptions.coupon_id = coupons.id
        WHERE coupons.partner_id = $1 ORDER BY coupon_redemptions.redeemed_at LIMIT 1"
    )
    .bind(partner)
    .fetch_optional(c))?)
}
