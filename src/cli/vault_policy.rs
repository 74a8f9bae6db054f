//! `vault-policy`: what Vault must allow, and not a call more.

pub(super) mod policies;
mod roles;

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::screen::print;
use crate::config::{Config, StoreConfig};
use crate::store::vault::VaultConfig;
use policies::Policy;
use roles::Write;

/// What `vault-policy` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Prints a script for `sh`, which calls `vault` (for OpenBao, replace it by `bao`). With --policy it prints one policy alone, for `vault policy write NAME -`. A rotator's configuration gives the policies of its signers, nodes and dependents too."
)]
pub struct Options {
    /// Print one policy alone
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// How names of policies begin, for several deployments in one Vault
    #[arg(long, value_name = "TEXT", default_value = "livekit-keyd")]
    pub prefix: String,
    /// Who may log in: NAMESPACE/SERVICEACCOUNT for Kubernetes, the subject for JWT
    #[arg(long, value_name = "WHO")]
    pub bound_to: Option<String>,
    /// The audience of tokens for Kubernetes and JWT
    #[arg(long, value_name = "AUDIENCE", default_value = "vault")]
    pub audience: String,
}

/// Runs the command.
///
/// # Errors
/// The configuration has mistakes or is no Vault's, or an option is missing.
pub fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let config = context.config()?;
    let StoreConfig::Vault(vault) = &config.store else {
        return Err(Failure::misuse(
            "the configuration's store is a folder of files, which needs no policies: name one with store.kind = \"vault\"",
        ));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if options.prefix.is_empty() || !options.prefix.chars().all(plain) {
        return Err(Failure::misuse("--prefix must be of letters, digits, `-`, `_` and `.`"));
    }
    let policies = policies::all(&config, &vault.mount, &options.prefix);
    print(&match &options.policy {
        Some(name) => one(&policies, name)?,
        None => {
            let writes = roles::own(&vault.auth, &own(&config, &options.prefix), &options)?;
            if context.globals.json {
                format!("{}\n", as_json(vault, &policies, &writes))
            } else {
                script(vault, &policies, &writes)
            }
        }
    })?;
    Ok(Exit::Fine)
}

/// The policy of the process that the configuration is for.
fn own(config: &Config, prefix: &str) -> String {
    let role = if config.role.rotates() { "rotator" } else { "signer" };
    format!("{prefix}-{role}")
}

fn one(policies: &[Policy], name: &str) -> Result<String, Failure> {
    let found = policies.iter().find(|policy| policy.name == name);
    found.map(Policy::rules).ok_or_else(|| {
        let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        Failure::misuse(format!("there is no policy `{name}`; there are {}", names.join(", ")))
    })
}

fn as_json(vault: &VaultConfig, policies: &[Policy], writes: &[Write]) -> Value {
    let policy =
        |policy: &Policy| json!({ "name": policy.name, "for": policy.whom, "policy": policy.rules() });
    let write = |write: &Write| {
        let settings = write.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        json!({ "path": write.path, "settings": Value::Object(settings.collect()), "then": write.then })
    };
    json!({
        "namespace": vault.namespace,
        "policies": policies.iter().map(policy).collect::<Vec<_>>(),
        "roles": writes.iter().map(write).collect::<Vec<_>>(),
    })
}

fn script(vault: &VaultConfig, policies: &[Policy], writes: &[Write]) -> String {
    let mut text = format!("set -eu\nexport VAULT_ADDR={}\n", quoted(&vault.address));
    if let Some(namespace) = &vault.namespace {
        text.push_str(&format!("export VAULT_NAMESPACE={}\n", quoted(namespace)));
    }
    for policy in policies {
        let (name, whom, rules) = (&policy.name, &policy.whom, policy.rules());
        text.push_str(&format!("\n# For {whom}.\nvault policy write {name} - <<'END'\n{rules}END\n"));
    }
    text.push_str("\n# The login of this configuration.\n");
    for write in writes {
        text.push_str(&format!("vault write {}", write.path));
        for (name, value) in &write.settings {
            text.push_str(&format!(" \\\n  {name}={}", quoted(value)));
        }
        text.push_str(&format!("\n# Then: {}\n", write.then));
    }
    text
}

/// As one word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_quotes() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("'; rm -r /"), r"''\''; rm -r /'");
    }
}
