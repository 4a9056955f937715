//! `store::mails`.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use vouchsafe::{
    domain::{
        ids::{JobId, MailId},
        lang::Lang,
        letter::{Letter, LetterName, Notice},
        mail::{MailState, SkipReason},
    },
    store::{
        StoreError,
        jobs::{self, Lane, Work},
        mails::{self, ListedMail, PreviewMail, QueuedMail, WhichMails},
    },
};

use super::{ROUNDS, Store, after, on_both, won};
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

    /// A notice to an address, with the job that sends it.
    async fn notice(&self, recipient: &str, now: DateTime<Utc>) -> MailId {
        let mail = QueuedMail {
            id: self.id_at(now),
            recipient: recipient.to_owned(),
            lang: Lang::En,
            letter: Notice::AccountDeleted.into(),
        };
        let mut tx = self.begin().await;
        mails::insert(&mut tx.conn(), std::slice::from_ref(&mail), now).await.unwrap();
        jobs::insert(&mut tx.conn(), &[(job_of(mail.id), Work::SendMail { mail: mail.id })], now).await.unwrap();
        tx.commit().await.unwrap();
        mail.id
    }

    /// Has a job tried, and says how that ended: nothing for done.
    async fn tried(&self, id: MailId, at: DateTime<Utc>, error: Option<(&str, bool)>) {
        let mut tx = self.begin().await;
        let conn = &mut tx.conn();
        let claimed = jobs::claim(conn, Lane::Letters, 100, at, at).await.unwrap();
        let job = claimed.iter().find(|job| job.id == job_of(id)).unwrap();
        let is_noted = match error {
            None => jobs::finish(conn, job.id, job.fencing_token, at).await,
            Some((error, true)) => {
                jobs::retry(conn, job.id, job.fencing_token, error, at + chrono::TimeDelta::minutes(1)).await
            }
            Some((error, false)) => jobs::give_up(conn, job.id, job.fencing_token, error, at).await,
        };
        assert!(is_noted.unwrap());
        tx.commit().await.unwrap();
    }

    async fn listed_mails(&self, which: WhichMails<'_>) -> Vec<ListedMail> {
        mails::list(&mut self.reader().await.conn(), which, 100).await.unwrap()
    }

    async fn in_state(&self, state: MailState) -> Vec<MailId> {
        let which = WhichMails { state: Some(state), ..WhichMails::default() };
        let listed = self.listed_mails(which).await;
        assert!(listed.iter().all(|mail| mail.state == state));
        listed.into_iter().map(|mail| mail.id).collect()
    }

    async fn queued(&self, id: MailId) -> Option<QueuedMail> {
        mails::find_queued(&mut self.reader().await.conn(), id).await.unwrap()
    }

    async fn previews(&self, count: i64) -> Vec<PreviewMail> {
        mails::list_previews(&mut self.reader().await.conn(), count).await.unwrap()
    }
}

fn job_of(mail: MailId) -> JobId {
    Uuid::from_bytes(*mail.as_bytes()).into()
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
        store.mail(beginning()).await;
        let mut tx = store.begin().await;
        assert_eq!(mails::purge(&mut tx.conn(), after(-1), 9).await.unwrap(), 0);
        assert_eq!(mails::purge(&mut tx.conn(), beginning(), 1).await.unwrap(), 1);
        assert_eq!(mails::purge(&mut tx.conn(), beginning(), 9).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(store.count("mails").await, 1);
        assert_eq!(store.queued(fresh.id).await, Some(fresh));
    }

    async fn the_outbox_tells_how_each_message_stands(store: Store) {
        let mut ids = Vec::new();
        for number in 0..6 {
            ids.push(store.notice("ann@example.com", after(number)).await);
        }
        let [waiting, retried, failed, sent, skipped, orphan] = ids[..] else { panic!("six") };
        store.tried(retried, after(10), Some(("the server is away", true))).await;
        store.tried(failed, after(11), Some(("no such recipient", false))).await;
        let mut tx = store.begin().await;
        mails::mark_sent(&mut tx.conn(), sent, after(12)).await.unwrap();
        mails::skip(&mut tx.conn(), skipped, SkipReason::Unsubscribed, after(12)).await.unwrap();
        // What is settled stays so.
        mails::skip(&mut tx.conn(), sent, SkipReason::Void, after(13)).await.unwrap();
        mails::mark_sent(&mut tx.conn(), store.id(), after(12)).await.unwrap();
        tx.commit().await.unwrap();
        store.execute(&format!("DELETE FROM jobs WHERE id = {}", match store.db {
            vouchsafe::store::Db::Sqlite { .. } => format!("X'{}'", job_of(orphan).to_string().replace('-', "")),
            vouchsafe::store::Db::Postgres(_) => format!("'{}'", job_of(orphan)),
        })).await;

        assert_eq!(store.in_state(MailState::Waiting).await, [retried, waiting]);
        assert_eq!(store.in_state(MailState::Failed).await, [orphan, failed]);
        assert_eq!(store.in_state(MailState::Sent).await, [sent]);
        assert_eq!(store.in_state(MailState::Skipped).await, [skipped]);
        assert_eq!(store.queued(skipped).await, None);

        let one = |id| WhichMails { id: Some(id), ..WhichMails::default() };
        let mail = store.listed_mails(one(retried)).await.remove(0);
        assert_eq!((mail.tries, mail.last_error.as_deref()), (1, Some("the server is away")));
        assert_eq!(mail.next_try_at, Some(after(70)));
        assert_eq!((mail.letter, mail.lang, mail.created_at), (Some(LetterName::AccountDeleted), Lang::En, after(1)));
        let mail = store.listed_mails(one(failed)).await.remove(0);
        assert_eq!((mail.last_error.as_deref(), mail.next_try_at), (Some("no such recipient"), None));
        assert_eq!(store.listed_mails(one(skipped)).await.remove(0).skipped, Some(SkipReason::Unsubscribed));
        assert_eq!(store.listed_mails(one(sent)).await.remove(0).sent_at, Some(after(12)));
    }

    async fn the_outbox_is_read_in_pages_and_by_recipient(store: Store) {
        let mut ids = Vec::new();
        for number in 0..4 {
            let to = if number % 2 == 0 { "Ann@Example.com" } else { "bob@example.com" };
            ids.push(store.notice(to, after(number)).await);
        }
        let ids_of = |listed: Vec<ListedMail>| listed.iter().map(|mail| mail.id).collect::<Vec<_>>();
        let before = WhichMails { before: Some(ids[2]), ..WhichMails::default() };
        assert_eq!(ids_of(store.listed_mails(before).await), [ids[1], ids[0]]);
        let anns = WhichMails { recipient: Some("ann@example.COM"), ..WhichMails::default() };
        assert_eq!(ids_of(store.listed_mails(anns).await), [ids[2], ids[0]]);
        let first = mails::list(&mut store.reader().await.conn(), WhichMails::default(), 1).await.unwrap();
        assert_eq!(ids_of(first), [ids[3]]);
        store.execute(r#"UPDATE mails SET letter = '{"letter":"from_the_future"}'"#).await;
        assert_eq!(store.listed_mails(anns).await[0].letter, None);
    }

    async fn what_was_given_up_is_tried_again_once_however_many_ask(store: Store) {
        for round in 0..ROUNDS {
            let id = store.notice("ann@example.com", after(round)).await;
            store.tried(id, after(100), Some(("no", false))).await;
            let asked = store.race(8, move |_, mut tx| async move {
                let is_queued = mails::resend(&mut tx.conn(), id, after(200)).await.unwrap();
                (tx, is_queued)
            }).await;
            assert_eq!(won(&asked), 1);
            let mail = store.listed_mails(WhichMails { id: Some(id), ..WhichMails::default() }).await.remove(0);
            assert_eq!((mail.state, mail.tries, mail.next_try_at), (MailState::Waiting, 0, Some(after(200))));
            store.tried(id, after(200), None).await;
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let sent = store.id_at(after(300));
        let mail = QueuedMail { id: sent, recipient: "a@b.cc".to_owned(), lang: Lang::En, letter: Notice::NoAccount.into() };
        mails::insert(conn, &[mail], after(300)).await.unwrap();
        mails::mark_sent(conn, sent, after(300)).await.unwrap();
        assert!(!mails::resend(conn, sent, after(301)).await.unwrap(), "it was sent");
        assert!(!mails::resend(conn, store.id(), after(301)).await.unwrap(), "there is none");
    }

    async fn a_message_without_a_job_gets_one_again(store: Store) {
        let mail = store.mail(beginning()).await;
        let mut tx = store.begin().await;
        assert!(mails::resend(&mut tx.conn(), mail.id, after(1)).await.unwrap());
        let claimed = jobs::claim(&mut tx.conn(), Lane::Letters, 10, after(1), after(60)).await.unwrap();
        assert_eq!(claimed[0].work, Ok(Work::SendMail { mail: mail.id }));
        tx.commit().await.unwrap();
    }
}
