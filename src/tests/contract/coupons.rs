//! `store::coupons`.

use vouchsafe::{
    domain::{
        coupon::{Batch, Coupon, CouponCode, CouponKind, CouponState, Terms},
        grant::Grant,
        ids::{CouponId, GrantId, RedemptionId, UserId},
        partner::{Partner, PartnerDetails},
    },
    store::{
        coupons::{self, Change, Filter, NewRedemption},
        grants, partners,
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
                partner_id: None,
            },
            redemptions: 0,
            active: true,
            archived_at: None,
            description: String::new(),
            batch: None,
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

    /// A partner without a contract's bounds.
    pub(super) fn partner(&self, name: &str) -> Partner {
        Partner {
            id: self.id(),
            details: PartnerDetails { name: name.to_owned(), ..PartnerDetails::default() },
            linked_at: None,
            archived_at: None,
            created_by: "operator".to_owned(),
            created_at: beginning(),
        }
    }

    /// Coupons made in one go.
    pub(super) fn batch(&self, label: &str) -> Batch {
        Batch {
            id: self.id(),
            label: label.to_owned(),
            count: 2,
            created_by: "operator".to_owned(),
            created_at: beginning(),
        }
    }

    async fn with_grant(&self, user: UserId) -> Grant {
        let grant = self.grant(user, "premium", 0);
        let mut tx = self.begin().await;
        grants::put(&mut tx.conn(), &grant, beginning()).await.unwrap();
        tx.commit().await.unwrap();
        grant
    }
}

/// A redemption, by somebody without an address.
pub(super) fn redemption(id: RedemptionId, coupon: CouponId, user: UserId, grant: GrantId) -> NewRedemption {
    NewRedemption { id, coupon, user, grant, address_hash: None }
}

/// Those that are archived, or the others.
fn shelf(archived: bool) -> Filter {
    Filter { archived: Some(archived), ..Filter::default() }
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
        let some = coupons::find_all(conn, &[code("PASS"), code("gone"), code("pass")]).await.unwrap();
        assert_eq!(some, std::slice::from_ref(&pass));
        assert_eq!(coupons::find_all(conn, &[]).await.unwrap(), []);

        // More than fit into one statement, one of them there already.
        let many: Vec<Coupon> = (0..2_001).map(|number| store.coupon(&format!("MANY{number}"), None)).collect();
        let again: Vec<Coupon> = [store.coupon("PASS", None)].into_iter().chain(many.clone()).collect();
        assert_eq!(coupons::insert(conn, &again, beginning()).await.unwrap().len(), 2_001);
        assert_eq!(coupons::find(conn, &pass.code).await.unwrap(), Some(pass));
        assert_eq!(coupons::insert(conn, &[], beginning()).await.unwrap(), []);

        let first = coupons::page(conn, &shelf(false), None, 1_500).await.unwrap();
        let rest = coupons::page(conn, &shelf(false), first.last().map(|one| one.id), 1_500).await.unwrap();
        assert_eq!((first.len(), rest.len()), (1_500, 502));
        assert!(first.iter().chain(&rest).is_sorted_by(|a, b| a.id > b.id));
        assert_eq!(coupons::page(conn, &shelf(true), None, 10).await.unwrap(), []);
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
        assert_eq!(coupons::page(conn, &shelf(true), None, 10).await.unwrap().len(), 1);
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
                let mark = ids[number];
                async move {
                    let new = redemption(mark, id, ann, grant);
                    let is_noted = coupons::insert_redemption(&mut tx.conn(), &new, beginning()).await;
                    (tx, is_noted.unwrap())
                }
            }).await;
            assert_eq!(won(&noted), 1);
            let mut tx = store.begin().await;
            let new = redemption(store.id(), id, bob, his.id);
            assert!(coupons::insert_redemption(&mut tx.conn(), &new, beginning()).await.unwrap());
            tx.commit().await.unwrap();
        }
        assert_eq!(store.count("coupon_redemptions").await, 2 * ROUNDS);
    }

    async fn coupons_are_found_by_how_they_stand(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let gym = store.partner("Gym 100%");
        assert!(partners::insert(conn, &gym, beginning()).await.unwrap());
        let batch = store.batch("fair");
        coupons::insert_batch(conn, &batch).await.unwrap();
        let open = store.coupon("OPEN1", Some(2));
        let late = Coupon { terms: Terms { valid_until: None, valid_from: None, ..open.terms.clone() }, redemptions: 2, ..store.coupon("FULL1", Some(2)) };
        let pass = Coupon {
            terms: Terms { kind: CouponKind::Partner, partner: Some("Gym 100%".to_owned()), partner_id: Some(gym.id), ..open.terms.clone() },
            batch: Some(batch.id),
            description: "for the Spring_fair in Österreich".to_owned(),
            ..store.coupon("PASS1", None)
        };
        let off = Coupon { active: false, ..store.coupon("OFF11", None) };
        let away = Coupon { archived_at: Some(beginning()), batch: Some(batch.id), ..store.coupon("AWAY1", None) };
        let all = [open.clone(), late.clone(), pass.clone(), off.clone(), away.clone()];
        assert_eq!(coupons::insert(conn, &all, beginning()).await.unwrap().len(), 5);
        let state = |state, second| Filter { state: Some((state, after(second))), ..Filter::default() };
        let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
        for (filter, expected) in [
            (Filter::default(), vec![&away, &off, &pass, &late, &open]),
            (state(CouponState::Open, 0), vec![&pass, &open]),
            (state(CouponState::Open, -101), vec![]),
            (state(CouponState::UsedUp, 0), vec![&late]),
            (state(CouponState::NotYet, -101), vec![&pass, &open]),
            (state(CouponState::Expired, 100), vec![&pass, &open]),
            (state(CouponState::Inactive, 0), vec![&away, &off]),
            (Filter { kind: Some(CouponKind::Partner), ..Filter::default() }, vec![&pass]),
            (Filter { partner: Some(gym.id), ..Filter::default() }, vec![&pass]),
            (Filter { batch: Some(batch.id), ..Filter::default() }, vec![&away, &pass]),
            (Filter { batch: Some(batch.id), ..shelf(false) }, vec![&pass]),
            (text("pas-s"), vec![&pass]),
            (text("SPRING_"), vec![&pass]),
            (text("_pring"), vec![]),
            (text("Österreich"), vec![&pass]),
            (text("in Ö"), vec![&pass]),
            (text("100%"), vec![&pass]),
            (text("%"), vec![&pass]),
            (text("nothing"), vec![]),
        ] {
            let mut found = coupons::page(conn, &filter, None, 10).await.unwrap();
            found.sort_by(|a, b| a.code.cmp(&b.code));
            let mut expected: Vec<Coupon> = expected.into_iter().cloned().collect();
            expected.sort_by(|a, b| a.code.cmp(&b.code));
            assert_eq!(found, expected, "{filter:?}");
        }
        // How a coupon says that it is closed and how it is filtered are one.
        for second in [-101, 0, 100] {
            for one in &all {
                let named = one.state(after(second));
                for state in CouponState::ALL {
                    let filter = Filter { state: Some((state, after(second))), ..Filter::default() };
                    let is_there = coupons::page(conn, &filter, None, 10).await.unwrap().contains(one);
                    assert_eq!(is_there, state == named, "{} at {second}: {state:?}", one.code);
                }
            }
        }
        assert_eq!(coupons::find_batch(conn, batch.id).await.unwrap(), Some((batch.clone(), 0)));
        assert_eq!(coupons::find_batch(conn, store.id()).await.unwrap(), None);
        assert!(coupons::count_redemption(conn, pass.id, beginning()).await.unwrap());
        assert_eq!(coupons::find_batch(conn, batch.id).await.unwrap(), Some((batch.clone(), 1)));
        assert_eq!(coupons::batches(conn, None, 10).await.unwrap(), [(batch.clone(), 1)]);
        assert_eq!(coupons::batches(conn, Some(batch.id), 10).await.unwrap(), []);
    }

    async fn who_redeemed_is_known_by_account_and_by_address(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let (hers, his) = (store.with_grant(ann).await, store.with_grant(bob).await);
        let (coupon, other) = (store.with_coupon("SUMMER", None).await, store.with_coupon("WINTER", None).await);
        let hash = [7; 32];
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let first = NewRedemption { address_hash: Some(hash), ..redemption(store.id(), coupon.id, ann, hers.id) };
        assert!(coupons::insert_redemption(conn, &first, beginning()).await.unwrap());
        assert!(coupons::insert_redemption(conn, &redemption(store.id(), coupon.id, bob, his.id), after(1)).await.unwrap());
        let found = coupons::redeemers(conn, &[coupon.id, other.id], &[ann], &[]).await.unwrap();
        assert_eq!(found.iter().map(|one| (one.coupon_id, one.user_id)).collect::<Vec<_>>(), [(coupon.id, Some(ann))]);
        // Another account with the address of before.
        let found = coupons::redeemers(conn, &[coupon.id], &[store.id()], &[hash, [8; 32]]).await.unwrap();
        assert_eq!(found.iter().map(|one| one.address_hash.clone()).collect::<Vec<_>>(), [Some(hash.to_vec())]);
        assert_eq!(coupons::redeemers(conn, &[other.id], &[ann, bob], &[hash]).await.unwrap(), []);
        assert_eq!(coupons::redeemers(conn, &[], &[ann], &[hash]).await.unwrap(), []);
        let listed = coupons::redemptions(conn, coupon.id, None, 10).await.unwrap();
        let told: Vec<_> = listed.iter().map(|one| (one.member.as_deref(), one.redeemed_at)).collect();
        assert_eq!(told.len(), 2);
        assert!(told.contains(&(Some("ann@example.com"), beginning())) && told.contains(&(Some("bob@example.com"), after(1))));
        let rest = coupons::redemptions(conn, coupon.id, Some(listed[0].id), 10).await.unwrap();
        assert_eq!(rest, listed[1..]);
    }
}
