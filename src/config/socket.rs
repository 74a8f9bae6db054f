//! `[sign]` and `[admin]`: the Unix sockets.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::publish::owner;
use super::reader::{Context, Reader, Reported, Written};
use super::setting::Mode;
use crate::api::server::Limits;
use crate::api::socket::{self, SocketPlace};

/// The signing socket and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignConfig {
    /// The socket.
    pub socket: SocketPlace,
    /// What it bears.
    pub limits: Limits,
    /// How long tokens may be refreshed, from when an identity was established.
    pub max_session: Duration,
}

/// A socket, and where its path was written.
pub(super) type Socket = Written<SocketPlace>;

/// `[sign]` with the place of its socket.
pub(super) struct Sign {
    socket: Socket,
    limits: Limits,
    max_session: Duration,
}

impl Sign {
    pub(super) fn config(self) -> SignConfig {
        SignConfig { socket: self.socket.value, limits: self.limits, max_session: self.max_session }
    }
}

/// A socket is made under another name first, which is this much longer.
const LONGEST_PATH: usize = socket::LONGEST_PATH - ".new".len();

pub(super) fn sign(root: &mut Reader<'_>, drain_timeout: Duration) -> Result<Sign, Reported> {
    let mut section = root.table("sign")?;
    let socket = place(&mut section, "/run/livekit-keyd/sign.sock", 0o660);
    let max_body = count(&mut section, "max_body", 1 << 20, 1024, 64 << 20);
    let max_connections = count(&mut section, "max_connections", 1024, 1, 1_000_000);
    let idle_timeout = wait(&mut section, "idle_timeout", Duration::from_secs(60));
    let body_timeout = wait(&mut section, "body_timeout", Duration::from_secs(10));
    let max_session = wait(&mut section, "max_session", Duration::from_secs(12 * 3600));
    section.finish();
    let limits = Limits {
        max_connections: max_connections?,
        max_body: max_body?,
        idle_timeout: idle_timeout?,
        body_timeout: body_timeout?,
        drain_timeout,
    };
    Ok(Sign { socket: socket?, limits, max_session: max_session? })
}

pub(super) fn admin(root: &mut Reader<'_>) -> Result<Socket, Reported> {
    let mut section = root.table("admin")?;
    let context = section.context;
    let socket = place(&mut section, "/run/livekit-keyd/admin.sock", 0o600);
    let mode = section.spot_of("socket_mode");
    section.finish();
    let socket = socket?;
    if socket.value.mode & 0o007 != 0 {
        let sentence = "anybody on this machine could revoke keys: end the mode in 0, like \"0660\", and set socket_group";
        return Err(context.report(&mode, sentence));
    }
    Ok(socket)
}

fn place(section: &mut Reader<'_>, path: &str, mode: u32) -> Result<Socket, Reported> {
    let context = section.context;
    let path = section.or("socket", PathBuf::from(path));
    let mode = section.or("socket_mode", Mode(mode));
    let owner = owner(section, "socket_user", "socket_group");
    let path = path?.map(|path| context.resolve(&path));
    let bytes = path.value.as_os_str().as_bytes().len();
    if bytes > LONGEST_PATH {
        return Err(context.report(
            &path.spot,
            format!(
                "the path has {bytes} bytes, and a socket's may have {LONGEST_PATH}: choose a shorter one"
            ),
        ));
    }
    let (mode, owner) = (mode?.value.0, owner?);
    Ok(path.map(|path| SocketPlace { path, mode, owner }))
}

fn count(
    section: &mut Reader<'_>,
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<usize, Reported> {
    let written = section.or(name, default)?;
    let fits = usize::try_from(written.value).ok().filter(|_| (least..=most).contains(&written.value));
    fits.ok_or_else(|| section.context.report(&written.spot, format!("must be from {least} to {most}")))
}

fn wait(section: &mut Reader<'_>, name: &'static str, default: Duration) -> Result<Duration, Reported> {
    let written = section.or(name, default)?;
    if written.value.is_zero() {
        return Err(section.context.report(&written.spot, "must be longer than 0s, like \"10s\""));
    }
    Ok(written.value)
}

/// Two sockets need two files.
pub(super) fn check_apart(
    context: &Context<'_>,
    sign: &Result<Sign, Reported>,
    admin: &Result<Socket, Reported>,
) {
    if let (Ok(sign), Ok(admin)) = (sign, admin)
        && same_file(&sign.socket.value.path, &admin.value.path)
    {
        context.report(&admin.spot, "is the signing socket's path too: choose another one");
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    one.components().eq(other.components())
}
