//! The role that a configuration logs in as, bound to as few as can be.

use super::Options;
use crate::cli::exit::Failure;
use crate::store::vault::VaultAuth;

/// One `vault write`.
pub(super) struct Write {
    pub(super) path: String,
    pub(super) settings: Vec<(&'static str, String)>,
    /// What is left to do, for a person.
    pub(super) then: String,
}

/// What must be written for a login that has this policy.
pub(super) fn own(auth: &VaultAuth, policy: &str, options: &Options) -> Result<Vec<Write>, Failure> {
    Ok(vec![match auth {
        VaultAuth::Token { .. } | VaultAuth::TokenFile { .. } => token(policy),
        VaultAuth::AppRole { mount_path, wrapping_path, .. } => {
            app_role(mount_path, wrapping_path.as_deref(), policy)
        }
        VaultAuth::Kubernetes { mount_path, role, token_path } => {
            let who = bound_to(options, "NAMESPACE/SERVICEACCOUNT")?;
            let (namespace, account) = who.split_once('/').ok_or_else(|| {
                Failure::misuse(format!("--bound-to must be NAMESPACE/SERVICEACCOUNT; this is `{who}`"))
            })?;
            let settings = vec![
                ("bound_service_account_namespaces", namespace.to_owned()),
                ("bound_service_account_names", account.to_owned()),
                ("audience", options.audience.clone()),
            ];
            let then = format!(
                "project a token of {who} for the audience {} to {}",
                options.audience,
                token_path.display()
            );
            Write { path: format!("{mount_path}/role/{role}"), settings: with_token(settings, policy), then }
        }
        VaultAuth::Jwt { mount_path, role, path } => {
            let who = bound_to(options, "SUBJECT")?;
            let settings = vec![
                ("role_type", "jwt".to_owned()),
                ("user_claim", "sub".to_owned()),
                ("bound_subject", who.to_owned()),
                ("bound_audiences", options.audience.clone()),
            ];
            let then =
                format!("deliver a JWT of {who} for the audience {} to {}", options.audience, path.display());
            Write { path: format!("{mount_path}/role/{role}"), settings: with_token(settings, policy), then }
        }
        VaultAuth::Cert { mount_path, name, certificate, .. } => {
            let settings = vec![("certificate", format!("@{}", certificate.display()))];
            let then = "this accepts the present certificate alone; to accept its successors, name its authority's and allowed_common_names".to_owned();
            Write { path: format!("{mount_path}/certs/{name}"), settings: with_token(settings, policy), then }
        }
    }])
}

fn bound_to<'a>(options: &'a Options, form: &str) -> Result<&'a str, Failure> {
    options.bound_to.as_deref().ok_or_else(|| {
        Failure::misuse(format!(
            "say who may log in with --bound-to {form}, so that the role is open to nobody else"
        ))
    })
}

/// Short tokens with that policy and no other, not even `default`.
fn with_token(mut settings: Vec<(&'static str, String)>, policy: &str) -> Vec<(&'static str, String)> {
    settings.extend([
        ("token_policies", policy.to_owned()),
        ("token_no_default_policy", "true".to_owned()),
        ("token_ttl", "1h".to_owned()),
        ("token_max_ttl", "24h".to_owned()),
    ]);
    settings
}

fn app_role(mount_path: &str, wrapping_path: Option<&str>, policy: &str) -> Write {
    let roles = format!("{mount_path}/role/");
    let named = wrapping_path.and_then(|path| path.strip_prefix(&roles)?.strip_suffix("/secret-id"));
    let path = format!("{roles}{}", named.unwrap_or(policy));
    let wrapped = if wrapping_path.is_some() { "-wrap-ttl=5m " } else { "" };
    let then = format!("vault read {path}/role-id; vault write {wrapped}-force {path}/secret-id");
    Write { path, settings: with_token(Vec::new(), policy), then }
}

fn token(policy: &str) -> Write {
    let settings = vec![
        ("allowed_policies", policy.to_owned()),
        ("orphan", "true".to_owned()),
        ("token_period", "24h".to_owned()),
        ("token_no_default_policy", "true".to_owned()),
    ];
    Write {
        path: format!("auth/token/roles/{policy}"),
        settings,
        then: format!("vault token create -role={policy} -field=token"),
    }
}
