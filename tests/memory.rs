//! What a daemon leaves in its memory, whatever library handled it, and in swap.

mod support;

use std::fs;

use serde_json::json;
use support::deployment::{self, RULES};
use support::eventually::{PATIENCE, eventually};
use support::memory::copies;
use support::openbao::OpenBao;

#[test]
fn a_revoked_secret_leaves_the_memory_of_rotator_and_signer() {
    let bao = OpenBao::start();
    let mut both = deployment::start(&bao, "both", RULES);
    let mut signer = deployment::start(&bao, "signer", RULES);
    both.init("apps");
    signer.wait_until_ready();
    deployment::wait_until_steady(&both);
    let bad = deployment::active(&both).expect("a key signs");
    let secret = deployment::keys(&both)[&bad].clone();
    for daemon in [&mut both, &mut signer] {
        assert_eq!(deployment::mint(daemon).0, 201);
        assert!(copies(daemon.process().id(), &secret) > 0, "a search that finds nothing proves nothing");
    }

    let path = format!("/v1/keysets/apps/keys/{bad}/revoke");
    assert_eq!(both.admin().post(&path, &json!({"reason": "seen in a log"})).0, 202);
    eventually(PATIENCE * 2, "its secret is in no version of any path", || {
        !deployment::all_versions(&bao).contains(&secret)
    });
    for daemon in [&mut both, &mut signer] {
        assert_eq!(deployment::mint(daemon).0, 201);
        let process = daemon.process().id();
        eventually(PATIENCE, "its secret is in no memory", || copies(process, &secret) == 0);
    }
}

#[test]
fn pages_are_locked_where_no_limit_is_enforced() {
    let bao = OpenBao::start();
    let no_capability = ["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"];
    for (wrapper, is_free) in [(&[][..], true), (&no_capability, false)] {
        let mut daemon = deployment::with_token(&bao, &deployment::config(&bao, "signer", RULES));
        daemon.start_by(wrapper);
        daemon.start_again();
        let status =
            fs::read_to_string(format!("/proc/{}/status", daemon.process().id())).expect("its state");
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("what is locked");
        assert_eq!(locked.trim() != "0 kB", is_free, "{wrapper:?}: {locked}");
        assert_ne!(daemon.log().text().contains("memory is not locked"), is_free, "{wrapper:?}");
    }
}
