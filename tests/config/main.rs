//! What is written becomes true, or is refused with every mistake, its place and its remedy.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

mod callers;
mod dev;
mod external;
mod mistakes;
mod nodes;
mod reload;
mod review;
mod vault;

use std::path::Path;
use std::time::Duration;

use livekit_keyd::config::review::{Verdict, review};
use livekit_keyd::config::{Config, ConfigErrors, Problem, Role, StoreConfig};
use livekit_keyd_core::rules::{Offline, Rotation};

/// The least that a process in both roles needs.
const LEAST: &str = r#"role = "both"
livekit.proof = "disabled"
[store]
kind = "file"
file.dir = "store"
[[keyset]]
name = "default"
[[publish]]
kind = "key_file"
path = "keys.yaml"
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("/etc/livekit-keyd/keyd.toml"))
}

fn sound(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("refused:\n{errors}"))
}

/// As `line:column path`, and the sentences.
fn problems(text: &str) -> Vec<Problem> {
    parse(text).expect_err("it is wrong").problems().to_vec()
}

/// The only problem of a text.
fn problem(text: &str) -> Problem {
    let mut all = problems(text);
    let one = all.pop().expect("a problem");
    assert_eq!(all, [], "beside {one:?}");
    one
}

/// The least, with some text put behind a line.
fn least_with(line: &str, more: &str) -> String {
    assert!(LEAST.contains(line), "{line}");
    LEAST.replacen(line, &format!("{line}\n{more}"), 1)
}

/// The least, with more settings of its keyset.
fn keyset_with(more: &str) -> String {
    least_with("name = \"default\"", more)
}

/// The least, with LiveKit's nodes asked, and some settings for that.
fn asking(settings: &str) -> String {
    LEAST.replace("livekit.proof = \"disabled\"", &format!("[livekit]\n{settings}")) + "\n"
}

fn warnings(text: &str) -> Vec<(&'static str, String)> {
    let findings = review(&sound(text));
    let warned = findings.into_iter().filter(|finding| finding.verdict == Verdict::Warn);
    warned.map(|finding| (finding.what, finding.why)).collect()
}

#[test]
fn the_least_is_enough_and_the_rest_has_defaults() {
    let config = sound(LEAST);
    assert_eq!(config.role, Role::Both);
    assert_eq!(config.revision, None);
    assert_eq!(config.livekit.path, "livekit/deployment");
    assert_eq!(config.store, StoreConfig::File { folder: "/etc/livekit-keyd/store".into() });
    let [keyset] = &config.keysets[..] else { panic!("one keyset") };
    assert_eq!(keyset.keyset.path, "livekit/keysets/default");
    let rules = &keyset.keyset.rules;
    assert_eq!(rules.rotation, Rotation::Manual);
    assert_eq!(rules.offline, Offline::Sign);
    assert_eq!(rules.overlap, Duration::from_secs(86_400));
    assert_eq!(rules.max_token_ttl, Duration::from_secs(3600));
    let [file] = &config.publish[..] else { panic!("one publication") };
    let file = file.key_file().expect("a key file");
    assert_eq!((file.name.as_str(), file.mode), ("/etc/livekit-keyd/keys.yaml", 0o600));
    assert_eq!(config.sign.socket.path, Path::new("/run/livekit-keyd/sign.sock"));
    assert_eq!(config.metrics, Some("127.0.0.1:7899".parse().expect("an address")));
    assert_eq!(config.drain_timeout, Duration::from_secs(10));
}

#[test]
fn five_mistakes_are_shown_at_once_with_their_places() {
    let errors = parse(
        r#"role = "bth"
livekit.proof = "requird"
[store]
kind = "file"
file.dir = "/var/lib/livekit-keyd"
[[keyset]]
name = "default"
overlpa = "24h"
overlap = "30m"
rotation_schedule = "0 0 30 2 *"
[[publish]]
kind = "key_file"
path = "/keys.yaml"
mode = "0644"
"#,
    )
    .expect_err("it is wrong");
    assert_eq!(
        errors.to_string(),
        "\
/etc/livekit-keyd/keyd.toml:1:8: role: must be \"rotator\" or \"signer\" or \"both\"; did you mean \"both\"?
/etc/livekit-keyd/keyd.toml:2:17: livekit.proof: must be \"required\" or \"disabled\"; did you mean \"required\"?
/etc/livekit-keyd/keyd.toml:8:1: keyset[0].overlpa: there is no such setting; did you mean `overlap`?
/etc/livekit-keyd/keyd.toml:9:11: keyset[0].overlap: 30m is too short for tokens that live 1h: max_token_ttl + 2 x refresh_interval + clock_skew are 1h1m30s; raise overlap to that or lower max_token_ttl
/etc/livekit-keyd/keyd.toml:10:21: keyset[0].rotation_schedule: the schedule `0 0 30 2 *` never fires: no day from 1970 to 2100 fits its day of month, month and day of week; change one of the three
/etc/livekit-keyd/keyd.toml:14:8: publish[0].mode: LiveKit does not start with a key file that others may use: end the mode in 0, like \"0640\""
    );
}

#[test]
fn broken_toml_is_shown_with_every_place_and_nothing_made_up() {
    let errors =
        problems("overlap = 1\nrole = \"both\nlivekit.proof = \"disabled\"\n[store\nkind = \"fil\"\n");
    let lines: Vec<_> = errors.iter().map(|p| (p.place.map(|place| place.line), p.path.as_str())).collect();
    assert_eq!(lines, [(Some(1), "overlap"), (Some(2), ""), (Some(4), "")], "{errors:?}");
    assert!(errors[1].sentence.starts_with("this is not TOML: "), "{errors:?}");
}

#[test]
fn what_cannot_be_read_as_text_is_said() {
    let missing = Config::load(Path::new("/nonexistent/keyd.toml")).expect_err("no file").to_string();
    assert!(missing.starts_with("/nonexistent/keyd.toml: the configuration cannot be read: "), "{missing}");
    assert!(missing.contains("LIVEKIT_KEYD_CONFIG"), "{missing}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keyd.toml");
    std::fs::write(&file, b"# \xc3\xbc\n# \xff").expect("written");
    let broken = Config::load(&file).expect_err("not UTF-8").to_string();
    assert!(broken.contains(":2:3: is not UTF-8 here"), "{broken}");
}
