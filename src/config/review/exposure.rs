//! No secret in reach of those who only need tokens.

use std::path::Path;

use super::super::{Config, PublisherConfig, StoreConfig};
use super::Finding;
use crate::store::vault::VaultAuth;

const REACH: &str = "secrets in reach";

pub(super) fn review(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    if config.role.signs() {
        findings.extend(beside_the_socket(config));
    }
    if config.role.rotates() {
        let files = config.publish.iter().filter_map(PublisherConfig::key_file);
        let files = files.filter(|file| file.mode & 0o070 != 0 && file.owner.gid.is_none());
        findings.extend(files.map(|file| {
            let why = format!(
                "the key file {} can be used by this process's own group (mode {:04o}): name LiveKit's `group`, or take 0600",
                file.path.display(),
                file.mode
            );
            Finding::warn(REACH, why)
        }));
    }
    if config.admin.mode & 0o060 != 0 && config.admin.owner.gid.is_none() {
        let why = "this process's own group may rotate and revoke keys (admin.socket_mode): name a socket_group of operators, or take 0600";
        findings.push(Finding::warn("admin socket", why));
    }
    if findings.is_empty() {
        let why = "no secret stands in this file, and none lies where applications find the signing socket";
        findings.push(Finding::pass(REACH, why));
    }
    findings
}

/// Who mounts or enters the socket's folder meets what else is in it.
fn beside_the_socket(config: &Config) -> Vec<Finding> {
    let Some(folder) = config.sign.socket.path.parent() else { return Vec::new() };
    let mut neighbours: Vec<(&str, &Path)> = Vec::new();
    let files = config.publish.iter().filter_map(PublisherConfig::key_file);
    neighbours.extend(files.map(|file| ("the key file", file.path.as_path())));
    match &config.store {
        StoreConfig::File { folder } => neighbours.push(("the store", folder)),
        StoreConfig::Vault(vault) => neighbours.extend(login_files(&vault.auth)),
    }
    let near = neighbours.into_iter().filter(|(_, path)| path.starts_with(folder));
    near.map(|(what, path)| {
        let why = format!(
            "{what} {} lies in the signing socket's folder {}, which applications get to see: keep them apart",
            path.display(),
            folder.display()
        );
        Finding::warn(REACH, why)
    })
    .collect()
}

fn login_files(auth: &VaultAuth) -> Vec<(&'static str, &Path)> {
    match auth {
        VaultAuth::Token { .. } => Vec::new(),
        VaultAuth::TokenFile { path } => vec![("the login's token", path)],
        VaultAuth::AppRole { secret_id, .. } => vec![("the login's secret id", secret_id)],
        VaultAuth::Kubernetes { token_path: path, .. } | VaultAuth::Jwt { path, .. } => {
            vec![("the login's token", path)]
        }
        VaultAuth::Cert { key, .. } => vec![("the key of the login's certificate", key)],
    }
}
