//! What an admin sees of invitations, and what they decide about held rewards.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::services::{catalogue, referrals, referrals::Verdict};

use crate::harness::{StripeCustomer, TestApp, on_both};

/// Has Ann invite friends, all with browsers of one kind, who come on different days.
async fn invited(app: &TestApp, friends: &[&str]) {
    let mut referrer = app.browser().with_header("user-agent", "Firefox");
    app.sign_in(&mut referrer, "ann@example.com", "").await;
    let settings = referrer.get("/settings").await;
    let code = settings.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
    for friend in friends {
        app.env.clock.advance(TimeDelta::days(2));
        app.sign_in(&mut app.browser().with_header("user-agent", "Firefox"), friend, &code).await;
    }
}

/// Has a friend pay for the first time.
async fn pays(app: &TestApp, friend: &str, number: usize) {
    let now = app.env.clock.now();
    let customer = StripeCustomer::new(app.member(friend).await.id, number, now);
    app.stripe(&customer.subscription("created", "active", now)).await;
    app.stripe(&customer.invoice(1, 900, now)).await;
}

async fn set(app: &TestApp, key: &str, value: &str) {
    catalogue::set_setting(&app.env, "operator", key, value).await.unwrap();
}

async fn credit_of(app: &TestApp, email: &str) -> Option<DateTime<Utc>> {
    app.member(email).await.credit_until
}

on_both! {
    async fn held_rewards_are_released_or_rejected(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_days", "30").await;
        invited(&app, &["bob@example.com", "cid@example.com", "dan@example.com"]).await;
        pays(&app, "bob@example.com", 1).await;
        pays(&app, "cid@example.com", 2).await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let pending = admin.get("/admin/referrals?state=pending").await;
        assert_eq!(pending.texts("tbody tr").len(), 1);
        assert_eq!(pending.texts("tbody tr a"), ["dan@example.com", "ann@example.com"]);
        let held = admin.get("/admin/referrals?state=held").await;
        assert_eq!(held.texts("tbody tr").len(), 2);
        let row = held.text("tbody tr");
        for said in ["cid@example.com", "45 days each", "Invoice Stripe in_cus_2_1", "Held", "until 27 December 2026", "Release", "Reject"] {
            assert!(row.contains(said), "{said}: {row}");
        }
        assert_eq!(credit_of(&app, "ann@example.com").await, None);

        let released = admin.submit(&held, "tbody tr:last-child form[action$='/release']", &[]).await;
        let list = admin.get(released.location()).await;
        assert_eq!(list.text("[role=status]"), "The reward is released.");
        let until = app.env.clock.now() + TimeDelta::days(45);
        assert_eq!(credit_of(&app, "bob@example.com").await, Some(until));
        assert_eq!(credit_of(&app, "ann@example.com").await, Some(until));

        let rejected = admin.submit(&list, "tbody form[action$='/reject']", &[]).await;
        let list = admin.get(rejected.location()).await;
        assert_eq!(list.text("[role=status]"), "The reward is rejected.");
        assert_eq!(credit_of(&app, "cid@example.com").await, None);
        assert_eq!(list.text(".empty b"), "There are no such referrals.");
        let all = admin.get("/admin/referrals").await;
        let states = all.texts("tbody td .badge");
        assert_eq!(states, ["Not paid yet", "Rejected", "Rewarded"]);
    }

    async fn one_who_cannot_be_read_keeps_nobody_else_from_a_reward(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_days", "30").await;
        invited(&app, &["bob@example.com", "cid@example.com"]).await;
        pays(&app, "bob@example.com", 1).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        pays(&app, "cid@example.com", 2).await;
        app.env.clock.advance(TimeDelta::days(30));
        app.execute("UPDATE users SET lang = 'xx' WHERE email = 'bob@example.com'").await;
        assert!(referrals::give_due(&app.env).await.is_err(), "it is told");
        assert!(credit_of(&app, "cid@example.com").await.is_some());
        app.execute("UPDATE users SET lang = 'en'").await;
        assert_eq!(referrals::give_due(&app.env).await.unwrap(), 1);
        assert!(credit_of(&app, "bob@example.com").await.is_some());
    }

    async fn whoever_comes_second_is_told_so(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_days", "30").await;
        invited(&app, &["bob@example.com"]).await;
        pays(&app, "bob@example.com", 1).await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let held = admin.get("/admin/referrals?state=held").await;
        let id = referrals::list(&app.env, None, None, 1).await.unwrap()[0].referral.id;
        referrals::decide(&app.env, id, Verdict::Reject, "operator").await.unwrap();
        let late = admin.submit(&held, "tbody form[action$='/release']", &[]).await;
        assert_eq!(late.status, 409);
        assert_eq!(late.text("[role=alert]"), "Somebody else was quicker, or it is not held any more. It stands so: Rejected.");
        assert_eq!(credit_of(&app, "bob@example.com").await, None);
        let nothing = admin.post("/admin/referrals/0192f0c1-2345-7abc-8def-0123456789ab/reject", &[]).await;
        assert_eq!((nothing.status.as_u16(), nothing.text("[role=alert]").as_str()), (404, "There is no such referral."));
    }

    async fn what_looks_odd_is_said_in_words(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_flagged", "true").await;
        invited(&app, &["ann+2@example.com", "bob@example.com"]).await;
        pays(&app, "ann+2@example.com", 1).await;
        pays(&app, "bob@example.com", 2).await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let flagged = admin.get("/admin/referrals?state=flagged").await;
        assert_eq!(flagged.texts("tbody tr").len(), 1, "{}", flagged.body);
        let row = flagged.text("tbody tr");
        assert!(row.contains("both addresses are one mailbox") && row.contains("waits for you"), "{row}");
        assert_eq!(flagged.text("nav.tabs a[aria-current]"), "Flagged");
        admin.post("/language", &[("lang", "de"), ("back", "/")]).await;
        let german = admin.get("/admin/referrals?state=flagged").await;
        assert_eq!(german.text("h1"), "Empfehlungen");
        assert!(german.text("tbody tr").contains("beide Adressen sind ein Postfach"));
    }

    async fn an_admin_who_changes_something_of_both_makes_them_no_fraud(app: TestApp) {
        let app = app.with_prices().await;
        let mut ann = app.browser().with_header("user-agent", "Ann's");
        app.sign_in(&mut ann, "ann@example.com", "").await;
        let code = ann.get("/settings").await.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
        app.sign_in(&mut app.browser().with_header("user-agent", "Bob's"), "bob@example.com", &code).await;
        let mut admin = app.signed_in_admin("root@example.com").await.with_header("user-agent", "Root's");
        let key = "0192f0c1-2345-7abc-8def-0123456789a";
        for (at, email) in ["ann@example.com", "bob@example.com"].into_iter().enumerate() {
            let (page, key) = (format!("/admin/users/{}/credit", app.member(email).await.id), format!("{key}{at}"));
            let given = admin.post(&page, &[("days", "5"), ("note", "sorry"), ("key", &key)]).await;
            assert_eq!(given.status, 303, "{}", given.body);
        }
        pays(&app, "bob@example.com", 1).await;
        let flagged = admin.get("/admin/referrals?state=flagged").await;
        assert_eq!(flagged.texts("tbody tr"), [""; 0]);
        assert_eq!(admin.get("/admin/referrals?state=converted").await.texts("tbody tr").len(), 1);
    }
}
