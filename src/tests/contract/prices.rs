//! `store::prices`.

use vouchsafe::{
    domain::payment::{BillingInterval, Provider, TierPrice},
    store::prices,
};

use super::{Store, name, on_both, won};
use crate::harness::beginning;

fn price(provider: Provider, id: &str, tier: &str) -> TierPrice {
    TierPrice { provider, price_id: id.to_owned(), tier: name(tier), interval: BillingInterval::Year }
}

on_both! {
    async fn a_price_buys_one_tier_until_it_is_taken_away(store: Store) {
        let basic = price(Provider::Stripe, "price_1", "basic");
        let premium = TierPrice { interval: BillingInterval::Month, ..price(Provider::Stripe, "price_2", "premium") };
        let same_id_elsewhere = price(Provider::Polar, "price_1", "premium");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for price in [&premium, &same_id_elsewhere, &basic] {
            assert!(prices::insert(conn, price, beginning()).await.unwrap());
        }
        assert!(!prices::insert(conn, &price(Provider::Stripe, "price_1", "premium"), beginning()).await.unwrap());
        let sorted = [basic.clone(), same_id_elsewhere.clone(), premium.clone()];
        assert_eq!(prices::list(conn).await.unwrap(), sorted);
        let ids = ["price_1".to_owned(), "price_2".to_owned(), "price_3".to_owned()];
        let mut found = prices::find(conn, Provider::Stripe, &ids).await.unwrap();
        found.sort();
        assert_eq!(found, [basic.clone(), premium]);
        assert_eq!(prices::find(conn, Provider::Paddle, &ids).await.unwrap(), []);
        assert_eq!(prices::find(conn, Provider::Stripe, &[]).await.unwrap(), []);
        assert_eq!(prices::delete_all(conn, &name("premium")).await.unwrap(), 2);
        assert_eq!(prices::list(conn).await.unwrap(), [basic]);
    }

    async fn of_many_who_add_one_price_one_does(store: Store) {
        let results = store.race(12, |number, mut tx| async move {
            let tier = if number % 2 == 0 { "basic" } else { "premium" };
            let price = price(Provider::Paddle, "pri_1", tier);
            let inserted = prices::insert(&mut tx.conn(), &price, beginning()).await.unwrap();
            (tx, inserted)
        });
        assert_eq!(won(&results.await), 1);
    }
}
