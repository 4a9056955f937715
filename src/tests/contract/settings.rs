//! `store::settings`.

use vouchsafe::{
    domain::settings::AppSettings,
    store::{StoreError, settings},
};

use super::{Store, after, name, on_both};

on_both! {
    async fn a_fresh_database_has_the_settings_of_the_seed(store: Store) {
        let read = settings::read(&mut store.reader().await.conn()).await.unwrap();
        assert_eq!(read, AppSettings::default());
    }

    async fn a_setting_is_added_or_replaced(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (key, value) in [("trial_duration_days", "7"), ("credit_tier", "basic"), ("from_the_future", "x")] {
            settings::set(conn, key, value, "operator", after(1)).await.unwrap();
        }
        settings::set(conn, "credit_tier", "selfhosted", "ann@example.com", after(2)).await.unwrap();
        let expected =
            AppSettings { trial_duration_days: 7, credit_tier: name("selfhosted"), ..AppSettings::default() };
        assert_eq!(settings::read(conn).await.unwrap(), expected);
        let changes = settings::changes(conn).await.unwrap();
        let changes: Vec<_> = changes.iter().map(|change| (change.key.as_str(), change.updated_by.as_str(), change.updated_at)).collect();
        assert_eq!(changes, [
            ("credit_tier", "ann@example.com", after(2)),
            ("from_the_future", "operator", after(1)),
            ("trial_duration_days", "operator", after(1)),
        ]);
        tx.commit().await.unwrap();
        // What is said about a setting outlives a change of its value.
        let described =
            store.texts("SELECT description_en FROM app_settings WHERE key = 'trial_duration_days'").await;
        assert_eq!(described, ["Days of trial for a new member"]);
    }

    async fn a_value_that_cannot_be_read_is_reported_with_its_key(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        settings::set(conn, "trial_duration_days", "soon", "operator", after(1)).await.unwrap();
        let error = settings::read(conn).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { table: "app_settings", .. }), "{error}");
        assert!(error.to_string().contains("trial_duration_days"), "{error}");
    }
}
