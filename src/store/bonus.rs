//! Bonus rules and who was rewarded: `bonus_rules`, `bonus_awards`.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        bonus::{Award, Reward, Rule, Terms, Trigger},
        ids::{BonusAwardId, BonusRuleId, GrantId, TierId, UserId},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct RuleRow {
    id: BonusRuleId,
    name_en: String,
    name_de: String,
    description_en: String,
    description_de: String,
    trigger_kind: String,
    threshold: i64,
    tier_id: Option<TierId>,
    days: Option<i64>,
    letter: Option<String>,
    active: bool,
    counts_from: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    archived_at: Option<DateTime<Utc>>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<RuleRow> for Rule {
    type Error = StoreError;

    fn try_from(row: RuleRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            terms: Terms {
                name_en: row.name_en,
                name_de: row.name_de,
                description_en: row.description_en,
                description_de: row.description_de,
                trigger: row.trigger_kind.parse().map_err(StoreError::corrupt("bonus_rules", "trigger_kind"))?,
                threshold: row.threshold,
                reward: reward("bonus_rules", row.tier_id, row.days, row.letter.as_deref())?,
                counts_from: row.counts_from,
                ends_at: row.ends_at,
            },
            active: row.active,
            archived_at: row.archived_at,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

fn reward(table: &'static str, tier: Option<TierId>, days: Option<i64>, letter: Option<&str>) -> Result<Reward> {
    match (tier, days, letter.and_then(|letter| letter.chars().next())) {
        (Some(tier), Some(days), None) => Ok(Reward::Days { tier, days }),
        (None, None, Some(letter)) => Ok(Reward::Badge { letter }),
        _ => Err(StoreError::corrupt(table, "letter")("neither days nor a badge")),
    }
}

/// Returns what of a reward goes into which column: tier, days, letter.
fn columns_of(reward: &Reward) -> (Option<TierId>, Option<i64>, Option<String>) {
    match reward {
        Reward::Days { tier, days } => (Some(tier.clone()), Some(*days), None),
        Reward::Badge { letter } => (None, None, Some(letter.to_string())),
    }
}

macro_rules! columns {
    () => {
        "id, name_en, name_de, description_en, description_de, trigger_kind, threshold, tier_id, days, letter, active,
        counts_from, ends_at, archived_at, created_by, created_at"
    };
}

/// Writes a new rule.
pub async fn insert(conn: &mut Conn<'_>, rule: &Rule) -> Result<()> {
    let (tier, days, letter) = columns_of(&rule.terms.reward);
    execute!(conn, |c| sqlx::query(concat!(
        "INSERT INTO bonus_rules (",
        columns!(),
        ", updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)"
    ))
    .bind(rule.id)
    .bind(&rule.terms.name_en)
    .bind(&rule.terms.name_de)
    .bind(&rule.terms.description_en)
    .bind(&rule.terms.description_de)
    .bind(rule.terms.trigger.as_str())
    .bind(rule.terms.threshold)
    .bind(tier)
    .bind(days)
    .bind(letter)
    .bind(rule.active)
    .bind(rule.terms.counts_from)
    .bind(rule.terms.ends_at)
    .bind(rule.archived_at)
    .bind(&rule.created_by)
    .bind(rule.created_at)
    .execute(c))?;
    Ok(())
}

/// Returns a rule.
pub async fn find(conn: &mut Conn<'_>, id: BonusRuleId) -> Result<Option<Rule>> {
    run!(conn, |c| sqlx::query_as::<_, RuleRow>(concat!("SELECT ", columns!(), " FROM bonus_rules WHERE id = $1"))
        .bind(id)
        .fetch_optional(c))?
    .map(Rule::try_from)
    .transpose()
}

/// Returns a page of rules, the newest first, from before `before`; archived ones or the others.
pub async fn page(conn: &mut Conn<'_>, archived: bool, before: Option<BonusRuleId>, count: i64) -> Result<Vec<Rule>> {
    let rows: Vec<RuleRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM bonus_rules WHERE archived_at IS "));
        query.push(if archived { "NOT NULL" } else { "NULL" });
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Rule::try_from).collect()
}

/// How rules are read that are given at a time.
macro_rules! open_rules {
    () => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM bonus_rules WHERE active AND archived_at IS NULL AND (ends_at IS NULL OR ends_at > $1) ORDER BY id"
        )
    };
}

/// Returns the rules that are given at `now`, in the order in which they were made.
pub async fn open(conn: &mut Conn<'_>, now: DateTime<Utc>) -> Result<Vec<Rule>> {
    let rows: Vec<RuleRow> = run!(conn, |c| sqlx::query_as(open_rules!()).bind(now).fetch_all(c))?;
    rows.into_iter().map(Rule::try_from).collect()
}

/// Returns the same to whoever rewards by them. They stay as they are until the transaction ends: on Postgres
/// whoever changes or archives one waits for it, and one that is just being changed is waited for.
pub async fn hold_open(conn: &mut Conn<'_>, now: DateTime<Utc>) -> Result<Vec<Rule>> {
    let sql = conn.dialect(open_rules!(), concat!(open_rules!(), " FOR SHARE"));
    let rows: Vec<RuleRow> = run!(conn, |c| sqlx::query_as(sql).bind(now).fetch_all(c))?;
    rows.into_iter().map(Rule::try_from).collect()
}

/// Changes what a rule says and whether it is given, and returns it as it is now. Once somebody was
/// rewarded only its words and its end change: nothing is returned then for another deal, nor for a
/// rule that is not there or archived.
pub async fn update(
    conn: &mut Conn<'_>,
    id: BonusRuleId,
    terms: &Terms,
    active: bool,
    now: DateTime<Utc>,
) -> Result<Option<Rule>> {
    // Whoever is just rewarding by it is waited for here: only a statement that begins afterwards sees the award.
    let hold =
        conn.dialect("SELECT id FROM bonus_rules WHERE id = $1", "SELECT id FROM bonus_rules WHERE id = $1 FOR UPDATE");
    let _: Option<BonusRuleId> = run!(conn, |c| sqlx::query_scalar(hold).bind(id).fetch_optional(c))?;
    let (tier, days, letter) = columns_of(&terms.reward);
    // Both databases compare nothing with nothing by words of their own.
    let sql = conn.dialect(
        concat!(
            "UPDATE bonus_rules SET name_en = $2, name_de = $3, description_en = $4, description_de = $5,
                trigger_kind = $6, threshold = $7, tier_id = $8, days = $9, letter = $10, active = $11,
                counts_from = $12, ends_at = $13, updated_at = $14
            WHERE id = $1 AND archived_at IS NULL AND (
                NOT EXISTS (SELECT 1 FROM bonus_awards WHERE rule_id = $1)
                OR (trigger_kind = $6 AND threshold = $7 AND tier_id IS $8 AND days IS $9 AND letter IS $10
                    AND counts_from IS $12)
            ) RETURNING ",
            columns!()
        ),
        concat!(
            "UPDATE bonus_rules SET name_en = $2, name_de = $3, description_en = $4, description_de = $5,
                trigger_kind = $6, threshold = $7, tier_id = $8, days = $9, letter = $10, active = $11,
                counts_from = $12, ends_at = $13, updated_at = $14
            WHERE id = $1 AND archived_at IS NULL AND (
                NOT EXISTS (SELECT 1 FROM bonus_awards WHERE rule_id = $1)
                OR (trigger_kind = $6 AND threshold = $7 AND tier_id IS NOT DISTINCT FROM $8
                    AND days IS NOT DISTINCT FROM $9 AND letter IS NOT DISTINCT FROM $10
                    AND counts_from IS NOT DISTINCT FROM $12)
            ) RETURNING ",
            columns!()
        ),
    );
    let row: Option<RuleRow> = run!(conn, |c| sqlx::query_as(sql)
        .bind(id)
        .bind(&terms.name_en)
        .bind(&terms.name_de)
        .bind(&terms.description_en)
        .bind(&terms.description_de)
        .bind(terms.trigger.as_str())
        .bind(terms.threshold)
        .bind(&tier)
        .bind(days)
        .bind(&letter)
        .bind(active)
        .bind(terms.counts_from)
        .bind(terms.ends_at)
        .bind(now)
        .fetch_optional(c))?;
    row.map(Rule::try_from).transpose()
}

/// Puts a rule out of the way, and returns it as it is now. One that is archived keeps the time at
/// which it was.
pub async fn archive(conn: &mut Conn<'_>, id: BonusRuleId, now: DateTime<Utc>) -> Result<Option<Rule>> {
    let row: Option<RuleRow> = run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE bonus_rules SET archived_at = COALESCE(archived_at, $2), updated_at = $2 WHERE id = $1 RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(now)
    .fetch_optional(c))?;
    row.map(Rule::try_from).transpose()
}

/// Notes that a member is rewarded. Returns `false` if they were before, however many try at once:
/// the second waits here for the first, and only who gets `true` gives anything.
pub async fn insert_award(
    conn: &mut Conn<'_>,
    id: BonusAwardId,
    rule: BonusRuleId,
    user: UserId,
    reward: &Reward,
    now: DateTime<Utc>,
) -> Result<bool> {
    let (tier, days, letter) = columns_of(reward);
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO bonus_awards (id, rule_id, user_id, tier_id, days, letter, awarded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (rule_id, user_id) DO NOTHING"
    )
    .bind(id)
    .bind(rule)
    .bind(user)
    .bind(tier)
    .bind(days)
    .bind(letter)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Notes by which grant a reward was given.
pub async fn set_grant(conn: &mut Conn<'_>, award: BonusAwardId, grant: GrantId) -> Result<()> {
    execute!(conn, |c| sqlx::query("UPDATE bonus_awards SET grant_id = $2 WHERE id = $1")
        .bind(award)
        .bind(grant)
        .execute(c))?;
    Ok(())
}

#[derive(FromRow)]
struct AwardRow {
    id: BonusAwardId,
    rule_id: BonusRuleId,
    user_id: Option<UserId>,
    tier_id: Option<TierId>,
    days: Option<i64>,
    letter: Option<String>,
    awarded_at: DateTime<Utc>,
}

impl TryFrom<AwardRow> for Award {
    type Error = StoreError;

    fn try_from(row: AwardRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            rule: row.rule_id,
            user: row.user_id,
            reward: reward("bonus_awards", row.tier_id, row.days, row.letter.as_deref())?,
            awarded_at: row.awarded_at,
        })
    }
}

/// Returns what a member was rewarded with, each with its rule, the newest first.
pub async fn awards_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<(Award, Rule)>> {
    let rows: Vec<AwardRow> = run!(conn, |c| sqlx::query_as(
        "SELECT id, rule_id, user_id, tier_id, days, letter, awarded_at FROM bonus_awards
        WHERE user_id = $1 ORDER BY awarded_at DESC, id DESC"
    )
    .bind(user)
    .fetch_all(c))?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rules: Vec<RuleRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM bonus_rules WHERE id IN (SELECT rule_id FROM bonus_awards WHERE user_id = $1)"
    ))
    .bind(user)
    .fetch_all(c))?;
    let rules = rules.into_iter().map(Rule::try_from).collect::<Result<Vec<_>>>()?;
    let with_rule = |row: AwardRow| {
        let rule = rules.iter().find(|rule| rule.id == row.rule_id).cloned();
        Ok((row.try_into()?, rule.ok_or(StoreError::Missing("bonus_rules"))?))
    };
    rows.into_iter().map(with_rule).collect()
}

/// Returns a page of those who were rewarded for a rule, the newest first, from before `before`.
pub async fn awards_page(
    conn: &mut Conn<'_>,
    rule: BonusRuleId,
    before: Option<BonusAwardId>,
    count: i64,
) -> Result<Vec<Award>> {
    let rows: Vec<AwardRow> = build!(conn, |query, c| {
        query.push("SELECT id, rule_id, user_id, tier_id, days, letter, awarded_at FROM bonus_awards WHERE rule_id = ");
        query.push_bind(rule);
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Award::try_from).collect()
}

/// Returns how many were rewarded for each of some rules; rules without any are left out.
pub async fn count_awards(conn: &mut Conn<'_>, rules: &[BonusRuleId]) -> Result<Vec<(BonusRuleId, i64)>> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT rule_id, COUNT(*) FROM bonus_awards WHERE rule_id IN (");
        let mut list = query.separated(", ");
        for rule in rules {
            list.push_bind(*rule);
        }
        query.push(") GROUP BY rule_id");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Returns how often something has happened to a member from an instant on; 0 for what counts days.
pub async fn count_happened(
    conn: &mut Conn<'_>,
    user: UserId,
    trigger: Trigger,
    from: Option<DateTime<Utc>>,
) -> Result<i64> {
    let sql = match trigger {
        Trigger::ReferralsConverted => {
            "SELECT COUNT(*) FROM referrals WHERE referrer_user_id = $1 AND converted_at >= $2
                AND credited_at IS NOT NULL AND taken_back_at IS NULL"
        }
        Trigger::CouponsRedeemed => "SELECT COUNT(*) FROM coupon_redemptions WHERE user_id = $1 AND redeemed_at >= $2",
        Trigger::SubscriptionsStarted => {
            "SELECT COUNT(*) FROM subscriptions WHERE user_id = $1 AND started_at >= $2
                AND status NOT IN ('incomplete', 'trialing')"
        }
        Trigger::DaysInARow | Trigger::DaysAsMember => return Ok(0),
    };
    let from = from.unwrap_or(DateTime::UNIX_EPOCH);
    Ok(run!(conn, |c| sqlx::query_scalar(sql).bind(user).bind(from).fetch_one(c))?)
}

/// At which moment it is looked who has fulfilled a rule.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: DateTime<Utc>,
    /// The day in the product's zone.
    pub today: NaiveDate,
    /// The day from which on days count, for a rule that does not count all.
    pub from_day: Option<NaiveDate>,
}

/// Asks for those who have done what a rule asks for and were not rewarded for it.
macro_rules! push_fulfilled {
    ($query:ident, $rule:ident, $terms:ident, $moment:ident) => {{
        let from = $terms.counts_from.unwrap_or(DateTime::UNIX_EPOCH);
        let threshold = $terms.threshold;
        $query.push(" FROM users WHERE disabled_at IS NULL AND deleted_at IS NULL AND ");
        match $terms.trigger {
            Trigger::ReferralsConverted => {
                $query.push("id IN (SELECT referrer_user_id FROM referrals WHERE converted_at >= ").push_bind(from);
                $query.push(" AND credited_at IS NOT NULL AND taken_back_at IS NULL GROUP BY referrer_user_id");
                $query.push(" HAVING COUNT(*) >= ").push_bind(threshold).push(")");
            }
            Trigger::CouponsRedeemed => {
                $query.push("id IN (SELECT user_id FROM coupon_redemptions WHERE redeemed_at >= ").push_bind(from);
                $query.push(" GROUP BY user_id HAVING COUNT(*) >= ").push_bind(threshold).push(")");
            }
            Trigger::SubscriptionsStarted => {
                $query.push("id IN (SELECT user_id FROM subscriptions WHERE started_at >= ").push_bind(from);
                $query.push(" AND status NOT IN ('incomplete', 'trialing') GROUP BY user_id");
                $query.push(" HAVING COUNT(*) >= ").push_bind(threshold).push(")");
            }
            Trigger::DaysInARow => {
                // A row that ends yesterday can still go on today.
                let from_day = $moment.from_day.unwrap_or(NaiveDate::MIN);
                $query.push("(");
                for (round, last) in [$moment.today, $moment.today - TimeDelta::days(1)].into_iter().enumerate() {
                    let first = (last - TimeDelta::days(threshold - 1)).max(from_day);
                    $query.push(if round == 0 { "id IN (" } else { " OR id IN (" });
                    $query.push("SELECT user_id FROM user_days WHERE day >= ").push_bind(first);
                    $query.push(" AND day <= ").push_bind(last);
                    $query.push(" GROUP BY user_id HAVING COUNT(*) >= ").push_bind(threshold).push(")");
                }
                $query.push(")");
            }
            Trigger::DaysAsMember => {
                // Who came later than counting begins has come early enough just as well.
                let latest = $moment.now - TimeDelta::days(threshold);
                let counts = if from <= latest { latest } else { DateTime::UNIX_EPOCH };
                $query.push("created_at <= ").push_bind(counts);
            }
        }
        if let Some(rule) = $rule {
            $query.push(" AND NOT EXISTS (SELECT 1 FROM bonus_awards WHERE user_id = users.id AND rule_id = ");
            $query.push_bind(rule).push(")");
        }
    }};
}

/// Returns members who have done what a rule asks for, without those who were rewarded for it, in
/// the order of their ids, from after `after`.
pub async fn fulfilled(
    conn: &mut Conn<'_>,
    rule: Option<BonusRuleId>,
    terms: &Terms,
    moment: Moment,
    after: Option<UserId>,
    count: i64,
) -> Result<Vec<UserId>> {
    Ok(build!(conn, |query, c| {
        query.push("SELECT id");
        push_fulfilled!(query, rule, terms, moment);
        if let Some(after) = after {
            query.push(" AND id > ").push_bind(after);
        }
        query.push(" ORDER BY id LIMIT ").push_bind(count);
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Returns how many those are.
pub async fn count_fulfilled(
    conn: &mut Conn<'_>,
    rule: Option<BonusRuleId>,
    terms: &Terms,
    moment: Moment,
) -> Result<i64> {
    Ok(build!(conn, |query, c| {
        query.push("SELECT COUNT(*)");
        push_fulfilled!(query, rule, terms, moment);
        query.build_query_scalar().fetch_one(c).await
    })?)
}
