//! The policies and roles that `vault-policy` prints, put into OpenBao.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::openbao::OpenBao;
use super::stores::file_with;

/// What was put there.
pub(crate) struct Put {
    /// The path of the login's role.
    pub(crate) role: String,
    settings: Value,
}

/// Runs `vault-policy` on a configuration.
pub(crate) fn print(folder: &Path, config: &str, options: &[&str]) -> Output {
    let file = file_with(folder, "policy.toml", config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_livekit-keyd"));
    command.env_remove("LIVEKIT_KEYD_CONFIG").arg("vault-policy").arg("--config").arg(file);
    command.args(options).output().expect("the program starts")
}

/// What it prints as JSON.
pub(crate) fn printed(folder: &Path, config: &str, options: &[&str]) -> Value {
    let output = print(folder, config, &[&["--json"], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Puts all of it into OpenBao as printed, but for settings of the role that a test cannot wait for.
pub(crate) fn put(bao: &OpenBao, folder: &Path, config: &str, options: &[&str], changed: &Value) -> Put {
    let printed = printed(folder, config, options);
    for policy in printed["policies"].as_array().expect("policies") {
        let path = format!("sys/policies/acl/{}", policy["name"].as_str().expect("a name"));
        bao.succeed("PUT", &path, &json!({ "policy": policy["policy"] }));
    }
    let role = &printed["roles"][0];
    let mut settings = role["settings"].clone();
    for (name, value) in changed.as_object().expect("settings") {
        settings[name] = value.clone();
    }
    // As `vault write` does with a value that names a file.
    for value in settings.as_object_mut().expect("settings").values_mut() {
        if let Some(file) = value.as_str().and_then(|text| text.strip_prefix('@')) {
            *value = fs::read_to_string(file).expect("the file that was named").into();
        }
    }
    let put = Put { role: role["path"].as_str().expect("a path").to_owned(), settings };
    put.again(bao);
    put
}

impl Put {
    /// Puts the role there once more.
    pub(crate) fn again(&self, bao: &OpenBao) {
        bao.succeed("POST", &self.role, &self.settings);
    }
}
