//! Bonus rules: made, previewed, changed, put away; who was rewarded, and how far somebody is.

use axum::{extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters, instant, json},
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
        v1::users::user,
    },
    domain::{
        bonus::{BadTerms, Reward, Rule, Terms, Trigger, badge_letter},
        ids::{BonusRuleId, TierId, UserId},
    },
    platform::caller::Site,
    services::{
        bonus::{self, BonusError, ListedAward, ListedRule},
        catalogue,
    },
};

/// A rule to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BonusRuleRequest {
    /// What it is called; members read it. One of the two names is enough.
    #[schema(max_length = 80, example = "Five friends")]
    name_en: Option<String>,
    /// The same in German.
    #[schema(max_length = 80, example = "Fünf Freunde")]
    name_de: Option<String>,
    /// What it is about.
    #[schema(max_length = 300)]
    description_en: Option<String>,
    /// The same in German.
    #[schema(max_length = 300)]
    description_de: Option<String>,
    /// What is counted.
    #[schema(inline)]
    trigger: Trigger,
    /// How much of it; for `days_in_a_row` up to 365.
    #[schema(minimum = 1, maximum = 10_000, example = 5)]
    threshold: i64,
    /// What it brings: days at this tier …
    tier: Option<String>,
    /// … so many …
    #[schema(minimum = 1, maximum = 3650, example = 30)]
    days: Option<i64>,
    /// … or else a badge with this letter or digit.
    #[schema(max_length = 2, example = "K")]
    badge: Option<String>,
    /// From when on it counts; without, from now, unless `also_before`.
    #[serde(default, deserialize_with = "instant")]
    counts_from: Option<DateTime<Utc>>,
    /// Whether everything counts that ever happened: who has earned it already gets it too.
    also_before: Option<bool>,
    /// Until when it is given.
    #[serde(default, deserialize_with = "instant")]
    ends_at: Option<DateTime<Utc>>,
    /// Whether it is given; `true` without.
    active: Option<bool>,
}

impl BonusRuleRequest {
    fn terms(self, now: DateTime<Utc>) -> Result<(Terms, bool), Problem> {
        let terms = Terms {
            name_en: self.name_en.unwrap_or_default(),
            name_de: self.name_de.unwrap_or_default(),
            description_en: self.description_en.unwrap_or_default(),
            description_de: self.description_de.unwrap_or_default(),
            trigger: self.trigger,
            threshold: self.threshold,
            reward: reward(self.tier.as_deref(), self.days, self.badge.as_deref())?,
            counts_from: self.counts_from.or((self.also_before != Some(true)).then_some(now)),
            ends_at: self.ends_at,
        };
        Ok((terms, self.active.unwrap_or(true)))
    }
}

fn reward(tier: Option<&str>, days: Option<i64>, badge: Option<&str>) -> Result<Reward, Problem> {
    match (tier, days, badge) {
        (Some(tier), Some(days), None) => {
            Ok(Reward::Days { tier: tier.parse().map_err(|_| Problem::tier_unknown())?, days })
        }
        (None, None, Some(badge)) => badge_letter(badge)
            .map(|letter| Reward::Badge { letter })
            .ok_or_else(|| Problem::unprocessable("invalid_badge", "badge is one letter or digit.")),
        _ => Err(Problem::unprocessable("invalid_reward", "A rule brings tier and days, or else a badge.")),
    }
}

/// What of a rule is to change. What is left out stays; what it asks for and brings changes only until somebody was
/// rewarded.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BonusRuleChange {
    /// What it is called.
    #[schema(max_length = 80)]
    name_en: Option<String>,
    /// The same in German.
    #[schema(max_length = 80)]
    name_de: Option<String>,
    /// What it is about.
    #[schema(max_length = 300)]
    description_en: Option<String>,
    /// The same in German.
    #[schema(max_length = 300)]
    description_de: Option<String>,
    /// What is counted.
    #[schema(inline)]
    trigger: Option<Trigger>,
    /// How much of it.
    #[schema(minimum = 1, maximum = 10_000)]
    threshold: Option<i64>,
    /// Days at this tier, together with `days`.
    tier: Option<String>,
    /// So many.
    #[schema(minimum = 1, maximum = 3650)]
    days: Option<i64>,
    /// Or else a badge with this letter or digit.
    #[schema(max_length = 2)]
    badge: Option<String>,
    /// From when on it counts.
    #[serde(default, deserialize_with = "instant")]
    counts_from: Option<DateTime<Utc>>,
    /// Whether everything counts that ever happened.
    also_before: Option<bool>,
    /// Until when it is given.
    #[serde(default, deserialize_with = "instant")]
    ends_at: Option<DateTime<Utc>>,
    /// Whether it is given without end, from now on.
    endless: Option<bool>,
    /// Whether it is given.
    active: Option<bool>,
}

impl BonusRuleChange {
    fn terms(self, rule: &Rule) -> Result<(Terms, bool), Problem> {
        let kept = rule.terms.clone();
        let has_reward = self.tier.is_some() || self.days.is_some() || self.badge.is_some();
        let reward = match has_reward {
            true => reward(self.tier.as_deref(), self.days, self.badge.as_deref())?,
            false => kept.reward,
        };
        let terms = Terms {
            name_en: self.name_en.unwrap_or(kept.name_en),
            name_de: self.name_de.unwrap_or(kept.name_de),
            description_en: self.description_en.unwrap_or(kept.description_en),
            description_de: self.description_de.unwrap_or(kept.description_de),
            trigger: self.trigger.unwrap_or(kept.trigger),
            threshold: self.threshold.unwrap_or(kept.threshold),
            reward,
            counts_from: if self.also_before == Some(true) { None } else { self.counts_from.or(kept.counts_from) },
            ends_at: if self.endless == Some(true) { None } else { self.ends_at.or(kept.ends_at) },
        };
        Ok((terms, self.active.unwrap_or(rule.active)))
    }
}

/// What a rule brings: days at a tier, or a badge.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusReward {
    /// The tier.
    tier: Option<TierId>,
    /// For how many days.
    days: Option<i64>,
    /// The letter on the badge.
    badge: Option<String>,
}

impl From<Reward> for BonusReward {
    fn from(reward: Reward) -> Self {
        match reward {
            Reward::Days { tier, days } => Self { tier: Some(tier), days: Some(days), badge: None },
            Reward::Badge { letter } => Self { tier: None, days: None, badge: Some(letter.to_string()) },
        }
    }
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusRuleResponse {
    /// Which.
    id: BonusRuleId,
    /// What it is called.
    name_en: String,
    /// The same in German.
    name_de: String,
    /// What it is about.
    description_en: String,
    /// The same in German.
    description_de: String,
    /// What is counted.
    #[schema(inline)]
    trigger: Trigger,
    /// How much of it.
    threshold: i64,
    /// What it brings.
    reward: BonusReward,
    /// From when on it counts; `null` counts everything.
    counts_from: Option<DateTime<Utc>>,
    /// Until when it is given.
    ends_at: Option<DateTime<Utc>>,
    /// Whether it is given.
    active: bool,
    /// Since when it is out of the way.
    archived_at: Option<DateTime<Utc>>,
    /// How many were rewarded.
    awards: i64,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<ListedRule> for BonusRuleResponse {
    fn from(ListedRule { rule, awards }: ListedRule) -> Self {
        let terms = rule.terms;
        Self {
            id: rule.id,
            name_en: terms.name_en,
            name_de: terms.name_de,
            description_en: terms.description_en,
            description_de: terms.description_de,
            trigger: terms.trigger,
            threshold: terms.threshold,
            reward: terms.reward.into(),
            counts_from: terms.counts_from,
            ends_at: terms.ends_at,
            active: rule.active,
            archived_at: rule.archived_at,
            awards,
            created_by: rule.created_by,
            created_at: rule.created_at,
        }
    }
}

/// Who would be rewarded now.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusPreview {
    /// How many.
    count: i64,
    /// What the first of them are called.
    first: Vec<String>,
}

/// Somebody who was rewarded.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusAwardResponse {
    /// Who; `null` once the account is deleted.
    user: Option<UserId>,
    /// By which rule.
    rule: BonusRuleId,
    /// What it brought.
    reward: BonusReward,
    /// When.
    awarded_at: DateTime<Utc>,
}

impl From<ListedAward> for BonusAwardResponse {
    fn from(ListedAward { award, .. }: ListedAward) -> Self {
        Self { user: award.user, rule: award.rule, reward: award.reward.into(), awarded_at: award.awarded_at }
    }
}

/// Something that a user has earned.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusEarned {
    /// The rule.
    rule: BonusRuleId,
    /// What it is called in the user's language; a badge is called so.
    name: String,
    /// What it brought.
    reward: BonusReward,
    /// When.
    awarded_at: DateTime<Utc>,
}

/// Something that a user can still earn.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusOpen {
    /// The rule.
    rule: BonusRuleId,
    /// What it is called in the user's language.
    name: String,
    /// What is counted.
    #[schema(inline)]
    trigger: Trigger,
    /// How much of it is there.
    current: i64,
    /// How much is asked for.
    threshold: i64,
    /// What it brings.
    reward: BonusReward,
}

/// What a user has earned, and how far they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct BonusStanding {
    /// What they have, the newest first.
    earned: Vec<BonusEarned>,
    /// What they can still earn.
    open: Vec<BonusOpen>,
}

/// Which rules.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BonusParameters {
    /// Those that are archived, instead of the others.
    archived: Option<bool>,
}

/// Make a bonus rule
///
/// Members who fulfil it get what it brings once each, without anybody doing it by hand. With `also_before`, those who
/// have earned it already get it within a minute.
#[utoipa::path(
    post, path = "/api/v1/bonus-rules", operation_id = "create_bonus_rule", tag = "Bonus",
    security(("bearer" = ["manage"])),
    request_body = BonusRuleRequest,
    responses(
        (status = 201, description = "Made", body = BonusRuleResponse),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "too_many_rules", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_text, invalid_threshold, invalid_days, invalid_terms, invalid_reward or invalid_badge", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    JsonBody(request): JsonBody<BonusRuleRequest>,
) -> Result<Response, Problem> {
    let (terms, active) = request.terms(site.env.clock.now())?;
    let rule = bonus::create(&site.env, terms, active, &caller.actor()).await.map_err(not_made)?;
    let mut response = json(&BonusRuleResponse::from(ListedRule { rule, awards: 0 }));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// See who would be rewarded by a rule
///
/// Nothing is made. Everybody is told of who has done what it asks for, whenever it was.
#[utoipa::path(
    post, path = "/api/v1/bonus-rules/preview", operation_id = "preview_bonus_rule", tag = "Bonus",
    security(("bearer" = ["manage"])),
    request_body = BonusRuleRequest,
    responses(
        (status = 200, description = "Who", body = BonusPreview),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_text, invalid_threshold, invalid_days, invalid_terms, invalid_reward or invalid_badge", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn preview(
    State(site): State<Site>,
    _: May<Manage>,
    JsonBody(request): JsonBody<BonusRuleRequest>,
) -> Result<Answer<BonusPreview>, Problem> {
    let (terms, _) = request.terms(site.env.clock.now())?;
    let terms = terms.checked().map_err(|error| not_made(error.into()))?;
    let catalogue = catalogue::current(&site.env).await?;
    if matches!(&terms.reward, Reward::Days { tier, .. } if catalogue.tier(tier).is_none()) {
        return Err(Problem::tier_unknown());
    }
    let everything = Terms { counts_from: None, ..terms };
    let preview = bonus::preview(&site.env, None, &everything).await?;
    Ok(Answer(BonusPreview { count: preview.count, first: preview.first }))
}

/// List bonus rules
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/bonus-rules", operation_id = "list_bonus_rules", tag = "Bonus",
    security(("bearer" = ["manage"])),
    params(BonusParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<BonusRuleResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<BonusParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<BonusRuleResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = bonus::list(&site.env, parameters.archived == Some(true), before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |listed: &ListedRule| listed.rule.id.to_string(), BonusRuleResponse::from)))
}

/// Read a bonus rule
#[utoipa::path(
    get, path = "/api/v1/bonus-rules/{id}", operation_id = "read_bonus_rule", tag = "Bonus",
    security(("bearer" = ["manage"])),
    params(("id" = BonusRuleId, Path, description = "The rule")),
    responses(
        (status = 200, description = "The rule", body = BonusRuleResponse),
        (status = 404, description = "rule_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<BonusRuleResponse>, Problem> {
    Ok(Answer(rule(&site, &id).await?.into()))
}

async fn rule(site: &Site, id: &str) -> Result<ListedRule, Problem> {
    let id: BonusRuleId = id.parse().map_err(|_| unknown())?;
    bonus::find(&site.env, id).await?.ok_or_else(unknown)
}

/// Change a bonus rule
///
/// Its words, its end and whether it is given. What it asks for and brings changes only until somebody was rewarded.
#[utoipa::path(
    patch, path = "/api/v1/bonus-rules/{id}", operation_id = "change_bonus_rule", tag = "Bonus",
    security(("bearer" = ["manage"])),
    params(("id" = BonusRuleId, Path, description = "The rule")),
    request_body = BonusRuleChange,
    responses(
        (status = 200, description = "As it is now", body = BonusRuleResponse),
        (status = 404, description = "rule_unknown or tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "rule_frozen: somebody was rewarded, or it is archived", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_text, invalid_threshold, invalid_days, invalid_terms, invalid_reward or invalid_badge", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
    JsonBody(request): JsonBody<BonusRuleChange>,
) -> Result<Answer<BonusRuleResponse>, Problem> {
    let found = rule(&site, &id).await?;
    let (terms, active) = request.terms(&found.rule)?;
    let rule = bonus::change(&site.env, found.rule.id, terms, active, &caller.actor()).await.map_err(not_made)?;
    Ok(Answer(ListedRule { rule, awards: found.awards }.into()))
}

/// Archive a bonus rule
///
/// Nobody is rewarded by it any more, for good. What it gave stays.
#[utoipa::path(
    post, path = "/api/v1/bonus-rules/{id}/archive", operation_id = "archive_bonus_rule", tag = "Bonus",
    security(("bearer" = ["manage"])),
    params(("id" = BonusRuleId, Path, description = "The rule")),
    responses(
        (status = 200, description = "Archived", body = BonusRuleResponse),
        (status = 404, description = "rule_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn archive(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<BonusRuleResponse>, Problem> {
    let found = rule(&site, &id).await?;
    let rule = bonus::archive(&site.env, found.rule.id, &caller.actor()).await.map_err(not_made)?;
    Ok(Answer(ListedRule { rule, awards: found.awards }.into()))
}

/// List who was rewarded by a rule
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/bonus-rules/{id}/awards", operation_id = "list_bonus_awards", tag = "Bonus",
    security(("bearer" = ["manage"])),
    params(("id" = BonusRuleId, Path, description = "The rule"), PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<BonusAwardResponse>),
        (status = 404, description = "rule_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_awards(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<BonusAwardResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = rule(&site, &id).await?;
    let awards = bonus::awards(&site.env, found.rule.id, before, count + 1).await?;
    Ok(Answer(Page::new(awards, count, |listed: &ListedAward| listed.award.id.to_string(), BonusAwardResponse::from)))
}

/// Read a user's bonus
///
/// What they have earned, and how far they are with what they can still earn.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/bonus", operation_id = "read_user_bonus", tag = "Bonus",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "Where they stand", body = BonusStanding),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn of_user(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<BonusStanding>, Problem> {
    let user = user(&site, &name).await?;
    let standing = bonus::standing(&site.env, &user).await?;
    let earned = standing.awards.into_iter().map(|(award, rule, _)| BonusEarned {
        rule: rule.id,
        name: rule.name(user.lang).to_owned(),
        reward: award.reward.into(),
        awarded_at: award.awarded_at,
    });
    let open = standing.open.into_iter().map(|(rule, progress, _)| BonusOpen {
        rule: rule.id,
        name: rule.name(user.lang).to_owned(),
        trigger: rule.terms.trigger,
        current: progress.current,
        threshold: progress.threshold,
        reward: rule.terms.reward.into(),
    });
    Ok(Answer(BonusStanding { earned: earned.collect(), open: open.collect() }))
}

fn unknown() -> Problem {
    Problem::not_found("rule_unknown", "There is no such rule. GET /api/v1/bonus-rules lists them.")
}

fn not_made(error: BonusError) -> Problem {
    let code = match error {
        BonusError::Store(error) => return error.into(),
        BonusError::TierUnknown => return Problem::tier_unknown(),
        BonusError::NoSuchRule => return unknown(),
        BonusError::Frozen => return Problem::conflict("rule_frozen", sentence(&error)),
        BonusError::TooMany => return Problem::conflict("too_many_rules", sentence(&error)),
        BonusError::Terms(BadTerms::Name | BadTerms::Description) => "invalid_text",
        BonusError::Terms(BadTerms::Threshold) => "invalid_threshold",
        BonusError::Terms(BadTerms::Days) => "invalid_days",
        BonusError::Terms(BadTerms::Window) => "invalid_terms",
    };
    Problem::unprocessable(code, sentence(&error))
}
