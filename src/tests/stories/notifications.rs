//! What admins are told: raised with its cause, read by each, mailed once a day, told to a chat.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::{
    domain::{
        ids::UserId,
        notification::{Kind, Occurrence},
        partner::PartnerDetails,
        user::Role,
    },
    services::{members, notifications, partners},
};

use crate::harness::{Client, TestApp, on_both};

/// Raises a notification, as a journey does.
async fn raise(app: &TestApp, occurrence: Occurrence) {
    let mut tx = app.env.db.begin().await.unwrap();
    notifications::raise(&app.env, &mut tx.conn(), occurrence).await.unwrap();
    tx.commit().await.unwrap();
}

fn used_up(code: &str) -> Occurrence {
    Occurrence::CouponUsedUp { code: code.to_owned(), redemptions: 3 }
}

/// What is unread for all, by kind and how often; that there is an admin is known.
async fn unread(operator: &Client) -> Vec<(String, i64)> {
    let all = operator.all_pages("/api/v1/notifications?unread=true", 10).await;
    let told = |one: &Value| (one["kind"].as_str().unwrap().to_owned(), one["count"].as_i64().unwrap());
    let mut told: Vec<(String, i64)> = all.iter().map(told).filter(|(kind, _)| kind != "admin_added").collect();
    told.sort();
    told
}

on_both! {
    async fn a_contract_that_ends_soon_is_told_once_and_again_when_it_ends_later(app: TestApp) {
        let operator = app.operator();
        let ends_in = |days| PartnerDetails {
            name: "Gym".to_owned(),
            contract_until: Some(app.env.clock.now() + TimeDelta::days(days)),
            ..PartnerDetails::default()
        };
        let gym = partners::create(&app.env, ends_in(31), "operator").await.unwrap();
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(unread(&operator).await, []);
        for _ in 0..3 {
            app.env.clock.advance(TimeDelta::days(1));
            app.runner.do_what_is_due().await.unwrap();
        }
        let once = |count| [("partner_ending".to_owned(), count)];
        assert_eq!(unread(&operator).await, once(1));
        partners::change(&app.env, gym.id, ends_in(30), false, "operator").await.unwrap();
        app.env.clock.advance(TimeDelta::days(1));
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(unread(&operator).await, once(2));
    }

    async fn each_admin_reads_for_themselves_and_the_bar_counts(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        assert!(root.get("/admin/notifications").await.text(".empty").starts_with("Nothing needs you."));
        let mut second = app.signed_in_admin("second@example.com").await;
        // Root hears of the second admin, who knows it already. An admin's session is short.
        root = app.signed_in("root@example.com").await;
        assert_eq!(root.get("/admin/users").await.text(".rooms .badge"), "1 unread");
        assert_eq!(second.get("/admin/users").await.text(".rooms .badge"), "1 unread", "there was one before");
        second.post("/admin/notifications/read", &[]).await;
        assert_eq!(second.get("/admin/users").await.text(".rooms .badge"), "");
        for code in ["SUMMER", "WINTER", "SUMMER"] {
            raise(&app, used_up(code)).await;
            app.env.clock.advance(TimeDelta::seconds(1));
        }
        assert_eq!(second.get("/admin/users").await.text(".rooms .badge"), "2 unread");
        assert_eq!(second.get("/settings").await.text(".rooms .badge"), "", "members' pages have no such bar");
        let page = second.get("/admin/notifications").await;
        assert_eq!(page.texts("tbody tr").len(), 2);
        assert_eq!(page.text("tbody tr:last-child th a"), "Coupon used up");
        assert_eq!(page.text("tbody tr:last-child th small"), "SUMMER");
        assert!(page.text("tbody tr:last-child").contains("2 times since"), "{}", page.text("tbody"));
        let action = page.attribute("tbody tr:last-child form", "action").unwrap();
        assert_eq!(second.post(&action, &[]).await.location(), "/admin/notifications?said=read");
        assert_eq!(second.get("/admin/notifications").await.texts("tbody tr").len(), 1);
        assert_eq!(second.get("/admin/notifications?show=all").await.texts("tbody tr").len(), 4);
        assert_eq!(root.get("/admin/notifications").await.texts("tbody tr").len(), 3, "he has read none");
        // What happens after the page was made stays new.
        let page = root.get("/admin/notifications").await;
        app.env.clock.advance(TimeDelta::seconds(5));
        raise(&app, used_up("SUMMER")).await;
        let all = root.submit(&page, "form[action='/admin/notifications/read']", &[]).await;
        assert_eq!(all.location(), "/admin/notifications?said=all-read");
        assert_eq!(root.get("/admin/users").await.text(".rooms .badge"), "1 unread");
    }

    async fn apps_and_operators_mark_for_all(app: TestApp) {
        let operator = app.operator();
        for code in ["SUMMER", "WINTER"] {
            raise(&app, used_up(code)).await;
        }
        assert_eq!(unread(&operator).await, vec![("coupon_used_up".to_owned(), 1); 2]);
        let first = operator.get("/api/v1/notifications?limit=1").await.ok()["items"][0].clone();
        assert_eq!((&first["title"], &first["path"]), (&json!("Coupon used up"), &json!("/admin/coupons")));
        let path = format!("/api/v1/notifications/{}/read", first["id"].as_str().unwrap());
        assert_eq!(operator.post(&path, json!({})).await.ok()["read"], true);
        assert_eq!(unread(&operator).await.len(), 1);
        let mut root = app.signed_in_admin("root@example.com").await;
        assert_eq!(root.get("/admin/users").await.text(".rooms .badge"), "1 unread");
        assert_eq!(operator.post("/api/v1/notifications/read", json!({})).await.ok()["marked"], 2, "and that there is an admin");
        assert_eq!(root.get("/admin/users").await.text(".rooms .badge"), "");
        operator.post("/api/v1/notifications/x/read", json!({})).await.is(404, "notification_unknown");
        let nobodys = "/api/v1/notifications/0192f0c1-2345-7abc-8def-0123456789ab/read";
        operator.post(nobodys, json!({})).await.is(404, "notification_unknown");
    }

    async fn a_kind_is_told_only_by_the_ways_that_are_chosen(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let operator = app.operator();
        let page = root.get("/admin/notifications/settings").await;
        assert_eq!(page.texts("tbody tr").len(), Kind::ALL.len());
        let off = json!({ "kinds": [{ "kind": "coupon_used_up", "in_app": false, "digest": false, "webhook": false }] });
        let settings = operator.put("/api/v1/notifications/settings", off).await.ok();
        assert_eq!(settings["kinds"].as_array().unwrap().len(), Kind::ALL.len());
        raise(&app, used_up("SUMMER")).await;
        assert_eq!(unread(&operator).await, []);
        // By form: what is not ticked is off.
        let ticked = [("way", "coupon_used_up.in_app"), ("way", "member_deleted.digest"), ("way", "nonsense")];
        let saved = root.post("/admin/notifications/settings", &ticked).await;
        assert_eq!(saved.location(), "/admin/notifications/settings?said=saved");
        let settings = operator.get("/api/v1/notifications/settings").await.ok();
        let of = |kind: &str| settings["kinds"].as_array().unwrap().iter().find(|one| one["kind"] == kind).unwrap().clone();
        assert_eq!(of("coupon_used_up"), json!({ "kind": "coupon_used_up", "in_app": true, "digest": false, "webhook": false }));
        assert_eq!(of("member_deleted"), json!({ "kind": "member_deleted", "in_app": false, "digest": true, "webhook": false }));
        raise(&app, used_up("SUMMER")).await;
        let somebody: UserId = "0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap();
        raise(&app, Occurrence::MemberDeleted { user: somebody }).await;
        assert_eq!(unread(&operator).await, [("coupon_used_up".to_owned(), 1)], "the other is in the mail alone");
        let log = operator.all_pages("/api/v1/activity", 100).await;
        assert_eq!(log.iter().filter(|line| line["action"] == "notification_settings_changed").count(), 2);
    }

    async fn the_address_of_the_chat_is_a_secret(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let operator = app.operator();
        for bad in ["not an address", "http://example.com/x", "https://127.0.0.1/x", "https://10.0.0.1/", "https://a:b@example.com/", "ftp://example.com/"] {
            let page = root.post("/admin/notifications/settings", &[("way", "coupon_used_up.in_app"), ("address", bad)]).await;
            assert_eq!(page.status, 422, "{bad}");
            assert_eq!(page.attribute("#address", "value").as_deref(), Some(bad));
            assert!(page.text("#address-error").starts_with("Enter an address"));
            assert!(page.attribute("input[value='coupon_used_up.in_app']", "checked").is_some(), "what was ticked stays");
            operator.put("/api/v1/notifications/settings", json!({ "chat_url": bad })).await.is(422, "invalid_url");
        }
        let long = format!("https://example.com/{}", "x".repeat(2_000));
        operator.put("/api/v1/notifications/settings", json!({ "chat_url": long })).await.is(422, "invalid_url");
        let secret = "https://hooks.slack.example/services/T0/B0/canary-8472";
        let set = operator.put("/api/v1/notifications/settings", json!({ "chat_url": secret })).await;
        assert_eq!(set.ok()["chat"], json!({ "host": "hooks.slack.example", "shape": "slack" }));
        let pages = [
            set.body.clone(),
            root.get("/admin/notifications/settings").await.body,
            operator.get("/api/v1/activity").await.body,
            operator.get("/api/v1/notifications/settings").await.body,
        ];
        for shown in pages {
            assert!(!shown.contains("canary-8472"), "{shown}");
        }
        assert_eq!(app.execute("UPDATE notification_chats SET shape = shape WHERE url LIKE '%canary-8472%'").await, 0, "nor at rest");
        let removed = root.post("/admin/notifications/settings", &[("remove", "on")]).await;
        assert_eq!(removed.status, 303);
        assert_eq!(operator.get("/api/v1/notifications/settings").await.ok()["chat"], Value::Null);
    }

    async fn admins_get_one_mail_a_day_when_something_is_unread(app: TestApp) {
        let root = app.signed_in_admin("root@example.com").await;
        drop(root);
        app.operator().put("/api/v1/settings/admin_digest_hour", json!({ "value": 18 })).await.ok();
        let digests = async || {
            let mails = app.mailbox().await;
            mails.iter().filter(|mail| mail.to == "root@example.com" && mail.text.contains("/admin/notifications")).count()
        };
        assert_eq!(notifications::send_digests(&app.env).await.unwrap(), 0, "it is ten o’clock");
        app.env.clock.advance(TimeDelta::hours(9));
        assert_eq!(notifications::send_digests(&app.env).await.unwrap(), 0, "there is nothing to tell");
        raise(&app, used_up("SUMMER")).await;
        let other = app.another_node();
        let (one, two) = tokio::join!(notifications::send_digests(&app.env), notifications::send_digests(&other));
        assert_eq!(one.unwrap() + two.unwrap(), 1, "whichever node is first");
        assert_eq!(digests().await, 1);
        let mails = app.mailbox().await;
        let mail = mails.iter().find(|mail| mail.text.contains("Coupon used up")).unwrap();
        assert!(!mail.text.contains("SUMMER"), "what it is about is behind the sign-in");
        app.env.clock.advance(TimeDelta::hours(23));
        assert_eq!(notifications::send_digests(&app.env).await.unwrap(), 1, "it is still unread");
        app.operator().post("/api/v1/notifications/read", json!({})).await.ok();
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(notifications::send_digests(&app.env).await.unwrap(), 0);
    }

    async fn a_coupon_that_is_used_up_is_told_once(app: TestApp) {
        let operator = app.operator();
        for (kind, most) in [("period", 2), ("single_use", 1)] {
            let asked = json!({ "type": kind, "tier": "basic", "duration_days": 1, "max_redemptions": most, "code": kind.replace('_', "") });
            operator.post("/api/v1/coupons", asked).await.ok();
        }
        for (user, code) in [("ann", "period"), ("ann", "singleuse"), ("bob", "period")] {
            operator.post("/api/v1/users", json!({ "external_id": user })).await.ok();
            assert_eq!(unread(&operator).await, [], "before {user}");
            operator.post(&format!("/api/v1/coupons/{code}/redeem"), json!({ "user": user })).await.ok();
        }
        operator.post("/api/v1/users", json!({ "external_id": "eve" })).await.ok();
        operator.post("/api/v1/coupons/period/redeem", json!({ "user": "eve" })).await.is(410, "coupon_used_up");
        assert_eq!(unread(&operator).await, [("coupon_used_up".to_owned(), 1)]);
    }

    async fn what_happens_is_told_with_its_cause(app: TestApp) {
        let operator = app.operator();
        app.signed_in("ann@example.com").await;
        let ann = app.member("ann@example.com").await.id;
        members::set_role(&app.env, ann, Role::Admin, "operator").await.unwrap();
        assert_eq!(operator.get("/api/v1/notifications").await.ok()["items"][0]["kind"], "admin_added");
        // A mail that nobody can write is given up at once.
        app.execute("UPDATE mails SET letter = '{\"letter\":\"from_the_future\"}'").await;
        app.execute("UPDATE jobs SET finished_at = NULL, run_at = created_at WHERE kind = 'send_mail'").await;
        app.execute("UPDATE mails SET sent_at = NULL").await;
        for _ in 0..30 {
            app.runner.run_until_idle().await.unwrap();
            app.env.clock.advance(TimeDelta::days(6));
        }
        let told = unread(&operator).await;
        assert!(told.iter().any(|(kind, _)| kind == "mail_given_up"), "{told:?}");
    }
}

/// A chat that keeps what it is told, and answers with a status.
async fn chat(status: StatusCode) -> (String, Arc<Mutex<Vec<Value>>>) {
    type Heard = Arc<Mutex<Vec<Value>>>;
    let heard: Heard = Arc::default();
    let listen = async move |State(heard): State<Heard>, body: Bytes| {
        heard.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        status
    };
    let router = Router::new().route("/hook", post(listen)).with_state(heard.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, heard)
}

on_both! {
    async fn a_chat_is_told_of_what_is_new_in_its_own_shape(app: TestApp) {
        let app = app.reaching_inside();
        let operator = app.operator();
        let (address, heard) = chat(StatusCode::OK).await;
        for (shape, member) in [("slack", "text"), ("discord", "content")] {
            let chat = json!({ "chat_url": address, "chat_shape": shape });
            operator.put("/api/v1/notifications/settings", chat).await.ok();
            operator.post("/api/v1/notifications/read", json!({})).await.ok();
            for _ in 0..2 {
                raise(&app, used_up("SUMMER")).await;
                app.runner.run_until_idle().await.unwrap();
            }
            let heard = std::mem::take(&mut *heard.lock().unwrap());
            assert_eq!(heard.len(), 1, "the same again is not told again");
            let text = heard[0][member].as_str().unwrap();
            assert!(text.contains("Coupon used up: SUMMER\nhttp://") && text.ends_with("/admin/coupons"), "{text}");
        }
    }

    async fn a_chat_that_refuses_is_given_up_and_told_of_elsewhere(app: TestApp) {
        let app = app.reaching_inside();
        let operator = app.operator();
        let (address, heard) = chat(StatusCode::NOT_FOUND).await;
        operator.put("/api/v1/notifications/settings", json!({ "chat_url": address })).await.ok();
        raise(&app, used_up("SUMMER")).await;
        app.runner.run_until_idle().await.unwrap();
        assert_eq!(heard.lock().unwrap().len(), 1);
        let told = unread(&operator).await;
        assert_eq!(told, [("coupon_used_up".to_owned(), 1), ("job_given_up".to_owned(), 1)]);
        let errors = app.execute("UPDATE jobs SET attempts = attempts WHERE last_error LIKE '%/hook%'").await;
        assert_eq!(errors, 0, "its address is in no log");
    }
}
