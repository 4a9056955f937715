//! Accepts connections, and lets none of them hold a place for nothing.
//!
//! `axum::serve` 0.8 sets no timer, so that a client may take forever over its first line (the
//! attack called Slowloris); hence this loop of our own. HTTP/2 and TLS are the proxy's business.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::{
    body::Incoming,
    rt::{self, Timer},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Sleep,
};
use tower::Service;

use crate::config::ServerConfig;

/// The most bytes of a request's head; above it hyper answers 431.
const HEADER_LIMIT: usize = 32 * 1024;
/// How long to wait when no connection can be accepted, for example for want of file descriptors.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Serves `router` on `listener` until `shutdown` is done, then lets requests under way finish for
/// `limits.shutdown_timeout` and cuts off what is left.
///
/// Handlers find the other end of the connection as `ConnectInfo<SocketAddr>`. A connection is
/// closed when a head takes longer than `header_timeout`, when it is idle as long, or when its
/// client reads nothing of an answer for `body_timeout`.
pub async fn serve(listener: TcpListener, router: Router, limits: &ServerConfig, shutdown: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.header_read_timeout(limits.header_timeout).max_header_size(HEADER_LIMIT);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer, place) = tokio::select! {
            () = &mut shutdown => break,
            // Only to forget those that are done.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            // A router is always ready.
            router.clone().call(request)
        });
        let stream = Impatient { stream, patience: limits.body_timeout, waiting: None };
        let mut http = http.clone();
        http.timer(OneAlarm::default());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                // Browsers hang up and scanners talk nonsense: nothing to look after.
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests did not finish in time and are cut off");
    }
    connections.shutdown().await;
}

/// Waits for a free place, then for a client.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                prepare(&stream);
                return (stream, peer, place);
            }
            Err(error) if is_fault_of_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Sends small writes at once: a streamed page would otherwise wait 40 ms for a delayed ACK.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
}

fn is_fault_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A stream that gives up when the other end takes nothing for too long: hyper limits only how long
/// it waits for a head.
struct Impatient {
    stream: TcpStream,
    patience: Duration,
    /// Runs since the other end stopped taking.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn watch<T>(&mut self, context: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.waiting = None;
            return progress;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The timer of one connection, which has one alarm only.
///
/// hyper asks for a new one for each head and throws it away when the head has come. To set and to
/// drop an alarm takes a lock that all connections share; to move one that is set already, to a
/// later time, takes none.
#[derive(Default, Clone)]
struct OneAlarm(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl OneAlarm {
    fn swap(&self, alarm: Option<Pin<Box<Sleep>>>) -> Option<Pin<Box<Sleep>>> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), alarm)
    }
}

impl Timer for OneAlarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let alarm = match self.swap(None) {
            Some(mut alarm) => {
                alarm.as_mut().reset(deadline.into());
                alarm
            }
            None => Box::pin(tokio::time::sleep_until(deadline.into())),
        };
        Box::pin(LentAlarm { alarm: Some(alarm), home: self.clone() })
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

/// An alarm that goes back when it is no longer needed.
struct LentAlarm {
    /// There until it is dropped.
    alarm: Option<Pin<Box<Sleep>>>,
    home: OneAlarm,
}

impl rt::Sleep for LentAlarm {}

impl Future for LentAlarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.alarm.as_mut().map_or(Poll::Ready(()), |alarm| alarm.as_mut().poll(context))
    }
}

impl Drop for LentAlarm {
    fn drop(&mut self) {
        self.home.swap(self.alarm.take());
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use axum::{body::Bytes, body::HttpBody, routing::get};
    use hyper::body::Frame;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::{Notify, oneshot},
        task::JoinHandle,
    };

    use super::*;
    use crate::config::Config;

    const BRIEF: Duration = Duration::from_millis(50);
    const ENDLESS: Duration = Duration::from_secs(3600);

    fn limits() -> ServerConfig {
        let mut limits = Config::load(None, std::iter::empty()).expect("the defaults").server;
        (limits.header_timeout, limits.body_timeout) = (ENDLESS, ENDLESS);
        limits
    }

    async fn start(router: Router, limits: ServerConfig) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let told = async {
                if stopped.await.is_err() {
                    future::pending::<()>().await;
                }
            };
            serve(listener, router, &limits, told).await;
        });
        (address, stop, server)
    }

    async fn connect(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(address).await.expect("a connection");
        client.write_all(bytes).await.expect("sent");
        client
    }

    /// Reads until the server closes.
    async fn rest(mut client: TcpStream) -> String {
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.expect("closed in order");
        String::from_utf8(text).expect("text")
    }

    #[tokio::test]
    async fn half_a_head_is_not_waited_for() {
        let limits = ServerConfig { header_timeout: BRIEF, ..limits() };
        let (address, ..) = start(Router::new(), limits).await;
        let client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n").await;
        assert!(!rest(client).await.contains(" 200 "));
    }

    #[tokio::test]
    async fn silence_is_not_waited_for_before_or_after_a_request() {
        let limits = ServerConfig { header_timeout: BRIEF, ..limits() };
        let (address, ..) = start(Router::new().route("/", get(|| async { "page" })), limits).await;
        assert_eq!(rest(connect(address, b"").await).await, "");
        let client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        assert!(rest(client).await.ends_with("page"));
    }

    #[tokio::test]
    async fn an_answer_may_take_longer_than_a_head() {
        let slow = || async {
            tokio::time::sleep(2 * BRIEF).await;
            "page"
        };
        let limits = ServerConfig { header_timeout: BRIEF, ..limits() };
        let (address, ..) = start(Router::new().route("/", get(slow)), limits).await;
        let mut client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"page") {
            assert_ne!(client.read_buf(&mut answer).await.expect("an answer"), 0, "closed too early");
        }
        // The time for the next head begins now, whatever the first one took.
        client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("sent");
        assert!(rest(client).await.ends_with("page"), "answered, and closed when nothing followed");
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_cut_off() {
        let limits = ServerConfig { body_timeout: BRIEF, ..limits() };
        let (dropped, was_dropped) = oneshot::channel::<()>();
        let body = Arc::new(Mutex::new(Some(Flood(dropped))));
        let flood =
            move || future::ready(Body::new(body.lock().expect("not poisoned").take().expect("asked for once")));
        let (address, ..) = start(Router::new().route("/", get(flood)), limits).await;
        let _client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        assert!(was_dropped.await.is_err(), "nothing was sent, the sender was dropped");
    }

    /// A body without end.
    struct Flood(#[expect(dead_code, reason = "its drop is what the test waits for")] oneshot::Sender<()>);

    impl HttpBody for Flood {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 65536])))))
        }
    }

    #[tokio::test]
    async fn handlers_know_the_peer_and_sockets_do_not_dawdle() {
        let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let (address, ..) = start(Router::new().route("/", get(peer)), limits()).await;
        let client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await;
        let own = client.local_addr().expect("an address").to_string();
        assert!(rest(client).await.ends_with(&own));

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = connect(listener.local_addr().expect("an address"), b"");
        let places = Arc::new(Semaphore::new(1));
        let ((stream, ..), _client) = tokio::join!(accept(&listener, &places), client);
        assert!(stream.nodelay().expect("an option of the socket"));
    }

    #[tokio::test]
    async fn the_next_client_waits_for_a_place() {
        let limits = ServerConfig { max_connections: 1, ..limits() };
        let (address, ..) = start(Router::new().route("/", get(|| async { "page" })), limits).await;
        let mut first = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        let mut start_of_answer = [0; 12];
        first.read_exact(&mut start_of_answer).await.expect("an answer");
        let second = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await;
        let mut second = tokio::spawn(rest(second));
        assert!(tokio::time::timeout(BRIEF, &mut second).await.is_err(), "there is one place only");
        drop(first);
        assert!(second.await.expect("no panic").ends_with("page"));
    }

    #[tokio::test]
    async fn requests_under_way_finish_before_the_end() {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (arrived, go_on) = (arrived.clone(), go_on.clone());
            move || async move {
                arrived.notify_one();
                go_on.notified().await;
                "finished"
            }
        };
        let (address, stop, server) = start(Router::new().route("/", get(slow)), limits()).await;
        let idle = connect(address, b"").await;
        let client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        arrived.notified().await;
        stop.send(()).expect("the server runs");
        assert_eq!(rest(idle).await, "");
        assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
        go_on.notify_one();
        assert!(rest(client).await.ends_with("finished"));
        server.await.expect("no panic");
    }

    #[tokio::test]
    async fn what_does_not_finish_is_cut_off() {
        let arrived = Arc::new(Notify::new());
        let stuck = {
            let arrived = arrived.clone();
            move || async move {
                arrived.notify_one();
                future::pending::<()>().await;
            }
        };
        let limits = ServerConfig { shutdown_timeout: BRIEF, ..limits() };
        let (address, stop, server) = start(Router::new().route("/", get(stuck)), limits).await;
        let client = connect(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        arrived.notified().await;
        stop.send(()).expect("the server runs");
        server.await.expect("no panic");
        assert_eq!(rest(client).await, "");
    }
}
