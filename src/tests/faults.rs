//! The real program, several of it at once and killed in the midst of its work.
//!
//! The short forms run with all tests; the long ones are `make test-faults`, which prints the
//! figures. `VOUCHSAFE_BINARY` names another program than the one built with these tests.

mod coupons;
mod payments;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};
use vouchsafe::{
    config::Config,
    domain::{api_key::Scopes, ids::UserId, limit::Limit},
    platform::{clock::Clock, env::Env, keys::Keys, random::Random},
    services::{
        api_keys::{self, NewApiKey},
        entitlements,
        members::{self, MemberDetails},
        restrictions::{self, NewRestriction},
    },
};

use crate::harness::{Backend, STRIPE_SECRET, TestDb};

/// Clients that ask at the same time.
const CLIENTS: usize = 32;
/// How many calls are begun at least before a program is killed.
const CALLS_BEFORE_A_KILL: u64 = 100;
/// How soon a program has to be ready again.
const READY_WITHIN: Duration = Duration::from_secs(3);

fn program() -> Command {
    let path = std::env::var("VOUCHSAFE_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_vouchsafe").to_owned());
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A database with members and a key to ask about them.
struct Place {
    env: Env,
    token: String,
    users: Vec<UserId>,
    db: TestDb,
}

impl Place {
    /// One without members.
    async fn empty(backend: Backend) -> Option<Self> {
        let db = TestDb::migrated(backend).await?;
        let config = Config::load(Some(std::path::Path::new("/dev/null")), std::iter::empty()).unwrap();
        let keys = Keys::from_secret("a secret that only these tests have");
        let env = Env::new(db.db.clone(), Clock::system(), Random::system(), keys, config);
        let new = NewApiKey { name: "load".to_owned(), scopes: Scopes::ALL, user: None, expires_at: None };
        let (_, token) = api_keys::create(&env, new, "operator").await.unwrap();
        Some(Self { env, token, users: Vec::new(), db })
    }

    /// One with members who may use so much.
    async fn new(backend: Backend, members: usize, limit: Limit) -> Option<Self> {
        let mut place = Self::empty(backend).await?;
        let env = &place.env;
        for number in 0..members {
            let details = MemberDetails { external_id: Some(format!("member{number}")), ..MemberDetails::default() };
            let (user, _) = members::put(env, &details, "operator").await.unwrap();
            let new = NewRestriction {
                feature: "photos".parse().unwrap(),
                limit,
                reason: "a test".to_owned(),
                expires_at: None,
            };
            restrictions::put(env, user.id, new, "operator").await.unwrap();
            place.users.push(user.id);
        }
        Some(place)
    }

    /// Starts a server and returns it once it is ready.
    async fn serve(&self) -> Server {
        let begun = Instant::now();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = program()
            .arg("serve")
            .env("DATABASE_URL", &self.db.url)
            .env("VOUCHSAFE_LISTEN", &address)
            .env("VOUCHSAFE_SECRET", "a secret that only these tests have, and long enough")
            .env("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
            .env("VOUCHSAFE_LOG", "off")
            .spawn()
            .unwrap();
        let mut server = Server { child, address, ready_after: Duration::ZERO };
        loop {
            if let Ok(mut connection) = Connection::open(&server.address).await
                && connection.send("GET", "/readyz", "", "").await.is_ok_and(|status| status == 200)
            {
                server.ready_after = begun.elapsed();
                return server;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not come up");
            assert!(server.child.try_wait().unwrap().is_none(), "the server has ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks the command line whether everything that is kept agrees with itself.
    async fn assert_sound(&self) {
        let mut doctor = program();
        doctor.arg("doctor").env("DATABASE_URL", &self.db.url).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the counters of all members show.
    async fn used(&self) -> u64 {
        let mut all = 0;
        for user in &self.users {
            let photos = "photos".parse().unwrap();
            let explained = entitlements::explain(&self.env, &user.to_string(), &photos, 1).await.unwrap();
            all += u64::try_from(explained.decision.used).unwrap();
        }
        all
    }
}

struct Server {
    child: Child,
    address: String,
    /// How long it took from its start.
    ready_after: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: nothing is finished, nothing is flushed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection, kept alive. It knows as much HTTP as our answers need.
struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    async fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<u16> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let bad = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (mut line, mut status, mut length) = (String::new(), None, 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(bad());
            }
            let text = line.trim_end().to_ascii_lowercase();
            if status.is_none() {
                status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
            } else if let Some(value) = text.strip_prefix("content-length: ") {
                length = value.parse().map_err(|_| bad())?;
            } else if text.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        status.ok_or_else(bad)
    }

    /// Consumes one unit under an Idempotency-Key.
    async fn consume(&mut self, token: &str, user: UserId, key: u64) -> std::io::Result<u16> {
        let headers = format!("authorization: Bearer {token}\r\nidempotency-key: {key}\r\n");
        let body = format!("{{\"user\":\"{user}\",\"feature\":\"photos\"}}");
        self.send("POST", "/api/v1/consume", &headers, &body).await
    }
}

/// Lets two programs count for one member on one database, and counts who passed.
async fn race_two_programs(backend: Backend, calls: u64, limit: u64) {
    let Some(place) = Place::new(backend, 1, Limit::At(limit.try_into().unwrap())).await else { return };
    let servers = [place.serve().await, place.serve().await];
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..2 * CLIENTS {
        let (address, token) = (servers[number % 2].address.clone(), place.token.clone());
        let (next, user) = (next.clone(), place.users[0]);
        clients.spawn(async move {
            let mut connection = Connection::open(&address).await.unwrap();
            let mut answers = BTreeMap::new();
            loop {
                let key = next.fetch_add(1, Ordering::Relaxed);
                if key >= calls {
                    return answers;
                }
                let status = connection.consume(&token, user, key).await.unwrap();
                *answers.entry(status).or_insert(0_u64) += 1;
            }
        });
    }
    let mut answers = BTreeMap::new();
    for of_one in clients.join_all().await {
        for (status, count) in of_one {
            *answers.entry(status).or_insert(0_u64) += count;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("{backend:?}: {calls} calls to two programs, limit {limit}: {answers:?} in {seconds:.1} s");
    assert_eq!(answers, BTreeMap::from([(200, limit), (402, calls - limit)]));
    drop(servers);
    assert_eq!(place.used().await, limit);
    place.assert_sound().await;
}

/// What a client knows when the server is gone.
#[derive(Default)]
struct Log {
    /// Calls that were answered with 200.
    acknowledged: Vec<(u64, UserId)>,
    /// Calls of which nobody knows what came of them.
    unanswered: Vec<(u64, UserId)>,
}

/// Counts until told to stop or cut off; calls from before come first, again.
async fn load(
    address: String,
    token: String,
    users: Vec<UserId>,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    mut again: Vec<(u64, UserId)>,
) -> Log {
    let mut log = Log::default();
    let Ok(mut connection) = Connection::open(&address).await else {
        log.unanswered = again;
        return log;
    };
    loop {
        let (key, user) = match again.pop() {
            Some(call) => call,
            None if stop.load(Ordering::Relaxed) => return log,
            None => {
                let key = next.fetch_add(1, Ordering::Relaxed);
                (key, users[usize::try_from(key).unwrap() % users.len()])
            }
        };
        match connection.consume(&token, user, key).await {
            Ok(200) => log.acknowledged.push((key, user)),
            // A call that was cut off is still under way somewhere.
            Ok(409 | 503) => again.push((key, user)),
            Ok(status) => panic!("an answer of {status}"),
            Err(_) => {
                log.unanswered.push((key, user));
                log.unanswered.append(&mut again);
                return log;
            }
        }
    }
}

/// Kills a program under load again and again. What it acknowledged is there, and counted once.
async fn kill_under_load(backend: Backend, kills: usize) {
    let Some(place) = Place::new(backend, 4, Limit::Unlimited).await else { return };
    let next = Arc::new(AtomicU64::new(0));
    let (mut acknowledged, mut unanswered) = (BTreeMap::new(), Vec::new());
    let (mut slowest, mut cut_off, mut repeated) = (Duration::ZERO, 0, 0_usize);
    for round in 0..=kills {
        let server = place.serve().await;
        slowest = slowest.max(server.ready_after);
        assert!(server.ready_after < READY_WITHIN, "ready after {:?}", server.ready_after);
        let is_last = round == kills;
        let stop = Arc::new(AtomicBool::new(is_last));
        // What is unknown is asked again; and some of what is known, which must not count twice.
        let mut again: Vec<Vec<_>> = vec![Vec::new(); CLIENTS];
        let known = acknowledged.iter().rev().take(50).map(|(key, user)| (*key, *user)).collect::<Vec<_>>();
        repeated += known.len();
        for (number, call) in unanswered.drain(..).chain(known).enumerate() {
            again[number % CLIENTS].push(call);
        }
        let begun = next.load(Ordering::Relaxed);
        let mut clients = JoinSet::new();
        for again in again {
            let (address, token, users) = (server.address.clone(), place.token.clone(), place.users.clone());
            clients.spawn(load(address, token, users, next.clone(), stop.clone(), again));
        }
        if !is_last {
            // At another moment each time, and under load however slow the machine is.
            let chance: [u8; 1] = place.env.random.bytes();
            tokio::time::sleep(Duration::from_millis(150 + 2 * u64::from(chance[0]))).await;
            while next.load(Ordering::Relaxed) < begun + CALLS_BEFORE_A_KILL {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(server);
        }
        for log in clients.join_all().await {
            acknowledged.extend(log.acknowledged);
            cut_off += log.unanswered.len();
            unanswered.extend(log.unanswered);
        }
        let (used, sure) = (place.used().await, u64::try_from(acknowledged.len()).unwrap());
        let open = u64::try_from(unanswered.len()).unwrap();
        assert!((sure..=sure + open).contains(&used), "{sure} acknowledged, {open} unknown, {used} counted");
        place.assert_sound().await;
    }
    let all = next.load(Ordering::Relaxed);
    eprintln!(
        "{backend:?}: killed {kills} times: {all} calls, {cut_off} cut off and asked again, {repeated} asked twice; \
         ready again within {} ms",
        slowest.as_millis()
    );
    assert!(unanswered.is_empty());
    // Every call was acknowledged in the end, under one key, and counted once.
    assert_eq!(u64::try_from(acknowledged.len()).unwrap(), all);
    assert_eq!(place.used().await, all);
    assert!(all >= CALLS_BEFORE_A_KILL * u64::try_from(kills).unwrap(), "only {all} calls: that was no load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_let_pass_as_many_as_fit_on_sqlite() {
    race_two_programs(Backend::Sqlite, 600, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_let_pass_as_many_as_fit_on_postgres() {
    race_two_programs(Backend::Postgres, 3_000, 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_killed_loses_and_doubles_nothing_on_sqlite() {
    kill_under_load(Backend::Sqlite, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_killed_loses_and_doubles_nothing_on_postgres() {
    kill_under_load(Backend::Postgres, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn of_50000_calls_to_two_programs_exactly_10000_pass() {
    race_two_programs(Backend::Postgres, 50_000, 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn of_5000_calls_to_two_programs_on_one_file_exactly_1000_pass() {
    race_two_programs(Backend::Sqlite, 5_000, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn twenty_kills_lose_and_double_nothing_on_sqlite() {
    kill_under_load(Backend::Sqlite, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn twenty_kills_lose_and_double_nothing_on_postgres() {
    kill_under_load(Backend::Postgres, 20).await;
}
