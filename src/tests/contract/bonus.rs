//! `store::bonus`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::{
        bonus::{Reward, Rule, Terms, Trigger},
        grant::Grant,
        ids::{BonusAwardId, BonusRuleId, UserId},
        subscription::{Subscription, SubscriptionStatus},
    },
    store::{
        bonus::{self, Moment},
        coupons, grants, referrals, stats, subscriptions,
    },
};

use super::{ROUNDS, Store, after, name, on_both, won};
use crate::harness::beginning;

impl Store {
    /// A rule: so many redeemed coupons bring a badge.
    pub(super) fn rule(&self, trigger: Trigger, threshold: i64) -> Rule {
        Rule {
            id: self.id(),
            terms: Terms {
                name_en: "Saver".to_owned(),
                name_de: "Sparer".to_owned(),
                description_en: "For those who redeem.".to_owned(),
                description_de: String::new(),
                trigger,
                threshold,
                reward: Reward::Badge { letter: 'S' },
                counts_from: None,
                ends_at: None,
            },
            active: true,
            archived_at: None,
            created_by: "operator".to_owned(),
            created_at: beginning(),
        }
    }

    async fn with_rule(&self, trigger: Trigger, threshold: i64) -> Rule {
        let rule = self.rule(trigger, threshold);
        self.put_rule(&rule).await;
        rule
    }

    async fn put_rule(&self, rule: &Rule) {
        let mut tx = self.begin().await;
        bonus::insert(&mut tx.conn(), rule).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Has a member redeem a coupon of its own.
    async fn redeemed(&self, user: UserId, code: &str, at: DateTime<Utc>) {
        let (coupon, grant) =
            (self.coupon(code, None), Grant { running_since: None, ..self.grant(user, "premium", 0) });
        let mut tx = self.begin().await;
        let conn = &mut tx.conn();
        coupons::insert(conn, std::slice::from_ref(&coupon), at).await.unwrap();
        grants::put(conn, &grant, at).await.unwrap();
        assert!(
            coupons::insert_redemption(conn, &super::coupons::redemption(self.id(), coupon.id, user, grant.id), at)
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
    }

    async fn fulfilled(&self, rule: Option<BonusRuleId>, terms: &Terms, moment: Moment) -> Vec<UserId> {
        let mut reader = self.reader().await;
        let conn = &mut reader.conn();
        let found = bonus::fulfilled(conn, rule, terms, moment, None, 100).await.unwrap();
        let count = bonus::count_fulfilled(conn, rule, terms, moment).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), found.len(), "the count is that of the list");
        found
    }
}

/// A moment, by days after the beginning.
fn moment(days: i64) -> Moment {
    let now = beginning() + TimeDelta::days(days);
    Moment { now, today: now.date_naive(), from_day: None }
}

on_both! {
    async fn rules_are_kept_changed_and_put_away(store: Store) {
        let days = Reward::Days { tier: name("premium"), days: 30 };
        let first = Rule {
            terms: Terms {
                reward: days.clone(), counts_from: Some(after(-5)), ends_at: Some(after(50)),
                ..store.rule(Trigger::ReferralsConverted, 5).terms
            },
            ..store.rule(Trigger::ReferralsConverted, 5)
        };
        store.put_rule(&first).await;
        let second = Rule { active: false, ..store.rule(Trigger::DaysInARow, 7) };
        store.put_rule(&second).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(bonus::find(conn, first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(bonus::find(conn, store.id()).await.unwrap(), None);
        let page = bonus::page(conn, false, None, 10).await.unwrap();
        assert_eq!(page.len(), 2);
        assert!(page[0].id > page[1].id);
        let rest = bonus::page(conn, false, Some(page[0].id), 10).await.unwrap();
        assert_eq!(rest, page[1..]);
        for (second, given) in [(49, std::slice::from_ref(&first)), (50, &[])] {
            assert_eq!(bonus::open(conn, after(second)).await.unwrap(), given);
            assert_eq!(bonus::hold_open(conn, after(second)).await.unwrap(), given);
        }

        // All of it changes while nobody was rewarded.
        let other = Terms { threshold: 3, reward: Reward::Badge { letter: 'Ä' }, counts_from: None, ..first.terms.clone() };
        let changed = bonus::update(conn, first.id, &other, true, after(1)).await.unwrap().unwrap();
        assert_eq!(changed.terms, other);
        let archived = bonus::archive(conn, first.id, after(2)).await.unwrap().unwrap();
        assert_eq!(archived.archived_at, Some(after(2)));
        assert_eq!(bonus::archive(conn, first.id, after(3)).await.unwrap().unwrap().archived_at, Some(after(2)));
        assert_eq!(bonus::update(conn, first.id, &other, true, after(3)).await.unwrap(), None, "it is out of the way");
        assert_eq!(bonus::archive(conn, store.id(), after(3)).await.unwrap(), None);
        assert_eq!(bonus::page(conn, true, None, 10).await.unwrap(), [archived]);
        assert_eq!(bonus::open(conn, after(3)).await.unwrap(), []);
    }

    async fn once_somebody_was_rewarded_the_deal_stays(store: Store) {
        let ann = store.member("ann@example.com").await;
        let rule = store.with_rule(Trigger::CouponsRedeemed, 1).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let award: BonusAwardId = store.id();
        assert!(bonus::insert_award(conn, award, rule.id, ann, &rule.terms.reward, after(1)).await.unwrap());
        let words = Terms { name_en: "Thrifty".to_owned(), ends_at: Some(after(9)), ..rule.terms.clone() };
        let changed = bonus::update(conn, rule.id, &words, false, after(2)).await.unwrap().unwrap();
        assert_eq!((changed.terms.clone(), changed.active), (words.clone(), false));
        for other in [
            Terms { threshold: 2, ..words.clone() },
            Terms { trigger: Trigger::DaysAsMember, ..words.clone() },
            Terms { reward: Reward::Badge { letter: 'T' }, ..words.clone() },
            Terms { reward: Reward::Days { tier: name("premium"), days: 1 }, ..words.clone() },
            Terms { counts_from: Some(after(0)), ..words.clone() },
        ] {
            assert!(!other.is_same_deal(&words));
            assert_eq!(bonus::update(conn, rule.id, &other, true, after(3)).await.unwrap(), None, "{other:?}");
        }
        assert_eq!(bonus::find(conn, rule.id).await.unwrap().unwrap().terms, words);
    }

    async fn awards_are_kept_with_what_they_brought(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let badge = store.with_rule(Trigger::CouponsRedeemed, 1).await;
        let days = Reward::Days { tier: name("premium"), days: 30 };
        let rule = store.rule(Trigger::DaysAsMember, 1);
        let rule = Rule { terms: Terms { reward: days.clone(), ..rule.terms.clone() }, ..rule };
        store.put_rule(&rule).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let grant = store.grant(ann, "premium", 0);
        grants::put(conn, &grant, after(0)).await.unwrap();
        let award = store.id();
        assert!(bonus::insert_award(conn, award, rule.id, ann, &days, after(2)).await.unwrap());
        bonus::set_grant(conn, award, grant.id).await.unwrap();
        for (user, at) in [(ann, 1), (bob, 3)] {
            assert!(bonus::insert_award(conn, store.id(), badge.id, user, &badge.terms.reward, after(at)).await.unwrap());
        }
        let of_ann = bonus::awards_of(conn, ann).await.unwrap();
        let told: Vec<_> = of_ann.iter().map(|(award, rule)| (award.reward.clone(), rule.id, award.awarded_at)).collect();
        assert_eq!(told, [(days, rule.id, after(2)), (badge.terms.reward.clone(), badge.id, after(1))]);
        let page = bonus::awards_page(conn, badge.id, None, 10).await.unwrap();
        assert_eq!(page.len(), 2);
        assert_eq!(bonus::awards_page(conn, badge.id, Some(page[0].id), 10).await.unwrap(), page[1..]);
        let counts = bonus::count_awards(conn, &[badge.id, store.id()]).await.unwrap();
        assert_eq!(counts, [(badge.id, 2)]);
        assert_eq!(bonus::count_awards(conn, &[]).await.unwrap(), []);
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT granted_by FROM access_grants, bonus_awards WHERE access_grants.id = grant_id").await.len(), 1);
    }

    async fn a_member_is_rewarded_once_however_many_try_at_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        for _ in 0..ROUNDS {
            let rule = store.with_rule(Trigger::CouponsRedeemed, 1).await;
            let ids: Vec<BonusAwardId> = (0..12).map(|_| store.id()).collect();
            let (id, reward) = (rule.id, rule.terms.reward.clone());
            let awarded = store.race(12, move |number, mut tx| {
                let (award, reward) = (ids[number], reward.clone());
                async move {
                    let is_awarded = bonus::insert_award(&mut tx.conn(), award, id, ann, &reward, beginning()).await;
                    (tx, is_awarded.unwrap())
                }
            }).await;
            assert_eq!(won(&awarded), 1);
        }
        assert_eq!(store.count("bonus_awards").await, ROUNDS);
    }

    async fn who_is_rewarded_while_a_rule_changes_gets_what_it_says(store: Store) {
        for round in 0..ROUNDS {
            let rule = store.with_rule(Trigger::CouponsRedeemed, 1).await;
            let mut members: Vec<(BonusAwardId, UserId)> = Vec::new();
            for number in 0..6 {
                members.push((store.id(), store.member(&format!("ann{number}@{round}.example.com")).await));
            }
            let (id, deal) = (rule.id, Terms { reward: Reward::Badge { letter: 'T' }, ..rule.terms.clone() });
            let changed = store.race(12, move |number, mut tx| {
                let (award, deal) = (members[number / 2], deal.clone());
                async move {
                    let conn = &mut tx.conn();
                    if number % 2 == 0 {
                        let is_changed = bonus::update(conn, id, &deal, true, after(1)).await.unwrap().is_some();
                        return (tx, is_changed);
                    }
                    let (award, member) = award;
                    let rule = bonus::hold_open(conn, after(1)).await.unwrap().into_iter().find(|rule| rule.id == id).unwrap();
                    assert!(bonus::insert_award(conn, award, id, member, &rule.terms.reward, after(1)).await.unwrap());
                    (tx, false)
                }
            }).await;
            let mut reader = store.reader().await;
            let conn = &mut reader.conn();
            let rule = bonus::find(conn, id).await.unwrap().unwrap();
            let awards = bonus::awards_page(conn, id, None, 10).await.unwrap();
            assert_eq!(awards.len(), 6);
            assert!(awards.iter().all(|award| award.reward == rule.terms.reward), "{rule:?} {changed:?} {awards:?}");
        }
    }

    async fn what_happened_is_counted_from_when_it_counts(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        store.redeemed(ann, "ONE1", after(1)).await;
        store.redeemed(ann, "TWO2", after(2)).await;
        store.redeemed(bob, "THREE", after(2)).await;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let trigger = Trigger::CouponsRedeemed;
        for (from, count) in [(None, 2), (Some(after(2)), 1), (Some(after(3)), 0)] {
            assert_eq!(bonus::count_happened(conn, ann, trigger, from).await.unwrap(), count, "{from:?}");
        }
        for other in [Trigger::ReferralsConverted, Trigger::SubscriptionsStarted, Trigger::DaysInARow, Trigger::DaysAsMember] {
            assert_eq!(bonus::count_happened(conn, ann, other, None).await.unwrap(), 0);
        }
        drop(reader);

        let rule = store.with_rule(trigger, 2).await;
        assert_eq!(store.fulfilled(Some(rule.id), &rule.terms, moment(1)).await, [ann]);
        let one = Terms { threshold: 1, ..rule.terms.clone() };
        let mut both = [ann, bob];
        both.sort();
        assert_eq!(store.fulfilled(None, &one, moment(1)).await, both);
        let later = Terms { counts_from: Some(after(3)), ..one.clone() };
        assert_eq!(store.fulfilled(None, &later, moment(1)).await, []);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let next = bonus::fulfilled(conn, None, &one, moment(1), Some(both[0]), 100).await.unwrap();
        assert_eq!(next, both[1..]);
        assert_eq!(bonus::fulfilled(conn, None, &one, moment(1), None, 1).await.unwrap(), both[..1]);
        bonus::insert_award(conn, store.id(), rule.id, ann, &rule.terms.reward, after(3)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.fulfilled(Some(rule.id), &rule.terms, moment(1)).await, [], "she has it");
        store.execute("UPDATE users SET disabled_at = created_at").await;
        assert_eq!(store.fulfilled(None, &one, moment(1)).await, [], "nobody who is closed out");
    }

    async fn subscriptions_count_once_they_are_more_than_a_trial(store: Store) {
        use SubscriptionStatus::{Active, Ended, Incomplete, Trialing};
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (user, id, status, started_at) in [
            (ann, "sub_1", Ended, after(0)),
            (ann, "sub_2", Active, after(5)),
            (ann, "sub_3", Trialing, after(6)),
            (bob, "sub_4", Incomplete, after(5)),
            (bob, "sub_5", Active, after(6)),
        ] {
            let subscription = Subscription { started_at, ..store.subscription(user, id, status, 9) };
            assert!(subscriptions::put(conn, &subscription, after(9)).await.unwrap());
        }
        tx.commit().await.unwrap();
        let trigger = Trigger::SubscriptionsStarted;
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        for (user, from, count) in [(ann, None, 2), (ann, Some(after(5)), 1), (ann, Some(after(6)), 0), (bob, None, 1)] {
            assert_eq!(bonus::count_happened(conn, user, trigger, from).await.unwrap(), count, "{from:?}");
        }
        drop(reader);
        let two = store.rule(trigger, 2).terms;
        assert_eq!(store.fulfilled(None, &two, moment(1)).await, [ann]);
        let one = Terms { threshold: 1, counts_from: Some(after(6)), ..two };
        assert_eq!(store.fulfilled(None, &one, moment(1)).await, [bob]);
    }

    async fn friends_count_once_both_were_rewarded(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        assert!(referrals::insert(&mut tx.conn(), store.id(), ann, bob, after(0)).await.unwrap());
        tx.commit().await.unwrap();
        let terms = store.rule(Trigger::ReferralsConverted, 1).terms;
        let count = async || {
            let mut reader = store.reader().await;
            bonus::count_happened(&mut reader.conn(), ann, Trigger::ReferralsConverted, None).await.unwrap()
        };
        assert_eq!((count().await, store.fulfilled(None, &terms, moment(1)).await), (0, vec![]));
        store.execute("UPDATE referrals SET converted_at = created_at").await;
        assert_eq!((count().await, store.fulfilled(None, &terms, moment(1)).await), (0, vec![]), "it is held");
        store.execute("UPDATE referrals SET credited_at = created_at").await;
        assert_eq!((count().await, store.fulfilled(None, &terms, moment(1)).await), (1, vec![ann]));
        store.execute("UPDATE referrals SET taken_back_at = created_at").await;
        assert_eq!((count().await, store.fulfilled(None, &terms, moment(1)).await), (0, vec![]));
    }

    async fn days_alone_bring_what_a_rule_asks_for(store: Store) {
        let ann = store.member("ann@example.com").await;
        let member = store.rule(Trigger::DaysAsMember, 7).terms;
        assert_eq!(store.fulfilled(None, &member, moment(6)).await, []);
        assert_eq!(store.fulfilled(None, &member, moment(7)).await, [ann]);
        let later = Terms { counts_from: Some(beginning() + TimeDelta::days(1)), ..member };
        assert_eq!(store.fulfilled(None, &later, moment(7)).await, []);
        assert_eq!(store.fulfilled(None, &later, moment(8)).await, [ann]);

        let row = store.rule(Trigger::DaysInARow, 3).terms;
        let mut tx = store.begin().await;
        for day in [1, 2, 4, 5, 6] {
            stats::mark_active(&mut tx.conn(), ann, (beginning() + TimeDelta::days(day)).date_naive()).await.unwrap();
        }
        tx.commit().await.unwrap();
        for (today, is_reached) in [(2, false), (5, false), (6, true), (7, true), (8, false)] {
            let found = store.fulfilled(None, &row, moment(today)).await;
            assert_eq!(!found.is_empty(), is_reached, "day {today}");
        }
        let from_day = Some((beginning() + TimeDelta::days(5)).date_naive());
        assert_eq!(store.fulfilled(None, &row, Moment { from_day, ..moment(6) }).await, [], "one day too few counts");
    }
}
