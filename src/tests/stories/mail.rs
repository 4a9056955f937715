//! Mail that is queued with its cause and sent by a job.

use std::sync::Arc;

use axum::{body::Body, http::Method};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::{Mutex, Semaphore},
};
use vouchsafe::{
    domain::{lang::Lang, letter::Notice, user::Role},
    services::{letters, members},
    store::{jobs, mails},
};

use crate::harness::{Backend, Browser, Client, TestApp, on_both};

/// A mail server that takes every letter; returns what it took.
async fn take_letters(listener: TcpListener, taken: Arc<Mutex<Vec<String>>>) {
    answer_letters(listener, taken, Arc::default(), Arc::new(Semaphore::new(1_000))).await;
}

/// The same with answers to recipients that come before any letter is taken, and with a door: who
/// wants to be answered waits for it.
async fn answer_letters(
    listener: TcpListener,
    taken: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<&'static str>>>,
    door: Arc<Semaphore>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (taken, answers, door) = (taken.clone(), answers.clone(), door.clone());
        tokio::spawn(async move {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            door.acquire().await.unwrap().forget();
            if write.write_all(b"220 test\r\n").await.is_err() {
                return;
            }
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
                    "RCPT" => {
                        let mut answers = answers.lock().await;
                        if answers.is_empty() { "250 fine\r\n" } else { answers.remove(0) }
                    }
                    _ => "250 fine\r\n",
                };
                if write.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
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
    assert!(browser.post("/verify", &[("code", code)]).await.location().starts_with("/settings"));
    assert_eq!(app.runner.run_until_idle().await.unwrap(), 1, "a welcome");
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

/// A program with a mail server, what that has taken, the answers it is to give, and its door.
struct Post {
    app: TestApp,
    operator: Client,
    taken: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<&'static str>>>,
    door: Arc<Semaphore>,
}

impl Post {
    async fn open(backend: Backend, visitors: usize) -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let app = TestApp::with(backend, &[("VOUCHSAFE_SMTP_URL", &url)]).await?;
        let (taken, answers) = (Arc::default(), Arc::default());
        let door = Arc::new(Semaphore::new(visitors));
        tokio::spawn(answer_letters(listener, Arc::clone(&taken), Arc::clone(&answers), door.clone()));
        let operator = app.operator();
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
        operator.post("/api/v1/users", json!({ "external_id": "ann", "email": "ann@example.com" })).await.ok();
        app.runner.run_until_idle().await.unwrap();
        taken.lock().await.clear();
        Some(Self { app, operator, taken, answers, door })
    }

    /// Gives ann days at a tier, of which she is told.
    async fn give(&self) {
        self.operator.post("/api/v1/users/ann/grants", json!({ "tier": "premium", "days": 2 })).await.ok();
        // Mails of one instant have no order.
        self.app.env.clock.advance(TimeDelta::milliseconds(10));
    }

    /// Signs somebody in, by the code in the letter.
    async fn sign_in(&self, email: &str) -> Browser {
        self.taken.lock().await.clear();
        let mut browser = self.app.browser();
        assert_eq!(browser.post("/login", &[("email", email)]).await.location(), "/verify");
        self.work().await;
        // What else was to be sent is sent at the same time.
        let taken = self.taken().await;
        let letter = taken.iter().find(|letter| letter.contains(" is your Vouchsafe code")).expect("a code was sent");
        let (_, subject) = letter.split_once("Subject: ").unwrap();
        let code = subject.split(' ').next().unwrap();
        assert_eq!(browser.post("/verify", &[("code", code)]).await.status, 303);
        browser
    }

    async fn work(&self) -> usize {
        self.app.runner.run_until_idle().await.unwrap()
    }

    async fn taken(&self) -> Vec<String> {
        self.taken.lock().await.clone()
    }

    /// The mail that was written last.
    async fn last(&self) -> Value {
        self.operator.get("/api/v1/mails?limit=1").await.ok()["items"][0].clone()
    }
}

async fn what_is_refused_for_now_is_tried_again_later_and_later(backend: Backend) {
    let Some(post) = Post::open(backend, 1_000).await else { return };
    post.answers.lock().await.extend(["451 4.7.1 greylisted\r\n", "421 busy\r\n"]);
    post.give().await;
    assert_eq!(post.work().await, 1);
    let mail = post.last().await;
    assert_eq!((mail["state"].as_str(), mail["tries"].as_i64()), (Some("waiting"), Some(1)), "{mail}");
    assert_eq!(mail["last_error"], "the mail server answered 451 4.7.1 to the recipient");
    assert_eq!(mail["letter"], "access_granted");
    assert_eq!(mail["recipient"], "ann@example.com");
    // The first wait is a second, the second 16, each 20 % more or less.
    for (too_early, enough, done) in [(700, 600, 1), (12_000, 8_000, 1)] {
        post.app.env.clock.advance(TimeDelta::milliseconds(too_early));
        assert_eq!(post.work().await, 0, "not due yet");
        assert_eq!(post.taken().await, [""; 0]);
        post.app.env.clock.advance(TimeDelta::milliseconds(enough));
        assert_eq!(post.work().await, done);
    }
    assert_eq!(post.taken().await.len(), 1, "nothing is lost, and nothing comes twice");
    let mail = post.last().await;
    assert_eq!((mail["state"].as_str(), mail["next_try_at"].is_null()), (Some("sent"), true), "{mail}");
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_later_and_later_on_sqlite() {
    what_is_refused_for_now_is_tried_again_later_and_later(Backend::Sqlite).await;
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_later_and_later_on_postgres() {
    what_is_refused_for_now_is_tried_again_later_and_later(Backend::Postgres).await;
}

async fn what_is_refused_for_good_is_given_up_until_somebody_sends_it_again(backend: Backend) {
    let Some(post) = Post::open(backend, 1_000).await else { return };
    post.answers.lock().await.push("550 5.1.1 <ann@example.com> is unknown\r\n");
    post.give().await;
    assert_eq!(post.work().await, 1);
    post.app.env.clock.advance(TimeDelta::days(5));
    assert_eq!(post.work().await, 0, "it is given up");
    let mail = post.last().await;
    assert_eq!((mail["state"].as_str(), mail["next_try_at"].is_null()), (Some("failed"), true), "{mail}");
    assert_eq!(mail["last_error"], "the mail server answered 550 5.1.1 to the recipient");
    let failed = post.operator.get("/api/v1/mails?state=failed&recipient=ANN@example.com").await.ok();
    assert_eq!(failed["items"], json!([mail]));

    let resend = format!("/api/v1/mails/{}/resend", mail["id"].as_str().unwrap());
    let again = post.operator.post(&resend, json!({})).await.ok();
    assert_eq!((again["state"].as_str(), again["tries"].as_i64()), (Some("waiting"), Some(0)), "{again}");
    post.operator.post(&resend, json!({})).await.is(409, "mail_not_failed");
    assert_eq!(post.work().await, 1);
    assert_eq!(post.taken().await.len(), 1);
    post.operator.post(&resend, json!({})).await.is(409, "mail_not_failed");
    let unknown = "/api/v1/mails/0192f0c1-2345-7abc-8def-0123456789ab";
    post.operator.post(&format!("{unknown}/resend"), json!({})).await.is(404, "mail_unknown");
    post.operator.get(unknown).await.is(404, "mail_unknown");
    let log = post.operator.get("/api/v1/activity?limit=1").await.ok();
    assert_eq!(log["items"][0]["action"], "mail_resent");
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_until_somebody_sends_it_again_on_sqlite() {
    what_is_refused_for_good_is_given_up_until_somebody_sends_it_again(Backend::Sqlite).await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_until_somebody_sends_it_again_on_postgres() {
    what_is_refused_for_good_is_given_up_until_somebody_sends_it_again(Backend::Postgres).await;
}

async fn a_test_tells_at_once_what_the_mail_server_says(backend: Backend) {
    let Some(post) = Post::open(backend, usize::MAX >> 4).await else { return };
    let template = "/api/v1/mail-templates/welcome/de";
    let wording = json!({ "subject": "Hallo von {{ product }}", "text": "Guten Tag", "html": "<p>Guten Tag</p>" });
    post.operator.put(template, wording).await.ok();
    post.app.env.clock.advance(TimeDelta::seconds(1));
    let (test, to) = (format!("{template}/test"), json!({ "recipient": "kim@example.com" }));
    assert_eq!(post.operator.post(&test, to.clone()).await.status, 204);
    let taken = post.taken().await;
    let [letter] = taken.as_slice() else { panic!("{} letters", taken.len()) };
    assert!(letter.contains("To: kim@example.com") && letter.contains("Subject: Hallo von Vouchsafe"), "{letter}");

    for refusal in ["550 5.1.1 nobody here\r\n", "451 4.3.0 later\r\n"] {
        post.answers.lock().await.push(refusal);
        // Lines of one instant have no order.
        post.app.env.clock.advance(TimeDelta::seconds(1));
        let refused = post.operator.post(&test, to.clone()).await;
        assert!(refused.body.contains(&refusal[..9]) && !refused.body.contains("kim@"), "{}", refused.body);
        refused.is(502, "mail_not_sent");
    }
    let mails = post.operator.get("/api/v1/mails?recipient=kim@example.com").await.ok();
    assert_eq!(mails["items"], json!([]), "nothing waits to be tried again");
    let log = post.operator.get("/api/v1/activity?limit=3").await.ok();
    let lines = log["items"].as_array().unwrap().iter().map(|line| (&line["action"], &line["details"]["taken"]));
    let told = json!("mail_test_sent");
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(lines.collect::<Vec<_>>(), [(&told, &no), (&told, &no), (&told, &yes)]);
    assert!(!log.to_string().contains("kim@"), "{log}");

    post.sign_in("root@example.com").await;
    members::set_role(&post.app.env, post.app.member("root@example.com").await.id, Role::Admin, "operator")
        .await
        .unwrap();
    post.app.env.clock.advance(TimeDelta::days(1));
    let mut root = post.sign_in("root@example.com").await;
    post.taken.lock().await.clear();
    let page = "/admin/mails/templates/welcome/de";
    let sent = root.post(&format!("{page}/test"), &[("to", "kim@example.com")]).await;
    assert_eq!(sent.location(), format!("{page}?said=tested"), "{}", sent.body);
    assert!(root.get(sent.location()).await.text(".note").starts_with("The mail server has taken the test over"));
    assert_eq!(post.taken().await.len(), 1);
    post.answers.lock().await.push("550 5.1.1 nobody here\r\n");
    let refused = root.post(&format!("{page}/test"), &[("to", "kim@example.com")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text("#to-error").contains("550 5.1.1"), "{}", refused.text("#to-error"));
}

#[tokio::test]
async fn a_test_tells_at_once_what_the_mail_server_says_on_sqlite() {
    a_test_tells_at_once_what_the_mail_server_says(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_test_tells_at_once_what_the_mail_server_says_on_postgres() {
    a_test_tells_at_once_what_the_mail_server_says(Backend::Postgres).await;
}

async fn a_slow_mail_server_holds_nobody_up(backend: Backend) {
    let Some(post) = Post::open(backend, 0).await else { return };
    post.give().await;
    let work = post.work();
    let meanwhile = async {
        // The mail waits for an answer: whoever writes does not wait with it.
        for nth in 0..3 {
            let user = json!({ "external_id": format!("friend-{nth}") });
            post.operator.post("/api/v1/users", user).await.ok();
        }
        assert_eq!(post.last().await["state"], "waiting");
        assert_eq!(post.taken().await, [""; 0]);
        post.door.add_permits(1);
    };
    let (done, ()) = tokio::join!(work, meanwhile);
    assert_eq!((done, post.taken().await.len()), (1, 1));
    assert_eq!(post.last().await["state"], "sent");
}

#[tokio::test]
async fn a_slow_mail_server_holds_nobody_up_on_sqlite() {
    a_slow_mail_server_holds_nobody_up(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_slow_mail_server_holds_nobody_up_on_postgres() {
    a_slow_mail_server_holds_nobody_up(Backend::Postgres).await;
}

async fn a_code_does_not_wait_for_other_letters(backend: Backend) {
    let Some(post) = Post::open(backend, 1_000).await else { return };
    let now = post.app.env.clock.now();
    let letters: Vec<mails::QueuedMail> = (0..500)
        .map(|number| mails::QueuedMail {
            id: post.app.env.random.id(now),
            recipient: format!("reader{number}@example.com"),
            lang: Lang::En,
            letter: Notice::Welcome { trial: None }.into(),
        })
        .collect();
    let mut tx = post.app.env.db.begin().await.unwrap();
    letters::queue_all(&post.app.env, &mut tx.conn(), &letters).await.unwrap();
    tx.commit().await.unwrap();
    post.app.env.clock.advance(TimeDelta::seconds(1));
    assert_eq!(post.app.browser().post("/login", &[("email", "ann@example.com")]).await.location(), "/verify");
    let place = async || {
        let taken = post.taken().await;
        taken.iter().position(|letter| letter.contains("is your Vouchsafe code"))
    };
    let comes = async {
        while place().await.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        () = comes => {}
        _ = post.work() => {}
    }
    let place = place().await.expect("the code was sent");
    assert!(place < 12, "{place} letters came before the code");
}

#[tokio::test]
async fn a_code_does_not_wait_for_other_letters_on_sqlite() {
    a_code_does_not_wait_for_other_letters(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_code_does_not_wait_for_other_letters_on_postgres() {
    a_code_does_not_wait_for_other_letters(Backend::Postgres).await;
}

async fn a_clock_that_was_45_days_ahead_holds_no_mail_up(backend: Backend) {
    let Some(post) = Post::open(backend, 1_000).await else { return };
    let clock = &post.app.env.clock;
    post.answers.lock().await.push("451 4.7.1 greylisted\r\n");
    clock.advance(TimeDelta::days(45));
    post.give().await;
    assert_eq!(post.work().await, 1);
    assert_eq!(post.taken().await, [""; 0], "it is refused for now");
    // Another one is in somebody's hands as the clock is put right, who is never heard of again.
    post.give().await;
    let now = clock.now();
    let mut tx = post.app.env.db.begin().await.unwrap();
    let claimed = jobs::claim(&mut tx.conn(), jobs::Lane::Letters, 8, now, now + TimeDelta::seconds(60)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    tx.commit().await.unwrap();
    clock.advance(-TimeDelta::days(45));
    assert_eq!(post.work().await, 2);
    assert_eq!(post.taken().await.len(), 2);
    // An hour back, and somebody waits for a code that was asked for a moment ago.
    assert_eq!(post.app.browser().post("/login", &[("email", "ann@example.com")]).await.location(), "/verify");
    clock.advance(-TimeDelta::hours(1));
    assert_eq!(post.work().await, 1);
    assert_eq!(post.taken().await.len(), 3);
}

#[tokio::test]
async fn a_clock_that_was_45_days_ahead_holds_no_mail_up_on_sqlite() {
    a_clock_that_was_45_days_ahead_holds_no_mail_up(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_clock_that_was_45_days_ahead_holds_no_mail_up_on_postgres() {
    a_clock_that_was_45_days_ahead_holds_no_mail_up(Backend::Postgres).await;
}

async fn a_letter_that_ends_the_program_each_time_is_given_up(backend: Backend) {
    let Some(post) = Post::open(backend, 1_000).await else { return };
    post.give().await;
    for _ in 0..25 {
        let now = post.app.env.clock.now();
        let mut tx = post.app.env.db.begin().await.unwrap();
        let conn = &mut tx.conn();
        let claimed = jobs::claim(conn, jobs::Lane::Letters, 8, now, now + TimeDelta::seconds(60)).await.unwrap();
        assert_eq!(claimed.len(), 1);
        tx.commit().await.unwrap();
        // It ends here, and another one begins when the lease is over.
        post.app.env.clock.advance(TimeDelta::seconds(60));
    }
    assert_eq!(post.work().await, 1);
    assert_eq!(post.taken().await, [""; 0]);
    let mail = post.last().await;
    assert_eq!(
        (mail["state"].as_str(), mail["last_error"].as_str()),
        (Some("failed"), Some("none of its tries came to an end"))
    );
    post.app.env.clock.advance(TimeDelta::days(5));
    assert_eq!(post.work().await, 0);
}

#[tokio::test]
async fn a_letter_that_ends_the_program_each_time_is_given_up_on_sqlite() {
    a_letter_that_ends_the_program_each_time_is_given_up(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_letter_that_ends_the_program_each_time_is_given_up_on_postgres() {
    a_letter_that_ends_the_program_each_time_is_given_up(Backend::Postgres).await;
}

async fn one_click_ends_letters_of_a_kind_and_no_others(backend: Backend) {
    let Some(post) = Post::open(backend, 1_000).await else { return };
    post.give().await;
    post.work().await;
    let letter = post.taken().await.remove(0);
    let header = |name: &str| letter.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(header("List-Unsubscribe-Post:"), "List-Unsubscribe=One-Click");
    let address = header("List-Unsubscribe:");
    let path =
        address.strip_prefix("<http://127.0.0.1:3000").and_then(|rest| rest.strip_suffix('>')).unwrap().to_owned();
    assert!(path.starts_with("/unsubscribe/"), "{path}");

    // Looking changes nothing: mail programs look at links by themselves.
    let mut reader = post.app.browser();
    let page = reader.get(&path).await;
    assert_eq!((page.status.as_u16(), page.text("main button").as_str()), (200, "Unsubscribe"));
    assert!(!page.body.contains("ann@"), "whoever has the link learns no address");
    post.give().await;
    post.work().await;
    assert_eq!(post.taken().await.len(), 2);

    // Queued before, and not sent after.
    post.give().await;
    // What a mail program sends, in either of the two ways: no cookie, no origin, twice.
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=x", multipart),
    ] {
        let mut program = post.app.browser();
        let request = program.request(Method::POST, &path).header("content-type", kind).body(Body::from(body)).unwrap();
        let answer = program.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "You are unsubscribed.\n"));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    post.work().await;
    assert_eq!(post.taken().await.len(), 2, "no more such letters");
    let mail = post.last().await;
    assert_eq!(
        (mail["state"].as_str(), mail["skipped_because"].as_str()),
        (Some("skipped"), Some("unsubscribed")),
        "{mail}"
    );
    let preferences = post.operator.get("/api/v1/users/ann/mail-preferences").await.ok();
    assert_eq!(preferences, json!({ "access": false, "referrals": true, "bonus": true, "digest": null }));
    let log = post.operator.get("/api/v1/activity?limit=2").await.ok();
    let actions: Vec<_> =
        log["items"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "mail_preference_changed").count(), 1, "once: {actions:?}");

    // A code comes all the same, and does not say how to do without.
    assert_eq!(reader.post("/login", &[("email", "ann@example.com")]).await.location(), "/verify");
    post.work().await;
    let letters = post.taken().await;
    assert_eq!(letters.len(), 3);
    assert!(letters[2].contains("Subject: ") && !letters[2].contains("nsubscribe"), "{}", letters[2]);

    // It can be taken back on the page.
    let page = reader.get(&path).await;
    assert_eq!(page.text("main button"), "Get them again");
    assert_eq!(reader.post(&path, &[("wanted", "yes")]).await.location(), path);
    post.give().await;
    post.work().await;
    assert_eq!(post.taken().await.len(), 4);
}

#[tokio::test]
async fn one_click_ends_letters_of_a_kind_and_no_others_on_sqlite() {
    one_click_ends_letters_of_a_kind_and_no_others(Backend::Sqlite).await;
}

#[tokio::test]
async fn one_click_ends_letters_of_a_kind_and_no_others_on_postgres() {
    one_click_ends_letters_of_a_kind_and_no_others(Backend::Postgres).await;
}

on_both! {
    async fn a_worker_that_is_told_to_stop_finishes_what_is_under_way_and_stops(app: TestApp) {
        for nth in 0..10 {
            app.browser().post("/login", &[("email", &format!("member{nth}@example.com"))]).await;
        }
        app.runner.run(std::future::ready(())).await;
        let mut reader = app.env.db.reader().await.unwrap();
        let state = jobs::state(&mut reader.conn()).await.unwrap();
        assert_eq!(state.waiting, 6, "four codes are on their way at once");
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
