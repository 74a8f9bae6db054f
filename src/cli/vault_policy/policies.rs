//! Who calls what in the store, as policies. A call that the store learns to make is added here.

use crate::config::{Config, KeysetConfig, PublisherConfig};

/// A policy, and for whom.
pub(in crate::cli) struct Policy {
    pub(in crate::cli) name: String,
    /// In a sentence.
    pub(in crate::cli) whom: String,
    pub(in crate::cli) grants: Vec<Grant>,
}

/// What may be done at a path.
pub(in crate::cli) struct Grant {
    why: &'static str,
    pub(in crate::cli) path: String,
    pub(in crate::cli) capabilities: &'static [&'static str],
}

impl Policy {
    /// In Vault's language.
    pub(in crate::cli) fn rules(&self) -> String {
        let grant = |Grant { why, path, capabilities }: &Grant| {
            let capabilities: Vec<String> = capabilities.iter().map(|word| format!("\"{word}\"")).collect();
            format!("# {why}\npath \"{path}\" {{\n  capabilities = [{}]\n}}\n", capabilities.join(", "))
        };
        self.grants.iter().map(grant).collect()
    }
}

/// All that a configuration calls for.
pub(in crate::cli) fn all(config: &Config, mount: &str, prefix: &str) -> Vec<Policy> {
    let keysets = config.keysets.iter().map(|config| config.keyset.path.as_str());
    let kv = Kv { mount };
    let mut signer = own_token();
    signer.extend(keysets.map(|path| kv.readable(path, "the document")));
    let mut policies =
        vec![Policy { name: format!("{prefix}-signer"), whom: "signers".to_owned(), grants: signer }];
    if !config.role.rotates() {
        return policies;
    }
    let deployment = config.livekit.path.as_str();
    let grants = rotators(config, mount);
    policies.push(Policy { name: format!("{prefix}-rotator"), whom: "rotators".to_owned(), grants });
    let nodes = kv.readable(&format!("{deployment}/nodes"), "the key file");
    policies.push(Policy {
        name: format!("{prefix}-nodes"),
        whom: "whatever gives LiveKit's nodes their key file".to_owned(),
        grants: vec![nodes],
    });
    let with_client = config.keysets.iter().filter(|keyset| keyset.client.is_some());
    policies.extend(with_client.map(|KeysetConfig { keyset, .. }| Policy {
        name: format!("{prefix}-client-{}", keyset.name),
        whom: format!("dependents that read the newest key of keyset `{}`", keyset.name),
        grants: vec![kv.readable(&keyset.client_path(), "the key")],
    }));
    policies
}

/// What a rotator of these keysets may do, whatever the role that the configuration is for.
pub(in crate::cli) fn rotators(config: &Config, mount: &str) -> Vec<Grant> {
    let (kv, deployment) = (Kv { mount }, config.livekit.path.as_str());
    let mut grants = own_token();
    for KeysetConfig { keyset, client, .. } in &config.keysets {
        grants.extend(kv.kept(&keyset.path, "the document"));
        match &keyset.source {
            Some(source) => grants.push(kv.readable(&source.path, "the key that others put there")),
            None => grants.extend(kv.standby(&keyset.path)),
        }
        if client.is_some() {
            grants.extend(kv.kept(&keyset.client_path(), "what dependents read"));
        }
    }
    grants.extend(kv.kept(&format!("{deployment}/nodes"), "what LiveKit's nodes read"));
    for publisher in &config.publish {
        if let PublisherConfig::Command(command) = publisher {
            let path = format!("{deployment}/published/{}", command.name);
            grants.extend(kv.kept(&path, "what a command has published"));
        }
    }
    grants.push(kv.writable(&format!("{deployment}/rollout"), "who restarts nodes"));
    grants
}

/// Said rather than left to the policy `default`, which allows much more.
fn own_token() -> Vec<Grant> {
    vec![
        Grant {
            why: "how long its own token lives",
            path: "auth/token/lookup-self".to_owned(),
            capabilities: &["read"],
        },
        Grant {
            why: "to keep its own token alive",
            path: "auth/token/renew-self".to_owned(),
            capabilities: &["update"],
        },
        Grant {
            why: "to be told what it may do: for `check --online`",
            path: "sys/capabilities-self".to_owned(),
            capabilities: &["update"],
        },
    ]
}

/// A mount of the KV engine, version 2.
struct Kv<'a> {
    mount: &'a str,
}

impl Kv<'_> {
    fn at(&self, part: &str, path: &str) -> String {
        format!("{}/{part}/{path}", self.mount)
    }

    fn readable(&self, path: &str, why: &'static str) -> Grant {
        Grant { why, path: self.at("data", path), capabilities: &["read"] }
    }

    fn writable(&self, path: &str, why: &'static str) -> Grant {
        Grant { why, path: self.at("data", path), capabilities: &["create", "read", "update"] }
    }

    /// A value whose older versions are destroyed, and which nothing else may expire or write blindly.
    fn kept(&self, path: &str, why: &'static str) -> [Grant; 3] {
        [
            self.writable(path, why),
            Grant {
                why: "which versions of it there are, and that none expires",
                path: self.at("metadata", path),
                capabilities: &["create", "read", "update"],
            },
            Grant {
                why: "to destroy its older versions",
                path: self.at("destroy", path),
                capabilities: &["update"],
            },
        ]
    }

    fn standby(&self, keyset: &str) -> [Grant; 3] {
        let folder = format!("{keyset}/standby");
        let each = format!("{folder}/+");
        [
            Grant {
                why: "secrets of keys that are not in use yet",
                path: self.at("data", &each),
                capabilities: &["create", "read"],
            },
            Grant {
                why: "to find those that no document names",
                path: self.at("metadata", &folder),
                capabilities: &["list"],
            },
            Grant {
                why: "to remove those whose key is in use",
                path: self.at("metadata", &each),
                capabilities: &["delete"],
            },
        ]
    }
}
