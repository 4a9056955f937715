//! Which app is asking, and what its key lets it do.
//!
//! A handler that takes `May<Consume>` runs for keys with that scope only, so a route without
//! a check of its scope does not compile into one that lets everybody in.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
};

use crate::{
    api::Problem,
    domain::{
        activity::OPERATOR,
        api_key::{ApiKey, Scope, label},
        ids::UserId,
    },
    platform::{
        caller::Site,
        guard::{bearer_token, bears},
    },
    services::api_keys,
};

/// Who is asking.
#[derive(Debug, Clone)]
pub enum Caller {
    /// An app with a key.
    Key(Arc<ApiKey>),
    /// Whoever holds `VOUCHSAFE_ADMIN_TOKEN`.
    Operator,
}

impl Caller {
    /// Returns what the ledger and the log call this one.
    pub fn actor(&self) -> String {
        match self {
            Self::Key(key) => label(&key.name, &key.hint),
            Self::Operator => OPERATOR.to_owned(),
        }
    }

    /// Returns the key, if it is one.
    pub fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Operator => None,
        }
    }

    /// Returns the one member this may ask about, if it is bound to one.
    pub fn bound_to(&self) -> Option<UserId> {
        self.key().and_then(|key| key.user)
    }

    /// Returns whether it may do something.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Key(key) => key.scopes.allow(scope),
            Self::Operator => true,
        }
    }

    /// Finds out who is asking by the token of a request.
    pub async fn identify(parts: &Parts, site: &Site) -> Result<Self, Problem> {
        let token = bearer_token(&parts.headers)
            .or_else(|| parts.headers.get("x-api-key").and_then(|key| key.to_str().ok()))
            .ok_or_else(unauthorized)?;
        if let Some(key) = api_keys::identify(&site.env, token).await? {
            return Ok(Self::Key(key));
        }
        let expected = site.env.config.security.admin_token.as_ref();
        if expected.is_some_and(|expected| bears(&parts.headers, expected)) {
            return Ok(Self::Operator);
        }
        Err(unauthorized())
    }
}

/// The token is none, or none that is good.
pub fn unauthorized() -> Problem {
    let title = "Send a valid API key: Authorization: Bearer vs_…. Keys are made in /admin/keys.";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// The key is good, but not for this.
pub fn scope_missing(scope: Scope) -> Problem {
    let scope = scope.as_str();
    let title = format!("This key may not do this: it takes the scope {scope}.");
    Problem::new(StatusCode::FORBIDDEN, "scope_missing", title).with("scope", scope)
}

/// Something that a route asks for.
pub trait Grants {
    /// The scope it takes.
    const SCOPE: Scope;
    /// Whether a key that is bound to one member will do; the handler then compares.
    const FOR_BOUND_KEYS: bool = false;
}

/// To ask whether somebody may do something.
#[derive(Debug)]
pub struct Check;
/// To read what the product offers, and why somebody may or may not: as `Check`, but not for keys
/// that are bound to one member and live in a browser.
#[derive(Debug)]
pub struct Inspect;
/// To count.
#[derive(Debug)]
pub struct Consume;
/// To read and change members.
#[derive(Debug)]
pub struct Manage;
/// To change tiers, features, limits and keys.
#[derive(Debug)]
pub struct Administer;

impl Grants for Check {
    const SCOPE: Scope = Scope::Check;
    const FOR_BOUND_KEYS: bool = true;
}
impl Grants for Inspect {
    const SCOPE: Scope = Scope::Check;
}
impl Grants for Consume {
    const SCOPE: Scope = Scope::Consume;
    const FOR_BOUND_KEYS: bool = true;
}
impl Grants for Manage {
    const SCOPE: Scope = Scope::Manage;
}
impl Grants for Administer {
    const SCOPE: Scope = Scope::Admin;
}

/// Proof that the caller has the scope.
#[derive(Debug)]
pub struct May<S> {
    /// Who is asking.
    pub caller: Caller,
    scope: PhantomData<S>,
}

impl<S: Grants> FromRequestParts<Site> for May<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let caller = Caller::identify(parts, site).await?;
        if caller.bound_to().is_some() && !S::FOR_BOUND_KEYS {
            let title = "A key that is bound to one user may ask and count for them, nothing else.";
            return Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", title).with("scope", S::SCOPE.as_str()));
        }
        if !caller.may(S::SCOPE) {
            return Err(scope_missing(S::SCOPE));
        }
        Ok(Self { caller, scope: PhantomData })
    }
}
