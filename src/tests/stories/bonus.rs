//! Rules that reward members by themselves: once each, with what they say, in every room.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchsafe::{
    domain::{
        bonus::{Reward, Terms},
        ids::UserId,
    },
    services::bonus,
};

use crate::harness::{Client, TestApp, on_both};

/// An operator of a product without trials, and the user `ann`.
async fn without_trial(app: &TestApp) -> Client {
    let operator = app.operator();
    operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
    user(&operator, "ann").await;
    operator
}

async fn user(operator: &Client, name: &str) {
    let asked = json!({ "external_id": name, "email": format!("{name}@example.com") });
    operator.post("/api/v1/users", asked).await.ok();
}

async fn rule(operator: &Client, more: Value) -> Value {
    let mut asked = json!({ "name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 1 });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    operator.post("/api/v1/bonus-rules", asked).await.ok()
}

/// Makes a coupon and redeems it.
async fn redeem(operator: &Client, user: &str) {
    let coupon = json!({ "type": "period", "tier": "basic", "duration_days": 1 });
    let code = operator.post("/api/v1/coupons", coupon).await.ok()["items"][0]["code"].as_str().unwrap().to_owned();
    operator.post(&format!("/api/v1/coupons/{code}/redeem"), json!({ "user": user })).await.ok();
}

async fn awards(operator: &Client, rule: &Value) -> usize {
    let path = format!("/api/v1/bonus-rules/{}/awards", rule["id"].as_str().unwrap());
    operator.all_pages(&path, 10).await.len()
}

async fn standing(operator: &Client, user: &str) -> Value {
    operator.get(&format!("/api/v1/users/{user}/bonus")).await.ok()
}

async fn count_of(operator: &Client, action: &str) -> usize {
    let lines = operator.all_pages("/api/v1/activity", 100).await;
    lines.iter().filter(|line| line["action"] == action).count()
}

on_both! {
    async fn the_first_coupon_brings_a_badge_once(app: TestApp) {
        let operator = without_trial(&app).await;
        let rule = rule(&operator, json!({ "name_de": "Sparer", "badge": "s" })).await;
        assert_eq!(rule["reward"], json!({ "tier": null, "days": null, "badge": "S" }));
        assert_eq!(standing(&operator, "ann").await["open"][0]["current"], 0);
        redeem(&operator, "ann").await;
        let mails = app.mailbox().await;
        assert!(mails.iter().any(|mail| mail.to == "ann@example.com" && mail.text.contains("Saver")), "she is told");
        let has = standing(&operator, "ann").await;
        assert_eq!((&has["earned"][0]["name"], &has["earned"][0]["reward"]["badge"]), (&json!("Saver"), &json!("S")));
        assert_eq!(has["open"], json!([]));
        redeem(&operator, "ann").await;
        app.mailbox().await;
        assert_eq!((awards(&operator, &rule).await, count_of(&operator, "bonus_awarded").await), (1, 1));
        let mut browser = app.signed_in("ann@example.com").await;
        let page = browser.get("/settings").await;
        assert_eq!(page.text("#bonus"), "Your bonus");
        assert!(page.text(".earned li").contains("Saver"), "{}", page.text(".earned"));
    }

    async fn days_at_a_tier_come_as_a_grant(app: TestApp) {
        let operator = without_trial(&app).await;
        let rule = rule(&operator, json!({ "name_en": "Two coupons", "threshold": 2, "tier": "premium", "days": 30 })).await;
        redeem(&operator, "ann").await;
        app.mailbox().await;
        let open = standing(&operator, "ann").await["open"][0].clone();
        assert_eq!((&open["current"], &open["threshold"]), (&json!(1), &json!(2)));
        let page = app.signed_in("ann@example.com").await.get("/settings").await;
        assert!(page.text("#bonus ~ * .usage, section:has(#bonus) .usage").contains("1 of 2"), "{}", page.body);
        redeem(&operator, "ann").await;
        let mails = app.mailbox().await;
        let told: Vec<&str> = mails.iter().filter(|mail| mail.text.contains("Two coupons")).map(|mail| mail.to.as_str()).collect();
        assert_eq!(told, ["ann@example.com"], "by one letter");
        let grants = operator.get("/api/v1/users/ann/grants").await.ok();
        let given: Vec<_> = grants["items"].as_array().unwrap().iter().filter(|grant| grant["granted_by"] == "bonus").collect();
        assert_eq!(given.len(), 1);
        assert_eq!((&given[0]["tier"], &given[0]["reason"], &given[0]["state"]), (&json!("premium"), &json!("Two coupons"), &json!("running")));
        assert_eq!(operator.get("/api/v1/users/ann/status").await.ok()["paid"]["tier"], "premium");
        assert_eq!(awards(&operator, &rule).await, 1);
    }

    async fn whoever_looks_first_a_member_gets_it_once(app: TestApp) {
        let operator = without_trial(&app).await;
        redeem(&operator, "ann").await;
        app.mailbox().await;
        let rule = rule(&operator, json!({ "tier": "premium", "days": 5, "also_before": true })).await;
        let ann: UserId = operator.get("/api/v1/users/ann").await.ok()["id"].as_str().unwrap().parse().unwrap();
        let other = app.another_node();
        let mut running = JoinSet::new();
        for number in 0..16 {
            let env = if number % 2 == 0 { app.env.clone() } else { other.clone() };
            running.spawn(async move { bonus::award(&env, ann).await.unwrap() });
        }
        assert_eq!(running.join_all().await.into_iter().sum::<usize>(), 1);
        app.mailbox().await;
        assert_eq!(awards(&operator, &rule).await, 1);
        let grants = operator.get("/api/v1/users/ann/grants").await.ok();
        assert_eq!(grants["items"].as_array().unwrap().iter().filter(|grant| grant["granted_by"] == "bonus").count(), 1);
    }

    async fn one_who_cannot_be_read_keeps_nobody_else_from_a_reward(app: TestApp) {
        let operator = without_trial(&app).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        user(&operator, "bob").await;
        for name in ["ann", "bob"] {
            redeem(&operator, name).await;
        }
        app.mailbox().await;
        let rule = rule(&operator, json!({ "badge": "S", "also_before": true })).await;
        let id = rule["id"].as_str().unwrap().parse().unwrap();
        app.execute("UPDATE users SET lang = 'xx' WHERE external_id = 'ann'").await;
        let job = app.env.random.id(app.env.clock.now());
        assert!(bonus::sweep(&app.env, job, id, None).await.is_err(), "it is told");
        assert_eq!(awards(&operator, &rule).await, 1, "bob's");
        app.execute("UPDATE users SET lang = 'en'").await;
        bonus::sweep(&app.env, job, id, None).await.unwrap();
        assert_eq!(awards(&operator, &rule).await, 2);
    }

    async fn what_is_given_is_what_the_rule_says_however_it_changes_meanwhile(app: TestApp) {
        let operator = without_trial(&app).await;
        redeem(&operator, "ann").await;
        app.mailbox().await;
        let ann: UserId = operator.get("/api/v1/users/ann").await.ok()["id"].as_str().unwrap().parse().unwrap();
        let other = app.another_node();
        for _ in 0..20 {
            let rule = rule(&operator, json!({ "badge": "A", "also_before": true })).await;
            let id = rule["id"].as_str().unwrap().parse().unwrap();
            let before = bonus::find(&app.env, id).await.unwrap().unwrap().rule.terms;
            let terms = Terms { reward: Reward::Badge { letter: 'B' }, ..before };
            let (awarding, changing) = (app.env.clone(), other.clone());
            let changed = tokio::spawn(async move { bonus::change(&changing, id, terms, true, "operator").await });
            assert_eq!(bonus::award(&awarding, ann).await.unwrap(), 1);
            let changed = changed.await.unwrap();
            let now = bonus::find(&app.env, id).await.unwrap().unwrap().rule.terms.reward;
            let given = standing(&operator, "ann").await["earned"].clone();
            let given = given.as_array().unwrap().iter().find(|one| one["rule"] == rule["id"]).unwrap().clone();
            let Reward::Badge { letter } = now else { panic!("{now:?}") };
            assert_eq!(given["reward"]["badge"], json!(letter.to_string()), "{changed:?}");
            bonus::archive(&app.env, id, "operator").await.unwrap();
        }
    }

    async fn a_new_rule_is_for_what_comes_unless_it_is_said_otherwise(app: TestApp) {
        let operator = without_trial(&app).await;
        for name in ["bob", "eve"] {
            user(&operator, name).await;
        }
        for name in ["ann", "bob"] {
            redeem(&operator, name).await;
        }
        app.mailbox().await;
        app.env.clock.advance(TimeDelta::seconds(1));
        let asked = json!({ "name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 1, "badge": "S" });
        let preview = operator.post("/api/v1/bonus-rules/preview", asked).await.ok();
        assert_eq!(preview["count"], 2);
        assert_eq!(preview["first"], json!(["ann@example.com", "bob@example.com"]));
        let from_now = rule(&operator, json!({ "badge": "S" })).await;
        app.mailbox().await;
        app.runner.do_what_is_due().await.unwrap();
        app.mailbox().await;
        assert_eq!(awards(&operator, &from_now).await, 0);
        let all = rule(&operator, json!({ "name_en": "All savers", "badge": "A", "also_before": true })).await;
        app.mailbox().await;
        assert_eq!((awards(&operator, &from_now).await, awards(&operator, &all).await), (0, 2));
        redeem(&operator, "eve").await;
        app.mailbox().await;
        assert_eq!((awards(&operator, &from_now).await, awards(&operator, &all).await), (1, 3));
    }

    async fn days_alone_reward_by_the_clock(app: TestApp) {
        let operator = without_trial(&app).await;
        let week = rule(&operator, json!({ "name_en": "A week", "trigger": "days_as_member", "threshold": 7, "badge": "7" })).await;
        let row = rule(&operator, json!({ "name_en": "In a row", "trigger": "days_in_a_row", "threshold": 3, "badge": "R" })).await;
        for day in 0..8 {
            if day < 3 {
                app.signed_in("ann@example.com").await;
            }
            app.env.clock.advance(TimeDelta::days(1));
            app.runner.do_what_is_due().await.unwrap();
            app.mailbox().await;
            let reached = (usize::from(day >= 6), usize::from(day >= 2));
            assert_eq!((awards(&operator, &week).await, awards(&operator, &row).await), reached, "day {day}");
        }
    }

    async fn a_rule_that_is_over_archived_or_off_rewards_nobody(app: TestApp) {
        let operator = without_trial(&app).await;
        let off = rule(&operator, json!({ "badge": "O", "active": false })).await;
        let ends = app.env.clock.now() + TimeDelta::days(1);
        let over = rule(&operator, json!({ "badge": "E", "ends_at": ends.to_rfc3339() })).await;
        let archived = rule(&operator, json!({ "badge": "A" })).await;
        let path = format!("/api/v1/bonus-rules/{}", archived["id"].as_str().unwrap());
        assert!(operator.post(&format!("{path}/archive"), json!({})).await.ok()["archived_at"].is_string());
        operator.patch(&path, json!({ "active": true })).await.is(409, "rule_frozen");
        app.env.clock.advance(TimeDelta::days(1));
        redeem(&operator, "ann").await;
        app.mailbox().await;
        for rule in [&off, &over, &archived] {
            assert_eq!(awards(&operator, rule).await, 0);
        }
        // Switched on, it looks again by itself.
        let path = format!("/api/v1/bonus-rules/{}", off["id"].as_str().unwrap());
        operator.patch(&path, json!({ "active": true })).await.ok();
        app.mailbox().await;
        assert_eq!(awards(&operator, &off).await, 1);
        operator.patch(&path, json!({ "threshold": 2 })).await.is(409, "rule_frozen");
        let words = operator.patch(&path, json!({ "name_en": "Thrifty" })).await.ok();
        assert_eq!((&words["name_en"], &words["awards"]), (&json!("Thrifty"), &json!(1)));
        let lists = [operator.all_pages("/api/v1/bonus-rules", 1).await.len(), operator.all_pages("/api/v1/bonus-rules?archived=true", 1).await.len()];
        assert_eq!(lists, [2, 1]);
    }

    async fn what_makes_no_sense_is_refused(app: TestApp) {
        let operator = without_trial(&app).await;
        let base = json!({ "name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 1, "badge": "S" });
        for (more, status, code) in [
            (json!({ "name_en": " " }), 422, "invalid_text"),
            (json!({ "name_en": "a\nb" }), 422, "invalid_text"),
            (json!({ "description_de": "x".repeat(301) }), 422, "invalid_text"),
            (json!({ "threshold": 0 }), 422, "invalid_threshold"),
            (json!({ "threshold": i64::MAX }), 422, "invalid_threshold"),
            (json!({ "trigger": "days_in_a_row", "threshold": 366 }), 422, "invalid_threshold"),
            (json!({ "trigger": "pushups" }), 422, "invalid_body"),
            (json!({ "badge": "ab" }), 422, "invalid_badge"),
            (json!({ "badge": null }), 422, "invalid_reward"),
            (json!({ "tier": "premium" }), 422, "invalid_reward"),
            (json!({ "badge": null, "tier": "premium", "days": 0 }), 422, "invalid_days"),
            (json!({ "badge": null, "tier": "gold", "days": 1 }), 404, "tier_unknown"),
            (json!({ "counts_from": "2027-01-01T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z" }), 422, "invalid_terms"),
            (json!({ "ends_at": "soon" }), 422, "invalid_body"),
        ] {
            let mut asked = base.clone();
            asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            operator.post("/api/v1/bonus-rules", asked.clone()).await.is(status, code);
        }
        operator.get("/api/v1/bonus-rules/x").await.is(404, "rule_unknown");
        operator.get("/api/v1/users/nobody/bonus").await.is(404, "user_unknown");
        assert_eq!(operator.get("/api/v1/bonus-rules").await.ok()["items"], json!([]));
        for _ in 0..50 {
            operator.post("/api/v1/bonus-rules", base.clone()).await.ok();
        }
        operator.post("/api/v1/bonus-rules", base).await.is(409, "too_many_rules");
    }

    async fn an_admin_writes_a_rule_without_code(app: TestApp) {
        let operator = without_trial(&app).await;
        redeem(&operator, "ann").await;
        app.mailbox().await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let page = admin.get("/admin/bonus").await;
        assert!(page.text(".empty").starts_with("There are no rules."));
        let typed = [("name_en", "Saver"), ("trigger", "coupons_redeemed"), ("threshold", "1"), ("reward", "badge"), ("letter", "s")];
        let form = "form[action='/admin/bonus']";
        let wrong = admin.submit(&page, form, &[("name_en", ""), ("threshold", "lots"), ("reward", "badge"), ("letter", "xy")]).await;
        assert_eq!(wrong.status, 422);
        assert_eq!(wrong.attribute("#threshold", "value").as_deref(), Some("lots"));
        assert_eq!(wrong.texts(".err").len(), 2);
        let preview = admin.submit(&page, form, &[&typed[..], &[("do", "preview")]].concat()).await;
        assert_eq!(preview.status, 200);
        let told = preview.text("#preview");
        for part in ["1 member has earned it already.", "ann@example.com", "They get nothing for it"] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(preview.attribute("#name_en", "value").as_deref(), Some("Saver"));
        assert_eq!(operator.get("/api/v1/bonus-rules").await.ok()["items"], json!([]), "nothing is made yet");
        let made = admin.submit(&preview, form, &[("before", "on"), ("do", "save")]).await;
        assert_eq!((made.status.as_u16(), made.location()), (303, "/admin/bonus?said=made"));
        app.mailbox().await;
        let list = admin.get("/admin/bonus?said=made").await;
        assert_eq!(list.text("tbody th a"), "Saver");
        assert_eq!(list.texts("tbody td")[..4], ["the first coupon", "badge S", "1", "everything so far"]);
        assert_eq!(list.text("tbody .badge"), "given");

        let path = list.attribute("tbody th a", "href").unwrap();
        let page = admin.get(&path).await;
        assert!(page.text("section:has(#awards) tbody").contains("ann@example.com"), "{}", page.body);
        assert!(page.attribute("#threshold", "value").is_none(), "the deal stays");
        let saved = admin.submit(&page, &format!("form[action='{path}']"), &[("name_en", "Thrifty"), ("until", "2030-12-31")]).await;
        assert_eq!(saved.location(), "/admin/bonus?said=changed", "{}", saved.body);
        let gone = admin.post(&format!("{path}/archive"), &[]).await;
        assert_eq!(gone.location(), "/admin/bonus?said=archived");
        let archived = admin.get("/admin/bonus?archived=1").await;
        assert!(archived.text("tbody").contains("Thrifty"));
        let mut member = app.signed_in("ann@example.com").await;
        assert!(member.get("/settings").await.text(".earned").contains("Thrifty"), "what it gave stays");
    }
}
