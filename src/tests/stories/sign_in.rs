//! Signing in.

use crate::harness::on_both;

on_both! {
    async fn an_invited_person_signs_in_and_lands_on_settings(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let code = ann.get("/settings").await.text(".ticket .code");
        assert_eq!(code.len(), 8);

        let mut bob = app.browser();
        let typed = format!("{} {}", &code[..4].to_lowercase(), &code[4..].to_lowercase());
        let login = bob.get(&format!("/login?ref={}", typed.replace(' ', "%20"))).await;
        assert!(login.text(".note").starts_with("You were invited."), "{}", login.body);
        assert_eq!(login.attribute("input[name=ref]", "value"), Some(code.clone()));
        app.sign_in(&mut bob, "bob@example.com", &typed).await;
        let settings = bob.get("/settings").await;
        assert_eq!(settings.status, 200);
        assert_eq!(settings.texts(".lines li"), ["free · trial · 14 day(s) remaining (expires 2026-12-05)"]);
        assert_eq!(settings.text(".badge"), "Premium");

        let settings = ann.get("/settings").await;
        assert_eq!(settings.texts(".stats dd"), ["1", "0", "0"]);
    }
}
