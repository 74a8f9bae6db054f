//! What is said about Vault, and the logins to it.

use std::path::Path;
use std::time::Duration;

use livekit_keyd::config::StoreConfig;
use livekit_keyd::store::vault::VaultAuth;

use crate::{LEAST, problem, sound, warnings};

const VAULT: &str = r#"[store.vault]
address = "https://vault.example.com:8200/"
ca_cert = "ca.pem"
[store.vault.auth]
method = "approle"
role_id_file_path = "role-id"
secret_id_file_path = "/run/credentials/livekit-keyd.service/secret-id"
"#;

fn with_vault(vault: &str) -> String {
    LEAST.replace("kind = \"file\"\nfile.dir = \"store\"\n", &format!("kind = \"vault\"\n{vault}"))
}

#[test]
fn vault_is_told_as_vault_agent_is() {
    let StoreConfig::Vault(vault) = sound(&with_vault(VAULT)).store else { panic!("Vault") };
    assert_eq!(vault.address, "https://vault.example.com:8200");
    assert_eq!((vault.mount.as_str(), vault.timeout), ("secret", Duration::from_secs(10)));
    assert_eq!(vault.ca_cert.as_deref(), Some(Path::new("/etc/livekit-keyd/ca.pem")));
    let VaultAuth::AppRole { mount_path, role_id, .. } = vault.auth else { panic!("an AppRole") };
    assert_eq!(
        (mount_path.as_str(), role_id.as_path()),
        ("auth/approle", Path::new("/etc/livekit-keyd/role-id"))
    );
}

/// A signer with this login.
fn with_login(login: &str) -> String {
    with_vault(&format!("[store.vault]\naddress = \"https://v\"\n[store.vault.auth]\n{login}\n"))
}

#[test]
fn each_login_has_its_settings_and_a_mount_of_its_own() {
    let login = |text: &str| {
        let StoreConfig::Vault(vault) = sound(&with_login(text)).store else { panic!("Vault") };
        vault.auth
    };
    let account = login("method = \"kubernetes\"\nrole = \"keyd\"");
    let VaultAuth::Kubernetes { mount_path, role, token_path } = account else { panic!("{account:?}") };
    assert_eq!((mount_path.as_str(), role.as_str()), ("auth/kubernetes", "keyd"));
    assert_eq!(token_path, Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token"));
    let jwt = login("method = \"jwt\"\nmount_path = \"auth/ci\"\nrole = \"keyd\"\npath = \"jwt\"");
    let VaultAuth::Jwt { mount_path, path, .. } = jwt else { panic!("{jwt:?}") };
    assert_eq!((mount_path.as_str(), path.as_path()), ("auth/ci", Path::new("/etc/livekit-keyd/jwt")));
    let cert = "method = \"cert\"\nname = \"keyd\"\nclient_cert = \"c.pem\"\nclient_key = \"c.key\"";
    let VaultAuth::Cert { mount_path, name, key, .. } = login(cert) else { panic!("a certificate") };
    assert_eq!((mount_path.as_str(), name.as_str()), ("auth/cert", "keyd"));
    assert_eq!(key, Path::new("/etc/livekit-keyd/c.key"));

    let plain = problem(&with_login(cert).replace("https://v", "http://v"));
    assert!(plain.path == "store.vault.address" && plain.sentence.contains("https://"), "{plain:?}");
    let path = problem(&with_login("method = \"kubernetes\"\nrole = \"a/b\""));
    assert!(path.path == "store.vault.auth.role" && path.sentence.contains("a role's name"), "{path:?}");
    let jwt = problem(&with_login("method = \"jwt\"\nrole = \"r\"\npath = \"p\"\njwt = \"ey.s3cret\""));
    assert!(jwt.path == "store.vault.auth.jwt" && !jwt.sentence.contains("s3cret"), "{jwt:?}");
}

#[test]
fn one_mistake_in_vaults_section_is_one_sentence_at_its_place() {
    let mistakes = [
        ("https://", "", "address", "like \"https://"),
        (":8200/", "/v1", "address", "like \"https://"),
        ("ca_cert", "ca_crt", "ca_crt", "did you mean `ca_cert`"),
        ("ca_cert = \"ca.pem\"", "timeout = \"0s\"", "timeout", "100ms"),
        ("ca_cert = \"ca.pem\"", "mount = \"a//b\"", "mount", "mount's path"),
        ("ca_cert = \"ca.pem\"", "token = \"s.123\"", "token", "a secret never stands"),
        ("\"approle\"", "\"aprole\"", "auth.method", "did you mean \"approle\""),
        ("role_id_file_path = \"role-id\"\n", "", "auth.role_id_file_path", "is missing"),
        (
            "role_id_file_path = \"role-id\"",
            "secret_id = \"x\"\nrole_id_file_path = \"r\"",
            "auth.secret_id",
            "secret",
        ),
    ];
    for (from, to, path, part) in mistakes {
        assert!(VAULT.contains(from), "{from}");
        let problem = problem(&with_vault(&VAULT.replacen(from, to, 1)));
        assert_eq!(problem.path, format!("store.vault.{path}"), "{to}: {}", problem.sentence);
        assert!(problem.sentence.contains(part), "{path}: {}", problem.sentence);
        assert!(!problem.sentence.contains("s.123"), "a secret is not repeated");
    }
    let both = with_vault(&format!("file.dir = \"x\"\n{VAULT}"));
    assert_eq!(problem(&both).path, "store.file");
    let neither = LEAST.replace("\"file\"", "\"valt\"");
    assert!(problem(&neither).sentence.contains("did you mean \"vault\""));
}

#[test]
fn the_review_knows_a_good_login_and_an_open_line() {
    let what = |vault: &str| warnings(&with_vault(vault)).iter().map(|(what, _)| *what).collect::<Vec<_>>();
    let usual = ["least privilege", "rotation", "proof", "rules", "restored store", "audit"];
    assert_eq!(what(VAULT), usual);
    assert_eq!(what(&VAULT.replace("https", "http"))[0], "storage");
    assert_eq!(what(&VAULT.replace("https://vault.example.com", "http://127.0.0.1")), usual);
    let token = "[store.vault]\naddress = \"https://v\"\nauth.method = \"token\"\n";
    assert_eq!(what(token)[0], "login");
    let beside = VAULT.replace("/run/credentials/livekit-keyd.service", "/run/livekit-keyd");
    assert!(what(&beside).contains(&"secrets in reach"));
}
