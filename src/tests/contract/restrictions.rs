//! `store::restrictions`.

use vouchsafe::{
    domain::{
        entitlement::Restriction,
        ids::{FeatureId, UserId},
        limit::Limit,
    },
    store::restrictions,
};

use super::{Store, after, name, on_both};

fn restriction(feature: &str, limit: Limit) -> Restriction {
    Restriction {
        feature: name(feature),
        limit,
        reason: "fair use".to_owned(),
        expires_at: None,
        created_by: "ann@example.com".to_owned(),
        updated_at: after(0),
    }
}

fn sorted(mut found: Vec<(UserId, Restriction)>) -> Vec<(UserId, Restriction)> {
    found.sort_by(|(one, first), (other, second)| (one, &first.feature).cmp(&(other, &second.feature)));
    found
}

on_both! {
    async fn a_restriction_is_found_as_written_and_written_over(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let photos = restriction("photos", Limit::Unlimited);
        let calls = restriction("ai_calls", Limit::OFF);
        let ended = Restriction { expires_at: Some(after(-1)), ..restriction("photos", Limit::At(3)) };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        restrictions::put(conn, ann, &photos).await.unwrap();
        restrictions::put(conn, ann, &calls).await.unwrap();
        restrictions::put(conn, bob, &ended).await.unwrap();
        // Those that have ended are listed, too: whoever decides looks at the clock.
        let mut expected = sorted(vec![(ann, photos), (ann, calls.clone()), (bob, ended.clone())]);
        assert_eq!(sorted(restrictions::list(conn, &[ann, bob]).await.unwrap()), expected);
        assert_eq!(restrictions::list(conn, &[bob, store.id()]).await.unwrap(), [(bob, ended)]);
        assert_eq!(restrictions::list(conn, &[]).await.unwrap(), []);

        let other = Restriction {
            feature: name("photos"),
            limit: Limit::At(9),
            reason: "a favour".to_owned(),
            expires_at: Some(after(60)),
            created_by: "bob@example.com".to_owned(),
            updated_at: after(5),
        };
        restrictions::put(conn, ann, &other).await.unwrap();
        expected = sorted(vec![(ann, other), (ann, calls)]);
        assert_eq!(sorted(restrictions::list(conn, &[ann]).await.unwrap()), expected);
    }

    async fn taking_one_away_leaves_the_others(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let photos: FeatureId = name("photos");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for user in [ann, bob] {
            restrictions::put(conn, user, &restriction("photos", Limit::At(1))).await.unwrap();
            restrictions::put(conn, user, &restriction("ai_calls", Limit::At(1))).await.unwrap();
        }
        assert!(restrictions::delete(conn, ann, &photos).await.unwrap());
        assert!(!restrictions::delete(conn, ann, &photos).await.unwrap());
        assert!(!restrictions::delete(conn, ann, &name("export_csv")).await.unwrap());
        assert_eq!(restrictions::list(conn, &[ann]).await.unwrap(), [(ann, restriction("ai_calls", Limit::At(1)))]);
        assert_eq!(restrictions::list(conn, &[bob]).await.unwrap().len(), 2);
    }

    async fn a_feature_or_a_member_that_does_not_exist_is_refused(store: Store) {
        let ann = store.member("ann@example.com").await;
        for (user, feature) in [(ann, "gone"), (store.id(), "photos")] {
            let mut tx = store.begin().await;
            let put = restrictions::put(&mut tx.conn(), user, &restriction(feature, Limit::OFF)).await;
            assert!(!put.unwrap_err().is_temporary());
        }
    }

    async fn of_many_who_restrict_at_once_all_succeed_and_one_stays(store: Store) {
        let ann = store.member("ann@example.com").await;
        store.race(20, move |number, mut tx| async move {
            let limit = Limit::At(i64::try_from(number).unwrap());
            restrictions::put(&mut tx.conn(), ann, &restriction("photos", limit)).await.unwrap();
            (tx, ())
        }).await;
        assert_eq!(restrictions::list(&mut store.reader().await.conn(), &[ann]).await.unwrap().len(), 1);
    }
}
