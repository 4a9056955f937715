//! The cookies that Vouchsafe sets, and nothing else about a browser.
//!
//! Over HTTPS their names begin with `__Host-`: a browser then keeps them to this host, to HTTPS
//! and to the whole site. Plain HTTP, which only development uses, cannot have that.

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::{DateTime, Utc};
use cookie::{Cookie, CookieJar, SameSite, time::Duration};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        ids::{InvitationId, LoginAttemptId},
        lang::Lang,
        login::FLOW_LIFETIME,
        referral::ReferralCode,
    },
    platform::keys::Keys,
};

/// What a browser carries from /login to /verify: encrypted, so that neither the flow nor the
/// invitation can be forged or read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLogin {
    /// The flow to which the code belongs.
    pub attempt: LoginAttemptId,
    /// The invitation that brought them.
    pub referral: Option<ReferralCode>,
    /// The invitation by mail whose link they followed.
    #[serde(default)]
    pub invitation: Option<InvitationId>,
    /// Where they wanted to go.
    pub next: Option<String>,
    /// When the cookie stops to count, whatever the browser thinks.
    pub expires_at: DateTime<Utc>,
}

/// Reads and writes cookies.
#[derive(Debug, Clone)]
pub struct Cookies {
    keys: Keys,
    secure: bool,
}

/// How long a browser remembers its language, in days.
const LANG_DAYS: i64 = 365;
/// The longest that a session can last, in days; the server ends it earlier.
const SESSION_DAYS: i64 = 30;

impl Cookies {
    /// Makes cookies for HTTPS (`secure`) or for plain HTTP.
    pub fn new(keys: Keys, secure: bool) -> Self {
        Self { keys, secure }
    }

    fn name(&self, name: &'static str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn make(&self, name: &'static str, value: String, lifetime: Duration) -> Cookie<'static> {
        Cookie::build((self.name(name), value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .max_age(lifetime)
            .build()
    }

    fn read(&self, headers: &HeaderMap, name: &'static str) -> Option<Cookie<'static>> {
        let name = self.name(name);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| Cookie::split_parse(line.to_owned()))
            .filter_map(Result::ok)
            .find(|cookie| cookie.name() == name)
    }

    /// Returns the session's token.
    pub fn session(&self, headers: &HeaderMap) -> Option<String> {
        self.read(headers, "session").map(|cookie| cookie.value().to_owned()).filter(|token| token.len() <= 64)
    }

    /// Keeps a session's token in the browser.
    pub fn set_session(&self, token: &str) -> HeaderValue {
        encode(&self.make("session", token.to_owned(), Duration::days(SESSION_DAYS)))
    }

    /// Forgets the session's token.
    pub fn clear_session(&self) -> HeaderValue {
        encode(&self.make("session", String::new(), Duration::ZERO))
    }

    /// Returns the sign-in that is under way, unless the cookie is forged or too old.
    pub fn pending(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<PendingLogin> {
        let mut jar = CookieJar::new();
        jar.add_original(self.read(headers, "login")?);
        let opened = jar.private(self.keys.cookie_key()).get(&self.name("login"))?;
        serde_json::from_str::<PendingLogin>(opened.value()).ok().filter(|pending| pending.expires_at > now)
    }

    /// Keeps a sign-in that is under way.
    pub fn set_pending(&self, pending: &PendingLogin) -> HeaderValue {
        let value = serde_json::to_string(pending).expect("a pending login is plain JSON");
        let mut jar = CookieJar::new();
        let cookie = self.make("login", value, Duration::seconds(FLOW_LIFETIME.num_seconds()));
        jar.private_mut(self.keys.cookie_key()).add(cookie);
        encode(jar.get(&self.name("login")).expect("it was just added"))
    }

    /// Forgets a sign-in that was under way.
    pub fn clear_pending(&self) -> HeaderValue {
        encode(&self.make("login", String::new(), Duration::ZERO))
    }

    /// Returns the language that this browser chose.
    pub fn lang(&self, headers: &HeaderMap) -> Option<Lang> {
        self.read(headers, "lang")?.value().parse().ok()
    }

    /// Keeps the language that this browser chose.
    pub fn set_lang(&self, lang: Lang) -> HeaderValue {
        encode(&self.make("lang", lang.tag().to_owned(), Duration::days(LANG_DAYS)))
    }
}

fn encode(cookie: &Cookie<'_>) -> HeaderValue {
    // Tokens, tags of languages and base64 need no encoding.
    HeaderValue::from_str(&cookie.to_string()).expect("our cookies are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, line.parse().expect("a header value"))])
    }

    fn pending() -> PendingLogin {
        PendingLogin {
            attempt: "0192f0c1-2345-7abc-8def-0123456789ab".parse().expect("an id"),
            referral: ReferralCode::normalise("K7MQ2XWA"),
            invitation: None,
            next: Some("/admin/matrix?tier=free".to_owned()),
            expires_at: DateTime::from_timestamp(2_000, 0).expect("in range"),
        }
    }

    #[test]
    fn a_pending_login_comes_back_unread_and_unforged() {
        let cookies = Cookies::new(Keys::from_secret("a secret that is long enough, at least"), true);
        let set = cookies.set_pending(&pending());
        let set = set.to_str().expect("ASCII");
        assert!(set.starts_with("__Host-login=") && !set.contains("K7MQ2XWA"), "{set}");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(set.contains(attribute), "{set}");
        }
        let value = set.split(';').next().expect("a value");
        let early = DateTime::from_timestamp(1_999, 0).expect("in range");
        assert_eq!(cookies.pending(&headers(value), early), Some(pending()));
        let late = DateTime::from_timestamp(2_000, 0).expect("in range");
        assert_eq!(cookies.pending(&headers(value), late), None, "too old");
        let mut forged = value.to_owned();
        forged.replace_range(20..21, if &value[20..21] == "A" { "B" } else { "A" });
        assert_eq!(cookies.pending(&headers(&forged), early), None, "forged");
        let others = Cookies::new(Keys::from_secret("another secret that is long enough too"), true);
        assert_eq!(others.pending(&headers(value), early), None, "of another server");
    }

    #[test]
    fn plain_http_has_plain_names() {
        let cookies = Cookies::new(Keys::from_secret("a secret that is long enough, at least"), false);
        let set = cookies.set_session("token");
        let set = set.to_str().expect("ASCII");
        assert!(set.starts_with("session=token") && !set.contains("Secure"), "{set}");
        assert_eq!(cookies.session(&headers("a=b; session=token; c")), Some("token".into()));
        assert_eq!(cookies.session(&headers(&format!("session={}", "x".repeat(10_000)))), None);
        assert_eq!(cookies.session(&headers("__Host-session=token")), None);
    }
}
