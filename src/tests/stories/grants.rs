//! Time at a tier that somebody was given: by whom, whose turn it is, and until when.

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchsafe::{
    domain::ids::UserId,
    services::{
        coupons::{self, Guesser, RedeemError},
        grants,
    },
};

use crate::harness::{Answer, Backend, Client, TestApp, on_both};

/// An operator of a product without trials, and the user `ann`.
async fn without_trial(app: &TestApp) -> Client {
    let operator = app.operator();
    operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
    operator.post("/api/v1/users", json!({ "external_id": "ann", "email": "ann@example.com" })).await.ok();
    operator
}

async fn give(operator: &Client, user: &str, tier: &str, days: i64) -> Value {
    operator.post(&format!("/api/v1/users/{user}/grants"), json!({ "tier": tier, "days": days })).await.ok()
}

/// What a member has: effective tier, where from, and the whole hours until it ends.
async fn access(app: &TestApp, user: &str) -> (String, String, Option<i64>) {
    let paid = app.operator().get(&format!("/api/v1/users/{user}/status")).await.ok()["paid"].clone();
    let text = |name: &str| paid[name].as_str().unwrap().to_owned();
    let hours = paid["expires_at"].as_str().map(|end| {
        let end: DateTime<Utc> = end.parse().unwrap();
        (end - app.env.clock.now()).num_hours()
    });
    (text("tier"), text("source"), hours)
}

fn from(tier: &str, source: &str, hours: Option<i64>) -> (String, String, Option<i64>) {
    (tier.to_owned(), source.to_owned(), hours)
}

/// The state and the days left of each of ann's grants, the oldest first.
async fn states(operator: &Client, user: &str) -> Vec<(String, i64)> {
    let list = operator.get(&format!("/api/v1/users/{user}/grants")).await.ok();
    let mut states: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| {
            (grant["state"].as_str().unwrap().to_owned(), grant["remaining_seconds"].as_i64().unwrap() / 86_400)
        })
        .collect();
    states.reverse();
    states
}

fn state(name: &str, days: i64) -> (String, i64) {
    (name.to_owned(), days)
}

async fn actions(operator: &Client, begin: &str) -> Vec<String> {
    let lines = operator.all_pages("/api/v1/activity", 100).await;
    let mut actions: Vec<String> = lines.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect();
    actions.retain(|action| action.starts_with(begin));
    actions
}

async fn coupon(operator: &Client, more: Value) -> String {
    let mut asked = json!({ "type": "period", "tier": "premium", "duration_days": 30 });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = operator.post("/api/v1/coupons", asked).await.ok();
    made["items"][0]["code"].as_str().unwrap().to_owned()
}

async fn redeem(operator: &Client, code: &str, user: &str) -> Answer {
    operator.post(&format!("/api/v1/coupons/{code}/redeem"), json!({ "user": user })).await
}

on_both! {
    async fn a_stronger_one_pauses_a_weaker_which_goes_on_by_itself(app: TestApp) {
        let operator = without_trial(&app).await;
        assert_eq!(access(&app, "ann").await, from("free", "own_tier", None));
        let first = give(&operator, "ann", "basic", 10).await;
        assert_eq!((&first["state"], &first["kind"]), (&json!("running"), &json!("admin")));
        assert_eq!(access(&app, "ann").await, from("basic", "grant", Some(240)));

        app.env.clock.advance(TimeDelta::days(3));
        give(&operator, "ann", "premium", 2).await;
        assert_eq!(states(&operator, "ann").await, [state("paused", 7), state("running", 2)]);
        assert_eq!(access(&app, "ann").await, from("premium", "grant", Some(48)));
        // Another of the same tier waits, and both count as one.
        let third = give(&operator, "ann", "premium", 1).await;
        assert_eq!(third["state"], "waiting");
        assert_eq!(access(&app, "ann").await, from("premium", "grant", Some(72)));

        // Nobody has written anything down, and everybody sees it.
        app.env.clock.advance(TimeDelta::days(4));
        assert_eq!(access(&app, "ann").await, from("basic", "grant", Some(144)));
        assert_eq!(states(&operator, "ann").await, [state("running", 6), state("ended", 0), state("ended", 0)]);
        let check = operator.post("/api/v1/check", json!({ "user": "ann", "feature": "ai_calls" })).await.ok();
        assert_eq!((&check["tier"], &check["source"]), (&json!("basic"), &json!("grant")));
        let consumed = operator.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls" })).await.ok();
        assert_eq!(consumed["tier"], "basic");
        let listed = app.signed_in_admin("root@example.com").await.get("/admin/users").await.texts("tbody tr");
        let hers = listed.iter().find(|row| row.contains("ann@example.com")).unwrap();
        assert!(hers.contains("Basic") && !hers.contains("Premium"), "{hers}");
        app.env.clock.advance(TimeDelta::days(6));
        assert_eq!(access(&app, "ann").await, from("free", "own_tier", None));
    }

    async fn a_reader_after_weeks_sees_what_a_job_every_hour_has_written(app: TestApp) {
        let operator = without_trial(&app).await;
        operator.post("/api/v1/users", json!({ "external_id": "bob", "email": "bob@example.com" })).await.ok();
        let pass = coupon(&operator, json!({ "type": "partner", "tier": "basic", "duration_days": 3, "partner": "Wellpass" })).await;
        for (tier, days) in [("basic", 2), ("premium", 1)] {
            for user in ["ann", "bob"] {
                give(&operator, user, tier, days).await;
            }
            // Lists are in the order in which something was given.
            app.env.clock.advance(TimeDelta::seconds(1));
        }
        for user in ["ann", "bob"] {
            redeem(&operator, &pass, user).await.ok();
        }
        let told = async |user: &str| {
            let list = operator.get(&format!("/api/v1/users/{user}/grants")).await.ok();
            let items = list["items"].as_array().unwrap().clone();
            items.into_iter().map(|grant| (grant["tier"].clone(), grant["state"].clone(), grant["from"].clone(), grant["until"].clone())).collect::<Vec<_>>()
        };
        // Only bob's grants are written down on the way: ann's stay as they were.
        for _ in 0..14 {
            app.env.clock.advance(TimeDelta::hours(12));
            assert_eq!(told("ann").await, told("bob").await);
            let bob = app.member("bob@example.com").await.id;
            app.execute(&format!("UPDATE access_grants SET user_id = NULL, reason = 'hers' WHERE user_id <> {}", id_literal(&app, bob))).await;
            app.runner.do_what_is_due().await.unwrap();
            let ann = app.member("ann@example.com").await.id;
            app.execute(&format!("UPDATE access_grants SET user_id = {}, reason = NULL WHERE reason = 'hers'", id_literal(&app, ann))).await;
        }
        assert_eq!(actions(&operator, "grant_ended").await.len(), 3);
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(actions(&operator, "grant_ended").await.len(), 6);
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(actions(&operator, "grant_ended").await.len(), 6, "it is written down once");
        assert_eq!(told("ann").await, told("bob").await);
        assert_eq!(states(&operator, "ann").await, [state("ended", 0), state("ended", 0), state("ended", 0)]);
    }

    async fn members_are_told_what_they_have_and_what_goes_on(app: TestApp) {
        let operator = without_trial(&app).await;
        give(&operator, "ann", "premium", 2).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        give(&operator, "ann", "basic", 5).await;
        let mails = app.mailbox().await;
        assert!(mails[0].text.contains("begin on 23 November 2026 and last until 28 November 2026"), "{}", mails[0].text);
        assert!(mails[1].text.contains("have begun and last until 23 November 2026"), "{}", mails[1].text);
        app.env.clock.advance(TimeDelta::days(2));
        app.runner.do_what_is_due().await.unwrap();
        let mails = app.mailbox().await;
        assert_eq!(mails.len(), 3);
        let text = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("Your days of Premium at") && text.contains("Your Basic continues until 28 November 2026"), "{text}");
        let log = actions(&operator, "grant_").await;
        assert_eq!(log.iter().filter(|action| *action == "grant_started").count(), 2, "{log:?}");
    }

    async fn what_is_taken_back_makes_room_for_what_waits(app: TestApp) {
        let operator = without_trial(&app).await;
        let strong = give(&operator, "ann", "premium", 10).await;
        give(&operator, "ann", "basic", 10).await;
        app.env.clock.advance(TimeDelta::days(4));
        let path = format!("/api/v1/grants/{}", strong["id"].as_str().unwrap());
        assert_eq!(operator.delete(&path).await.status, 204);
        assert_eq!(states(&operator, "ann").await, [state("revoked", 6), state("running", 10)]);
        assert_eq!(access(&app, "ann").await, from("basic", "grant", Some(240)));
        operator.delete(&path).await.is(409, "grant_over");
        operator.delete("/api/v1/grants/0192f0c1-2345-7abc-8def-0123456789ab").await.is(404, "grant_unknown");
        operator.delete("/api/v1/grants/x").await.is(404, "grant_unknown");
    }

    async fn what_cannot_be_given_is_refused(app: TestApp) {
        let operator = without_trial(&app).await;
        let path = "/api/v1/users/ann/grants";
        for (body, status, code) in [
            (json!({ "tier": "gold", "days": 1 }), 404, "tier_unknown"),
            (json!({ "tier": "No Tier", "days": 1 }), 404, "tier_unknown"),
            (json!({ "tier": "basic", "days": 0 }), 422, "invalid_days"),
            (json!({ "tier": "basic", "days": 3_651 }), 422, "invalid_days"),
            (json!({ "tier": "basic", "days": i64::MAX }), 422, "invalid_days"),
            (json!({ "tier": "basic", "days": 1, "reason": "a\nb" }), 422, "invalid_text"),
            (json!({ "tier": "basic" }), 422, "invalid_body"),
        ] {
            operator.post(path, body).await.is(status, code);
        }
        operator.post("/api/v1/users/nobody/grants", json!({ "tier": "basic", "days": 1 })).await.is(404, "user_unknown");
        assert_eq!(operator.get(path).await.ok()["items"], json!([]));
    }

    async fn a_coupon_says_what_is_wrong_with_it(app: TestApp) {
        let operator = without_trial(&app).await;
        operator.post("/api/v1/users", json!({ "external_id": "bob" })).await.ok();
        let code = coupon(&operator, json!({ "code": "summer-2027", "max_redemptions": 1, "valid_from": "2026-11-22T00:00:00Z", "valid_until": "2026-12-24T00:00:00Z" })).await;
        assert_eq!(code, "SUMMER2027");
        redeem(&operator, "winter", "ann").await.is(404, "coupon_unknown");
        redeem(&operator, "x", "ann").await.is(404, "coupon_unknown");
        redeem(&operator, &code, "nobody").await.is(404, "user_unknown");
        redeem(&operator, &code, "ann").await.is(409, "coupon_not_yet");
        app.env.clock.advance(TimeDelta::days(1));
        let path = format!("/api/v1/coupons/{code}");
        operator.patch(&path, json!({ "active": false })).await.ok();
        redeem(&operator, &code, "ann").await.is(409, "coupon_inactive");
        operator.patch(&path, json!({ "active": true })).await.ok();
        let redeemed = redeem(&operator, "su-MMer 2027".replace(' ', "%20").as_str(), "ann").await.ok();
        let grant = &redeemed["grant"];
        assert_eq!((&grant["tier"], &grant["kind"], &grant["state"]), (&json!("premium"), &json!("coupon"), &json!("running")));
        assert_eq!(access(&app, "ann").await, from("premium", "grant", Some(720)));
        redeem(&operator, &code, "ann").await.is(409, "coupon_already_yours");
        redeem(&operator, &code, "bob").await.is(410, "coupon_used_up");
        app.env.clock.advance(TimeDelta::days(40));
        redeem(&operator, &code, "bob").await.is(410, "coupon_expired");
        operator.patch(&path, json!({ "archived": true, "description": "over" })).await.ok();
        redeem(&operator, &code, "bob").await.is(409, "coupon_inactive");
        assert_eq!(operator.get("/api/v1/coupons").await.ok()["items"], json!([]));
        let kept = operator.get(&path).await.ok();
        assert_eq!((&kept["redemption_count"], &kept["description"]), (&json!(1), &json!("over")));
        assert_eq!(operator.get("/api/v1/coupons?archived=true").await.ok()["items"], json!([kept]));
        assert_eq!(actions(&operator, "coupon_redeemed").await.len(), 1);
    }

    async fn many_coupons_are_made_in_one_go(app: TestApp) {
        let operator = without_trial(&app).await;
        let asked = json!({ "type": "single_use", "tier": "basic", "duration_days": 7, "count": 10_000 });
        let made = operator.post("/api/v1/coupons", asked).await;
        assert_eq!(made.status, 201);
        let codes: std::collections::BTreeSet<String> =
            made.ok()["items"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(codes.len(), 10_000);
        assert!(codes.iter().all(|code| code.len() == 11 && code.as_bytes()[5] == b'-'));
        for (more, status, code) in [
            (json!({ "count": 10_001 }), 422, "invalid_count"),
            (json!({ "count": 2, "code": "SUMMER" }), 422, "invalid_count"),
            (json!({ "code": "ä" }), 422, "invalid_code"),
            (json!({ "code": codes.first().unwrap() }), 409, "code_taken"),
            (json!({ "duration_days": 0 }), 422, "invalid_days"),
            (json!({ "max_redemptions": 0 }), 422, "invalid_terms"),
            (json!({ "partner": "Wellpass" }), 422, "invalid_terms"),
            (json!({ "tier": "gold" }), 404, "tier_unknown"),
            (json!({ "type": "wellpass" }), 422, "invalid_body"),
            (json!({ "description": "x".repeat(201) }), 422, "invalid_text"),
        ] {
            let mut asked = json!({ "type": "period", "tier": "premium", "duration_days": 30 });
            asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            operator.post("/api/v1/coupons", asked).await.is(status, code);
        }
    }

    async fn of_three_hundred_at_once_twenty_redeem(app: TestApp) {
        let operator = without_trial(&app).await;
        let code = coupon(&operator, json!({ "max_redemptions": 20 })).await;
        for number in 0..300 {
            operator.post("/api/v1/users", json!({ "external_id": format!("user{number}") })).await.ok();
        }
        let mut racing = JoinSet::new();
        for number in 0..300 {
            let (operator, code) = (operator.clone(), code.clone());
            racing.spawn(async move { redeem(&operator, &code, &format!("user{number}")).await });
        }
        let answers = racing.join_all().await;
        let with = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
        assert_eq!((with(200), with(410)), (20, 280));
        let kept = operator.get(&format!("/api/v1/coupons/{code}")).await.ok();
        assert_eq!(kept["redemption_count"], 20);
        let mut grants = 0;
        for number in 0..300 {
            grants += states(&operator, &format!("user{number}")).await.len();
        }
        assert_eq!(grants, 20, "who was refused keeps nothing");
    }

    async fn a_member_who_tries_many_times_at_once_redeems_once(app: TestApp) {
        let operator = without_trial(&app).await;
        let code = coupon(&operator, json!({})).await;
        let mut racing = JoinSet::new();
        for _ in 0..60 {
            let (operator, code) = (operator.clone(), code.clone());
            racing.spawn(async move { redeem(&operator, &code, "ann").await });
        }
        let answers = racing.join_all().await;
        let with = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
        // Thirty tries in vain are too many, however they fell: the member is locked meanwhile.
        assert_eq!((with(200), with(409), with(429)), (1, 30, 29));
        let limited = answers.iter().find(|answer| answer.status.as_u16() == 429).unwrap();
        limited.is(429, "too_many_tries");
        assert!(limited.header("retry-after").parse::<i64>().unwrap() > 3_000);
        assert_eq!(states(&operator, "ann").await.len(), 1);
        app.env.clock.advance(TimeDelta::hours(1));
        operator.send(Method::POST, &format!("/api/v1/coupons/{code}/redeem"), r#"{"user":"ann"}"#).await.is(409, "coupon_already_yours");
    }

    async fn a_gift_under_a_key_is_given_once(app: TestApp) {
        let operator = without_trial(&app).await;
        operator.post("/api/v1/users", json!({ "external_id": "bob" })).await.ok();
        let path = "/api/v1/users/ann/grants";
        let gift = json!({ "tier": "premium", "days": 3 });
        let first = operator.clone().with_header("idempotency-key", "order 7").post(path, gift.clone()).await;
        assert_eq!(first.status, 201);
        let first = first.ok();
        app.env.clock.advance(TimeDelta::days(1));
        let again = operator.clone().with_header("idempotency-key", "order 7").post(path, gift.clone()).await.ok();
        assert_eq!((&again["id"], &again["remaining_seconds"]), (&first["id"], &json!(2 * 86_400)), "as it stands now");
        assert_eq!(states(&operator, "ann").await.len(), 1);
        for (path, other) in [(path, json!({ "tier": "premium", "days": 4 })), ("/api/v1/users/bob/grants", gift.clone())] {
            operator.clone().with_header("idempotency-key", "order 7").post(path, other).await.is(422, "idempotency_key_reused");
        }
        operator.clone().with_header("idempotency-key", "").post(path, gift.clone()).await.is(422, "invalid_idempotency_key");
        // At once, too; and without a key every call gives.
        let mut racing = JoinSet::new();
        for _ in 0..12 {
            let (operator, gift) = (operator.clone().with_header("idempotency-key", "order 8"), gift.clone());
            racing.spawn(async move { operator.post(path, gift).await.ok()["id"].clone() });
        }
        let ids: std::collections::HashSet<Value> = racing.join_all().await.into_iter().collect();
        assert_eq!((ids.len(), states(&operator, "ann").await.len()), (1, 2));
        for _ in 0..2 {
            operator.post(path, gift.clone()).await.ok();
        }
        assert_eq!(states(&operator, "ann").await.len(), 4);
    }

    async fn a_link_with_a_coupon_survives_signing_in(app: TestApp) {
        let operator = app.operator();
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
        let code = coupon(&operator, json!({})).await;
        let path = format!("/redeem/{}", code.to_lowercase());
        let mut ann = app.browser();
        let away = ann.get(&path).await;
        assert!(away.location().starts_with("/login?next=%2Fredeem%2F"), "{}", away.location());
        let login = ann.get(away.location()).await;
        assert!(login.body.contains(&format!(r#"name="next" value="{path}""#)), "{}", login.body);
        app.env.clock.advance(TimeDelta::seconds(1));
        ann.post("/login", &[("email", "ann@example.com"), ("next", &path)]).await;
        let mailed = app.code_for("ann@example.com").await;
        let back = ann.post("/verify", &[("code", &mailed)]).await;
        assert_eq!(back.location(), path);
        let form = ann.get(&path).await;
        assert!(form.body.contains(&format!(r#"value="{code}""#)), "{}", form.body);
        let redeemed = ann.post("/redeem", &[("code", &code)]).await;
        assert_eq!(redeemed.status.as_u16(), 303);
        assert!(redeemed.location().starts_with("/settings?said=redeemed&grant="), "{}", redeemed.location());
        let settings = ann.get(redeemed.location()).await;
        assert_eq!(
            settings.text("[role=status]"),
            "The coupon is redeemed. 30 days of Premium. They run from 21 November 2026 to 21 December 2026."
        );
        // Whoever follows the link of somebody else reads nothing of what they have.
        let ben = app.signed_in("ben@example.com").await.get(redeemed.location()).await;
        assert_eq!(ben.text("[role=status]"), "The coupon is redeemed.");
        assert!(settings.body.contains("Premium runs until 21 December 2026"), "{}", settings.body);
        let again = ann.post("/redeem", &[("code", &code)]).await;
        assert_eq!(again.status, 422);
        assert!(again.body.contains("You have redeemed this coupon already.") && again.body.contains(&code));
    }

    async fn guesses_are_limited_for_a_member_and_a_network(app: TestApp) {
        let operator = app.operator();
        let code = coupon(&operator, json!({})).await;
        let mut ann = app.signed_in("ann@example.com").await;
        for _ in 0..30 {
            let wrong = ann.post("/redeem", &[("code", "AAAAA-AAAAA")]).await;
            assert_eq!(wrong.status, 422);
            assert!(wrong.body.contains("There is no such coupon."));
        }
        let refused = ann.post("/redeem", &[("code", "AAAAA-AAAAA")]).await;
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains_key("retry-after"));
        // Who has guessed that much learns nothing of codes that are right either, and somebody else
        // in the same network is no way round it.
        let mut bob = app.signed_in("bob@example.com").await;
        for browser in [&mut ann, &mut bob] {
            assert_eq!(browser.post("/redeem", &[("code", &code)]).await.status, 429);
        }
        app.env.clock.advance(TimeDelta::hours(1));
        assert_eq!(bob.post("/redeem", &[("code", "AAAAA-AAAAA")]).await.status, 422);
        assert_eq!(bob.post("/redeem", &[("code", &code)]).await.status, 303);
    }

    async fn however_many_of_a_network_guess_at_once_no_more_than_the_limit_learn_anything(app: TestApp) {
        let operator = app.operator();
        let mut members: Vec<UserId> = Vec::new();
        for number in 0..16 {
            let made = operator.post("/api/v1/users", json!({ "external_id": format!("member{number}") })).await.ok();
            members.push(made["id"].as_str().unwrap().parse().unwrap());
        }
        let other = app.another_node();
        let mut guessing = JoinSet::new();
        for number in 0..80 {
            let env = if number % 2 == 0 { app.env.clone() } else { other.clone() };
            let member = members[number % members.len()];
            let network = Guesser::Person("192.0.2.1".to_owned());
            guessing.spawn(async move { coupons::redeem(&env, member, "AAAAA-AAAAA", network, "a guesser").await });
        }
        let outcomes = guessing.join_all().await;
        let learned = outcomes.iter().filter(|outcome| matches!(outcome, Err(RedeemError::Unknown))).count();
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(RedeemError::TooMany { .. }))).count();
        assert_eq!((learned, refused), (30, 50));
    }

    async fn forty_honest_people_of_one_network_redeem(app: TestApp) {
        let operator = app.operator();
        let code = coupon(&operator, json!({})).await;
        for number in 0..40 {
            // Codes by mail are limited for a network, which is not what this is about.
            app.env.clock.advance(TimeDelta::minutes(5));
            let mut browser = app.signed_in(&format!("member{number}@example.com")).await;
            assert_eq!(browser.post("/redeem", &[("code", &code)]).await.status, 303, "{number}");
        }
    }

    async fn who_comes_back_redeems_no_coupon_again(app: TestApp) {
        let operator = without_trial(&app).await;
        let code = coupon(&operator, json!({})).await;
        redeem(&operator, &code, "ann").await.ok();
        app.execute("DELETE FROM users WHERE external_id = 'ann'").await;
        operator.post("/api/v1/users", json!({ "external_id": "ann2", "email": "Ann@Example.com" })).await.ok();
        redeem(&operator, &code, "ann2").await.is(409, "coupon_already_yours");
        operator.post("/api/v1/users", json!({ "external_id": "bob", "email": "bob@example.com" })).await.ok();
        redeem(&operator, &code, "bob").await.ok();
        let other = coupon(&operator, json!({})).await;
        redeem(&operator, &other, "ann2").await.ok();
    }

    async fn the_settings_tell_what_somebody_has_until_when_and_why(app: TestApp) {
        let operator = app.operator();
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
        let mut ann = app.signed_in("ann@example.com").await;
        let id = app.member("ann@example.com").await.id.to_string();
        assert!(ann.get("/settings").await.body.contains("You have Free."));
        give(&operator, &id, "basic", 10).await;
        let code = coupon(&operator, json!({ "duration_days": 2 })).await;
        redeem(&operator, &code, &id).await.ok();
        let page = ann.get("/settings").await;
        assert_eq!(page.text(".outlook-said"), "You have Premium until 23 November 2026, then Basic until 3 December 2026, then Free.");
        let told = page.texts(".outlook ol li");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("by a coupon") && told[0].contains("Premium runs until 23 November 2026"), "{told:?}");
        assert!(told[1].contains("as a gift") && told[1].contains("Basic is paused with 10 days left: 23 November 2026 to 3 December 2026"), "{told:?}");
        assert_eq!(page.texts(".outlook .legend li"), ["counts now", "waits for its turn, and loses nothing"]);
        // Each begins where the one before it ends, on one scale.
        let widths: Vec<String> = page.body.split("class=\"track\"").skip(1).map(|bar| {
            let bar = &bar[bar.find("<rect").unwrap()..];
            bar[..bar.find('>').unwrap()].to_owned()
        }).collect();
        assert!(widths[0].contains(r#"x="0""#) && widths[0].contains(r#"width="166""#), "{widths:?}");
        assert!(widths[1].contains(r#"x="166""#) && widths[1].contains(r#"width="834""#), "{widths:?}");
    }

    async fn a_member_is_told_who_waits_for_whom(app: TestApp) {
        let operator = without_trial(&app).await;
        give(&operator, "ann", "basic", 10).await;
        app.env.clock.advance(TimeDelta::days(3));
        let code = coupon(&operator, json!({ "duration_days": 2 })).await;
        redeem(&operator, &code, "ann").await.ok();
        let told = async || {
            let mails = app.mailbox().await;
            mails.iter().map(|mail| mail.text.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let mails = told().await;
        assert_eq!(mails.len(), 3, "{mails:?}");
        assert!(mails.iter().any(|mail| mail.contains(&code) && mail.contains("Premium")), "{mails:?}");
        assert!(mails.iter().any(|mail| mail.contains("Basic") && mail.contains("7 days") && mail.contains("Premium")), "{mails:?}");
        // What was paused goes on when the other is taken back.
        app.env.clock.advance(TimeDelta::days(1));
        let list = operator.get("/api/v1/users/ann/grants").await.ok();
        let running = list["items"].as_array().unwrap().iter().find(|grant| grant["state"] == "running").unwrap();
        operator.delete(&format!("/api/v1/grants/{}", running["id"].as_str().unwrap())).await;
        let mails = told().await;
        assert_eq!(mails.len(), 4, "{mails:?}");
        assert!(mails[0].contains("Basic") && mails[0].contains("2 December 2026"), "{mails:?}");
        assert_eq!(actions(&operator, "grant_resumed").await.len(), 1);
    }

    async fn an_admin_makes_coupons_and_puts_them_away(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        assert!(root.get("/admin/coupons").await.body.contains("There are no such coupons."));
        let one = [("kind", "period"), ("tier", "premium"), ("days", "30"), ("count", "1"), ("code", "summer-2027"), ("until", "2027-08-31"), ("description", "for the fair")];
        let made = root.post("/admin/coupons", &one).await;
        assert_eq!(made.location(), "/admin/coupons/SUMMER2027?said=made", "{}", made.body);
        let page = root.get(made.location()).await;
        for text in ["SUMMER2027", "30 days of Premium", "through 31 August 2027", "for the fair", "The coupon is made.", "/redeem/SUMMER2027", "Nobody has redeemed it yet."] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        let list = root.get("/admin/coupons").await;
        assert!(list.body.contains(r#"href="/admin/coupons/SUMMER2027""#), "{}", list.body);
        let taken = root.post("/admin/coupons", &one).await;
        assert_eq!(taken.status, 422);
        assert!(taken.body.contains("There is a coupon with this code.") && taken.body.contains(r#"value="summer-2027""#));
        let many = [("kind", "single_use"), ("tier", "basic"), ("days", "7"), ("count", "250"), ("description", "posters")];
        let made = root.post("/admin/coupons", &many).await;
        let batch = made.location().strip_suffix("?said=made").unwrap().to_owned();
        assert!(batch.starts_with("/admin/coupons/batches/"), "{batch}");
        let page = root.get(made.location()).await;
        assert!(page.body.contains("The coupons are made.") && page.body.contains("250 coupons, made on 22 November 2026 by root@example.com"), "{}", page.body);
        let file = root.get(&format!("{batch}/coupons.csv")).await;
        assert_eq!(file.headers["content-disposition"], r#"attachment; filename="coupons.csv""#);
        let rows: Vec<&str> = file.body.lines().collect();
        assert_eq!((rows.len(), rows[0]), (251, "code,link,tier,days,until,redeemed"));
        let code = rows[1].split(',').next().unwrap();
        assert!(rows[1].ends_with(&format!("/redeem/{code},basic,7,,0")), "{}", rows[1]);
        assert!(root.get("/admin/coupons/batches").await.body.contains("posters"));
        let mut codes = std::collections::BTreeSet::new();
        let mut address = format!("{batch}/sheet");
        for sheet in 1..=3 {
            let page = root.get(&address).await;
            assert_eq!(page.body.matches("<svg").count(), if sheet < 3 { 96 } else { 58 });
            codes.extend(rows[1..].iter().map(|row| row.split(',').next().unwrap()).filter(|code| page.body.contains(&format!("<code>{code}<"))));
            let next = page.body.split(r#"rel="next""#).next().unwrap().rsplit("href=\"").next().unwrap().split('"').next().unwrap();
            address = next.to_owned();
        }
        assert_eq!(codes.len(), 250);
        for (field, typed, problem) in [
            ("days", "0", "Enter a whole number from 1 to 3,650."),
            ("count", "10001", "Enter 1 to 10,000"),
            ("code", "ä", "Enter 4 to 40 letters and digits."),
            ("most", "2", "Enter a whole number above 0"),
            ("until", "soon", "Enter a day"),
            ("until", "9999-12-31", "Enter a day"),
            ("from", "2027-02-30", "Enter a day"),
            ("kind", "gold", "There is no such kind of coupon."),
            ("kind", "", "There is no such kind of coupon."),
            ("partner", "Wellpass", "There is no such partner."),
            ("partner", "0192f0c1-2345-7abc-8def-0123456789ab", "There is no such partner."),
            ("tier", "gold", "There is no such tier."),
        ] {
            let mut form: Vec<(&str, &str)> = many.into_iter().filter(|(name, _)| *name != field).collect();
            form.push((field, typed));
            let page = root.post("/admin/coupons", &form).await;
            assert_eq!(page.status, 422, "{field}");
            assert!(page.body.contains(problem), "{field}: {}", page.body);
        }
        // A day that ends in the year 10000 would sort before all others; nor does an app get past that.
        let late = json!({ "type": "period", "tier": "premium", "duration_days": 1, "valid_until": "+10000-01-01T00:00:00Z" });
        assert_eq!(app.operator().post("/api/v1/coupons", late).await.problem().0, 422);
        app.env.clock.advance(TimeDelta::seconds(1));
        let mut last: Vec<(&str, &str)> = many.into_iter().filter(|(name, _)| *name != "count").collect();
        last.extend([("until", "9999-12-30"), ("count", "1"), ("code", "FOREVER")]);
        assert_eq!(root.post("/admin/coupons", &last).await.location(), "/admin/coupons/FOREVER?said=made");
        assert!(root.get("/admin/coupons?state=open").await.body.contains("FOREVER"));
        let wrong = [("kind", "period"), ("tier", "premium"), ("days", "0"), ("count", "0"), ("code", "ä"), ("most", "x")];
        assert_eq!(root.post("/admin/coupons", &wrong).await.texts(".err").len(), 4, "all at once");
        let qr = root.get("/admin/coupons/SUMMER2027/qr.svg").await;
        assert_eq!((qr.status.as_u16(), qr.headers["content-type"].to_str().unwrap()), (200, "image/svg+xml"));
        assert!(qr.body.starts_with("<svg"));
        let switched = root.post("/admin/coupons/SUMMER2027", &[("description", "no more")]).await;
        assert_eq!(switched.location(), "/admin/coupons/SUMMER2027?said=saved");
        assert!(root.get("/admin/coupons?state=inactive").await.body.contains("SUMMER2027"));
        assert!(!root.get("/admin/coupons?state=open&q=summer").await.body.contains("SUMMER2027"));
        assert!(root.get("/admin/coupons?q=no+MORE&kind=period").await.body.contains("SUMMER2027"));
        assert!(root.get("/admin/coupons?q=nothing+like+it").await.body.contains("No coupon is like that."));
        let long = "x".repeat(201);
        let refused = root.post("/admin/coupons/SUMMER2027", &[("description", &long)]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains("One line of at most 200 characters."));
        let archived = root.post("/admin/coupons/summer-2027/archive", &[]).await;
        assert_eq!(archived.location(), "/admin/coupons?said=archived");
        assert!(!root.get("/admin/coupons").await.body.contains("SUMMER2027"));
        assert!(root.get("/admin/coupons?archived=1").await.body.contains("SUMMER2027"));
        let back = root.post("/admin/coupons/SUMMER2027/archive", &[("back", "1")]).await;
        assert_eq!(back.location(), "/admin/coupons/SUMMER2027?said=back");
        assert_eq!(root.post("/admin/coupons/nothing/archive", &[]).await.location(), "/admin/coupons?said=gone");
        assert_eq!(root.get("/admin/coupons/nothing").await.status, 404);
    }

    async fn a_member_redeems_where_they_see_what_they_have(app: TestApp) {
        let operator = without_trial(&app).await;
        let code = coupon(&operator, json!({ "duration_days": 30 })).await;
        let mut ann = app.signed_in("ann@example.com").await;
        let settings = ann.get("/settings").await;
        let form = "section:has(#access) form[action='/redeem']";
        let refused = ann.submit(&settings, form, &[("code", "NOSUCHCODE")]).await;
        assert_eq!((refused.status.as_u16(), refused.text("h1").as_str()), (422, "Redeem a coupon"));
        assert!(refused.text("#code-error").contains("no such coupon"), "{}", refused.body);
        let redeemed = ann.submit(&settings, form, &[("code", &code.to_lowercase())]).await;
        assert!(redeemed.location().starts_with("/settings?said=redeemed&grant="), "{}", redeemed.location());
        assert_eq!(access(&app, "ann").await, from("premium", "grant", Some(720)));
    }

    async fn one_whose_days_cannot_be_written_down_keeps_nobody_else_from_theirs(app: TestApp) {
        let operator = without_trial(&app).await;
        operator.post("/api/v1/users", json!({ "external_id": "bob", "email": "bob@example.com" })).await.ok();
        give(&operator, "ann", "basic", 1).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        give(&operator, "bob", "basic", 1).await;
        app.env.clock.advance(TimeDelta::days(2));
        app.execute("UPDATE users SET lang = 'xx' WHERE external_id = 'ann'").await;
        assert!(grants::settle_due(&app.env).await.is_err(), "it is told");
        assert_eq!(actions(&operator, "grant_ended").await.len(), 1, "bob's");
        app.execute("UPDATE users SET lang = 'en' WHERE external_id = 'ann'").await;
        assert_eq!(grants::settle_due(&app.env).await.unwrap(), 1);
        assert_eq!(actions(&operator, "grant_ended").await.len(), 2);
    }

    async fn a_clock_that_is_put_back_changes_no_order(app: TestApp) {
        let operator = without_trial(&app).await;
        give(&operator, "ann", "basic", 3).await;
        for days in [2, 1] {
            app.env.clock.advance(-TimeDelta::hours(1));
            let given = give(&operator, "ann", "basic", days).await;
            assert_eq!(given["state"], "waiting");
        }
        assert_eq!(states(&operator, "ann").await, [state("running", 3), state("waiting", 2), state("waiting", 1)]);
    }

    async fn an_admin_gives_and_takes_back(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let operator = without_trial(&app).await;
        let ann = app.member("ann@example.com").await.id;
        let path = format!("/admin/users/{ann}");
        assert!(root.get(&path).await.body.contains("Nothing runs or waits."));
        let form = root.get(&path).await;
        let filled = [("grant_tier", "premium"), ("grant_days", "3"), ("grant_reason", "thanks")];
        // The same form twice, as a double click sends it.
        for _ in 0..2 {
            let given = root.submit(&form, "form[action$='/grants']", &filled).await;
            assert_eq!(given.location(), format!("{path}?said=grant"));
        }
        assert_eq!(states(&operator, "ann").await, [state("running", 3)]);
        let other = [("grant_tier", "premium"), ("grant_days", "4"), ("grant_reason", "thanks")];
        let given = root.submit(&form, "form[action$='/grants']", &other).await;
        assert_eq!(given.location(), format!("{path}?said=credit-twice"));
        assert!(root.get(given.location()).await.text(".note").contains("nothing was added twice"));
        let page = root.get(&path).await;
        assert!(page.body.contains("Premium runs until") && page.body.contains("thanks"), "{}", page.body);
        for (tier, days, field) in [
            ("premium", "0", "grant_days"),
            ("premium", "many", "grant_days"),
            ("gold", "3", "grant_tier"),
            ("GOLD!", "3", "grant_tier"),
        ] {
            let typed = [("grant_tier", tier), ("grant_days", days), ("grant_reason", "thanks again")];
            let refused = root.submit(&page, "form[action$='/grants']", &typed).await;
            assert_eq!(refused.status, 422, "{tier} {days}");
            assert!(!refused.text(&format!("#{field}-error")).is_empty(), "{tier} {days}: {}", refused.body);
            assert_eq!(refused.attribute("#grant_days", "value").as_deref(), Some(days));
            assert_eq!(refused.attribute("#grant_reason", "value").as_deref(), Some("thanks again"));
        }
        assert_eq!(states(&operator, "ann").await, [state("running", 3)], "nothing was added");
        assert_eq!(root.post(&format!("{path}/grants"), &filled).await.status, 422, "it is none of our forms");
        let id = operator.get("/api/v1/users/ann/grants").await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
        let taken = root.post(&format!("{path}/grants/revoke"), &[("grant", &id)]).await;
        assert_eq!(taken.location(), format!("{path}?said=grant-revoked"));
        let again = root.post(&format!("{path}/grants/revoke"), &[("grant", &id)]).await;
        assert_eq!(again.location(), format!("{path}?said=nothing"));
        assert_eq!(access(&app, "ann").await, from("free", "own_tier", None));
    }
}

/// Writes an id as SQL does.
fn id_literal(app: &TestApp, id: vouchsafe::domain::ids::UserId) -> String {
    match app.backend() {
        Backend::Sqlite => format!("x'{}'", id.to_string().replace('-', "")),
        Backend::Postgres => format!("'{id}'"),
    }
}
