//! A security review of a configuration that has no mistakes: what is as it should be, and what deserves a thought.
//!
//! `check` prints all of it; the daemon logs the warnings when it starts.

mod access;
mod exposure;

use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::rules::{Rotation, Rules};

use super::{Config, KeysetConfig, Proof, StoreConfig};
use crate::audit::OnFailure;
use crate::store::vault::{VaultAuth, VaultConfig};

/// The result of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, and somebody should have wanted it so.
    Warn,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The result.
    pub verdict: Verdict,
    /// What was looked at: a short stable name.
    pub what: &'static str,
    /// Why it is so, and for a warning what to do: a sentence.
    pub why: String,
}

impl Finding {
    fn pass(what: &'static str, why: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Pass, what, why: why.into() }
    }

    fn warn(what: &'static str, why: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Warn, what, why: why.into() }
    }
}

/// Everything that is looked at, in the order in which it is worth reading.
pub fn review(config: &Config) -> Vec<Finding> {
    let mut findings = vec![storage(config), algorithm()];
    if let StoreConfig::Vault(vault) = &config.store {
        findings.push(login(vault));
    }
    // Signers go by the rules in the documents, which rotators bring there.
    let keysets: &[KeysetConfig] = if config.role.rotates() { &config.keysets } else { &[] };
    findings.extend(keysets.iter().map(|config| ttl(&config.keyset.name, &config.keyset.rules)));
    if config.role.signs() {
        findings.extend(access::review(config));
    }
    findings.extend(exposure::review(config));
    findings.extend(server_url(config));
    if config.role.rotates() {
        findings.extend(keysets.iter().map(|config| match &config.keyset.source {
            Some(source) => external(&config.keyset.name, &source.path),
            None => rotation(&config.keyset.name, &config.keyset.rules),
        }));
        findings.extend(keysets.iter().filter_map(dependents));
        findings.push(proof(config));
        findings.push(revision(config));
    }
    findings.push(memory(config));
    findings.push(audit(config));
    findings
}

/// Who reads the client credentials makes tokens by itself, of a length that nobody here decides.
fn dependents(config: &KeysetConfig) -> Option<Finding> {
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    let (name, overlap) = (&config.keyset.name, config.keyset.rules.overlap);
    config.client.as_ref()?;
    Some(if overlap < LONGEST {
        let why = format!(
            "dependents read a key of keyset `{name}`, and LiveKit's egress, ingress and SIP make tokens of {} with it: an overlap of {} ends before they do",
            duration::format(LONGEST),
            duration::format(overlap)
        );
        Finding::warn("dependents", why)
    } else {
        Finding::pass(
            "dependents",
            format!("keyset `{name}` keeps a key for as long as LiveKit's own services need it"),
        )
    })
}

/// What deserves a thought: for the log.
pub fn warnings(config: &Config) -> Vec<Finding> {
    let mut findings = review(config);
    findings.retain(|finding| finding.verdict == Verdict::Warn);
    findings
}

fn storage(config: &Config) -> Finding {
    match &config.store {
        StoreConfig::Vault(vault) if in_the_clear(&vault.address) => Finding::warn(
            "storage",
            format!(
                "keys travel unencrypted to {}: use an https address, and ca_cert for an authority of your own",
                vault.address
            ),
        ),
        StoreConfig::Vault(vault) => Finding::pass(
            "storage",
            format!("keys lie encrypted in Vault at {}, mount {}", vault.address, vault.mount),
        ),
        StoreConfig::File { folder } => Finding::warn(
            "storage",
            format!(
                "keys lie in files below {}, unencrypted, on this machine only: for more than one machine use Vault",
                folder.display()
            ),
        ),
    }
}

/// Without TLS, beyond this machine.
fn in_the_clear(address: &str) -> bool {
    let Some(host) = ["http://", "ws://"].iter().find_map(|scheme| address.strip_prefix(scheme)) else {
        return false;
    };
    let local = |name: &str| {
        host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    };
    !["localhost", "127.0.0.1", "[::1]"].into_iter().any(local)
}

/// Where applications are sent with their tokens.
fn server_url(config: &Config) -> Option<Finding> {
    let url = config.livekit.url.as_deref()?;
    Some(if in_the_clear(url) {
        let why = format!(
            "livekit.url is {url}: tokens and media's keys travel unencrypted to LiveKit, and whoever reads a token may use it; put TLS before LiveKit and write wss://"
        );
        Finding::warn("transport", why)
    } else {
        Finding::pass("transport", format!("applications are sent to {url}"))
    })
}

fn login(vault: &VaultConfig) -> Finding {
    match &vault.auth {
        VaultAuth::Token { env } => Finding::warn(
            "login",
            format!(
                "the login is a token in the environment variable {env}, which cannot be replaced when it ends: use approle, or token_file beside Vault Agent"
            ),
        ),
        VaultAuth::TokenFile { path } => Finding::pass(
            "login",
            format!("the login is a token in {}, read anew whenever it ends", path.display()),
        ),
        VaultAuth::AppRole { .. } => {
            Finding::pass("login", "the login is an AppRole, renewed and repeated as needed")
        }
        VaultAuth::Kubernetes { token_path: path, .. } | VaultAuth::Jwt { path, .. } => Finding::pass(
            "login",
            format!("the login is made with the token in {}, read anew each time", path.display()),
        ),
        VaultAuth::Cert { certificate, .. } => Finding::pass(
            "login",
            format!("the login is made with the certificate {}, read anew each time", certificate.display()),
        ),
    }
}

fn algorithm() -> Finding {
    Finding::pass(
        "algorithm",
        "tokens are signed with HS256, the only algorithm of LiveKit, by secrets of 256 random bits that nobody chose",
    )
}

/// Longer than anybody needs to join.
const LONG_LIFE: Duration = Duration::from_secs(3600);

fn ttl(keyset: &str, rules: &Rules) -> Finding {
    let longest = duration::format(rules.max_token_ttl);
    if rules.max_token_ttl > LONG_LIFE {
        let why = format!(
            "tokens of keyset `{keyset}` may live {longest}, and LiveKit cannot revoke one: an hour is enough to join, since LiveKit renews the tokens of those who are connected; lower max_token_ttl"
        );
        return Finding::warn("ttl", why);
    }
    Finding::pass("ttl", format!("no token of keyset `{keyset}` lives longer than {longest}"))
}

fn rotation(keyset: &str, rules: &Rules) -> Finding {
    let when = match &rules.rotation {
        Rotation::Manual => {
            let why = format!(
                "keyset `{keyset}` changes its key on command only: set rotation_schedule, like \"0 4 * * 0\", so that a key that leaked unseen does not serve for ever"
            );
            return Finding::warn("rotation", why);
        }
        Rotation::Period(period) => format!("every {}", duration::format(*period)),
        Rotation::Schedule { cron, timezone } => format!("at `{cron}` ({timezone})"),
    };
    Finding::pass("rotation", format!("keyset `{keyset}` changes its key {when}"))
}

fn external(keyset: &str, source: &str) -> Finding {
    let why = format!(
        "keyset `{keyset}` follows {source}: whoever writes there changes its key, and decides which keys LiveKit takes"
    );
    Finding::pass("rotation", why)
}

/// Not to ask the nodes is worth a standing warning.
fn proof(config: &Config) -> Finding {
    match &config.livekit.proof {
        Proof::Required(fleet) => Finding::pass(
            "proof",
            format!(
                "no key signs before each LiveKit node accepts it, of {} or more that are asked every {}",
                fleet.min_nodes,
                duration::format(fleet.settings.probe_interval)
            ),
        ),
        Proof::Disabled => Finding::warn(
            "proof",
            "no LiveKit node is asked whether it accepts a key (livekit.proof = \"disabled\"): publish_delay after a change of the key file it is taken for granted, so restart every node within that time",
        ),
    }
}

fn revision(config: &Config) -> Finding {
    match config.revision {
        Some(revision) => Finding::pass(
            "rules",
            format!(
                "this is revision {revision} of the rules: raise config_revision with each change of them"
            ),
        ),
        None => Finding::warn(
            "rules",
            "config_revision is not set, so a keyset keeps the rules that it was created with: set config_revision = 1 to be able to change them",
        ),
    }
}

fn audit(config: &Config) -> Finding {
    match config.audit.as_ref().map(|audit| audit.on_failure) {
        Some(OnFailure::Refuse) => {
            Finding::pass("audit", "no token is given out that the audit trail does not hold")
        }
        Some(OnFailure::Drop) => Finding::warn(
            "audit",
            "while the audit trail cannot be written, tokens are given out unrecorded (audit.on_failure = \"drop\"): write \"refuse\" if each must be accounted for",
        ),
        None => Finding::warn(
            "audit",
            "nobody can tell later who was given which token: add [audit] with sink = \"file\" and a path",
        ),
    }
}

fn memory(config: &Config) -> Finding {
    match &config.state_dir {
        Some(folder) => Finding::pass(
            "restored store",
            format!(
                "how far each document had come is kept in {}: a store that was set back is noticed after a restart too",
                folder.display()
            ),
        ),
        None => Finding::warn(
            "restored store",
            "state_dir is not set: a process that has just started believes a store that was restored from an old backup",
        ),
    }
}
