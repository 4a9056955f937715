//! Mail that is queued with its cause and sent by a job.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Mutex,
};
use vouchsafe::store::{jobs, mails};

use crate::harness::{Backend, TestApp, on_both};

/// A mail server that takes every letter; returns what it took.
async fn take_letters(listener: TcpListener, taken: Arc<Mutex<Vec<String>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let taken = taken.clone();
        tokio::spawn(async move {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            write.write_all(b"220 test\r\n").await.unwrap();
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match line.split([' ', ':']).next().unwrap().to_ascii_uppercase().as_str() {
                    "EHLO" | "HELO" => "250 test\r\n",
                    "DATA" => {
                        write.write_all(b"354 go on\r\n").await.unwrap();
                        let mut letter = String::new();
                        while let Ok(Some(line)) = lines.next_line().await {
                            if line == "." {
                                break;
                            }
                            letter.push_str(&line);
                            letter.push('\n');
                        }
                        taken.lock().await.push(letter);
                        "250 taken\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    _ => "250 fine\r\n",
                };
                write.write_all(answer.as_bytes()).await.unwrap();
            }
        });
    }
}

async fn a_mail_server_that_is_down_loses_nothing(backend: Backend) {
    // A port that nobody listens on: taken and given back.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("smtp://{port}");
    let Some(app) = TestApp::with(backend, &[("VOUCHSAFE_SMTP_URL", &url)]).await else { return };
    let mut browser = app.browser();
    assert_eq!(browser.post("/login", &[("email", "ann@example.com")]).await.location(), "/verify");
    assert_eq!(browser.get("/dev/mailbox.json").await.status, 404, "there is no preview with a mail server");
    assert_eq!(app.runner.run_until_idle().await.unwrap(), 1, "tried once, then it waits");
    assert_eq!(app.runner.run_until_idle().await.unwrap(), 0, "not due yet");

    let taken = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind(port).await.unwrap();
    let server = tokio::spawn(take_letters(listener, taken.clone()));
    app.env.clock.advance(TimeDelta::seconds(2));
    assert_eq!(app.runner.run_until_idle().await.unwrap(), 1);
    let letters = taken.lock().await.clone();
    let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
    assert!(letter.contains("ann@example.com") && letter.contains("multipart/alternative"), "{letter}");
    let code = letter.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap();
    assert_eq!(browser.post("/verify", &[("code", code)]).await.location(), "/settings");
    app.env.clock.advance(TimeDelta::hours(1));
    assert_eq!(app.runner.run_until_idle().await.unwrap(), 0, "sent once");
    server.abort();
}

#[tokio::test]
async fn a_mail_server_that_is_down_loses_nothing_on_sqlite() {
    a_mail_server_that_is_down_loses_nothing(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_mail_server_that_is_down_loses_nothing_on_postgres() {
    a_mail_server_that_is_down_loses_nothing(Backend::Postgres).await;
}

on_both! {
    async fn a_worker_that_is_told_to_stop_finishes_one_batch_and_stops(app: TestApp) {
        for nth in 0..10 {
            app.browser().post("/login", &[("email", &format!("member{nth}@example.com"))]).await;
        }
        app.runner.run(std::future::ready(())).await;
        let mut reader = app.env.db.reader().await.unwrap();
        let state = jobs::state(&mut reader.conn()).await.unwrap();
        assert_eq!(state.waiting, 2, "a batch is eight");
    }

    async fn a_code_that_is_void_by_now_is_not_sent(app: TestApp) {
        app.browser().post("/login", &[("email", "ann@example.com")]).await;
        app.env.clock.advance(TimeDelta::minutes(10));
        assert!(app.mailbox().await.is_empty());
        let mut reader = app.env.db.reader().await.unwrap();
        let state = jobs::state(&mut reader.conn()).await.unwrap();
        assert_eq!((state.waiting, state.dead), (0, 0));
    }

    async fn a_letter_speaks_the_language_of_its_reader(app: TestApp) {
        let mut browser = app.browser().with_header("accept-language", "de");
        browser.post("/login", &[("email", "ann@example.com")]).await;
        let mail = app.mailbox().await.remove(0);
        assert!(mail.html.contains("lang=\"de\""), "{}", mail.html);
    }

    async fn no_code_rests_in_the_database_before_it_is_sent(app: TestApp) {
        app.browser().post("/login", &[("email", "ann@example.com")]).await;
        let mut reader = app.env.db.reader().await.unwrap();
        let waiting = mails::list_previews(&mut reader.conn(), 10).await.unwrap();
        assert!(waiting.is_empty());
    }

    async fn the_mailbox_shows_what_would_have_been_sent(app: TestApp) {
        let mut browser = app.browser();
        assert!(browser.get("/dev/mailbox").await.body.contains("No mail yet."));
        browser.post("/login", &[("email", "ann@example.com")]).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        app.mailbox().await;
        app.env.clock.advance(TimeDelta::seconds(1));
        browser.post("/login", &[("email", "bob@example.com")]).await;
        app.mailbox().await;
        let json: serde_json::Value = serde_json::from_str(&browser.get("/dev/mailbox.json").await.body).unwrap();
        assert_eq!(json[0]["to"], "bob@example.com", "the newest first");
        assert_eq!(json[1]["to"], "ann@example.com");
        for field in ["subject", "text", "html", "sent_at"] {
            assert!(json[0][field].is_string(), "{field}");
        }
        let page = browser.get("/dev/mailbox").await;
        assert_eq!(page.texts("article").len(), 2);
        let letter = page.attribute("article h2 a", "href").unwrap();
        let letter = browser.get(&letter).await;
        assert!(letter.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
        assert!(letter.body.starts_with("<!DOCTYPE html>"), "{}", letter.body);
    }
}
