//! The three listeners: bound before anything else starts, so that a taken socket ends the start and nothing more.

use std::net::SocketAddr;
use std::sync::Arc;

use prometheus::IntGaugeVec;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::admin::{Admin, Operator};
use crate::api::peer::Peer;
use crate::api::server::{Handler, Limits, Server};
use crate::api::sign::SignApi;
use crate::api::socket::{BoundSocket, SocketPlace};
use crate::api::telemetry::Telemetry;
use crate::api::workers::Workers;
use crate::config::Config;

/// Connections of operators and scrapers at a time, which need no setting.
const FEW_CONNECTIONS: usize = 64;
/// The largest body that an operator sends, in bytes.
const OPERATORS_BODY: usize = 64 * 1024;

/// Bound, and not served yet.
pub(super) struct Listeners {
    sign: Option<(UnixListener, BoundSocket)>,
    admin: (UnixListener, BoundSocket),
    telemetry: Option<TcpListener>,
    sign_limits: Limits,
    few: Limits,
    workers: Option<Workers>,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Listeners, String> {
        let sign_limits = config.sign.limits;
        Ok(Listeners {
            sign: config.role.signs().then(|| unix(&config.sign.socket)).transpose()?,
            admin: unix(&config.admin)?,
            telemetry: match config.metrics {
                Some(address) => Some(tcp(address).await?),
                None => None,
            },
            workers: config
                .role
                .signs()
                .then(|| Workers::start("sign"))
                .transpose()
                .map_err(|error| error.to_string())?,
            sign_limits,
            few: Limits { max_connections: FEW_CONNECTIONS, max_body: OPERATORS_BODY, ..sign_limits },
        })
    }

    /// Starts to serve. What is returned keeps the sockets' files until it is dropped.
    pub(super) fn serve(
        self,
        tasks: &mut JoinSet<()>,
        sign: SignApi,
        admin: Admin,
        telemetry: Telemetry,
        connections: &IntGaugeVec,
        stop: &watch::Receiver<bool>,
    ) -> Vec<BoundSocket> {
        fn server<H: Handler>(
            handler: H,
            limits: Limits,
            name: &str,
            connections: &IntGaugeVec,
        ) -> (Arc<H>, Server<H>) {
            let handler = Arc::new(handler);
            let connections = connections.with_label_values(&[name]);
            (Arc::clone(&handler), Server { handler, limits, connections, workers: None })
        }
        let mut kept = Vec::new();
        if let Some((listener, bound)) = self.sign {
            let (handler, server) = server(sign, self.sign_limits, "sign", connections);
            if let (Some(trail), Some(workers)) = (&handler.recorder.trail, &self.workers) {
                trail.write_on(workers.handle());
            }
            let server = Server { workers: self.workers, ..server };
            let stop = stop.clone();
            let know =
                move |stream: &tokio::net::UnixStream| Peer::of(stream).map(|peer| handler.connection(peer));
            tasks.spawn(async move { server.serve(listener, know, stop).await });
            kept.push(bound);
        }
        let (listener, bound) = self.admin;
        let (_, server_for_admin) = server(admin, self.few, "admin", connections);
        let know = |stream: &tokio::net::UnixStream| Peer::of(stream).map(|peer| Operator::new(&peer));
        let stop_admin = stop.clone();
        tasks.spawn(async move { server_for_admin.serve(listener, know, stop_admin).await });
        kept.push(bound);
        if let Some(listener) = self.telemetry {
            let (_, server) = server(telemetry, self.few, "telemetry", connections);
            let stop = stop.clone();
            tasks.spawn(async move { server.serve(listener, |_| Ok(()), stop).await });
        }
        kept
    }
}

fn unix(place: &SocketPlace) -> Result<(UnixListener, BoundSocket), String> {
    let (listener, bound) = place.bind().map_err(|error| error.to_string())?;
    let listener = UnixListener::from_std(listener).map_err(|error| error.to_string())?;
    Ok((listener, bound))
}

async fn tcp(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address} for metrics: {error}; choose another address in [metrics] listen")
    })
}
