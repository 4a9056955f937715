//! The command line, as an operator or a script runs it: the real program, its output and its
//! exit code.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with nothing in it, in which the program runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(arguments).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Runs the server on a free port, and returns it with its address and the admin's link.
    fn serve(&self) -> Server {
        // A port that is free now is free a moment later, almost always.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut child = self
            .command(&["serve"])
            .env("VOUCHSAFE_LISTEN", &address)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // It says how to stop it last, and listens before it says anything.
        while !said.contains("Ctrl+C") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended early: {said}");
        }
        Server { child, address, said }
    }
}

struct Server {
    child: Child,
    address: String,
    said: String,
}

impl Server {
    /// Sends a request and returns the whole answer.
    fn request(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let address = &self.address;
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: {address}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_runs_alone_from_an_empty_folder_and_stops_when_told() {
    let place = Place::new();
    let server = place.serve();
    let link = server.said.lines().find_map(|line| line.split_once("/admin/claim?token=")).unwrap().1.trim().to_owned();
    assert!(server.said.contains(&format!("http://{}/dev/mailbox", server.address)), "{}", server.said);
    assert!(server.request("GET /readyz", "").ends_with("ready\n"));

    let claimed = server.request("POST /admin/claim", &format!("token={link}&email=root%40example.com"));
    assert!(claimed.contains("location: /admin/matrix"), "{claimed}");
    let (code, out, _) = place.run(&["show-status", "root@example.com", "--json"]);
    assert_eq!(code, 0, "beside the running server");
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status["role"].as_str(), status["tier"].as_str()), (Some("admin"), Some("free")));
    assert_eq!(server.stop(), 0);

    let again = place.serve();
    assert!(!again.said.contains("/admin/claim"), "there is an admin: {}", again.said);
    drop(again);
    let made: Vec<String> = std::fs::read_dir(place.0.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(made.contains(&"vouchsafe.db".to_owned()) && made.contains(&"secret".to_owned()), "{made:?}");
}

#[test]
fn credit_is_given_shown_and_ended() {
    let place = Place::new();
    let server = place.serve();
    let link = server.said.lines().find_map(|line| line.split_once("?token=")).unwrap().1.trim().to_owned();
    server.request("POST /admin/claim", &format!("token={link}&email=ann%40example.com"));
    drop(server);

    let (code, out, err) =
        place.run(&["grant-credit", "Ann@Example.com", "--days", "45", "--key", "spring", "--note", "thanks"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("Ann@Example.com: 45 day(s) of credit given, lasting until "), "{out}");
    let (code, out, _) = place.run(&["grant-credit", "ann@example.com", "--days", "45", "--key", "spring"]);
    assert_eq!(code, 0, "safe to repeat");
    assert!(out.contains("this key was used before"), "{out}");

    let (code, out, _) = place.run(&["show-status", "ann@example.com"]);
    assert_eq!(code, 0);
    assert!(out.contains("paid       yes") && out.contains("free · credit · 45 day(s) remaining (expires "), "{out}");
    let (_, out, _) = place.run(&["show-status", "ann@example.com", "--json"]);
    let status: Value = serde_json::from_str(&out).unwrap();
    for field in ["id", "email", "role", "tier", "paid", "credit_until", "referral_code", "referrals"] {
        assert!(status.get(field).is_some(), "{field}: {status}");
    }
    assert_eq!(status["paid"]["source"], "credit");
    assert_eq!(status["paid"]["days_remaining"], 45);

    assert_eq!(place.run(&["revoke-credit", "ann@example.com"]).0, 0);
    let (code, out, _) = place.run(&["revoke-credit", "ann@example.com"]);
    assert_eq!((code, out.as_str()), (0, "ann@example.com: there is no credit to end\n"));
}

#[test]
fn accounts_are_changed_and_listed() {
    let place = Place::new();
    let server = place.serve();
    let link = server.said.lines().find_map(|line| line.split_once("?token=")).unwrap().1.trim().to_owned();
    server.request("POST /admin/claim", &format!("token={link}&email=ann%40example.com"));
    drop(server);
    let (code, out, err) = place.run(&["user", "list"]);
    assert_eq!((code, err.as_str()), (0, ""), "no progress bar in a pipe");
    let fields: Vec<&str> = out.trim_end().split('\t').collect();
    assert_eq!(fields[1..5], ["ann@example.com", "admin", "free", "active"], "{out}");
    for (verb, first, again) in [
        ("demote", "ann@example.com is a member now\n", "ann@example.com is no admin\n"),
        ("promote", "ann@example.com is an admin now\n", "ann@example.com is an admin already\n"),
        ("disable", "ann@example.com is disabled and signed out everywhere\n", "ann@example.com is disabled already\n"),
        ("enable", "ann@example.com may sign in again\n", "ann@example.com is not disabled\n"),
    ] {
        assert_eq!(place.run(&["user", verb, "ann@example.com"]), (0, first.to_owned(), String::new()));
        assert_eq!(place.run(&["user", verb, "ann@example.com"]), (0, again.to_owned(), String::new()));
    }
}

#[test]
fn mistakes_are_told_apart_by_the_exit_code() {
    let place = Place::new();
    let (code, _, err) = place.run(&["show-status", "nobody@example.com"]);
    assert_eq!((code, err.as_str()), (3, "vouchsafe: there is no member with that address\n"));
    assert_eq!(place.run(&["grant-credit", "nobody@example.com", "--days", "3"]).0, 3);
    for arguments in [
        &["show-status", "nobody"][..],
        &["grant-credit", "ann@example.com", "--days", "0"],
        &["grant-credit", "ann@example.com", "--days", "99999"],
        &["grant-credit", "ann@example.com", "--days", "many"],
        &["grant-credit", "ann@example.com"],
        &["grant-credit", "ann@example.com", "--days", "1", "--key", ""],
        &["user", "crown", "ann@example.com"],
        &["nonsense"],
        &[],
    ] {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(!err.is_empty() && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}

#[test]
fn configuration_that_cannot_be_used_is_refused_by_name() {
    let place = Place::new();
    let refused = |name: &str, value: &str| {
        let output = place.command(&["serve"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (name, value) in [
        ("VOUCHSAFE_LISTEN", "everywhere"),
        ("VOUCHSAFE_PUBLIC_URL", "ftp://example.com"),
        ("VOUCHSAFE_MAIL_TRANSPORT", "pigeon"),
        ("VOUCHSAFE_SECRET", "short"),
        ("VOUCHSAFE_LISTNE", "127.0.0.1:1"),
    ] {
        let err = refused(name, value);
        let key = name.trim_start_matches("VOUCHSAFE_").to_lowercase();
        assert!(err.contains(name) || err.contains(&key), "{name}: {err}");
    }
    let err = refused("VOUCHSAFE_PUBLIC_URL", "http://members.example.com");
    assert!(err.contains("danger_insecure_http"), "{err}");
}

#[test]
fn the_schema_goes_up_and_down() {
    let place = Place::new();
    let (code, out, _) = place.run(&["migrate", "status"]);
    assert_eq!(code, 0);
    assert!(out.lines().count() >= 5 && out.lines().all(|line| line.contains("missing")), "{out}");
    assert_eq!(place.run(&["migrate", "down"]).1, "nothing is applied\n");
    let (code, out, _) = place.run(&["migrate", "up"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("applied 0001 catalogue\n"), "{out}");
    assert_eq!(place.run(&["migrate", "up"]), (0, "nothing to do\n".to_owned(), String::new()));
    let (_, out, _) = place.run(&["migrate", "down"]);
    assert_eq!(out, "took back 0005 seed catalogue\n");
    let (_, out, _) = place.run(&["migrate", "down", "--to", "2"]);
    assert_eq!(out, "took back 0003 sign in\ntook back 0004 jobs and mail\n");
    assert_eq!(place.run(&["migrate", "down", "--all"]).0, 0);
    let (_, out, _) = place.run(&["migrate", "status"]);
    assert!(out.lines().all(|line| line.contains("missing")), "{out}");
    assert_eq!(place.run(&["migrate", "down", "--to", "2", "--all"]).0, 2);
}
