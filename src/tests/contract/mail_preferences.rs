//! `store::mail_preferences`.

use vouchsafe::{domain::letter::MailCategory, store::mail_preferences};

use super::{ROUNDS, Store, after, on_both, won};
use crate::harness::beginning;

on_both! {
    async fn everything_is_wanted_until_somebody_says_no(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(mail_preferences::unwanted(conn, ann).await.unwrap(), []);
        let says = [
            (MailCategory::Bonus, true, false),
            (MailCategory::Bonus, false, true),
            (MailCategory::Bonus, false, false),
            (MailCategory::Access, false, true),
            (MailCategory::Bonus, true, true),
            (MailCategory::Bonus, true, false),
            (MailCategory::Bonus, false, true),
        ];
        for (category, wanted, is_news) in says {
            let changed = mail_preferences::put(conn, ann, category, wanted, beginning()).await.unwrap();
            assert_eq!(changed, is_news, "{category} {wanted}");
        }
        assert_eq!(mail_preferences::unwanted(conn, ann).await.unwrap(), [MailCategory::Access, MailCategory::Bonus]);
        assert_eq!(mail_preferences::unwanted(conn, bob).await.unwrap(), []);
        tx.commit().await.unwrap();
    }

    async fn of_many_who_say_the_same_one_brings_news(store: Store) {
        let ann = store.member("ann@example.com").await;
        for round in 0..ROUNDS {
            for wanted in [false, true] {
                let said = store.race(8, move |_, mut tx| async move {
                    let is_news = mail_preferences::put(&mut tx.conn(), ann, MailCategory::Access, wanted, after(round)).await;
                    (tx, is_news.unwrap())
                }).await;
                assert_eq!(won(&said), 1, "{wanted}");
            }
        }
    }
}
