//! A real kube-apiserver on a real etcd: Kubernetes' API with its RBAC, TokenRequest and TokenReview.
//!
//! There are no nodes and no controllers: what a kubelet or a controller would write, a test writes as the administrator.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hyper::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::server::Server;
use super::{cache, port};

/// What the administrator calls with; the server ends with the test.
const ADMIN_TOKEN: &str = "administrator";
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// How long a call may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A cluster without machines.
pub(crate) struct Kubernetes {
    folder: TempDir,
    port: u16,
    runtime: Runtime,
    client: Client,
    server: Server,
    _etcd: Server,
}

impl Kubernetes {
    /// Starts both servers and waits until the API is ready.
    pub(crate) fn start() -> Kubernetes {
        // Within the target folder, as a server that all tests share is never dropped.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let (etcd, etcd_address) = start_etcd(folder.path());
        let port = port::free();
        let mut server =
            Server::spawn("kube-apiserver", apiserver_command(folder.path(), port, &etcd_address));
        // The server makes its own certificate at its start.
        let certificate = certificate(folder.path());
        server.wait_until("it has its certificate", || {
            fs::read_to_string(&certificate).is_ok_and(|text| text.ends_with("-----END CERTIFICATE-----\n"))
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(client(kubeconfig(folder.path(), port, ADMIN_TOKEN)));
        let mut kubernetes = Kubernetes { folder, port, runtime, client, server, _etcd: etcd };
        kubernetes.wait_until_ready();
        kubernetes
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// The certificates that its clients trust, in PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        certificate(self.folder.path())
    }

    /// The process, for its log and signals.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Ends the API server, keeping what etcd holds: connections are refused.
    pub(crate) fn stop(&mut self) {
        self.server.kill();
    }

    /// Calls a path like `/api/v1/namespaces` as the administrator: the status and the answer.
    ///
    /// The body of a PATCH is a JSON merge patch.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.runtime.block_on(send(&self.client, method, path, body));
        answer.unwrap_or_else(|error| panic!("kube-apiserver does not answer {method} {path}: {error}"))
    }

    /// As [`Kubernetes::call`], for a call that must succeed.
    pub(crate) fn succeed(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!(
            (200..300).contains(&status),
            "kube-apiserver answers {method} {path} with {status}: {answer}"
        );
        answer
    }

    /// Makes a namespace.
    pub(crate) fn create_namespace(&self, name: &str) {
        self.succeed("POST", "/api/v1/namespaces", &json!({"metadata": {"name": name}}));
    }

    /// Makes a ServiceAccount with a Role of its own that has these rules and no others.
    pub(crate) fn create_account(&self, namespace: &str, name: &str, rules: &Value) {
        let metadata = json!({"name": name});
        self.succeed(
            "POST",
            &format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
            &json!({"metadata": metadata}),
        );
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        self.succeed("POST", &format!("{rbac}/roles"), &json!({"metadata": metadata, "rules": rules}));
        self.create_binding(namespace, name);
    }

    /// Binds a ServiceAccount to the Role of its own, which [`Kubernetes::create_account`] does as well.
    pub(crate) fn create_binding(&self, namespace: &str, name: &str) {
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        });
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        self.succeed("POST", &path, &binding);
    }

    /// Binds a ServiceAccount to a ClusterRole, like `system:auth-delegator`, which lets it ask for TokenReviews.
    pub(crate) fn bind_cluster_role(&self, role: &str, namespace: &str, account: &str) {
        let binding = json!({
            "metadata": {"name": format!("{namespace}-{account}-{}", role.replace(':', "-"))},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        });
        self.succeed("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding);
    }

    /// A ServiceAccount's token, as TokenRequest gives it: ten minutes long, for these audiences, or for the API
    /// server itself when none is named.
    pub(crate) fn token(&self, namespace: &str, account: &str, audiences: &[&str]) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let mut spec = json!({"expirationSeconds": 600});
        if !audiences.is_empty() {
            spec["audiences"] = json!(audiences);
        }
        let answer = self.succeed("POST", &path, &json!({"spec": spec}));
        answer["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// A kubeconfig file in its folder, for whoever has this token.
    pub(crate) fn kubeconfig(&self, name: &str, token: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        let config = kubeconfig(self.folder.path(), self.port, token);
        // JSON is YAML.
        fs::write(&path, config.to_string()).expect("a kubeconfig is written");
        path
    }

    /// Waits until its roles are in place, without which RBAC refuses.
    fn wait_until_ready(&mut self) {
        let (runtime, client) = (&self.runtime, &self.client);
        let call = |path| runtime.block_on(send(client, "GET", path, &Value::Null));
        self.server.wait_until("it is ready", || call("/readyz").is_ok_and(|(status, _)| status == 200));
        // Made by the server a moment after it is ready.
        self.server.wait_until("it has the namespace `default`", || {
            call("/api/v1/namespaces/default").is_ok_and(|(status, _)| status == 200)
        });
    }
}

fn start_etcd(folder: &Path) -> (Server, String) {
    let (address, peer) =
        (format!("http://{HOST}:{}", port::free()), format!("http://{HOST}:{}", port::free()));
    let mut command = Command::new(cache::path("etcd"));
    command.arg("--data-dir").arg(folder.join("etcd"));
    command.args(["--listen-client-urls", &address, "--advertise-client-urls", &address]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync"]);
    (Server::spawn("etcd", command), address)
}

fn apiserver_command(folder: &Path, port: u16, etcd: &str) -> Command {
    let signing_key = folder.join("service-account.key");
    let made = Command::new("openssl")
        .args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"])
        .arg(&signing_key)
        .output()
        .expect("the command `openssl` is there: install the package openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tokens = folder.join("tokens.csv");
    fs::write(&tokens, format!("{ADMIN_TOKEN},administrator,1,system:masters\n")).expect("written");
    let mut command = Command::new(cache::path("kube-apiserver"));
    command
        .arg(format!("--bind-address={HOST}"))
        .arg(format!("--external-hostname={HOST}"))
        .arg(format!("--secure-port={port}"))
        .arg(format!("--etcd-servers={etcd}"))
        .arg(format!("--service-account-issuer=https://{HOST}:{port}"))
        .arg(argument("--cert-dir", &folder.join("certificates")))
        .arg(argument("--token-auth-file", &tokens))
        .arg(argument("--service-account-key-file", &signing_key))
        .arg(argument("--service-account-signing-key-file", &signing_key))
        .args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24"])
        // Nobody reaches it but by its address.
        .arg("--endpoint-reconciler-type=none")
        .args(["--enable-priority-and-fairness=false", "--profiling=false"]);
    command
}

fn argument(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificates/apiserver.crt")
}

fn kubeconfig(folder: &Path, port: u16, token: &str) -> Value {
    let cluster =
        json!({"server": format!("https://{HOST}:{port}"), "certificate-authority": certificate(folder)});
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
    })
}

async fn client(kubeconfig: Value) -> Client {
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a complete kubeconfig");
    config.read_timeout = Some(TIMEOUT);
    Client::try_from(config).expect("a client")
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> kube::Result<(u16, Value)> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let answer = client.send(request.body(Body::from(body)).expect("a request")).await?;
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}
