//! The reference of the API, as people read it.

use crate::harness::on_both;

on_both! {
    async fn anybody_reads_what_the_api_can_do(app: TestApp) {
        let page = app.browser().with_header("accept-language", "de").get("/api/docs").await;
        assert_eq!((page.status.as_u16(), page.text("h1")), (200, "API".to_owned()));
        assert_eq!(page.attribute("html", "lang").as_deref(), Some("de"), "the frame speaks to the reader");
        assert_eq!(page.attribute(".reference", "lang").as_deref(), Some("en"));
        assert!(!page.body.contains("<script"), "it needs no script");
        let description = app.client(None).get("/api/openapi.json").await.ok();
        let mut expected = Vec::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                expected.push(format!("{} {path}", method.to_uppercase()));
                let id = operation["operationId"].as_str().unwrap();
                let text = page.text(&format!("[id='{id}']"));
                assert!(text.contains("curl") && text.contains("Answers"), "{id}: {text}");
                for status in operation["responses"].as_object().unwrap().keys() {
                    assert!(text.contains(status.as_str()), "{id}: {status}");
                }
            }
        }
        let methods = page.texts(".operation .method").into_iter().zip(page.texts(".operation .path"));
        let mut shown: Vec<String> = methods.map(|(method, path)| format!("{method} {path}")).collect();
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected, "every route is there, once");
    }

    async fn a_command_of_the_reference_works(app: TestApp) {
        let page = app.browser().get("/api/docs").await;
        let operator = app.operator();
        operator.post("/api/v1/users", serde_json::json!({ "email": "ann@example.com", "tier": "basic" })).await.ok();
        for id in ["check", "consume", "reserve", "give_credit", "put_restriction", "put_feature", "put_tier"] {
            // Not through text(), which would join the lines.
            let document = scraper::Html::parse_document(&page.body);
            let selector = scraper::Selector::parse(&format!("[id='{id}'] .command")).unwrap();
            let command: String = document.select(&selector).next().unwrap().text().collect();
            let (_, body) = command.split_once("-d '").unwrap();
            let address = command.split('\'').nth(1).unwrap();
            let path = &address[address.find("/api/").unwrap()..];
            let method = command.split_whitespace().nth(2).unwrap().parse().unwrap();
            operator.send(method, path, body.trim_end_matches('\'')).await.ok();
        }
    }
}
