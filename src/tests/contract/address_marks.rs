//! `store::address_marks`.

use vouchsafe::store::address_marks;

use super::{ROUNDS, Store, after, on_both, won};

const ANN: [u8; 32] = [7; 32];
const BOB: [u8; 32] = [8; 32];

on_both! {
    async fn a_mark_holds_until_its_end_and_belongs_to_one_kind_and_one_address(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(address_marks::mark(conn, "trial", &ANN, Some(after(10)), after(0)).await.unwrap());
        assert!(!address_marks::mark(conn, "trial", &ANN, Some(after(5)), after(1)).await.unwrap());
        assert!(address_marks::is_marked(conn, "trial", &ANN, after(9)).await.unwrap(), "the later end stays");
        assert!(!address_marks::is_marked(conn, "trial", &ANN, after(10)).await.unwrap());
        assert!(!address_marks::is_marked(conn, "trial", &BOB, after(1)).await.unwrap());
        assert!(!address_marks::is_marked(conn, "other", &ANN, after(1)).await.unwrap());

        // Its time is over, but nobody has swept yet.
        assert!(address_marks::mark(conn, "trial", &ANN, Some(after(20)), after(10)).await.unwrap());
        assert!(!address_marks::mark(conn, "trial", &ANN, None, after(11)).await.unwrap());
        assert!(!address_marks::mark(conn, "trial", &ANN, Some(after(12)), after(11)).await.unwrap());
        assert!(address_marks::is_marked(conn, "trial", &ANN, after(1_000_000)).await.unwrap(), "for good");
    }

    async fn marks_whose_time_is_over_are_forgotten(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (kind, end) in [("a", Some(after(10))), ("b", Some(after(11))), ("c", None)] {
            address_marks::mark(conn, kind, &ANN, end, after(0)).await.unwrap();
        }
        assert_eq!(address_marks::purge(conn, after(10)).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT kind FROM address_marks ORDER BY kind").await, ["b", "c"]);
    }

    async fn of_many_at_once_one_sets_the_mark(store: Store) {
        for round in 0..ROUNDS {
            let hash = [u8::try_from(round).unwrap(); 32];
            let marked = store.race(12, move |_, mut tx| async move {
                let is_new = address_marks::mark(&mut tx.conn(), "trial", &hash, None, after(0)).await.unwrap();
                (tx, is_new)
            }).await;
            assert_eq!(won(&marked), 1);
        }
    }
}
