//! Which letters members want: chosen in the settings, by the link in a letter, or by an app.

use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{TestApp, on_both};

/// The words of the mail that was sent last.
async fn last_text(app: &TestApp) -> String {
    app.mailbox().await.remove(0).text
}

async fn give(app: &TestApp, user: &str) {
    app.env.clock.advance(TimeDelta::seconds(1));
    let path = format!("/api/v1/users/{user}/grants");
    app.operator().post(&path, json!({ "tier": "premium", "days": 2 })).await.ok();
}

/// The link at the foot of the letter that was sent last.
async fn link(app: &TestApp) -> String {
    let text = last_text(app).await;
    let link = text.lines().last().unwrap().strip_prefix("http://127.0.0.1:3000").unwrap().to_owned();
    assert!(link.starts_with("/unsubscribe/"), "{text}");
    link
}

on_both! {
    async fn members_choose_their_letters_in_the_settings(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let page = ann.get("/settings").await;
        let names = ["access", "referrals", "bonus"];
        for name in names {
            assert!(page.attribute(&format!("form[action='/settings/mails'] input[name={name}]"), "checked").is_some(), "{name}");
        }
        assert_eq!(page.texts("form[action='/settings/mails'] label").len(), 3, "the digest is for admins");
        let saved = ann.post("/settings/mails", &[("referrals", "on"), ("digest", "")]).await;
        assert_eq!(saved.location(), "/settings?said=mails-saved");
        let page = ann.get("/settings?said=mails-saved").await;
        assert!(page.text(".note").contains("Your choice of e-mails is saved."));
        let checked = names.map(|name| page.attribute(&format!("form[action='/settings/mails'] input[name={name}]"), "checked").is_some());
        assert_eq!(checked, [false, true, false]);
        let sent = app.mailbox().await.len();
        give(&app, "ann@example.com").await;
        assert_eq!(app.mailbox().await.len(), sent, "she does without");
        let preferences = app.operator().get("/api/v1/users/ann@example.com/mail-preferences").await.ok();
        assert_eq!(preferences, json!({ "access": false, "referrals": true, "bonus": false, "digest": null }));
    }

    async fn admins_choose_about_the_digest_too(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        assert_eq!(root.get("/settings").await.texts("form[action='/settings/mails'] label").len(), 4);
        root.post("/settings/mails", &[("access", "on")]).await;
        let preferences = app.operator().get("/api/v1/users/root@example.com/mail-preferences").await.ok();
        assert_eq!(preferences, json!({ "access": true, "referrals": false, "bonus": false, "digest": false }));
    }

    async fn apps_change_what_they_name_and_nothing_else(app: TestApp) {
        let operator = app.operator();
        operator.post("/api/v1/users", json!({ "external_id": "ann", "email": "ann@example.com" })).await.ok();
        let path = "/api/v1/users/ann/mail-preferences";
        let all = operator.put(path, json!({ "bonus": false })).await.ok();
        assert_eq!(all, json!({ "access": true, "referrals": true, "bonus": false, "digest": null }));
        operator.put(path, json!({ "bonus": "no" })).await.is(422, "invalid_body");
        operator.put("/api/v1/users/nobody/mail-preferences", json!({})).await.is(404, "user_unknown");
        operator.get("/api/v1/users/nobody/mail-preferences").await.is(404, "user_unknown");
        assert_eq!(operator.put(path, json!({})).await.ok(), all);
    }

    async fn a_link_is_good_for_its_reader_and_its_kind_only(app: TestApp) {
        app.signed_in("ann@example.com").await;
        give(&app, "ann@example.com").await;
        let link = link(&app).await;
        let mut stranger = app.browser();
        assert_eq!(stranger.get(&link).await.status, 200, "whoever has it may");
        let token = link.strip_prefix("/unsubscribe/").unwrap();
        let mut wrong: Vec<String> = (0..token.len())
            .map(|at| {
                let mut bytes = token.as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                format!("/unsubscribe/{}", String::from_utf8(bytes).unwrap())
            })
            .collect();
        wrong.extend(["/unsubscribe/x".to_owned(), format!("{link}A"), format!("/unsubscribe/{}", &token[1..])]);
        for wrong in wrong {
            for page in [stranger.get(&wrong).await, stranger.post(&wrong, &[("wanted", "no")]).await] {
                assert_eq!(page.status, 404, "{wrong}");
                assert_eq!(page.text("h1"), "This link is not complete");
            }
        }
        // Neither does nonsense change anything.
        for field in [("wanted", ""), ("wanted", "maybe"), ("x", "no"), ("List-Unsubscribe", "Two-Clicks")] {
            assert_eq!(stranger.post(&link, &[field]).await.status, 422, "{field:?}");
        }
        let preferences = app.operator().get("/api/v1/users/ann@example.com/mail-preferences").await.ok();
        assert_eq!(preferences["access"], true);
        let done = stranger.post(&link, &[("wanted", "no")]).await;
        assert_eq!(done.location(), link);
        let page = stranger.get(&link).await;
        assert!(page.text("main p").contains("You get no more e-mails about: Your access."), "{}", page.body);
        let german = app.browser().with_header("accept-language", "de").get(&link).await;
        assert!(german.text("main p").contains("Sie bekommen keine E-Mails mehr zu: Ihr Zugang."), "{}", german.body);
    }

    async fn a_letter_to_somebody_who_is_gone_is_not_sent(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let sent = app.mailbox().await.len();
        give(&app, "ann@example.com").await;
        app.execute("UPDATE users SET email = 'changed@example.com', email_key = 'changed@example.com' WHERE email = 'ann@example.com'").await;
        assert_eq!(app.mailbox().await.len(), sent);
        let mail = app.operator().get("/api/v1/mails?limit=1").await.ok()["items"][0].clone();
        assert_eq!((mail["state"].as_str(), mail["skipped_because"].as_str()), (Some("skipped"), Some("nobody")), "{mail}");
    }
}
