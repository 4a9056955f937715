//! One real object of each kind that an address can name: so that a page answers for what is there, and what it
//! answers is no matter of an object that is missing.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::{
    domain::{email::EmailAddress, ids::CreditEntryId, lang::Lang, notification::Occurrence, user::User},
    services::{
        invitations::{self, Inviter, NewInvitation},
        letters, notifications, payments, portfolios, referrals, sessions,
    },
};

use crate::{
    contract::texts,
    harness::{StripeCustomer, TestApp},
};

/// What stands for a blank, as `{id}` in a route or `<grant>` in a field.
pub type Blanks = Vec<(&'static str, String)>;

/// An id that nothing has.
pub const NOBODY: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
/// An endpoint that refuses at once. Nothing but tests may call it, see `TestApp::reaching_inside`.
pub const DEAF: &str = "http://127.0.0.1:9/hooks";

/// Fills blanks.
pub fn fill(text: &str, blanks: &Blanks) -> String {
    blanks.iter().fold(text.to_owned(), |text, (blank, value)| text.replace(blank, value))
}

/// Fills the blanks of a route with what is always there and, for the rest, with what nobody has.
pub fn filled_with_nothing(route: &str) -> String {
    fill(&fill(route, &always()), &nothing())
}

fn always() -> Blanks {
    [
        ("{provider}", "stripe"),
        ("{hash}", "0000"),
        ("{name}", "count_days"),
        ("{feature}", "photos"),
        ("{key}", "timezone"),
        ("{letter}", "welcome"),
        ("{lang}", "en"),
        ("{*path}", "x.js"),
    ]
    .map(|(blank, value)| (blank, value.to_owned()))
    .to_vec()
}

fn nothing() -> Blanks {
    [
        ("{id}", NOBODY),
        ("{delivery}", NOBODY),
        ("{number}", "10"),
        ("{code}", "NOBODY"),
        ("{token}", "of-nobody"),
        ("{month}", "2026-11.csv"),
    ]
    .map(|(blank, value)| (blank, value.to_owned()))
    .to_vec()
}

/// Makes objects, each under a name of its own.
pub struct Maker<'a> {
    app: &'a TestApp,
    /// Whose things are made that belong to somebody, by address.
    whose: &'static str,
    made: AtomicU32,
}

impl<'a> Maker<'a> {
    pub fn new(app: &'a TestApp, whose: &'static str) -> Self {
        Self { app, whose, made: AtomicU32::new(0) }
    }

    /// Returns a number that it has not returned before.
    pub fn number(&self) -> String {
        self.made.fetch_add(1, Ordering::Relaxed).to_string()
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        self.app.operator().post(&format!("/api/v1/{path}"), body).await.ok()
    }

    async fn owner(&self) -> User {
        self.app.member(self.whose).await
    }

    /// Makes what a route names, of a page or of the API, and returns what stands for its blanks, and for those of
    /// the fields that are sent there.
    pub async fn blanks(&self, route: &str) -> Blanks {
        let mut blanks = self.about(route).await;
        blanks.extend(always());
        blanks.extend(nothing());
        blanks
    }

    async fn about(&self, route: &str) -> Blanks {
        let page = route
            .replace("/api/v1/", "/admin/")
            .replace("bonus-rules", "bonus")
            .replace("webhook-endpoints", "webhooks");
        let parts: Vec<&str> = page.split('/').skip(1).collect();
        match *parts {
            ["admin", "users", "{id}", ..] | ["admin", "coupons", "{code}", "redeem"] => self.member(&page).await,
            ["admin", "payments", "{id}", ..] => self.payment_event().await,
            ["admin", "invitations", "{id}", ..] | ["invitation", "{token}"] => self.invitation(&page).await,
            ["settings", "invitations", "resend" | "revoke"] => self.own_invitation(&page).await,
            ["admin", "referrals", "{id}", ..] => self.referral().await,
            ["admin", "coupons", "batches", "{id}", ..] => self.batch().await,
            ["admin", "coupons", "{code}", ..] => self.coupon("{code}").await,
            ["redeem"] => self.coupon("<coupon>").await,
            ["redeem", ..] => self.coupon("{code}").await,
            ["admin", "coupons"] => self.partner("<partner>").await,
            ["admin", "partners", "{id}", ..] => self.partner("{id}").await,
            ["partner", "{token}", ..] => self.partner_link().await,
            ["admin", "bonus"] => self.without_rules().await,
            ["admin", "bonus", "{id}", ..] => self.rule().await,
            ["admin", "notifications", "{id}", ..] => self.notification().await,
            ["admin", "webhooks", "{id}", ..] => self.endpoint(&page).await,
            ["admin", "features", "{id}"] => vec![("{id}", "photos".to_owned())],
            ["admin", "tiers", "{id}"] => vec![("{id}", "free".to_owned())],
            ["admin", "keys", "{id}", ..] => self.key().await,
            ["admin", "mails", "{id}", ..] | ["dev", "mailbox", "{id}"] => self.mail(&page).await,
            ["admin", "mails", "templates", ..] => self.template().await,
            ["admin", "jobs", "dead", "{id}", ..] => vec![("{id}", self.app.dead_job().await)],
            ["unsubscribe", "{token}"] => self.unsubscribe().await,
            ["portfolio", "versions", "{number}"] => self.portfolio().await,
            ["ofrep", ..] => vec![("{key}", "photos".to_owned())],
            _ => Vec::new(),
        }
    }

    /// Adds a member with an address, and returns id and address.
    async fn somebody(&self) -> (String, String) {
        let number = self.number();
        let email = format!("bob-{number}@example.com");
        let made = self.make("users", json!({ "external_id": format!("bob-{number}"), "email": email })).await;
        (text(&made["id"]), email)
    }

    async fn member(&self, page: &str) -> Blanks {
        let (id, email) = self.somebody().await;
        let app = self.app;
        let mut blanks = vec![("{id}", id.clone()), ("<member>", email.clone())];
        if page.ends_with("/grants/revoke") {
            let grant = self.make(&format!("users/{id}/grants"), json!({ "tier": "premium", "days": 2 })).await;
            blanks.push(("<grant>", text(&grant["id"])));
        }
        if page.ends_with("/sessions/revoke") {
            app.signed_in(&email).await;
            let theirs = sessions::list(&app.env, &app.member(&email).await).await.unwrap();
            blanks.push(("<session>", theirs[0].id.to_string()));
        }
        if page.ends_with("/restrictions/{feature}") || page.ends_with("/unrestrict") {
            let limit = json!({ "limit": 1, "reason": "a test" });
            app.operator().put(&format!("/api/v1/users/{id}/restrictions/photos"), limit).await.ok();
        }
        if page.ends_with("/credit") || page.ends_with("/grants") {
            blanks.push(("<key>", app.env.random.id::<CreditEntryId>(app.env.clock.now()).to_string()));
        }
        if page.ends_with("/redeem") {
            blanks.extend(self.coupon("{code}").await);
        }
        blanks
    }

    async fn payment_event(&self) -> Blanks {
        let (id, _) = self.somebody().await;
        let now = self.app.env.clock.now();
        let number = self.number().parse().unwrap();
        let customer = StripeCustomer::new(id.parse().unwrap(), number, now);
        self.app.stripe(&customer.subscription("created", "active", now)).await;
        let events = payments::events(&self.app.env, None, None, 1).await.unwrap();
        vec![("{id}", events[0].id.to_string())]
    }

    async fn invitation(&self, page: &str) -> Blanks {
        let email = format!("guest-{}@example.com", self.number());
        let made = self.make("invitations", json!({ "email": email })).await;
        let mut blanks = vec![("{id}", text(&made["id"]))];
        if page.contains("{token}") {
            blanks.push(("{token}", self.in_mail_to(&email, "/invitation/").await));
        }
        self.until_it_may_go_out_again(page);
        blanks
    }

    async fn own_invitation(&self, page: &str) -> Blanks {
        let email = EmailAddress::parse(&format!("guest-{}@example.com", self.number())).unwrap();
        let new = NewInvitation { email: &email, gift: None, note: "", lang: Lang::En };
        let made = invitations::invite(&self.app.env, Inviter::Member(&self.owner().await), &new).await.unwrap();
        self.until_it_may_go_out_again(page);
        vec![("<invitation>", made.id.to_string())]
    }

    fn until_it_may_go_out_again(&self, page: &str) {
        if page.ends_with("/resend") {
            self.app.env.clock.advance(TimeDelta::minutes(11));
        }
    }

    /// A referral whose reward waits for an admin.
    async fn referral(&self) -> Blanks {
        let (referrer, friend) =
            (format!("anna-{}@example.com", self.number()), format!("fay-{}@example.com", self.number()));
        // The page draws the code.
        self.app.signed_in(&referrer).await.get("/settings").await;
        let code = self.app.member(&referrer).await.referral_code.unwrap();
        self.app.sign_in(&mut self.app.browser(), &friend, code.as_str()).await;
        let id = referrals::list(&self.app.env, None, None, 1).await.unwrap()[0].referral.id;
        let held = "UPDATE referrals SET converted_at = created_at, reward_days = 5 WHERE converted_at IS NULL";
        assert_eq!(self.app.execute(held).await, 1);
        vec![("{id}", id.to_string())]
    }

    async fn coupon(&self, blank: &'static str) -> Blanks {
        let code = format!("SUMMER{}", self.number());
        self.make("coupons", json!({ "code": code, "type": "period", "tier": "premium", "duration_days": 2 })).await;
        vec![(blank, code)]
    }

    async fn batch(&self) -> Blanks {
        let asked = json!({ "type": "single_use", "tier": "premium", "duration_days": 2, "count": 3 });
        vec![("{id}", text(&self.make("coupons", asked).await["items"][0]["batch"]))]
    }

    async fn partner(&self, blank: &'static str) -> Blanks {
        let made = self.make("partners", json!({ "name": format!("Studio {}", self.number()) })).await;
        vec![(blank, text(&made["id"]))]
    }

    async fn partner_link(&self) -> Blanks {
        let id = self.partner("{id}").await.remove(0).1;
        let link = text(&self.make(&format!("partners/{id}/link"), json!({})).await["url"]);
        vec![("{token}", link.rsplit('/').next().unwrap().to_owned())]
    }

    /// There may be so many rules, and forms that are taken make some.
    async fn without_rules(&self) -> Blanks {
        self.app.execute("UPDATE bonus_rules SET archived_at = created_at WHERE archived_at IS NULL").await;
        Vec::new()
    }

    /// A rule that rewards nobody.
    async fn rule(&self) -> Blanks {
        self.without_rules().await;
        let rule = json!({ "name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 100, "badge": "S" });
        vec![("{id}", text(&self.make("bonus-rules", rule).await["id"]))]
    }

    async fn notification(&self) -> Blanks {
        let env = &self.app.env;
        // Somebody may have chosen that nothing is told.
        self.app.execute("DELETE FROM notification_ways").await;
        let mut tx = env.db.begin().await.unwrap();
        let occurrence = Occurrence::CouponUsedUp { code: format!("WINTER{}", self.number()), redemptions: 3 };
        notifications::raise(env, &mut tx.conn(), occurrence).await.unwrap();
        tx.commit().await.unwrap();
        let newest = self.app.operator().get("/api/v1/notifications?limit=1").await.ok();
        vec![("{id}", text(&newest["items"][0]["id"]))]
    }

    /// An endpoint that hears of nothing by itself, with a delivery that was given up.
    async fn endpoint(&self, page: &str) -> Blanks {
        self.app.execute("DELETE FROM webhook_endpoints").await;
        let url = if self.app.env.config.webhooks.allow_private { DEAF } else { "https://example.com/hooks" };
        let endpoint = self.make("webhook-endpoints", json!({ "url": url, "events": ["usage.limit_reached"] })).await;
        let mut blanks = vec![("{id}", text(&endpoint["id"]))];
        if page.contains("{delivery}") {
            let delivery = self.make(&format!("webhook-endpoints/{}/test", blanks[0].1), json!({})).await;
            blanks.push(("{delivery}", text(&delivery["id"])));
        }
        blanks
    }

    async fn key(&self) -> Blanks {
        let made = self.make("keys", json!({ "name": format!("App {}", self.number()), "scopes": ["check"] })).await;
        vec![("{id}", text(&made["id"]))]
    }

    /// A mail that was sent; for the button that sends it again, one that was given up.
    async fn mail(&self, page: &str) -> Blanks {
        let (id, email) = self.somebody().await;
        self.app.mailbox().await;
        self.make(&format!("users/{id}/grants"), json!({ "tier": "premium", "days": 2 })).await;
        if page.ends_with("/resend") {
            let given_up = "UPDATE jobs SET dead_at = run_at, attempts = 25 WHERE finished_at IS NULL AND dead_at IS NULL AND kind = 'send_mail'";
            assert_eq!(self.app.execute(given_up).await, 1);
        }
        self.app.mailbox().await;
        let found = self.app.operator().get(&format!("/api/v1/mails?recipient={email}")).await.ok();
        vec![("{id}", text(&found["items"][0]["id"]))]
    }

    async fn template(&self) -> Blanks {
        let template = self.app.operator().get("/api/v1/mail-templates/welcome/en").await.ok();
        vec![("<version>", template["version"].to_string())]
    }

    async fn unsubscribe(&self) -> Blanks {
        let (id, email) = self.somebody().await;
        self.make(&format!("users/{id}/grants"), json!({ "tier": "premium", "days": 2 })).await;
        vec![("{token}", self.in_mail_to(&email, "/unsubscribe/").await)]
    }

    /// A version of the owner's portfolio that nobody else has reached.
    async fn portfolio(&self) -> Blanks {
        let mut browser = self.app.signed_in(self.whose).await;
        for number in ["1", "2", "3"] {
            let base = portfolios::version(&self.app.env, self.owner().await.id).await.unwrap().to_string();
            let saved = browser.post("/portfolio", &[("base", &base), ("symbol", "SAP"), ("quantity", number)]).await;
            assert_eq!(saved.location(), "/portfolio?said=saved", "{}", saved.body);
        }
        vec![("{number}", "3".to_owned())]
    }

    /// What follows a path in the newest mail to an address.
    async fn in_mail_to(&self, email: &str, path: &str) -> String {
        self.app.mailbox().await;
        let mails = letters::previews(&self.app.env).await.unwrap();
        let mail = mails.iter().find(|mail| mail.to == email && mail.text.contains(path)).unwrap();
        mail.text.split(path).nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Everything that a form or a call can make or change, and the log of what was done.
const WRITTEN: [&str; 22] = [
    "users",
    "sessions",
    "coupons",
    "coupon_batches",
    "coupon_redemptions",
    "access_grants",
    "credit_entries",
    "user_feature_restrictions",
    "partners",
    "bonus_rules",
    "bonus_awards",
    "webhook_endpoints",
    "webhook_deliveries",
    "invitations",
    "mails",
    "mail_preferences",
    "mail_templates",
    "notification_ways",
    "notification_chats",
    "api_keys",
    "user_activity_log",
    "jobs",
];

/// Counts what is written, table by table: whatever is done leaves a line in the log at least.
pub async fn written(app: &TestApp) -> String {
    let counts = WRITTEN.map(|table| format!("'{table} ' || CAST((SELECT COUNT(*) FROM {table}) AS TEXT)"));
    let mut reader = app.env.db.reader().await.unwrap();
    texts(&mut reader.conn(), &format!("SELECT {}", counts.join(" || ', ' || "))).await.remove(0)
}
