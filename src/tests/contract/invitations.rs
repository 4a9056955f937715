//! `store::invitations`.

use vouchsafe::{
    domain::{
        ids::UserId,
        invitation::{Gift, Invitation, InvitationState},
        lang::Lang,
    },
    store::invitations,
};

use super::{ROUNDS, Store, after, email, name, on_both, won};

impl Store {
    /// An invitation of an address, made at a moment and good for 100 seconds.
    pub(super) fn invitation(&self, address: &str, made: i64) -> Invitation {
        let address = email(address);
        Invitation {
            id: self.id_at(after(made)),
            email: address.as_str().to_owned(),
            email_key: address.key().clone(),
            inviter: None,
            invited_by: "operator".to_owned(),
            gift: None,
            note: String::new(),
            lang: Lang::En,
            sends: 1,
            sent_at: after(made),
            expires_at: after(made + 100),
            accepted_at: None,
            accepted_by: None,
            revoked_at: None,
            lapsed_at: None,
            created_at: after(made),
        }
    }

    async fn with_invitation(&self, invitation: Invitation) -> Invitation {
        let mut tx = self.begin().await;
        assert!(invitations::insert(&mut tx.conn(), &invitation).await.unwrap());
        tx.commit().await.unwrap();
        invitation
    }

    async fn with_invitation_by(&self, inviter: UserId, address: &str, made: i64) -> Invitation {
        let by = Invitation { inviter: Some(inviter), invited_by: String::new(), ..self.invitation(address, made) };
        self.with_invitation(by).await
    }
}

on_both! {
    async fn an_invitation_is_kept_as_written_and_an_address_has_one_open(store: Store) {
        let ann = store.member("ann@example.com").await;
        let gift = Gift { tier: name("premium"), days: 30 };
        let first = Invitation {
            inviter: Some(ann),
            gift: Some(gift),
            note: "Come in!\nIt is nice here.".to_owned(),
            lang: Lang::De,
            ..store.invitation("Bob@Example.com", 0)
        };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(invitations::insert(conn, &first).await.unwrap());
        assert_eq!(invitations::find(conn, first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(invitations::find(conn, store.id()).await.unwrap(), None);
        let key = email("bob@example.com").key().clone();
        assert_eq!(invitations::find_open(conn, &key, after(99)).await.unwrap(), Some(first.clone()));
        assert_eq!(invitations::find_open(conn, &key, after(100)).await.unwrap(), None, "expired");

        let second = store.invitation("bob@example.com", 50);
        assert!(!invitations::insert(conn, &second).await.unwrap());
        assert_eq!(invitations::lapse(conn, &key, after(99)).await.unwrap(), 0);
        assert_eq!(invitations::lapse(conn, &key, after(100)).await.unwrap(), 1);
        assert!(invitations::insert(conn, &second).await.unwrap());
        assert_eq!(invitations::find_open(conn, &key, after(100)).await.unwrap(), Some(second.clone()));
        for (from, until, mails, last) in [(-1, 50, 2, Some(0)), (0, 50, 1, None), (-1, 49, 1, Some(0)), (50, 99, 0, None)] {
            let within = (after(from), after(until));
            assert_eq!(invitations::mails_to(conn, &key, within).await.unwrap(), mails, "{from} {until}");
            let other = invitations::last_mail_to(conn, &key, second.id, within).await.unwrap();
            assert_eq!(other, last.map(after), "{from} {until}");
        }
        let newest = invitations::last_mail_to(conn, &key, store.id(), (after(-1), after(99))).await.unwrap();
        assert_eq!(newest, Some(after(50)));
        let nobody = email("nobody@example.com").key().clone();
        assert_eq!(invitations::mails_to(conn, &nobody, (after(-1), after(99))).await.unwrap(), 0);
        assert_eq!(invitations::last_mail_to(conn, &nobody, first.id, (after(-1), after(99))).await.unwrap(), None);
    }

    async fn of_many_invitations_of_one_address_at_once_one_is_made(store: Store) {
        for round in 0..ROUNDS {
            let all: Vec<_> = (0..12).map(|_| store.invitation(&format!("bob{round}@example.com"), 0)).collect();
            let made = store.race(12, move |number, mut tx| {
                let invitation = all[number].clone();
                async move {
                    let is_made = invitations::insert(&mut tx.conn(), &invitation).await.unwrap();
                    (tx, is_made)
                }
            }).await;
            assert_eq!(won(&made), 1);
        }
        assert_eq!(store.count("invitations").await, ROUNDS);
    }

    async fn an_invitation_is_accepted_once_however_many_try(store: Store) {
        let ann = store.member("ann@example.com").await;
        for round in 0..ROUNDS {
            let id = store.with_invitation(store.invitation(&format!("bob{round}@example.com"), 0)).await.id;
            let accepted = store.race(12, move |_, mut tx| async move {
                let is_ours = invitations::accept(&mut tx.conn(), id, ann, after(1)).await.unwrap();
                (tx, is_ours)
            }).await;
            assert_eq!(won(&accepted), 1);
        }
        let expired = store.with_invitation(store.invitation("cem@example.com", 0)).await.id;
        let revoked = store.with_invitation(store.invitation("dora@example.com", 0)).await.id;
        let lapsed = store.with_invitation(store.invitation("emil@example.com", -200)).await.id;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(!invitations::accept(conn, expired, ann, after(100)).await.unwrap());
        assert!(invitations::revoke(conn, revoked, after(1)).await.unwrap());
        assert!(!invitations::revoke(conn, revoked, after(2)).await.unwrap());
        assert!(!invitations::accept(conn, revoked, ann, after(2)).await.unwrap());
        invitations::lapse(conn, email("emil@example.com").key(), after(0)).await.unwrap();
        // Even for a clock that went back.
        assert!(!invitations::accept(conn, lapsed, ann, after(-150)).await.unwrap());
        assert!(invitations::accept(conn, expired, ann, after(99)).await.unwrap());
        assert!(!invitations::revoke(conn, expired, after(99)).await.unwrap(), "who came stays");
        let found = invitations::find(conn, expired).await.unwrap().unwrap();
        assert_eq!((found.accepted_at, found.accepted_by), (Some(after(99)), Some(ann)));
    }

    async fn another_mail_is_counted_once_and_only_while_the_invitation_is_open(store: Store) {
        let id = store.with_invitation(store.invitation("bob@example.com", 0)).await.id;
        for round in 0..ROUNDS {
            let now = after(20 * (round + 1));
            let sent = store.race(8, move |_, mut tx| async move {
                let before = now - chrono::TimeDelta::seconds(10);
                let sent = invitations::resend(&mut tx.conn(), id, before, now + chrono::TimeDelta::seconds(100), now).await;
                (tx, sent.unwrap().is_some())
            }).await;
            assert_eq!(won(&sent), 1);
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let found = invitations::find(conn, id).await.unwrap().unwrap();
        let last = 20 * ROUNDS;
        assert_eq!((found.sends, found.sent_at, found.expires_at), (ROUNDS + 1, after(last), after(last + 100)));
        assert_eq!(invitations::resend(conn, id, after(900), after(999), after(last + 100)).await.unwrap(), None, "expired");
        // One whose mail was sent by a clock that was ahead does not wait for that time to come.
        let (long_before, hour) = (after(last - 3 * 3_600), chrono::TimeDelta::hours(1));
        assert!(invitations::resend(conn, id, long_before - hour, after(last + 100), long_before).await.unwrap().is_some());
        assert_eq!(invitations::resend(conn, id, long_before - hour, after(last + 100), long_before).await.unwrap(), None);
        invitations::revoke(conn, id, after(last)).await.unwrap();
        assert_eq!(invitations::resend(conn, id, after(900), after(999), after(last)).await.unwrap(), None);
    }

    async fn invitations_are_listed_by_state_and_by_who_made_them(store: Store) {
        let ann = store.member("ann@example.com").await;
        let open = store.with_invitation_by(ann, "open@example.com", 0).await;
        let accepted = store.with_invitation_by(ann, "accepted@example.com", 1).await;
        let revoked = store.with_invitation(store.invitation("revoked@example.com", 2)).await;
        let expired = store.with_invitation_by(ann, "expired@example.com", -60).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        invitations::accept(conn, accepted.id, ann, after(3)).await.unwrap();
        invitations::revoke(conn, revoked.id, after(3)).await.unwrap();
        let now = after(50);
        for (state, expected) in [
            (Some(InvitationState::Open), vec![open.id]),
            (Some(InvitationState::Accepted), vec![accepted.id]),
            (Some(InvitationState::Revoked), vec![revoked.id]),
            (Some(InvitationState::Expired), vec![expired.id]),
            (None, vec![revoked.id, accepted.id, open.id, expired.id]),
        ] {
            let page = invitations::page(conn, state, None, 10, now).await.unwrap();
            assert!(page.iter().all(|one| state.is_none_or(|state| one.state(now) == state)), "{page:?}");
            assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
        }
        let rest = invitations::page(conn, None, Some(accepted.id), 1, now).await.unwrap();
        assert_eq!(rest.iter().map(|one| one.id).collect::<Vec<_>>(), [open.id]);
        assert_eq!(invitations::made_by(conn, ann, (after(-60), after(1))).await.unwrap(), [after(0), after(1)]);
        assert_eq!(invitations::made_by(conn, ann, (after(-60), after(0))).await.unwrap(), [after(0)]);
        let theirs = invitations::open_of(conn, ann, now, 10).await.unwrap();
        assert_eq!(theirs.iter().map(|one| one.id).collect::<Vec<_>>(), [open.id]);
        assert_eq!(invitations::open_of(conn, ann, after(39), 1).await.unwrap().len(), 1);
    }

    async fn an_address_that_leaves_is_forgotten_and_so_are_old_invitations(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let accepted = store.with_invitation(Invitation { note: "x".to_owned(), ..store.invitation("bob@example.com", 0) }).await;
        let mut tx = store.begin().await;
        invitations::accept(&mut tx.conn(), accepted.id, bob, after(1)).await.unwrap();
        tx.commit().await.unwrap();
        let again = store.with_invitation(store.invitation("bob@example.com", 2)).await;
        let theirs = store.with_invitation_by(bob, "cem@example.com", 3).await;
        let other = store.with_invitation_by(ann, "dora@example.com", 3).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(invitations::forget(conn, bob, email("bob@example.com").key(), after(5)).await.unwrap(), 3);
        let left = invitations::find(conn, accepted.id).await.unwrap().unwrap();
        assert_eq!((left.email.as_str(), left.email_key.as_str(), left.note.as_str()), ("", "", ""));
        assert_eq!((left.accepted_at, left.accepted_by), (Some(after(1)), Some(bob)));
        assert_eq!(invitations::find(conn, again.id).await.unwrap(), None);
        let left = invitations::find(conn, theirs.id).await.unwrap().unwrap();
        assert_eq!((left.inviter, left.state(after(5))), (None, InvitationState::Revoked));
        assert_eq!(invitations::find(conn, other.id).await.unwrap(), Some(other.clone()));

        assert_eq!(invitations::purge(conn, after(102)).await.unwrap(), 1, "what was taken back");
        assert_eq!(invitations::purge(conn, after(103)).await.unwrap(), 1, "what has expired");
        assert_eq!(invitations::find(conn, other.id).await.unwrap(), None);
        assert!(invitations::find(conn, accepted.id).await.unwrap().is_some(), "who came by it is still known");
    }
}
