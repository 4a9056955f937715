//! `store::activity`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    domain::{
        activity::Place,
        ids::{ActivityId, UserId},
    },
    store::activity::{self, Activity, NewActivity, Which},
};

use super::{Store, after, on_both};
use crate::harness::beginning;

impl Store {
    async fn note(&self, user: Option<UserId>, action: &'static str, details: Value, now: DateTime<Utc>) -> ActivityId {
        let id = self.id();
        let line = NewActivity {
            id,
            user,
            actor: "ann@example.com",
            action,
            details,
            ip_address: Some("2001:db8::1"),
            user_agent: Some("Firefox"),
        };
        let mut tx = self.begin().await;
        activity::insert(&mut tx.conn(), &line, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }
}

fn ids(lines: Vec<Activity>) -> Vec<ActivityId> {
    lines.into_iter().map(|line| line.id).collect()
}

on_both! {
    async fn a_line_is_found_as_written(store: Store) {
        let ann = store.member("ann@example.com").await;
        let details = json!({
            "text": "Grüße \u{1F44B} \"quoted\" \\ ' ; --",
            "number": 9_007_199_254_740_993_i64,
            "nothing": null,
            "nested": [{ "a": 1.5 }, [], true],
        });
        let id = store.note(Some(ann), "credit_granted", details.clone(), beginning()).await;
        let found = activity::find(&mut store.reader().await.conn(), id).await.unwrap();
        let expected = Activity {
            id,
            user_id: Some(ann),
            actor: "ann@example.com".to_owned(),
            action: "credit_granted".to_owned(),
            details,
            ip_address: Some("2001:db8::1".to_owned()),
            user_agent: Some("Firefox".to_owned()),
            created_at: beginning(),
        };
        assert_eq!(found, Some(expected));
        assert_eq!(activity::find(&mut store.reader().await.conn(), store.id()).await.unwrap(), None);
    }

    async fn many_lines_are_written_at_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let ids: Vec<ActivityId> = (0..3).map(|_| store.id()).collect();
        let line = |id, user| NewActivity {
            id,
            user,
            actor: "system",
            action: "invoice_paid",
            details: json!({ "of": user }),
            ip_address: None,
            user_agent: None,
        };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let lines = [line(ids[0], Some(ann)), line(ids[1], None), line(ids[2], Some(ann))];
        activity::insert_all(conn, &lines, after(1)).await.unwrap();
        activity::insert_all::<serde_json::Value>(conn, &[], after(2)).await.unwrap();
        let found = activity::find(conn, ids[0]).await.unwrap().unwrap();
        assert_eq!((found.user_id, found.details, found.created_at), (Some(ann), json!({ "of": ann }), after(1)));
        assert_eq!(activity::list_by_user(conn, ann, 9).await.unwrap().len(), 2);
        assert_eq!(activity::list_by_action(conn, "invoice_paid", 9).await.unwrap().len(), 3);
        // More than a statement may have values, on either database.
        let many: Vec<ActivityId> = (0..9_000).map(|_| store.id()).collect();
        let lines: Vec<_> = many.iter().map(|id| line(*id, None)).collect();
        activity::insert_all(conn, &lines, after(2)).await.unwrap();
        assert_eq!(activity::list_by_action(conn, "invoice_paid", 10_000).await.unwrap().len(), 9_003);
    }

    async fn what_concerns_nobody_has_neither_member_nor_address(store: Store) {
        let id = store.id();
        let line = NewActivity {
            id,
            user: None,
            actor: "system",
            action: "purged",
            details: json!({}),
            ip_address: None,
            user_agent: None,
        };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        activity::insert(conn, &line, beginning()).await.unwrap();
        let found = activity::find(conn, id).await.unwrap().unwrap();
        assert_eq!((found.user_id, found.ip_address, found.details), (None, None, json!({})));
    }

    async fn what_nobody_did_comes_from_nowhere_whoever_asks(store: Store) {
        let (one, more) = (store.id(), [store.id(), store.id()]);
        let line = |id, actor| NewActivity {
            id,
            user: None,
            actor,
            action: "grant_started",
            details: json!({}),
            ip_address: None,
            user_agent: None,
        };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let place = Place { address: "203.0.113.7".to_owned(), user_agent: "Firefox".to_owned() };
        activity::within(place, async {
            activity::insert(conn, &line(one, "system"), beginning()).await.unwrap();
            let lines = [line(more[0], "system"), line(more[1], "root@example.com")];
            activity::insert_all(conn, &lines, beginning()).await.unwrap();
        })
        .await;
        for id in [one, more[0]] {
            let found = activity::find(conn, id).await.unwrap().unwrap();
            assert_eq!((found.ip_address, found.user_agent), (None, None));
        }
        let found = activity::find(conn, more[1]).await.unwrap().unwrap();
        assert_eq!((found.ip_address.as_deref(), found.user_agent.as_deref()), (Some("203.0.113.7"), Some("Firefox")));
    }

    async fn lines_are_listed_by_action_and_by_member_the_newest_first(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let first = store.note(Some(ann), "login", json!({}), beginning()).await;
        let second = store.note(Some(bob), "login", json!({}), after(1)).await;
        let third = store.note(Some(ann), "logout", json!({}), after(2)).await;
        let fourth = store.note(Some(ann), "login", json!({}), after(3)).await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert_eq!(ids(activity::list_by_action(conn, "login", 10).await.unwrap()), [fourth, second, first]);
        assert_eq!(ids(activity::list_by_action(conn, "login", 2).await.unwrap()), [fourth, second]);
        assert_eq!(ids(activity::list_by_action(conn, "log", 10).await.unwrap()), []);
        assert_eq!(ids(activity::list_by_user(conn, ann, 10).await.unwrap()), [fourth, third, first]);
        assert_eq!(ids(activity::list_by_user(conn, ann, 1).await.unwrap()), [fourth]);
        assert_eq!(ids(activity::list_by_user(conn, store.id(), 10).await.unwrap()), []);
    }

    async fn pages_of_the_log_hold_every_line_once_and_end(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut newest_first = Vec::new();
        for number in 0..9 {
            let who = [Some(ann), Some(bob), None][number % 3];
            let what = ["login", "logout"][number % 2];
            // Three each of one instant.
            let id = store.note(who, what, json!({}), after(number as i64 / 3)).await;
            newest_first.insert(0, (id, who, what));
        }
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        for (user, action) in [(None, None), (Some(ann), None), (None, Some("login")), (Some(bob), Some("logout"))] {
            let mut read = Vec::new();
            loop {
                let which = Which { user, action, before: read.last().copied(), ..Which::default() };
                let page = ids(activity::list(conn, which, 2).await.unwrap());
                if page.is_empty() {
                    break;
                }
                assert!(page.len() <= 2);
                read.extend(page);
            }
            let fits = |line: &&(ActivityId, Option<UserId>, &str)| {
                (user.is_none() || line.1 == user) && action.is_none_or(|action| line.2 == action)
            };
            let mut expected: Vec<ActivityId> = newest_first.iter().filter(fits).map(|line| line.0).collect();
            let all = ids(activity::list(conn, Which { user, action, ..Which::default() }, 100).await.unwrap());
            assert_eq!(read, all);
            // Lines of one instant stand in the order of their ids, which chance made.
            read.sort();
            expected.sort();
            assert_eq!(read, expected);
        }
    }

    async fn the_log_is_searched_by_everything_at_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut lines = Vec::new();
        let mut tx = store.begin().await;
        for number in 0..32_i64 {
            let bit = |place: i64| number & (1 << place) != 0;
            let line = NewActivity {
                id: store.id(),
                user: bit(0).then_some(ann),
                actor: if bit(1) { "ann@example.com" } else { "system" },
                action: if bit(2) { "login" } else { "logout" },
                details: json!({}),
                ip_address: bit(3).then_some("203.0.113.7"),
                user_agent: None,
            };
            activity::insert(&mut tx.conn(), &line, after(if bit(4) { 10 } else { 0 })).await.unwrap();
            lines.push((number, line.id));
        }
        tx.commit().await.unwrap();
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        for asked in 0..64_i64 {
            let has = |place: i64| asked & (1 << place) != 0;
            let which = Which {
                user: has(0).then_some(ann),
                actor: has(1).then_some(if has(5) { "system" } else { "ann@example.com" }),
                action: has(2).then_some("login"),
                address: has(3).then_some("203.0.113.7"),
                from: has(4).then_some(after(1)),
                to: has(4).then_some(after(11)),
                before: None,
            };
            let mut found = ids(activity::list(conn, which, 100).await.unwrap());
            let fits = |number: i64| {
                (0..5).all(|place| {
                    let wanted = i64::from(!(place == 1 && has(5)));
                    !has(place) || (number >> place) & 1 == wanted
                })
            };
            let mut expected: Vec<_> = lines.iter().filter(|(number, _)| fits(*number)).map(|(_, id)| *id).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{which:?}");
        }
        let gone = Which { before: Some(store.id()), ..Which::default() };
        assert_eq!(activity::list(conn, gone, 9).await.unwrap(), []);
        assert_eq!(activity::actions(conn).await.unwrap(), ["login", "logout"]);
    }

    async fn old_addresses_are_cut_once_and_old_lines_forgotten(store: Store) {
        assert_eq!(activity::actions(&mut store.reader().await.conn()).await.unwrap(), [""; 0]);
        let mut lines = Vec::new();
        for number in 0..4 {
            lines.push(store.note(None, "login", json!({}), after(number)).await);
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let whole = activity::uncut(conn, after(2), 2).await.unwrap();
        assert_eq!(whole, [(lines[0], "2001:db8::1".to_owned()), (lines[1], "2001:db8::1".to_owned())]);
        activity::cut(conn, &[(lines[0], Some("2001:db8::/48".to_owned())), (lines[1], None)]).await.unwrap();
        activity::cut(conn, &[]).await.unwrap();
        assert_eq!(activity::uncut(conn, after(2), 9).await.unwrap(), [(lines[2], "2001:db8::1".to_owned())]);
        let address = async |conn: &mut vouchsafe::store::Conn<'_>, id| activity::find(conn, id).await.unwrap().unwrap().ip_address;
        assert_eq!(address(conn, lines[0]).await.as_deref(), Some("2001:db8::/48"));
        assert_eq!(address(conn, lines[1]).await, None);
        assert_eq!(activity::purge(conn, after(2), 2).await.unwrap(), 2);
        assert_eq!(activity::purge(conn, after(2), 2).await.unwrap(), 1);
        assert_eq!(ids(activity::list(conn, Which::default(), 9).await.unwrap()), [lines[3]]);
    }
}
