//! `store::mails`.

use chrono::{DateTime, Utc};
use vouchsafe::{
    domain::{ids::MailId, lang::Lang, letter::Letter},
    store::{
        StoreError,
        mails::{self, PreviewMail, QueuedMail},
    },
};

use super::{Store, after, on_both};
use crate::harness::beginning;

impl Store {
    async fn mail(&self, now: DateTime<Utc>) -> QueuedMail {
        let mail = QueuedMail {
            id: self.id_at(now),
            recipient: "jörg@bücher.example".to_owned(),
            lang: Lang::De,
            letter: Letter::LoginCode { attempt: self.id(), send: 2 },
        };
        let mut tx = self.begin().await;
        mails::insert(&mut tx.conn(), std::slice::from_ref(&mail), now).await.unwrap();
        tx.commit().await.unwrap();
        mail
    }

    async fn queued(&self, id: MailId) -> Option<QueuedMail> {
        mails::find_queued(&mut self.reader().await.conn(), id).await.unwrap()
    }

    async fn previews(&self, count: i64) -> Vec<PreviewMail> {
        mails::list_previews(&mut self.reader().await.conn(), count).await.unwrap()
    }
}

fn preview(id: MailId, subject: &str, sent_at: DateTime<Utc>) -> PreviewMail {
    PreviewMail {
        id,
        to: "jörg@bücher.example".to_owned(),
        subject: subject.to_owned(),
        text: "Grüße\r\n\u{1F44B}".to_owned(),
        html: "<p>Grüße</p>".to_owned(),
        sent_at,
    }
}

on_both! {
    async fn a_message_waits_as_written_until_it_is_sent(store: Store) {
        let (mail, other) = (store.mail(beginning()).await, store.mail(beginning()).await);
        assert_eq!(store.queued(mail.id).await, Some(mail.clone()));
        assert_eq!(store.queued(store.id()).await, None);
        let mut tx = store.begin().await;
        mails::mark_sent(&mut tx.conn(), mail.id, after(1)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.queued(mail.id).await, None);
        assert_eq!(store.queued(other.id).await, Some(other));
        // What went to a mail server is in no mailbox here.
        assert_eq!(store.previews(10).await, []);
    }

    async fn the_preview_mailbox_keeps_what_was_said_the_newest_first(store: Store) {
        let (first, second, third) =
            (store.mail(beginning()).await, store.mail(after(1)).await, store.mail(after(2)).await);
        let kept = [
            preview(third.id, "third", after(12)),
            preview(second.id, "second", after(11)),
            preview(first.id, "first", after(10)),
        ];
        let mut tx = store.begin().await;
        for mail in &kept {
            mails::keep_preview(&mut tx.conn(), mail).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(store.previews(10).await, kept);
        assert_eq!(store.previews(2).await, kept[..2]);
        assert_eq!(store.queued(first.id).await, None);
    }

    async fn a_message_is_sent_once(store: Store) {
        let mail = store.mail(beginning()).await;
        let kept = preview(mail.id, "as sent", after(1));
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        mails::keep_preview(conn, &kept).await.unwrap();
        mails::keep_preview(conn, &preview(mail.id, "as sent again", after(2))).await.unwrap();
        mails::mark_sent(conn, mail.id, after(3)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.previews(10).await, [kept]);
    }

    async fn a_letter_that_cannot_be_read_is_reported(store: Store) {
        let mail = store.mail(beginning()).await;
        store.execute(r#"UPDATE mails SET letter = '{"letter":"from_the_future"}'"#).await;
        let error = mails::find_queued(&mut store.reader().await.conn(), mail.id).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { table: "mails", column: "letter", .. }), "{error}");
    }

    async fn old_messages_are_forgotten(store: Store) {
        store.mail(beginning()).await;
        let fresh = store.mail(after(1)).await;
        let mut tx = store.begin().await;
        assert_eq!(mails::purge(&mut tx.conn(), after(-1)).await.unwrap(), 0);
        assert_eq!(mails::purge(&mut tx.conn(), beginning()).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(store.count("mails").await, 1);
        assert_eq!(store.queued(fresh.id).await, Some(fresh));
    }
}
