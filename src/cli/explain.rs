//! `explain`: what is answered to a request, and why, from the configuration alone.
//!
//! Requests and claims are read and judged by the functions that the signing socket calls. No
//! daemon is asked, so the lease is not known and may shorten the life further.

mod answer;
mod caller;
mod issuer;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use livekit_keyd_core::nearest::nearest;
use livekit_keyd_core::policy::{Approved, LimitedBy};
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::screen::{Hue, print};
use super::token;
use crate::config::Config;

/// What `explain` can be told.
#[derive(Args, Debug)]
#[group(skip)]
#[command(
    after_help = "Exit code 1 says that the answer is no. Of an issuer's claims its rules are judged; whether a token with them would be believed (signature, audience, times) is not.\n\nExamples:\n  livekit-keyd explain --config keyd.toml --caller web --profile viewer --room web-1 --identity alice\n  livekit-keyd explain --config keyd.toml --uid 1000 --gid 33 --request body.json\n  livekit-keyd explain --config keyd.toml --issuer company --claims claims.json --room web-1"
)]
pub struct Options {
    /// The caller that would ask
    #[arg(long, value_name = "NAME", required_unless_present_any = ["uid", "issuer"])]
    pub caller: Option<String>,
    /// Instead of a caller: the user of a process that would ask
    #[arg(long, conflicts_with = "caller")]
    pub uid: Option<u32>,
    /// A group of that process; may be repeated
    #[arg(long, requires = "uid")]
    pub gid: Vec<u32>,
    /// Instead of a caller: the issuer whose user would sign on
    #[arg(long, value_name = "NAME", conflicts_with_all = ["caller", "uid"], requires = "claims")]
    pub issuer: Option<String>,
    /// The claims of that user's token as JSON, or - for standard input
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub claims: Option<PathBuf>,
    /// The request as `POST /v1/tokens` takes it, with --issuer as `POST /token` does; or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "asked")]
    pub request: Option<PathBuf>,
    /// The request in parts.
    #[command(flatten)]
    pub asked: token::Options,
}

/// Runs the command.
///
/// # Errors
/// The configuration, the request or the claims cannot be read, or there is no such caller or issuer.
pub fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let config = context.config()?;
    let request = options.request.as_deref().map(|path| read("request", path)).transpose()?;
    if let (Some(name), Some(claims)) = (&options.issuer, &options.claims) {
        let issuer = named("issuer", name, &config.issuers, |issuer| &issuer.name)?;
        let claims = issuer::claims(&read("claims", claims)?)?;
        let asked = issuer::asked(request.as_deref(), options.asked)?;
        let explained = issuer::explain(&config, issuer, claims, asked);
        return told(
            context,
            &explained.json(),
            &explained.page(&context.screen),
            explained.decision.is_ok(),
        );
    }
    let body = request.unwrap_or_else(|| token::request(&options.asked).to_string().into_bytes());
    let caller = match (&options.caller, options.uid) {
        (Some(name), _) => Some(named("caller", name, &config.callers, |caller| &caller.caller.name)?),
        (None, uid) => caller::known(&config, uid.unwrap_or_default(), &options.gid),
    };
    let Some(caller) = caller else {
        let detail = "no [[caller]] matches this user and these groups";
        let json = json!({"allowed": false, "status": 403, "rule": "no-caller", "detail": detail});
        let page = format!("{} by rule no-caller\n  {detail}\n", context.screen.paint(Hue::Bad, "denied"));
        return told(context, &json, &page, false);
    };
    let explained = caller::explain(&config, caller, &body);
    told(context, &explained.json(), &explained.page(&context.screen), explained.decision.is_ok())
}

fn told(context: &Context, json: &serde_json::Value, page: &str, allowed: bool) -> Result<Exit, Failure> {
    if context.globals.json {
        print(&format!("{json}\n"))?
    } else {
        print(page)?
    }
    Ok(if allowed { Exit::Fine } else { Exit::Failed })
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut body),
        _ => File::open(path).and_then(|mut file| file.read_to_end(&mut body)),
    };
    let unreadable =
        |error| Failure::misuse(format!("the {what} {} cannot be read: {error}", path.display()));
    read.map(|_| body).map_err(unreadable)
}

/// The one of this name, or a sentence that names those there are.
fn named<'a, T>(
    section: &str,
    name: &str,
    all: &'a [T],
    name_of: fn(&T) -> &String,
) -> Result<&'a T, Failure> {
    all.iter().find(|one| name_of(one) == name).ok_or_else(|| {
        let names = || all.iter().map(|one| name_of(one).as_str());
        let remedy = match nearest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there is {}", names().collect::<Vec<_>>().join(", ")),
        };
        Failure::misuse(format!("the configuration has no [[{section}]] named `{name}`; {remedy}"))
    })
}

/// What the keyset's rules leave of an approval's life.
fn limited(config: &Config, keyset: &str, approved: Approved) -> Approved {
    let keyset = config.keysets.iter().find(|config| config.keyset.name == keyset);
    let most = keyset.map_or(approved.ttl.granted, |config| config.keyset.rules.max_token_ttl);
    Approved { ttl: approved.ttl.limit(most, LimitedBy::Keyset), ..approved }
}
