//! What a member sees of their usage in /settings.

use chrono::TimeDelta;
use vouchsafe::{
    domain::usage::Outcome,
    services::{catalogue, members, members::MemberDetails, usage},
};

use crate::harness::{Page, TestApp, on_both};

fn meters(page: &Page) -> Vec<String> {
    let (names, values) = (page.texts(".usage > span:first-child"), page.texts(".usage > span.num"));
    names.into_iter().zip(values).map(|(name, value)| format!("{name}: {value}")).collect()
}

async fn use_up(app: &TestApp, email: &str, feature: &str, amount: i64) {
    let user = members::find(&app.env, email).await.unwrap().unwrap().id;
    let held = usage::hold(&app.env, user, &feature.parse().unwrap(), amount, "app").await.unwrap();
    let Outcome::Reserved { reservation, .. } = held else { panic!("{held:?}") };
    usage::confirm(&app.env, reservation.id, "app").await.unwrap();
}

on_both! {
    async fn every_counted_feature_has_a_meter(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let user = members::find(&app.env, "ann@example.com").await.unwrap().unwrap().id;
        app.env.clock.advance(TimeDelta::days(14));
        app.sign_in(&mut ann, "ann@example.com", "").await;
        let page = ann.get("/settings").await;
        assert_eq!(meters(&page)[5], "Progress photos: 0 of 5");
        assert_eq!(page.texts(".switches:not(.on) li"), ["AI analyses", "AI pipeline", "CSV export", "JSON export", "ZIP export"]);
        assert!(page.texts(".switches.on li").is_empty());

        let details = MemberDetails { tier: Some("basic".parse().unwrap()), ..MemberDetails::default() };
        members::update(&app.env, user, &details, "operator").await.unwrap();
        use_up(&app, "ann@example.com", "ai_calls", 2).await;
        usage::hold(&app.env, user, &"ai_calls".parse().unwrap(), 1, "app").await.unwrap();
        let page = ann.get("/settings").await;
        assert_eq!(meters(&page)[0], "Weight entries: 0 of ∞");
        assert_eq!(meters(&page)[6], "AI analyses: 2 of 3 · used up · 1 held · resets on 1 January 2027");
        assert_eq!(page.texts(".switches.on li"), ["CSV export", "JSON export", "ZIP export"]);
        assert_eq!(page.texts(".switches:not(.on) li"), ["AI pipeline"]);
        // A bar where there is a limit, with its name and what it says.
        assert_eq!(page.texts("meter"), ["0 of 50", "2 of 3"]);
        let bar = |name| page.attribute(".usage.full meter", name).unwrap();
        assert_eq!((bar("value").as_str(), bar("max").as_str(), bar("aria-labelledby").as_str()), ("3", "3", "usage-ai_calls"));
        assert_eq!(page.attribute("section:has(#usage) a", "href").as_deref(), Some("/pricing?tier=premium"));
    }

    async fn who_has_everything_is_offered_nothing(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let page = ann.get("/settings").await;
        assert_eq!(meters(&page).len(), 7, "the trial is premium");
        assert_eq!(page.texts(".switches.on li").len(), 4);
        assert_eq!(page.attribute("section:has(#usage) a", "href"), None);
        assert!(page.texts("meter").is_empty());
    }

    async fn what_is_out_of_use_is_not_shown(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let mut photos = catalogue::current(&app.env).await.unwrap().feature(&"photos".parse().unwrap()).unwrap().clone();
        photos.active = false;
        catalogue::put_feature(&app.env, "operator", &photos).await.unwrap();
        let page = ann.get("/settings").await;
        assert_eq!(meters(&page).len(), 6);
        assert!(!page.text("section:has(#usage)").contains("Progress photos"), "{}", page.text("section:has(#usage)"));
    }

    async fn what_is_full_leads_to_a_tier_that_gives_more(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(14));
        app.sign_in(&mut ann, "ann@example.com", "").await;
        // Switches that premium alone has lead there; without them, the weakest that has more photos.
        let known = catalogue::current(&app.env).await.unwrap();
        for id in ["ai_calls", "ai_pipeline", "export_csv", "export_json", "export_zip"] {
            let mut feature = known.feature(&id.parse().unwrap()).unwrap().clone();
            feature.active = false;
            catalogue::put_feature(&app.env, "operator", &feature).await.unwrap();
        }
        assert_eq!(ann.get("/settings").await.attribute("section:has(#usage) a", "href"), None);
        use_up(&app, "ann@example.com", "photos", 5).await;
        let page = ann.get("/settings").await;
        assert_eq!(page.attribute("section:has(#usage) a", "href").as_deref(), Some("/pricing?tier=basic"));
        assert_eq!(page.text(".usage.full .num"), "5 of 5 · used up");
    }
}
