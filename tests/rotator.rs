//! A rotator in this process, on the file store and a key file, in real time with short durations.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use livekit_keyd::conditions::Conditions;
use livekit_keyd::keyset::Keyset;
use livekit_keyd::publish::{KeyFile, Publisher};
use livekit_keyd::rotator::{Rotator, RotatorMetrics};
use livekit_keyd::signer::Signer;
use livekit_keyd::store::{Backend, FileStore, Health, Store};
use livekit_keyd::{atomic_file, clock, metrics};
use livekit_keyd_core::document::Document;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::rules::{Offline, Rotation, Rules};
use tokio::sync::watch;

fn rules(rotation: Rotation) -> Rules {
    let millis = Duration::from_millis;
    Rules {
        max_token_ttl: millis(1000),
        clock_skew: millis(50),
        refresh_interval: millis(100),
        offline: Offline::Sign,
        server_url: None,
        rotation,
        rotation_window: Duration::from_secs(60),
        overlap: millis(1300),
        activation_lead: millis(200),
        publish_delay: millis(100),
        other: serde_json::Map::new(),
    }
}

struct Bench {
    rotator: Arc<Rotator>,
    signer: Arc<Signer>,
    folder: tempfile::TempDir,
    stop: watch::Sender<bool>,
}

impl Bench {
    fn new(rotation: Rotation) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = prometheus::Registry::new();
        let health = Health::register(&registry).expect("metrics");
        let files = FileStore::open(&folder.path().join("store")).expect("a store");
        let signer = Arc::new(Signer::new(
            "default",
            metrics::KeyMetrics::register(&registry).expect("metrics"),
            None,
        ));
        let keyset = Keyset {
            name: "default".into(),
            path: "livekit/apps".into(),
            rules: rules(rotation),
            revision: None,
            source: None,
        };
        let key_file = KeyFile::new(
            "keys".into(),
            folder.path().join("keys.yaml"),
            0o600,
            atomic_file::Owner::default(),
        );
        let rotator = Rotator::new(
            Arc::new(Store::new(Backend::File(files), health)),
            Arc::new(ArcSwap::from_pointee(vec![keyset])),
            Arc::new(BTreeMap::from([("default".to_owned(), Arc::clone(&signer))])),
            vec![Publisher::KeyFile(key_file)],
            None,
            Arc::new(Conditions::default()),
            RotatorMetrics::register(&registry).expect("metrics"),
        );
        Bench { rotator: Arc::new(rotator), signer, folder, stop: watch::channel(false).0 }
    }

    fn start(&self) {
        tokio::spawn(Arc::clone(&self.rotator).run(self.stop.subscribe()));
    }

    async fn until(&self, what: &str, reached: impl Fn(&Document) -> bool) -> Arc<Document> {
        let began = Instant::now();
        loop {
            let document = self.signer.keyring().as_ref().map(|keyring| Arc::clone(&keyring.document));
            if let Some(document) = document.filter(|document| reached(document)) {
                return document;
            }
            let seen = self.rotator.outlook();
            let plan = seen.map(|seen| seen.plan.clone());
            assert!(began.elapsed() < Duration::from_secs(20), "no {what}: {plan:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn key_file(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("keys.yaml")).expect("a key file")
    }
}

fn count(document: &Document, phase: Phase) -> usize {
    let now = clock::now();
    document.keys.iter().filter(|key| Phase::of(document, key, now) == phase).count()
}

fn is_steady(document: &Document) -> bool {
    let proven = document.standbys().filter(|key| key.proven_at.is_some()).count();
    count(document, Phase::Active) == 1 && proven == 2 && count(document, Phase::Retired) == 0
}

fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).contains(text) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[tokio::test]
async fn from_init_to_the_erasure_of_the_first_key() {
    let bench = Bench::new(Rotation::Manual);
    bench.start();
    assert!(bench.rotator.init("default", false).await.expect("init").created);
    assert!(!bench.rotator.init("default", false).await.expect("init again").created);
    let steady = bench.until("first key", is_steady).await;
    let first = steady.active(clock::now()).expect("an active key").clone();
    let secret = first.secret.as_ref().expect("its secret").expose().to_owned();
    assert!(bench.key_file().contains(&secret));
    assert!(
        !files_with(bench.folder.path(), &secret).is_empty(),
        "a search that finds nothing proves nothing"
    );

    let accepted = bench.rotator.rotate("default", None, "test".into()).await.expect("rotate");
    assert!(format!("{accepted:?}").contains("Committed"), "{accepted:?}");
    let rotated =
        bench.until("erasure", |document| count(document, Phase::Erased) == 1 && is_steady(document)).await;
    assert_ne!(rotated.active(clock::now()).expect("an active key").id, first.id);
    assert_eq!(files_with(bench.folder.path(), &secret), Vec::<String>::new());
    assert_eq!(rotated.published().count(), 3);
    bench.stop.send_replace(true);
}

#[tokio::test]
async fn a_period_rotates_by_itself() {
    let bench = Bench::new(Rotation::Period(Duration::from_secs(3)));
    bench.start();
    bench.rotator.init("default", false).await.expect("init");
    bench.until("two rotations", |document| count(document, Phase::Erased) == 2).await;
}

#[tokio::test]
async fn a_lost_document_is_replaced_on_an_operator_s_word_only() {
    let bench = Bench::new(Rotation::Manual);
    bench.start();
    bench.rotator.init("default", false).await.expect("init");
    let before = bench.until("first key", is_steady).await;
    std::fs::remove_file(bench.folder.path().join("store/livekit/apps.json")).expect("the document is lost");
    let refused = bench.rotator.init("default", false).await.expect_err("there was one");
    assert!(refused.to_string().contains("--force"), "{refused}");
    assert!(bench.rotator.init("default", true).await.expect("init").created);
    let after = bench
        .until("first key of the new document", |new| new.lineage != before.lineage && is_steady(new))
        .await;
    let file = bench.key_file();
    let published = |document: &Document| document.published().all(|key| file.contains(key.id.as_str()));
    assert!(published(&after), "the new keys are published");
    assert!(published(&before), "nobody knows whether the old ones are still used");
    bench.stop.send_replace(true);
}
