//! One question to one node: does it take tokens of this key?
//!
//! A connection serves one question, so that the answer comes from what listens
//! now, and not from a process that is about to end.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Verdict;
use livekit_keyd_core::secret::Secret;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{Meaning, clock_difference, of_list_rooms, of_validate};
use super::lookup::Found;
use super::moment::Moment;
use super::source::Endpoint;
use super::trouble::Trouble;
use super::{FleetSettings, token};
use crate::random;

/// The most questions under way at a time.
const AT_A_TIME: usize = 64;
/// The most that is read of an answer: its first words say which one it is.
const MOST_OF_A_BODY: usize = 4096;

/// Asks nodes.
pub(super) struct Prober {
    client: Client,
    timeout: Duration,
    permits: Semaphore,
    names: Arc<Names>,
}

/// A node's answer.
pub(super) struct Heard {
    /// What it makes of the key.
    pub(super) verdict: Verdict,
    /// When the question was sent.
    pub(super) asked: Moment,
    /// By how much its clock differs at least, if it said so.
    pub(super) clock_difference: Option<Duration>,
}

/// An answer as it came.
struct Reply {
    status: u16,
    body: Vec<u8>,
    clock_difference: Option<Duration>,
}

impl Prober {
    pub(super) fn new(settings: &FleetSettings) -> Result<Prober, reqwest::Error> {
        let names = Arc::<Names>::default();
        let mut builder = Client::builder()
            .tls_backend_rustls()
            .http1_only()
            // A node answers for itself, at its own address.
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::clone(&names));
        if !settings.endpoints().any(Endpoint::is_https) {
            // Spares reading the system's certificates, which nobody will need.
            builder = builder.tls_certs_only(Vec::new());
        }
        Ok(Prober {
            client: builder.build()?,
            timeout: settings.probe_timeout,
            permits: Semaphore::new(AT_A_TIME),
            names,
        })
    }

    /// Where the host of a node is, or why nobody knows.
    pub(super) fn learn(&self, endpoint: &Endpoint, found: Found) {
        let Some((host, _)) = endpoint.name() else { return };
        // The port is the question's, which is what 0 stands for.
        let anywhere = |place: SocketAddr| SocketAddr::new(place.ip(), 0);
        let found = found.map(|places| places.into_iter().map(anywhere).collect());
        self.names.lock().insert(host.to_owned(), found);
    }

    /// What a node makes of a key. What comes after the timeout is no answer.
    pub(super) async fn ask(
        &self,
        endpoint: &Endpoint,
        id: &KeyId,
        secret: &Secret,
    ) -> Result<Heard, Trouble> {
        if let Some((host, port)) = endpoint.name() {
            self.names.check(host, port)?;
        }
        // Never closed, so never an error.
        let _permit = self.permits.acquire().await;
        let asked = Moment::now();
        let answer = timeout(self.timeout, self.exchange(endpoint, id, secret, asked));
        let (verdict, clock_difference) = answer.await.unwrap_or_else(|_| {
            Err(Trouble::Silent(format!("it does not answer within {}", duration::format(self.timeout))))
        })?;
        Ok(Heard { verdict, asked, clock_difference })
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        id: &KeyId,
        secret: &Secret,
        now: Moment,
    ) -> Result<(Verdict, Option<Duration>), Trouble> {
        let room = random::nonce();
        let token = token::worthless(id, secret, &room, now.wall()).map_err(|error| {
            Trouble::Silent(format!("it cannot be asked, as no token can be signed: {error}"))
        })?;
        let validate = self.client.get(endpoint.at("/rtc/validate"));
        let reply = send(validate, &token).await?;
        let first = reply.status;
        match of_validate(reply.status, &reply.body) {
            Meaning::Verdict(verdict) => return Ok((verdict, reply.clock_difference)),
            Meaning::Stripped => return Err(Trouble::stripped()),
            Meaning::Other => {}
        }
        // Another version may answer otherwise there; this call is older, and the token may not make it.
        let list = self.client.post(endpoint.at("/twirp/livekit.RoomService/ListRooms"));
        let body = format!("{{\"names\":[\"{room}\"]}}");
        let reply = send(list.header(CONTENT_TYPE, "application/json").body(body), &token).await?;
        match of_list_rooms(reply.status, &reply.body) {
            Meaning::Verdict(verdict) => Ok((verdict, reply.clock_difference)),
            Meaning::Stripped | Meaning::Other => Err(Trouble::no_livekit(first, reply.status)),
        }
    }
}

async fn send(request: RequestBuilder, token: &str) -> Result<Reply, Trouble> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Trouble::Silent("it cannot be asked, as no header holds this token".to_owned()))?;
    bearer.set_sensitive(true);
    let sent = Moment::now();
    let mut response = request.header(AUTHORIZATION, bearer).send().await.map_err(no_answer)?;
    let round_trip = sent.age(Moment::now()) + Duration::from_millis(1);
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let clock_difference = date.and_then(|date| clock_difference(date, sent.wall(), round_trip));
    let mut body = Vec::new();
    while body.len() < MOST_OF_A_BODY {
        let Some(chunk) = response.chunk().await.map_err(no_answer)? else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(MOST_OF_A_BODY - body.len())]);
    }
    Ok(Reply { status: response.status().as_u16(), body, clock_difference })
}

/// Why no answer came, by the innermost reason, in the words of the system: what is around it repeats the address.
fn no_answer(error: reqwest::Error) -> Trouble {
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let sentence = format!("it does not answer: {innermost}");
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if innermost.downcast_ref().is_some_and(refused) {
        Trouble::Gone(sentence)
    } else {
        Trouble::Silent(sentence)
    }
}

/// Where hosts are. They are looked up beside the questions: a name server that hangs must not hold them up.
#[derive(Default)]
struct Names(Mutex<Places>);

type Places = BTreeMap<String, Found>;

impl Names {
    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a host is the address of one node, as far as its name tells.
    fn check(&self, host: &str, port: u16) -> Result<(), Trouble> {
        let names = self.lock();
        match names.get(host) {
            None => Err(Trouble::Silent("its name is being looked up".to_owned())),
            Some(Err(why)) => Err(Trouble::Silent(format!("its name gives no address: {why}"))),
            Some(Ok(places)) => {
                let fours = places.iter().filter(|place| place.is_ipv4()).count();
                // One of each family may well be one machine.
                if fours > 1 || places.len() - fours > 1 {
                    return Err(Trouble::Odd(format!(
                        "its name gives several addresses, and one of them would answer for all: write \"dns:{host}:{port}\", or name each node by an address of its own"
                    )));
                }
                Ok(())
            }
        }
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.lock().get(name.as_str()).cloned();
        Box::pin(async move {
            let found = found.unwrap_or_else(|| Err("it is being looked up".to_owned()))?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
