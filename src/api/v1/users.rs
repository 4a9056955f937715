//! Users: who they are, what they may do and why.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, LONGEST_NOTE, Page, PageParameters, Parameters, json},
        caller::{Caller, Check, Inspect, Manage, May, scope_missing},
        problem::{ProblemShape, sentence},
        v1::decisions::{amount, known},
    },
    domain::{
        access::{PaidStatus, Source},
        api_key::Scope,
        email::EmailAddress,
        entitlement::{Decision, Layer},
        ids::{TierId, UserId},
        lang::Lang,
        limit::LimitKind,
        user::{Role, User},
    },
    platform::caller::Site,
    services::{
        catalogue,
        entitlements::{self, EntitlementError},
        members::{self, MemberDetails, MemberError, MemberStatus, PutError},
    },
    words::explain,
};

/// What you know of a user. What is left out, or `null`, stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UserRequest {
    /// The address. You vouch for it: whoever reads that mailbox can sign in.
    #[schema(format = Email, example = "ann@example.com")]
    email: Option<String>,
    /// The id by which your own database knows them: 1 to 200 characters without spaces.
    #[schema(min_length = 1, max_length = 200, example = "customer-4711")]
    external_id: Option<String>,
    /// The language of pages and mails.
    lang: Option<Lang>,
    /// The tier of their own.
    tier: Option<TierId>,
    /// Whether you know that the address is theirs. Left out, it counts as known if `external_id` is there. While it is not known and `require_email_verification` is set, the trial waits for their first sign-in.
    email_verified: Option<bool>,
}

impl UserRequest {
    fn details(self) -> Result<MemberDetails, Problem> {
        let email = self.email.map(|email| EmailAddress::parse(&email)).transpose();
        Ok(MemberDetails {
            email: email.map_err(|error| Problem::unprocessable("invalid_email", sentence(&error)))?,
            external_id: self.external_id,
            lang: self.lang,
            tier: self.tier,
            email_verified: self.email_verified,
        })
    }
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserResponse {
    /// Who.
    id: UserId,
    /// The address; `null` for one who is known by an external id only.
    email: Option<String>,
    /// The id by which your own database knows them.
    external_id: Option<String>,
    /// What they may do in Vouchsafe itself.
    role: Role,
    /// The language of pages and mails.
    lang: Lang,
    /// The tier of their own; what counts now may be more, see their accesses.
    tier: TierId,
    /// When the trial ends.
    trial_ends_at: Option<DateTime<Utc>>,
    /// When the address was first proved, by a code or by your word.
    email_verified_at: Option<DateTime<Utc>>,
    /// Whether they have no access once trial, subscriptions, grants and credit are over: their own tier counts for nothing.
    closes_after_trial: bool,
    /// Until when credit lasts.
    credit_until: Option<DateTime<Utc>>,
    /// Since when the account is closed.
    disabled_at: Option<DateTime<Utc>>,
    /// Since when they are here.
    created_at: DateTime<Utc>,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            external_id: user.external_id,
            role: user.role,
            lang: user.lang,
            tier: user.tier,
            trial_ends_at: user.trial_ends_at,
            email_verified_at: user.email_verified_at,
            closes_after_trial: user.closes_after_trial,
            credit_until: user.credit_until,
            disabled_at: user.disabled_at,
            created_at: user.created_at,
        }
    }
}

/// Finds the user whom a path names: by id, external id or address.
pub(super) async fn user(site: &Site, name: &str) -> Result<User, Problem> {
    members::find(&site.env, name).await?.ok_or_else(Problem::user_unknown)
}

fn not_put(error: PutError) -> Problem {
    match error {
        PutError::Store(error) => error.into(),
        PutError::UserUnknown => Problem::user_unknown(),
        PutError::TierUnknown => Problem::tier_unknown(),
        PutError::Nameless => Problem::unprocessable("user_nameless", sentence(&error)),
        PutError::ExternalId(_) => Problem::unprocessable("invalid_external_id", sentence(&error)),
        PutError::Taken => Problem::conflict("user_taken", sentence(&error)),
        PutError::AdminAddress => Problem::conflict("admin_email", sentence(&error)),
    }
}

/// Create a user, or change the one you name
///
/// Found by `external_id`, else by `email`. A new user starts as one who signs in by themselves:
/// with the trial, if there is one.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "put_user", tag = "Users",
    security(("bearer" = ["manage"])),
    request_body = UserRequest,
    responses(
        (status = 201, description = "Created", body = UserResponse, headers(("Location" = String, description = "Where to read them"))),
        (status = 200, description = "It was there", body = UserResponse),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "user_taken: email and external_id belong to two users; admin_email", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_email, invalid_external_id or user_nameless", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    JsonBody(request): JsonBody<UserRequest>,
) -> Result<Response, Problem> {
    let (user, is_new) = members::put(&site.env, &request.details()?, &caller.actor()).await.map_err(not_put)?;
    let location = format!("/api/v1/users/{}", user.id);
    let mut response = json(&UserResponse::from(user));
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
        let location = HeaderValue::from_str(&location).expect("a UUID is ASCII");
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserParameters {
    /// Only those whose email or external id holds this, or whose id it is.
    #[param(max_length = 500)]
    q: Option<String>,
}

/// List users
///
/// In the order in which they came.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "list_users", tag = "Users",
    security(("bearer" = ["manage"])),
    params(UserParameters, PageParameters),
    responses(
        (status = 200, description = "A page of users", body = Page<UserResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<UserParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<UserResponse>>, Problem> {
    let text = parameters.q.as_deref().map(str::trim).unwrap_or_default();
    if text.chars().count() > LONGEST_NOTE || text.chars().any(char::is_control) {
        let title = format!("q has at most {LONGEST_NOTE} characters, without control characters.");
        return Err(Problem::unprocessable("invalid_parameter", title));
    }
    let found = members::page(&site.env, text, page.cursor()?, page.count()?).await?;
    Ok(Answer(Page {
        items: found.members.into_iter().map(|(user, _)| user.into()).collect(),
        next_cursor: found.next.map(|user| user.to_string()),
    }))
}

/// Read a user
#[utoipa::path(
    get, path = "/api/v1/users/{id}", operation_id = "read_user", tag = "Users",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "The user", body = UserResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<UserResponse>, Problem> {
    Ok(Answer(user(&site, &name).await?.into()))
}

/// Change a user
///
/// Another email signs them out everywhere.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", operation_id = "change_user", tag = "Users",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    request_body = UserRequest,
    responses(
        (status = 200, description = "The user as they are now", body = UserResponse),
        (status = 404, description = "user_unknown or tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "user_taken or admin_email", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_email or invalid_external_id", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
    JsonBody(request): JsonBody<UserRequest>,
) -> Result<Answer<UserResponse>, Problem> {
    let details = request.details()?;
    let user = user(&site, &name).await?;
    let user = members::update(&site.env, user.id, &details, &caller.actor()).await.map_err(not_put)?;
    Ok(Answer(user.into()))
}

/// How a user stands
#[utoipa::path(
    get, path = "/api/v1/users/{id}/status", operation_id = "read_status", tag = "Users",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "Tier, paid status, credit and referrals", body = MemberStatus),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn status(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<MemberStatus>, Problem> {
    let user = user(&site, &name).await?;
    Ok(Answer(members::status(&site.env, user).await?))
}

/// Close an account
///
/// They are signed out everywhere and every decision is no. An admin's account takes a key with
/// the scope `admin`.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/disable", operation_id = "disable_user", tag = "Users",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "Closed", body = UserResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn disable(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<UserResponse>, Problem> {
    set_disabled(&site, &caller, &name, true).await
}

/// Open an account again
#[utoipa::path(
    post, path = "/api/v1/users/{id}/enable", operation_id = "enable_user", tag = "Users",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "Open", body = UserResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn enable(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<UserResponse>, Problem> {
    set_disabled(&site, &caller, &name, false).await
}

async fn set_disabled(
    site: &Site,
    caller: &Caller,
    name: &str,
    disabled: bool,
) -> Result<Answer<UserResponse>, Problem> {
    let id = user(site, name).await?.id;
    let actor = caller.actor();
    let changed = if caller.may(Scope::Admin) {
        members::set_disabled(&site.env, id, disabled, &actor).await
    } else {
        members::set_disabled_unless_admin(&site.env, id, disabled, &actor).await
    };
    changed.map_err(|error| match error {
        MemberError::Store(error) => error.into(),
        MemberError::IsAdmin => scope_missing(Scope::Admin),
        MemberError::NoSuchMember | MemberError::NoFreeCode => Problem::user_unknown(),
    })?;
    Ok(Answer(user(site, &id.to_string()).await?.into()))
}

/// Everything that a user may use.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntitlementsResponse {
    /// Who.
    user: UserId,
    /// The tier that counts now.
    tier: TierId,
    /// Whether gates for paying users open, and why.
    paid: PaidStatus,
    /// A decision about one unit of every feature, in their order.
    entitlements: Vec<Decision>,
}

/// What a user may use
///
/// A key that is bound to one user may ask about them.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/entitlements", tag = "Decisions",
    security(("bearer" = ["check"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "A decision about every feature", body = EntitlementsResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_entitlements(
    State(site): State<Site>,
    May { caller, .. }: May<Check>,
    InPath(name): InPath<String>,
) -> Result<Answer<EntitlementsResponse>, Problem> {
    let known = known(&site, &caller, &name).await?;
    let now = site.env.clock.now();
    let standing = &known.standing;
    Ok(Answer(EntitlementsResponse {
        user: standing.user.id,
        tier: standing.accesses.effective_at(now).tier.id.clone(),
        paid: standing.accesses.paid_status(now),
        entitlements: entitlements::entitlements(&known, now),
    }))
}

/// What to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExplainParameters {
    /// The feature.
    #[param(example = "ai_calls", pattern = "^[a-z][a-z0-9_]{0,39}$")]
    feature: String,
    /// How much of it; 1 without it.
    #[param(minimum = 1, maximum = 1_000_000_000)]
    amount: Option<i64>,
}

/// A decision with everything that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainResponse {
    /// The decision.
    decision: Decision,
    /// The layers, in the order in which they were looked at.
    trail: Vec<Layer>,
    /// The same in English, a sentence for each layer and one for the decision.
    sentences: Vec<String>,
}

/// Why may they, or not?
///
/// True at this instant, on whichever node you ask.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/explain", tag = "Decisions",
    security(("bearer" = ["check"])),
    params(
        ("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"),
        ExplainParameters,
    ),
    responses(
        (status = 200, description = "The decision and every layer that was looked at", body = ExplainResponse),
        (status = 404, description = "user_unknown or feature_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter or invalid_amount", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn explain(
    State(site): State<Site>,
    _: May<Inspect>,
    InPath(name): InPath<String>,
    Parameters(parameters): Parameters<ExplainParameters>,
) -> Result<Answer<ExplainResponse>, Problem> {
    let amount = amount(parameters.amount)?;
    let feature = parameters.feature.parse().map_err(|_| Problem::feature_unknown())?;
    let explanation = entitlements::explain(&site.env, &name, &feature, amount).await.map_err(|error| match error {
        EntitlementError::Store(error) => error.into(),
        EntitlementError::UserUnknown => Problem::user_unknown(),
        EntitlementError::FeatureUnknown => Problem::feature_unknown(),
    })?;
    let catalogue = catalogue::current(&site.env).await?;
    let kind = catalogue.feature(&feature).map_or(LimitKind::Count, |feature| feature.kind);
    let name = |tier: &TierId| catalogue.tier_name(tier);
    let layers = explanation.trail.iter().map(|layer| explain::layer(Lang::En, layer, kind, name));
    let verdict = sentence(&explain::verdict(Lang::En, &explanation.decision));
    let sentences = layers.chain([verdict]).collect();
    Ok(Answer(ExplainResponse { decision: explanation.decision, trail: explanation.trail, sentences }))
}

/// Something that gives a user a tier now.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessResponse {
    /// Which tier.
    tier: TierId,
    /// What gives it.
    source: Source,
    /// Whether that tier opens gates for paying users.
    paid: bool,
    /// When it ends by itself; `null` for an own tier.
    expires_at: Option<DateTime<Utc>>,
    /// The days until then, rounded up.
    days_remaining: Option<i64>,
    /// Whether it is the one that counts.
    wins: bool,
}

/// What gives a user their tier
///
/// Everything that runs now: the tier of their own, credit, trial. The first counts.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/accesses", tag = "Users",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "All of them; the first counts", body = Page<AccessResponse>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_accesses(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<Page<AccessResponse>>, Problem> {
    let known = entitlements::find(&site.env, &name).await?.ok_or_else(Problem::user_unknown)?;
    let now = site.env.clock.now();
    let accesses = &known.standing.accesses;
    let winner = accesses.effective_at(now);
    let running = accesses.all().iter().filter(|access| access.is_running(now));
    let items = running.map(|access| AccessResponse {
        tier: access.tier.id.clone(),
        source: access.source,
        paid: access.tier.paid,
        expires_at: access.expires_at,
        days_remaining: access.days_remaining(now),
        wins: std::ptr::eq(access, winner),
    });
    Ok(Answer(Page::all(items.collect())))
}
