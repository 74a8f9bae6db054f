//! Whether Vault allows what this role does, and no more, compared with what `vault-policy` prints.

use std::collections::BTreeMap;

use super::Outcome;
use crate::cli::vault_policy::policies;
use crate::config::{Config, StoreConfig};
use crate::random;
use crate::store::vault::Capabilities;
use crate::store::{Store, StoreError};

/// What may be done by path.
type Granted = BTreeMap<String, &'static [&'static str]>;

pub(super) async fn check(config: &Config, store: &Store) -> Vec<Outcome> {
    let StoreConfig::Vault(vault) = &config.store else { return Vec::new() };
    let wanted = wanted(config, &vault.mount);
    let paths: Vec<String> = wanted.keys().cloned().collect();
    match store.capabilities(&paths).await {
        Ok(allowed) => compare(config, &wanted, &allowed),
        Err(error @ StoreError::Refused { .. }) => {
            vec![Outcome::warn("permissions", format!("what this login may do cannot be told: {error}"))]
        }
        Err(error) => vec![Outcome::fail("permissions", error.to_string())],
    }
}

/// Everything that rotators are allowed, with nothing granted where this role is no rotator.
fn wanted(config: &Config, mount: &str) -> Granted {
    // Stands for any key's; no path of this name exists.
    let key = random::key().0.to_string();
    let paths = |grants: Vec<policies::Grant>| {
        grants
            .into_iter()
            .map(|grant| (grant.path.replace('+', &key), grant.capabilities))
            .collect::<Granted>()
    };
    let mut wanted = paths(policies::rotators(config, mount));
    if !config.role.rotates() {
        wanted.values_mut().for_each(|capabilities| *capabilities = &[]);
        let own = policies::all(config, mount, "livekit-keyd").into_iter().next();
        wanted.extend(paths(own.map(|policy| policy.grants).unwrap_or_default()));
    }
    wanted
}

fn compare(config: &Config, wanted: &Granted, allowed: &Capabilities) -> Vec<Outcome> {
    let role = if config.role.rotates() { "rotator" } else { "signer" };
    let (mut missing, mut beyond) = (Vec::new(), Vec::new());
    for (path, wanted) in wanted {
        let allowed = allowed.get(path).map(Vec::as_slice).unwrap_or_default();
        if allowed.iter().any(|word| word == "root") {
            let why = "this login is root, which may do anything at all in Vault: give it the policy that `livekit-keyd vault-policy` prints";
            return vec![Outcome::warn("permissions", why)];
        }
        let lacking: Vec<_> =
            wanted.iter().copied().filter(|word| !allowed.iter().any(|allowed| allowed == word)).collect();
        let surplus: Vec<_> = allowed
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "deny" && !wanted.contains(word))
            .collect();
        for (list, words) in [(&mut missing, lacking), (&mut beyond, surplus)] {
            if !words.is_empty() {
                list.push(format!("{} {path}", words.join(", ")));
            }
        }
    }
    let mut outcomes = Vec::new();
    if missing.is_empty() {
        outcomes.push(Outcome::pass("permissions", format!("the login may do all that a {role} does")));
    } else {
        let why = format!(
            "the login may not {}: put what `livekit-keyd vault-policy --policy livekit-keyd-{role}` prints into Vault, and give it to this login",
            missing.join("; ")
        );
        outcomes.push(Outcome::fail("permissions", why));
    }
    if !beyond.is_empty() {
        let why = format!(
            "the login may {}, which no {role} needs and a thief could use: take away every policy but what `livekit-keyd vault-policy --policy livekit-keyd-{role}` prints",
            beyond.join("; ")
        );
        outcomes.push(Outcome::warn("least privilege", why));
    }
    outcomes
}
