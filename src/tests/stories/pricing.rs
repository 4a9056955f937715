//! What there is to have, and for whom.

use chrono::TimeDelta;
use vouchsafe::services::catalogue;

use crate::harness::on_both;

on_both! {
    async fn everybody_sees_what_is_on_offer(app: TestApp) {
        let mut stranger = app.browser();
        let page = stranger.get("/pricing").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.texts(".offer h2"), ["Free", "Basic", "Premium"], "what is not for sale is not here");
        let prices = ["Costs nothing", "€4.99 a month", "or €49.90 a year", "€9.99 a month", "or €99.90 a year"];
        assert_eq!(page.texts(".price p"), prices);
        let basic = page.texts(".offer:nth-of-type(2) .offered li");
        assert_eq!(basic[5], "Progress photos50");
        assert_eq!(basic[6], "AI analyses3 monthly");
        assert!(basic[0].starts_with("Weight entries") && basic[0].contains("unlimited"), "{}", basic[0]);
        assert_eq!(basic[7], "AI pipeline–not included");
        assert_eq!(basic[8], "CSV export✓included");
        assert!(page.texts(".badge").is_empty());
        assert!(page.text(".paths").contains("Everybody who is new has Premium for 14 days"));
        assert_eq!(page.attribute(".sheet .btn.main", "href").as_deref(), Some("/login"));
        // No script, and nothing that looks like a checkout.
        assert!(!page.body.contains("<script") && !page.body.contains("<form method=\"post\" action=\"/pricing"));
        let german = stranger.clone().with_header("accept-language", "de").get("/pricing").await;
        assert_eq!(german.texts(".price p")[1..3], ["4,99 € im Monat", "oder 49,90 € im Jahr"]);
    }

    async fn an_invitation_is_kept_on_the_way(app: TestApp) {
        let page = app.browser().get("/pricing?ref=%20k7mq-2xwa").await;
        assert!(page.text(".note").starts_with("You were invited."), "{}", page.body);
        assert_eq!(page.attribute(".sheet .btn.main", "href").as_deref(), Some("/login?ref=K7MQ2XWA"));
        let mut member = app.signed_in("ann@example.com").await;
        assert_eq!(member.get("/pricing?ref=K7MQ2XWA").await.text(".note"), "", "they are here already");
    }

    async fn a_member_sees_their_tier_and_the_one_that_would_help(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let page = ann.get("/pricing?tier=basic").await;
        assert_eq!(page.text(".offer.theirs h2"), "Premium");
        assert_eq!(page.text(".offer.theirs .badge"), "Your tier");
        assert_eq!(page.text(".offer.suggested h2"), "Basic");
        assert_eq!(page.text(".offer.suggested .badge"), "Has what you need");
        assert_eq!(page.attribute(".sheet .btn.main", "href").as_deref(), Some("/settings#invite"));
        assert!(!page.text(".paths").contains("Everybody who is new"));
        app.env.clock.advance(TimeDelta::days(14));
        app.sign_in(&mut ann, "ann@example.com", "").await;
        assert_eq!(ann.get("/pricing?tier=free").await.text(".offer.theirs h2"), "Free");
        assert_eq!(ann.get("/pricing?tier=free").await.text(".offer.suggested h2"), "", "it is theirs already");
        assert_eq!(ann.get("/pricing?tier=nonsense!").await.status, 200);
    }

    async fn a_tier_that_is_no_longer_on_offer_is_named_to_who_has_it(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let mut premium =
            catalogue::current(&app.env).await.unwrap().tier(&"premium".parse().unwrap()).unwrap().clone();
        premium.active = false;
        catalogue::put_tier(&app.env, "operator", &premium).await.unwrap();
        let page = ann.get("/pricing").await;
        assert_eq!(page.texts(".offer h2"), ["Free", "Basic"]);
        assert!(page.body.contains("You have Premium, which is not on offer here."), "{}", page.body);
    }
}
