//! The unit and the chart are what systemd, Helm and Kubernetes take, and say what this daemon needs.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use livekit_keyd::config::{Config, Role};
use serde_json::{Value, json};
use support::chart::only;
use support::{cache, chart};

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn run(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().expect("systemd's tools come with the package systemd, others with `make servers`");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads its input");
    child.wait_with_output().expect("it ends")
}

fn everything(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The standard output of a command that must succeed.
fn succeed(command: Command, input: &[u8]) -> Vec<u8> {
    let output = run(command, input);
    assert!(output.status.success(), "{}", everything(&output));
    output.stdout
}

fn unit() -> String {
    fs::read_to_string(in_project("systemd/livekit-keyd.service")).expect("the unit")
}

/// Has systemd look at a unit whose program is the one that was built; what it says of it.
fn verify(unit: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("livekit-keyd.service");
    fs::write(&file, unit.replace("/usr/bin/livekit-keyd", env!("CARGO_BIN_EXE_livekit-keyd")))
        .expect("the unit is written");
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).arg(&file);
    // It warns of an unknown setting and succeeds; a machine's other units are not our matter.
    let lines = everything(&run(command, b""));
    lines.lines().filter(|line| line.contains("livekit-keyd")).collect::<Vec<_>>().join("\n")
}

#[test]
fn systemd_takes_the_unit() {
    assert_eq!(verify(&unit()), "");
    let misspelt = verify(&unit().replace("ProtectSystem=", "ProtectSytem="));
    assert!(misspelt.contains("ProtectSytem"), "a mistake is seen: {misspelt}");
}

#[test]
fn the_unit_is_confined() {
    let mut command = Command::new("systemd-analyze");
    // In tenths of the exposure that it computes.
    command.args(["security", "--no-pager", "--offline=yes", "--threshold=20"]);
    command.arg(in_project("systemd/livekit-keyd.service"));
    succeed(command, b"");
}

#[test]
fn the_unit_s_user_and_groups_are_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("systemd-sysusers");
    command.arg("--dry-run").arg(format!("--root={}", folder.path().display()));
    command.arg(in_project("systemd/sysusers.d/livekit-keyd.conf"));
    let made = everything(&run(command, b""));
    for setting in ["User", "Group", "SupplementaryGroups"] {
        let unit = unit();
        let name = unit.lines().find_map(|line| line.strip_prefix(&format!("{setting}="))).expect(setting);
        let kind = if setting == "User" { "user" } else { "group" };
        assert!(made.contains(&format!("Creating {kind} '{name}'")), "{setting}: {made}");
    }
}

/// The chart's objects with the values of `ci/<values>-values.yaml`, checked against Kubernetes's own schema.
fn render(values: &str) -> Vec<Value> {
    let linted = chart::helm(&["lint", "--strict"], values);
    assert!(linted.status.success(), "{}", everything(&linted));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("objects.yaml");
    fs::write(&file, chart::template(values, &[])).expect("the objects are written");
    let mut command = Command::new(cache::path("kubernetes-validate"));
    command.arg("--strict").arg(file);
    succeed(command, b"");
    chart::objects(values, &[])
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let entries = list.as_array().expect("a list");
    let found = entries.iter().find(|entry| entry["name"] == name);
    assert!(found.is_some(), "nothing named {name} in {list}");
    found.expect("seen above")
}

/// The configuration among the objects, as the daemon reads it.
fn configuration(objects: &[Value]) -> Config {
    let text = only(objects, "ConfigMap")["data"]["keyd.toml"].as_str().expect("keyd.toml");
    let config = Config::parse(text, Path::new("/etc/livekit-keyd/keyd.toml"));
    config.map_err(|errors| errors.to_string()).expect("the daemon takes the chart's configuration")
}

/// What holds for the daemon's container wherever it runs.
fn assert_confined(container: &Value) {
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    // A Vault that is down must not have the daemon killed, which bridges that outage.
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
}

#[test]
fn the_chart_renders_rotators() {
    let objects = render("rotator");
    let config = configuration(&objects);
    assert_eq!(config.role, Role::Rotator);
    let deployment = only(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 3);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_confined(named(&pod["containers"], "livekit-keyd"));
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(named(&pod["volumes"], "keyd-admin")["emptyDir"]["medium"], "Memory");
    let token = &named(&pod["volumes"], "keyd-vault-token")["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "vault");
}

#[test]
fn the_chart_renders_a_sidecar() {
    let objects = render("sidecar");
    let config = configuration(&objects);
    assert_eq!(config.role, Role::Signer);
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    let sidecar = named(&pod["initContainers"], "livekit-keyd");
    assert_confined(sidecar);
    assert_eq!(sidecar["restartPolicy"], "Always", "what makes it a sidecar");
    assert_eq!(sidecar["startupProbe"]["httpGet"]["path"], "/readyz", "the application waits for a token");

    let application = named(&pod["containers"], "application");
    let socket = named(&pod["volumes"], "keyd-socket");
    assert_eq!(socket["emptyDir"]["medium"], "Memory");
    let mounts = application["volumeMounts"].as_array().expect("mounts");
    assert_eq!(mounts.len(), 1, "neither the admin socket nor Vault's credentials: {mounts:?}");
    assert_eq!(mounts[0]["name"], "keyd-socket");
    assert_eq!(mounts[0]["readOnly"], true);
    assert_eq!(mounts[0].get("subPath"), None, "the folder: a restarted daemon makes a new socket");
    let path = named(&application["env"], "LIVEKIT_KEYD_SOCKET")["value"].as_str().expect("a path");
    assert_eq!(config.sign.socket.path, Path::new(path));
}

#[test]
fn the_chart_gives_a_rotator_rights_to_one_secret_and_one_workload() {
    let objects = render("secret");
    let config = configuration(&objects);
    assert_eq!(config.publish[0].name(), "media/keys");
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    let token = &named(&pod["volumes"], "keyd-kubernetes-token")["projected"]["sources"][0];
    assert_eq!(token["serviceAccountToken"]["path"], "token");
    let volumes = pod["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().all(|volume| volume["name"] != "keys"), "no claim is named: {volumes:?}");

    let binding = only(&objects, "RoleBinding");
    assert_eq!(binding["subjects"][0]["name"], pod["serviceAccountName"]);
    assert_eq!(binding["roleRef"]["name"], only(&objects, "Role")["metadata"]["name"]);
    assert_eq!(
        (&binding["metadata"]["namespace"], &only(&objects, "Role")["metadata"]["namespace"]),
        (&json!("media"), &json!("media"))
    );
    let rules = only(&objects, "Role")["rules"].clone();
    let secret = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get", "patch", "create"]});
    assert_eq!(rules, json!([secret]), "nothing is restarted");
    let restarting = chart::objects("secret", &["rotator.secret.restart=deployment/livekit"]);
    let workload = json!({"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["livekit"], "verbs": ["get", "patch"]});
    assert_eq!(only(&restarting, "Role")["rules"], json!([secret, workload]));
    let config = only(&restarting, "ConfigMap")["data"]["keyd.toml"].as_str().expect("keyd.toml");
    assert!(config.contains("restart = \"deployment/livekit\""), "{config}");

    assert!(render("rotator").iter().all(|object| object["kind"] != "Role"), "no rights without a Secret");
}

#[test]
fn the_chart_refuses_values_that_it_does_not_know() {
    for setting in ["rotator.replica=3", "rotator.secret.restart=livekit"] {
        let output = chart::helm(&["template", "--set", setting], "rotator");
        assert!(!output.status.success());
        let name = setting.split(['.', '=']).rev().nth(1).expect("a name");
        assert!(everything(&output).contains(name), "{}", everything(&output));
    }
}

#[test]
fn the_chart_has_the_daemon_s_version() {
    let chart = fs::read_to_string(in_project("helm/livekit-keyd/Chart.yaml")).expect("the chart");
    assert!(chart.lines().any(|line| line == concat!("appVersion: ", env!("CARGO_PKG_VERSION"))), "{chart}");
}
