//! What every command is given beside its own options.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exit::Failure;
use super::screen::{Screen, remark};
use super::sockets;
use crate::api::report::Status;
use crate::client::{Answer, Client, SocketKind};
use crate::config::Config;

/// Options that stand before or after any command.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// The configuration file
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "FILE",
        env = "LIVEKIT_KEYD_CONFIG"
    )]
    pub config: Option<PathBuf>,
    /// The signing socket [default: ./livekit-keyd-dev/sign.sock if `dev` made one here, else /run/livekit-keyd/sign.sock]
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "PATH",
        env = "LIVEKIT_KEYD_SOCKET"
    )]
    pub socket: Option<PathBuf>,
    /// The admin socket [default: ./livekit-keyd-dev/admin.sock if `dev` made one here, else /run/livekit-keyd/admin.sock]
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "PATH",
        env = "LIVEKIT_KEYD_ADMIN_SOCKET"
    )]
    pub admin_socket: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
}

/// The options, and where the output goes.
#[derive(Debug)]
pub struct Context {
    /// As given.
    pub globals: Globals,
    /// Standard output.
    pub screen: Screen,
}

impl Context {
    /// For these options and this process's standard output.
    pub fn new(globals: Globals) -> Context {
        Context { globals, screen: Screen::of_stdout() }
    }

    /// Where the configuration is.
    ///
    /// # Errors
    /// Nobody said so.
    pub fn config_path(&self) -> Result<&Path, Failure> {
        self.globals.config.as_deref().ok_or_else(|| {
            Failure::misuse("this needs a configuration: name it with --config FILE or LIVEKIT_KEYD_CONFIG")
        })
    }

    /// The configuration.
    ///
    /// # Errors
    /// Nobody said where it is, or everything that is wrong in it.
    pub fn config(&self) -> Result<Config, Failure> {
        Config::load(self.config_path()?)
            .map_err(|errors| Failure::misuse(format!("the configuration has mistakes\n{errors}")))
    }

    /// The daemon's admin socket.
    ///
    /// # Errors
    /// A configuration is named and cannot be read.
    pub fn admin(&self) -> Result<Client, Failure> {
        self.client(SocketKind::Admin, true)
    }

    /// The daemon's signing socket.
    ///
    /// # Errors
    /// As [`Context::admin`].
    pub fn signing(&self) -> Result<Client, Failure> {
        self.client(SocketKind::Signing, true)
    }

    /// A socket; `aloud` tells a person which one was taken when nobody named it.
    ///
    /// # Errors
    /// As [`Context::admin`].
    pub fn client(&self, kind: SocketKind, aloud: bool) -> Result<Client, Failure> {
        let option = match kind {
            SocketKind::Signing => &self.globals.socket,
            SocketKind::Admin => &self.globals.admin_socket,
        };
        let named = match (option, &self.globals.config) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(_)) => {
                let config = self.config()?;
                Some(match kind {
                    SocketKind::Signing => config.sign.socket.path,
                    SocketKind::Admin => config.admin.path,
                })
            }
            (None, None) => None,
        };
        let uid = rustix::process::getuid().as_raw();
        let found = sockets::find(kind, named.as_deref(), &std::env::current_dir().unwrap_or_default(), uid);
        if found.by_chance && aloud && self.screen.terminal {
            remark(&format!("(asking the dev daemon of this folder, {})", found.path.display()));
        }
        Ok(Client::new(kind, found.path))
    }

    /// Whether anybody listens on the admin socket.
    ///
    /// # Errors
    /// As [`Context::admin`].
    pub fn daemon_listens(&self) -> Result<bool, Failure> {
        Ok(std::os::unix::net::UnixStream::connect(self.admin()?.path()).is_ok())
    }

    /// What the daemon says of itself.
    ///
    /// # Errors
    /// Why it says nothing.
    pub async fn status(&self) -> Result<(Answer, Status), Failure> {
        fetch(&self.admin()?, "/v1/status").await
    }

    /// An operator's call, whose answer is JSON.
    ///
    /// # Errors
    /// Why there was no answer, or the daemon's reason to say no.
    pub async fn command(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        accepted(self.admin()?.post(path, body).await?)
    }
}

/// Reads what a socket tells.
///
/// # Errors
/// Why there was no answer, or the daemon's reason to say no.
pub async fn fetch<T: DeserializeOwned>(client: &Client, path: &str) -> Result<(Answer, T), Failure> {
    let answer = accepted(client.get(path).await?)?;
    let told = answer.json()?;
    Ok((answer, told))
}

/// An answer that says yes.
///
/// # Errors
/// The daemon's reason to say no.
pub fn accepted(answer: Answer) -> Result<Answer, Failure> {
    if answer.is_success() { Ok(answer) } else { Err(Failure::failed(answer.problem())) }
}

/// The body of an answer as the last line of the output.
pub fn json_line(answer: &Answer) -> Vec<u8> {
    let mut text = answer.body.to_vec();
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    text
}
