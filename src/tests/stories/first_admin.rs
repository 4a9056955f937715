//! The first admin.

use std::sync::Arc;

use tokio::sync::Barrier;
use vouchsafe::{
    domain::{email::EmailAddress, lang::Lang},
    services::{Origin, admin_claim},
};

use crate::harness::on_both;

on_both! {
    async fn the_link_makes_one_admin_and_is_void_afterwards(app: TestApp) {
        let link = admin_claim::issue(&app.env).await.unwrap().unwrap();
        let mut browser = app.browser();
        let page = browser.get(&link).await;
        assert_eq!(page.status, 200);
        let token = page.attribute("input[name=token]", "value").unwrap();
        let typo = browser.post("/admin/claim", &[("token", &token), ("email", "root")]).await;
        assert_eq!(typo.status, 422);
        assert_eq!(typo.attribute("#email", "value").as_deref(), Some("root"));
        let claimed = browser.post("/admin/claim", &[("token", &token), ("email", "root@example.com")]).await;
        assert_eq!(claimed.location(), "/admin/matrix");
        assert_eq!(browser.get("/admin/matrix").await.status, 200);

        let mut second = app.browser();
        assert_eq!(second.get(&link).await.status, 410);
        let late = second.post("/admin/claim", &[("token", &token), ("email", "eve@example.com")]).await;
        assert_eq!(late.status, 410);
        assert_eq!(admin_claim::issue(&app.env).await.unwrap(), None, "there is an admin");
    }

    async fn a_newer_link_voids_the_older_and_a_day_voids_both(app: TestApp) {
        let older = admin_claim::issue(&app.env).await.unwrap().unwrap();
        let newer = admin_claim::issue(&app.env).await.unwrap().unwrap();
        let mut browser = app.browser();
        assert_eq!(browser.get(&older).await.status, 410);
        assert_eq!(browser.get(&newer).await.status, 200);
        app.env.clock.advance(admin_claim::CLAIM_LIFETIME);
        assert_eq!(browser.get(&newer).await.status, 410);
        assert_eq!(browser.get("/admin/claim").await.status, 410);
    }

    async fn a_member_who_becomes_the_admin_is_signed_out_elsewhere(app: TestApp) {
        let mut elsewhere = app.signed_in("ann@example.com").await;
        let link = admin_claim::issue(&app.env).await.unwrap().unwrap();
        let token = link.split_once('=').unwrap().1.to_owned();
        let mut here = app.browser();
        here.post("/admin/claim", &[("token", &token), ("email", "ann@example.com")]).await;
        assert_eq!(here.get("/admin/matrix").await.status, 200);
        assert_eq!(elsewhere.get("/settings").await.status, 303);
    }

    async fn two_who_hold_the_link_make_one_admin(app: TestApp) {
        let link = admin_claim::issue(&app.env).await.unwrap().unwrap();
        let token = link.split_once('=').unwrap().1.to_owned();
        let barrier = Arc::new(Barrier::new(16));
        let mut racing = tokio::task::JoinSet::new();
        for nth in 0..16 {
            let (env, token, barrier) = (app.env.clone(), token.clone(), barrier.clone());
            racing.spawn(async move {
                let email = EmailAddress::parse(&format!("root{nth}@example.com")).unwrap();
                let origin = Origin {
                    address: [127, 0, 0, 1].into(),
                    network: "127.0.0.1".to_owned(),
                    user_agent: String::new(),
                    lang: Lang::En,
                };
                barrier.wait().await;
                admin_claim::redeem(&env, &token, &email, &origin).await.is_ok()
            });
        }
        assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }
}
