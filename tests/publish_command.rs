//! A publisher that is a command: whatever becomes of it, it is asked for the same until it has done it.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_keyd::atomic_file::Owner;
use livekit_keyd::clock;
use livekit_keyd::publish::{CommandPublisher, KeyFile, NodeRestart, Program, PublishError, Publisher};
use livekit_keyd::store::Store;
use livekit_keyd_core::document::Lineage;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Publication, Restarter, Vector};
use livekit_keyd_core::secret::Secret;
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};
use support::stores;

/// A folder with a store, and a command that notes its operation and what it was given, then does as it is told.
struct Bench {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let store = stores::files(&folder.path().join("store"));
        Bench { folder, store }
    }

    fn publisher(&self, then: &str, limit: Duration) -> Publisher {
        let folder = self.folder.path().display();
        let script =
            format!("cd {folder}; cat > given; echo \"$LIVEKIT_KEYD_OPERATION\" >> operations; {then}");
        let publish = Program { argv: vec!["sh".into(), "-c".into(), script], limit };
        let store = Arc::clone(&self.store);
        Publisher::Command(CommandPublisher::new("consul".into(), publish, None, store, "livekit/deployment"))
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn operations(&self) -> Vec<String> {
        self.text("operations").lines().map(str::to_owned).collect()
    }
}

const LONG: Duration = Duration::from_secs(60);

fn holding(id: &str, seq: u64) -> Publication {
    Publication {
        keys: vec![(KeyId::new(id), Secret::new(format!("{id}-secret-of-many-letters-and-digits")))],
        vector: Vector([("apps".to_owned(), (Lineage("lin".into()), seq))].into()),
        changed_at: None,
    }
}

/// As the rotator's loop does: again and again, from what is there.
async fn until_published(publisher: &Publisher, wanted: &Publication) -> Vec<String> {
    let (began, mut failures) = (Instant::now(), Vec::new());
    loop {
        assert!(began.elapsed() < PATIENCE, "never published: {failures:?}");
        let there = publisher.read().await.expect("readable");
        if there.same_keys(wanted) {
            return failures;
        }
        assert_eq!(there.changed_at, None, "while it goes on nobody knows what the target holds");
        match publisher.replace(&there, wanted).await {
            Err(PublishError::Failed(why)) => failures.push(why),
            Ok(()) | Err(PublishError::Changed | PublishError::UnderWay) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_that_fails_is_told_the_same_until_it_succeeds() {
    let bench = Bench::new();
    let then = "test $(wc -l < operations) -gt 2 && exit 0; echo the target is down >&2; exit 4";
    let publisher = bench.publisher(then, LONG);
    let wanted = holding("APIa", 7);
    let failures = until_published(&publisher, &wanted).await;
    assert!(
        failures.iter().all(|why| why.contains("exit status: 4") && why.contains("the target is down")),
        "{failures:?}"
    );
    assert_eq!(bench.operations(), ["apps.lin.7"; 3]);
    assert!(bench.text("given").contains("\"APIa\": \"APIa-secret"), "{}", bench.text("given"));
    assert!(bench.text("given").starts_with("# livekit-keyd {"), "with what it was derived from");

    // A date and a newer vector change nothing for who reads the keys.
    let dated = Publication { changed_at: Some(clock::now()), ..holding("APIa", 9) };
    let there = publisher.read().await.expect("readable");
    publisher.replace(&there, &dated).await.expect("written to the store");
    assert_eq!(publisher.read().await.expect("readable"), dated);
    assert_eq!(bench.operations().len(), 3);
    assert!(matches!(publisher.replace(&there, &dated).await, Err(PublishError::Changed)));
}

#[tokio::test]
async fn another_process_goes_on_with_the_same_operation() {
    let bench = Bench::new();
    let wanted = holding("APIa", 7);
    let nothing = Publication::default();
    let died = bench.publisher("exit 1", Duration::from_secs(1));
    died.replace(&nothing, &wanted).await.expect_err("it fails");
    let other = bench.publisher("exit 0", Duration::from_secs(1));
    let at_once = other.replace(&nothing, &holding("APIa", 8)).await;
    assert!(matches!(at_once, Err(PublishError::UnderWay)), "{at_once:?}");
    let older = other.replace(&nothing, &holding("APIa", 6)).await;
    assert!(matches!(older, Err(PublishError::UnderWay)), "{older:?}");
    assert_eq!(until_published(&other, &holding("APIa", 8)).await, Vec::<String>::new());
    assert_eq!(bench.operations(), ["apps.lin.7"; 2]);
    assert_eq!(other.read().await.expect("readable").vector, wanted.vector, "what was begun was finished");
}

#[tokio::test]
async fn keys_that_are_not_wanted_any_more_are_not_brought() {
    let bench = Bench::new();
    let publisher = bench.publisher("grep -q APIb given", LONG);
    publisher.replace(&Publication::default(), &holding("APIa", 7)).await.expect_err("it fails");
    until_published(&publisher, &holding("APIb", 8)).await;
    assert_eq!(bench.operations(), ["apps.lin.7", "apps.lin.8"]);
}

#[tokio::test]
async fn a_slow_one_is_not_waited_for_and_not_run_twice() {
    let bench = Bench::new();
    let publisher = bench.publisher("until test -e go; do sleep 0.05; done", LONG);
    let (nothing, wanted) = (Publication::default(), holding("APIa", 7));
    for _ in 0..2 {
        let began = Instant::now();
        let answer = publisher.replace(&nothing, &wanted).await;
        assert!(matches!(answer, Err(PublishError::UnderWay)), "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "the rotator's loop stood still");
    }
    fs::write(bench.folder.path().join("go"), "").expect("written");
    until_published(&publisher, &wanted).await;
    assert_eq!(bench.operations(), ["apps.lin.7"]);
}

#[tokio::test]
async fn nodes_are_restarted_one_by_one_by_a_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!(
        "echo \"$LIVEKIT_KEYD_NODE $LIVEKIT_KEYD_OPERATION\" >> {}/restarts; test \"$LIVEKIT_KEYD_NODE\" = http://10.0.0.1:7880 || {{ echo no such node >&2; exit 1; }}",
        folder.path().display()
    );
    let nodes = Some(vec!["http://10.0.0.1:7880".to_owned()]);
    let program = Program { argv: vec!["sh".into(), "-c".into(), script], limit: LONG };
    let file = KeyFile::new("keys".into(), folder.path().join("keys.yaml"), 0o600, Owner::default());
    assert_eq!(Publisher::KeyFile(file.clone()).restarter(), None);
    let publisher =
        Publisher::KeyFile(file.with_restart(Some(NodeRestart { program, nodes: nodes.clone() })));
    assert_eq!(publisher.restarter(), Some(Restarter::Nodes(nodes)));
    publisher.restart(Some("http://10.0.0.1:7880"), "restart-3").await.expect("restarted");
    let error = publisher.restart(Some("http://10.0.0.2:7880"), "restart-4").await.expect_err("it says no");
    assert!(error.to_string().contains("node http://10.0.0.2:7880 was not restarted"), "{error}");
    assert!(error.to_string().ends_with("no such node"), "{error}");
    publisher.restart(None, "restart-5").await.expect_err("it restarts nodes only");
    let restarts = fs::read_to_string(folder.path().join("restarts")).expect("it was run");
    assert_eq!(restarts, "http://10.0.0.1:7880 restart-3\nhttp://10.0.0.2:7880 restart-4\n");
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn a_daemon_goes_on_beside_a_command_that_hangs_and_ends_it_at_its_own_end() {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let command = "[[publish]]\nkind = \"command\"\nname = \"consul\"\npublish = [\"./bring\"]\n";
    let mut daemon = Daemon::new(&(deployment::config_on(store, "both", QUICK_RULES) + command));
    let script = daemon.folder().join("bring");
    fs::write(&script, "#!/bin/sh\nsleep 1000 &\necho $! > \"${0%/*}/child.new\"\nmv \"${0%/*}/child.new\" \"${0%/*}/child\"\nwait\n")
        .expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&script, mode).expect("executable");
    daemon.start_again();
    daemon.init("apps");
    let child = daemon.folder().join("child");
    eventually(PATIENCE, "the command runs", || child.exists());
    let child = fs::read_to_string(child).expect("its child");

    assert!(!deployment::keys(&daemon).is_empty(), "the key file is written beside it");
    let began = Instant::now();
    let hold = serde_json::json!({"until": "1h"});
    let (status, answer) = daemon.admin().post("/v1/keysets/apps/hold", &hold);
    assert!((200..300).contains(&status), "{status} {answer}");
    assert!(began.elapsed() < Duration::from_secs(20), "an operator waited for the command");

    assert!(is_alive(child.trim()), "it hangs");
    assert!(daemon.terminate().success());
    eventually(PATIENCE, "the command's child ends with the daemon", || !is_alive(child.trim()));
}
