//! What is signed and how, all from one secret.

use std::{fmt, sync::Arc};

use cookie::{Cookie, CookieJar};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::domain::{
    email::EmailKey,
    ids::{InvitationId, LoginAttemptId, UserId, WebhookEndpointId},
    letter::MailCategory,
    login::LoginCode,
    webhook::WebhookSecret,
};

/// The keys of the program, one for each purpose, so that nothing made for one opens another.
///
/// They are derived from the secret by HKDF-SHA256 (RFC 5869) under a name; a changed name or a
/// changed secret makes all codes and cookies of before worthless, and does no other harm.
#[derive(Clone)]
pub struct Keys(Arc<Derived>);

struct Derived {
    login_code: [u8; 32],
    event_stream: [u8; 32],
    address_hash: [u8; 32],
    invitation: [u8; 32],
    unsubscribe: [u8; 32],
    cookie: cookie::Key,
    webhook_secret: cookie::Key,
    chat_address: cookie::Key,
}

impl Keys {
    /// Derives the keys from the secret, which must be hard to guess.
    pub fn from_secret(secret: &str) -> Self {
        let source = Hkdf::<Sha256>::new(None, secret.as_bytes());
        let cookie: [u8; 64] = derive(&source, "vouchsafe/1/cookie");
        let chat_address: [u8; 64] = derive(&source, "vouchsafe/1/chat-address");
        let webhook_secret: [u8; 64] = derive(&source, "vouchsafe/1/webhook-secret");
        Self(Arc::new(Derived {
            login_code: derive(&source, "vouchsafe/1/login-code"),
            event_stream: derive(&source, "vouchsafe/1/event-stream"),
            address_hash: derive(&source, "vouchsafe/1/address-hash"),
            invitation: derive(&source, "vouchsafe/1/invitation"),
            unsubscribe: derive(&source, "vouchsafe/1/unsubscribe"),
            cookie: cookie::Key::from(&cookie),
            webhook_secret: cookie::Key::from(&webhook_secret),
            chat_address: cookie::Key::from(&chat_address),
        }))
    }

    /// Returns the code that was mailed for the `send`-th time in a sign-in flow.
    ///
    /// The database needs to keep no code: whoever reads it cannot sign in.
    pub fn login_code(&self, attempt: LoginAttemptId, email_key: &EmailKey, send: i64, long: bool) -> LoginCode {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.login_code).expect("HMAC takes keys of any length");
        // Each part says how long it is, so that no two lists of parts make one message.
        for part in
            [attempt.as_bytes().as_slice(), email_key.as_str().as_bytes(), &send.to_be_bytes(), &[u8::from(long)]]
        {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let (number, _) = tag.split_first_chunk().expect("16 bytes fit into 32");
        LoginCode::from_number(u128::from_be_bytes(*number), long)
    }

    /// Returns the proof in the address of a member's stream of events, for one window of time.
    pub fn event_stream(&self, user: UserId, window: u32) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.event_stream).expect("HMAC takes keys of any length");
        // Both parts have one length each.
        mac.update(user.as_bytes());
        mac.update(&window.to_be_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        *tag.first_chunk().expect("16 bytes fit into 32")
    }

    /// Returns what is kept of an address that has to be known again once it is forgotten. Without the
    /// secret nobody can try out addresses on it.
    pub fn address_hash(&self, email_key: &EmailKey) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.address_hash).expect("HMAC takes keys of any length");
        mac.update(email_key.as_str().as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Returns the proof in the link of an invitation that whoever follows it has had the mail.
    pub fn invitation(&self, invitation: InvitationId) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.invitation).expect("HMAC takes keys of any length");
        mac.update(invitation.as_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        *tag.first_chunk().expect("16 bytes fit into 32")
    }

    /// Encrypts the secret of an endpoint (AES-256-GCM), so that whoever reads the database cannot sign
    /// in our name. It opens for this endpoint only.
    pub fn seal(&self, endpoint: WebhookEndpointId, secret: &WebhookSecret) -> String {
        let name = endpoint.to_string();
        let mut jar = CookieJar::new();
        // The cipher is that of cookies: it binds what it encrypts to a name.
        jar.private_mut(&self.0.webhook_secret).add(Cookie::new(name.clone(), secret.expose().to_owned()));
        jar.get(&name).expect("it was just added").value().to_owned()
    }

    /// Returns a secret that was encrypted by [`Self::seal`]; nothing if that was under another secret
    /// of the program, or for another endpoint.
    pub fn open(&self, endpoint: WebhookEndpointId, sealed: &str) -> Option<WebhookSecret> {
        let cookie = Cookie::new(endpoint.to_string(), sealed.to_owned());
        let opened = CookieJar::new().private(&self.0.webhook_secret).decrypt(cookie)?;
        Some(WebhookSecret::new(opened.value().to_owned()))
    }

    /// Encrypts the address of a chat (AES-256-GCM): whoever knows it can write there.
    pub fn seal_address(&self, address: &str) -> String {
        let mut jar = CookieJar::new();
        jar.private_mut(&self.0.chat_address).add(Cookie::new("chat", address.to_owned()));
        jar.get("chat").expect("it was just added").value().to_owned()
    }

    /// Returns an address that was encrypted by [`Self::seal_address`]; nothing if that was under another
    /// secret of the program.
    pub fn open_address(&self, sealed: &str) -> Option<String> {
        let cookie = Cookie::new("chat", sealed.to_owned());
        let opened = CookieJar::new().private(&self.0.chat_address).decrypt(cookie)?;
        Some(opened.value().to_owned())
    }

    /// Returns the proof in the address by which a member does without a kind of letters.
    pub fn unsubscribe(&self, user: UserId, category: MailCategory) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.unsubscribe).expect("HMAC takes keys of any length");
        // The first part has one length.
        mac.update(user.as_bytes());
        mac.update(category.as_str().as_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        *tag.first_chunk().expect("16 bytes fit into 32")
    }

    /// Returns the key by which cookies are encrypted and signed.
    pub fn cookie_key(&self) -> &cookie::Key {
        &self.0.cookie
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keys")
    }
}

/// Returns the SHA-256 of a random token, as it is kept: from it nobody finds the token.
pub fn hash_token(token: &[u8]) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

fn derive<const N: usize>(source: &Hkdf<Sha256>, purpose: &str) -> [u8; N] {
    let mut key = [0; N];
    source.expand(purpose.as_bytes(), &mut key).expect("HKDF-SHA256 gives up to 8160 bytes");
    key
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        domain::email::EmailAddress,
        domain::login::{LONG_CODE_LENGTH, SHORT_CODE_LENGTH},
        platform::random::Random,
    };

    const SECRET: &str = "correct horse battery staple, and more of it";

    fn email_key(address: &str) -> EmailKey {
        EmailAddress::parse(address).expect("an address").key().clone()
    }

    fn attempts() -> (LoginAttemptId, LoginAttemptId) {
        let random = Random::seeded(3);
        let now = DateTime::from_timestamp(1_000, 0).expect("in range");
        (random.id(now), random.id(now))
    }

    #[test]
    fn a_code_depends_on_everything_it_is_made_for() {
        let (attempt, other_attempt) = attempts();
        let (ann, bob) = (email_key("ann@example.com"), email_key("bob@example.com"));
        let keys = Keys::from_secret(SECRET);
        let code = keys.login_code(attempt, &ann, 1, true);
        assert!(code == Keys::from_secret(SECRET).login_code(attempt, &ann, 1, true));
        assert!(code != keys.login_code(other_attempt, &ann, 1, true));
        assert!(code != keys.login_code(attempt, &bob, 1, true));
        assert!(code != keys.login_code(attempt, &ann, 2, true));
        assert!(code != keys.login_code(attempt, &ann, 1, false));
        assert!(code != Keys::from_secret("another secret").login_code(attempt, &ann, 1, true));
    }

    #[test]
    fn codes_have_their_lengths() {
        let (attempt, _) = attempts();
        let (keys, ann) = (Keys::from_secret(SECRET), email_key("ann@example.com"));
        for send in 0..100 {
            assert_eq!(keys.login_code(attempt, &ann, send, false).as_str().len(), SHORT_CODE_LENGTH);
            assert_eq!(keys.login_code(attempt, &ann, send, true).as_str().len(), LONG_CODE_LENGTH);
        }
    }

    #[test]
    fn keys_differ_by_purpose_and_show_nothing() {
        let keys = Keys::from_secret(SECRET);
        assert_ne!(keys.cookie_key().master()[..32], keys.0.login_code);
        assert_ne!(keys.cookie_key().master(), Keys::from_secret("another secret").cookie_key().master());
        assert_ne!(keys.0.event_stream, keys.0.login_code);
        assert_eq!(format!("{keys:?}"), "Keys");
    }

    #[test]
    fn the_proof_of_a_stream_is_good_for_one_member_and_one_window() {
        let random = Random::seeded(5);
        let now = DateTime::from_timestamp(1_000, 0).expect("in range");
        let (ann, bob): (UserId, UserId) = (random.id(now), random.id(now));
        let keys = Keys::from_secret(SECRET);
        assert_eq!(keys.event_stream(ann, 7), Keys::from_secret(SECRET).event_stream(ann, 7));
        assert_ne!(keys.event_stream(ann, 7), keys.event_stream(bob, 7));
        assert_ne!(keys.event_stream(ann, 7), keys.event_stream(ann, 8));
        assert_ne!(keys.event_stream(ann, 7), Keys::from_secret("another secret").event_stream(ann, 7));
    }

    #[test]
    fn what_is_kept_of_an_address_depends_on_its_key_and_on_the_secret() {
        let keys = Keys::from_secret(SECRET);
        let ann = keys.address_hash(&email_key("ann@example.com"));
        assert_eq!(ann, keys.address_hash(&email_key(" ANN@Example.com")));
        assert_ne!(ann, keys.address_hash(&email_key("bob@example.com")));
        assert_ne!(ann, Keys::from_secret("another secret").address_hash(&email_key("ann@example.com")));
    }

    #[test]
    fn the_proof_of_an_invitation_is_good_for_that_one() {
        let random = Random::seeded(5);
        let now = DateTime::from_timestamp(1_000, 0).expect("in range");
        let (first, second): (InvitationId, InvitationId) = (random.id(now), random.id(now));
        let keys = Keys::from_secret(SECRET);
        assert_eq!(keys.invitation(first), Keys::from_secret(SECRET).invitation(first));
        assert_ne!(keys.invitation(first), keys.invitation(second));
        assert_ne!(keys.invitation(first), Keys::from_secret("another secret").invitation(first));
    }

    #[test]
    fn a_secret_opens_for_its_endpoint_and_under_the_same_key_only() {
        let random = Random::seeded(6);
        let now = DateTime::from_timestamp(1_000, 0).expect("in range");
        let (ours, other): (WebhookEndpointId, WebhookEndpointId) = (random.id(now), random.id(now));
        let keys = Keys::from_secret(SECRET);
        let secret = WebhookSecret::new("whsec_c2VjcmV0".to_owned());
        let sealed = keys.seal(ours, &secret);
        assert!(!sealed.contains("c2VjcmV0"));
        assert_eq!(Keys::from_secret(SECRET).open(ours, &sealed), Some(secret));
        assert_eq!(keys.open(other, &sealed), None);
        assert_eq!(Keys::from_secret("another secret").open(ours, &sealed), None);
        assert_eq!(keys.open(ours, &sealed[1..]), None);
        assert_eq!(keys.open(ours, ""), None);
    }

    #[test]
    fn the_address_of_a_chat_opens_under_the_same_key_only() {
        let keys = Keys::from_secret(SECRET);
        let address = "https://hooks.example.com/services/T0/B0/x?y=%20&z";
        let sealed = keys.seal_address(address);
        assert!(!sealed.contains("hooks"));
        assert_eq!(keys.open_address(&sealed).as_deref(), Some(address));
        assert_eq!(Keys::from_secret("another secret").open_address(&sealed), None);
        assert_eq!(keys.open_address(""), None);
    }

    #[test]
    fn the_proof_to_unsubscribe_is_good_for_one_member_and_one_kind_of_letters() {
        let random = Random::seeded(5);
        let now = DateTime::from_timestamp(1_000, 0).expect("in range");
        let (ann, bob): (UserId, UserId) = (random.id(now), random.id(now));
        let keys = Keys::from_secret(SECRET);
        let access = MailCategory::Access;
        assert_eq!(keys.unsubscribe(ann, access), Keys::from_secret(SECRET).unsubscribe(ann, access));
        assert_ne!(keys.unsubscribe(ann, access), keys.unsubscribe(bob, access));
        assert_ne!(keys.unsubscribe(ann, access), keys.unsubscribe(ann, MailCategory::Bonus));
        assert_ne!(keys.unsubscribe(ann, access), Keys::from_secret("another secret").unsubscribe(ann, access));
    }

    #[test]
    fn tokens_are_hashed_by_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash_token(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hash_token(b"abc").len(), 32);
    }
}
