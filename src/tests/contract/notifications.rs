//! `store::notifications`.

use chrono::NaiveDate;
use vouchsafe::{
    domain::{
        ids::NotificationId,
        notification::{Kind, Notification, Occurrence, Shape, Ways},
    },
    store::notifications::{self, Reader, Which},
};

use super::{ROUNDS, Store, after, name, on_both, won};
use crate::harness::beginning;

fn used_up(code: &str) -> Occurrence {
    Occurrence::CouponUsedUp { code: code.to_owned(), redemptions: 3 }
}

fn which(reader: Reader, is_read: Option<bool>) -> Which<'static> {
    Which { reader, kinds: &Kind::ALL, is_read, before: None }
}

impl Store {
    async fn raised(&self, occurrence: &Occurrence, second: i64) -> NotificationId {
        let mut tx = self.begin().await;
        let id = self.id_at(after(second));
        let (raised, _) = notifications::raise(&mut tx.conn(), id, occurrence, after(second)).await.unwrap();
        tx.commit().await.unwrap();
        raised
    }

    async fn listed(&self, which: Which<'_>) -> Vec<NotificationId> {
        let mut reader = self.reader().await;
        let page = notifications::page(&mut reader.conn(), which, 100).await.unwrap();
        page.into_iter().map(|one| one.id).collect()
    }
}

on_both! {
    async fn the_same_again_is_counted_until_somebody_has_read_it(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let (ann, bob) = (Reader::Admin(ann), Reader::Admin(bob));
        let first = store.raised(&used_up("SUMMER"), 1).await;
        let newer = Occurrence::CouponUsedUp { code: "SUMMER".to_owned(), redemptions: 4 };
        assert_eq!(store.raised(&newer, 2).await, first);
        let other = store.raised(&used_up("WINTER"), 3).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let expected = Notification {
            id: first, occurrence: newer, count: 2, first_at: after(1), last_at: after(2), is_read: false,
        };
        assert_eq!(notifications::find(conn, ann, first).await.unwrap(), Some(expected));
        assert_eq!(notifications::find(conn, ann, store.id()).await.unwrap(), None);
        assert!(notifications::mark_read(conn, ann, first, after(4)).await.unwrap());
        assert!(notifications::mark_read(conn, ann, first, after(5)).await.unwrap(), "twice is as good as once");
        assert!(!notifications::mark_read(conn, ann, store.id(), after(4)).await.unwrap());
        tx.commit().await.unwrap();
        let again = store.raised(&used_up("SUMMER"), 6).await;
        assert_ne!(again, first);
        assert_eq!(store.listed(which(ann, Some(false))).await, [again, other]);
        assert_eq!(store.listed(which(ann, Some(true))).await, [first]);
        assert_eq!(store.listed(which(bob, Some(false))).await, [again, other, first], "he has read nothing");
        assert_eq!(store.listed(Which { before: Some(again), ..which(ann, None) }).await, [other, first]);
        assert_eq!(store.listed(Which { kinds: &[Kind::AdminAdded], ..which(ann, None) }).await, []);
        assert_eq!(store.listed(Which { kinds: &[], ..which(ann, None) }).await, []);

        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let kinds = [Kind::CouponUsedUp, Kind::AdminAdded];
        assert_eq!(notifications::unread(conn, bob, &kinds).await.unwrap(), [(Kind::CouponUsedUp, 3, after(1))]);
        assert_eq!(notifications::unread(conn, ann, &kinds).await.unwrap(), [(Kind::CouponUsedUp, 2, after(3))]);
        assert_eq!(notifications::unread(conn, ann, &[]).await.unwrap(), []);
        // For all: bob need not look any more.
        assert!(notifications::mark_read(conn, Reader::All, other, after(7)).await.unwrap());
        assert_eq!(notifications::unread(conn, bob, &kinds).await.unwrap()[0].1, 2);
        assert_eq!(notifications::unread(conn, Reader::All, &kinds).await.unwrap()[0].1, 2);
    }

    async fn all_that_was_seen_is_marked_and_nothing_else(store: Store) {
        let ann = Reader::Admin(store.member("ann@example.com").await);
        let seen = store.raised(&used_up("SUMMER"), 1).await;
        let unseen = store.raised(&used_up("WINTER"), 3).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(notifications::mark_all_read(conn, ann, after(2), after(4)).await.unwrap(), 1);
        assert_eq!(notifications::mark_all_read(conn, ann, after(2), after(5)).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!(store.listed(which(ann, Some(false))).await, [unseen]);
        assert_ne!(store.raised(&used_up("SUMMER"), 6).await, seen, "what was read is not counted on");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(notifications::mark_all_read(conn, Reader::All, after(9), after(9)).await.unwrap(), 3);
        tx.commit().await.unwrap();
        assert_eq!(store.listed(which(ann, Some(false))).await, []);
    }

    async fn many_at_once_are_one_notification(store: Store) {
        for round in 0..ROUNDS {
            let occurrence = used_up(&format!("ROUND{round}"));
            let ids: Vec<NotificationId> = (0..12).map(|_| store.id()).collect();
            let raised = store.race(12, move |number, mut tx| {
                let (id, occurrence) = (ids[number], occurrence.clone());
                async move {
                    let (_, is_new) = notifications::raise(&mut tx.conn(), id, &occurrence, beginning()).await.unwrap();
                    (tx, is_new)
                }
            }).await;
            assert_eq!(won(&raised), 1);
        }
        assert_eq!(store.texts("SELECT CAST(occurrences AS TEXT) FROM notifications").await, vec!["12"; 5]);
    }

    async fn who_knows_it_already_is_not_told(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let added = store.raised(&Occurrence::AdminAdded { user: ann }, 1).await;
        let mut tx = store.begin().await;
        notifications::mark_own_read(&mut tx.conn(), Kind::AdminAdded, &ann.to_string(), ann, after(1)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.listed(which(Reader::Admin(ann), Some(false))).await, []);
        assert_eq!(store.listed(which(Reader::Admin(bob), Some(false))).await, [added]);
    }

    async fn ways_and_the_chat_are_kept(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(notifications::ways(conn).await.unwrap(), []);
        let quiet = Ways { in_app: true, digest: false, webhook: false };
        let off = Ways { in_app: false, ..quiet };
        for ways in [quiet, off] {
            notifications::set_ways(conn, Kind::MemberDeleted, ways, after(1)).await.unwrap();
        }
        assert_eq!(notifications::ways(conn).await.unwrap(), [(Kind::MemberDeleted, off)]);
        assert_eq!(notifications::chat(conn).await.unwrap(), None);
        for (url, shape) in [("sealed", Shape::Slack), ("other", Shape::Discord)] {
            notifications::set_chat(conn, Some((url, shape)), after(1)).await.unwrap();
            assert_eq!(notifications::chat(conn).await.unwrap(), Some((url.to_owned(), shape)));
        }
        notifications::set_chat(conn, None, after(2)).await.unwrap();
        assert_eq!(notifications::chat(conn).await.unwrap(), None);
    }

    async fn an_admin_gets_one_mail_a_day_whoever_sends_it(store: Store) {
        let ann = store.member("ann@example.com").await;
        for day in ["2026-11-21", "2026-11-22"] {
            let day: NaiveDate = name(day);
            let noted = store.race(8, move |_, mut tx| async move {
                let is_first = notifications::insert_digest(&mut tx.conn(), ann, day, beginning()).await.unwrap();
                (tx, is_first)
            }).await;
            assert_eq!(won(&noted), 1);
        }
    }

    async fn what_is_long_ago_is_forgotten(store: Store) {
        let ann = store.member("ann@example.com").await;
        let old = store.raised(&used_up("SUMMER"), 1).await;
        let new = store.raised(&used_up("WINTER"), 5).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        notifications::mark_read(conn, Reader::Admin(ann), old, after(2)).await.unwrap();
        notifications::insert_digest(conn, ann, name("2026-11-21"), after(2)).await.unwrap();
        assert_eq!(notifications::purge(conn, after(3)).await.unwrap(), 2);
        tx.commit().await.unwrap();
        assert_eq!(store.listed(which(Reader::All, None)).await, [new]);
        assert_eq!(store.count("notification_reads").await, 0);
    }
}
