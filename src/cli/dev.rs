//! `dev`: everything on one machine, with nothing else installed.

mod welcome;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use livekit_keyd_core::duration;
use livekit_keyd_core::phase::Phase;
use serde_json::json;

use super::context::{Context, accepted, fetch};
use super::exit::{Exit, Failure};
use super::screen::{print, remark};
use super::sockets::DEV_FOLDER;
use crate::api::report::Status;
use crate::client::{Client, SocketKind};
use crate::config::Config;
use crate::config::dev::Dev;
use crate::{clock, runtime};

/// The one keyset that `dev` has.
const KEYSET: &str = "default";
/// How often the daemon that starts beside is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Where metrics are served when nobody says where.
const USUAL_METRICS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7899));

/// What `dev` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "DIR gets the sockets sign.sock and admin.sock, keys.yaml for LiveKit, the configuration keyd.toml, which `run` takes too, and the store. A second start goes on with the keys that are there; keyd.toml is written anew each time. Whoever runs it may sign anything."
)]
pub struct Options {
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = DEV_FOLDER)]
    pub dir: PathBuf,
    /// Rotate by itself, this often; tokens live shorter to fit [default: on command only]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub rotate_every: Option<Duration>,
    /// Serve metrics at this address [default: 127.0.0.1:7899]
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Ask the livekit-server at this address which keys it knows, like http://127.0.0.1:7880 [default: ask none]
    #[arg(long, value_name = "URL")]
    pub livekit: Option<String>,
    /// Restart it with this shell command when it is to read its keys anew
    #[arg(long, value_name = "CMD", requires = "livekit")]
    pub restart: Option<String>,
}

/// Runs the command, on threads of its own: not within another runtime.
///
/// # Errors
/// What stands in the way of the folder or the daemon.
pub fn run(_: &Context, options: Options) -> Result<Exit, Failure> {
    let dir = options.dir.as_path();
    folder(dir)?;
    let admin = dir.join(SocketKind::Admin.file_name());
    if UnixStream::connect(&admin).is_ok() {
        return Err(Failure::failed(format!(
            "a daemon runs in {} already: use it, end it, or give another folder with --dir",
            dir.display()
        )));
    }
    folder(&dir.join("state"))?;
    let config = configure(dir, &options)?;
    let (dir, rotates) = (dir.to_owned(), options.rotate_every.is_some());
    let greeter = move || {
        let said = greet(&dir, rotates);
        if let Err(failure) = said {
            remark(&format!("livekit-keyd: the first key cannot be made: {}", failure.message));
        }
    };
    // It ends with the greeting, or with the process.
    std::thread::Builder::new()
        .name("welcome".to_owned())
        .spawn(greeter)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
    // Who looks around knows that this is not for others.
    runtime::run(config, &[]).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Exit::Fine)
}

/// Writes keyd.toml anew, since this start's options count, and reads it as `run` would.
fn configure(dir: &Path, options: &Options) -> Result<Config, Failure> {
    let dev = Dev {
        uid: rustix::process::getuid().as_raw(),
        revision: clock::now().as_millis().unsigned_abs(),
        rotate_every: options.rotate_every,
        metrics: options.metrics.or_else(another_address),
        livekit: options.livekit.clone(),
        restart: options.restart.clone(),
    };
    let text = dev.text().map_err(|error| Failure::misuse(format!("--rotate-every: {error}")))?;
    let path = dir.join("keyd.toml");
    std::fs::write(&path, text)
        .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))?;
    Config::load(&path).map_err(|errors| Failure::misuse(errors.to_string()))
}

/// Another address for metrics, where the usual one is taken: a look around needs no particular port.
fn another_address() -> Option<SocketAddr> {
    let free = |address: SocketAddr| TcpListener::bind(address).and_then(|listener| listener.local_addr());
    if free(USUAL_METRICS).is_ok() {
        return None;
    }
    let address = free(SocketAddr::from((USUAL_METRICS.ip(), 0))).ok()?;
    remark(&format!("{USUAL_METRICS} is taken: metrics are served at {address}"));
    Some(address)
}

/// Makes the keyset once the daemon listens, and says what to try.
fn greet(dir: &Path, rotates: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(error.to_string()))?;
    let key = runtime.block_on(first_key(dir))?;
    print(&welcome::text(&welcome::program(), dir, &key, rotates))
}

/// Makes a folder that nobody else can look into, or takes one that is.
fn folder(path: &Path) -> Result<(), Failure> {
    let failed =
        |what: &str, error: std::io::Error| Failure::failed(format!("{} {what}: {error}", path.display()));
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("cannot be made", error)),
    }
    let there = std::fs::metadata(path).map_err(|error| failed("cannot be looked at", error))?;
    let own = there.uid() == rustix::process::getuid().as_raw();
    if there.is_dir() && own && there.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} is there already and is not a folder of yours that only you can read: remove it, make it so with chmod 700, or give another with --dir",
        path.display()
    )))
}

/// Makes the keyset once the daemon listens, and tells the key of the first token that can be signed.
async fn first_key(folder: &Path) -> Result<String, Failure> {
    let admin = Client::new(SocketKind::Admin, folder.join(SocketKind::Admin.file_name()));
    let init = loop {
        match admin.post(&super::operate::keyset_path(KEYSET, "init"), &json!({})).await {
            Err(error) if error.may_come() => tokio::time::sleep(LOOK).await,
            answered => break answered?,
        }
    };
    accepted(init)?;
    loop {
        let (_, status) = fetch::<Status>(&admin, "/v1/status").await?;
        let keyset = status.keysets.iter().find(|keyset| keyset.name == KEYSET && keyset.unusable.is_none());
        let key =
            keyset.and_then(|keyset| keyset.keys.iter().find(|key| key.phase == Phase::Active.as_str()));
        if let Some(key) = key {
            return Ok(key.id.clone());
        }
        tokio::time::sleep(LOOK).await;
    }
}
