//! Being signed in, and ending it.

use chrono::TimeDelta;

use crate::harness::on_both;

on_both! {
    async fn a_browser_can_be_signed_out_from_another(app: TestApp) {
        let mut phone = app.signed_in("ann@example.com").await;
        let mut laptop = app.signed_in("ann@example.com").await;
        let settings = laptop.get("/settings").await;
        assert_eq!(settings.texts(".sessions li").len(), 2);
        let other = settings
            .attribute(".sessions li:last-child input[name=session]", "value")
            .unwrap();
        let ended = laptop.post("/settings/sessions/revoke", &[("session", &other)]).await;
        assert_eq!(ended.location(), "/settings?said=session-revoked");
        assert_eq!(phone.get("/settings").await.status, 303);
        assert_eq!(laptop.get("/settings").await.status, 200);
        let again = laptop.post("/settings/sessions/revoke", &[("session", &other)]).await;
        assert_eq!(again.location(), "/settings?said=session-gone");
    }

    async fn somebody_elses_session_is_out_of_reach(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let mut eve = app.signed_in("eve@example.com").await;
        let session = ann.get("/settings").await.attribute(".sessions input[name=session]", "value").unwrap();
        let tried = eve.post("/settings/sessions/revoke", &[("session", &session)]).await;
        assert_eq!(tried.location(), "/settings?said=session-gone");
        assert_eq!(ann.get("/settings").await.status, 200);
    }

    async fn signing_out_everywhere_ends_every_session(app: TestApp) {
        let mut phone = app.signed_in("ann@example.com").await;
        let mut laptop = app.signed_in("ann@example.com").await;
        let left = laptop.post("/settings/sessions/revoke-all", &[]).await;
        assert_eq!(left.location(), "/login?said=signed-out-everywhere");
        assert!(laptop.cookies.is_empty());
        assert_eq!(phone.get("/settings").await.status, 303);
    }

    async fn signing_out_ends_the_session_on_the_server_too(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        let mut thief = browser.clone();
        assert_eq!(browser.post("/sign-out", &[]).await.location(), "/login?said=signed-out");
        assert_eq!(thief.get("/settings").await.status, 303);
    }

    async fn signing_in_makes_a_new_token(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        let planted = browser.cookies["session"].clone();
        app.sign_in(&mut browser, "ann@example.com", "").await;
        assert_ne!(browser.cookies["session"], planted);
    }

    async fn a_member_rests_seven_days_and_an_admin_half_an_hour(app: TestApp) {
        let mut member = app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
        assert_eq!(member.get("/settings").await.status, 200, "and it counts as seen");
        app.env.clock.advance(TimeDelta::days(6));
        assert_eq!(member.get("/settings").await.status, 200);
        app.env.clock.advance(TimeDelta::days(7));
        assert_eq!(member.get("/settings").await.status, 303);

        let mut admin = app.signed_in_admin("root@example.com").await;
        app.env.clock.advance(TimeDelta::minutes(29));
        assert_eq!(admin.get("/admin/matrix").await.status, 200);
        app.env.clock.advance(TimeDelta::minutes(30));
        assert_eq!(admin.get("/admin/matrix").await.status, 303);
    }

    async fn the_language_is_kept_with_the_member(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        assert_eq!(browser.get("/settings").await.text("h1"), "Settings");
        let set = browser.post("/language", &[("lang", "de"), ("back", "/settings?said=language-saved")]).await;
        assert_eq!(set.location(), "/settings?said=language-saved");
        let page = browser.get(set.location()).await;
        assert_eq!(page.text("h1"), "Einstellungen");
        assert_eq!(page.text(".note"), "Die Sprache ist gespeichert.");
        assert_eq!(page.texts(".lines li"), ["free · Testzeit · noch 14 Tag(e) (läuft ab am 2026-12-05)"]);
        // Another browser, signed in: the member's language, whatever that browser prefers.
        let mut other = app.browser().with_header("accept-language", "en");
        app.sign_in(&mut other, "ann@example.com", "").await;
        assert_eq!(other.get("/settings").await.text("h1"), "Einstellungen");
        // Nobody signed in: what the browser asks for.
        let mut stranger = app.browser().with_header("accept-language", "de-AT, en;q=0.5");
        assert_eq!(stranger.get("/login").await.text("h1"), "Anmelden");
    }
}

on_both! {
    async fn the_language_can_be_changed_on_the_answer_to_a_form(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "ann@example.com")]).await;
        let too_soon = browser.post("/verify/resend", &[]).await;
        let back = too_soon.attribute("footer input[name=back]", "value").unwrap();
        let changed = browser.post("/language", &[("lang", "de"), ("back", &back)]).await;
        assert_eq!(browser.get(changed.location()).await.text("h1"), "Sehen Sie in Ihre E-Mails");
    }
}
