//! The real program, as an operator or a script runs it in a folder of their own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe::store::Db;

use super::{Backend, TestDb};

/// Writes a test for each database out of functions that take a [`Place`]:
/// `on_both_places! { a_sentence, another_one }`.
macro_rules! on_both_places {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                if let Some(place) = $crate::harness::Place::on($crate::harness::Backend::Sqlite) {
                    super::$name(&place);
                }
            }

            #[test]
            fn postgres() {
                if let Some(place) = $crate::harness::Place::on($crate::harness::Backend::Postgres) {
                    super::$name(&place);
                }
            }
        }
    )+};
}
pub(crate) use on_both_places;

/// A folder with nothing in it, in which the program runs, on a database without any table.
pub struct Place {
    folder: TempDir,
    /// Where the database is; the program's own choice without.
    url: Option<String>,
}

impl Place {
    /// Makes one; nothing if there is no such server here.
    pub fn on(backend: Backend) -> Option<Self> {
        let url = match backend {
            // A file below the folder, as it is without any configuration.
            Backend::Sqlite => None,
            Backend::Postgres => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let made = runtime.block_on(async {
                    let made = TestDb::empty(backend).await?;
                    // The program alone talks to it.
                    made.db.close().await;
                    Some(made.url)
                });
                Some(made?)
            }
        };
        Some(Self { folder: TempDir::new().unwrap(), url })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a command of the program, which nobody has started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(arguments).current_dir(self.folder()).env_clear().stdin(Stdio::null());
        if let Some(url) = &self.url {
            // A database on a server has no place for a secret.
            command.env("DATABASE_URL", url).env("VOUCHSAFE_SECRET", "a secret that only this place has and knows");
        }
        command
    }

    /// Runs a command, and returns its exit code, its answer and what it said beside.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Runs a command that does its work, and returns its answer.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
        out
    }

    /// Runs a command with `--json`, and returns what it answers.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// Runs a command with `--json` again and again until its answer is as it is waited for, and returns that answer.
    #[track_caller]
    pub fn wait_for(&self, arguments: &[&str], is_there: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..200 {
            let answer = self.json(arguments);
            if is_there(&answer) {
                return answer;
            }
        }
        panic!("{arguments:?} never was as it should be: {}", self.json(arguments));
    }

    /// Runs SQL, as no part of the program would. Returns how many rows it touched.
    pub fn execute(&self, sql: &str) -> u64 {
        let file = || format!("sqlite:{}", self.folder().join("data/vouchsafe.db").display());
        let url = self.url.clone().unwrap_or_else(file);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let db = Db::open(&url, 1).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            let touched = crate::contract::execute(&mut tx.conn(), sql).await.unwrap();
            tx.commit().await.unwrap();
            db.close().await;
            touched
        })
    }

    /// Runs the server on a free port, and returns it with its address and the admin's link.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// The same with more variables of the environment.
    pub fn serve_with(&self, variables: &[(&str, &str)]) -> Server {
        // A port that is free now is free a moment later, almost always.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut child = self
            .command(&["serve"])
            .env("VOUCHSAFE_LISTEN", &address)
            .envs(variables.iter().copied())
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

/// The program while it serves. It is killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// What it said when it began.
    pub said: String,
}

impl Server {
    /// Sends a request and returns the whole answer.
    pub fn request(&self, head: &str, body: &str) -> String {
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

    /// Tells it to stop, and returns its exit code.
    pub fn stop(mut self) -> i32 {
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
