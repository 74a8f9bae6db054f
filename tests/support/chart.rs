//! What the Helm chart makes of values.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::cache;

/// Where the chart lies.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/livekit-keyd")
}

/// Helm's answer to these arguments, with the chart and the values of `ci/<values>-values.yaml` after them.
pub(crate) fn helm(arguments: &[&str], values: &str) -> Output {
    let chart = folder();
    let values = chart.join(format!("ci/{values}-values.yaml"));
    let mut command = Command::new(cache::path("helm"));
    command.args(arguments).arg(chart).arg("--values").arg(values);
    command.output().expect("helm starts")
}

/// The chart's objects as YAML; `settings` are like `rotator.replicas=2`.
pub(crate) fn template(values: &str, settings: &[&str]) -> Vec<u8> {
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<_> = ["template", "test"].into_iter().chain(settings).collect();
    succeeded(helm(&arguments, values))
}

/// As [`template`], read as Kubernetes reads YAML.
pub(crate) fn objects(values: &str, settings: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("objects.yaml");
    fs::write(&file, template(values, settings)).expect("the objects are written");
    let mut command = Command::new(cache::path("kubectl"));
    // A patch of nothing, which needs no cluster.
    command.args(["patch", "--local", "--type", "merge", "--patch", "{}", "--output", "json"]);
    let json = succeeded(command.arg("--filename").arg(file).output().expect("kubectl starts"));
    serde_json::Deserializer::from_slice(&json).into_iter().collect::<Result<_, _>>().expect("JSON")
}

/// The only object of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<_> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "objects of kind {kind}");
    found[0]
}

fn succeeded(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
