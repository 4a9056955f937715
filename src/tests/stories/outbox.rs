//! The outbox: what was written to members, and what became of it.

use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{TestApp, on_both};

/// A mail to ann that was given up, and its page.
async fn given_up(app: &TestApp) -> String {
    // What was written before has gone out; and mails of one instant have no order.
    app.mailbox().await;
    app.env.clock.advance(TimeDelta::seconds(1));
    app.operator().post("/api/v1/users/ann@example.com/grants", json!({ "tier": "premium", "days": 2 })).await.ok();
    let touched = app
        .execute("UPDATE jobs SET dead_at = run_at, attempts = 25, last_error = 'the server said <no>' WHERE finished_at IS NULL AND dead_at IS NULL")
        .await;
    assert_eq!(touched, 1);
    let mail = app.operator().get("/api/v1/mails?state=failed").await.ok()["items"][0].clone();
    format!("/admin/mails/{}", mail["id"].as_str().unwrap())
}

on_both! {
    async fn admins_see_what_became_of_every_mail_and_no_code(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut root = app.signed_in_admin("root@example.com").await;
        let failed = given_up(&app).await;
        let codes: Vec<String> = app.mailbox().await.into_iter().map(|mail| mail.subject.chars().take(6).collect()).collect();
        let page = root.get("/admin/mails").await;
        // Both were welcomed, and the admin signed in twice.
        assert_eq!(page.texts("tbody tr").len(), 6, "{}", page.body);
        assert!(page.texts("tbody tr")[0].contains("Days given by an admin") && page.texts("tbody tr")[0].contains("failed for good"));
        assert_eq!(root.get("/admin/mails?state=failed").await.texts("tbody tr").len(), 1);
        assert_eq!(root.get("/admin/mails?state=sent").await.texts("tbody tr").len(), 5);
        assert_eq!(root.get("/admin/mails?to=ANN%40example.com").await.texts("tbody tr").len(), 3);
        let none = root.get("/admin/mails?state=skipped").await;
        assert!(none.text(".empty").contains("There are no such e-mails."));
        let one = root.get(&failed).await;
        assert!(one.text(".facts").contains("the server said <no>") && !one.body.contains("<no>"), "{}", one.body);
        let sent = page.attribute("tbody tr:last-child a", "href").unwrap();
        for page in [&page, &one, &root.get(&sent).await] {
            for code in codes.iter().filter(|code| code.bytes().all(|byte| byte.is_ascii_digit())) {
                assert!(!page.body.contains(code.as_str()), "no code is shown");
            }
        }
    }

    async fn what_was_given_up_is_sent_again_from_its_page(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut root = app.signed_in_admin("root@example.com").await;
        let failed = given_up(&app).await;
        let sent = app.mailbox().await.len();
        let resend = format!("{failed}/resend");
        let page = root.get(&failed).await;
        assert_eq!(page.attribute("main form", "action").as_deref(), Some(resend.as_str()));
        assert_eq!(root.post(&resend, &[]).await.location(), format!("{failed}?said=resent"));
        let page = root.get(&format!("{failed}?said=resent")).await;
        assert!(page.text(".note").contains("It is tried again.") && page.text("main .badge").contains("waiting"));
        let again = root.post(&resend, &[]).await;
        assert_eq!(again.status, 422);
        assert!(again.text(".alert").contains("Only an e-mail that failed for good"));
        assert_eq!(app.mailbox().await.len(), sent + 1);
        assert!(root.get(&failed).await.text("main .badge").contains("sent"));
    }

    async fn long_outboxes_come_in_pages(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        for number in 0..55 {
            let member = json!({ "email": format!("member{number}@example.com") });
            app.operator().post("/api/v1/users", member).await.ok();
            app.env.clock.advance(TimeDelta::seconds(1));
            let path = format!("/api/v1/users/member{number}@example.com/grants");
            app.operator().post(&path, json!({ "tier": "premium", "days": 2 })).await.ok();
        }
        app.mailbox().await;
        let first = root.get("/admin/mails?state=sent").await;
        assert_eq!(first.texts("tbody tr").len(), 50);
        let older = first.attribute("a[rel=next]", "href").unwrap();
        let second = root.get(&older).await;
        assert!(second.texts("tbody tr").len() >= 7, "{}", second.body);
        let pages = app.operator().all_pages("/api/v1/mails?state=sent", 20).await;
        assert_eq!(pages.len(), 50 + second.texts("tbody tr").len());
        app.operator().get("/api/v1/mails?state=lost").await.is(422, "invalid_parameter");
        app.operator().get("/api/v1/mails?recipient=%00").await.is(422, "invalid_parameter");
    }

    async fn everything_that_was_given_up_is_sent_again_in_one_go(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let operator = app.operator();
        given_up(&app).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        let sent = app.mailbox().await.len();
        assert_eq!(operator.post("/api/v1/mails/resend", json!({})).await.ok(), json!({ "count": 1 }));
        assert_eq!(operator.post("/api/v1/mails/resend", json!({})).await.ok(), json!({ "count": 0 }));
        assert_eq!(app.mailbox().await.len(), sent + 1);

        let mut root = app.signed_in_admin("root@example.com").await;
        assert!(root.get("/admin/mails?state=failed").await.attribute("form[action='/admin/mails/resend']", "method").is_none(), "there is nothing to send again");
        given_up(&app).await;
        let page = root.get("/admin/mails?state=failed").await;
        let resent = root.submit(&page, "form[action='/admin/mails/resend']", &[]).await;
        assert_eq!(resent.location(), "/admin/mails?said=1");
        assert!(root.get(resent.location()).await.text(".note").contains("1 e-mail is tried again."));
        assert_eq!(root.post("/admin/mails/resend", &[]).await.location(), "/admin/mails?said=0");
    }
}
