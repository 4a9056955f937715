//! The admins' page about API keys.

use chrono::TimeDelta;
use vouchsafe::{domain::api_key::Scope, services::api_keys};

use crate::harness::{Browser, on_both};

async fn create(admin: &mut Browser, fields: &[(&str, &str)]) -> crate::harness::Page {
    admin.post("/admin/keys", fields).await
}

on_both! {
    async fn a_key_is_made_shown_once_used_and_revoked(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        assert!(admin.get("/admin/keys").await.text(".empty").contains("There are no keys yet."));
        let fields = [("name", " the app "), ("scope", "check"), ("scope", "consume"), ("until", "2026-12-31")];
        let made = create(&mut admin, &fields).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.headers["cache-control"], "no-store");
        let token = made.attribute("input[readonly]", "value").unwrap();
        assert!(token.starts_with("vs_") && token.len() == 46, "{token}");
        let key = api_keys::identify(&app.env, &token).await.unwrap().unwrap();
        assert_eq!((key.name.as_str(), key.scopes.to_string().as_str()), ("the app", "check consume"));
        assert!(!key.scopes.allow(Scope::Manage));
        assert_eq!(key.expires_at, Some("2027-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(key.created_by, "root@example.com");

        let list = admin.get("/admin/keys").await;
        assert!(!list.body.contains(&token), "it is shown once");
        assert_eq!(list.text(".rows tbody th"), format!("the app{}…", &token[..9]));
        assert_eq!(list.texts(".scope"), ["check", "consume"]);
        assert_eq!(list.text(".rows td[data-label='Ends']"), "through 31 December 2026");
        assert_ne!(list.text(".rows td[data-label='Last used']"), "never");
        assert!(list.text(".state").starts_with("good"));

        let revoked = admin.submit(&list, ".confirm form", &[]).await;
        assert_eq!(revoked.location(), "/admin/keys?said=revoked");
        assert!(api_keys::identify(&app.env, &token).await.unwrap().is_none());
        let list = admin.get("/admin/keys?said=revoked").await;
        assert_eq!(list.text(".note"), "The key is revoked.");
        assert_eq!(list.text(".state"), "revoked");
        let again = admin.post(&format!("/admin/keys/{}/revoke", key.id), &[]).await;
        assert_eq!(again.location(), "/admin/keys?said=gone");
    }

    async fn making_a_key_asks_for_a_fresh_sign_in(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.env.clock.advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
        assert!(admin.get("/admin/keys").await.body.contains("name=\"scope\""));
        app.env.clock.advance(TimeDelta::seconds(1));
        let page = admin.get("/admin/keys").await;
        assert!(!page.body.contains("name=\"scope\""), "there is no form");
        assert!(page.text("section:has(#new)").contains("less than 15 minutes old"));
        // Nor does it help to send the form all the same.
        let refused = create(&mut admin, &[("name", "x"), ("scope", "admin")]).await;
        assert_eq!(refused.location(), "/login?fresh=1&next=%2Fadmin%2Fkeys");
        assert!(api_keys::list(&app.env, None, 10).await.unwrap().is_empty());

        // Whoever is signed in and only opens /login goes on, as ever.
        assert_eq!(admin.get("/login?next=%2Fadmin%2Fkeys").await.location(), "/admin/keys");
        let login = admin.get(refused.location()).await;
        assert_eq!(login.status, 200);
        assert!(login.text("form p").contains("sign in once more"), "{}", login.text("form p"));
        assert_eq!(login.attribute("#email", "value").as_deref(), Some("root@example.com"));
        let wrong = admin.submit(&login, "form[action='/login']", &[("email", "root")]).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text("form p").contains("sign in once more"), "it still says why");

        let mut before = admin.clone();
        app.env.clock.advance(TimeDelta::seconds(1));
        let asked = admin.submit(&wrong, "form[action='/login']", &[("email", "root@example.com")]).await;
        assert_eq!(asked.location(), "/verify");
        // The old session alone is as old as before while the code is under way.
        assert!(!admin.get("/admin/keys").await.body.contains("name=\"scope\""));
        let code = app.code_for("root@example.com").await;
        assert_eq!(admin.post("/verify", &[("code", &code)]).await.location(), "/admin/keys");
        assert_eq!(before.get("/admin/keys").await.status, 303, "the older session is gone");
        let made = create(&mut admin, &[("name", "x"), ("scope", "admin")]).await;
        assert_eq!(made.status, 201);
    }

    async fn what_is_wrong_with_a_key_stands_beside_its_field(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let wrong = create(&mut admin, &[("name", " "), ("until", "2026-11-22")]).await;
        assert_eq!(wrong.status, 422);
        assert_eq!(wrong.text("#name-error"), "A name has 1 to 100 characters.");
        assert_eq!(wrong.text("#scope-error"), "Choose at least one.");
        let wrong = create(&mut admin, &[("name", "app"), ("scope", "manage"), ("until", "2026-11-21")]).await;
        assert_eq!(wrong.text("#until-error"), "The last day lies ahead.");
        assert_eq!(wrong.attribute("#name", "value").as_deref(), Some("app"));
        assert_eq!(wrong.attribute("input[name=scope][checked]", "value").as_deref(), Some("manage"));
        let wrong = create(&mut admin, &[("name", "a\0b"), ("scope", "check"), ("until", "soon")]).await;
        assert_eq!(wrong.text("#until-error"), "A day is written as 2026-12-31.");
        let wrong = create(&mut admin, &[("name", "a\0b"), ("scope", "check")]).await;
        assert_eq!(wrong.text("#name-error"), "A name has 1 to 100 characters.");
        let wrong = create(&mut admin, &[("name", "app"), ("scope", "root")]).await;
        assert_eq!(wrong.text("#scope-error"), "Choose at least one.");
        assert!(api_keys::list(&app.env, None, 10).await.unwrap().is_empty());
    }
}
