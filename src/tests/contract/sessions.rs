//! `store::sessions`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::ids::UserId,
    store::sessions::{self, Session},
};

use super::{ROUNDS, Store, after, on_both, won};
use crate::harness::beginning;

impl Store {
    async fn session(&self, user: UserId, token: &[u8], created_at: DateTime<Utc>) -> Session {
        let session = Session {
            id: self.id(),
            user_id: user,
            user_agent: "Firefox · ünïcode".to_owned(),
            ip_address: "2001:db8::1".to_owned(),
            created_at,
            last_seen_at: created_at,
        };
        let mut tx = self.begin().await;
        sessions::insert(&mut tx.conn(), &session, token).await.unwrap();
        tx.commit().await.unwrap();
        session
    }

    async fn sessions_of(&self, user: UserId) -> Vec<Session> {
        sessions::list(&mut self.reader().await.conn(), user).await.unwrap()
    }
}

on_both! {
    async fn a_session_is_found_by_its_token_only(store: Store) {
        let ann = store.member("ann@example.com").await;
        let session = store.session(ann, &[0, 255, 7], beginning() + TimeDelta::microseconds(1)).await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert_eq!(sessions::find_by_token(conn, &[0, 255, 7]).await.unwrap(), Some(session));
        for other in [&[0, 255][..], &[0, 255, 7, 0], &[]] {
            assert_eq!(sessions::find_by_token(conn, other).await.unwrap(), None, "{other:?}");
        }
    }

    async fn a_token_opens_one_session(store: Store) {
        let ann = store.member("ann@example.com").await;
        let session = store.session(ann, b"token", beginning()).await;
        let mut tx = store.begin().await;
        let twin = Session { id: store.id(), ..session };
        let error = sessions::insert(&mut tx.conn(), &twin, b"token").await.unwrap_err();
        assert!(!error.is_temporary(), "{error}");
    }

    async fn the_last_seen_is_listed_first_and_nobody_elses(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let first = store.session(ann, b"first", beginning()).await;
        let second = store.session(ann, b"second", after(10)).await;
        let other = store.session(bob, b"other", after(20)).await;
        let ids = |sessions: Vec<Session>| sessions.into_iter().map(|session| session.id).collect::<Vec<_>>();
        assert_eq!(ids(store.sessions_of(ann).await), [second.id, first.id]);
        let mut tx = store.begin().await;
        sessions::touch(&mut tx.conn(), first.id, after(30)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ids(store.sessions_of(ann).await), [first.id, second.id]);
        assert_eq!(ids(store.sessions_of(bob).await), [other.id]);
    }

    async fn a_late_touch_does_not_turn_the_time_back(store: Store) {
        let ann = store.member("ann@example.com").await;
        let session = store.session(ann, b"token", beginning()).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        sessions::touch(conn, session.id, after(60)).await.unwrap();
        sessions::touch(conn, session.id, after(30)).await.unwrap();
        tx.commit().await.unwrap();
        let found = &store.sessions_of(ann).await[0];
        assert_eq!((found.last_seen_at, found.created_at), (after(60), beginning()));
    }

    async fn somebody_elses_session_is_not_ended(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let session = store.session(ann, b"token", beginning()).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(!sessions::delete(conn, bob, session.id).await.unwrap());
        assert!(sessions::find_by_token(conn, b"token").await.unwrap().is_some());
        assert!(sessions::delete(conn, ann, session.id).await.unwrap());
        assert!(!sessions::delete(conn, ann, session.id).await.unwrap());
        assert_eq!(sessions::find_by_token(conn, b"token").await.unwrap(), None);
    }

    async fn of_many_who_end_one_session_at_once_one_did(store: Store) {
        let ann = store.member("ann@example.com").await;
        for _ in 0..ROUNDS {
            let session = store.session(ann, b"token", beginning()).await.id;
            let results = store.race(12, move |_, mut tx| async move {
                let ended = sessions::delete(&mut tx.conn(), ann, session).await.unwrap();
                (tx, ended)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn all_sessions_of_one_member_are_ended(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        for token in [b"1", b"2", b"3"] {
            store.session(ann, token, beginning()).await;
        }
        store.session(bob, b"4", beginning()).await;
        let mut tx = store.begin().await;
        assert_eq!(sessions::delete_all(&mut tx.conn(), ann).await.unwrap(), 3);
        assert_eq!(sessions::delete_all(&mut tx.conn(), ann).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!((store.sessions_of(ann).await.len(), store.sessions_of(bob).await.len()), (0, 1));
    }

    async fn old_and_rested_sessions_are_forgotten(store: Store) {
        let ann = store.member("ann@example.com").await;
        let old = store.session(ann, b"old", beginning()).await;
        store.session(ann, b"rested", after(100)).await;
        let fresh = store.session(ann, b"fresh", after(101)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for session in [&old, &fresh] {
            sessions::touch(conn, session.id, after(1_000)).await.unwrap();
        }
        assert_eq!(sessions::purge(conn, after(-1), after(-1)).await.unwrap(), 0);
        // Opened at the last moment that is too long ago, or seen at it.
        assert_eq!(sessions::purge(conn, beginning(), after(100)).await.unwrap(), 2);
        tx.commit().await.unwrap();
        let left: Vec<_> = store.sessions_of(ann).await.into_iter().map(|session| session.id).collect();
        assert_eq!(left, [fresh.id]);
    }

    async fn old_addresses_of_sessions_are_cut_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let old = store.session(ann, b"old", beginning()).await;
        let new = store.session(ann, b"new", after(10)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(sessions::uncut(conn, after(9), 9).await.unwrap(), [(old.id, "2001:db8::1".to_owned())]);
        sessions::cut(conn, &[]).await.unwrap();
        sessions::cut(conn, &[(old.id, "2001:db8::/48".to_owned())]).await.unwrap();
        assert_eq!(sessions::uncut(conn, after(9), 9).await.unwrap(), []);
        assert_eq!(sessions::uncut(conn, after(10), 9).await.unwrap(), [(new.id, "2001:db8::1".to_owned())]);
        let cut = sessions::find_by_token(conn, b"old").await.unwrap().unwrap();
        assert_eq!(cut.ip_address, "2001:db8::/48");
    }

    async fn times_compare_as_times_whatever_their_fraction(store: Store) {
        // SQLite compares them as text, and a fraction is written with 0, 3 or 6 digits.
        let ann = store.member("ann@example.com").await;
        let micros = [-1, 0, 1, 999, 1_000, 1_001, 99_999, 100_000, 100_001, 120_000, 999_999, 1_000_000, 1_000_001];
        for (number, micros) in micros.into_iter().enumerate() {
            store.session(ann, &[u8::try_from(number).unwrap()], beginning() + TimeDelta::microseconds(micros)).await;
        }
        let listed: Vec<_> = store.sessions_of(ann).await.into_iter().map(|session| session.last_seen_at).collect();
        let expected: Vec<_> =
            micros.into_iter().rev().map(|micros| beginning() + TimeDelta::microseconds(micros)).collect();
        assert_eq!(listed, expected);
        let mut tx = store.begin().await;
        for micros in micros {
            let until = beginning() + TimeDelta::microseconds(micros);
            assert_eq!(sessions::purge(&mut tx.conn(), until, after(-100)).await.unwrap(), 1, "{until}");
        }
    }
}
