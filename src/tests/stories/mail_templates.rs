//! How letters are worded: read, changed, tried out and taken back by admins, apps and operators.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{TestApp, on_both};

const GIFT: &str = "/admin/mails/templates/access_granted/en";
const GIFT_API: &str = "/api/v1/mail-templates/access_granted/en";

const SUBJECT: &str = "A gift: {{ days }} days";
const TEXT: &str = "Dear reader,\r\n\r\n{{ days }} days of {{ tier }} are yours.\r\n";
const HTML: &str =
    "{% extends 'layout.html.j2' %}{% block letter %}<p>{{ days }} days of <em>{{ tier }}</em></p>{% endblock %}";

async fn give(app: &TestApp) {
    app.env.clock.advance(TimeDelta::seconds(1));
    app.operator().post("/api/v1/users/ann@example.com/grants", json!({ "tier": "premium", "days": 2 })).await.ok();
}

async fn versions(app: &TestApp) -> (bool, i64) {
    let template = app.operator().get(GIFT_API).await.ok();
    (template["edited"].as_bool().unwrap(), template["version"].as_i64().unwrap())
}

on_both! {
    async fn what_an_admin_writes_is_what_members_read(app: TestApp) {
        app.execute("UPDATE tiers SET name = '<i>Gold</i> & Co' WHERE id = 'premium'").await;
        app.signed_in("ann@example.com").await;
        let mut root = app.signed_in_admin("root@example.com").await;
        let list = root.get("/admin/mails/templates").await;
        assert_eq!(list.texts("tbody tr").len(), 26);
        assert!(!list.body.contains(">edited<"));
        let page = root.get(GIFT).await;
        assert_eq!(page.attribute("#subject", "value").unwrap(), "{{ days }} day{{ \"\" if days == 1 else \"s\" }} of {{ tier }} at {{ product }}");
        assert!(page.headers["content-security-policy"].to_str().unwrap().ends_with("; frame-src 'self'"));
        let fields = [("subject", SUBJECT), ("text", TEXT), ("html", HTML), ("version", "0")];
        let saved = root.post(GIFT, &fields).await;
        assert_eq!(saved.location(), format!("{GIFT}?said=saved"), "{}", saved.body);
        let page = root.get(&format!("{GIFT}?said=saved")).await;
        assert_eq!(page.text("#text"), "Dear reader, {{ days }} days of {{ tier }} are yours.");
        assert!(page.text(".note").contains("The wording is saved"));
        assert!(page.body.contains("Changed by root@example.com"), "{}", page.body);
        assert_eq!(root.get("/admin/mails/templates").await.body.matches(">edited<").count(), 1);

        give(&app).await;
        let mail = app.mailbox().await.remove(0);
        assert_eq!(mail.subject, "A gift: 2 days");
        assert!(mail.text.starts_with("Dear reader,\n\n2 days of <i>Gold</i> & Co are yours.\n"), "{}", mail.text);
        assert!(mail.html.contains("<p>2 days of <em>&lt;i&gt;Gold&lt;&#x2f;i&gt; &amp; Co</em></p>"), "{}", mail.html);
        assert!(mail.html.contains("Unsubscribe from such e-mails"), "{}", mail.html);

        // German readers still get the built-in one.
        assert!(root.get("/admin/mails/templates/access_granted/de").await.body.contains(">built in<"));
        let reset = root.post(&format!("{GIFT}/reset"), &[]).await;
        assert_eq!(reset.location(), format!("{GIFT}?said=reset"));
        give(&app).await;
        assert_eq!(app.mailbox().await.remove(0).subject, "2 days of <i>Gold</i> & Co at Vouchsafe");
        assert_eq!(versions(&app).await, (false, 2), "a version never goes back");
        let log = app.operator().get("/api/v1/activity?limit=100").await.ok().to_string();
        assert!(log.contains("mail_template_changed") && log.contains("mail_template_reset"), "{log}");
    }

    async fn a_broken_wording_comes_back_with_what_is_wrong(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let cases = [
            ("subject", "{{ teir }}", "Line 1: this letter knows no teir"),
            ("subject", "", "This does not work: there is nothing"),
            ("text", "One\r\n{% include 'x' %}\r\n", "Line 2: there is no tag {% include %} here"),
            ("text", "{{ tier", "Line 1: syntax error"),
            ("html", "<p>\r\n\r\n{{ tier|safe }}", "Line 3: unknown filter"),
        ];
        for (field, typed, message) in cases {
            let mut fields = vec![("subject", SUBJECT), ("text", TEXT), ("html", HTML), ("version", "0")];
            fields.iter_mut().find(|(name, _)| *name == field).unwrap().1 = typed;
            let page = root.post(GIFT, &fields).await;
            assert_eq!(page.status, 422, "{typed}");
            let said = page.text(&format!("#{field}-error"));
            assert!(said.starts_with(message), "{typed}: {said}");
            let kept = if field == "subject" { page.attribute("#subject", "value").unwrap() } else { page.text(&format!("#{field}")) };
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&kept), words(typed), "what was typed is kept");
            assert_eq!(versions(&app).await, (false, 0));
        }
    }

    async fn two_admins_at_once_do_not_undo_each_other_unseen(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let fields = |subject, version| [("subject", subject), ("text", TEXT), ("html", HTML), ("version", version)];
        assert_eq!(root.post(GIFT, &fields("First", "0")).await.status, 303);
        let late = root.post(GIFT, &fields("Second", "0")).await;
        assert_eq!(late.status, 422);
        assert!(late.text(".alert").contains("Somebody has changed this e-mail"), "{}", late.body);
        assert_eq!(late.attribute("#subject", "value").as_deref(), Some("Second"), "what was typed is kept");
        assert_eq!(late.attribute("input[name=version]", "value").as_deref(), Some("1"));
        assert_eq!(root.post(GIFT, &fields("Second", "1")).await.status, 303, "knowingly");
        assert_eq!(versions(&app).await, (true, 2));
        assert_eq!(root.post(GIFT, &fields("Third", "nonsense")).await.status, 422);
    }

    async fn the_preview_shows_what_is_typed_and_keeps_nothing(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let preview = format!("{GIFT}/preview");
        let kept = root.get(&preview).await;
        assert!(kept.body.contains("30 days of Premium at"), "{}", kept.body);
        let fields = [("subject", SUBJECT), ("text", TEXT), ("html", HTML), ("show", "html")];
        let page = root.post(&preview, &fields).await;
        assert!(page.body.contains("<p>30 days of <em>Premium</em></p>"), "{}", page.body);
        for page in [&kept, &page] {
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("sandbox;") && policy.contains("default-src 'none'"), "{policy}");
            assert!(policy.contains("frame-ancestors 'self'"), "only our own page shows it");
            assert_eq!(page.headers["x-frame-options"], "SAMEORIGIN");
        }
        let fields = [("subject", SUBJECT), ("text", TEXT), ("html", HTML), ("show", "text")];
        let page = root.post(&preview, &fields).await;
        assert!(page.body.starts_with("A gift: 30 days\n\nDear reader,\n"), "{}", page.body);
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        let page = root.post(&preview, &[("subject", "x"), ("text", "{{"), ("html", "x")]).await;
        assert_eq!(page.status, 422);
        assert!(page.text("p").starts_with("text, line 1: "), "{}", page.body);
        assert_eq!(versions(&app).await, (false, 0));
        let code = root.get("/admin/mails/templates/login_code/en/preview").await;
        assert!(code.body.contains("ABCDEFGHJ2") || code.body.contains("012345"), "a sample, nobody's code");
    }

    async fn what_is_typed_is_tried_in_the_words_of_who_types(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let wording = |text: &str, html: &str| {
            json!({ "letter": "access_granted", "lang": "en", "subject": SUBJECT, "text": text, "html": html })
        };
        let answer = root.call("/calls/try_mail_template", wording(TEXT, HTML)).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "null"));
        let answer = root.call("/calls/try_mail_template", wording("One\r\n{{ teir }}", HTML)).await;
        assert_eq!(answer.body, r#"["text","Line 2: this letter knows no teir"]"#);
        root.post("/language", &[("lang", "de"), ("back", "/admin")]).await;
        let answer = root.call("/calls/try_mail_template", wording(TEXT, "{{")).await;
        assert!(answer.body.starts_with(r#"["html","Zeile 1: "#), "{}", answer.body);
        assert_eq!(versions(&app).await, (false, 0), "trying keeps nothing");
        for browser in [&mut app.browser(), &mut app.signed_in("ann@example.com").await] {
            assert_eq!(browser.call("/calls/try_mail_template", wording(TEXT, HTML)).await.status, 403);
        }
    }

    async fn a_test_without_a_mail_server_says_that_nothing_leaves(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let page = root.get(GIFT).await;
        assert_eq!(page.attribute("#to", "value").as_deref(), Some("root@example.com"), "who asks is who reads it");
        let page = root.post(&format!("{GIFT}/test"), &[("to", "ann@example.com")]).await;
        assert_eq!(page.status, 422);
        assert!(page.text("#to-error").starts_with("No mail server is configured"), "{}", page.body);
        assert_eq!(page.attribute("#to", "value").as_deref(), Some("ann@example.com"));
        let page = root.post(&format!("{GIFT}/test"), &[("to", "ann at example")]).await;
        assert_eq!((page.status.as_u16(), page.attribute("#to", "aria-invalid").as_deref()), (422, Some("true")));
        let test = format!("{GIFT_API}/test");
        let operator = app.operator();
        operator.post(&test, json!({ "recipient": "ann@example.com" })).await.is(409, "no_mail_server");
        operator.post(&test, json!({ "recipient": "ann at example" })).await.is(422, "invalid_email");
        operator.post(&test, json!({})).await.is(422, "invalid_body");
        let wrong = "/api/v1/mail-templates/wellcome/en/test";
        operator.post(wrong, json!({ "recipient": "ann@example.com" })).await.is(404, "template_unknown");
        assert!(app.mailbox().await.iter().all(|mail| mail.to != "ann@example.com"));
    }

    async fn every_name_that_can_be_filled_in_is_explained(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let all = app.operator().get("/api/v1/mail-templates").await.ok();
        let all = all["items"].as_array().unwrap();
        assert_eq!(all.len(), 52);
        for template in all {
            let path = format!("/admin/mails/templates/{}/{}", template["letter"].as_str().unwrap(), template["lang"].as_str().unwrap());
            let page = root.get(&path).await;
            let meanings = page.texts("td[data-label=Meaning]");
            assert!(meanings.len() >= 3, "{path}: product, site and lang");
            assert!(meanings.iter().all(|meaning| !meaning.is_empty()), "{path}: {:?}", page.texts("tbody th").iter().zip(&meanings).collect::<Vec<_>>());
        }
        for wrong in ["/admin/mails/templates/welcome/fr", "/admin/mails/templates/x/en"] {
            assert_eq!(root.get(wrong).await.status, 404);
        }
    }

    async fn apps_word_letters_too(app: TestApp) {
        let operator = app.operator();
        let wording = |version: Value| json!({ "subject": SUBJECT, "text": TEXT, "html": HTML, "version": version });
        let put = operator.put(GIFT_API, wording(json!(0))).await.ok();
        assert_eq!((put["edited"].as_bool(), put["version"].as_i64()), (Some(true), Some(1)));
        assert_eq!(put["text"], TEXT.replace("\r\n", "\n"));
        operator.put(GIFT_API, json!({ "subject": "Other", "text": TEXT, "html": HTML, "version": 0 })).await.is(409, "template_changed");
        let same = operator.put(GIFT_API, wording(Value::Null)).await.ok();
        assert_eq!(same["version"], 1, "nothing has changed");
        let broken = operator.put(GIFT_API, json!({ "subject": "x", "text": "a\n{{ nothing }}", "html": HTML })).await;
        broken.is(422, "template_broken");
        let told: Value = serde_json::from_str(&broken.body).unwrap();
        assert_eq!((told["part"].as_str(), told["line"].as_i64()), (Some("text"), Some(2)), "{told}");
        operator.put(GIFT_API, json!({ "subject": "x", "text": "x\u{0}", "html": "x" })).await.is(422, "template_broken");
        operator.put(GIFT_API, json!({ "subject": "x" })).await.is(422, "invalid_body");
        for wrong in ["welcome/fr", "x/en"] {
            operator.get(&format!("/api/v1/mail-templates/{wrong}")).await.is(404, "template_unknown");
        }
        assert_eq!(operator.delete(GIFT_API).await.ok()["edited"], false);
        assert_eq!(operator.delete(GIFT_API).await.ok()["version"], 2, "twice is as good as once");
        let code = "/api/v1/mail-templates/login_code/en";
        operator.put(code, json!({ "subject": "Hello", "text": "Hello", "html": "Hello" })).await.is(422, "template_broken");
    }

    async fn a_wording_that_fails_while_sending_gives_way_to_the_built_in_one(app: TestApp) {
        app.signed_in("ann@example.com").await;
        app.operator().put(GIFT_API, json!({ "subject": SUBJECT, "text": TEXT, "html": HTML })).await.ok();
        app.execute("UPDATE mail_templates SET text_body = '{{ gone }}'").await;
        give(&app).await;
        assert_eq!(app.mailbox().await.remove(0).subject, "2 days of Premium at Vouchsafe");
    }

    async fn an_app_sees_a_letter_before_it_is_worded_so(app: TestApp) {
        let operator = app.operator();
        let preview = format!("{GIFT_API}/preview");
        let wording = |text: &str| json!({ "subject": SUBJECT, "text": text, "html": HTML });
        let seen = operator.post(&preview, wording(TEXT)).await.ok();
        assert!(seen["subject"].as_str().unwrap().starts_with("A gift: ") && !seen["subject"].as_str().unwrap().contains("{{"), "{seen}");
        assert!(seen["text"].as_str().unwrap().starts_with("Dear reader,\n\n"), "{seen}");
        assert!(seen["html"].as_str().unwrap().contains("</html>"), "{seen}");
        assert_eq!(versions(&app).await, (false, 0), "nothing is kept");
        let broken = operator.post(&preview, wording("Hi!\n{{ nothing }}\n")).await;
        broken.is(422, "template_broken");
        let problem: Value = serde_json::from_str(&broken.body).unwrap();
        assert_eq!((&problem["part"], &problem["line"]), (&json!("text"), &json!(2)));
        operator.post("/api/v1/mail-templates/wellcome/en/preview", wording(TEXT)).await.is(404, "template_unknown");
        operator.post(&preview, json!({ "subject": "x" })).await.is(422, "invalid_body");
    }
}
