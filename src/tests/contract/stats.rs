//! `store::stats`.

use chrono::{Days, NaiveDate, TimeDelta};
use uuid::Uuid;
use vouchsafe::{
    domain::ids::{UserId, uuid_v7},
    store::stats::{self, Consumed, Figure},
};

use super::{Store, after, on_both};
use crate::harness::beginning;

fn day(number: u64) -> NaiveDate {
    beginning().date_naive() + Days::new(number)
}

impl Store {
    fn written(&self, id: impl ToString) -> String {
        let id = id.to_string();
        match self.db {
            vouchsafe::store::Db::Sqlite { .. } => format!("x'{}'", id.replace('-', "")),
            vouchsafe::store::Db::Postgres(_) => format!("'{id}'"),
        }
    }

    /// An entry of the ledger of usage.
    async fn used(&self, user: UserId, feature: &str, amount: i64, seconds: i64) {
        let (id, user) = (self.written(self.id_at::<Uuid>(after(seconds))), self.written(user));
        self.execute(&format!(
            "INSERT INTO usage_events (id, user_id, feature_id, period_start, kind, amount, used_after, actor, created_at)
            VALUES ({id}, {user}, '{feature}', '2026-11-21T00:00:00Z', 'consumed', {amount}, 100, 'app', '2026-11-21T10:00:00Z')"
        ))
        .await;
    }
}

on_both! {
    async fn days_of_a_member_are_counted_and_follow_each_other(store: Store) {
        let ann = store.member("ann@example.com").await;
        let bob = store.member("bob@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(stats::active_days_in_a_row(conn, ann, day(9)).await.unwrap(), 0);
        for number in [0, 2, 3, 4] {
            stats::mark_active(conn, ann, day(number)).await.unwrap();
            stats::mark_active(conn, ann, day(number)).await.unwrap();
        }
        for _ in 0..2 {
            stats::count_sign_in(conn, ann, day(4)).await.unwrap();
        }
        stats::count_sign_in(conn, bob, day(4)).await.unwrap();
        for (today, row) in [(0, 1), (1, 1), (2, 1), (4, 3), (5, 3), (6, 0), (3, 2)] {
            assert_eq!(stats::active_days_in_a_row(conn, ann, day(today)).await.unwrap(), row, "day {today}");
        }
        let days = stats::days_of(conn, ann, 2).await.unwrap();
        assert_eq!(days.iter().map(|one| (one.day, one.sign_ins, one.consumed)).collect::<Vec<_>>(), [(day(4), 2, 0), (day(3), 0, 0)]);
        assert_eq!(stats::active_members(conn, day(4)).await.unwrap(), (2, 3));
        assert_eq!(stats::active_members(conn, day(5)).await.unwrap(), (0, 0));
    }

    async fn many_sign_ins_at_once_are_all_counted(store: Store) {
        let ann = store.member("ann@example.com").await;
        store.race(12, move |_, mut tx| async move {
            stats::count_sign_in(&mut tx.conn(), ann, day(0)).await.unwrap();
            (tx, ())
        }).await;
        let days = stats::days_of(&mut store.reader().await.conn(), ann, 9).await.unwrap();
        assert_eq!(days.iter().map(|one| one.sign_ins).collect::<Vec<_>>(), [12]);
    }

    async fn usage_of_a_day_is_summed_and_written_in_its_place(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        store.used(ann, "photos", 5, 0).await;
        store.used(ann, "exports", 2, 1).await;
        store.used(bob, "photos", 7, 2).await;
        store.used(bob, "photos", -3, 3).await;
        store.used(bob, "photos", 100, 4).await;
        // Somebody whose account is gone.
        store.used(store.id(), "photos", 1, 1).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let (from, to) = (uuid_v7(beginning(), [0; 10]), uuid_v7(after(4), [0; 10]));
        let mut consumed = stats::consumed_between(conn, from, to).await.unwrap();
        consumed.sort_by_key(|one| one.consumed);
        assert_eq!(consumed, [Consumed { user_id: bob, consumed: 4 }, Consumed { user_id: ann, consumed: 7 }]);
        let mut usage = stats::usage(conn, from, to).await.unwrap();
        usage.sort();
        assert_eq!(usage, [("exports".to_owned(), 2), ("photos".to_owned(), 10)]);
        stats::count_sign_in(conn, ann, day(0)).await.unwrap();
        consumed.push(Consumed { user_id: store.id(), consumed: 1 });
        for _ in 0..2 {
            stats::put_consumed(conn, day(0), &consumed).await.unwrap();
        }
        stats::put_consumed(conn, day(0), &[]).await.unwrap();
        let one = stats::days_of(conn, ann, 9).await.unwrap()[0];
        assert_eq!((one.sign_ins, one.consumed), (1, 7));
        assert_eq!(stats::days_of(conn, bob, 9).await.unwrap()[0].consumed, 4);
        assert_eq!(stats::active_members(conn, day(0)).await.unwrap(), (2, 1));
    }

    async fn figures_of_a_day_are_put_in_the_place_of_older_ones(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let figure = |metric, subject: &str, value| (metric, subject.to_owned(), value);
        let first = [figure("new", "", 3), figure("usage", "photos", 9), figure("members", "free", 5)];
        stats::put(conn, day(1), &["new", "usage", "members"], &first).await.unwrap();
        stats::put(conn, day(2), &["new"], &[figure("new", "", 1)]).await.unwrap();
        // What is gone is gone, and what is not counted again stays.
        stats::put(conn, day(1), &["new", "usage"], &[figure("new", "", 4)]).await.unwrap();
        let expected = |day, metric: &str, subject: &str, value| Figure {
            day, metric: metric.to_owned(), subject: subject.to_owned(), value,
        };
        let all = stats::figures(conn, day(0), day(2)).await.unwrap();
        assert_eq!(all, [expected(day(1), "members", "free", 5), expected(day(1), "new", "", 4), expected(day(2), "new", "", 1)]);
        assert_eq!(stats::figures(conn, day(2), day(9)).await.unwrap().len(), 1);
        assert_eq!(stats::last_counted(conn, 9).await.unwrap(), []);
        stats::set_counted(conn, day(1), after(5)).await.unwrap();
        stats::set_counted(conn, day(2), after(6)).await.unwrap();
        stats::set_counted(conn, day(2), after(7)).await.unwrap();
        assert_eq!(stats::last_counted(conn, 1).await.unwrap(), [(day(2), after(7))]);
        assert_eq!(stats::last_counted(conn, 9).await.unwrap(), [(day(2), after(7)), (day(1), after(5))]);
        assert_eq!(stats::forget_after(conn, day(1), after(6)).await.unwrap(), 1);
        assert_eq!(stats::last_counted(conn, 9).await.unwrap(), [(day(1), after(5))]);
        assert_eq!(stats::forget_after(conn, day(1), after(4)).await.unwrap(), 0);
        assert_eq!(stats::last_counted(conn, 9).await.unwrap(), [(day(1), after(4))], "by a clock that was ahead");
        assert_eq!(stats::figures(conn, day(0), day(9)).await.unwrap().len(), 2);
    }

    async fn what_happened_in_a_stretch_of_time_is_counted_half_open(store: Store) {
        let mut reader = store.reader().await;
        assert_eq!(stats::first_member_at(&mut reader.conn()).await.unwrap(), None);
        assert!(!stats::has_members(&mut reader.conn()).await.unwrap());
        drop(reader);
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let referral = store.id();
        vouchsafe::store::referrals::insert(conn, referral, ann, bob, beginning()).await.unwrap();
        tx.commit().await.unwrap();
        let moment = "'2026-11-21T10:00:00+00:00'";
        store.execute(&format!("UPDATE referrals SET converted_at = {moment}")).await;
        let [coupon, one, other] = [store.id::<Uuid>(), store.id(), store.id()].map(|id| store.written(id));
        store.execute(&format!(
            "INSERT INTO coupons (id, code, type, tier_id, duration_days, redemption_count, active, description, created_by, created_at, updated_at)
            VALUES ({coupon}, 'GIFT', 'period', 'premium', 30, 2, TRUE, '', 'operator', {moment}, {moment})"
        )).await;
        for (id, user) in [(one, ann), (other, bob)] {
            let user = store.written(user);
            store.execute(&format!("INSERT INTO coupon_redemptions (id, coupon_id, user_id, redeemed_at) VALUES ({id}, {coupon}, {user}, {moment})")).await;
        }
        for (number, status) in ["active", "incomplete", "ended"].into_iter().enumerate() {
            let id = store.written(store.id::<Uuid>());
            store.execute(&format!(
                "INSERT INTO subscriptions (id, provider, subscription_id, tier_id, billing_interval, status, started_at, version_at, version_rank, version_event, created_at, updated_at)
                VALUES ({id}, 'stripe', 'sub_{number}', 'premium', 'month', '{status}', {moment}, {moment}, 1, 'e', {moment}, {moment})"
            )).await;
        }
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let second = TimeDelta::seconds(1);
        for (from, to, found) in [(beginning(), after(1), true), (beginning() - second, beginning(), false), (after(1), after(2), false)] {
            let times = i64::from(found);
            assert_eq!(stats::new_members(conn, from, to).await.unwrap(), 2 * times);
            assert_eq!(stats::conversions(conn, from, to).await.unwrap(), times);
            assert_eq!(stats::subscriptions(conn, from, to).await.unwrap(), 2 * times, "one was never paid");
            let expected = if found { vec![("period".to_owned(), 2)] } else { Vec::new() };
            assert_eq!(stats::redemptions(conn, from, to).await.unwrap(), expected);
        }
        assert_eq!(stats::first_member_at(conn).await.unwrap(), Some(beginning()));
        assert!(stats::has_members(conn).await.unwrap());
        store.execute(&format!("UPDATE users SET deleted_at = {moment}")).await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert!(!stats::has_members(conn).await.unwrap());
        assert_eq!(stats::new_members(conn, beginning(), after(1)).await.unwrap(), 2, "they came, though they are gone");
    }
}
