//! `store::api_keys`.

use chrono::TimeDelta;
use vouchsafe::{
    domain::{
        api_key::{ApiKey, Scope, Scopes},
        ids::{ApiKeyId, UserId},
    },
    store::api_keys,
};

use super::{ROUNDS, Store, after, on_both};

fn key(id: ApiKeyId, user: Option<UserId>) -> ApiKey {
    ApiKey {
        id,
        name: "the app".to_owned(),
        hint: "vs_abcdef".to_owned(),
        scopes: [Scope::Check, Scope::Manage].into_iter().collect(),
        user,
        created_by: "ann@example.com".to_owned(),
        created_at: after(0),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

on_both! {
    async fn a_key_is_found_by_its_token_as_written(store: Store) {
        let ann = store.member("ann@example.com").await;
        let server = key(store.id(), None);
        let members = ApiKey { scopes: Scopes::default(), expires_at: Some(after(60)), ..key(store.id(), Some(ann)) };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        api_keys::insert(conn, &server, b"one").await.unwrap();
        api_keys::insert(conn, &members, b"two").await.unwrap();
        assert_eq!(api_keys::find_by_token(conn, b"one").await.unwrap(), Some(server));
        assert_eq!(api_keys::find_by_token(conn, b"two").await.unwrap(), Some(members));
        assert_eq!(api_keys::find_by_token(conn, b"three").await.unwrap(), None);
        // A token opens one thing only.
        assert!(api_keys::insert(conn, &key(store.id(), None), b"one").await.is_err());
    }

    async fn a_key_goes_with_its_member(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        api_keys::insert(&mut tx.conn(), &key(store.id(), Some(ann)), b"one").await.unwrap();
        tx.commit().await.unwrap();
        store.execute("DELETE FROM users").await;
        assert_eq!(api_keys::find_by_token(&mut store.reader().await.conn(), b"one").await.unwrap(), None);
    }

    async fn good_keys_are_told_from_those_that_ended(store: Store) {
        let (good, ending, ended, revoked): (ApiKeyId, ApiKeyId, ApiKeyId, ApiKeyId) =
            (store.id(), store.id(), store.id(), store.id());
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (id, expires_at) in
            [(good, None), (ending, Some(after(61))), (ended, Some(after(60))), (revoked, Some(after(90)))]
        {
            api_keys::insert(conn, &ApiKey { expires_at, ..key(id, None) }, id.as_bytes()).await.unwrap();
        }
        assert!(api_keys::revoke(conn, revoked, after(1)).await.unwrap().is_some());
        let mut found = api_keys::good(conn, &[good, ending, ended, revoked, store.id()], after(60)).await.unwrap();
        found.sort();
        let mut expected = [good, ending];
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(api_keys::good(conn, &[], after(60)).await.unwrap(), []);
    }

    async fn servers_keys_are_listed_page_by_page_the_newest_first(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let mut ids = Vec::new();
        for second in 0..5 {
            let id: ApiKeyId = store.id_at(after(second));
            api_keys::insert(conn, &key(id, None), id.as_bytes()).await.unwrap();
            ids.insert(0, id);
        }
        let members: ApiKeyId = store.id_at(after(9));
        api_keys::insert(conn, &key(members, Some(ann)), b"a member's").await.unwrap();
        let (mut listed, mut last) = (Vec::new(), None);
        loop {
            let page = api_keys::list(conn, last, 2).await.unwrap();
            let Some(key) = page.last() else { break };
            last = Some(key.id);
            listed.extend(page.into_iter().map(|key| key.id));
        }
        assert_eq!(listed, ids);
    }

    async fn the_last_use_is_noted_once_a_minute(store: Store) {
        let id = store.id();
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        api_keys::insert(conn, &key(id, None), b"one").await.unwrap();
        for (touched, noted) in [(0, 0), (59, 0), (60, 60), (61, 60), (120, 120)] {
            api_keys::touch(conn, id, after(touched)).await.unwrap();
            let found = api_keys::find_by_token(conn, b"one").await.unwrap().unwrap();
            assert_eq!(found.last_used_at, Some(after(noted)));
        }
    }

    async fn of_many_who_end_a_key_at_once_one_does(store: Store) {
        for _ in 0..ROUNDS {
            let id: ApiKeyId = store.id();
            let mut tx = store.begin().await;
            api_keys::insert(&mut tx.conn(), &key(id, None), id.as_bytes()).await.unwrap();
            tx.commit().await.unwrap();
            let results = store.race(12, move |_, mut tx| async move {
                let revoked = api_keys::revoke(&mut tx.conn(), id, after(5)).await.unwrap();
                (tx, revoked)
            });
            let ended: Vec<ApiKey> = results.await.into_iter().flatten().collect();
            assert_eq!(ended, [ApiKey { revoked_at: Some(after(5)), ..key(id, None) }]);
        }
        let mut tx = store.begin().await;
        assert_eq!(api_keys::revoke(&mut tx.conn(), store.id(), after(5)).await.unwrap(), None);
    }

    async fn members_keys_that_ended_are_forgotten_and_servers_keys_are_not(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let end = after(0) + TimeDelta::days(1);
        for (user, expires_at, token, is_revoked) in [
            (None, Some(after(1)), b"server 1", false),
            (None, None, b"server 2", true),
            (Some(ann), Some(after(1)), b"member 1", false),
            (Some(ann), Some(end), b"member 2", false),
            (Some(ann), None, b"member 3", true),
        ] {
            let id = store.id();
            api_keys::insert(conn, &ApiKey { expires_at, ..key(id, user) }, token).await.unwrap();
            if is_revoked {
                api_keys::revoke(conn, id, after(1)).await.unwrap();
            }
        }
        assert_eq!(api_keys::purge(conn, after(1)).await.unwrap(), 0);
        assert_eq!(api_keys::purge(conn, after(2)).await.unwrap(), 2);
        tx.commit().await.unwrap();
        let kept = store.texts("SELECT CASE WHEN user_id IS NULL THEN 'server' ELSE 'member' END AS w FROM api_keys ORDER BY w");
        assert_eq!(kept.await, ["member", "server", "server"]);
    }
}
