//! What a reload changes, and what it cannot.

use std::fmt;

use super::{
    Config, FleetConfig, KeysetConfig, LiveKitConfig, LogConfig, Proof, PublisherConfig, SignConfig,
};
use crate::api::server::Limits;
use crate::api::socket::SocketPlace;
use crate::fleet::FleetSettings;

/// A part of the configuration that a running process can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Who may ask for what.
    Callers,
    /// What callers choose from.
    Profiles,
    /// Whose users may sign on, and how.
    Issuers,
    /// What keysets' tokens may grant.
    AllowedGrants,
    /// Keysets' rules, schedules among them, and the number that they come with.
    Rules,
    /// How much is logged.
    LogLevel,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Callers => "callers",
            Part::Profiles => "profiles",
            Part::Issuers => "issuers",
            Part::AllowedGrants => "allowed grants",
            Part::Rules => "rules",
            Part::LogLevel => "log level",
        })
    }
}

/// The difference between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// What a running process can change.
    pub changed: Vec<Part>,
    /// Settings that differ and need a restart; unless there are none, the new configuration is refused whole.
    pub needs_restart: Vec<String>,
}

impl Reload {
    /// The new configuration's parts, or why it is refused.
    ///
    /// # Errors
    /// A sentence that names what needs a restart.
    pub fn allowed(&self) -> Result<&[Part], String> {
        if self.needs_restart.is_empty() {
            return Ok(&self.changed);
        }
        Err(format!(
            "nothing was changed: {} can change at a start only; restart the process, or put the old value back",
            self.needs_restart.join(", ")
        ))
    }

    fn restart(&mut self, path: &str, differs: bool) {
        if differs {
            self.needs_restart.push(path.to_owned());
        }
    }

    fn change(&mut self, part: Part, differs: bool) {
        if differs && !self.changed.contains(&part) {
            self.changed.push(part);
        }
    }
}

/// Compares field by field; the patterns are whole, so that a new field cannot be forgotten here.
pub fn diff(old: &Config, new: &Config) -> Reload {
    let Config {
        origin: _,
        role,
        revision,
        drain_timeout,
        state_dir,
        livekit,
        store,
        keysets,
        publish,
        sign,
        admin,
        metrics,
        profiles,
        issuers,
        callers,
        audit,
        log,
    } = old;
    let mut reload = Reload::default();
    reload.restart("role", *role != new.role);
    reload.change(Part::Rules, *revision != new.revision);
    reload.restart("drain_timeout", *drain_timeout != new.drain_timeout);
    reload.restart("state_dir", *state_dir != new.state_dir);
    compare_livekit(&mut reload, livekit, &new.livekit);
    reload.restart("store", *store != new.store);
    compare_keysets(&mut reload, keysets, &new.keysets);
    compare_publications(&mut reload, publish, &new.publish);
    compare_sign(&mut reload, sign, &new.sign);
    compare_socket(&mut reload, "admin", admin, &new.admin);
    reload.restart("metrics.listen", *metrics != new.metrics);
    reload.change(Part::Profiles, *profiles != new.profiles);
    reload.change(Part::Issuers, *issuers != new.issuers);
    reload.change(Part::Callers, *callers != new.callers);
    reload.restart("audit", *audit != new.audit);
    let LogConfig { format, level } = log;
    reload.restart("log.format", *format != new.log.format);
    reload.change(Part::LogLevel, *level != new.log.level);
    reload
}

fn compare_livekit(reload: &mut Reload, old: &LiveKitConfig, new: &LiveKitConfig) {
    let LiveKitConfig { url, path, proof } = old;
    reload.change(Part::Rules, *url != new.url);
    reload.restart("livekit.path", *path != new.path);
    match (proof, &new.proof) {
        (Proof::Required(old), Proof::Required(new)) => compare_fleet(reload, old, new),
        (old, new) => reload.restart("livekit.proof", old != new),
    }
}

fn compare_fleet(reload: &mut Reload, old: &FleetConfig, new: &FleetConfig) {
    let FleetConfig { settings, min_nodes, node_restart_timeout } = old;
    let FleetSettings { nodes, probe_interval, probe_timeout } = settings;
    reload.restart("livekit.nodes", *nodes != new.settings.nodes);
    reload.restart("livekit.min_nodes", *min_nodes != new.min_nodes);
    reload.restart("livekit.probe_interval", *probe_interval != new.settings.probe_interval);
    reload.restart("livekit.probe_timeout", *probe_timeout != new.settings.probe_timeout);
    reload.restart("livekit.node_restart_timeout", *node_restart_timeout != new.node_restart_timeout);
}

fn compare_sign(reload: &mut Reload, old: &SignConfig, new: &SignConfig) {
    let SignConfig { socket, limits, max_session } = old;
    reload.restart("sign.max_session", *max_session != new.max_session);
    compare_socket(reload, "sign", socket, &new.socket);
    // The time for a drain is the root's, and compared there.
    let Limits { max_connections, max_body, idle_timeout, body_timeout, drain_timeout: _ } = limits;
    reload.restart("sign.max_connections", *max_connections != new.limits.max_connections);
    reload.restart("sign.max_body", *max_body != new.limits.max_body);
    reload.restart("sign.idle_timeout", *idle_timeout != new.limits.idle_timeout);
    reload.restart("sign.body_timeout", *body_timeout != new.limits.body_timeout);
}

fn compare_socket(reload: &mut Reload, section: &str, old: &SocketPlace, new: &SocketPlace) {
    let SocketPlace { path, mode, owner } = old;
    reload.restart(&format!("{section}.socket"), *path != new.path);
    reload.restart(&format!("{section}.socket_mode"), *mode != new.mode);
    reload.restart(&format!("{section}.socket_user"), owner.uid != new.owner.uid);
    reload.restart(&format!("{section}.socket_group"), owner.gid != new.owner.gid);
}

/// Keysets are known by their names; their order means nothing.
fn compare_keysets(reload: &mut Reload, old: &[KeysetConfig], new: &[KeysetConfig]) {
    let find = |all: &[KeysetConfig], name: &str| all.iter().find(|one| one.keyset.name == name).cloned();
    for KeysetConfig { keyset, allowed_grants, client } in old {
        let named = format!("keyset `{}`", keyset.name);
        let Some(other) = find(new, &keyset.name) else {
            reload.restart(&format!("{named} (gone)"), true);
            continue;
        };
        reload.restart(&format!("{named}.path"), keyset.path != other.keyset.path);
        reload.restart(&format!("{named}.source"), keyset.source != other.keyset.source);
        reload.change(Part::Rules, keyset.rules != other.keyset.rules);
        reload.restart(&format!("{named}.publish_client"), client.is_some() != other.client.is_some());
        reload.restart(
            &format!("{named}.on_change"),
            client.is_some() && other.client.is_some() && *client != other.client,
        );
        reload.change(Part::AllowedGrants, *allowed_grants != other.allowed_grants);
    }
    for added in new.iter().filter(|one| find(old, &one.keyset.name).is_none()) {
        reload.restart(&format!("keyset `{}` (new)", added.keyset.name), true);
    }
}

fn compare_publications(reload: &mut Reload, old: &[PublisherConfig], new: &[PublisherConfig]) {
    let named = |all: &[PublisherConfig], name: &str| all.iter().find(|one| one.name() == name).cloned();
    for publisher in old {
        match named(new, publisher.name()) {
            Some(other) => reload.restart(&format!("publish `{}`", publisher.name()), *publisher != other),
            None => reload.restart(&format!("publish `{}` (gone)", publisher.name()), true),
        }
    }
    for added in new.iter().filter(|added| named(old, added.name()).is_none()) {
        reload.restart(&format!("publish `{}` (new)", added.name()), true);
    }
}
