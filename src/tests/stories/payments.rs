//! What providers tell, from their knock to what a member gets.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    domain::{
        ids::UserId,
        payment::Provider,
        referral::{Flag, ReferralState},
        user::User,
    },
    services::{
        access, catalogue, credits, entitlements, members,
        payments::{self, EventState},
        referrals::{self, Verdict},
        subscriptions,
    },
    store,
};

use crate::harness::{Browser, STRIPE_SECRET, StripeCustomer, TestApp, event, on_both};

const PRICE: i64 = 999;

/// A member who was invited by another, both past their trials, and the friend as a customer.
async fn invited(app: &TestApp) -> (User, User, StripeCustomer) {
    let mut referrer = app.signed_in("ann@example.com").await;
    let code = referral_code(&mut referrer).await;
    let mut friend = app.browser();
    app.sign_in(&mut friend, "bob@example.com", &code).await;
    app.env.clock.advance(TimeDelta::days(15));
    let (ann, bob) = (app.member("ann@example.com").await, app.member("bob@example.com").await);
    let customer = StripeCustomer::new(bob.id, 1, app.env.clock.now());
    (ann, bob, customer)
}

async fn referral_code(browser: &mut Browser) -> String {
    let settings = browser.get("/settings").await;
    settings.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned()
}

async fn credit_of(app: &TestApp, user: UserId) -> Option<DateTime<Utc>> {
    let mut reader = app.env.db.reader().await.unwrap();
    store::users::find(&mut reader.conn(), user).await.unwrap().unwrap().credit_until
}

async fn entries(app: &TestApp, user: UserId) -> Vec<(String, i64)> {
    let mut entries = credits::list(&app.env, user, None, 100).await.unwrap();
    entries.sort_by_key(|entry| (entry.created_at, entry.id));
    entries.into_iter().map(|entry| (entry.source, entry.days)).collect()
}

async fn tier_of(app: &TestApp, user: UserId) -> String {
    let known = entitlements::known(&app.env, user).await.unwrap().unwrap();
    let accesses = known.standing.accesses.clone();
    accesses.effective_at(app.env.clock.now()).tier.id.to_string()
}

async fn referral(app: &TestApp) -> (ReferralState, Vec<Flag>) {
    let found = referrals::list(&app.env, None, None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    (found[0].referral.state(), found[0].referral.flags.clone())
}

/// Deletes an account at once.
async fn leaves(app: &TestApp, user: UserId) {
    let deleted = app.operator().delete(&format!("/api/v1/users/{user}?grace_days=0")).await.ok();
    assert_eq!(deleted["state"], "deleted");
}

async fn set(app: &TestApp, key: &str, value: &str) {
    catalogue::set_setting(&app.env, "operator", key, value).await.unwrap();
}

/// Returns the events in a state, as (type, error).
async fn events_in(app: &TestApp, state: EventState) -> Vec<(String, String)> {
    let found = payments::events(&app.env, Some(state), None, 100).await.unwrap();
    found.into_iter().map(|event| (event.event_type, event.error.unwrap_or_default())).collect()
}

on_both! {
    // Seed: "happy path", and "end-to-end webhook → credit landing".
    async fn a_friend_who_pays_rewards_both(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        assert_eq!((tier_of(&app, ann.id).await, tier_of(&app, bob.id).await), ("free".to_owned(), "free".to_owned()));

        app.stripe(&customer.subscription("created", "active", now)).await;
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        assert_eq!(referral(&app).await.0, ReferralState::Pending);
        app.stripe(&customer.invoice(1, PRICE, now)).await;

        assert_eq!(referral(&app).await, (ReferralState::Converted, vec![]));
        for user in [ann.id, bob.id] {
            assert_eq!(credit_of(&app, user).await, Some(now + TimeDelta::days(45)));
            assert_eq!(entries(&app, user).await, [("referral".to_owned(), 45)]);
        }
        assert_eq!(tier_of(&app, ann.id).await, "premium");
        let mut browser = app.signed_in("ann@example.com").await;
        let settings = browser.get("/settings").await;
        assert!(settings.body.contains("+45 days on your account"), "{}", settings.body);
        let status = members::status(&app.env, app.member("ann@example.com").await).await.unwrap();
        assert_eq!((status.referrals.pending, status.referrals.converted, status.referrals.active_credits), (0, 1, 1));
        let subjects: Vec<_> = app.mailbox().await.into_iter().map(|mail| (mail.to, mail.subject)).collect();
        assert!(subjects.iter().filter(|(_, subject)| subject.contains("45")).count() >= 2, "{subjects:?}");
    }

    // Seed: "idempotency — replayed webhooks are no-ops".
    async fn what_is_delivered_again_changes_nothing(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        let events = [customer.subscription("created", "active", now), customer.invoice(1, PRICE, now)];
        for round in 0..3 {
            for event in &events {
                app.stripe(event).await;
            }
            app.env.clock.advance(TimeDelta::hours(round));
        }
        app.mailbox().await;
        for user in [ann.id, bob.id] {
            assert_eq!(entries(&app, user).await, [("referral".to_owned(), 45)]);
        }
        assert_eq!(payments::events(&app.env, None, None, 100).await.unwrap().len(), 2);
    }

    // Seed: "no referral — no-op".
    async fn who_came_alone_gets_the_tier_and_no_credit(app: TestApp) {
        let app = app.with_prices().await;
        app.signed_in("bob@example.com").await;
        app.env.clock.advance(TimeDelta::days(15));
        let bob = app.member("bob@example.com").await;
        let now = app.env.clock.now();
        let customer = StripeCustomer::new(bob.id, 1, now);
        app.stripe(&customer.subscription("created", "active", now)).await;
        app.stripe(&customer.invoice(1, PRICE, now)).await;
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        assert_eq!(entries(&app, bob.id).await, []);
    }

    // Seed: "stacking — anchors at max(now, current credit)".
    async fn a_reward_comes_on_top_of_credit_that_runs(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        let grant = credits::Grant { days: 10, key: None, note: None, actor: "operator" };
        credits::grant(&app.env, ann.id, &grant).await.unwrap();
        app.stripe(&customer.invoice(1, PRICE, now)).await;
        assert_eq!(credit_of(&app, ann.id).await, Some(now + TimeDelta::days(55)));
        assert_eq!(credit_of(&app, bob.id).await, Some(now + TimeDelta::days(45)));
    }

    // Seed: "deleted-referrer survival".
    async fn a_deleted_referrer_does_not_cost_the_friend_the_reward(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        app.execute(&format!("DELETE FROM users WHERE email = '{}'", ann.email.unwrap())).await;
        app.stripe(&customer.invoice(1, PRICE, app.env.clock.now())).await;
        assert_eq!(entries(&app, bob.id).await, [("referral".to_owned(), 45)]);
        assert_eq!(referral(&app).await.0, ReferralState::Converted);
    }

    // Seed: "the renewal-event no-double-credit guarantee"; and those of the design.
    async fn nothing_that_is_paid_later_rewards_again(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let begin = app.env.clock.now();
        // A provider's trial begins with an invoice over nothing.
        app.stripe(&customer.subscription("created", "trialing", begin)).await;
        app.stripe(&customer.invoice(0, 0, begin)).await;
        assert_eq!(referral(&app).await.0, ReferralState::Pending);
        for month in 1..4usize {
            app.env.clock.advance(TimeDelta::days(30));
            app.stripe(&customer.invoice(month, PRICE, app.env.clock.now())).await;
        }
        // Cancelled and bought again.
        let ended = json!({ "ended_at": app.env.clock.now().timestamp() });
        app.stripe(&customer.subscription_with("deleted", "canceled", app.env.clock.now(), ended)).await;
        app.env.clock.advance(TimeDelta::days(100));
        let again = StripeCustomer { subscription: "sub_again".to_owned(), started_at: app.env.clock.now(), ..customer };
        app.stripe(&again.subscription("created", "active", app.env.clock.now())).await;
        app.stripe(&again.invoice(9, PRICE, app.env.clock.now())).await;
        // And at another provider.
        let order = polar_order("order_1", bob.id, PRICE, app.env.clock.now());
        let (status, text) = app.deliver(Provider::Polar, "msg_1", &order.to_string()).await;
        assert_eq!(status, 200, "{text}");
        assert_eq!(events_in(&app, EventState::Failed).await, []);
        assert_eq!(entries(&app, ann.id).await, [("referral".to_owned(), 45)]);
        let rewards = entries(&app, bob.id).await.into_iter().filter(|(source, _)| source == "referral").count();
        assert_eq!(rewards, 1);
    }

    async fn a_full_refund_takes_back_what_is_left_of_the_reward(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let paid_at = app.env.clock.now();
        // Twenty days are the admin's gift, and stay.
        app.stripe(&customer.invoice(1, PRICE, paid_at)).await;
        let grant = credits::Grant { days: 20, key: None, note: None, actor: "operator" };
        credits::grant(&app.env, ann.id, &grant).await.unwrap();
        app.stripe(&customer.payment(1, paid_at)).await;
        app.env.clock.advance(TimeDelta::days(10));
        let now = app.env.clock.now();
        app.stripe(&customer.refund(1, PRICE, PRICE - 1, now)).await;
        assert_eq!(referral(&app).await.0, ReferralState::Converted, "part of it is not all of it");
        app.env.clock.advance(TimeDelta::seconds(1));
        let now = app.env.clock.now();
        for _ in 0..2 {
            app.stripe(&customer.refund(1, PRICE, PRICE, now)).await;
        }
        assert_eq!(referral(&app).await.0, ReferralState::TakenBack);
        assert_eq!(credit_of(&app, bob.id).await, None);
        assert_eq!(credit_of(&app, ann.id).await, Some(now + TimeDelta::days(20)));
        assert_eq!(entries(&app, bob.id).await, [("referral".to_owned(), 45), ("referral_taken_back".to_owned(), -35)]);
        // Who pays again after that is not rewarded again.
        app.env.clock.advance(TimeDelta::days(1));
        app.stripe(&customer.invoice(2, PRICE, app.env.clock.now())).await;
        assert_eq!(referral(&app).await.0, ReferralState::TakenBack);
        assert_eq!(entries(&app, bob.id).await.len(), 2);
    }

    async fn a_friend_who_leaves_does_not_keep_the_reward_from_going_back(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let paid_at = app.env.clock.now();
        app.stripe(&customer.invoice(1, PRICE, paid_at)).await;
        app.stripe(&customer.payment(1, paid_at)).await;
        leaves(&app, bob.id).await;
        app.env.clock.advance(TimeDelta::days(10));
        let now = app.env.clock.now();
        for _ in 0..2 {
            app.stripe(&customer.refund(1, PRICE, PRICE, now)).await;
        }
        assert_eq!(referral(&app).await.0, ReferralState::TakenBack);
        assert_eq!(credit_of(&app, ann.id).await, None);
        assert_eq!(entries(&app, ann.id).await, [("referral".to_owned(), 45), ("referral_taken_back".to_owned(), -35)]);
    }

    async fn a_friend_who_leaves_does_not_cost_the_referrer_a_reward_that_is_held(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_days", "7").await;
        let (ann, bob, customer) = invited(&app).await;
        app.stripe(&customer.invoice(1, PRICE, app.env.clock.now())).await;
        leaves(&app, bob.id).await;
        assert_eq!(referral(&app).await.0, ReferralState::Held);
        app.env.clock.advance(TimeDelta::days(7));
        for _ in 0..2 {
            app.runner.do_what_is_due().await.unwrap();
        }
        assert_eq!(referral(&app).await.0, ReferralState::Converted);
        assert_eq!(entries(&app, ann.id).await, [("referral".to_owned(), 45)]);
    }

    async fn an_admin_releases_what_is_held_of_a_friend_who_has_left(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_days", "7").await;
        let (ann, bob, customer) = invited(&app).await;
        app.stripe(&customer.invoice(1, PRICE, app.env.clock.now())).await;
        leaves(&app, bob.id).await;
        let id = referrals::list(&app.env, None, None, 1).await.unwrap()[0].referral.id;
        let released = referrals::decide(&app.env, id, Verdict::Release, "root@example.com").await.unwrap();
        assert_eq!(released.state(), ReferralState::Converted);
        assert_eq!(entries(&app, ann.id).await, [("referral".to_owned(), 45)]);
    }

    async fn a_refund_that_comes_late_takes_nothing(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, _, customer) = invited(&app).await;
        let paid_at = app.env.clock.now();
        app.stripe(&customer.invoice(1, PRICE, paid_at)).await;
        app.stripe(&customer.payment(1, paid_at)).await;
        app.env.clock.advance(TimeDelta::days(31));
        app.stripe(&customer.refund(1, PRICE, PRICE, app.env.clock.now())).await;
        assert_eq!(referral(&app).await.0, ReferralState::Converted);
        assert_eq!(entries(&app, ann.id).await, [("referral".to_owned(), 45)]);
    }

    async fn a_lost_dispute_takes_back_and_one_that_is_won_does_not(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, _, customer) = invited(&app).await;
        let now = app.env.clock.now();
        app.stripe(&customer.invoice(1, PRICE, now)).await;
        app.stripe(&customer.payment(1, now)).await;
        app.stripe(&customer.dispute(1, PRICE, "created", "needs_response", now)).await;
        assert_eq!(referral(&app).await.0, ReferralState::Converted);
        app.env.clock.advance(TimeDelta::days(5));
        app.stripe(&customer.dispute(1, PRICE, "closed", "lost", app.env.clock.now())).await;
        assert_eq!(referral(&app).await.0, ReferralState::TakenBack);
        assert_eq!(credit_of(&app, ann.id).await, None);
        // The bank thinks again.
        app.env.clock.advance(TimeDelta::days(5));
        app.stripe(&customer.dispute(1, PRICE, "funds_reinstated", "won", app.env.clock.now())).await;
        assert_eq!(referral(&app).await.0, ReferralState::Converted);
        assert_eq!(credit_of(&app, ann.id).await, Some(app.env.clock.now() + TimeDelta::days(40)));
        let sources: Vec<_> = entries(&app, ann.id).await.into_iter().map(|(source, _)| source).collect();
        assert_eq!(sources, ["referral", "referral_taken_back", "referral_given_back"]);
    }

    async fn a_refund_that_comes_before_what_it_refunds_waits_for_it(app: TestApp) {
        let app = app.with_prices().await;
        let (ann, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        app.stripe(&customer.refund(1, PRICE, PRICE, now)).await;
        let failed = events_in(&app, EventState::Failed).await;
        assert_eq!(failed.len(), 1);
        assert!(failed[0].1.contains("payment:pi_cus_1_1"), "{failed:?}");
        app.stripe(&customer.payment(1, now)).await;
        app.mailbox().await;
        app.stripe(&customer.invoice(1, PRICE, now)).await;
        app.mailbox().await;
        assert_eq!(events_in(&app, EventState::Failed).await, []);
        assert_eq!(referral(&app).await.0, ReferralState::TakenBack);
        for user in [ann.id, bob.id] {
            assert_eq!(credit_of(&app, user).await, None);
            assert_eq!(entries(&app, user).await.iter().map(|(_, days)| days).sum::<i64>(), 0);
        }
    }

    async fn a_reward_may_be_held_for_a_while(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_days", "7").await;
        let (ann, bob, customer) = invited(&app).await;
        app.stripe(&customer.invoice(1, PRICE, app.env.clock.now())).await;
        assert_eq!(referral(&app).await.0, ReferralState::Held);
        app.env.clock.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(referral(&app).await.0, ReferralState::Held);
        app.env.clock.advance(TimeDelta::seconds(1));
        for _ in 0..2 {
            app.runner.do_what_is_due().await.unwrap();
        }
        assert_eq!(referral(&app).await.0, ReferralState::Converted);
        for user in [ann.id, bob.id] {
            assert_eq!(entries(&app, user).await, [("referral".to_owned(), 45)]);
        }
    }

    async fn what_looks_like_fraud_waits_for_an_admin_if_the_setting_says_so(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "referral_hold_flagged", "true").await;
        set(&app, "referral_daily_conversions", "1").await;
        let mut referrer = app.signed_in("ann.b@gmail.com").await;
        let code = referral_code(&mut referrer).await;
        let mut customers = Vec::new();
        for (number, email) in ["annb+friend@gmail.com", "carl@mailinator.com", "dora@example.com"].into_iter().enumerate() {
            // A browser that says what it is, on another day than who invited.
            app.env.clock.advance(TimeDelta::days(2));
            let mut friend = app.browser();
            app.sign_in(&mut friend, email, &code).await;
            let user = app.member(email).await;
            customers.push((user.id, StripeCustomer::new(user.id, number, app.env.clock.now())));
        }
        for (_, customer) in &customers {
            app.stripe(&customer.invoice(1, PRICE, app.env.clock.now())).await;
        }
        let found = referrals::list(&app.env, Some(ReferralState::Held), None, 10).await.unwrap();
        let flags = |user: UserId| {
            let one = found.iter().find(|one| one.referral.referred == Some(user)).unwrap();
            (one.referral.id, one.referral.flags.clone())
        };
        let ((same, same_flags), (disposable, disposable_flags), (many, many_flags)) =
            (flags(customers[0].0), flags(customers[1].0), flags(customers[2].0));
        assert_eq!(same_flags, [Flag::SameMailbox]);
        assert_eq!(disposable_flags, [Flag::DisposableDomain, Flag::ManyConversions]);
        assert_eq!(many_flags, [Flag::ManyConversions]);
        app.env.clock.advance(TimeDelta::days(400));
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(referrals::list(&app.env, Some(ReferralState::Held), None, 10).await.unwrap().len(), 3);

        let released = referrals::decide(&app.env, many, Verdict::Release, "root@example.com").await.unwrap();
        assert_eq!(released.state(), ReferralState::Converted);
        assert_eq!(entries(&app, customers[2].0).await, [("referral".to_owned(), 45)]);
        let rejected = referrals::decide(&app.env, same, Verdict::Reject, "root@example.com").await.unwrap();
        assert_eq!(rejected.state(), ReferralState::Rejected);
        assert_eq!(entries(&app, customers[0].0).await, []);
        for id in [same, many] {
            assert!(referrals::decide(&app.env, id, Verdict::Release, "root@example.com").await.is_err());
        }
        // A rejected one stays so, whatever is paid or goes back later.
        app.stripe(&customers[0].1.invoice(2, PRICE, app.env.clock.now())).await;
        assert_eq!(entries(&app, customers[0].0).await, []);
        let _ = disposable;
    }

    async fn a_failed_payment_leaves_a_week(app: TestApp) {
        let app = app.with_prices().await;
        let (_, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        app.stripe(&customer.subscription("created", "active", now)).await;
        app.env.clock.advance(TimeDelta::days(30));
        let due = app.env.clock.now();
        app.stripe(&customer.subscription("updated", "past_due", due)).await;
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        // Told again later: the week is counted from the first word.
        app.env.clock.advance(TimeDelta::days(3));
        app.stripe(&customer.subscription("updated", "past_due", app.env.clock.now())).await;
        app.env.clock.advance(TimeDelta::days(4) - TimeDelta::seconds(1));
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        let status = access::paid_status(&app.env, &bob).await.unwrap();
        assert_eq!((status.active, status.expires_at), (true, Some(due + TimeDelta::days(7))));
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(tier_of(&app, bob.id).await, "free");
        app.stripe(&customer.subscription("updated", "active", app.env.clock.now())).await;
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        let subjects: Vec<_> = app.mailbox().await.into_iter().map(|mail| mail.subject).collect();
        assert!(subjects.iter().any(|subject| subject.to_lowercase().contains("payment")), "{subjects:?}");
    }

    async fn an_end_that_is_announced_comes_by_itself(app: TestApp) {
        let app = app.with_prices().await;
        let (_, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        app.stripe(&customer.subscription("created", "active", now)).await;
        app.env.clock.advance(TimeDelta::days(1));
        let end = now + TimeDelta::days(30);
        let more = json!({ "cancel_at_period_end": true, "cancel_at": end.timestamp() });
        app.stripe(&customer.subscription_with("updated", "active", app.env.clock.now(), more)).await;
        let status = access::paid_status(&app.env, &bob).await.unwrap();
        assert_eq!(status.expires_at, Some(end));
        app.env.clock.advance(end - TimeDelta::seconds(1) - app.env.clock.now());
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        app.env.clock.advance(end - app.env.clock.now());
        assert_eq!(tier_of(&app, bob.id).await, "free");
    }

    async fn news_of_a_renewal_may_be_a_week_late(app: TestApp) {
        let app = app.with_prices().await;
        let (_, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        app.stripe(&customer.subscription("created", "active", now)).await;
        app.env.clock.advance(TimeDelta::days(37) - TimeDelta::seconds(1));
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(tier_of(&app, bob.id).await, "free");
    }

    async fn credit_that_ran_beside_a_subscription_comes_back_at_its_end(app: TestApp) {
        let app = app.with_prices().await;
        let (_, bob, customer) = invited(&app).await;
        let begin = app.env.clock.now();
        app.stripe(&customer.subscription("created", "active", begin)).await;
        app.stripe(&customer.invoice(1, PRICE, begin)).await;
        app.env.clock.advance(TimeDelta::days(60));
        // 45 of the 60 days ran beside it.
        let now = app.env.clock.now();
        let ended = customer.subscription_with("deleted", "canceled", now, json!({ "ended_at": now.timestamp() }));
        app.stripe(&ended).await;
        app.stripe(&ended).await;
        let expected = [("referral".to_owned(), 45), ("subscription_overlap".to_owned(), 45)];
        assert_eq!(entries(&app, bob.id).await, expected);
        assert_eq!(credit_of(&app, bob.id).await, Some(now + TimeDelta::days(45)));
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        let subjects: Vec<_> = app.mailbox().await.into_iter().map(|mail| mail.text).collect();
        assert!(subjects.iter().any(|text| text.contains("45 days")), "{subjects:?}");
    }

    async fn credit_burns_beside_a_subscription_if_the_setting_says_so(app: TestApp) {
        let app = app.with_prices().await;
        set(&app, "credit_during_subscription", "burns").await;
        let (_, bob, customer) = invited(&app).await;
        let begin = app.env.clock.now();
        app.stripe(&customer.subscription("created", "active", begin)).await;
        app.stripe(&customer.invoice(1, PRICE, begin)).await;
        app.env.clock.advance(TimeDelta::days(60));
        app.stripe(&customer.subscription("deleted", "canceled", app.env.clock.now())).await;
        assert_eq!(entries(&app, bob.id).await, [("referral".to_owned(), 45)]);
    }

    async fn credit_of_a_stronger_tier_was_used_and_does_not_come_back(app: TestApp) {
        let app = app.with_prices().await;
        let (_, bob, mut customer) = invited(&app).await;
        customer.price = "price_basic".to_owned();
        let begin = app.env.clock.now();
        app.stripe(&customer.subscription("created", "active", begin)).await;
        app.stripe(&customer.invoice(1, PRICE, begin)).await;
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        app.env.clock.advance(TimeDelta::days(60));
        assert_eq!(tier_of(&app, bob.id).await, "free");
        app.stripe(&customer.subscription("deleted", "canceled", app.env.clock.now())).await;
        assert_eq!(entries(&app, bob.id).await, [("referral".to_owned(), 45)]);
    }

    async fn an_unknown_price_is_told_loudly_and_applied_when_it_is_known(app: TestApp) {
        let app = app.with_prices().await;
        let admin = app.signed_in_admin("root@example.com").await;
        let (_, bob, mut customer) = invited(&app).await;
        customer.price = "price_of_nothing".to_owned();
        app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
        let failed = events_in(&app, EventState::Failed).await;
        assert!(failed[0].1.contains("price_of_nothing"), "{failed:?}");
        // It is tried for half a day, then it waits for a person.
        for _ in 0..20 {
            app.mailbox().await;
            app.env.clock.advance(TimeDelta::hours(12));
        }
        assert_eq!(events_in(&app, EventState::Failed).await, []);
        assert_eq!(events_in(&app, EventState::Dead).await.len(), 1);
        let told = app.mailbox().await.into_iter().filter(|mail| mail.to == "root@example.com" && mail.text.contains("price_of_nothing"));
        assert_eq!(told.count(), 1);
        assert_eq!(tier_of(&app, bob.id).await, "free");

        let price = vouchsafe::services::prices::NewPrice {
            provider: Provider::Stripe,
            price_id: "price_of_nothing".to_owned(),
            interval: vouchsafe::domain::payment::BillingInterval::Month,
        };
        vouchsafe::services::prices::set(&app.env, &"basic".parse().unwrap(), &[price], "operator").await.unwrap();
        app.mailbox().await;
        assert_eq!(events_in(&app, EventState::Dead).await, []);
        assert_eq!(subscriptions::of_member(&app.env, bob.id).await.unwrap()[0].tier.as_str(), "basic");
        drop(admin);
    }

    async fn who_pays_is_found_by_reference_then_customer_then_address(app: TestApp) {
        let app = app.with_prices().await;
        for email in ["ann@example.com", "bob@example.com", "cid@example.com"] {
            app.signed_in(email).await;
        }
        app.env.clock.advance(TimeDelta::days(15));
        let now = app.env.clock.now();
        let [ann, bob, cid] = [app.member("ann@example.com").await, app.member("bob@example.com").await, app.member("cid@example.com").await];
        let nameless = |number| StripeCustomer { user: None, ..StripeCustomer::new(ann.id, number, now) };
        // The subscription comes before the checkout that says whose it is.
        let first = nameless(1);
        app.stripe(&first.subscription("created", "active", now)).await;
        assert_eq!(events_in(&app, EventState::Failed).await.len(), 1);
        app.stripe(&first.checkout(Some(ann.id), "somebody@example.com", now)).await;
        app.mailbox().await;
        assert_eq!(tier_of(&app, ann.id).await, "premium");
        // By an address that is proved here.
        let second = nameless(2);
        app.stripe(&second.checkout(None, "Bob@Example.com", now)).await;
        app.stripe(&second.subscription("created", "active", now)).await;
        assert_eq!(tier_of(&app, bob.id).await, "premium");
        // Whose reference is an address or nobody's is found by what else is known.
        let third = nameless(3);
        let mut checkout = third.checkout(None, "cid@example.com", now);
        checkout["data"]["object"]["client_reference_id"] = json!("ann@example.com");
        app.stripe(&checkout).await;
        app.stripe(&third.subscription("created", "active", now)).await;
        assert_eq!(tier_of(&app, cid.id).await, "premium");
        assert_eq!(events_in(&app, EventState::Failed).await, []);
    }

    async fn what_ended_stays_ended_and_what_is_old_is_ignored(app: TestApp) {
        let app = app.with_prices().await;
        let (_, bob, customer) = invited(&app).await;
        let now = app.env.clock.now();
        let at = |minutes| now + TimeDelta::minutes(minutes);
        app.stripe(&customer.subscription("deleted", "canceled", at(10))).await;
        for (kind, minute, status) in [("created", 0, "active"), ("updated", 20, "active"), ("updated", 5, "past_due")] {
            app.stripe(&customer.subscription(kind, status, at(minute))).await;
            assert_eq!(tier_of(&app, bob.id).await, "free");
        }
        let other = StripeCustomer { subscription: "sub_other".to_owned(), ..customer };
        app.stripe(&other.subscription("updated", "active", at(30))).await;
        app.stripe(&other.subscription("updated", "past_due", at(20))).await;
        assert_eq!(subscriptions::of_member(&app.env, bob.id).await.unwrap().len(), 2);
        assert_eq!(tier_of(&app, bob.id).await, "premium");
    }

    async fn only_what_a_provider_signed_is_taken_in(app: TestApp) {
        let app = app.with_prices().await;
        let body = event("customer.created", app.env.clock.now(), &json!({ "id": "cus_1" })).to_string();
        let sign = |secret: &str, at| vouchsafe::webhooks::signature::sign(Provider::Stripe, secret, "", at, body.as_bytes());
        let now = app.env.clock.now();
        let good = sign(STRIPE_SECRET, now);
        assert_eq!(app.knock("stripe", &[], body.clone().into_bytes()).await.0, 401);
        assert_eq!(app.knock("stripe", &sign("whsec_other", now), body.clone().into_bytes()).await.0, 401);
        for minutes in [-6, 6] {
            let headers = sign(STRIPE_SECRET, now + TimeDelta::minutes(minutes));
            assert_eq!(app.knock("stripe", &headers, body.clone().into_bytes()).await.0, 401);
        }
        assert_eq!(app.knock("stripe", &good, format!("{body} ").into_bytes()).await.0, 401);
        assert_eq!(app.knock("stripe", &good, vec![b' '; 300_000]).await.0, 413);
        assert_eq!(app.knock("stripe", &good, Vec::new()).await.0, 401);
        for elsewhere in ["paddle", "polar"] {
            assert_eq!(app.knock(elsewhere, &good, body.clone().into_bytes()).await.0, 401);
        }
        assert_eq!(app.knock("unknown", &good, body.clone().into_bytes()).await.0, 404);
        assert_eq!(payments::events(&app.env, None, None, 10).await.unwrap(), []);
        // While the secret is being changed, the one before is good too.
        assert_eq!(app.knock("stripe", &sign("whsec_before", now), body.clone().into_bytes()).await.0, 200);
        assert_eq!(events_in(&app, EventState::Ignored).await.len(), 1);
        for broken in ["", "[]", "{}", "not json", "{\"id\": 1}"] {
            let (status, text) = app.deliver(Provider::Stripe, "", broken).await;
            assert_eq!(status, 400, "{broken:?}: {text}");
        }
        // What should be readable and is not is kept.
        let broken = event("invoice.paid", now, &json!({ "id": "in_1" }));
        app.stripe(&broken).await;
        assert_eq!(events_in(&app, EventState::Failed).await.len(), 1);
    }

    async fn a_provider_without_a_secret_is_not_there(app: TestApp) {
        let backend = app.backend();
        let without = ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", "");
        let Some(app) = TestApp::with(backend, &[without]).await else { return };
        let (status, _) = app.deliver(Provider::Stripe, "", "{}").await;
        assert_eq!(status, 404);
    }
}

/// An order of Polar that was paid.
fn polar_order(id: &str, user: UserId, amount: i64, at: DateTime<Utc>) -> Value {
    json!({ "type": "order.paid", "timestamp": at.to_rfc3339(), "data": {
        "id": id, "created_at": at.to_rfc3339(), "modified_at": at.to_rfc3339(), "status": "paid", "paid": true,
        "subtotal_amount": amount, "discount_amount": 0, "net_amount": amount, "tax_amount": 0,
        "total_amount": amount, "refunded_amount": 0, "refunded_tax_amount": 0, "currency": "usd",
        "billing_reason": "subscription_create", "customer_id": "polar_customer", "product_id": "prod_premium",
        "subscription_id": "polar_subscription", "metadata": { "user_id": user },
        "customer": { "id": "polar_customer", "external_id": user, "email": "other@example.com" },
    } })
}
