//! What every answer carries.

use crate::harness::{ADMIN_TOKEN, on_both};

on_both! {
    async fn every_answer_carries_the_security_headers(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        let all = [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            // From here on only on what may become a document.
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
        ];
        let documents = ["/login", "/settings", "/nowhere", "/healthz", "/admin/matrix"].map(|path| (path, all.len()));
        for (path, count) in documents.into_iter().chain([("/dev/mailbox.json", 3), ("/api/v1/tiers", 3)]) {
            let page = browser.get(path).await;
            for (name, value) in &all[..count] {
                assert_eq!(page.headers[*name], value, "{path}");
            }
            for (name, _) in &all[count..] {
                assert!(!page.headers.contains_key(*name), "{path}: {name}");
            }
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe-inline"), "{path}: {policy}");
            assert!(page.headers.contains_key("x-request-id"), "{path}");
        }
    }

    async fn every_script_of_a_page_carries_the_nonce_of_its_policy(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        let first = browser.get("/settings").await;
        let second = browser.get("/settings").await;
        let policy = |page: &crate::harness::Page| page.headers["content-security-policy"].to_str().unwrap().to_owned();
        assert_ne!(policy(&first), policy(&second), "a new nonce for every answer");
        let document = scraper::Html::parse_document(&first.body);
        let scripts = scraper::Selector::parse("script").unwrap();
        let mut count = 0;
        for script in document.select(&scripts) {
            let nonce = script.value().attr("nonce").unwrap();
            assert!(policy(&first).contains(&format!("'nonce-{nonce}'")));
            count += 1;
        }
        assert!(count > 0);
    }

    async fn pages_that_need_no_script_send_none(app: TestApp) {
        let mut browser = app.browser();
        for path in ["/login", "/admin/claim", "/nowhere"] {
            let page = browser.get(path).await;
            assert!(!page.body.contains("<script") && !page.body.contains(".wasm"), "{path}: {}", page.body);
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("script-src 'none'"), "{path}: {policy}");
        }
    }

    async fn no_style_attribute_and_no_inline_handler_is_written(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        for path in ["/login", "/settings", "/admin/matrix", "/admin/matrix?edit=photos", "/dev/mailbox"] {
            let page = admin.get(path).await;
            assert!(!page.body.contains(" style=") && !page.body.contains(" onclick="), "{path}");
        }
    }

    async fn health_readiness_and_figures_are_told_to_those_who_may_know(app: TestApp) {
        let mut stranger = app.browser();
        assert_eq!(stranger.get("/healthz").await.body, "ok\n");
        assert_eq!(stranger.get("/readyz").await.body, "ready\n");
        assert_eq!(stranger.get("/metrics").await.status, 404);
        let mut operator = app.browser().with_header("authorization", &format!("Bearer {ADMIN_TOKEN}"));
        let figures = operator.get("/metrics").await;
        assert_eq!(figures.status, 200);
        assert!(figures.body.contains("http_requests_total{"), "{}", figures.body);
        vouchsafe::store::migrations::down(&app.env.db, 0).await.unwrap();
        assert_eq!(stranger.get("/readyz").await.status, 503);
        assert_eq!(stranger.get("/healthz").await.status, 200);
    }

    async fn an_error_is_a_page_for_those_who_read_pages(app: TestApp) {
        let mut browser = app.browser().with_header("accept-language", "de");
        let page = browser.get("/nowhere").await;
        assert_eq!((page.status.as_u16(), page.text("h1").as_str()), (404, "Hier ist nichts"));
        let mut program = app.browser();
        let request = axum::http::Request::get("/nowhere").header("accept", "application/json").body(axum::body::Body::empty()).unwrap();
        assert_eq!(program.send(request).await.body, "");
    }
}
