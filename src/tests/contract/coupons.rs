//! `store::coupons`.

use vouchsafe::{
    domain::{
        coupon::{Coupon, CouponCode, CouponKind, Terms},
        grant::Grant,
        ids::UserId,
    },
    store::{
        coupons::{self, Change},
        grants,
    },
};

use super::{ROUNDS, Store, after, name, on_both, won};
use crate::harness::beginning;

fn code(text: &str) -> CouponCode {
    CouponCode::normalise(text).unwrap()
}

impl Store {
    /// A coupon for an hour of Premium a head.
    pub(super) fn coupon(&self, code: &str, most: Option<i64>) -> Coupon {
        Coupon {
            id: self.id(),
            code: self::code(code),
            terms: Terms {
                kind: CouponKind::Period,
                tier: name("premium"),
                days: 30,
                valid_from: Some(after(-100)),
                valid_until: Some(after(100)),
                max_redemptions: most,
                partner: None,
            },
            redemptions: 0,
            active: true,
            archived_at: None,
            description: String::new(),
            created_by: "operator".to_owned(),
            created_at: beginning(),
        }
    }

    async fn with_coupon(&self, code: &str, most: Option<i64>) -> Coupon {
        let coupon = self.coupon(code, most);
        let mut tx = self.begin().await;
        coupons::insert(&mut tx.conn(), std::slice::from_ref(&coupon), beginning()).await.unwrap();
        tx.commit().await.unwrap();
        coupon
    }

    async fn with_grant(&self, user: UserId) -> Grant {
        let grant = self.grant(user, "premium", 0);
        let mut tx = self.begin().await;
        grants::put(&mut tx.conn(), &grant, beginning()).await.unwrap();
        tx.commit().await.unwrap();
        grant
    }
}

on_both! {
    async fn coupons_are_kept_and_a_code_is_there_once(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let pass = Coupon {
            terms: Terms {
                kind: CouponKind::Partner,
                partner: Some("Wellpass".to_owned()),
                valid_from: None,
                valid_until: None,
                ..store.coupon("X1X1", Some(9)).terms
            },
            description: "for the gym".to_owned(),
            ..store.coupon("PASS", Some(9))
        };
        assert_eq!(coupons::insert(conn, std::slice::from_ref(&pass), beginning()).await.unwrap(), [pass.id]);
        assert_eq!(coupons::find(conn, &code("p-a s-s")).await.unwrap(), Some(pass.clone()));
        assert_eq!(coupons::find(conn, &code("gone")).await.unwrap(), None);

        // More than fit into one statement, one of them there already.
        let many: Vec<Coupon> = (0..2_001).map(|number| store.coupon(&format!("MANY{number}"), None)).collect();
        let again: Vec<Coupon> = [store.coupon("PASS", None)].into_iter().chain(many.clone()).collect();
        assert_eq!(coupons::insert(conn, &again, beginning()).await.unwrap().len(), 2_001);
        assert_eq!(coupons::find(conn, &pass.code).await.unwrap(), Some(pass));
        assert_eq!(coupons::insert(conn, &[], beginning()).await.unwrap(), []);

        let first = coupons::page(conn, false, None, 1_500).await.unwrap();
        let rest = coupons::page(conn, false, first.last().map(|one| one.id), 1_500).await.unwrap();
        assert_eq!((first.len(), rest.len()), (1_500, 502));
        assert!(first.iter().chain(&rest).is_sorted_by(|a, b| a.id > b.id));
        assert_eq!(coupons::page(conn, true, None, 10).await.unwrap(), []);
    }

    async fn a_coupon_changes_but_not_what_it_brings(store: Store) {
        let coupon = store.with_coupon("SUMMER", None).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let same = coupons::update(conn, &coupon.code, Change::default(), after(1)).await.unwrap();
        assert_eq!(same, Some(coupon.clone()));
        let archive = Change { archived: Some(true), ..Change::default() };
        for second in [2, 3] {
            let archived = coupons::update(conn, &coupon.code, archive, after(second)).await.unwrap();
            assert_eq!(archived, Some(Coupon { archived_at: Some(after(2)), ..coupon.clone() }));
        }
        assert_eq!(coupons::page(conn, true, None, 10).await.unwrap().len(), 1);
        let back = Change { active: Some(false), archived: Some(false), description: Some("over") };
        let changed = coupons::update(conn, &coupon.code, back, after(4)).await.unwrap();
        assert_eq!(changed, Some(Coupon { active: false, description: "over".to_owned(), ..coupon }));
        assert_eq!(coupons::update(conn, &code("gone"), back, after(4)).await.unwrap(), None);
    }

    async fn who_cannot_be_redeemed_is_not_counted(store: Store) {
        let coupon = store.with_coupon("SUMMER", Some(2)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (second, is_open) in [(-101, false), (-100, true), (100, false), (99, true), (99, false)] {
            assert_eq!(coupons::count_redemption(conn, coupon.id, after(second)).await.unwrap(), is_open, "{second}");
        }
        assert_eq!(coupons::find(conn, &coupon.code).await.unwrap().unwrap().redemptions, 2);
        let endless = store.coupon("ENDLESS", None);
        coupons::insert(conn, std::slice::from_ref(&endless), beginning()).await.unwrap();
        assert!(coupons::count_redemption(conn, endless.id, beginning()).await.unwrap());
        for change in [Change { active: Some(false), ..Change::default() }, Change { active: Some(true), archived: Some(true), ..Change::default() }] {
            coupons::update(conn, &endless.code, change, after(1)).await.unwrap();
            assert!(!coupons::count_redemption(conn, endless.id, after(1)).await.unwrap(), "{change:?}");
        }
    }

    async fn of_many_at_once_no_more_than_may_are_counted(store: Store) {
        for round in 0..ROUNDS {
            let coupon = store.with_coupon(&format!("ROUND{round}"), Some(5)).await;
            let id = coupon.id;
            let counted = store.race(16, move |_, mut tx| async move {
                let is_counted = coupons::count_redemption(&mut tx.conn(), id, beginning()).await.unwrap();
                (tx, is_counted)
            }).await;
            assert_eq!(won(&counted), 5);
        }
    }

    async fn a_member_redeems_a_coupon_once_however_many_tries_meet(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let (hers, his) = (store.with_grant(ann).await, store.with_grant(bob).await);
        for round in 0..ROUNDS {
            let coupon = store.with_coupon(&format!("ROUND{round}"), None).await;
            let ids: Vec<_> = (0..12).map(|_| store.id()).collect();
            let (id, grant) = (coupon.id, hers.id);
            let noted = store.race(12, move |number, mut tx| {
                let redemption = ids[number];
                async move {
                    let is_noted = coupons::insert_redemption(&mut tx.conn(), redemption, id, ann, grant, beginning()).await;
                    (tx, is_noted.unwrap())
                }
            }).await;
            assert_eq!(won(&noted), 1);
            let mut tx = store.begin().await;
            assert!(coupons::insert_redemption(&mut tx.conn(), store.id(), id, bob, his.id, beginning()).await.unwrap());
            tx.commit().await.unwrap();
        }
        assert_eq!(store.count("coupon_redemptions").await, 2 * ROUNDS);
    }
}
