//! Forward-auth: a proxy asks before it lets a request through to another site.
//!
//! It sends the headers of that request along, the cookie of a member among them, and goes by the
//! status: 200 opens. `docs/forward-auth.md` shows nginx, Caddy and Traefik.

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    extract::{FromRequestParts, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use serde::Deserialize;

use crate::{
    api::{Problem, caller::Caller},
    domain::{
        activity::GATE,
        api_key::{Scope, TOKEN_PREFIX},
        catalogue::Feature,
        entitlement::{self, Decision, PRICING_PATH, Reason},
        ids::{ApiKeyId, UserId},
        usage::{Act, IdempotencyKey, LONGEST_KEY, MOST_UNITS, OnExceed, Outcome, UsageCall},
    },
    platform::{
        caller::{Refused, Site, Visit, encode_query, failed},
        guard::{API_KEY, bearer_token},
        memory::Known,
    },
    services::{
        entitlements,
        usage::{self, UsageError},
    },
};

const USER: HeaderName = HeaderName::from_static("x-vouchsafe-user");
const EMAIL: HeaderName = HeaderName::from_static("x-vouchsafe-email");
const TIER: HeaderName = HeaderName::from_static("x-vouchsafe-tier");
const REMAINING: HeaderName = HeaderName::from_static("x-vouchsafe-remaining");
/// Why the gate stays shut.
const REASON: HeaderName = HeaderName::from_static("x-vouchsafe-reason");
/// Where a person can do something about it.
const LOCATION: HeaderName = HeaderName::from_static("x-vouchsafe-location");

/// The longest address of a page to come back to; what is longer is forgotten.
const LONGEST_NEXT: usize = 512;

/// Returns the route that proxies ask.
pub(super) fn routes() -> Router<Site> {
    // Some proxies ask by the method of the request that they hold back.
    Router::new().route("/gate", any(gate))
}

/// What a proxy asks. A name that is not known is refused: `featur=ai_calls` would else open the
/// gate to every member.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Whether they may use this; nothing: whether they are signed in.
    feature: Option<String>,
    /// Whether it is counted, or how many units are.
    consume: Option<String>,
    /// How many units.
    amount: Option<i64>,
    /// Whether they must be paying.
    paid: Option<String>,
    /// The status that says no, for proxies that understand only some. Given, nobody is redirected.
    denied: Option<u16>,
    /// The same for the same request, so that one that is asked about twice is counted once.
    request: Option<String>,
}

/// A question that was understood.
#[derive(Debug)]
struct Question {
    feature: Option<String>,
    consume: bool,
    amount: i64,
    paid: bool,
    denied: Option<StatusCode>,
    request: Option<String>,
}

impl Question {
    fn read(parts: &Parts) -> Result<Self, Problem> {
        let refuse = |title: String| Problem::unprocessable("invalid_parameter", title);
        let Query(asked) = Query::<Asked>::try_from_uri(&parts.uri)
            .map_err(|error| refuse(format!("The query cannot be read: {error}.")))?;
        let (consume, units) = match asked.consume.as_deref() {
            None | Some("" | "0" | "false") => (false, 1),
            Some("true") => (true, 1),
            Some(units) => {
                let units = units.parse().map_err(|_| refuse("consume is 1, a number of units, or 0.".to_owned()))?;
                (true, units)
            }
        };
        let amount = asked.amount.unwrap_or(units);
        if !(1..=MOST_UNITS).contains(&amount) {
            return Err(refuse(format!("An amount is a whole number from 1 to {MOST_UNITS}.")));
        }
        if consume && asked.feature.is_none() {
            return Err(refuse("What is consumed? Name a feature.".to_owned()));
        }
        let paid = match asked.paid.as_deref() {
            None | Some("" | "0" | "false") => false,
            Some("1" | "true") => true,
            Some(_) => return Err(refuse("paid is 1 or 0.".to_owned())),
        };
        let denied = match asked.denied {
            None => None,
            Some(402) => Some(StatusCode::PAYMENT_REQUIRED),
            Some(403) => Some(StatusCode::FORBIDDEN),
            Some(_) => return Err(refuse("denied is 402 or 403.".to_owned())),
        };
        let request = asked.request.filter(|request| !request.is_empty());
        if request.as_ref().is_some_and(|request| request.len() > LONGEST_KEY) {
            return Err(refuse(format!("request has at most {LONGEST_KEY} characters.")));
        }
        Ok(Self { feature: asked.feature, consume, amount, paid, denied, request })
    }
}

/// Who stands before the gate.
enum Comer {
    /// A member, by the cookie of their browser.
    Visitor(Arc<Known>),
    /// A member, by a key that is bound to them.
    Holder(Arc<Known>, ApiKeyId),
    /// Whoever holds `VOUCHSAFE_ADMIN_TOKEN`, for whom every gate opens and nothing is counted.
    Operator,
}

/// Why the gate stays shut.
enum Shut {
    /// Nobody is signed in.
    SignedOut,
    /// The key is none that is good.
    BadKey,
    /// It takes something else than money: a reason for the header and a sentence.
    Forbidden(&'static str, &'static str),
    /// They would have to pay.
    Unpaid,
    /// The decision about the feature says so.
    Decided(Box<Decision>),
    /// The proxy asks something that has no answer, or there is none now.
    Wrong(Box<Response>),
}

impl From<Problem> for Shut {
    fn from(problem: Problem) -> Self {
        Self::Wrong(Box::new(problem.into_response()))
    }
}

impl From<crate::store::StoreError> for Shut {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Wrong(Box::new(failed(&error)))
    }
}

/// `/gate`, by any method
async fn gate(State(site): State<Site>, request: Request) -> Response {
    // What the request carries is for the site behind the gate.
    let (mut parts, _) = request.into_parts();
    let question = match Question::read(&parts) {
        Ok(question) => question,
        Err(problem) => return problem.into_response(),
    };
    match open(&site, &mut parts, &question).await {
        Ok(headers) => headers.into_response(),
        Err(shut) => shut.respond(&site, &parts.headers, &parts.method, question.denied),
    }
}

/// Returns the headers for the site behind the gate, if it opens.
async fn open(site: &Site, parts: &mut Parts, question: &Question) -> Result<HeaderMap, Shut> {
    let comer = comer(site, parts, question).await?;
    let (known, key) = match &comer {
        Comer::Operator => return Ok(HeaderMap::new()),
        Comer::Visitor(known) => (known, None),
        Comer::Holder(known, key) => (known, Some(*key)),
    };
    let now = site.env.clock.now();
    if question.paid && !known.standing.accesses.paid_status(now).active {
        return Err(Shut::Unpaid);
    }
    let decision = match &question.feature {
        None if known.standing.user.disabled_at.is_some() => {
            return Err(Shut::Forbidden(Reason::UserDisabled.as_str(), "This account is closed."));
        }
        // Whose trial was all they had is sent to where they get more.
        None if entitlement::is_over(&known.standing.user, &known.standing.accesses, now) => {
            return Err(Shut::Unpaid);
        }
        None => None,
        Some(feature) => {
            let Some(feature) = known.catalogue.feature_named(feature) else {
                tracing::warn!(feature = feature.as_str(), "a proxy asks at the gate for a feature that there is not");
                return Err(Problem::feature_unknown().into());
            };
            if question.consume && key.is_none() && !may_count(&parts.headers) {
                return Err(Shut::Forbidden("cross_site", "Another site opened this. Open it again by a click."));
            }
            let decision = decide(site, known, key, feature, question).await?;
            if !decision.allowed {
                return Err(Shut::Decided(Box::new(decision)));
            }
            Some((feature, decision))
        }
    };
    let user = &known.standing.user;
    let tier = known.standing.accesses.effective_at(now).tier.id.as_str();
    let mut headers = HeaderMap::new();
    headers.insert(USER, value(&user.id.to_string()));
    // Also when it is empty: a proxy then overwrites what the client may have written there.
    headers.insert(EMAIL, value(user.email.as_deref().unwrap_or_default()));
    headers.insert(TIER, value(tier));
    if let Some((feature, decision)) = decision
        && feature.is_counted()
        && let Some(remaining) = decision.remaining
    {
        headers.insert(REMAINING, HeaderValue::from(remaining));
    }
    Ok(headers)
}

async fn comer(site: &Site, parts: &mut Parts, question: &Question) -> Result<Comer, Shut> {
    if let Some(token) = token(&parts.headers) {
        let is_ours = token.starts_with(TOKEN_PREFIX);
        match Caller::identify(parts, site).await {
            Ok(Caller::Operator) => return Ok(Comer::Operator),
            Ok(caller @ Caller::Key(_)) => {
                let scope = if question.consume { Scope::Consume } else { Scope::Check };
                if !caller.may(scope) {
                    return Err(Shut::Forbidden("scope_missing", "This key may not do this."));
                }
                let (Some(user), Some(key)) = (caller.bound_to(), caller.key()) else {
                    let title = "Send a key that is bound to one user: this one does not say who is coming.";
                    return Err(Shut::Forbidden("key_not_bound", title));
                };
                let known = entitlements::known(&site.env, user).await?.ok_or(Shut::BadKey)?;
                return Ok(Comer::Holder(known, key.id));
            }
            Err(problem) => {
                let problem = problem.into_response();
                if problem.status().is_server_error() {
                    return Err(Shut::Wrong(Box::new(problem)));
                }
                if is_ours {
                    return Err(Shut::BadKey);
                }
                // It is for the site behind the gate, which has tokens of its own.
            }
        }
    }
    let visit = match Visit::from_request_parts(parts, site).await {
        Ok(visit) => visit,
        Err(Refused::Failed(error)) => return Err(error.into()),
        Err(_) => return Err(Shut::SignedOut),
    };
    let user = visit.identity.ok_or(Shut::SignedOut)?.user.id;
    Ok(Comer::Visitor(entitlements::known(&site.env, user).await?.ok_or(Shut::SignedOut)?))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    bearer_token(headers).or_else(|| headers.get(API_KEY)?.to_str().ok())
}

/// Returns whether a request that a cookie proves may count.
///
/// Another site can make a browser open an address, and that is all it can do: the cookie is not
/// sent along for anything but the opening of a page (SameSite=Lax). Where the browser says that it
/// did so without a click, nothing is counted. Links from elsewhere that people follow still work.
fn may_count(headers: &HeaderMap) -> bool {
    let is = |name: &str, text: &str| headers.get(name).is_some_and(|value| value == text);
    !is("sec-fetch-site", "cross-site") || (is("sec-fetch-mode", "navigate") && is("sec-fetch-user", "?1"))
}

async fn decide(
    site: &Site,
    known: &Arc<Known>,
    key: Option<ApiKeyId>,
    feature: &Feature,
    question: &Question,
) -> Result<Decision, Shut> {
    let now = site.env.clock.now();
    let only_decide = || entitlement::decide_about(&known.catalogue, &known.standing, feature, question.amount, now);
    if !question.consume {
        return Ok(only_decide());
    }
    let user = known.standing.user.id;
    let amount = question.amount;
    let call = UsageCall {
        act: Act::Consume { user, feature: feature.id.clone(), amount, on_exceed: OnExceed::Reject },
        actor: GATE.to_owned(),
        api_key: key,
        idempotency: question.request.as_deref().map(|request| idempotency(user, feature, amount, request)),
    };
    let outcome = usage::call(&site.env, call).await.map_err(|error| match error {
        UsageError::Store(error) => Shut::Wrong(Box::new(failed(&error))),
        UsageError::BadAmount | UsageError::BadLifetime => {
            Problem::unprocessable("invalid_parameter", format!("The amount is no good: {error}.")).into()
        }
    })?;
    match outcome {
        Outcome::Counted { decision, .. } | Outcome::Refused { decision } => Ok(decision),
        // A switch is on or off; there is nothing to count.
        Outcome::NotCounted => Ok(only_decide()),
        Outcome::Revoked => Err(Shut::BadKey),
        Outcome::KeyInFlight => {
            let title = "The same request is being counted. Try again in a second.";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "idempotency_key_in_flight", title).retry_after(1).into())
        }
        Outcome::KeyReused => {
            let title = "request was something else before. It must be another text for each request.";
            Err(Problem::unprocessable("idempotency_key_reused", title).into())
        }
        Outcome::Reserved { .. } | Outcome::NoSuchReservation | Outcome::Settled { .. } => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here.").into())
        }
    }
}

/// The proxy's name for a request, as one member's own. It is in the question, which the proxy
/// writes, and not in a header, which a client could repeat in order to be counted only once.
fn idempotency(user: UserId, feature: &Feature, amount: i64, request: &str) -> IdempotencyKey {
    let content = format!("{amount} {}", feature.id);
    usage::idempotency_key(&user.to_string(), "gate", request.as_bytes(), content.as_bytes())
}

impl Shut {
    fn respond(self, site: &Site, headers: &HeaderMap, method: &Method, denied: Option<StatusCode>) -> Response {
        let public_url = &site.env.config.server.public_url;
        let decision = if let Self::Decided(decision) = &self { Some(decision.clone()) } else { None };
        let (status, reason, title, location) = match self {
            Self::Wrong(response) => return *response,
            Self::SignedOut => {
                let location = match next(site, headers) {
                    Some(next) => format!("{public_url}/login?next={}", encode_query(&next)),
                    None => format!("{public_url}/login"),
                };
                (StatusCode::UNAUTHORIZED, "unauthorized", "Sign in.", Some(location))
            }
            Self::BadKey => (StatusCode::UNAUTHORIZED, "unauthorized", "This API key is none that is good.", None),
            Self::Forbidden(reason, title) => (StatusCode::FORBIDDEN, reason, title, None),
            Self::Unpaid => {
                let title = "This is for paying members.";
                (StatusCode::PAYMENT_REQUIRED, "payment_required", title, Some(format!("{public_url}{PRICING_PATH}")))
            }
            Self::Decided(decision) => {
                let (title, helps) = match decision.reason {
                    Reason::FeatureInactive => ("This feature is out of use.", false),
                    Reason::UserDisabled => ("This account is closed.", false),
                    Reason::FeatureOff => ("This feature is not part of your tier.", true),
                    _ => ("The limit is reached.", true),
                };
                let location = helps.then(|| format!("{public_url}{PRICING_PATH}"));
                (StatusCode::PAYMENT_REQUIRED, decision.reason.as_str(), title, location)
            }
        };
        let mut response = match &location {
            Some(location) if denied.is_none() && is_page(headers, method) => {
                (StatusCode::FOUND, [(header::LOCATION, address(location))]).into_response()
            }
            _ => {
                let status = match denied {
                    Some(denied) if status == StatusCode::PAYMENT_REQUIRED => denied,
                    _ => status,
                };
                let mut problem = Problem::new(status, reason, title);
                if let Some(decision) = &decision {
                    problem = problem.about(decision, site.env.clock.now());
                }
                problem.into_response()
            }
        };
        response.headers_mut().insert(REASON, HeaderValue::from_static(reason));
        if let Some(location) = &location {
            response.headers_mut().insert(LOCATION, address(location));
        }
        response
    }
}

/// Returns whether somebody who looks at a browser waits for a page.
fn is_page(headers: &HeaderMap, method: &Method) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let method = text("x-forwarded-method").unwrap_or(method.as_str());
    let takes_pages = text("accept").is_some_and(|accept| accept.contains("text/html"));
    takes_pages && matches!(method, "GET" | "HEAD") && text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
}

/// Returns the address that was asked for, as /login takes it: a path of ours, or an address on a
/// site that the operator named. Nothing for all others.
fn next(site: &Site, headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let path = text("x-forwarded-uri").filter(|path| path.starts_with('/'))?;
    let public_url = &site.env.config.server.public_url;
    let scheme = text("x-forwarded-proto").unwrap_or(if public_url.is_https() { "https" } else { "http" });
    let host = text("x-forwarded-host").or_else(|| text("host"))?;
    let origin = format!("{scheme}://{host}").to_ascii_lowercase();
    let next = if origin == public_url.as_str() {
        path.to_owned()
    } else if site.env.config.gate.origins.contains(&origin) {
        format!("{origin}{path}")
    } else {
        return None;
    };
    (next.len() <= LONGEST_NEXT).then_some(next)
}

/// Writes a name into a header. What is not plain ASCII is percent-encoded, and `%` with it, so that
/// it can be read back.
fn value(name: &str) -> HeaderValue {
    let mut plain = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            plain.push(char::from(byte));
        } else {
            write!(plain, "%{byte:02X}").expect("a String takes everything");
        }
    }
    HeaderValue::from_str(&plain).expect("it is plain ASCII")
}

/// Writes an address of ours, of which the query is encoded already.
fn address(location: &str) -> HeaderValue {
    HeaderValue::from_str(location).expect("an encoded address is ASCII")
}
