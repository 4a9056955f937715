//! `store::catalogue`.

use vouchsafe::{
    domain::{
        catalogue::{Feature, Tier},
        limit::{Limit, LimitKind},
        period::ResetPeriod,
    },
    store::{Conn, catalogue},
};

use super::{Store, after, execute, name, on_both};

fn a_tier() -> Tier {
    Tier {
        id: name("gold"),
        name: "Gold".to_owned(),
        description_en: "Everything".to_owned(),
        description_de: "Alles".to_owned(),
        price_monthly_cents: Some(1_999),
        price_yearly_cents: None,
        active: true,
        paid: true,
        sort_order: 9,
    }
}

fn a_feature() -> Feature {
    Feature {
        id: name("reports"),
        name_en: "Reports".to_owned(),
        name_de: "Berichte".to_owned(),
        description_en: "Monthly reports".to_owned(),
        description_de: "Berichte des Monats".to_owned(),
        category: "data".to_owned(),
        kind: LimitKind::Quota,
        reset_period: ResetPeriod::Weekly,
        default_limit: Limit::At(7),
        active: true,
        sort_order: 99,
    }
}

on_both! {
    async fn tiers_and_features_stand_in_their_order(store: Store) {
        store.execute(
            "INSERT INTO tiers (id, name, price_monthly_cents, active, paid, sort_order, created_at, updated_at)
            VALUES ('trial', 'Trial', 0, FALSE, FALSE, 0, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00')",
        ).await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let tiers = catalogue::tiers(conn).await.unwrap();
        let found: Vec<_> =
            tiers.iter().map(|tier| (tier.id.as_str(), tier.name.as_str(), tier.sort_order, tier.paid)).collect();
        assert_eq!(found, [
            ("trial", "Trial", 0, false),
            ("free", "Free", 1, false),
            ("basic", "Basic", 2, true),
            ("premium", "Premium", 3, true),
            ("selfhosted", "Self-Hosted", 4, true),
        ]);
        assert_eq!((tiers[0].price_monthly_cents, tiers[0].active), (Some(0), false));
        let features = catalogue::features(conn).await.unwrap();
        assert_eq!((features[0].id.as_str(), features[6].id.as_str()), ("weight_entries", "ai_calls"));
    }

    async fn a_word_that_cannot_be_read_is_reported_with_its_column(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        // The column has a check; a newer program may have widened it.
        let widen = match conn {
            Conn::Sqlite(_) => "PRAGMA ignore_check_constraints = ON",
            Conn::Postgres(_) => "ALTER TABLE features DROP CONSTRAINT features_reset_period_check",
        };
        execute(conn, widen).await.unwrap();
        execute(conn, "UPDATE features SET reset_period = 'fortnightly' WHERE id = 'photos'").await.unwrap();
        let error = catalogue::features(conn).await.unwrap_err();
        assert!(error.to_string().starts_with("features.reset_period holds what cannot be read"), "{error}");
    }

    async fn a_tier_is_written_and_written_over(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let first = a_tier();
        catalogue::put_tier(conn, &first, after(0)).await.unwrap();
        assert_eq!(catalogue::tiers(conn).await.unwrap().last(), Some(&first));
        // Every column can change, and the id cannot.
        let second = Tier {
            id: first.id.clone(),
            name: "Silver".to_owned(),
            description_en: "Much".to_owned(),
            description_de: "Viel".to_owned(),
            price_monthly_cents: None,
            price_yearly_cents: Some(0),
            active: false,
            paid: false,
            sort_order: 8,
        };
        catalogue::put_tier(conn, &second, after(1)).await.unwrap();
        let tiers = catalogue::tiers(conn).await.unwrap();
        assert_eq!((tiers.len(), tiers.last()), (5, Some(&second)));
        tx.commit().await.unwrap();
        let times = store.texts(
            "SELECT CASE WHEN created_at < updated_at THEN 'made, then changed' ELSE 'new' END FROM tiers WHERE id = 'gold'",
        );
        assert_eq!(times.await, ["made, then changed"]);
    }

    async fn a_feature_is_written_and_written_over(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let first = a_feature();
        catalogue::put_feature(conn, &first, after(0)).await.unwrap();
        assert_eq!(catalogue::features(conn).await.unwrap().last(), Some(&first));
        let second = Feature {
            id: first.id.clone(),
            name_en: "Lists".to_owned(),
            name_de: "Listen".to_owned(),
            description_en: String::new(),
            description_de: String::new(),
            category: "export".to_owned(),
            kind: LimitKind::Boolean,
            reset_period: ResetPeriod::Never,
            default_limit: Limit::Unlimited,
            active: false,
            sort_order: 98,
        };
        catalogue::put_feature(conn, &second, after(1)).await.unwrap();
        let features = catalogue::features(conn).await.unwrap();
        assert_eq!((features.len(), features.last()), (12, Some(&second)));
        // Off is not unlimited.
        let off = Feature { default_limit: Limit::OFF, ..second };
        catalogue::put_feature(conn, &off, after(2)).await.unwrap();
        assert_eq!(catalogue::features(conn).await.unwrap().last(), Some(&off));
        tx.commit().await.unwrap();
    }
}
