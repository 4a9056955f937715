//! `store::referrals`.

use vouchsafe::{
    domain::{
        ids::{ReferralId, UserId},
        payment::Provider,
        referral::{Flag, Referral, ReferralState, ReferralStats, SeenFrom},
    },
    store::{
        Conn,
        activity::{self, NewActivity},
        referrals::{self, Conversion},
    },
};

use super::{Store, after, fixture::execute, on_both, won};
use crate::harness::beginning;

const CONVERSION: Conversion<'static> =
    Conversion { invoice: (Provider::Stripe, "in_1"), reward_days: 45, flags: &[], held_until: None };

impl Store {
    /// Has a member invite a new one, and returns both and the referral.
    async fn referral(&self, number: usize, referrer: UserId) -> (ReferralId, UserId) {
        let (id, friend) = (self.id(), self.member(&format!("friend{number}@example.com")).await);
        let mut tx = self.begin().await;
        assert!(referrals::insert(&mut tx.conn(), id, referrer, friend, beginning()).await.unwrap());
        tx.commit().await.unwrap();
        (id, friend)
    }
}

on_both! {
    async fn the_first_touch_wins(store: Store) {
        let (ann, bob, cid) = (
            store.member("ann@example.com").await,
            store.member("bob@example.com").await,
            store.member("cid@example.com").await,
        );
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(referrals::insert(conn, store.id(), ann, cid, beginning()).await.unwrap());
        assert!(!referrals::insert(conn, store.id(), bob, cid, after(1)).await.unwrap());
        assert!(!referrals::insert(conn, store.id(), ann, cid, after(1)).await.unwrap());
        // A friend may invite in turn.
        assert!(referrals::insert(conn, store.id(), cid, bob, after(2)).await.unwrap());
        assert_eq!(referrals::stats(conn, ann, beginning()).await.unwrap().pending, 1);
        assert_eq!(referrals::stats(conn, bob, beginning()).await.unwrap(), ReferralStats::default());
    }

    async fn the_referral_of_a_friend_who_has_left_is_found_by_its_invoice(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (id, _) = store.referral(1, ann).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(referrals::convert(conn, id, &CONVERSION, after(2)).await.unwrap());
        let mut found = Vec::new();
        for gone in [false, true] {
            if gone {
                execute(conn, "UPDATE referrals SET referred_user_id = NULL").await.unwrap();
            }
            for (provider, invoice) in [(Provider::Stripe, "in_1"), (Provider::Polar, "in_1"), (Provider::Stripe, "in_2")] {
                let one = referrals::find_by_invoice(conn, provider, invoice).await.unwrap();
                found.push(one.map(|one| (one.id, one.referrer, one.referred)));
            }
        }
        assert_eq!(found, [None, None, None, Some((id, Some(ann), None)), None, None]);
    }

    async fn of_many_who_invite_one_friend_at_once_one_did(store: Store) {
        let friend = store.member("friend@example.com").await;
        let mut inviters = Vec::new();
        for number in 0..12 {
            inviters.push((store.id(), store.member(&format!("inviter{number}@example.com")).await));
        }
        let results = store.race(12, move |number, mut tx| {
            let (id, inviter) = inviters[number];
            async move {
                let inserted = referrals::insert(&mut tx.conn(), id, inviter, friend, beginning()).await.unwrap();
                (tx, inserted)
            }
        });
        assert_eq!(won(&results.await), 1);
        assert_eq!(store.count("referrals").await, 1);
    }

    async fn invitations_are_counted_by_what_became_of_them(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut friends = Vec::new();
        for number in 0..6 {
            friends.push(store.member(&format!("friend{number}@example.com")).await);
        }
        // One that is no longer, one that is just not, one that is still running; in this order,
        // so that each statement meets the rows that the one before left alone.
        for (friend, converted_at) in friends.iter().zip([after(-1), beginning(), after(1)]) {
            let mut tx = store.begin().await;
            assert!(referrals::insert(&mut tx.conn(), store.id(), ann, *friend, after(-10)).await.unwrap());
            tx.commit().await.unwrap();
            let moment = converted_at.format("%Y-%m-%dT%H:%M:%S+00:00");
            let convert = format!(
                "UPDATE referrals SET converted_at = '{moment}', credited_at = '{moment}' WHERE converted_at IS NULL"
            );
            assert_eq!(store.execute(&convert).await, 1);
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for friend in &friends[3..5] {
            referrals::insert(conn, store.id(), ann, *friend, after(2)).await.unwrap();
        }
        referrals::insert(conn, store.id(), bob, friends[5], after(2)).await.unwrap();
        let stats = referrals::stats(conn, ann, beginning()).await.unwrap();
        assert_eq!(stats, ReferralStats { pending: 2, converted: 3, active_credits: 1 });
    }

    async fn a_referral_goes_its_way_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (id, friend) = store.referral(1, ann).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        // Nothing can be done about one that has not converted.
        assert!(!referrals::credit(conn, id, after(1)).await.unwrap());
        assert!(!referrals::release(conn, id, after(1)).await.unwrap());
        assert!(!referrals::reject(conn, id, after(1)).await.unwrap());
        assert!(!referrals::take_back(conn, id, after(1)).await.unwrap());
        assert!(!referrals::set_invoice(conn, id, Provider::Polar, "o").await.unwrap());
        let flags = [Flag::SameMailbox, Flag::ManyConversions];
        let conversion = Conversion { flags: &flags, held_until: Some(after(90)), ..CONVERSION };
        assert!(referrals::convert(conn, id, &conversion, after(2)).await.unwrap());
        assert!(!referrals::convert(conn, id, &CONVERSION, after(3)).await.unwrap());
        let expected = Referral {
            id,
            referrer: Some(ann),
            referred: Some(friend),
            created_at: beginning(),
            converted_at: Some(after(2)),
            credited_at: None,
            invoice: Some((Provider::Stripe, "in_1".to_owned())),
            reward_days: Some(45),
            flags: flags.to_vec(),
            held_until: Some(after(90)),
            rejected_at: None,
            taken_back_at: None,
            times_taken_back: 0,
        };
        assert_eq!(referrals::find(conn, id).await.unwrap(), Some(expected.clone()));
        assert_eq!(referrals::find_by_referred(conn, friend).await.unwrap(), Some(expected));
        assert_eq!(referrals::find_by_referred(conn, ann).await.unwrap(), None);
        assert_eq!(referrals::due(conn, after(89), 9).await.unwrap(), []);
        assert_eq!(referrals::due(conn, after(90), 9).await.unwrap().len(), 1);
        assert_eq!(referrals::conversions(conn, ann, after(1)).await.unwrap(), 1);
        assert_eq!(referrals::conversions(conn, ann, after(2)).await.unwrap(), 0);
        assert!(referrals::set_invoice(conn, id, Provider::Polar, "order").await.unwrap());

        assert!(referrals::release(conn, id, after(4)).await.unwrap());
        assert!(referrals::credit(conn, id, after(5)).await.unwrap());
        assert!(!referrals::credit(conn, id, after(6)).await.unwrap());
        assert!(!referrals::reject(conn, id, after(6)).await.unwrap());
        assert!(!referrals::release(conn, id, after(6)).await.unwrap());
        for times in 1..3 {
            assert!(referrals::take_back(conn, id, after(7)).await.unwrap());
            assert!(!referrals::take_back(conn, id, after(8)).await.unwrap());
            assert_eq!(referrals::find(conn, id).await.unwrap().unwrap().times_taken_back, times);
            assert_eq!(referrals::stats(conn, ann, beginning()).await.unwrap(), ReferralStats::default());
            assert!(referrals::give_back(conn, id).await.unwrap());
            assert!(!referrals::give_back(conn, id).await.unwrap());
        }
        let found = referrals::find(conn, id).await.unwrap().unwrap();
        assert_eq!((found.state(), found.invoice), (ReferralState::Converted, Some((Provider::Polar, "order".to_owned()))));
    }

    async fn of_many_who_convert_and_credit_one_does(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (id, _) = store.referral(1, ann).await;
        let converted = store.race(12, move |_, mut tx| async move {
            let done = referrals::convert(&mut tx.conn(), id, &CONVERSION, after(1)).await.unwrap();
            (tx, done)
        });
        assert_eq!(won(&converted.await), 1);
        let credited = store.race(12, move |_, mut tx| async move {
            let done = referrals::credit(&mut tx.conn(), id, after(2)).await.unwrap();
            (tx, done)
        });
        assert_eq!(won(&credited.await), 1);
        let taken = store.race(12, move |_, mut tx| async move {
            let done = referrals::take_back(&mut tx.conn(), id, after(3)).await.unwrap();
            (tx, done)
        });
        assert_eq!(won(&taken.await), 1);
    }

    async fn lists_tell_states_apart(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(store.referral(number, ann).await.0);
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for id in &ids[1..] {
            assert!(referrals::convert(conn, *id, &CONVERSION, after(1)).await.unwrap());
        }
        for id in [ids[2], ids[4]] {
            assert!(referrals::credit(conn, id, after(2)).await.unwrap());
        }
        assert!(referrals::reject(conn, ids[3], after(2)).await.unwrap());
        assert!(referrals::take_back(conn, ids[4], after(3)).await.unwrap());
        for (state, id) in ReferralState::ALL.into_iter().zip(&ids) {
            let page = referrals::page(conn, Some(state), None, 9).await.unwrap();
            assert_eq!(page.iter().map(|one| (one.id, one.state())).collect::<Vec<_>>(), [(*id, state)]);
        }
        ids.sort();
        ids.reverse();
        let page = referrals::page(conn, None, Some(ids[1]), 2).await.unwrap();
        assert_eq!(page.into_iter().map(|one| one.id).collect::<Vec<_>>(), ids[2..4]);
    }

    async fn what_looks_odd_is_listed_apart(store: Store) {
        let ann = store.member("ann@example.com").await;
        let ids = [store.referral(0, ann).await.0, store.referral(1, ann).await.0, store.referral(2, ann).await.0];
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let odd = Conversion { flags: &[Flag::SameBrowser], ..CONVERSION };
        for (id, conversion) in ids.iter().zip([&odd, &CONVERSION, &odd]) {
            assert!(referrals::convert(conn, *id, conversion, after(1)).await.unwrap());
        }
        let flagged = async |conn: &mut Conn<'_>, before, count| {
            let page = referrals::flagged(conn, before, count).await.unwrap();
            page.into_iter().map(|one| one.id).collect::<Vec<_>>()
        };
        let (early, late) = (ids[0].min(ids[2]), ids[0].max(ids[2]));
        assert_eq!(flagged(conn, None, 9).await, [late, early]);
        assert_eq!(flagged(conn, None, 1).await, [late]);
        assert_eq!(flagged(conn, Some(late), 9).await, [early]);
    }

    async fn sign_ins_of_two_are_read_the_newest_first(store: Store) {
        let (ann, bob, cid) = (
            store.member("ann@example.com").await,
            store.member("bob@example.com").await,
            store.member("cid@example.com").await,
        );
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (number, (user, address)) in [(ann, Some("1.2.3.4")), (bob, Some("::1")), (cid, Some("::1")), (ann, None)].into_iter().enumerate() {
            let line = NewActivity {
                id: store.id(),
                user: Some(user),
                actor: "a",
                action: "login",
                details: (),
                ip_address: address,
                user_agent: Some("Firefox"),
            };
            activity::insert(conn, &line, after(i64::try_from(number).unwrap())).await.unwrap();
        }
        for action in ["credit_granted", "admin_claimed"] {
            let line = NewActivity {
                id: store.id(),
                user: Some(ann),
                actor: "root@example.com",
                action,
                details: (),
                ip_address: Some("::2"),
                user_agent: Some("Firefox"),
            };
            activity::insert(conn, &line, after(9)).await.unwrap();
        }
        let seen = |user, address: &str, seconds| SeenFrom {
            user,
            address: address.to_owned(),
            user_agent: "Firefox".to_owned(),
            at: after(seconds),
        };
        assert_eq!(referrals::seen_from(conn, ann, bob, 9).await.unwrap(), [seen(ann, "::2", 9), seen(bob, "::1", 1), seen(ann, "1.2.3.4", 0)]);
        assert_eq!(referrals::seen_from(conn, ann, bob, 1).await.unwrap().len(), 1);
    }
}
