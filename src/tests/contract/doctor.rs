//! `store::doctor`: every rule holds on a sound database, and each way of breaking one is seen.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::ids::UserId,
    store::{
        Conn, Db,
        doctor::{self, Offenders, Rule},
    },
};

use super::{Store, after, execute, on_both};
use crate::harness::beginning;

impl Store {
    async fn examined(&self, rule: Rule, now: DateTime<Utc>) -> Offenders {
        doctor::offenders(&mut self.reader().await.conn(), rule, now, 2).await.unwrap()
    }

    /// Returns which rules are broken.
    async fn broken(&self, now: DateTime<Utc>) -> Vec<Rule> {
        let mut broken = Vec::new();
        for rule in Rule::ALL {
            if self.examined(rule, now).await.count > 0 {
                broken.push(rule);
            }
        }
        broken
    }

    /// Writes an id as SQL has it.
    fn literal(&self, id: impl ToString) -> String {
        let id = id.to_string();
        match self.db {
            Db::Sqlite { .. } => format!("X'{}'", id.replace('-', "")),
            Db::Postgres(_) => format!("'{id}'"),
        }
    }

    /// Does something wrong, sees that it is, and undoes it.
    async fn breaks(&self, statements: &[String], expected: &[Rule]) {
        let mut tx = self.begin().await;
        for statement in statements {
            assert!(execute(&mut tx.conn(), statement).await.unwrap() > 0, "{statement}");
        }
        for rule in Rule::ALL {
            let found = doctor::offenders(&mut tx.conn(), rule, beginning(), 2).await.unwrap();
            assert_eq!(found.count > 0, expected.contains(&rule), "{statements:?} {rule:?} {found:?}");
        }
    }

    async fn counted(&self, ann: UserId) {
        let id = self.literal(ann);
        let moment = "'2026-11-21T10:00:00+00:00'";
        self.execute(&format!(
            "INSERT INTO user_feature_usage (user_id, period_start, feature_id, used, updated_at)
            VALUES ({id}, {moment}, 'photos', 6, {moment}), ({id}, {moment}, 'ai_calls', 0, {moment})"
        ))
        .await;
        let reservation = self.literal(self.id::<UserId>());
        self.execute(&format!(
            "INSERT INTO reservations (
                id, user_id, feature_id, period_start, amount, state, confirmed_amount, actor, expires_at, created_at
            )
            VALUES ({reservation}, {id}, 'photos', {moment}, 2, 'confirmed', 4, 'a', {moment}, {moment}),
                ({}, {id}, 'photos', {moment}, 2, 'confirmed', 0, 'b', {moment}, {moment}),
                ({}, {id}, 'photos', {moment}, 2, 'held', NULL, 'c', '2026-11-21T11:00:00+00:00', {moment})",
            self.literal(self.id::<UserId>()),
            self.literal(self.id::<UserId>()),
        ))
        .await;
        for (kind, amount, used_after, reservation) in
            [("consumed", 3, 3, "NULL"), ("given_back", -1, 2, "NULL"), ("confirmed", 4, 6, reservation.as_str())]
        {
            self.execute(&format!(
                "INSERT INTO usage_events (
                    id, user_id, feature_id, period_start, kind, amount, used_after, limit_value, reservation_id,
                    actor, created_at
                )
                VALUES ({}, {id}, 'photos', {moment}, '{kind}', {amount}, {used_after}, 5, {reservation}, 'a', {moment})",
                self.literal(self.id::<UserId>()),
            ))
            .await;
        }
    }
}

on_both! {
    async fn an_empty_database_is_sound(store: Store) {
        assert_eq!(store.broken(beginning()).await, []);
    }

    async fn every_way_to_break_counting_is_seen(store: Store) {
        use Rule::*;
        let ann = store.member("ann@example.com").await;
        store.counted(ann).await;
        assert_eq!(store.broken(beginning()).await, []);
        let sql = |text: &str| text.to_owned();
        for (statement, expected) in [
            ("UPDATE user_feature_usage SET used = 7 WHERE feature_id = 'photos'", &[CountersAreSums, LedgerIsUnbroken][..]),
            ("UPDATE user_feature_usage SET used = 1 WHERE feature_id = 'ai_calls'", &[CountersAreSums, LedgerIsUnbroken]),
            ("DELETE FROM user_feature_usage WHERE feature_id = 'photos'", &[CountersAreSums, LedgerIsUnbroken]),
            ("DELETE FROM usage_events WHERE kind = 'consumed'", &[CountersAreSums, LedgerIsUnbroken]),
            // The sum is right, the way to it is not.
            ("UPDATE usage_events SET used_after = 4 WHERE kind = 'consumed'", &[LedgerIsUnbroken]),
            ("UPDATE usage_events SET limit_value = 2 WHERE kind = 'consumed'", &[NothingAboveItsLimit]),
            // What was promised is kept when the limit is lowered, and what is unlimited has none.
            ("UPDATE usage_events SET limit_value = 1 WHERE kind <> 'consumed'", &[]),
            ("UPDATE usage_events SET limit_value = NULL", &[]),
            ("UPDATE usage_events SET kind = 'given_back' WHERE kind = 'consumed'", &[LedgerHasSigns]),
            ("UPDATE usage_events SET reservation_id = NULL", &[LedgerHasSigns, ReservationsCountedOnce]),
            ("UPDATE reservations SET confirmed_amount = 3 WHERE confirmed_amount = 4", &[ReservationsCountedOnce]),
            ("UPDATE reservations SET confirmed_amount = NULL WHERE confirmed_amount = 0", &[ReservationsCountedOnce]),
            ("UPDATE reservations SET state = 'released' WHERE confirmed_amount = 4", &[ReservationsCountedOnce]),
            // What is forgotten is nobody's concern.
            ("DELETE FROM reservations", &[]),
            ("UPDATE reservations SET expires_at = '2026-11-21T08:00:00+00:00' WHERE state = 'held'", &[LapsedReservationsAreSwept]),
            ("UPDATE reservations SET expires_at = '2026-11-21T08:00:01+00:00' WHERE state = 'held'", &[]),
            // Without the member the ledger remains, and nothing is to be compared.
            ("DELETE FROM users", &[]),
        ] {
            store.breaks(&[sql(statement)], expected).await;
        }
        store.execute("UPDATE user_feature_usage SET used = 8").await;
        let found = store.examined(CountersAreSums, beginning()).await;
        assert_eq!(found.count, 2);
        assert!(found.first.iter().all(|(id, _)| *id == ann.to_string()), "{found:?}");
        let texts: Vec<&str> = found.first.iter().map(|(_, what)| what.as_str()).collect();
        assert!(texts.iter().any(|text| text.starts_with("photos since 2026-11-21") && text.ends_with("the counter shows 8, the ledger 6")), "{texts:?}");
    }

    async fn every_other_way_is_seen_too(store: Store) {
        use Rule::*;
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let (ann, bob) = (store.literal(ann), store.literal(bob));
        let (one, two) = (store.literal(store.id::<UserId>()), store.literal(store.id::<UserId>()));
        let (now, later) = ("'2026-11-21T10:00:00+00:00'", "'2026-12-21T10:00:00+00:00'");
        let entry = |id: &str, user: &str, source: &str, until: &str, at: &str| format!(
            "INSERT INTO credit_entries (id, user_id, source, source_key, days, until_after, actor, created_at)
            VALUES ({id}, {user}, '{source}', 'k', 30, {until}, 'a', {at})"
        );
        let until = |user: &str, until: &str| format!("UPDATE users SET credit_until = {until} WHERE id = {user}");
        store.breaks(&[until(&ann, later)], &[CreditIsItsLedger]).await;
        store.breaks(&[entry(&one, &ann, "admin", later, now)], &[CreditIsItsLedger]).await;
        store.breaks(&[entry(&one, &ann, "admin", later, now), until(&ann, later)], &[]).await;
        // The newest entry ended it.
        let ended = [entry(&one, &ann, "admin", later, now), entry(&two, &ann, "revoked", "NULL", later)];
        store.breaks(&ended, &[]).await;
        store.breaks(&[&ended[..], &[until(&ann, later)]].concat(), &[CreditIsItsLedger]).await;

        let referral = |converted: &str| format!(
            "INSERT INTO referrals (id, referrer_user_id, referred_user_id, created_at, converted_at, credited_at)
            VALUES ({one}, {ann}, {bob}, {now}, {converted}, {converted})"
        );
        let rewards = [
            entry(&one, &ann, "referral", later, now),
            entry(&two, &bob, "referral", later, now),
            until(&ann, later),
            until(&bob, later),
        ];
        store.breaks(&[referral("NULL")], &[]).await;
        store.breaks(&[referral(now)], &[ReferralsRewarded]).await;
        store.breaks(&[&[referral(now)][..], &rewards].concat(), &[]).await;
        store.breaks(&[&[referral("NULL")][..], &rewards].concat(), &[ReferralsRewarded]).await;
        // One that is held has none yet.
        let held = "UPDATE referrals SET credited_at = NULL".to_owned();
        store.breaks(&[referral(now), held], &[]).await;

        let coupon = |count: i64| format!(
            "INSERT INTO coupons (id, code, type, tier_id, duration_days, redemption_count, active, description,
                created_by, created_at, updated_at)
            VALUES ({one}, 'SUMMER', 'period', 'premium', 1, {count}, TRUE, '', 'a', {now}, {now})"
        );
        let grant = |id: &str, user: &str, more: &str, values: &str| format!(
            "INSERT INTO access_grants (id, user_id, tier_id, kind, coupon_id, total_seconds, granted_at, granted_by,
                updated_at, remaining_seconds{more})
            VALUES ({id}, {user}, 'premium', 'coupon', {one}, 60, {now}, 'a', {now}, {values})"
        );
        let minute = "'2026-11-21T10:01:00+00:00'";
        let runs = |id: &str| grant(id, &ann, ", began_at, running_since, runs_until", &format!("60, {now}, {now}, {minute}"));
        let redemption = |grant: &str| format!(
            "INSERT INTO coupon_redemptions (id, coupon_id, user_id, grant_id, redeemed_at)
            VALUES ({two}, {one}, {ann}, {grant}, {now})"
        );
        store.breaks(&[coupon(0)], &[]).await;
        store.breaks(&[coupon(1)], &[CouponsAreCounted]).await;
        store.breaks(&[coupon(1), runs(&one), redemption(&one)], &[]).await;
        store.breaks(&[coupon(0), runs(&one), redemption(&one)], &[CouponsAreCounted]).await;
        store.breaks(&[coupon(1), redemption("NULL")], &[RedemptionsHaveGrants]).await;
        let anns = [coupon(1), runs(&one), redemption(&one)];
        for wrong in ["coupon_id = NULL".to_owned(), format!("user_id = {bob}")] {
            let wrong = format!("UPDATE access_grants SET {wrong}");
            store.breaks(&[&anns[..], &[wrong]].concat(), &[RedemptionsHaveGrants]).await;
        }
        // Of who is gone, nobody asks.
        let gone = "UPDATE coupon_redemptions SET user_id = NULL, grant_id = NULL".to_owned();
        store.breaks(&[&anns[..], &[gone]].concat(), &[]).await;
        let waits = grant(&two, &ann, "", "60");
        store.breaks(&[coupon(0), runs(&one), waits.clone()], &[]).await;
        store.breaks(&[coupon(0), waits], &[OneGrantRuns]).await;
        store.breaks(&[coupon(0), runs(&one), grant(&two, &ann, "", "59")], &[GrantsAddUp]).await;
        let ended = |remaining: i64, at: &str| grant(&two, &ann, ", began_at, ended_at", &format!("{remaining}, {now}, {at}"));
        store.breaks(&[coupon(0), ended(0, minute)], &[]).await;
        store.breaks(&[coupon(0), ended(1, minute)], &[GrantsAddUp]).await;
        // It cannot have run longer than time passed.
        store.breaks(&[coupon(0), ended(0, "'2026-11-21T10:00:59+00:00'")], &[GrantsAddUp]).await;
        let wrong_end = format!("UPDATE access_grants SET runs_until = {later}");
        store.breaks(&[coupon(0), runs(&one), wrong_end], &[GrantsAddUp]).await;
        let used_up = |begin: &str, end: &str| grant(&one, &ann, ", began_at, running_since, runs_until", &format!("60, {begin}, {begin}, {end}"));
        store.breaks(&[coupon(0), used_up("'2026-11-21T09:49:00+00:00'", "'2026-11-21T09:50:00+00:00'")], &[GrantsAreWrittenDown]).await;
        store.breaks(&[coupon(0), used_up("'2026-11-21T09:49:01+00:00'", "'2026-11-21T09:50:01+00:00'")], &[]).await;

        let event = |state: &str| format!(
            "INSERT INTO payment_events (id, provider, event_id, event_type, occurred_at, received_at, payload, state, attempts)
            VALUES ({one}, 'stripe', 'evt_1', 'invoice.paid', {now}, {now}, '{{}}', '{state}', 1)"
        );
        for (state, expected) in [("received", &[EventsAreSettled][..]), ("dead", &[DeadEventsAreSeenTo]), ("done", &[])] {
            store.breaks(&[event(state)], expected).await;
        }

        let job = |leased_until: &str, finished_at: &str, dead_at: &str| format!(
            "INSERT INTO jobs (id, kind, payload, run_at, attempts, leased_until, fencing_token, created_at, finished_at, dead_at)
            VALUES ({one}, 'send_mail', '{{}}', {now}, 1, {leased_until}, 1, {now}, {finished_at}, {dead_at})"
        );
        store.breaks(&[job(later, "NULL", "NULL")], &[]).await;
        store.breaks(&[job("NULL", now, "NULL")], &[]).await;
        store.breaks(&[job(later, now, "NULL")], &[NoLeaseOnFinishedJobs]).await;
        store.breaks(&[job(later, "NULL", now)], &[NoLeaseOnFinishedJobs]).await;
        store.breaks(&[job("'2026-11-21T09:55:00+00:00'", "NULL", "NULL")], &[LeasesAreTakenOver]).await;
        store.breaks(&[job("'2026-11-21T09:55:01+00:00'", "NULL", "NULL")], &[]).await;

        let restriction = |feature: &str, limit: &str| format!(
            "INSERT INTO user_feature_restrictions (user_id, feature_id, limit_value, reason, created_by, updated_at)
            VALUES ({ann}, '{feature}', {limit}, 'r', 'a', {now})"
        );
        store.breaks(&[restriction("export_csv", "1")], &[]).await;
        store.breaks(&[restriction("photos", "NULL")], &[]).await;
        for limit in ["2", "NULL"] {
            store.breaks(&[restriction("export_csv", limit)], &[SwitchesAreRestrictedToOnOrOff]).await;
        }

        let bytes = |tx: &Conn<'_>| match tx {
            Conn::Sqlite(_) => "zeroblob(32)",
            Conn::Postgres(_) => "decode(repeat('00', 32), 'hex')",
        };
        let bytes = bytes(&store.reader().await.conn());
        let answer = format!(
            "INSERT INTO idempotency_keys (id, fingerprint, response, created_at) VALUES ({bytes}, {bytes}, '', {now})"
        );
        store.execute(&answer).await;
        let hours = |count| beginning() + TimeDelta::hours(count);
        assert_eq!(store.broken(hours(49)).await, []);
        assert_eq!(store.broken(hours(50)).await, [OldAnswersAreForgotten]);
        let found = store.examined(OldAnswersAreForgotten, after(200_000)).await;
        assert_eq!((found.count, found.first.len()), (1, 1));
    }
}
