//! Each way to log in to Vault, on the policy and the role that `vault-policy` prints: it outlives its tokens, comes
//! back after a revocation, and says what to do where it cannot.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_keyd::config::{Config, StoreConfig};
use livekit_keyd::store::{Found, Store, StoreError};
use serde_json::{Value, json};
use support::eventually::PATIENCE;
use support::kubernetes::Kubernetes;
use support::openbao::OpenBao;
use support::policies::{self, Put};
use support::stores::{self, file_with};
use support::{again, http, openssl, port};

type Read = Result<Found<Value>, StoreError>;

/// An OpenBao with a document at `livekit/apps`, and a folder for credentials.
fn with_document(more: &str) -> (OpenBao, tempfile::TempDir) {
    let bao = OpenBao::start_with(more);
    bao.succeed("POST", "secret/data/livekit/apps", &json!({"data": {"n": 1}}));
    (bao, tempfile::tempdir().expect("a folder"))
}

/// A signer's configuration with this login.
fn config(store: &str, login: &str) -> String {
    format!(
        "role = \"signer\"\n[store]\nkind = \"vault\"\n[store.vault]\n{store}\n[store.vault.auth]\n{login}\n\
         [[keyset]]\nname = \"apps\"\npath = \"livekit/apps\"\n"
    )
}

fn address(bao: &OpenBao) -> String {
    format!("address = \"{}\"", bao.address())
}

fn open(folder: &Path, config: &str) -> Arc<Store> {
    let config = Config::parse(config, &folder.join("keyd.toml")).expect("a configuration");
    let StoreConfig::Vault(vault) = config.store else { unreachable!("it names Vault") };
    stores::vault(*vault)
}

/// Tokens of three seconds, six with renewals.
fn short() -> Value {
    json!({"token_ttl": "3s", "token_max_ttl": "6s"})
}

async fn read(store: &Store) -> Read {
    store.read::<Value>("livekit/apps").await
}

/// Reads until `wanted`; each answer until then must be as `allowed` says.
async fn until(store: &Store, wanted: impl Fn(&Read) -> bool, allowed: impl Fn(&Read) -> bool) -> Read {
    let began = Instant::now();
    loop {
        let answer = read(store).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(allowed(&answer) && began.elapsed() < PATIENCE, "after {:?}: {answer:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn refused(answer: &Read) -> bool {
    matches!(answer, Err(StoreError::Refused { .. }))
}

/// Waits for the refusal that names the remedy.
async fn told(store: &Store, remedy: &str) {
    let said = |answer: &Read| answer.as_ref().is_err_and(|error| error.to_string().contains(remedy));
    let answer = until(store, said, |answer| answer.is_ok() || refused(answer)).await;
    assert!(refused(&answer), "{answer:?}");
    let failure = store.session().expect("a session").failure.expect("the login has failed");
    assert!(failure.error.to_string().contains(remedy) && !failure.intercepted, "{failure:?}");
}

async fn comes_back(store: &Store) {
    until(store, Result::is_ok, refused).await.expect("it was mended");
    assert_eq!(store.session().expect("a session").failure, None);
}

/// Three logins follow each other without a call refused, and one more follows a revocation.
async fn outlives_its_tokens(bao: &OpenBao, store: &Store, mount: &str) {
    let (mut accessors, mut ends) = (BTreeSet::new(), BTreeSet::new());
    let began = Instant::now();
    // Root's is the fourth.
    while accessors.len() < 4 || ends.len() <= accessors.len() {
        read(store).await.expect("never refused");
        let listed = bao.succeed("LIST", "auth/token/accessors", &Value::Null);
        accessors.extend(listed["data"]["keys"].as_array().expect("accessors").iter().map(Value::to_string));
        ends.insert(store.session().expect("a session").expires_at.expect("it ends"));
        assert!(began.elapsed() < PATIENCE, "{} logins", accessors.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bao.succeed("PUT", &format!("sys/leases/revoke-prefix/{mount}"), &json!({}));
    // Two logins because of refused calls are some seconds apart.
    comes_back(store).await;
}

/// What a method must do whose credential can be used again and again.
async fn stands(bao: &OpenBao, store: &Store, put: &Put, mount: &str, remedy: &str) {
    outlives_its_tokens(bao, store, mount).await;
    bao.succeed("DELETE", &put.role, &Value::Null);
    bao.succeed("PUT", &format!("sys/leases/revoke-prefix/{mount}"), &json!({}));
    told(store, remedy).await;
    put.again(bao);
    comes_back(store).await;
}

/// A JWT of this subject, for Vault, signed by `jwt.der` in the folder.
fn jwt(folder: &Path, subject: &str) -> String {
    let key = EncodingKey::from_ec_der(&std::fs::read(folder.join("jwt.der")).expect("a key"));
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({"sub": subject, "aud": "vault", "iat": now, "exp": now + 600});
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).expect("a JWT")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_is_read_anew_at_each_login() {
    let (bao, folder) = with_document("");
    let at = folder.path();
    openssl::run(at, "ecparam -name prime256v1 -genkey -noout -out jwt.key");
    openssl::run(at, "ec -in jwt.key -pubout -out jwt.pub");
    openssl::run(at, "pkcs8 -topk8 -nocrypt -in jwt.key -outform DER -out jwt.der");
    bao.succeed("POST", "sys/auth/ci", &json!({"type": "jwt"}));
    let public = std::fs::read_to_string(at.join("jwt.pub")).expect("a public key");
    bao.succeed("POST", "auth/ci/config", &json!({ "jwt_validation_pubkeys": [public] }));
    let login = "method = \"jwt\"\nmount_path = \"auth/ci\"\nrole = \"signer\"\npath = \"jwt\"";
    let config = config(&address(&bao), login);
    let put = policies::put(&bao, at, &config, &["--bound-to", "deploy"], &short());
    file_with(at, "jwt", &jwt(at, "deploy"));
    let store = open(at, &config);
    stands(&bao, &store, &put, "auth/ci", "deliver a fresh one").await;

    file_with(at, "jwt", &jwt(at, "somebody-else"));
    told(&store, "compare its issuer, subject and audience with the role (`vault read auth/ci/role/signer`)")
        .await;
    file_with(at, "jwt", &jwt(at, "deploy"));
    comes_back(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_and_the_authority_of_the_server_may_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    for authority in ["first", "second"] {
        openssl::authority(at, authority);
    }
    openssl::certificate(at, "first", "server", "IP:127.0.0.1", "serverAuth");
    openssl::certificate(at, "first", "signer", "DNS:signer", "clientAuth");
    let (place, port) = (at.display(), port::free());
    let (mut bao, _spare) = with_document(&format!(
        "listener \"tcp\" {{ address = \"127.0.0.1:{port}\", tls_cert_file = \"{place}/server.pem\", tls_key_file = \"{place}/server.key\" }}"
    ));
    bao.succeed("POST", "sys/auth/cert", &json!({"type": "cert"}));
    std::fs::copy(at.join("first.pem"), at.join("trusted.pem")).expect("a copy");
    let login =
        "method = \"cert\"\nname = \"signer\"\nclient_cert = \"signer.pem\"\nclient_key = \"signer.key\"";
    let store = format!("address = \"https://127.0.0.1:{port}\"\nca_cert = \"trusted.pem\"");
    let config = config(&store, login);
    let put = policies::put(&bao, at, &config, &[], &short());
    let store = open(at, &config);
    stands(&bao, &store, &put, "auth/cert", "see that it has not expired").await;

    // A role is asked for by name: another that would accept the certificate does not do.
    let anybody = std::fs::read_to_string(at.join("second.pem")).expect("a certificate");
    bao.succeed(
        "POST",
        "auth/cert/certs/anybody",
        &json!({"certificate": anybody, "token_policies": "none"}),
    );
    // The next one of the other authority, for which the role is told.
    openssl::certificate(at, "second", "signer", "DNS:signer", "clientAuth");
    told(&store, "`vault read auth/cert/certs/signer`").await;
    policies::put(&bao, at, &config, &[], &short());
    comes_back(&store).await;

    // The server's certificate is of another authority, too, and then it is trusted.
    openssl::certificate(at, "second", "server", "IP:127.0.0.1", "serverAuth");
    bao.reload();
    let untrusted = |answer: &Read| {
        answer.as_ref().is_err_and(|error| error.is_retryable() && error.to_string().contains("ca_cert"))
    };
    // Connections that are open stay so, and their tokens end.
    let lost = |answer: &Read| {
        answer.is_ok() || refused(answer) || matches!(answer, Err(StoreError::Unreachable { .. }))
    };
    until(&store, untrusted, lost).await.expect_err("it is not trusted");
    std::fs::copy(at.join("second.pem"), at.join("trusted.pem")).expect("a copy");
    until(&store, Result::is_ok, lost).await.expect("the new authority is trusted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_role_that_was_made_anew_needs_its_new_ids() {
    let (bao, folder) = with_document("");
    let at = folder.path();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let login = "method = \"approle\"\nrole_id_file_path = \"role-id\"\nsecret_id_file_path = \"secret-id\"";
    let config = config(&address(&bao), login);
    let put = policies::put(&bao, at, &config, &[], &short());
    let deliver = || {
        let role_id = bao.succeed("GET", &format!("{}/role-id", put.role), &Value::Null);
        let secret_id = bao.succeed("POST", &format!("{}/secret-id", put.role), &json!({}));
        file_with(at, "role-id", role_id["data"]["role_id"].as_str().expect("an id"));
        file_with(at, "secret-id", secret_id["data"]["secret_id"].as_str().expect("an id"));
    };
    deliver();
    let store = open(at, &config);
    outlives_its_tokens(&bao, &store, "auth/approle").await;
    bao.succeed("DELETE", &put.role, &Value::Null);
    bao.succeed("PUT", "sys/leases/revoke-prefix/auth/approle", &json!({}));
    told(&store, "put a new secret id into").await;
    put.again(&bao);
    deliver();
    comes_back(&store).await;
}

#[test]
fn a_service_account_logs_in_through_the_real_token_review() {
    let kubernetes = Kubernetes::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (bao, folder) = with_document("");
    let at = folder.path();
    kubernetes.create_namespace("livekit");
    for account in ["keyd", "other", "reviewer"] {
        kubernetes.create_account("livekit", account, &json!([]));
    }
    kubernetes.bind_cluster_role("system:auth-delegator", "livekit", "reviewer");
    bao.succeed("POST", "sys/auth/kubernetes", &json!({"type": "kubernetes"}));
    let host = json!({
        "kubernetes_host": kubernetes.address(),
        "kubernetes_ca_cert": std::fs::read_to_string(kubernetes.certificate()).expect("a certificate"),
        "token_reviewer_jwt": kubernetes.token("livekit", "reviewer", &[]),
        "disable_local_ca_jwt": true,
    });
    bao.succeed("POST", "auth/kubernetes/config", &host);
    let login = "method = \"kubernetes\"\nrole = \"signer\"\ntoken_path = \"token\"";
    let config = config(&address(&bao), login);
    let put = policies::put(&bao, at, &config, &["--bound-to", "livekit/keyd"], &short());
    let token = |account, audience| kubernetes.token("livekit", account, &[audience]);
    let good = token("keyd", "vault");
    let refused = [token("keyd", "elsewhere"), token("other", "vault")];
    file_with(at, "token", &good);
    runtime.expect("a runtime").block_on(async {
        let store = open(at, &config);
        let remedy = "compare the role's accounts, namespaces and audience";
        stands(&bao, &store, &put, "auth/kubernetes", remedy).await;
        for token in refused {
            file_with(at, "token", &token);
            told(&store, remedy).await;
            file_with(at, "token", &good);
            comes_back(&store).await;
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_a_file_is_renewed_beyond_its_period_and_replaced_by_others() {
    let (bao, folder) = with_document("");
    let at = folder.path();
    let config = config(&address(&bao), "method = \"token_file\"\ntoken_file_path = \"token\"");
    let put = policies::put(&bao, at, &config, &[], &json!({"token_period": "3s"}));
    let deliver = || file_with(at, "token", &new_token(&bao, &put));
    deliver();
    let store = open(at, &config);
    outlives_its_period(&store).await;
    revoke(&bao, &std::fs::read_to_string(at.join("token")).expect("a token"));
    told(&store, "deliver a new one to").await;
    deliver();
    comes_back(&store).await;
}

/// As `vault token create -role=...` gives it.
fn new_token(bao: &OpenBao, put: &Put) -> String {
    let path = put.role.replace("auth/token/roles/", "auth/token/create/");
    let made = bao.succeed("POST", &path, &json!({}));
    made["auth"]["client_token"].as_str().expect("a token").to_owned()
}

fn revoke(bao: &OpenBao, token: &str) {
    bao.succeed("POST", "auth/token/revoke", &json!({ "token": token }));
}

async fn outlives_its_period(store: &Store) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        read(store).await.expect("never refused");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Tells a process of its own where the server is.
const SERVER: &str = "TEST_METHODS_SERVER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_environment_is_renewed_and_cannot_be_replaced() {
    let login = "method = \"token\"\nenv = \"TEST_METHODS_TOKEN\"";
    if let Some(server) = again::told(SERVER) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), &config(&format!("address = \"http://{server}\""), login));
        outlives_its_period(&store).await;
        let variable = |name| std::env::var(name).expect("a token");
        let body = json!({ "token": variable("TEST_METHODS_TOKEN") }).to_string();
        let headers = [("x-vault-token", &*variable("TEST_METHODS_REVOKER"))];
        let request = http::request("POST", "/v1/auth/token/revoke", &headers, body.as_bytes());
        assert_eq!(http::over_tcp(&server, &request).expect("an answer").status, 204);
        told(&store, "put a new one into TEST_METHODS_TOKEN and restart this process").await;
        return;
    }
    let (bao, folder) = with_document("");
    let config = config(&address(&bao), login);
    let put = policies::put(&bao, folder.path(), &config, &[], &json!({"token_period": "3s"}));
    let name = "a_token_in_the_environment_is_renewed_and_cannot_be_replaced";
    let mut child = again::command(name, SERVER, bao.address().trim_start_matches("http://"));
    child.env("TEST_METHODS_TOKEN", new_token(&bao, &put)).env("TEST_METHODS_REVOKER", bao.token());
    again::passes(child);
}
