//! The folders of sockets, of the audit trail, and of what outlives the process.

use std::path::Path;

use super::Outcome;
use super::access::writable;
use crate::audit::Target;
use crate::config::Config;

pub(super) fn check(config: &Config) -> Vec<Outcome> {
    let sign = config.role.signs().then_some(("signing socket", &config.sign.socket.path));
    let sockets = sign.into_iter().chain([("admin socket", &config.admin.path)]);
    let mut outcomes: Vec<Outcome> =
        sockets.map(|(what, path)| socket(what, path.parent().unwrap_or(path))).collect();
    if let Some(folder) = &config.state_dir {
        // The daemon makes it with the first mark.
        let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
        outcomes.push(outcome("state_dir", there));
    }
    if let Some(Target::File { path, .. }) = config.audit.as_ref().map(|audit| &audit.settings.target) {
        outcomes.push(outcome("audit trail", path.parent().unwrap_or(path)));
    }
    outcomes
}

fn socket(what: &str, folder: &Path) -> Outcome {
    if folder.exists() {
        return outcome(what, folder);
    }
    let why = format!(
        "there is no folder {}: systemd's RuntimeDirectory and Kubernetes' volumes make it at the start; otherwise create it, for the daemon's user",
        folder.display()
    );
    Outcome::warn(what, why)
}

fn outcome(what: &str, folder: &Path) -> Outcome {
    match writable(folder) {
        Ok(()) => Outcome::pass(what, format!("{} can be written in", folder.display())),
        Err(why) => Outcome::fail(what, why),
    }
}
