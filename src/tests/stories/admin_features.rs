//! The admins' pages about features and tiers.

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};
use vouchsafe::{
    domain::{
        catalogue::Tier,
        limit::{Limit, LimitKind},
        period::ResetPeriod,
    },
    services::catalogue::{self, CatalogueError},
};

use crate::harness::on_both;

const FORM: &str = "form.sheet";

on_both! {
    async fn a_feature_is_made_and_changed(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let list = admin.get("/admin/features").await;
        assert_eq!(list.texts("h2"), ["Data", "AI", "Export"]);
        assert_eq!(list.texts(".rows tbody tr").len(), 11);
        let new = admin.get(&list.attribute("a.btn", "href").unwrap()).await;
        assert_eq!(new.attribute("#order", "value").as_deref(), Some("12"));
        let typed = [
            ("id", "api_requests"),
            ("name_en", "API requests"),
            ("name_de", " API-Anfragen "),
            ("category", "integration"),
            ("kind", "quota"),
            ("period", "daily"),
            ("default_limit", "1k"),
        ];
        let made = admin.submit(&new, FORM, &typed).await;
        assert_eq!(made.location(), "/admin/features?said=made", "{}", made.body);
        let known = catalogue::current(&app.env).await.unwrap();
        let feature = known.feature(&"api_requests".parse().unwrap()).unwrap();
        assert_eq!((feature.name_de.as_str(), feature.kind, feature.reset_period, feature.default_limit, feature.active),
            ("API-Anfragen", LimitKind::Quota, ResetPeriod::Daily, Limit::At(1_000), true));
        let list = admin.get(made.location()).await;
        assert_eq!(list.texts("h2").last().map(String::as_str), Some("Integrations"));

        let edit = admin.get("/admin/features/api_requests").await;
        assert_eq!(edit.attribute("#default_limit", "value").as_deref(), Some("1000"));
        assert_eq!(edit.attribute("#kind option[selected]", "value").as_deref(), Some("quota"));
        assert!(edit.text("#period-hint").contains("begins a new count"));
        // A box that is not ticked sends nothing.
        let fields: Vec<(&str, &str)> = typed[1..].iter().copied().chain([("order", "3")]).collect();
        let saved = admin.post("/admin/features/api_requests", &fields).await;
        assert_eq!(saved.location(), "/admin/features?said=saved");
        let known = catalogue::current(&app.env).await.unwrap();
        let feature = known.feature(&"api_requests".parse().unwrap()).unwrap();
        assert_eq!((feature.active, feature.sort_order), (false, 3));
    }

    async fn what_is_wrong_with_a_feature_stands_beside_its_field(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let new = admin.get("/admin/features/new-feature").await;
        let long = "x".repeat(501);
        let good = [("id", "good"), ("name_en", "Good"), ("name_de", "Gut"), ("category", "data")];
        let cases: [(&str, &str, &str, &str); 12] = [
            ("id", "Photos!", "id", "An id starts with a letter and has at most 40 of a–z, 0–9 and _."),
            ("id", "photos", "id", "There is one with this id already."),
            ("name_en", " ", "name_en", "1 to 100 characters."),
            ("name_de", "a\u{7}b", "name_de", "1 to 100 characters."),
            ("description_en", &long, "description_en", "At most 500 characters in one line."),
            ("description_de", "a\nb", "description_de", "At most 500 characters in one line."),
            ("category", "", "category", "1 to 100 characters."),
            ("kind", "flag", "kind", "Choose from the list."),
            ("period", "", "period", "Choose from the list."),
            ("default_limit", "", "default_limit", "Type a number, off, on or ∞."),
            ("default_limit", "-1", "default_limit", "A limit is between 0 and 1,000,000,000,000."),
            ("order", "first", "order", "A whole number from 0 to 1,000,000,000."),
        ];
        for (field, value, beside, message) in cases {
            let fields: Vec<(&str, &str)> = good.into_iter().filter(|(name, _)| *name != field).chain([(field, value)]).collect();
            let wrong = admin.submit(&new, FORM, &fields).await;
            assert_eq!(wrong.status, 422, "{field}={value:.20}");
            assert_eq!(wrong.text(&format!("#{beside}-error")), message, "{field}={value:.20}");
            assert_eq!(wrong.texts(".err").len(), 1, "{field}={value:.20}");
            if field != "kind" && field != "period" {
                assert_eq!(wrong.attribute(&format!("#{field}"), "value").as_deref(), Some(value), "{field}");
            }
        }
        let order = admin.submit(&new, FORM, &[good[0], good[1], good[2], good[3], ("order", "-1")]).await;
        assert_eq!(order.text("#order-error"), "A whole number from 0 to 1,000,000,000.");

        // Tiers have numbers in the way.
        let photos = admin.get("/admin/features/photos").await;
        let wrong = admin.submit(&photos, FORM, &[("kind", "boolean"), ("default_limit", "on")]).await;
        assert!(wrong.text("#kind-error").starts_with("Some tiers have numbers as limits."), "{}", wrong.body);
        assert_eq!(wrong.attribute("form.sheet", "action").as_deref(), Some("/admin/features/photos"));
        assert_eq!(admin.get("/admin/features/nothing").await.status, 404);
        let known = catalogue::current(&app.env).await.unwrap();
        assert_eq!(known.features().len(), 11);
    }

    async fn of_many_who_make_the_same_tier_one_does(app: TestApp) {
        let model = catalogue::current(&app.env).await.unwrap().tiers()[0].clone();
        let barrier = Arc::new(Barrier::new(8));
        let mut racing = JoinSet::new();
        for number in 0..8 {
            let (env, barrier) = (app.env.clone(), barrier.clone());
            let tier = Tier { id: "team".parse().unwrap(), name: format!("Team {number}"), ..model.clone() };
            racing.spawn(async move {
                barrier.wait().await;
                (tier.name.clone(), catalogue::create_tier(&env, "operator", &tier).await)
            });
        }
        let (made, refused): (Vec<_>, Vec<_>) = racing.join_all().await.into_iter().partition(|(_, done)| done.is_ok());
        assert_eq!(made.len(), 1);
        assert!(refused.iter().all(|(_, done)| matches!(done, Err(CatalogueError::IdTaken))), "{refused:?}");
        let known = catalogue::current(&app.env).await.unwrap();
        assert_eq!(known.tier(&"team".parse().unwrap()).unwrap().name, made[0].0, "nobody wrote over it");
    }

    async fn a_tier_is_made_and_changed(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let list = admin.get("/admin/tiers").await;
        assert_eq!(list.texts(".rows tbody a"), ["Free", "Basic", "Premium", "Self-Hosted"]);
        assert_eq!(list.texts(".rows td[data-label='State']")[3], "not for sale paid");
        let new = admin.get("/admin/tiers/new-tier").await;
        let typed = [("id", "team"), ("name", "Team"), ("price_monthly", "29,90"), ("price_yearly", "€ 299"), ("active", "on"), ("paid", "on")];
        let made = admin.submit(&new, FORM, &typed).await;
        assert_eq!(made.location(), "/admin/tiers?said=made", "{}", made.body);
        let known = catalogue::current(&app.env).await.unwrap();
        let tier = known.tier(&"team".parse().unwrap()).unwrap();
        assert_eq!((tier.price_monthly_cents, tier.price_yearly_cents, tier.sort_order, tier.active, tier.paid),
            (Some(2990), Some(29_900), 5, true, true));
        let edit = admin.get("/admin/tiers/team").await;
        assert_eq!(edit.attribute("#price_monthly", "value").as_deref(), Some("29.90"));
        let saved = admin.submit(&edit, FORM, &[("price_yearly", ""), ("name", "Teams")]).await;
        assert_eq!(saved.location(), "/admin/tiers?said=saved");
        let known = catalogue::current(&app.env).await.unwrap();
        let tier = known.tier(&"team".parse().unwrap()).unwrap();
        assert_eq!((tier.name.as_str(), tier.price_yearly_cents, tier.active), ("Teams", None, true));

        for (field, value, message) in [
            ("id", "", "An id starts with a letter and has at most 40 of a–z, 0–9 and _."),
            ("id", "free", "There is one with this id already."),
            ("name", "", "1 to 100 characters."),
            ("price_monthly", "a lot", "A price is written as 4.99, or left out."),
            ("price_yearly", "999999999999", "A price is written as 4.99, or left out."),
            ("strength", "", "A whole number from 0 to 1,000,000,000."),
            ("strength", "1000000001", "A whole number from 0 to 1,000,000,000."),
        ] {
            let good = [("id", "other"), ("name", "Other")];
            let fields: Vec<(&str, &str)> = good.into_iter().filter(|(name, _)| *name != field).chain([(field, value)]).collect();
            let wrong = admin.submit(&new, FORM, &fields).await;
            assert_eq!((wrong.status.as_u16(), wrong.text(&format!("#{field}-error")).as_str()), (422, message), "{field}={value}");
            assert_eq!(wrong.texts(".err").len(), 1, "{field}={value}");
        }
    }
}
