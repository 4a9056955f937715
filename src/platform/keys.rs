//! What is signed and how, all from one secret.

use std::{fmt, sync::Arc};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::domain::{
    email::EmailKey,
    ids::{InvitationId, LoginAttemptId, UserId},
    login::LoginCode,
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
    cookie: cookie::Key,
}

impl Keys {
    /// Derives the keys from the secret, which must be hard to guess.
    pub fn from_secret(secret: &str) -> Self {
        let source = Hkdf::<Sha256>::new(None, secret.as_bytes());
        let cookie: [u8; 64] = derive(&source, "vouchsafe/1/cookie");
        Self(Arc::new(Derived {
            login_code: derive(&source, "vouchsafe/1/login-code"),
            event_stream: derive(&source, "vouchsafe/1/event-stream"),
            address_hash: derive(&source, "vouchsafe/1/address-hash"),
            invitation: derive(&source, "vouchsafe/1/invitation"),
            cookie: cookie::Key::from(&cookie),
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
    fn tokens_are_hashed_by_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash_token(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hash_token(b"abc").len(), 32);
    }
}
