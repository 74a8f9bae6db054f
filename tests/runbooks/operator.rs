//! Somebody who has a condition before them and does what its page says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

use super::block::{self, Id, NAMES};
use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, eventually};
use super::support::openbao::OpenBao;
use super::support::{cache, deployment};

/// Every block of a scenario must be run in it, and no other.
pub(crate) struct Operator {
    folder: TempDir,
    variables: BTreeMap<&'static str, String>,
    blocks: &'static [Id<'static>],
    run: Mutex<BTreeSet<Id<'static>>>,
}

impl Operator {
    /// At this daemon's machine.
    pub(crate) fn at(daemon: &Daemon, blocks: &'static [Id<'static>]) -> Operator {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder for programs");
        symlink(env!("CARGO_BIN_EXE_livekit-keyd"), bin.join("livekit-keyd")).expect("a link");
        // OpenBao has Vault's command line, under its own name.
        symlink(cache::path("bao"), bin.join("vault")).expect("a link");
        let mut operator = Operator { folder, variables: BTreeMap::new(), blocks, run: Mutex::default() };
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", bin.display());
        operator.set("PATH", &path);
        for name in ["HOME", "TMPDIR"] {
            operator.set_path(name, operator.folder.path().to_owned().as_path());
        }
        operator.set_path("LIVEKIT_KEYD_CONFIG", &daemon.config());
        operator.set_path("LIVEKIT_KEYD_SOCKET", daemon.sign().path());
        operator.set_path("LIVEKIT_KEYD_ADMIN_SOCKET", daemon.admin().path());
        operator.set_path("KEY_FILE", &deployment::key_file(daemon));
        operator
    }

    /// With an account at the store that may do everything.
    pub(crate) fn with_store(mut self, bao: &OpenBao) -> Operator {
        self.set("VAULT_ADDR", &bao.address());
        self.set("VAULT_TOKEN", bao.token());
        self
    }

    /// Sets a name that the blocks use.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.insert(name, value.to_owned());
    }

    /// As [`Operator::set`], to a path.
    pub(crate) fn set_path(&mut self, name: &'static str, path: &Path) {
        self.set(name, path.to_str().expect("a path is text"));
    }

    /// Runs a block to its end, which must be a good one; what it printed.
    pub(crate) fn run(&self, id: Id<'static>) -> String {
        assert!(self.blocks.contains(&id), "{id:?} is not among the scenario's blocks");
        self.run.lock().expect("nobody panicked").insert(id);
        let (good, said) = self.sh(&(block::text(NAMES) + &block::text(id)));
        assert!(good, "{id:?} failed: {said}");
        said
    }

    /// Waits for a condition whose reason and message have this part.
    pub(crate) fn sees(&self, kind: &str, part: &str) {
        eventually(PATIENCE, &format!("{kind} in `status --json`: {part}"), || {
            let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
            let of_kind = |condition: &Value| condition["type"] == kind;
            let says = |of: &Value| format!("{}: {}", text(of, "reason"), text(of, "message")).contains(part);
            self.conditions().iter().any(|condition| of_kind(condition) && says(condition))
        });
    }

    /// Waits for the end of a condition.
    pub(crate) fn sees_no_more(&self, kind: &str) {
        eventually(PATIENCE, &format!("no {kind} in `status --json`"), || {
            self.conditions().iter().all(|condition| condition["type"] != kind)
        });
    }

    /// Of the daemon and of its keysets.
    fn conditions(&self) -> Vec<Value> {
        let (_, said) = self.sh("livekit-keyd status --json");
        let status: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no status: {said}"));
        let keysets = status["keysets"].as_array().cloned().unwrap_or_default();
        let lists = std::iter::once(&status).chain(&keysets).map(|part| part["conditions"].as_array());
        lists.flatten().flatten().cloned().collect()
    }

    fn sh(&self, script: &str) -> (bool, String) {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "120", "sh", "-eu", "-c", script]);
        command.env_clear().envs(&self.variables).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.output().expect("timeout comes with coreutils");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let run = self.run.lock().expect("nobody panicked");
            let left: Vec<_> = self.blocks.iter().filter(|id| !run.contains(id)).collect();
            assert!(left.is_empty(), "the scenario did not run {left:?}");
        }
    }
}
