//! A program to test: a real router on a fresh database, with a clock that the test turns and
//! chance that repeats.

mod browser;
mod client;
mod database;
mod description;
mod place;
mod provider;
mod receiver;

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use chrono::{DateTime, Utc};
use vouchsafe::{
    config::Config,
    domain::{
        email::EmailAddress,
        user::{Role, User},
    },
    jobs::Runner,
    platform::{clock::Clock, env::Env, keys::Keys, random::Random, server},
    services::{letters, members},
    store::{Db, mails::PreviewMail},
};

pub use browser::{Browser, Page};
pub use client::{Answer, Client};
pub use database::{Backend, TestDb};
pub use place::Place;
pub(crate) use place::on_both_places;
pub use provider::{STRIPE_SECRET, StripeCustomer, event};
pub use receiver::{Received, Receiver};

/// Writes a test for each database: `on_both! { async fn a_sentence(app: TestApp) { … } }`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$meta])*
        async fn $name($app: $crate::harness::TestApp) $body

        mod $name {
            #[tokio::test]
            async fn sqlite() {
                if let Some(app) = $crate::harness::TestApp::new($crate::harness::Backend::Sqlite).await {
                    super::$name(app).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(app) = $crate::harness::TestApp::new($crate::harness::Backend::Postgres).await {
                    super::$name(app).await;
                }
            }
        }
    )+};
}
pub(crate) use on_both;

/// Writes a test for each database, of functions that take which and start their own program:
/// `on_each! { a_sentence another_one }`.
macro_rules! on_each {
    ($($name:ident)+) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                super::$name(crate::harness::Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(crate::harness::Backend::Postgres).await;
            }
        }
    )+};
}
pub(crate) use on_each;

/// When every test begins: a Saturday, 21 November 2026, 10:00 UTC.
pub fn beginning() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

/// The operator's token in tests.
pub const ADMIN_TOKEN: &str = "an-admin-token-for-tests";

/// A program under test. Its database is gone when it is dropped.
pub struct TestApp {
    pub env: Env,
    pub router: Router,
    pub runner: Runner,
    /// How many others there are.
    nodes: AtomicU64,
    _db: TestDb,
}

impl TestApp {
    /// Starts a program on a fresh, migrated database; nothing if there is no such server here.
    pub async fn new(backend: Backend) -> Option<Self> {
        Self::with(backend, &[]).await
    }

    /// Starts one with variables of the environment.
    pub async fn with(backend: Backend, variables: &[(&str, &str)]) -> Option<Self> {
        let db = TestDb::migrated(backend).await?;
        let usual = [
            ("VOUCHSAFE_ADMIN_TOKEN", ADMIN_TOKEN),
            ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", concat!("whsec_stripe_for_tests", ", whsec_before")),
            ("VOUCHSAFE_PADDLE_WEBHOOK_SECRET", provider::PADDLE_SECRET),
            ("VOUCHSAFE_POLAR_WEBHOOK_SECRET", provider::POLAR_SECRET),
        ];
        let variables = usual.iter().chain(variables);
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::load(Some(std::path::Path::new("/dev/null")), variables).unwrap();
        let env = Env::new(
            db.db.clone(),
            Clock::manual(beginning()),
            Random::seeded(7),
            Keys::from_secret("the secret of tests, which nobody else has"),
            config,
        );
        let router = server::router(env.clone()).unwrap();
        let runner = Runner::new(env.clone()).unwrap();
        Some(Self { env, router, runner, nodes: AtomicU64::new(0), _db: db })
    }

    /// Returns which database it is on.
    pub fn backend(&self) -> Backend {
        match self.env.db {
            Db::Sqlite { .. } => Backend::Sqlite,
            Db::Postgres(_) => Backend::Postgres,
        }
    }

    /// Runs SQL, as no part of the program would.
    pub async fn execute(&self, sql: &str) -> u64 {
        let mut tx = self.env.db.begin().await.unwrap();
        let touched = crate::contract::execute(&mut tx.conn(), sql).await.unwrap();
        tx.commit().await.unwrap();
        touched
    }

    /// Starts another node on the same database, with the same clock. Chance brings it something else than any
    /// other, or two would make the same ids.
    pub fn another_node(&self) -> Env {
        let Env { db, clock, keys, config, .. } = self.env.clone();
        let random = Random::seeded(8 + self.nodes.fetch_add(1, Ordering::Relaxed));
        Env::new(db, clock, random, keys, (*config).clone())
    }

    /// Opens a browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// Does all jobs and returns the preview mailbox, the newest first.
    pub async fn mailbox(&self) -> Vec<PreviewMail> {
        self.runner.run_until_idle().await.unwrap();
        letters::previews(&self.env).await.unwrap()
    }

    /// Does all jobs and returns the code that was last mailed to an address.
    pub async fn code_for(&self, email: &str) -> String {
        let mails = self.mailbox().await;
        let code = |subject: &str| {
            let mut words = subject.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned);
            words.find(|word| {
                word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit())
                    || word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            })
        };
        // A letter of another kind may have come in the same instant.
        let mut theirs = mails.iter().filter(|mail| mail.to == email);
        let found = theirs.find_map(|mail| code(&mail.subject));
        found.unwrap_or_else(|| panic!("no mail with a code to {email}"))
    }

    /// Signs an address in, in a new browser.
    pub async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        self.sign_in(&mut browser, email, "").await;
        browser
    }

    /// Signs an address in, from a link with `?ref=` unless `referral` is empty.
    pub async fn sign_in(&self, browser: &mut Browser, email: &str, referral: &str) {
        // Mails of one instant have no order.
        self.env.clock.advance(chrono::TimeDelta::seconds(1));
        let asked = browser.post("/login", &[("email", email), ("ref", referral)]).await;
        assert_eq!(asked.location(), "/verify", "{}", asked.body);
        let code = self.code_for(email).await;
        let entered = browser.post("/verify", &[("code", &code)]).await;
        assert_eq!(entered.status, 303, "{}", entered.body);
    }

    /// Returns the member with an address.
    pub async fn member(&self, email: &str) -> User {
        members::with_email(&self.env, EmailAddress::parse(email).unwrap().key()).await.unwrap()
    }

    /// Signs an address in as an admin.
    pub async fn signed_in_admin(&self, email: &str) -> Browser {
        self.signed_in(email).await;
        members::set_role(&self.env, self.member(email).await.id, Role::Admin, "operator").await.unwrap();
        // The allowance of codes for one address is small; a day later it is fresh.
        self.env.clock.advance(chrono::TimeDelta::days(1));
        self.signed_in(email).await
    }
}
