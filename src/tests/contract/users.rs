//! `store::users`.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use vouchsafe::{
    domain::{
        email::EmailKey,
        ids::{TierId, UserId},
        lang::Lang,
        referral::ReferralCode,
        user::{Role, User, UserRef},
    },
    store::users::{self, NewUser},
};

use super::{ROUNDS, Store, after, email, name, new_user, on_both, won};
use crate::harness::beginning;

fn code(text: &str) -> ReferralCode {
    ReferralCode::normalise(text).unwrap()
}

fn key(address: &str) -> EmailKey {
    email(address).key().clone()
}

impl Store {
    async fn user(&self, id: UserId) -> User {
        users::find(&mut self.reader().await.conn(), id).await.unwrap().unwrap()
    }
}

on_both! {
    async fn an_address_is_proved_once_and_a_trial_begins_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        for round in 0..ROUNDS {
            let bob = store.member(&format!("bob{round}@example.com")).await;
            let proved = store.race(8, move |_, mut tx| async move {
                let is_first = users::verify_email(&mut tx.conn(), bob, after(1)).await.unwrap();
                (tx, is_first)
            }).await;
            assert_eq!(won(&proved), 1);
            let begun = store.race(8, move |number, mut tx| async move {
                let end = after(10 + i64::try_from(number).unwrap());
                let is_first = users::begin_trial(&mut tx.conn(), bob, end, after(2)).await.unwrap();
                (tx, is_first)
            }).await;
            assert_eq!(won(&begun), 1);
            let end = after(10 + i64::try_from(begun.iter().position(|won| *won).unwrap()).unwrap());
            let found = store.user(bob).await;
            assert!(found.trial_ends_at.is_some() && found.email_verified_at == Some(after(1)), "{end}");
        }
        assert_eq!((store.user(ann).await.trial_ends_at, store.user(ann).await.email_verified_at), (None, None));
    }

    async fn who_is_held_by_address_is_waited_for(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let held = users::lock_by_email(&mut tx.conn(), &key("ANN@example.com")).await.unwrap();
        assert_eq!(held.map(|user| user.id), Some(ann));
        assert_eq!(users::lock_by_email(&mut tx.conn(), &key("bob@example.com")).await.unwrap(), None);
    }

    async fn an_own_tier_that_counts_for_nothing_counts_again_once_it_is_set(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        users::close_after_trial(&mut tx.conn(), ann, after(1)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.user(ann).await.closes_after_trial);
        let mut tx = store.begin().await;
        assert!(users::set_tier(&mut tx.conn(), ann, &name("basic"), after(2)).await.unwrap());
        tx.commit().await.unwrap();
        assert!(!store.user(ann).await.closes_after_trial);
    }

    async fn a_new_member_is_found_as_written(store: Store) {
        let inviter = store.member("inviter@example.com").await;
        let id: UserId = store.id();
        let address = email("Jörg@Bücher.example");
        let premium: TierId = name("premium");
        // To the microsecond: what comes back is what went in.
        let now = beginning() + TimeDelta::microseconds(123_456);
        let new = NewUser {
            id,
            email: Some(&address),
            external_id: Some("crm-17"),
            role: Role::Admin,
            lang: Lang::De,
            tier: &premium,
            trial_ends_at: Some(after(14)),
            referred_by: Some(inviter),
        };
        let mut tx = store.begin().await;
        assert!(users::insert(&mut tx.conn(), &new, now).await.unwrap());
        tx.commit().await.unwrap();

        let expected = User {
            id,
            email: Some("Jörg@Bücher.example".to_owned()),
            external_id: Some("crm-17".to_owned()),
            role: Role::Admin,
            lang: Lang::De,
            tier: premium.clone(),
            trial_ends_at: Some(after(14)),
            email_verified_at: None,
            closes_after_trial: false,
            credit_until: None,
            referral_code: None,
            disabled_at: None,
            created_at: now,
        };
        assert_eq!(store.user(id).await, expected);
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let found = users::find_by_email(conn, &key("JÖRG@xn--bcher-kva.example")).await.unwrap();
        assert_eq!(found, Some(expected));
        assert_eq!(users::find(conn, store.id()).await.unwrap(), None);
        assert_eq!(users::find_by_email(conn, &key("nobody@example.com")).await.unwrap(), None);
        drop(reader);
        assert_eq!(store.texts("SELECT email FROM users WHERE referred_by_user_id IS NOT NULL").await.len(), 1);
    }

    async fn an_address_in_another_spelling_is_the_same_member(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(!users::insert(conn, &new_user(store.id(), &email("ANN@Example.com")), after(1)).await.unwrap());
        // The refusal leaves the transaction usable.
        assert!(users::insert(conn, &new_user(store.id(), &email("bob@example.com")), after(1)).await.unwrap());
        tx.commit().await.unwrap();
        let found = users::find_by_email(&mut store.reader().await.conn(), &key("ann@example.com")).await.unwrap();
        assert_eq!(found.map(|user| (user.id, user.email)), Some((ann, Some("ann@example.com".to_owned()))));
    }

    async fn of_many_who_bring_one_address_at_once_one_becomes_a_member(store: Store) {
        for round in 1..=ROUNDS {
            let address = email(&format!("ann{round}@example.com"));
            let ids: Vec<UserId> = (0..20).map(|_| store.id()).collect();
            let results = store.race(20, move |number, mut tx| {
                let (id, address) = (ids[number], address.clone());
                async move {
                    let inserted = users::insert(&mut tx.conn(), &new_user(id, &address), beginning()).await.unwrap();
                    (tx, inserted)
                }
            });
            assert_eq!(won(&results.await), 1);
            assert_eq!(store.count("users").await, round);
        }
    }

    async fn a_tier_that_does_not_exist_is_refused(store: Store) {
        let (address, gone) = (email("ann@example.com"), name("gone"));
        let new = NewUser { tier: &gone, ..new_user(store.id(), &address) };
        let mut tx = store.begin().await;
        let error = users::insert(&mut tx.conn(), &new, beginning()).await.unwrap_err();
        assert!(!error.is_temporary(), "{error}");
    }

    async fn a_role_that_nobody_writes_is_reported_and_not_guessed(store: Store) {
        let ann = store.member("ann@example.com").await;
        store.execute("UPDATE users SET lang = 'tlh'").await;
        let error = users::find(&mut store.reader().await.conn(), ann).await.unwrap_err();
        assert!(error.to_string().starts_with("users.lang holds what cannot be read"), "{error}");
    }

    async fn members_are_listed_page_by_page_in_the_order_of_their_ids(store: Store) {
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(store.member(&format!("member{number}@example.com")).await);
        }
        ids.sort();
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert_eq!(users::count(conn).await.unwrap(), 5);
        let (mut listed, mut last) = (Vec::new(), None);
        loop {
            let page = users::list(conn, last, 2).await.unwrap();
            assert!(page.len() <= 2);
            let Some(user) = page.last() else { break };
            last = Some(user.id);
            listed.extend(page.into_iter().map(|user| user.id));
        }
        assert_eq!(listed, ids);
    }

    async fn an_admin_who_may_not_sign_in_is_none(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(!users::any_admin(conn).await.unwrap());
        assert!(users::set_role(conn, ann, Role::Admin, after(1)).await.unwrap());
        assert!(users::any_admin(conn).await.unwrap());
        users::disable(conn, ann, after(2)).await.unwrap();
        assert!(!users::any_admin(conn).await.unwrap());
        users::enable(conn, ann, after(3)).await.unwrap();
        users::set_role(conn, ann, Role::Member, after(4)).await.unwrap();
        assert!(!users::any_admin(conn).await.unwrap());
    }

    async fn what_is_changed_is_told_by_the_answer(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let nobody: UserId = store.id();
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(users::set_role(conn, ann, Role::Admin, after(1)).await.unwrap());
        assert!(!users::set_role(conn, nobody, Role::Admin, after(1)).await.unwrap());
        assert!(users::set_lang(conn, ann, Lang::De, after(2)).await.unwrap());
        assert!(!users::set_lang(conn, nobody, Lang::De, after(2)).await.unwrap());
        assert!(!users::enable(conn, ann, after(3)).await.unwrap());
        assert!(users::disable(conn, ann, after(3)).await.unwrap());
        assert!(!users::disable(conn, ann, after(4)).await.unwrap());
        users::set_credit_until(conn, &[(ann, Some(after(45)), after(5))]).await.unwrap();
        tx.commit().await.unwrap();

        let user = store.user(ann).await;
        assert_eq!((user.role, user.lang), (Role::Admin, Lang::De));
        // The second closing did not move the first.
        assert_eq!((user.disabled_at, user.credit_until), (Some(after(3)), Some(after(45))));
        let other = store.user(bob).await;
        assert_eq!((other.role, other.lang, other.disabled_at, other.credit_until), (Role::Member, Lang::En, None, None));

        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(users::enable(conn, ann, after(6)).await.unwrap());
        users::set_credit_until(conn, &[(ann, None, after(6))]).await.unwrap();
        tx.commit().await.unwrap();
        let user = store.user(ann).await;
        assert_eq!((user.disabled_at, user.credit_until), (None, None));
    }

    async fn who_holds_a_member_loses_no_change_of_another(store: Store) {
        let ann = store.member("ann@example.com").await;
        store.race(20, move |_, mut tx| async move {
            let conn = &mut tx.conn();
            let user = users::lock(conn, ann).await.unwrap().unwrap();
            let until = user.credit_until.unwrap_or(beginning()) + TimeDelta::days(1);
            users::set_credit_until(conn, &[(ann, Some(until), beginning())]).await.unwrap();
            (tx, ())
        }).await;
        assert_eq!(store.user(ann).await.credit_until, Some(beginning() + TimeDelta::days(20)));
        let mut tx = store.begin().await;
        assert_eq!(users::lock(&mut tx.conn(), store.id()).await.unwrap(), None);
    }

    async fn who_is_held_with_those_who_invited_them_waits_for_nobody_in_a_circle(store: Store) {
        // Everybody invited the next one, so that all lock two rows, each the other's.
        let mut ids = Vec::new();
        for number in 0..6 {
            let (id, address) = (store.id(), email(&format!("member{number}@example.com")));
            let mut tx = store.begin().await;
            users::insert(&mut tx.conn(), &new_user(id, &address), beginning()).await.unwrap();
            if let Some(referrer) = ids.last() {
                assert!(vouchsafe::store::referrals::insert(&mut tx.conn(), store.id(), *referrer, id, beginning()).await.unwrap());
            }
            tx.commit().await.unwrap();
            ids.push(id);
        }
        for _ in 0..ROUNDS {
            let ids = ids.clone();
            let results = store.race(12, move |number, mut tx| {
                let pair = [ids[number % 6], ids[(number * 5 + 2) % 6]];
                async move {
                    users::lock_with_referrers(&mut tx.conn(), &pair).await.unwrap();
                    (tx, true)
                }
            });
            assert_eq!(won(&results.await), 12);
        }
        let mut tx = store.begin().await;
        let held = users::lock_with_referrers(&mut tx.conn(), &[ids[0], ids[2]]).await.unwrap();
        let mut expected = ids[..3].to_vec();
        expected.sort();
        assert_eq!(held.iter().map(|user| user.id).collect::<Vec<_>>(), expected);
        assert_eq!(users::lock_with_referrers(&mut tx.conn(), &[]).await.unwrap(), []);
        drop(tx);
        // Without those who invited them it is the same order.
        for _ in 0..ROUNDS {
            let ids = ids.clone();
            let results = store.race(12, move |number, mut tx| {
                let pair = [ids[number % 6], ids[(number * 5 + 2) % 6]];
                async move {
                    users::lock_all(&mut tx.conn(), &pair).await.unwrap();
                    (tx, true)
                }
            });
            assert_eq!(won(&results.await), 12);
        }
        let mut tx = store.begin().await;
        let held = users::lock_all(&mut tx.conn(), &[ids[2], ids[0], store.id()]).await.unwrap();
        let mut expected = vec![ids[0], ids[2]];
        expected.sort();
        assert_eq!(held.iter().map(|user| user.id).collect::<Vec<_>>(), expected);
        assert_eq!(users::lock_all(&mut tx.conn(), &[]).await.unwrap(), []);
    }

    async fn admins_are_listed_unless_they_are_closed(store: Store) {
        let (ann, bob, cid) = (
            store.member("ann@example.com").await,
            store.member("bob@example.com").await,
            store.member("cid@example.com").await,
        );
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for id in [ann, bob] {
            users::set_role(conn, id, Role::Admin, after(1)).await.unwrap();
        }
        users::disable(conn, bob, after(2)).await.unwrap();
        let admins = users::admins(conn).await.unwrap();
        assert_eq!(admins.into_iter().map(|user| user.id).collect::<Vec<_>>(), [ann]);
        let _ = cid;
    }

    async fn a_referral_code_is_given_once_and_found(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(users::find_by_referral_code(conn, &code("AAAABBBB")).await.unwrap(), None);
        assert!(users::set_referral_code(conn, ann, &code("AAAABBBB"), after(1)).await.unwrap());
        assert!(!users::set_referral_code(conn, ann, &code("CCCCDDDD"), after(2)).await.unwrap());
        assert!(!users::set_referral_code(conn, store.id(), &code("CCCCDDDD"), after(2)).await.unwrap());
        tx.commit().await.unwrap();
        let found = users::find_by_referral_code(&mut store.reader().await.conn(), &code("AAAABBBB")).await.unwrap();
        assert_eq!(found.map(|user| (user.id, user.referral_code)), Some((ann, Some(code("AAAABBBB")))));
    }

    async fn a_referral_code_that_is_taken_leaves_the_transaction_usable(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        assert!(users::set_referral_code(&mut tx.conn(), ann, &code("AAAABBBB"), after(1)).await.unwrap());
        tx.commit().await.unwrap();

        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        // What came before the collision stays, what comes after it happens.
        assert!(users::set_lang(conn, bob, Lang::De, after(2)).await.unwrap());
        assert!(!users::set_referral_code(conn, bob, &code("AAAABBBB"), after(2)).await.unwrap());
        assert!(!users::set_referral_code(conn, bob, &code("AAAABBBB"), after(2)).await.unwrap());
        assert!(users::set_referral_code(conn, bob, &code("CCCCDDDD"), after(2)).await.unwrap());
        tx.commit().await.unwrap();
        let bob = store.user(bob).await;
        assert_eq!((bob.lang, bob.referral_code), (Lang::De, Some(code("CCCCDDDD"))));
    }

    async fn of_many_who_draw_one_code_at_once_one_gets_it(store: Store) {
        let mut ids = Vec::new();
        for number in 0..12 {
            ids.push(store.member(&format!("member{number}@example.com")).await);
        }
        let results = store.race(12, move |number, mut tx| {
            let id = ids[number];
            async move {
                let set = users::set_referral_code(&mut tx.conn(), id, &code("AAAABBBB"), after(1)).await.unwrap();
                (tx, set)
            }
        });
        assert_eq!(won(&results.await), 1);
    }

    async fn a_member_who_draws_many_codes_at_once_gets_one(store: Store) {
        let ann = store.member("ann@example.com").await;
        let results = store.race(12, move |number, mut tx| async move {
            let drawn = code(&format!("AAAABBB{}", char::from(b'A' + u8::try_from(number % 8).unwrap())));
            let set = users::set_referral_code(&mut tx.conn(), ann, &drawn, after(1)).await.unwrap();
            (tx, set)
        });
        assert_eq!(won(&results.await), 1);
        assert!(store.user(ann).await.referral_code.is_some());
    }

    async fn sign_ins_are_counted_however_many_come_at_once(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        assert_eq!(users::login_stats(&mut store.reader().await.conn(), ann).await.unwrap(), (0, None));
        store.race(20, move |_, mut tx| async move {
            users::count_login(&mut tx.conn(), ann, after(1)).await.unwrap();
            (tx, ())
        }).await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert_eq!(users::login_stats(conn, ann).await.unwrap(), (20, Some(after(1))));
        assert_eq!(users::login_stats(conn, bob).await.unwrap(), (0, None));
    }

    async fn ids_of_members_differ_and_are_known_again(store: Store) {
        let ids: BTreeSet<UserId> = (0..3).map(|_| store.id()).collect();
        assert_eq!(ids.len(), 3);
        let ann = store.member("ann@example.com").await;
        assert_eq!(ann.to_string().parse(), Ok(ann));
        assert_eq!(store.user(ann).await.id, ann);
    }

    async fn a_member_without_an_address_is_found_by_the_external_id(store: Store) {
        let id: UserId = store.id();
        let free: TierId = name("free");
        let new = NewUser { email: None, external_id: Some("crm-1"), tier: &free, ..new_user(id, &email("x@example.com")) };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(users::insert(conn, &new, beginning()).await.unwrap());
        // The same id is one's already, with an address or without.
        let address = email("ann@example.com");
        for again in [new.clone(), NewUser { email: Some(&address), ..new.clone() }] {
            assert!(!users::insert(conn, &NewUser { id: store.id(), ..again }, beginning()).await.unwrap());
        }
        let other = NewUser { id: store.id(), external_id: Some("crm-2"), ..new };
        assert!(users::insert(conn, &other, beginning()).await.unwrap());
        tx.commit().await.unwrap();
        let user = store.user(id).await;
        assert_eq!((user.email, user.external_id.as_deref()), (None, Some("crm-1")));
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let found = users::find_by_external_id(conn, "crm-1").await.unwrap();
        assert_eq!(found.map(|user| user.id), Some(id));
        assert_eq!(users::find_by_external_id(conn, "CRM-1").await.unwrap(), None);
        assert_eq!(users::find_by_external_id(conn, "").await.unwrap(), None);
    }

    async fn a_name_from_outside_means_the_id_before_the_external_id_before_the_address(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (bob, cem): (UserId, UserId) = (store.id(), store.id());
        let (bobs, cems) = (email("bob@example.com"), email("cem@example.com"));
        let anns_id = ann.to_string();
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        // Bob's external id is Ann's id, Cem's is Ann's address.
        let new = NewUser { external_id: Some(&anns_id), ..new_user(bob, &bobs) };
        assert!(users::insert(conn, &new, beginning()).await.unwrap());
        let new = NewUser { external_id: Some("ann@example.com"), ..new_user(cem, &cems) };
        assert!(users::insert(conn, &new, beginning()).await.unwrap());
        let names = [
            (anns_id.as_str(), Some(ann)),
            ("ann@example.com", Some(cem)),
            // Another spelling is an address and no external id.
            ("ANN@example.com", Some(ann)),
            ("  bob@example.com ", Some(bob)),
            ("nobody", None),
            ("nobody@example.com", None),
            ("external:crm-1", None),
        ]
        .map(|(text, expected)| (UserRef::parse(text).unwrap(), expected));
        for (named, expected) in &names {
            let found = users::find_by_ref(conn, named).await.unwrap();
            assert_eq!(found.map(|user| user.id), *expected, "{}", named.text);
            // By itself, and with all the others.
            let found = users::find_by_refs(conn, std::slice::from_ref(named)).await.unwrap();
            assert_eq!(found.get(&named.text).copied(), *expected, "{}", named.text);
        }
        let all = users::find_by_refs(conn, &names.clone().map(|(named, _)| named)).await.unwrap();
        let expected = names.into_iter().filter_map(|(named, expected)| Some((named.text, expected?))).collect();
        assert_eq!(all, expected);
        assert_eq!(users::find_by_refs(conn, &[]).await.unwrap(), HashMap::new());
    }

    async fn several_members_are_found_at_once(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        store.member("cem@example.com").await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let found = users::find_all(conn, &[bob, store.id(), ann]).await.unwrap();
        let found: BTreeSet<UserId> = found.into_iter().map(|user| user.id).collect();
        assert_eq!(found, BTreeSet::from([ann, bob]));
        assert_eq!(users::find_all(conn, &[]).await.unwrap(), []);
    }

    async fn members_are_searched_by_a_part_of_their_names(store: Store) {
        let mut ids = Vec::new();
        let mut tx = store.begin().await;
        for (address, external_id) in [
            ("ann@example.com", Some("CRM-1")),
            ("100%_real@example.com", None),
            ("anton@example.com", Some("crm-2")),
            ("100percent@example.com", Some("a\\b")),
            ("oe@example.com", Some("Österreich")),
        ] {
            let (id, address) = (store.id(), email(address));
            let new = NewUser { external_id, ..new_user(id, &address) };
            assert!(users::insert(&mut tx.conn(), &new, beginning()).await.unwrap());
            ids.push(id);
        }
        tx.commit().await.unwrap();
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        for (text, expected) in [
            ("AN", &[0, 2][..]),
            ("crm-", &[0, 2]),
            ("CRM-2", &[2]),
            // What means something to the database means nothing here.
            ("%", &[1]),
            ("_", &[1]),
            ("100%_", &[1]),
            ("\\", &[3]),
            // SQLite knows no small Ö.
            ("Österreich", &[4]),
            ("STERR", &[4]),
            ("example.com", &[0, 1, 2, 3, 4]),
            ("", &[0, 1, 2, 3, 4]),
            ("nobody", &[]),
        ] {
            let found = users::search(conn, text, None, 10).await.unwrap();
            let mut expected: Vec<UserId> = expected.iter().map(|at| ids[*at]).collect();
            expected.sort();
            assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), expected, "{text}");
        }
        ids.sort();
        let page = users::search(conn, "example", Some(ids[0]), 2).await.unwrap();
        assert_eq!(page.iter().map(|user| user.id).collect::<Vec<_>>(), ids[1..3]);
    }

    async fn who_changed_is_told_from_the_earliest(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let cem = store.member("cem@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        users::touch(conn, &[bob], after(2)).await.unwrap();
        users::touch(conn, &[ann], after(3)).await.unwrap();
        users::touch(conn, &[store.id()], after(4)).await.unwrap();
        assert_eq!(users::changed_since(conn, after(0), 10).await.unwrap(), [(bob, after(2)), (ann, after(3))]);
        assert_eq!(users::changed_since(conn, after(0), 1).await.unwrap(), [(bob, after(2))]);
        assert_eq!(users::changed_since(conn, after(2), 10).await.unwrap(), [(ann, after(3))]);
        assert_eq!(users::changed_since(conn, after(-1), 10).await.unwrap()[0], (cem, after(0)));

        let mut changes = users::changed_at(conn, &[cem, ann, store.id()]).await.unwrap();
        changes.sort_by_key(|(_, at)| *at);
        assert_eq!(changes, [(cem, after(0)), (ann, after(3))]);
        assert!(users::changed_at(conn, &[]).await.unwrap().is_empty());
    }

    async fn an_own_tier_is_set_and_told(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(users::set_tier(conn, ann, &name("premium"), after(1)).await.unwrap());
        assert!(!users::set_tier(conn, store.id(), &name("premium"), after(1)).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(store.user(ann).await.tier, name("premium"));
        let mut tx = store.begin().await;
        assert!(!users::set_tier(&mut tx.conn(), ann, &name("gone"), after(2)).await.unwrap_err().is_temporary());
    }

    async fn names_change_unless_they_are_somebody_elses(store: Store) {
        let ann = store.member("ann@example.com").await;
        let bob: UserId = store.id();
        let free: TierId = name("free");
        let nameless = NewUser { email: None, external_id: Some("b"), tier: &free, ..new_user(bob, &email("x@example.com")) };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(users::insert(conn, &nameless, beginning()).await.unwrap());
        assert!(users::set_names(conn, ann, None, Some("a"), after(1)).await.unwrap());
        // Taken, and the transaction stays usable.
        assert!(!users::set_names(conn, ann, None, Some("b"), after(2)).await.unwrap());
        assert!(!users::set_names(conn, bob, Some(&email("ANN@example.com")), None, after(2)).await.unwrap());
        assert!(!users::set_names(conn, bob, Some(&email("bob@example.com")), Some("a"), after(2)).await.unwrap());
        assert!(!users::set_names(conn, store.id(), None, Some("c"), after(2)).await.unwrap());
        // An id that is given up is free for a newcomer without an address.
        assert!(users::set_names(conn, bob, None, Some("c"), after(3)).await.unwrap());
        assert!(users::insert(conn, &NewUser { id: store.id(), ..nameless }, after(4)).await.unwrap());
        assert!(users::set_names(conn, bob, Some(&email("bob@example.com")), None, after(5)).await.unwrap());
        // The address stays when only the id changes.
        assert!(users::set_names(conn, bob, None, Some("d"), after(6)).await.unwrap());
        tx.commit().await.unwrap();
        let (ann, bob) = (store.user(ann).await, store.user(bob).await);
        assert_eq!((ann.email.as_deref(), ann.external_id.as_deref()), (Some("ann@example.com"), Some("a")));
        assert_eq!((bob.email.as_deref(), bob.external_id.as_deref()), (Some("bob@example.com"), Some("d")));
        let found = users::find_by_email(&mut store.reader().await.conn(), &key("bob@example.com")).await.unwrap();
        assert_eq!(found.map(|user| user.id), Some(bob.id));
    }

    async fn of_many_who_want_one_name_at_once_one_gets_it(store: Store) {
        let mut ids = Vec::new();
        for number in 0..12 {
            ids.push(store.member(&format!("member{number}@example.com")).await);
        }
        for round in 0..ROUNDS {
            let ids = ids.clone();
            let results = store.race(12, move |number, mut tx| {
                let id = ids[number];
                async move {
                    let wanted = format!("crm-{round}");
                    let set = users::set_names(&mut tx.conn(), id, None, Some(&wanted), after(1)).await.unwrap();
                    (tx, set)
                }
            });
            assert_eq!(won(&results.await), 1);
        }
    }
}
