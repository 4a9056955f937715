//! The headers that tell browsers what a response may do.
//!
//! Source: reference "Reliability and security" §3, after OWASP and MDN's HTTP Observatory.

use std::{mem, sync::LazyLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a response may load that is not a page: nothing.
pub const NOTHING_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Headers of every response that does not set them itself.
const ALWAYS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, NOTHING_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Headers of every response that may become a document: on others no browser looks at them.
const OF_DOCUMENTS: [(HeaderName, &str); 5] = [
    // `no-referrer` would also empty the Origin header, by which forms are told from forgeries.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// One year, for every host below ours as well.
const HTTPS_ONLY: &str = "max-age=31536000; includeSubDomains";

/// Room for all headers of most responses, so that none has to be moved for another.
const MOST_HEADERS: usize = 24;

/// The security headers, kept as a whole: to copy them costs half of what it costs to add each.
#[derive(Debug)]
pub struct Always {
    documents: HeaderMap,
    json: HeaderMap,
}

impl Always {
    /// Returns the headers. `is_https`: browsers are told to never come back without TLS.
    pub fn new(is_https: bool) -> Self {
        let https = is_https.then_some((header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY));
        let of_all = ALWAYS.into_iter().chain(https).map(|(name, value)| (name, HeaderValue::from_static(value)));
        let mut json = HeaderMap::with_capacity(MOST_HEADERS);
        json.extend(of_all);
        let mut documents = json.clone();
        documents.extend(OF_DOCUMENTS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        Self { documents, json }
    }

    /// Adds to the headers of a response what is missing of these.
    pub fn complete(&self, headers: &mut HeaderMap) {
        let these = if is_json(headers) { &self.json } else { &self.documents };
        let own = mem::replace(headers, these.clone());
        headers.extend(own);
    }
}

/// Returns whether a response is one of the API's, which with `nosniff` is never taken for a page.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json" || kind == "application/problem+json")
}

/// Returns the Content-Security-Policy of a page whose own scripts carry `nonce`, or that has none.
///
/// `targets` are the other sites to which a form may lead in the end: browsers hold the redirect
/// after a sign-in against `form-action`, too.
///
/// `'strict-dynamic'` is left out: Leptos 0.8 writes no nonce into its `modulepreload` link, which
/// would then be refused. Styles come from files only, so no element carries a `style` attribute.
pub fn page_policy(nonce: Option<&str>, targets: &[String]) -> HeaderValue {
    let sockets = if *IS_WATCHED { " ws://127.0.0.1:* ws://localhost:*" } else { "" };
    let scripts = match nonce {
        Some(nonce) => format!("'self' 'nonce-{nonce}' 'wasm-unsafe-eval'"),
        None => "'none'".to_owned(),
    };
    let targets: String = targets.iter().flat_map(|target| [" ", target.as_str()]).collect();
    let policy = format!(
        "default-src 'none'; script-src {scripts}; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'{sockets}; form-action 'self'{targets}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    // A nonce is base64; if it ever is not, the page loses its scripts and nothing else.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(NOTHING_POLICY))
}

/// Whether `cargo leptos watch` runs the program: its script hears of changes through a web socket
/// on another port.
static IS_WATCHED: LazyLock<bool> =
    LazyLock::new(|| cfg!(debug_assertions) && std::env::var_os("LEPTOS_WATCH").is_some());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_set_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        headers.insert(header::CONTENT_SECURITY_POLICY, page_policy(Some("abc"), &[]));
        headers.insert(header::SET_COOKIE, HeaderValue::from_static("one=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("two=2"));
        Always::new(false).complete(&mut headers);
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=60");
        assert_eq!(headers.get_all(header::SET_COOKIE).iter().collect::<Vec<_>>(), ["one=1", "two=2"]);
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII");
        assert!(policy.contains("script-src 'self' 'nonce-abc' 'wasm-unsafe-eval';"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers.get_all(header::CONTENT_SECURITY_POLICY).iter().count(), 1);
        assert_eq!(headers.len(), ALWAYS.len() + OF_DOCUMENTS.len() + 2);
    }

    #[test]
    fn answers_in_json_carry_what_is_looked_at_there() {
        for (kind, expected) in [("application/json", 5), ("application/problem+json", 5), ("text/html", 10)] {
            let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            Always::new(false).complete(&mut headers);
            assert_eq!(headers.len(), expected, "{kind}: {headers:?}");
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], NOTHING_POLICY);
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[test]
    fn only_https_demands_https() {
        let (mut plain, mut secure) = (HeaderMap::new(), HeaderMap::new());
        Always::new(false).complete(&mut plain);
        Always::new(true).complete(&mut secure);
        assert!(!plain.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert_eq!(secure[header::STRICT_TRANSPORT_SECURITY], HTTPS_ONLY);
        assert_eq!(secure[header::CONTENT_SECURITY_POLICY], NOTHING_POLICY);
    }

    #[test]
    fn forms_lead_to_the_named_sites_and_no_others() {
        let policy = page_policy(None, &["https://app.example.com".to_owned()]);
        let policy = policy.to_str().expect("ASCII");
        assert!(policy.contains("; form-action 'self' https://app.example.com; "), "{policy}");
        let policy = page_policy(None, &[]);
        assert!(policy.to_str().expect("ASCII").contains("; form-action 'self'; "));
    }

    #[test]
    fn a_broken_nonce_gives_no_rights() {
        assert_eq!(page_policy(Some("a\nb"), &[]), NOTHING_POLICY);
    }
}
