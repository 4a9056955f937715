//! Letters on their way: real conversations with a mail server on this machine.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lettre::message::Mailbox;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{Rendered, SendError, Sent, Smtp, SmtpUrlError, Transport, message_id};
use crate::domain::ids::{MailId, uuid_v7};

/// A mail server that knows as much of the protocol as is spoken here. It writes down what it
/// hears and agrees to everything but what its rules say.
struct MailServer {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

/// An answer to lines that begin so; `.` is the end of a letter. After a 421 it hangs up, and
/// with an empty answer it stays silent.
type Rule = (&'static str, &'static str);

impl MailServer {
    async fn start(rules: &'static [Rule]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notebook = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::talk(stream, rules, notebook.clone()));
            }
        });
        Self { address, heard }
    }

    async fn talk(stream: TcpStream, rules: &'static [Rule], notebook: Arc<Mutex<Vec<String>>>) {
        let write_down = |line: &str| notebook.lock().expect("no test panics while writing").push(line.to_owned());
        write_down("(connected)");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let _ = write.write_all(b"220 test\r\n").await;
        let mut in_letter = false;
        while let Ok(Some(line)) = lines.next_line().await {
            write_down(&line);
            if in_letter && line != "." {
                continue;
            }
            let usual = match line.as_str() {
                "DATA" => "354 go on",
                _ if line.starts_with("EHLO") => "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME",
                _ => "250 2.0.0 fine",
            };
            let answer = rules.iter().find(|(start, _)| line.starts_with(start)).map_or(usual, |(_, answer)| answer);
            in_letter = answer.starts_with("354");
            if !answer.is_empty() && write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                return;
            }
            if answer.starts_with("421") {
                return;
            }
        }
    }

    fn transport(&self) -> Transport {
        Transport::smtp(&format!("smtp://{}", self.address)).expect("the URL is one")
    }

    /// Waits until a line was heard so many times.
    async fn hears(&self, line: &str, times: usize) {
        while self.count(line) < times {
            tokio::task::yield_now().await;
        }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no test panics while writing").clone()
    }

    fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|heard| *heard == line).count()
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_126_400, 0).expect("in range")
}

fn letter() -> Rendered {
    Rendered {
        subject: "123456 is your Vouchsafe code".to_owned(),
        text: "Your code:\n\n    123456\n".to_owned(),
        html: "<!DOCTYPE html>\n<p>123456</p>\n".to_owned(),
    }
}

fn sender(text: &str) -> Mailbox {
    text.parse().expect("the sender is one")
}

async fn send_to(transport: &Transport, to: &str) -> Result<Sent, SendError> {
    let from = sender("Vouchsafe <no-reply@example.com>");
    transport.send(&from, to, "<1@example.com>", now(), &letter(), None).await
}

async fn send(transport: &Transport) -> Result<Sent, SendError> {
    send_to(transport, "Ann@example.com").await
}

#[tokio::test]
async fn a_letter_arrives_with_its_headers_and_both_parts() {
    let server = MailServer::start(&[]).await;
    assert_eq!(send(&server.transport()).await, Ok(Sent::HandedOver));

    let heard = server.heard();
    let message = heard.join("\n");
    for line in [
        "MAIL FROM:<no-reply@example.com>",
        "RCPT TO:<Ann@example.com>",
        "From: Vouchsafe <no-reply@example.com>",
        "To: Ann@example.com",
        "Subject: 123456 is your Vouchsafe code",
        "Date: Tue, 01 Dec 2026 12:00:00 +0000",
        "Message-ID: <1@example.com>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "    123456",
        "<p>123456</p>",
    ] {
        assert_eq!(heard.iter().filter(|heard| *heard == line).count(), 1, "{line} in\n{message}");
    }
    assert!(message.contains("multipart/alternative"), "{message}");
    let text = message.find("Content-Type: text/plain; charset=utf-8").expect("there is a text part");
    let html = message.find("Content-Type: text/html; charset=utf-8").expect("there is an HTML part");
    assert!(text < html, "the best part comes last");
}

#[tokio::test]
async fn a_letter_that_nobody_needs_says_how_to_do_without() {
    let server = MailServer::start(&[]).await;
    let from = sender("no-reply@example.com");
    let address = "https://members.example.com/unsubscribe/AZXm8ZLwwSNFerzeASNFZ4mrYQECAwQFBgcICQoLDA0ODxA";
    let sent = server.transport().send(&from, "ann@example.com", "<1@a>", now(), &letter(), Some(address)).await;
    assert_eq!(sent, Ok(Sent::HandedOver));
    // Mail programs read it unfolded, and so do we.
    let message = server.heard().join("\n").replace("\n ", " ");
    assert!(message.contains(&format!("\nList-Unsubscribe: <{address}>\n")), "{message}");
    assert!(message.contains("\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n"), "{message}");
}

#[tokio::test]
async fn no_header_breaks_into_another() {
    let server = MailServer::start(&[]).await;
    let address = sender("no-reply@example.com").email;
    let from = Mailbox::new(Some("Jörg & Söhne\r\nBcc: eve@example.com".to_owned()), address);
    let rendered = Rendered { subject: "Grüße\r\nBcc: eve@example.com\r\n\r\nhello".to_owned(), ..letter() };
    let transport = server.transport();
    let sent = transport.send(&from, "ann@example.com", "<1@a>\r\nBcc: eve@example.com", now(), &rendered, None).await;
    assert_eq!(sent, Ok(Sent::HandedOver));
    for line in server.heard() {
        assert!(!line.starts_with("Bcc") && line != "hello", "{line}");
        assert!(line.is_ascii(), "{line}");
    }
}

#[tokio::test]
async fn letters_share_a_connection_for_a_while() {
    let server = MailServer::start(&[]).await;
    let transport = server.transport();
    let from = sender("no-reply@example.com");
    for seconds in [0, 59, 100, 200] {
        let now = now() + TimeDelta::seconds(seconds);
        assert_eq!(transport.send(&from, "ann@example.com", "<1@a>", now, &letter(), None).await, Ok(Sent::HandedOver));
    }
    assert_eq!(server.count("."), 4);
    assert_eq!(server.count("(connected)"), 2, "the third letter still finds one, the fourth comes too late");
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_replaced() {
    let server = MailServer::start(&[("NOOP", "421 idle for too long")]).await;
    let transport = server.transport();
    for _ in 0..2 {
        assert_eq!(send(&transport).await, Ok(Sent::HandedOver));
    }
    assert_eq!(server.count("(connected)"), 2);
}

#[tokio::test]
async fn a_refusal_of_the_recipient_or_the_letter_is_for_good() {
    let cases: [(&'static [Rule], &str); 2] = [
        (&[("RCPT", "550 5.1.1 <Ann@example.com> is unknown")], "the mail server answered 550 5.1.1 to the recipient"),
        (&[(".", "554-no code 123456\r\n554 for Ann@example.com")], "the mail server answered 554 to the letter"),
    ];
    for (rules, reason) in cases {
        let server = MailServer::start(rules).await;
        assert_eq!(send(&server.transport()).await, Err(SendError::Permanent(reason.to_owned())));
    }
}

#[tokio::test]
async fn every_other_refusal_may_pass() {
    let cases: [(&'static [Rule], &str); 7] = [
        (&[("EHLO", "554 5.7.1 not you")], "the mail server answered 554 5.7.1 to the greeting"),
        (&[("MAIL", "550 5.7.1 no-reply@example.com?")], "the mail server answered 550 5.7.1 to the sender"),
        (&[("RCPT", "451 4.7.1 Ann@example.com is greylisted")], "the mail server answered 451 4.7.1 to the recipient"),
        (&[("RCPT", "421 bye")], "the mail server answered 421 to the recipient"),
        (&[("RCPT", "what? Ann@example.com?")], "the mail server's answer to the recipient makes no sense"),
        (&[("DATA", "503 5.5.1 not yet")], "the mail server answered 503 5.5.1 to the start of the letter"),
        (&[(".", "452 4.3.1 disk full")], "the mail server answered 452 4.3.1 to the letter"),
    ];
    for (rules, reason) in cases {
        let server = MailServer::start(rules).await;
        assert_eq!(send(&server.transport()).await, Err(SendError::Transient(reason.to_owned())));
    }
}

#[tokio::test]
async fn a_wrong_password_is_not_the_recipients_fault() {
    let server = MailServer::start(&[("AUTH", "535 5.7.8 wrong")]).await;
    let transport = Transport::smtp(&format!("smtp://us%40er:p%2Fw@{}", server.address)).expect("the URL is one");
    let reason = "the mail server answered 535 5.7.8 to the user and password";
    assert_eq!(send(&transport).await, Err(SendError::Transient(reason.to_owned())));
    // base64 of "\0us@er\0p/w"
    assert_eq!(server.count("AUTH PLAIN AHVzQGVyAHAvdw=="), 1, "{:?}", server.heard());
}

#[tokio::test]
async fn without_the_demanded_encryption_nothing_is_said() {
    let server = MailServer::start(&[]).await;
    let transport = Transport::smtp(&format!("smtp://u:p@{}?tls=required", server.address)).expect("the URL is one");
    assert!(matches!(send(&transport).await, Err(SendError::Transient(_))));
    assert_eq!(server.heard(), ["(connected)", "EHLO [127.0.0.1]"]);
}

#[tokio::test]
async fn a_server_that_is_away_may_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let transport = Transport::smtp(&format!("smtp://{address}")).expect("the URL is one");
    let error = send(&transport).await.expect_err("nobody listens");
    assert!(matches!(&error, SendError::Transient(reason) if reason.contains("refused")), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = silent.local_addr().expect("it is bound");
    let smtp = Smtp::from_url(&format!("smtp://{address}")).expect("the URL is one");
    let sent = send(&Transport::Smtp(smtp.with_time_out(Duration::ZERO))).await;
    assert!(matches!(sent, Err(SendError::Transient(_))), "{sent:?}");
}

#[tokio::test]
async fn a_conversation_that_was_given_up_is_not_continued_by_the_next_letter() {
    let server = MailServer::start(&[("RCPT TO:<ann@", "")]).await;
    let transport = server.transport();
    for connections in 1..=2 {
        tokio::select! {
            sent = send_to(&transport, "ann@example.com") => panic!("nobody answered: {sent:?}"),
            () = server.hears("RCPT TO:<ann@example.com>", connections) => {}
        }
        assert_eq!(server.count("(connected)"), connections);
    }
    assert_eq!(send_to(&transport, "bea@example.com").await, Ok(Sent::HandedOver));
    assert_eq!(server.count("(connected)"), 3);
}

#[tokio::test]
async fn what_is_no_address_is_refused_for_good() {
    let server = MailServer::start(&[]).await;
    let long = format!("{}@example.com", "x".repeat(10_000));
    for to in ["", "ann", "ann@example.com\r\nRCPT TO:<eve@example.com>", "a@b.cc, eve@example.com", &long] {
        let sent = send_to(&server.transport(), to).await;
        assert_eq!(sent, Err(SendError::Permanent("the address is not one".to_owned())), "{to:?}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn addresses_beyond_ascii_go_where_they_are_understood() {
    let old = MailServer::start(&[]).await;
    assert_eq!(send_to(&old.transport(), "ann@bücher.example").await, Ok(Sent::HandedOver));
    assert_eq!(old.count("RCPT TO:<ann@xn--bcher-kva.example>"), 1);
    let refused = send_to(&old.transport(), "jörg@bücher.example").await;
    assert!(matches!(refused, Err(SendError::Permanent(_))), "{refused:?}");

    let from = sender("no-reply@bücher.example");
    let sent = old.transport().send(&from, "ann@example.com", "<1@example.com>", now(), &letter(), None).await;
    assert_eq!(sent, Ok(Sent::HandedOver));
    assert_eq!(old.count("MAIL FROM:<no-reply@xn--bcher-kva.example>"), 1);
    let from = sender("jörg@example.com");
    let ours = old.transport().send(&from, "ann@example.com", "<1@example.com>", now(), &letter(), None).await;
    assert!(matches!(ours, Err(SendError::Transient(_))), "{ours:?}");

    let new = MailServer::start(&[("EHLO", "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8")]).await;
    assert_eq!(send_to(&new.transport(), "jörg@bücher.example").await, Ok(Sent::HandedOver));
    assert_eq!(new.count("MAIL FROM:<no-reply@example.com> SMTPUTF8 BODY=8BITMIME"), 1);
    assert_eq!(new.count("RCPT TO:<jörg@xn--bcher-kva.example>"), 1);
}

#[tokio::test]
async fn a_preview_keeps_the_words_and_sends_nothing() {
    assert_eq!(send(&Transport::Preview).await, Ok(Sent::ToKeep(letter())));
}

#[test]
fn a_mail_servers_url_is_read_strictly() {
    let fine = [
        "smtps://mail.example.com",
        "smtps://user:p%C3%A4ss@mail.example.com:2465/members.example.com",
        "smtp://mail.example.com?tls=required",
        "smtp://mailpit:1025?tls=none",
        "smtp://localhost",
        "smtp://127.0.0.2:2525",
        "smtp://[::1]:2525",
    ];
    for url in fine {
        assert_eq!(Smtp::from_url(url).err(), None, "{url}");
    }
    let long = format!("smtps://{}", "ü".repeat(10_000));
    let bad = [
        ("", SmtpUrlError::Shape),
        ("mail.example.com:25", SmtpUrlError::Shape),
        ("smtps://", SmtpUrlError::Shape),
        ("smtps://ex ample.com", SmtpUrlError::Shape),
        (&long, SmtpUrlError::Shape),
        ("https://mail.example.com", SmtpUrlError::Scheme),
        ("smtp://mail.example.com", SmtpUrlError::Unencrypted),
        ("smtp://192.0.2.1:587", SmtpUrlError::Unencrypted),
        ("smtp://localhost.example.com", SmtpUrlError::Unencrypted),
        ("smtp://mail.example.com?tls=opportunistic", SmtpUrlError::Parameter),
        ("smtp://mail.example.com?tls=required&tls=none", SmtpUrlError::Parameter),
        ("smtps://mail.example.com?tls=none", SmtpUrlError::Parameter),
        ("smtps://mail.example.com?timeout=5", SmtpUrlError::Parameter),
        ("smtps://user@mail.example.com", SmtpUrlError::Credentials),
        ("smtps://:pass@mail.example.com", SmtpUrlError::Credentials),
        ("smtps://user:%FF@mail.example.com", SmtpUrlError::Credentials),
        ("smtps://mail.example.com/a%0D%0Ab", SmtpUrlError::Hello),
    ];
    for (url, expected) in bad {
        assert_eq!(Smtp::from_url(url).err(), Some(expected), "{url}");
    }
}

#[test]
fn a_message_id_ends_in_our_host() {
    let mail: MailId = uuid_v7(DateTime::UNIX_EPOCH, [7; 10]).into();
    assert_eq!(message_id(mail, "https://Members.example.com:8443/x"), format!("<{mail}@members.example.com>"));
    assert_eq!(message_id(mail, "http://127.0.0.1:3000"), format!("<{mail}@127.0.0.1>"));
    assert_eq!(message_id(mail, "nonsense"), format!("<{mail}@localhost>"));
}
