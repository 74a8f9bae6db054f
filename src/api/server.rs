//! One HTTP/1.1 server for all sockets: its limits, and its end.
//!
//! hyper is used directly. A request is handled on its connection's task; what the
//! handler knows of a connection is resolved when it begins.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::IntGauge;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::answer::{self, Answer};
use super::connections::{Activity, OpenConnections};
use super::stream::{Accept, Ending, Stream};
use super::workers::Workers;

/// What a server bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub max_connections: usize,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// How long a connection may idle, or take to send a request's head.
    pub idle_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long connections may go on after the stop.
    pub drain_timeout: Duration,
}

/// Answers requests. One value serves all connections; what it resolves for one is its `Connection`.
pub trait Handler: Send + Sync + 'static {
    /// What is known of a connection.
    type Connection: Send + Sync + 'static;

    /// Answers one request.
    fn answer(
        &self,
        connection: &Self::Connection,
        head: &hyper::http::request::Parts,
        body: &[u8],
    ) -> impl Future<Output = Answer> + Send;

    /// The largest body of a path, in bytes.
    fn max_body(&self, _path: &str, usual: usize) -> usize {
        usual
    }
}

/// Serves connections until told to stop, then lets those under way come to their end.
pub struct Server<H: Handler> {
    /// Who answers.
    pub handler: Arc<H>,
    /// What is borne.
    pub limits: Limits,
    /// How many connections are open.
    pub connections: IntGauge,
    /// Who serves connections; without, it is the runtime that accepts them.
    pub workers: Option<Workers>,
}

/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// How long somebody who finds no place may take to read that.
const FAREWELL: Duration = Duration::from_millis(100);

impl<H: Handler> Server<H> {
    /// Serves until told to stop. `know` resolves a connection, or refuses it.
    pub async fn serve<L: Accept>(
        self,
        listener: L,
        know: impl Fn(&L::Stream) -> std::io::Result<H::Connection> + Send,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut open = OpenConnections::new(self.limits.idle_timeout, self.connections.clone());
        let here = Handle::current();
        let mut tick = tokio::time::interval(open.tick());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted,
                () = open.one_has_ended() => continue,
                _ = tick.tick() => {
                    open.close_idle();
                    continue;
                }
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match stream {
                Ok(stream) => self.take(stream, &know, &mut open, &here).await,
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    // Most likely out of file descriptors: some must close first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        let end = async {
            // Who was let in before the stop is answered, accepted or not.
            for stream in listener.last() {
                self.take(stream, &know, &mut open, &here).await;
            }
            drop(listener);
            open.drain().await;
        };
        if tokio::time::timeout(self.limits.drain_timeout, end).await.is_err() {
            tracing::warn!("{} connections did not end within drain_timeout and are cut", open.len());
        }
    }

    /// Begins to serve a connection, if there is a place.
    async fn take<S: Stream>(
        &self,
        mut stream: S,
        know: &(impl Fn(&S) -> std::io::Result<H::Connection> + Send),
        open: &mut OpenConnections,
        here: &Handle,
    ) {
        if open.len() >= self.limits.max_connections {
            // Nearly always the socket has room for it; nobody waits for one who does not read.
            let farewell = too_many(self.limits.max_connections);
            let _ = tokio::time::timeout(FAREWELL, stream.write_all(&farewell)).await;
            return;
        }
        let Ok(connection) = know(&stream) else { return };
        let (runtime, stream) = match &self.workers {
            None => (here, Ok(stream)),
            Some(workers) => {
                let runtime = workers.handle();
                (runtime, stream.move_to(runtime))
            }
        };
        let Ok(stream) = stream else { return };
        let (handler, limits) = (Arc::clone(&self.handler), self.limits);
        open.add(runtime, |ends, activity| serve_one(handler, connection, stream, limits, ends, activity));
    }
}

/// A whole answer for a connection that is not served.
fn too_many(most: usize) -> Vec<u8> {
    let detail =
        format!("{most} connections are open, as many as max_connections allows: try again, or keep fewer");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let body = answer::problem_json(status, "too-many-connections", &detail, "");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

async fn serve_one<H: Handler, S: Stream>(
    handler: Arc<H>,
    connection: H::Connection,
    stream: S,
    limits: Limits,
    ends: oneshot::Receiver<()>,
    activity: Arc<Activity>,
) {
    let (handler, connection, activity) = (&*handler, &connection, &*activity);
    let service = service_fn(move |request| async move {
        activity.begins();
        let answer = respond(handler, connection, request, limits).await;
        activity.ends();
        Ok::<_, std::convert::Infallible>(answer)
    });
    let mut builder = http1::Builder::new();
    // The other end is on this machine and has the same clock.
    builder.auto_date_header(false).max_buf_size(LARGEST_HEAD).max_header_size(LARGEST_HEAD).writev(false);
    // Who ends its own input still waits for the answer, and so do we when we end it at a stop.
    builder.half_close(true);
    let no_more_input = AtomicBool::new(false);
    let stream = TokioIo::new(Ending::new(stream, &no_more_input));
    let mut served = std::pin::pin!(builder.serve_connection(stream, service));
    tokio::select! {
        biased;
        // A connection that ends badly is its client's affair.
        _ = served.as_mut() => return,
        _ = ends => {}
    }
    if activity.is_idle() {
        // The next request may lie in the socket already: hyper would close over it.
        no_more_input.store(true, Ordering::Relaxed);
    } else {
        served.as_mut().graceful_shutdown();
    }
    let _ = served.await;
}

async fn respond<H: Handler>(
    handler: &H,
    connection: &H::Connection,
    request: Request<Incoming>,
    limits: Limits,
) -> Answer {
    let (head, body) = request.into_parts();
    let most = handler.max_body(head.uri.path(), limits.max_body);
    let mut reading = std::pin::pin!(read(body, most));
    // The body has nearly always come with the head: then no timer is made.
    let body = match poll_once(reading.as_mut()).await {
        Some(body) => Ok(body),
        None => tokio::time::timeout(limits.body_timeout, reading).await,
    };
    match body {
        Ok(Ok(body)) => handler.answer(connection, &head, &body).await,
        Ok(Err(refusal)) => refusal,
        Err(_) => closing(answer::problem(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the request's body did not arrive in time",
            "",
        )),
    }
}

/// What a future gives at once, if anything.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A body whole, nearly always in one piece, which is not copied then.
async fn read(mut body: Incoming, most: usize) -> Result<Bytes, Answer> {
    if body.size_hint().lower() > most as u64 {
        return Err(too_large(most));
    }
    let mut first: Option<Bytes> = None;
    let mut whole: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame.map(|frame| frame.into_data().unwrap_or_default()) else {
            let detail = "the request's body broke off";
            return Err(closing(answer::problem(StatusCode::BAD_REQUEST, "malformed", detail, "")));
        };
        if whole.len() + first.as_ref().map_or(0, Bytes::len) + frame.len() > most {
            return Err(too_large(most));
        }
        match first.take() {
            None if whole.is_empty() => first = Some(frame),
            None => whole.extend_from_slice(&frame),
            Some(before) => {
                whole.extend_from_slice(&before);
                whole.extend_from_slice(&frame);
            }
        }
    }
    Ok(first.unwrap_or_else(|| Bytes::from(whole)))
}

fn too_large(most: usize) -> Answer {
    let detail = format!("the body is larger than {most} bytes");
    closing(answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", &detail, ""))
}

/// The rest of the request is not read, so nothing can follow it on this connection.
fn closing(mut answer: hyper::Response<Full<Bytes>>) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
