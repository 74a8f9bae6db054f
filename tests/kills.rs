//! kill -9 wherever a rotation may be: no key is lost, none is doubled, and the rotation ends.
//!
//! The steps are learned from the log of a rotation that nobody disturbs, so that
//! a new one is killed at without a word here; several kills share a rotation, and
//! after each the store is looked at before anybody mends it.

mod support;

#[path = "kills/rotation.rs"]
mod rotation;

use rotation::Crashing;
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::openbao::OpenBao;
use support::stored::Stored;

fn with_memory(config: &str) -> String {
    format!("state_dir = \"{{dir}}/state\"\n{config}")
}

#[test]
fn killed_at_each_step_on_openbao() {
    let bao = OpenBao::start();
    let daemon = deployment::with_token(&bao, &with_memory(&deployment::config(&bao, "both", QUICK_RULES)));
    Crashing::begin(daemon, Stored::OpenBao(&bao)).kill_at_each_step(&[
        "writing the document: an operator asks for a change of key",
        "writing the document: the next key is committed",
        "writing the document: the key before gets its end",
        "writing the secret of a new standby",
        "writing the document: a key is retired",
        "publishing: the set of keys has changed",
        "writing the document: a standby is proven",
        "publishing: ... has the keys of the newest documents",
        "writing the document: a retired secret is erased",
        "destroying older versions of the document",
        "destroying older versions of a publication",
        "removing a secret beside the document",
    ]);
}

#[test]
fn killed_at_each_step_on_files() {
    let config = deployment::config_on(
        "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n",
        "both",
        QUICK_RULES,
    );
    let daemon = Daemon::new(&with_memory(&config));
    let stored = Stored::Folder(daemon.folder().join("store"));
    Crashing::begin(daemon, stored).kill_at_each_step(&[
        "writing the document: the next key is committed",
        "writing the secret of a new standby",
        "writing the document: a key is retired",
        "publishing: the set of keys has changed",
        "writing the document: a retired secret is erased",
        "removing a secret beside the document",
    ]);
}
