//! A coupon that many want at once, from two programs on one database: as many get it as may, each
//! once, and nobody who was refused keeps anything.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::task::JoinSet;
use vouchsafe::{
    domain::{
        coupon::{CouponCode, CouponKind, Terms},
        email::EmailAddress,
        ids::{TierId, UserId},
        lang::Lang,
        user::Role,
    },
    services::{
        coupons::{self, NewCoupons},
        grants,
    },
    store::{self, users::NewUser},
};

use super::{Connection, Place};
use crate::harness::Backend;

/// Members that are added in one transaction.
const TOGETHER: usize = 2_000;

/// Adds members, and a coupon for so many of them.
async fn prepare(place: &Place, members: usize, most: i64) -> (Vec<UserId>, CouponCode) {
    let now = place.env.clock.now();
    let tier: TierId = "free".parse().unwrap();
    let mut users = Vec::with_capacity(members);
    while users.len() < members {
        let mut tx = place.env.db.begin().await.unwrap();
        for number in users.len()..members.min(users.len() + TOGETHER) {
            let email = EmailAddress::parse(&format!("member{number}@example.com")).unwrap();
            let user = NewUser {
                id: place.env.random.id(now),
                email: Some(&email),
                external_id: None,
                role: Role::Member,
                lang: Lang::En,
                tier: &tier,
                trial_ends_at: None,
                referred_by: None,
            };
            assert!(store::users::insert(&mut tx.conn(), &user, now).await.unwrap());
            users.push(user.id);
        }
        tx.commit().await.unwrap();
    }
    let terms = Terms {
        kind: CouponKind::Period,
        tier: "premium".parse().unwrap(),
        days: 30,
        valid_from: None,
        valid_until: None,
        max_redemptions: Some(most),
        partner: None,
        partner_id: None,
    };
    let new = NewCoupons { code: None, terms, description: "", count: 1 };
    let made = coupons::create(&place.env, new, "operator", |_| ()).await.unwrap();
    (users, made.coupons[0].code.clone())
}

impl Connection {
    async fn redeem(&mut self, token: &str, code: &CouponCode, user: UserId) -> u16 {
        let headers = format!("authorization: Bearer {token}\r\n");
        let body = format!("{{\"user\":\"{user}\"}}");
        let path = format!("/api/v1/coupons/{}/redeem", code.as_str());
        loop {
            // Two programs on one file: one may wait too long for the other, and has done nothing then.
            match self.send("POST", &path, &headers, &body).await.unwrap() {
                503 => {}
                status => return status,
            }
        }
    }
}

/// Lets everybody of a list redeem over so many connections to two programs, and counts the answers.
async fn rush(place: &Place, code: &CouponCode, wanting: Vec<UserId>, connections: usize) -> BTreeMap<u16, usize> {
    let servers = [place.serve().await, place.serve().await];
    let (wanting, next) = (Arc::new(wanting), Arc::new(AtomicUsize::new(0)));
    let (count, begun) = (wanting.len(), Instant::now());
    let mut clients = JoinSet::new();
    for number in 0..connections {
        let (address, token) = (servers[number % 2].address.clone(), place.token.clone());
        let (wanting, next, code) = (wanting.clone(), next.clone(), code.clone());
        clients.spawn(async move {
            let mut connection = Connection::open(&address).await.unwrap();
            let mut answers = BTreeMap::new();
            while let Some(user) = wanting.get(next.fetch_add(1, Ordering::Relaxed)) {
                *answers.entry(connection.redeem(&token, &code, *user).await).or_insert(0) += 1;
            }
            answers
        });
    }
    let mut answers = BTreeMap::new();
    for of_one in clients.join_all().await {
        for (status, count) in of_one {
            *answers.entry(status).or_insert(0) += count;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("{count} redemptions over {connections} connections to two programs: {answers:?} in {seconds:.1} s");
    answers
}

/// Many members want a coupon for a few of them.
async fn many_want_it(backend: Backend, members: usize, connections: usize, most: usize) {
    let Some(place) = Place::empty(backend).await else { return };
    let (users, code) = prepare(&place, members, most.try_into().unwrap()).await;
    let answers = rush(&place, &code, users.clone(), connections).await;
    assert_eq!(answers, BTreeMap::from([(200, most), (410, members - most)]));
    let coupon = coupons::find(&place.env, &code).await.unwrap().unwrap();
    assert_eq!(usize::try_from(coupon.redemptions).unwrap(), most);
    let mut given = 0;
    for user in &users {
        given += grants::list(&place.env, *user).await.unwrap().len();
    }
    assert_eq!(given, most, "who was refused keeps nothing");
    place.assert_sound().await;
}

/// One member wants it again and again at once: once it is theirs, then it is theirs already, and
/// after thirty tries in vain nothing is looked up any more.
async fn one_wants_it_often(backend: Backend, times: usize, connections: usize) {
    let Some(place) = Place::empty(backend).await else { return };
    let (users, code) = prepare(&place, 1, 1_000).await;
    let answers = rush(&place, &code, vec![users[0]; times], connections).await;
    let with = |status: u16| answers.get(&status).copied().unwrap_or(0);
    assert_eq!((with(200), with(409) + with(429)), (1, times - 1), "{answers:?}");
    assert!(with(409) >= 30, "{answers:?}");
    assert_eq!(coupons::find(&place.env, &code).await.unwrap().unwrap().redemptions, 1);
    assert_eq!(grants::list(&place.env, users[0]).await.unwrap().len(), 1);
    place.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_a_coupon_as_many_get_it_as_may_on_sqlite() {
    many_want_it(Backend::Sqlite, 400, 64, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_a_coupon_as_many_get_it_as_may_on_postgres() {
    many_want_it(Backend::Postgres, 400, 64, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_a_coupon_often_gets_it_once_on_sqlite() {
    one_wants_it_often(Backend::Sqlite, 100, 32).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_a_coupon_often_gets_it_once_on_postgres() {
    one_wants_it_often(Backend::Postgres, 100, 32).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn of_10000_who_want_a_coupon_exactly_100_get_it_on_sqlite() {
    many_want_it(Backend::Sqlite, 10_000, 256, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn of_10000_who_want_a_coupon_exactly_100_get_it_on_postgres() {
    many_want_it(Backend::Postgres, 10_000, 256, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn who_wants_a_coupon_500_times_at_once_gets_it_once_on_sqlite() {
    one_wants_it_often(Backend::Sqlite, 500, 256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn who_wants_a_coupon_500_times_at_once_gets_it_once_on_postgres() {
    one_wants_it_often(Backend::Postgres, 500, 256).await;
}
