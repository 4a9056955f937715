//! `store::mail_templates`.

use vouchsafe::{
    domain::{
        lang::Lang,
        letter::LetterName,
        mail_template::{MailTemplate, Wording},
    },
    store::mail_templates,
};

use super::{ROUNDS, Store, after, on_both, won};

fn template(lang: Lang, text: &str, version: i64) -> MailTemplate {
    let wording = Wording { subject: "Grüße".to_owned(), text: text.to_owned(), html: "<p>\u{1F44B}</p>".to_owned() };
    MailTemplate {
        letter: LetterName::Welcome,
        lang,
        edited: Some(wording),
        version,
        updated_by: Some("root@example.com".to_owned()),
        updated_at: Some(after(version)),
    }
}

on_both! {
    async fn a_wording_is_kept_until_it_is_given_up(store: Store) {
        let (first, second) = (template(Lang::En, "first", 1), template(Lang::En, "second", 2));
        let german = template(Lang::De, "deutsch", 1);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(mail_templates::find(conn, LetterName::Welcome, Lang::En).await.unwrap(), None);
        assert!(mail_templates::put(conn, &first, 0, after(1)).await.unwrap());
        assert!(mail_templates::put(conn, &german, 0, after(1)).await.unwrap());
        assert_eq!(mail_templates::find(conn, LetterName::Welcome, Lang::En).await.unwrap(), Some(first.clone()));
        assert!(!mail_templates::put(conn, &second, 0, after(2)).await.unwrap(), "it is there already");
        assert!(!mail_templates::put(conn, &second, 2, after(2)).await.unwrap(), "that is not its version");
        assert!(mail_templates::put(conn, &second, 1, after(2)).await.unwrap());
        assert_eq!(mail_templates::list(conn).await.unwrap(), [german, second.clone()]);
        let built_in = MailTemplate { edited: None, version: 3, updated_at: Some(after(3)), ..second };
        assert!(mail_templates::put(conn, &built_in, 2, after(3)).await.unwrap());
        assert_eq!(mail_templates::find(conn, LetterName::Welcome, Lang::En).await.unwrap(), Some(built_in));
        assert_eq!(mail_templates::find(conn, LetterName::NoAccount, Lang::En).await.unwrap(), None);
        tx.commit().await.unwrap();
    }

    async fn of_many_who_saw_the_same_one_writes(store: Store) {
        for seen in 0..ROUNDS {
            let written = store.race(8, move |number, mut tx| async move {
                let mine = template(Lang::En, &format!("{number}"), seen + 1);
                let is_written = mail_templates::put(&mut tx.conn(), &mine, seen, after(seen)).await.unwrap();
                (tx, is_written)
            }).await;
            assert_eq!(won(&written), 1);
        }
        let stands = mail_templates::find(&mut store.reader().await.conn(), LetterName::Welcome, Lang::En).await.unwrap();
        assert_eq!(stands.unwrap().version, ROUNDS);
    }
}
