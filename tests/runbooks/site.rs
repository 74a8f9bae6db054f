//! A fleet whose nodes an operator restarts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment;
use super::support::eventually::{PATIENCE, eventually};
use super::support::fleet::{Fleet, RULES};

/// A key file as LiveKit wants it.
pub(crate) fn write_key_file(path: &Path, text: &str) {
    fs::write(path, text).expect("a key file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// Its servers; the rotator is not told how to restart them.
pub(crate) struct Site {
    pub(crate) fleet: Fleet,
}

impl Site {
    /// So many nodes.
    pub(crate) fn new(nodes: usize) -> Site {
        Site { fleet: Fleet::start(nodes) }
    }

    /// The configuration of its daemon.
    pub(crate) fn config(&self) -> String {
        let restart = format!("restart = [{:?}]\n", self.fleet.cluster.command());
        let rules = format!("rotation_period = \"1000h\"\n{RULES}");
        self.fleet.config("both", &rules).replace(&restart, "")
    }

    /// Does something with a steady daemon, while nodes can be restarted by the command that an operator has.
    pub(crate) fn open(&self, act: impl FnOnce(&mut Daemon)) {
        self.open_with(&self.config(), act);
    }

    /// As [`Site::open`], with another configuration.
    pub(crate) fn open_with(&self, config: &str, act: impl FnOnce(&mut Daemon)) {
        let mut daemon = deployment::with_token(&self.fleet.bao, config);
        let closed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.fleet.cluster.serve(|| closed.load(Ordering::Relaxed)));
            let acted = catch_unwind(AssertUnwindSafe(|| {
                daemon.start_again();
                daemon.init("apps");
                let file = self.fleet.key_file();
                eventually(PATIENCE, "keys are published", || deployment::keys_in(&file).len() == 4);
                for node in 0..self.fleet.cluster.urls().len() {
                    self.fleet.cluster.node(node).restart();
                }
                deployment::wait_until_steady(&daemon);
                act(&mut daemon);
            }));
            closed.store(true, Ordering::Relaxed);
            if let Err(panic) = acted {
                eprintln!("{:#}\n{}", daemon.admin().get("/v1/plan").1, daemon.log().text());
                resume_unwind(panic);
            }
        });
    }

    /// An operator with the names of this site.
    pub(crate) fn operator(&self, daemon: &Daemon, blocks: &'static [Id<'static>]) -> Operator {
        let mut operator = Operator::at(daemon, blocks).with_store(&self.fleet.bao);
        operator.set_path("KEY_FILE", &self.fleet.key_file());
        operator.set("NODE", &self.fleet.cluster.urls()[0]);
        operator.set("LIVEKIT_RESTART", &self.restart());
        operator
    }

    /// Restarts each node by the command.
    fn restart(&self) -> String {
        let (command, nodes) = (self.fleet.cluster.command(), self.fleet.cluster.urls().join(" "));
        format!(
            "for node in {nodes}; do LIVEKIT_KEYD_NODE=$node LIVEKIT_KEYD_OPERATION=by-hand-$$-${{node##*:}} {}; done",
            command.display()
        )
    }
}
