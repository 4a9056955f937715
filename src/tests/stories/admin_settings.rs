//! The admins' page of the product's settings.

use vouchsafe::{domain::settings::AppSettings, services::catalogue};

use crate::harness::{TestApp, on_both};

async fn now(app: &TestApp) -> AppSettings {
    catalogue::newest(&app.env).await.unwrap().settings.clone()
}

on_both! {
    async fn all_settings_are_on_one_page_and_saved_together(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let page = admin.get("/admin/settings").await;
        for key in AppSettings::KEYS {
            assert!(page.attribute(&format!("[name={key}]"), "id").is_some(), "{key}");
            assert!(page.texts(".hint code").iter().any(|shown| shown == key), "{key}");
        }
        assert!(!page.body.contains("Last changed"), "nobody has changed one");
        // As it stands, it changes nothing.
        let saved = admin.submit(&page, "form[action='/admin/settings']", &[]).await;
        assert_eq!(saved.location(), "/admin/settings?said=saved", "{}", saved.body);
        assert_eq!(now(&app).await, AppSettings::default());
        assert!(!admin.get("/admin/settings").await.body.contains("Last changed"));

        let changes = [("trial_duration_days", " 30 "), ("self_registration_enabled", "false"), ("post_trial_tier", "disabled")];
        let saved = admin.submit(&page, "form[action='/admin/settings']", &changes).await;
        let page = admin.get(saved.location()).await;
        assert_eq!(page.text(".note"), "The settings are saved.");
        assert_eq!(page.attribute("#trial_duration_days", "value").as_deref(), Some("30"));
        assert_eq!(page.body.matches("Last changed by root@example.com").count(), 3, "{}", page.body);
        let settings = now(&app).await;
        assert!(settings.trial_duration_days == 30 && !settings.self_registration_enabled && settings.closes_after_trial());
        let log = app.operator().get("/api/v1/activity?action=setting_changed").await.ok();
        assert_eq!(log["items"].as_array().unwrap().len(), 3, "{log}");
        // The other doors show the same.
        let listed = app.operator().get("/api/v1/settings").await.ok();
        assert!(listed["items"].as_array().unwrap().iter().any(|item| item["key"] == "post_trial_tier" && item["value"] == "disabled"));
    }

    async fn what_cannot_be_is_said_beside_its_field_and_nothing_is_saved(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        for (key, value, says) in [
            ("trial_duration_days", "-1", "from 0 to 3650"),
            ("trial_duration_days", "soon", "from 0 to 3650"),
            ("trial_tier", "gold", "no such tier"),
            ("trial_tier", "disabled", "no such tier"),
            ("self_registration_enabled", "maybe", "yes or no"),
            ("timezone", "Mars/Olympus", "time zone"),
            ("usage_periods", "lunar", "Choose one"),
            ("invitation_lifetime_days", "0", "from 1 to 365"),
        ] {
            let page = admin.post("/admin/settings", &[("reminder_days", "9"), (key, value)]).await;
            assert_eq!(page.status, 422, "{key}={value}");
            assert!(page.text(&format!("#{key}-error")).contains(says), "{key}: {}", page.text(&format!("#{key}-error")));
            assert!(page.body.contains(value), "what was typed stays: {key}");
            assert_eq!(page.attribute("#reminder_days", "value").as_deref(), Some("9"), "the good ones, too");
        }
        assert_eq!(now(&app).await, AppSettings::default());
        // A key that there is not is none of the form's.
        assert_eq!(admin.post("/admin/settings", &[("secret", "1")]).await.status, 303);
        let german = admin.with_header("accept-language", "de").get("/admin/settings").await;
        assert!(german.body.contains("Testtage") || german.body.contains("Days of trial"));
    }
}
