//! A deployment whole: a cluster of real nodes that a rotator restarts, their key file, and the store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::cluster::Cluster;
use super::daemon::Daemon;
use super::deployment;
use super::openbao::OpenBao;

/// The durations of a rotation that real nodes have the time for.
pub(crate) const RULES: &str = "\
    max_token_ttl = \"3s\"\n\
    clock_skew = \"200ms\"\n\
    refresh_interval = \"500ms\"\n\
    overlap = \"5s\"\n\
    activation_lead = \"1s\"\n";

/// LiveKit does not start without a key: this one is foreign, and stays.
const FIRST: &str = "APIfirst: a-secret-that-nobody-signs-with-at-all\n";

/// The servers; daemons are the test's own, since it kills them.
pub(crate) struct Fleet {
    folder: TempDir,
    /// The store.
    pub(crate) bao: OpenBao,
    /// The nodes.
    pub(crate) cluster: Cluster,
}

impl Fleet {
    /// So many nodes, which know no key of ours yet.
    pub(crate) fn start(nodes: usize) -> Fleet {
        Fleet::start_with(nodes, FIRST)
    }

    /// As [`Fleet::start`], with another key file.
    pub(crate) fn start_with(nodes: usize, key_file: &str) -> Fleet {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.yaml");
        fs::write(&path, key_file).expect("a key file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        let cluster = Cluster::start(nodes, &path);
        Fleet { folder, bao: OpenBao::start(), cluster }
    }

    /// What all nodes read.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("keys.yaml")
    }

    /// A daemon that demands proof of every node, started.
    pub(crate) fn daemon(&self, role: &str, rules: &str) -> Daemon {
        let mut daemon = deployment::with_token(&self.bao, &self.config(role, rules));
        daemon.start_again();
        daemon
    }

    /// The configuration of one.
    pub(crate) fn config(&self, role: &str, rules: &str) -> String {
        let urls = self.cluster.urls();
        let nodes = urls.iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
        let livekit = format!(
            "[livekit]\nnodes = [{nodes}]\nmin_nodes = {}\nprobe_interval = \"1s\"\nprobe_timeout = \"1s\"\nnode_restart_timeout = \"2m\"\n",
            urls.len()
        );
        let restart = format!("mode = \"0600\"\nrestart = [{:?}]\n", self.cluster.command());
        deployment::config(&self.bao, role, rules)
            .replace("[livekit]\nproof = \"disabled\"\n", &livekit)
            .replace("{dir}/keys.yaml", self.key_file().to_str().expect("a path is text"))
            .replace("mode = \"0600\"\n", &restart)
    }
}
