//! A search for every secret that a test made, in everything that the daemon says.

mod support;

use std::collections::BTreeSet;

use livekit_keyd_core::document::Document;
use serde_json::{Value, json};
use support::deployment::{self, RULES};
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;

/// Where a text holds one of the secrets.
fn leaks(secrets: &BTreeSet<String>, places: &[(String, String)]) -> Vec<String> {
    let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
    places.iter().filter(|(_, text)| holds(text)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn no_secret_is_ever_said() {
    let bao = OpenBao::start();
    let mut daemon = deployment::start(&bao, "both", &format!("{RULES}[log]\nlevel = \"trace\"\n"));
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let mut secrets: BTreeSet<String> = deployment::keys(&daemon).into_values().collect();
    let mut places = said_while_running(&daemon);

    daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    eventually(PATIENCE * 2, "a rotation ends", || {
        secrets.extend(deployment::keys(&daemon).into_values());
        deployment::keyset(&daemon)["phases"]["erased"] == 1
    });
    deployment::wait_until_steady(&daemon);
    secrets.extend(deployment::keys(&daemon).into_values());
    assert!(secrets.len() >= 4, "the rotation made a key");
    secrets.insert(bao.token().to_owned());

    let document = bao.succeed("GET", "secret/data/livekit/apps", &Value::Null)["data"]["data"].clone();
    let parsed: Document = serde_json::from_value(document).expect("a document");
    places.push(("Debug of a document".to_owned(), format!("{parsed:#?}")));
    places.extend(said_while_running(&daemon));
    provoke_errors(&daemon, &mut places);
    bao.seal();
    daemon.admin().post("/v1/refresh", &json!({}));
    daemon.wait_for_log("sealed");
    places.extend(said_while_running(&daemon));
    daemon.terminate();
    places.push(("the log".to_owned(), daemon.log().text()));

    let planted = ("planted".to_owned(), format!("x{}x", secrets.first().expect("a secret")));
    assert_eq!(leaks(&secrets, &[planted]), ["planted"], "the search finds what is there");
    assert_eq!(leaks(&secrets, &places), Vec::<String>::new());
    assert!(
        places.iter().all(|(name, text)| !text.is_empty() || name.contains("command line")),
        "nothing was said"
    );
}

fn said_while_running(daemon: &support::daemon::Daemon) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for path in ["/metrics", "/readyz?verbose"] {
        places.push((path.to_owned(), daemon.telemetry(path)));
    }
    for path in ["/v1/status", "/v1/plan"] {
        places.push((path.to_owned(), daemon.admin().get(path).1.to_string()));
    }
    places.push(("/v1/keys".to_owned(), daemon.sign().get("/v1/keys").1.to_string()));
    for arguments in [&["status"][..], &["plan"], &["keys"], &["keys", "--json"]] {
        let output = daemon.run(arguments);
        let text = [output.stdout, output.stderr].concat();
        places.push((arguments.join(" "), String::from_utf8_lossy(&text).into_owned()));
    }
    places
}

fn provoke_errors(daemon: &support::daemon::Daemon, places: &mut Vec<(String, String)>) {
    let minted = deployment::mint(daemon).1;
    let token = minted["token"].as_str().expect("a token");
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    for body in [json!({"token": forged}), json!({"token": "x.y.z"}), json!({"tokens": 1})] {
        places.push(("verify".to_owned(), daemon.sign().post("/v1/tokens/verify", &body).1.to_string()));
    }
    for body in [json!({}), json!({"identity": 1}), json!({"room": ""}), json!([])] {
        places.push(("tokens".to_owned(), daemon.sign().post("/v1/tokens", &body).1.to_string()));
    }
    let file = deployment::key_file(daemon);
    let good = std::fs::read_to_string(&file).expect("the key file");
    std::fs::write(&file, format!("{good}- broken\n")).expect("a broken key file");
    daemon.admin().post("/v1/refresh", &json!({}));
    daemon.wait_for_log("is not LiveKit's map of ids to secrets");
    std::fs::write(&file, good).expect("the key file");
}

#[test]
fn the_process_keeps_its_memory_and_arguments_to_itself() {
    let bao = OpenBao::start();
    let mut daemon = deployment::start(&bao, "both", RULES);
    let process = format!("/proc/{}", daemon.process().id());
    let limits = std::fs::read_to_string(format!("{process}/limits")).expect("its limits");
    let core =
        limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit for core dumps");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let arguments = std::fs::read(format!("{process}/cmdline")).expect("its arguments");
    let arguments = String::from_utf8_lossy(&arguments).into_owned();
    assert!(arguments.contains("--config") && !arguments.contains(bao.token()), "{arguments}");
}
