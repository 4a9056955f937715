//! `store::partners`.

use vouchsafe::{
    domain::{
        coupon::Terms,
        grant::{Grant, GrantState},
        partner::{Figures, Partner, PartnerDetails},
    },
    store::{Conn, coupons, grants, partners},
};

use super::{ROUNDS, Store, after, coupons::redemption, on_both, won};
use crate::harness::beginning;

on_both! {
    async fn partners_are_kept_and_each_name_is_there_once(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let gym = Partner {
            details: PartnerDetails {
                name: "Wellpass".to_owned(),
                contact: "Kim".to_owned(),
                email: Some("kim@example.com".to_owned()),
                contract_from: Some(after(0)),
                contract_until: Some(after(100)),
                note: "since the fair".to_owned(),
            },
            ..store.partner("Wellpass")
        };
        assert!(partners::insert(conn, &gym, beginning()).await.unwrap());
        assert!(!partners::insert(conn, &store.partner("Wellpass"), beginning()).await.unwrap());
        let firm = store.partner("Firm");
        assert!(partners::insert(conn, &firm, beginning()).await.unwrap());
        assert_eq!(partners::find_by_name(conn, "Wellpass").await.unwrap(), Some(gym.clone()));
        assert_eq!(partners::find_by_name(conn, "wellpass").await.unwrap(), None);
        assert_eq!(partners::find_all(conn, &[gym.id, store.id()]).await.unwrap(), std::slice::from_ref(&gym));
        assert_eq!(partners::find_all(conn, &[]).await.unwrap(), []);
        let all = partners::list(conn, false, None, 10).await.unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(partners::list(conn, false, Some(all[0].id), 10).await.unwrap(), all[1..]);
        assert_eq!(partners::list(conn, true, None, 10).await.unwrap(), []);
        let names = [(firm.id, "Firm".to_owned()), (gym.id, "Wellpass".to_owned())];
        assert_eq!(partners::names(conn, 10).await.unwrap(), names);
        assert_eq!(partners::names(conn, 1).await.unwrap(), names[..1]);

        let renamed = PartnerDetails { name: "Firm".to_owned(), ..gym.details.clone() };
        assert_eq!(partners::update(conn, gym.id, &renamed, false, after(1)).await.unwrap(), None);
        assert_eq!(partners::update(conn, store.id(), &gym.details, false, after(1)).await.unwrap(), Some(false));
        let other = PartnerDetails { name: "Gym".to_owned(), ..PartnerDetails::default() };
        assert_eq!(partners::update(conn, store.id(), &other, false, after(1)).await.unwrap(), Some(false));
        for second in [2, 3] {
            assert_eq!(partners::update(conn, gym.id, &other, true, after(second)).await.unwrap(), Some(true));
            let away = Partner { details: other.clone(), archived_at: Some(after(2)), ..gym.clone() };
            assert_eq!(partners::list(conn, true, None, 10).await.unwrap(), [away]);
            assert_eq!(partners::names(conn, 10).await.unwrap(), names[..1], "who is archived is offered nowhere");
        }
        assert_eq!(partners::update(conn, gym.id, &gym.details, false, after(4)).await.unwrap(), Some(true));
        assert_eq!(partners::find_all(conn, &[gym.id]).await.unwrap(), [gym]);
    }

    async fn of_many_who_take_one_name_at_once_one_gets_it_and_the_others_are_told(store: Store) {
        for round in 0..ROUNDS {
            let mut all = Vec::new();
            let mut tx = store.begin().await;
            for number in 0..6 {
                let partner = store.partner(&format!("Firm {round} {number}"));
                assert!(partners::insert(&mut tx.conn(), &partner, beginning()).await.unwrap());
                all.push(partner);
            }
            tx.commit().await.unwrap();
            let taken = store.race(6, move |number, mut tx| {
                let partner = all[number].clone();
                async move {
                    let details = PartnerDetails { name: format!("Gym {round}"), ..partner.details };
                    let updated = partners::update(&mut tx.conn(), partner.id, &details, false, after(1)).await.unwrap();
                    // The transaction goes on either way.
                    let found = partners::find_by_name(&mut tx.conn(), &details.name).await.unwrap();
                    (tx, updated == Some(true) && found.is_some_and(|found| found.id == partner.id))
                }
            }).await;
            assert_eq!(won(&taken), 1);
        }
    }

    async fn a_link_is_good_until_there_is_another(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let gym = store.partner("Gym");
        assert!(partners::insert(conn, &gym, beginning()).await.unwrap());
        assert!(partners::set_link(conn, gym.id, Some(&[1; 32]), after(1)).await.unwrap());
        let found = partners::find_by_link(conn, &[1; 32]).await.unwrap();
        assert_eq!(found, Some(Partner { linked_at: Some(after(1)), ..gym.clone() }));
        assert!(partners::set_link(conn, gym.id, Some(&[2; 32]), after(2)).await.unwrap());
        assert_eq!(partners::find_by_link(conn, &[1; 32]).await.unwrap(), None);
        partners::update(conn, gym.id, &gym.details, true, after(3)).await.unwrap();
        assert_eq!(partners::find_by_link(conn, &[2; 32]).await.unwrap(), None);
        partners::update(conn, gym.id, &gym.details, false, after(4)).await.unwrap();
        assert!(partners::find_by_link(conn, &[2; 32]).await.unwrap().is_some());
        assert!(partners::set_link(conn, gym.id, None, after(5)).await.unwrap());
        assert_eq!(partners::find_by_link(conn, &[2; 32]).await.unwrap(), None);
        assert_eq!(partners::find_all(conn, &[gym.id]).await.unwrap(), [gym]);
        assert!(!partners::set_link(conn, store.id(), None, after(6)).await.unwrap());
    }

    async fn what_came_of_coupons_is_counted(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let (gym, firm) = (store.partner("Gym"), store.partner("Firm"));
        for partner in [&gym, &firm] {
            assert!(partners::insert(conn, partner, beginning()).await.unwrap());
        }
        let mut pass = store.coupon("PASS", None);
        pass.terms = Terms { partner_id: Some(gym.id), valid_from: None, valid_until: None, ..pass.terms };
        let mut old = store.coupon("OLD1", None);
        old.terms.partner_id = Some(gym.id);
        old.archived_at = Some(beginning());
        assert_eq!(coupons::insert(conn, &[pass.clone(), old.clone()], beginning()).await.unwrap().len(), 2);
        let mut ids = Vec::new();
        for (user, second, ended) in [(ann, 10, Some(after(20))), (bob, 30, None)] {
            let grant = Grant { coupon: Some(pass.id), ..store.grant(user, "premium", 0) };
            let grant = match ended {
                Some(at) => Grant { remaining: 0, running_since: None, ended_at: Some(at), ..grant },
                None => grant,
            };
            grants::put(conn, &grant, beginning()).await.unwrap();
            let new = redemption(store.id(), pass.id, user, grant.id);
            assert!(coupons::insert_redemption(conn, &new, after(second)).await.unwrap());
            assert!(coupons::count_redemption(conn, pass.id, after(second)).await.unwrap());
            ids.push((new.id, grant.state()));
        }
        let figures = partners::figures(conn, &[gym.id, firm.id]).await.unwrap();
        assert_eq!(figures, [(gym.id, Figures { coupons: 1, redemptions: 2, active: 1 })]);
        assert_eq!(partners::figures(conn, &[]).await.unwrap(), []);
        assert_eq!(partners::first_redemption(conn, gym.id).await.unwrap(), Some(after(10)));
        assert_eq!(partners::first_redemption(conn, firm.id).await.unwrap(), None);

        let all = partners::statement(conn, gym.id, (after(10), after(31)), None, 10).await.unwrap();
        ids.sort_by_key(|(id, _)| *id);
        let told: Vec<_> = all.iter().map(|line| (line.id, line.state.unwrap())).collect();
        assert_eq!(told, ids);
        assert!(all.iter().any(|line| line.state == Some(GrantState::Ended)));
        assert!(all.iter().all(|line| (line.code.as_str(), line.tier.as_str(), line.days) == ("PASS", "premium", 30)));
        assert_eq!(partners::statement(conn, gym.id, (after(10), after(31)), Some(all[0].id), 10).await.unwrap(), all[1..]);
        assert_eq!(partners::statement(conn, gym.id, (after(11), after(30)), None, 10).await.unwrap(), []);
        assert_eq!(partners::statement(conn, gym.id, (after(10), after(30)), None, 10).await.unwrap().len(), 1);
        assert_eq!(partners::statement(conn, firm.id, (after(0), after(99)), None, 10).await.unwrap(), []);
    }

    async fn contracts_that_end_in_time_are_found(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (name, until) in [("Late", Some(30)), ("Early", Some(20)), ("Over", Some(10)), ("Later", Some(31)), ("Endless", None)] {
            let mut partner = store.partner(name);
            partner.details.contract_until = until.map(after);
            assert!(partners::insert(conn, &partner, beginning()).await.unwrap());
        }
        let names = async |conn: &mut Conn<'_>, count| {
            let ending = partners::ending(conn, after(10), after(30), count).await.unwrap();
            ending.into_iter().map(|partner| partner.details.name).collect::<Vec<_>>()
        };
        assert_eq!(names(conn, 9).await, ["Early", "Late"]);
        assert_eq!(names(conn, 1).await, ["Early"]);
        let early = partners::find_by_name(conn, "Early").await.unwrap().unwrap();
        assert_eq!(partners::update(conn, early.id, &early.details, true, after(1)).await.unwrap(), Some(true));
        assert_eq!(names(conn, 9).await, ["Late"], "one that is archived is out of mind");
    }
}
