//! What is written -> what is true.
//!
//! A text of TOML becomes a [`Config`] that the rest of the program need not
//! doubt, or a list of everything that is wrong with it. A file a section; each
//! takes what it knows from its table through [`reader`] and checks what only it
//! can know. What several sections must agree on is checked here.

mod account;
mod audit;
mod caller;
mod command;
pub mod dev;
mod issuer;
mod json;
mod keyset;
mod livekit;
mod log;
mod name;
mod paths;
mod problem;
mod profile;
mod publish;
mod rate;
mod reader;
pub mod reload;
pub mod review;
mod setting;
mod socket;
mod source;
mod store;
mod vault;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use livekit_keyd_core::policy::{Caller, Glob, Policy, Profile};
use toml::de::{DeTable, DeValue};

pub use self::audit::AuditConfig;
pub use self::caller::CallerConfig;
pub use self::issuer::IssuerConfig;
pub use self::keyset::{ClientConfig, KeysetConfig};
pub use self::livekit::{FleetConfig, LiveKitConfig, Proof};
pub use self::log::{LogConfig, LogFormat};
pub use self::problem::{ConfigErrors, Place, Problem};
pub use self::publish::{
    CommandConfig, KeyFileConfig, KubernetesSecretConfig, PublisherConfig, WorkloadRestart,
};
pub use self::socket::SignConfig;
pub use self::store::StoreConfig;

use self::account::Accounts;
use self::reader::{Context, Reader, Reported};
use self::setting::{Listen, Setting, one_of};
use crate::api::socket::SocketPlace;
use crate::issuer::Rule;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Rotates keys and publishes them.
    Rotator,
    /// Signs tokens.
    Signer,
    /// Both in one process.
    Both,
}

impl Role {
    /// Whether this process rotates.
    pub fn rotates(self) -> bool {
        matches!(self, Role::Rotator | Role::Both)
    }

    /// Whether this process signs.
    pub fn signs(self) -> bool {
        matches!(self, Role::Signer | Role::Both)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Rotator => "rotator",
            Role::Signer => "signer",
            Role::Both => "both",
        }
    }
}

impl Setting for Role {
    fn read(value: &DeValue<'_>) -> Result<Role, String> {
        one_of(value, &[("rotator", Role::Rotator), ("signer", Role::Signer), ("both", Role::Both)])
    }

    fn show(&self) -> String {
        self.as_str().to_owned().show()
    }
}

/// A configuration without mistakes. Its paths can be opened as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file that it came from.
    pub origin: PathBuf,
    /// What this process does.
    pub role: Role,
    /// The number of the rules; without one they are fixed at `init`.
    pub revision: Option<u64>,
    /// How long calls in flight may take to end at a stop.
    pub drain_timeout: Duration,
    /// The folder where watermarks outlive the process.
    pub state_dir: Option<PathBuf>,
    /// The deployment that the keys are for.
    pub livekit: LiveKitConfig,
    /// Where documents lie.
    pub store: StoreConfig,
    /// At least one.
    pub keysets: Vec<KeysetConfig>,
    /// Where LiveKit reads its keys, beside the store's own publication.
    pub publish: Vec<PublisherConfig>,
    /// The signing socket, for a process that signs.
    pub sign: SignConfig,
    /// The admin socket.
    pub admin: SocketPlace,
    /// Where metrics are served; `None` when switched off.
    pub metrics: Option<SocketAddr>,
    /// What callers may choose from.
    pub profiles: Vec<Profile>,
    /// Whose users may sign on.
    pub issuers: Vec<IssuerConfig>,
    /// Who may ask for tokens; the first that fits decides.
    pub callers: Vec<CallerConfig>,
    /// The audit trail, if there is to be one.
    pub audit: Option<AuditConfig>,
    /// The log.
    pub log: LogConfig,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
        let whole = |place, sentence| Err(ConfigErrors::whole(path, place, sentence));
        match fs::read(path) {
            Err(error) => {
                let remedy = "name a readable file with --config or LIVEKIT_KEYD_CONFIG";
                whole(None, format!("the configuration cannot be read: {error}; {remedy}"))
            }
            Ok(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => Config::parse(text, path),
                Err(error) => {
                    let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                    let place = Place::of(&String::from_utf8_lossy(valid), valid.len());
                    whole(Some(place), "is not UTF-8 here: save the file as UTF-8".to_owned())
                }
            },
        }
    }

    /// Reads a text. Relative paths in it start at the folder of `origin`.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn parse(text: &str, origin: &Path) -> Result<Config, ConfigErrors> {
        evaluate(text, origin).0
    }

    /// What one of the callers may ask for, with all that it refers to.
    pub fn policy(&self, caller: &CallerConfig) -> Policy {
        let used = |profile: &&Profile| caller.profiles.contains(&profile.name);
        let profiles = self.profiles.iter().filter(used).cloned().collect();
        let keyset = self.keysets.iter().find(|config| config.keyset.name == caller.keyset);
        let bound = keyset.and_then(|config| config.allowed_grants.clone());
        Policy::new(caller.caller.clone(), profiles, bound)
    }

    /// The room that the profile of an issuer's rule fixes, or empty.
    pub fn fixed_room(&self, rule: &Rule) -> &str {
        let profile = self.profiles.iter().find(|profile| profile.name == rule.profile);
        profile.map(|profile| profile.grants.video.room.as_str()).unwrap_or_default()
    }

    /// What a rule of an issuer lets be signed: all that its profile and its keyset allow.
    pub fn policy_of_rule(&self, issuer: &IssuerConfig, rule: &Rule) -> Policy {
        let everything = Glob::parse("*").into_iter().collect::<Vec<_>>();
        let caller = Caller {
            name: issuer.name.clone(),
            allowed_rooms: everything.clone(),
            allowed_identities: everything,
            ..Caller::default()
        };
        let profiles = self.profiles.iter().filter(|profile| profile.name == rule.profile).cloned().collect();
        let keyset = self.keysets.iter().find(|config| config.keyset.name == rule.keyset);
        Policy::new(caller, profiles, keyset.and_then(|config| config.allowed_grants.clone()))
    }

    /// Every setting that reading this text asks for, by its path, with what applies
    /// when it is left out: a default as it would be written, `required`, or nothing.
    ///
    /// Which ones are asked for depends on the text: `[store.vault]` only where it is
    /// the store. The reference documentation is tested against this.
    pub fn settings(text: &str, origin: &Path) -> BTreeMap<String, String> {
        evaluate(text, origin).1
    }
}

fn evaluate(text: &str, origin: &Path) -> (Result<Config, ConfigErrors>, BTreeMap<String, String>) {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let context = Context::new(text, origin, Accounts::of_this_machine());
    let config = read(&context, table.get_ref(), origin);
    let (mut problems, settings) = context.into_parts();
    if !syntax.is_empty() {
        // Behind the first break the parser has guessed, and sections may have lost their heads.
        let broken = |error: &toml::de::Error| Place::of(text, error.span().map_or(0, |span| span.start));
        let first = syntax.iter().map(|error| broken(error).line).min();
        problems.retain(|problem| {
            let before = problem.place.map(|place| place.line) < first;
            before && !problem.sentence.starts_with(reader::MISSING)
        });
        problems.extend(syntax.iter().map(|error| Problem {
            place: Some(broken(error)),
            path: String::new(),
            sentence: format!("this is not TOML: {}", error.message()),
        }));
    }
    let result = match config {
        Ok(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigErrors::new(origin, problems)),
    };
    (result, settings)
}

/// Asks for every section before any mistake counts.
fn read(context: &Context<'_>, table: &DeTable<'_>, origin: &Path) -> Result<Config, Reported> {
    let mut root = Reader::root(context, table);
    let role = root.required("role", "write \"rotator\", \"signer\" or \"both\"");
    let revision = root.optional("config_revision");
    let drain_timeout = root.or("drain_timeout", Duration::from_secs(10));
    let state_dir = root.optional::<PathBuf>("state_dir");
    let livekit = livekit::read(&mut root, !matches!(&role, Ok(role) if role.value == Role::Signer));
    let store = store::read(&mut root);
    let proven = livekit.as_ref().is_ok_and(livekit::Section::asks_nodes);
    let keysets = keyset::read(&mut root, proven);
    let publish = publish::read(&mut root);
    // A wrong one is reported already, and must not hide what else is wrong.
    let drain = drain_timeout.as_ref().map_or(Duration::ZERO, |written| written.value);
    let sign = socket::sign(&mut root, drain);
    let admin = socket::admin(&mut root);
    let metrics = metrics(&mut root);
    let profiles = profile::read(&mut root);
    let issuers = issuer::read(&mut root, &keysets, &profiles);
    let callers = caller::read(&mut root, &keysets, &profiles, &issuers);
    let log = log::read(&mut root);
    let audit = audit::read(&mut root);
    if let (Ok(livekit), Ok(keysets)) = (&livekit, &keysets) {
        paths::check(context, livekit, keysets);
    }
    socket::check_apart(context, &sign, &admin);
    if let (Ok(livekit), Ok(publish)) = (&livekit, &publish) {
        publish::check_restarts(context, livekit, publish);
    }
    root.finish();

    let (livekit, revision) = (livekit?, revision?.map(|revision| revision.value));
    let node_restart_timeout = livekit.node_restart_timeout();
    Ok(Config {
        origin: origin.to_owned(),
        role: role?.value,
        drain_timeout: drain_timeout?.value,
        state_dir: state_dir?.map(|path| context.resolve(&path.value)),
        store: store?,
        keysets: keysets?.into_iter().map(|keyset| keyset.config(revision, &livekit)).collect(),
        livekit: livekit.config(),
        revision,
        publish: publish?.into_iter().map(|section| section.config(node_restart_timeout)).collect(),
        sign: sign?.config(),
        admin: admin?.value,
        metrics: metrics?,
        profiles: profiles?.into_iter().map(|section| section.profile).collect(),
        issuers: issuers?.into_iter().map(|section| section.config).collect(),
        callers: callers?,
        audit: audit?,
        log: log?,
    })
}

fn metrics(root: &mut Reader<'_>) -> Result<Option<SocketAddr>, Reported> {
    let mut section = root.table("metrics")?;
    let listen = section.or("listen", Listen(Some(SocketAddr::from(([127, 0, 0, 1], 7899)))));
    section.finish();
    Ok(listen?.value.0)
}
