//! Invitations: sent, accepted, refused, counted.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use vouchsafe::{
    domain::{email::EmailAddress, lang::Lang, login::LoginCode},
    services::{
        Origin, grants, invitations,
        login::{self, BroughtBy},
    },
};

use super::sign_up::set;
use crate::harness::{Browser, Page, TestApp, on_both};

/// The path of the link in the last invitation to an address.
async fn link(app: &TestApp, email: &str) -> String {
    let mails = app.mailbox().await;
    let mut theirs = mails.iter().filter(|mail| mail.to == email);
    let found = theirs.find_map(|mail| {
        let (_, rest) = mail.text.split_once("/invitation/")?;
        Some(format!("/invitation/{}", rest.split_whitespace().next()?))
    });
    found.unwrap_or_else(|| panic!("no invitation to {email}"))
}

/// Follows the link in the mail, and comes in.
async fn accept(app: &TestApp, browser: &mut Browser, email: &str) -> Page {
    let link = link(app, email).await;
    app.env.clock.advance(TimeDelta::seconds(1));
    let opened = browser.get(&link).await;
    assert_eq!(opened.status, 200, "{}", opened.body);
    let asked = browser.submit(&opened, &format!("form[action='{link}']"), &[]).await;
    assert_eq!(asked.location(), "/verify", "{}", asked.body);
    let code = app.code_for(email).await;
    browser.post("/verify", &[("code", &code)]).await
}

async fn listed(app: &TestApp) -> Vec<Value> {
    app.operator().all_pages("/api/v1/invitations", 2).await
}

fn origin() -> Origin {
    Origin {
        address: "192.0.2.1".parse().unwrap(),
        network: "192.0.2.1".to_owned(),
        user_agent: "Firefox".to_owned(),
        lang: Lang::En,
    }
}

on_both! {
    async fn an_invited_person_comes_in_through_a_closed_door_and_finds_what_was_given(app: TestApp) {
        set(&app, "self_registration_enabled", "false").await;
        let operator = app.operator();
        operator.post("/api/v1/users", json!({ "email": "root@example.com" })).await.ok();
        let mut admin = app.signed_in_admin("root@example.com").await;
        let form = [
            ("emails", "Bob <Bob@example.com>, bob@EXAMPLE.com\ncem@example.com"),
            ("tier", "premium"),
            ("days", "30"),
            ("note", "See you <b>soon</b>"),
            ("lang", "en"),
        ];
        let sent = admin.post("/admin/invitations", &form).await;
        assert_eq!(sent.location(), "/admin/invitations?said=sent&count=2", "{}", sent.body);
        assert_eq!(admin.get(sent.location()).await.text(".note"), "2 invitations are sent.");

        let mail = app.mailbox().await.into_iter().find(|mail| mail.to == "Bob@example.com").unwrap();
        assert!(mail.subject.starts_with("You are invited to"), "{}", mail.subject);
        assert!(mail.text.contains("30 days of Premium are waiting") && mail.text.contains("See you <b>soon</b>"));
        assert!(!mail.text.contains("root@example.com"), "an admin's address stays inside");

        let mut bob = app.browser();
        let opened = bob.get(&link(&app, "Bob@example.com").await).await;
        assert!(opened.text("form.sheet").contains("30 days of Premium are waiting for you."), "{}", opened.body);
        assert!(opened.body.contains("See you &lt;b>soon") || opened.body.contains("See you &lt;b&gt;soon"));
        let came = accept(&app, &mut bob, "Bob@example.com").await;
        assert_eq!(came.location(), "/settings?said=invited", "{}", came.body);
        let page = bob.get(came.location()).await;
        assert!(page.text(".note").contains("accepted the invitation"), "{}", page.body);
        let id = app.member("bob@example.com").await.id;
        let given = grants::list(&app.env, id).await.unwrap();
        assert_eq!(given.len(), 1);
        assert_eq!((given[0].grant.tier.as_str(), given[0].grant.reason.as_deref()), ("premium", Some("invitation")));
        assert_eq!(given[0].grant.granted_by, "root@example.com");

        let mut rows = listed(&app).await;
        // Those of one instant have no order.
        rows.sort_by_key(|row| std::cmp::Reverse(row["state"].to_string()));
        assert_eq!((&rows[0]["state"], &rows[1]["state"]), (&json!("open"), &json!("accepted")));
        assert_eq!((&rows[1]["accepted_by"], &rows[1]["invited_by"]), (&json!(id), &json!("root@example.com")));
        // Cem has lost the mail, but his mailbox is his: the plain way in is open to him, too.
        app.sign_in(&mut app.browser(), "cem@example.com", "").await;
        assert_eq!(grants::list(&app.env, app.member("cem@example.com").await.id).await.unwrap().len(), 1);
        let shown = admin.get("/admin/invitations?state=accepted").await;
        assert_eq!(shown.texts("tbody .badge"), ["Accepted", "Accepted"]);
        // Nobody else comes in by that.
        let mut eve = app.browser();
        eve.post("/login", &[("email", "eve@example.com")]).await;
        assert!(app.mailbox().await.iter().any(|mail| mail.to == "eve@example.com" && mail.subject.starts_with("No ")));
    }

    async fn each_way_in_which_a_link_is_no_good_has_a_page_of_its_own(app: TestApp) {
        let operator = app.operator();
        let mut stranger = app.browser();
        for bad in ["/invitation/x", "/invitation/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/invitation/%00"] {
            let page = stranger.get(bad).await;
            assert_eq!((page.status.as_u16(), page.text("h1").as_str()), (404, "This link leads nowhere"), "{bad}");
            assert_eq!(stranger.post(bad, &[]).await.status, 404);
        }
        operator.post("/api/v1/invitations", json!({ "email": "bob@example.com" })).await.ok();
        let bobs = link(&app, "bob@example.com").await;
        let mut forged = bobs.clone();
        let last = if forged.ends_with('A') { "E" } else { "A" };
        forged.replace_range(forged.len() - 1.., last);
        assert_eq!(stranger.get(&forged).await.status, 404, "one letter makes another link");

        let mut ann = app.signed_in("ann@example.com").await;
        let page = ann.get(&bobs).await;
        assert_eq!(page.text("h1"), "This invitation is for another address");
        assert!(page.text(".sheet").contains("bob@example.com, and you are signed in as ann@example.com"));
        assert_eq!(ann.post(&bobs, &[]).await.status, 409);

        let mut bob = app.browser();
        assert_eq!(accept(&app, &mut bob, "bob@example.com").await.status, 303);
        let page = stranger.get(&bobs).await;
        assert_eq!((page.status.as_u16(), page.text("h1").as_str()), (410, "This invitation has been accepted"));
        assert_eq!(bob.get(&bobs).await.location(), "/settings");
        assert_eq!(stranger.post(&bobs, &[]).await.status, 410);

        let made = operator.post("/api/v1/invitations", json!({ "email": "cem@example.com" })).await.ok();
        let cems = link(&app, "cem@example.com").await;
        let id = made["id"].as_str().unwrap();
        assert_eq!(operator.delete(&format!("/api/v1/invitations/{id}")).await.ok()["state"], "revoked");
        assert_eq!(operator.delete(&format!("/api/v1/invitations/{id}")).await.ok()["state"], "revoked", "twice");
        let page = stranger.get(&cems).await;
        assert_eq!((page.status.as_u16(), page.text("h1").as_str()), (410, "This invitation was taken back"));

        operator.post("/api/v1/invitations", json!({ "email": "dora@example.com" })).await.ok();
        let doras = link(&app, "dora@example.com").await;
        app.env.clock.advance(TimeDelta::days(14));
        let page = stranger.get(&doras).await;
        assert_eq!((page.status.as_u16(), page.text("h1").as_str()), (410, "This invitation has expired"));
    }

    async fn an_invitation_that_is_taken_back_meanwhile_lets_nobody_in(app: TestApp) {
        let operator = app.operator();
        let gift = json!({ "email": "bob@example.com", "tier": "premium", "days": 30 });
        let made = operator.post("/api/v1/invitations", gift).await.ok();
        let path = format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
        let mut bob = app.browser();
        let opened = link(&app, "bob@example.com").await;
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(bob.post(&opened, &[]).await.location(), "/verify");
        let code = app.code_for("bob@example.com").await;
        operator.delete(&path).await.ok();
        set(&app, "self_registration_enabled", "false").await;
        let page = bob.post("/verify", &[("code", &code)]).await;
        assert_eq!(page.status, 422);
        assert!(page.text(".alert").contains("by invitation only"), "{}", page.body);
        set(&app, "self_registration_enabled", "true").await;
        let page = bob.post("/verify", &[("code", &code)]).await;
        assert_eq!(page.location(), "/settings?said=invitation-over", "{}", page.body);
        assert!(grants::list(&app.env, app.member("bob@example.com").await.id).await.unwrap().is_empty());
    }

    async fn a_members_invitation_is_a_referral_and_has_its_allowances(app: TestApp) {
        set(&app, "invitations_per_member", "2").await;
        let mut ann = app.signed_in("ann@example.com").await;
        assert_eq!(ann.get("/settings").await.text("#invite-by-mail"), "Invite by e-mail");
        let sent = ann.post("/settings/invitations", &[("email", "bob@example.com")]).await;
        assert_eq!(sent.location(), "/settings/invitations?said=sent", "{}", sent.body);
        assert!(ann.get("/settings").await.text(".sessions").contains("bob@example.com"));
        let mail = app.mailbox().await.into_iter().find(|mail| mail.to == "bob@example.com").unwrap();
        assert!(mail.subject.starts_with("ann@example.com invites you"), "{}", mail.subject);

        let typed = ann.post("/settings/invitations", &[("email", "bob@example")]).await;
        assert_eq!(typed.status, 422);
        assert!(typed.text("#email-error").contains("ending"), "{}", typed.body);
        assert_eq!(typed.attribute("#email", "value").as_deref(), Some("bob@example"));
        let again = ann.post("/settings/invitations", &[("email", "BOB@example.com")]).await;
        assert!(again.status == 422 && again.text("#email-error").contains("open invitation"), "{}", again.body);
        // Whether somebody is a member is nobody's business: the answer is the same.
        app.signed_in("member@example.com").await;
        let known = ann.post("/settings/invitations", &[("email", "member@example.com")]).await;
        assert_eq!(known.location(), "/settings/invitations?said=sent");
        let third = ann.post("/settings/invitations", &[("email", "cem@example.com")]).await;
        assert_eq!(third.status, 429);
        assert!(third.headers.contains_key("retry-after") && third.text("#email-error").contains("enough for today"));
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(ann.post("/settings/invitations", &[("email", "cem@example.com")]).await.status, 303);

        let mut bob = app.browser();
        assert_eq!(accept(&app, &mut bob, "bob@example.com").await.location(), "/settings?said=invited");
        let referrals = app.operator().get("/api/v1/referrals").await.ok();
        let (anns, bobs) = (app.member("ann@example.com").await.id, app.member("bob@example.com").await.id);
        assert_eq!(referrals["items"][0]["referrer"], json!(anns));
        assert_eq!(referrals["items"][0]["referred"], json!(bobs));
        let mails = app.mailbox().await;
        assert!(mails.iter().any(|mail| mail.to == "ann@example.com" && mail.subject.contains("was accepted")));

        // What is not hers is as unknown as what is not there.
        let other = app.operator().post("/api/v1/invitations", json!({ "email": "dora@example.com" })).await.ok();
        let id = other["id"].as_str().unwrap();
        for button in ["/settings/invitations/resend", "/settings/invitations/revoke"] {
            assert_eq!(ann.post(button, &[("invitation", id)]).await.status, 404, "{button}");
        }
        let hers = listed(&app).await.into_iter().find(|row| row["email"] == "cem@example.com").unwrap();
        let hers = hers["id"].as_str().unwrap();
        let too_soon = ann.post("/settings/invitations/resend", &[("invitation", hers)]).await;
        assert!(too_soon.status == 429 && too_soon.text(".alert").contains("just gone out"), "{}", too_soon.body);
        let revoked = ann.post("/settings/invitations/revoke", &[("invitation", hers)]).await;
        assert_eq!(revoked.location(), "/settings/invitations?said=revoked");

        set(&app, "invitations_by_members", "false").await;
        let refused = ann.post("/settings/invitations", &[("email", "emil@example.com")]).await;
        assert!(refused.status == 403 && refused.text(".alert").contains("do not send invitations"), "{}", refused.body);
        let page = ann.get("/settings").await;
        assert!(page.attribute("#invite-by-mail", "id").is_some(), "one of hers is open still");
        assert_eq!(page.attribute("form[action='/settings/invitations']", "method"), None);
    }

    async fn nobody_gets_more_than_three_mails_a_month(app: TestApp) {
        let operator = app.operator();
        let body = json!({ "email": "bob@example.com" });
        let made = operator.post("/api/v1/invitations", body.clone()).await.ok();
        operator.post("/api/v1/invitations", body.clone()).await.is(409, "invitation_open");
        let path = format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
        let resend = || async { operator.post(&format!("{path}/resend"), json!({})).await };
        let soon = resend().await;
        soon.is(429, "too_soon");
        assert_eq!(soon.header("retry-after"), "600");
        let first = link(&app, "bob@example.com").await;
        for _ in 0..2 {
            app.env.clock.advance(TimeDelta::hours(1));
            resend().await.ok();
            // A mail whose successor is under way is not sent any more.
            app.mailbox().await;
        }
        assert_eq!(link(&app, "bob@example.com").await, first, "the link stays as it was");
        app.env.clock.advance(TimeDelta::hours(1));
        resend().await.is(429, "too_many_mails");
        // Nor by another invitation, by whomever.
        operator.delete(&path).await.ok();
        operator.post("/api/v1/invitations", body.clone()).await.is(429, "too_many_mails");
        let mut ann = app.signed_in("ann@example.com").await;
        let refused = ann.post("/settings/invitations", &[("email", "bob@example.com")]).await;
        assert!(refused.text("#email-error").contains("three mails"), "{}", refused.body);
        let mails = app.mailbox().await;
        assert_eq!(mails.iter().filter(|mail| mail.to == "bob@example.com").count(), 3);
        app.env.clock.advance(TimeDelta::days(31));
        operator.post("/api/v1/invitations", body).await.ok();
    }

    async fn taking_back_and_inviting_anew_is_no_way_around_the_limits(app: TestApp) {
        let operator = app.operator();
        let body = json!({ "email": "bob@example.com" });
        let invite = || async { operator.post("/api/v1/invitations", body.clone()).await };
        let path = |made: &Value| format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
        let first = path(&invite().await.ok());
        operator.delete(&first).await.ok();
        app.env.clock.advance(TimeDelta::minutes(1));
        let soon = invite().await;
        soon.is(429, "too_soon");
        assert_eq!(soon.header("retry-after"), "540");
        let mut ann = app.signed_in("ann@example.com").await;
        let refused = ann.post("/settings/invitations", &[("email", "bob@example.com")]).await;
        assert!(refused.status == 429 && refused.text("#email-error").contains("in 9 min."), "{}", refused.body);
        let mut admin = app.signed_in_admin("root@example.com").await;
        // A day later: the second, which is sent again until it is three weeks old.
        let second = path(&invite().await.ok());
        let refused = admin.post("/admin/invitations", &[("emails", "bob@example.com")]).await;
        assert!(refused.text(".alert").contains("open invitation"), "{}", refused.body);
        operator.delete(&second).await.ok();
        let refused = admin.post("/admin/invitations", &[("emails", "bob@example.com")]).await;
        assert!(refused.text(".alert").contains("in 10 min."), "{}", refused.body);
        assert_eq!(app.mailbox().await.iter().filter(|mail| mail.to == "bob@example.com").count(), 0, "both were taken back");

        let body = json!({ "email": "cem@example.com" });
        let path = path(&operator.post("/api/v1/invitations", body.clone()).await.ok());
        for _ in 0..2 {
            app.env.clock.advance(TimeDelta::days(13));
            operator.post(&format!("{path}/resend"), json!({})).await.ok();
            app.mailbox().await;
        }
        // The invitation is older than thirty days, its mails are not.
        app.env.clock.advance(TimeDelta::days(6));
        operator.delete(&path).await.ok();
        operator.post("/api/v1/invitations", body.clone()).await.is(429, "too_many_mails");
        app.env.clock.advance(TimeDelta::days(25));
        operator.post("/api/v1/invitations", body).await.ok();
    }

    async fn a_clock_that_was_ahead_keeps_nobody_from_inviting_once_it_is_right(app: TestApp) {
        set(&app, "invitations_per_member", "3").await;
        app.env.clock.advance(TimeDelta::days(45));
        let mut ann = app.signed_in("ann@example.com").await;
        for number in 0..3 {
            let sent = ann.post("/settings/invitations", &[("email", &format!("bob{number}@example.com"))]).await;
            assert_eq!(sent.status, 303, "{}", sent.body);
        }
        app.env.clock.advance(-TimeDelta::days(45));
        // A mailbox shows first what was sent last.
        app.execute("DELETE FROM mails").await;
        let mut ann = app.signed_in("ann@example.com").await;
        let sent = ann.post("/settings/invitations", &[("email", "cem@example.com")]).await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        let made = listed(&app).await.into_iter().find(|row| row["email"] == "bob0@example.com").unwrap();
        let path = format!("/api/v1/invitations/{}", made["id"].as_str().unwrap());
        app.operator().post(&format!("{path}/resend"), json!({})).await.ok();
    }

    async fn an_invitation_that_is_accepted_twice_at_once_gives_once(app: TestApp) {
        let node = app.another_node();
        for round in 0..5 {
            let email = format!("bob{round}@example.com");
            let operator = app.operator();
            let gift = json!({ "email": email, "tier": "premium", "days": 30 });
            let made = operator.post("/api/v1/invitations", gift).await.ok();
            let invitation = made["id"].as_str().unwrap().parse().unwrap();
            let address = EmailAddress::parse(&email).unwrap();
            let mut flows = Vec::new();
            for _ in 0..3 {
                app.env.clock.advance(TimeDelta::minutes(1));
                let attempt = login::request_code(&app.env, &address, &origin()).await.unwrap();
                flows.push((attempt, LoginCode::parse(&app.code_for(&email).await).unwrap()));
            }
            let barrier = Arc::new(Barrier::new(flows.len()));
            let mut racing = tokio::task::JoinSet::new();
            for (number, (attempt, code)) in flows.into_iter().enumerate() {
                // Two nodes.
                let env = if number == 0 { node.clone() } else { app.env.clone() };
                let barrier = barrier.clone();
                racing.spawn(async move {
                    barrier.wait().await;
                    let brought_by = BroughtBy { invitation: Some(invitation), ..BroughtBy::default() };
                    login::verify_code(&env, attempt, &code, brought_by, &origin()).await.unwrap().accepted
                });
            }
            let accepted = racing.join_all().await;
            assert_eq!(accepted.iter().filter(|accepted| **accepted == Some(true)).count(), 1, "{accepted:?}");
            let id = app.member(&email).await.id;
            assert_eq!(grants::list(&app.env, id).await.unwrap().len(), 1);
            app.env.clock.advance(TimeDelta::days(1));
        }
    }

    async fn of_many_pasted_addresses_those_that_cannot_be_invited_come_back(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let emails = "ann@example.com\nnobody\nbob@example.com\r\nbob@example.com";
        let page = admin.post("/admin/invitations", &[("emails", emails), ("note", "Hello")]).await;
        assert_eq!(page.status, 422);
        assert!(page.text(".alert").starts_with("1 sent. These were not"), "{}", page.body);
        assert_eq!(page.texts(".alert li").len(), 2);
        assert!(page.texts(".alert li")[1].contains("ann@example.com: This address is a member's already."));
        assert_eq!(page.text("#emails"), "nobody ann@example.com");
        assert_eq!(page.text("#note"), "Hello");
        for (fields, field, says) in [
            (&[("emails", "")][..], "#emails-error", "at least one"),
            (&[("emails", "x@example.com"), ("tier", "premium")], "#days-error", "fill in both"),
            (&[("emails", "x@example.com"), ("days", "3")], "#days-error", "fill in both"),
            (&[("emails", "x@example.com"), ("tier", "premium"), ("days", "0")], "#days-error", "1 to 3,650"),
            (&[("emails", "x@example.com"), ("tier", "gold"), ("days", "3")], "#tier-error", "no such tier"),
            (&[("emails", "x@example.com"), ("note", &"x".repeat(501))], "#note-error", "500"),
        ] {
            let page = admin.post("/admin/invitations", fields).await;
            assert_eq!(page.status, 422, "{fields:?}");
            assert!(page.text(field).contains(says), "{fields:?}: {}", page.text(field));
        }
        let many: Vec<_> = (0..201).map(|number| format!("x{number}@example.com")).collect();
        assert!(admin.post("/admin/invitations", &[("emails", &many.join(","))]).await.text("#emails-error").contains("200"));
        assert_eq!(listed(&app).await.len(), 1, "nothing half-sent");
        // The buttons of the list.
        let open = admin.get("/admin/invitations?state=open").await;
        assert_eq!(admin.submit(&open, "form[action$=resend]", &[]).await.status, 429);
        app.env.clock.advance(TimeDelta::minutes(10));
        assert_eq!(admin.submit(&open, "form[action$=resend]", &[]).await.location(), "/admin/invitations?said=sent-again");
        assert_eq!(admin.submit(&open, "form[action$=revoke]", &[]).await.location(), "/admin/invitations?said=revoked");
        assert_eq!(admin.submit(&open, "form[action$=resend]", &[]).await.status, 409);
        assert!(admin.get("/admin/invitations?state=open").await.text(".empty").contains("no such invitations"));
    }

    async fn the_api_says_what_is_wrong_with_an_invitation(app: TestApp) {
        let operator = app.operator();
        let invite = |body: Value| { let operator = operator.clone(); async move { operator.post("/api/v1/invitations", body).await } };
        for (body, status, code) in [
            (json!({}), 422, "invalid_body"),
            (json!({ "email": 7 }), 422, "invalid_body"),
            (json!({ "email": "bob" }), 422, "invalid_email"),
            (json!({ "email": "bob@example.com", "tier": "premium" }), 422, "invalid_gift"),
            (json!({ "email": "bob@example.com", "days": 3 }), 422, "invalid_gift"),
            (json!({ "email": "bob@example.com", "tier": "premium", "days": 0 }), 422, "invalid_days"),
            (json!({ "email": "bob@example.com", "tier": "premium", "days": 3651 }), 422, "invalid_days"),
            (json!({ "email": "bob@example.com", "tier": "gold", "days": 3 }), 404, "tier_unknown"),
            (json!({ "email": "bob@example.com", "tier": "GOLD!", "days": 3 }), 404, "tier_unknown"),
            (json!({ "email": "bob@example.com", "note": "x".repeat(501) }), 422, "invalid_text"),
            (json!({ "email": "bob@example.com", "note": "a\u{0}b" }), 422, "invalid_text"),
            (json!({ "email": "bob@example.com", "lang": "fr" }), 422, "invalid_body"),
        ] {
            invite(body.clone()).await.is(status, code);
        }
        app.signed_in("ann@example.com").await;
        invite(json!({ "email": "ANN@example.com" })).await.is(409, "email_is_member");
        let made = invite(json!({ "email": "bob@example.com", "tier": "basic", "days": 7, "lang": "de", "note": "Hallo" })).await;
        assert_eq!(made.status, 201);
        let made = made.ok();
        assert_eq!((&made["tier"], &made["days"], &made["state"], &made["sends"]), (&json!("basic"), &json!(7), &json!("open"), &json!(1)));
        let mails = app.mailbox().await;
        assert!(mails.iter().any(|mail| mail.to == "bob@example.com" && mail.subject.starts_with("Sie sind zu")));
        assert!(!made.to_string().contains("/invitation/") && made.get("token").is_none());
        for path in ["/api/v1/invitations/x", "/api/v1/invitations/0192f0c1-2345-7abc-8def-0123456789ab"] {
            operator.delete(path).await.is(404, "invitation_unknown");
            operator.post(&format!("{path}/resend"), json!({})).await.is(404, "invitation_unknown");
        }
        operator.get("/api/v1/invitations?state=lost").await.is(422, "invalid_parameter");
        assert_eq!(operator.get("/api/v1/invitations?state=open").await.ok()["items"].as_array().unwrap().len(), 1);
        assert_eq!(operator.get("/api/v1/invitations?state=expired").await.ok()["items"], json!([]));
    }

    async fn two_windows_of_one_member_share_one_allowance(app: TestApp) {
        set(&app, "invitations_per_member", "3").await;
        let ann = app.signed_in("ann@example.com").await;
        let barrier = Arc::new(Barrier::new(8));
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (mut ann, barrier) = (ann.clone(), barrier.clone());
            racing.spawn(async move {
                barrier.wait().await;
                ann.post("/settings/invitations", &[("email", &format!("bob{number}@example.com"))]).await.status.as_u16()
            });
        }
        let answers = racing.join_all().await;
        assert_eq!(answers.iter().filter(|status| **status == 303).count(), 3, "{answers:?}");
        assert_eq!(invitations::list(&app.env, None, None, 10).await.unwrap().len(), 3);
    }
}
