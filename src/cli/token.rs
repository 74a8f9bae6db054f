//! `token`: mint one through the signing socket.

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::context::{Context, accepted, json_line};
use super::exit::{Exit, Failure};
use super::screen::{print, print_bytes, remark};

/// What `token` can be told.
#[derive(Args, Debug, Default)]
#[group(id = "asked")]
#[command(
    after_help = "Without --profile and with --room and --identity the token joins that room: `roomJoin` is asked for, unless --grant names other rights.\n\nExamples:\n  livekit-keyd token --room demo --identity alice\n  livekit-keyd token --room demo --identity bob --grant canPublish=false --ttl 10m\n  livekit-keyd token --room demo --identity ops --grant roomAdmin\n  livekit-keyd token --grant sip.call --grant video.canPublishSources=camera,microphone --profile sip"
)]
pub struct Options {
    /// The room
    #[arg(long)]
    pub room: Option<String>,
    /// Who the participant is
    #[arg(long)]
    pub identity: Option<String>,
    /// The participant's name for others to see
    #[arg(long)]
    pub name: Option<String>,
    /// A profile of the configuration, whose grants the token gets
    #[arg(long)]
    pub profile: Option<String>,
    /// How long the token lives, like 15m; what is too long is shortened
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub ttl: Option<String>,
    /// The participant's kind: standard, ingress, egress, sip, agent ..
    #[arg(long)]
    pub kind: Option<String>,
    /// The participant's metadata
    #[arg(long, value_name = "TEXT")]
    pub metadata: Option<String>,
    /// A participant's attribute; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    pub attributes: Vec<(String, String)>,
    /// A grant: `roomAdmin`, `canPublish=false`, `sip.call`, `video.canPublishSources=camera,microphone`; may be repeated
    #[arg(long = "grant", value_name = "GRANT[=VALUE]", value_parser = grant)]
    pub grants: Vec<Grant>,
}

/// A grant as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    group: String,
    name: String,
    value: Value,
}

#[derive(Deserialize)]
struct Minted {
    token: String,
    expires_at: String,
    #[serde(default)]
    ttl_limited_by: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Why there was no answer, or why the daemon does not sign this.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let answer = accepted(context.signing()?.post("/v1/tokens", &request(&options)).await?)?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
        return Ok(Exit::Fine);
    }
    let minted: Minted = answer.json()?;
    print(&format!("{}\n", minted.token))?;
    if let Some(limit) = minted.ttl_limited_by {
        remark(&format!(
            "the token's life was shortened by the {limit}: it expires at {}",
            minted.expires_at
        ));
    }
    Ok(Exit::Fine)
}

/// What is asked for.
pub(super) fn request(options: &Options) -> Value {
    let mut request = Map::new();
    let texts = [
        ("room", &options.room),
        ("identity", &options.identity),
        ("name", &options.name),
        ("profile", &options.profile),
        ("kind", &options.kind),
        ("metadata", &options.metadata),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            request.insert(field.to_owned(), json!(text));
        }
    }
    if let Some(ttl) = &options.ttl {
        // A number goes as a number, so that the daemon judges `15`, `-1` and `1.5` as it would in JSON.
        let ttl =
            serde_json::from_str::<Value>(ttl).ok().filter(Value::is_number).unwrap_or_else(|| json!(ttl));
        request.insert("ttl".to_owned(), ttl);
    }
    if !options.attributes.is_empty() {
        let attributes: Map<String, Value> =
            options.attributes.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        request.insert("attributes".to_owned(), Value::Object(attributes));
    }
    let grants = grants(options);
    if !grants.is_empty() {
        request.insert("grants".to_owned(), Value::Object(grants));
    }
    Value::Object(request)
}

fn grants(options: &Options) -> Map<String, Value> {
    let mut groups = Map::new();
    let mut add = |grant: &Grant| {
        let group = groups.entry(grant.group.clone()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(group) = group {
            group.insert(grant.name.clone(), grant.value.clone());
        }
    };
    let joins = options.profile.is_none() && options.room.is_some() && options.identity.is_some();
    if joins && !options.grants.iter().any(is_a_right_of_its_own) {
        add(&Grant { group: "video".to_owned(), name: "roomJoin".to_owned(), value: json!(true) });
    }
    options.grants.iter().for_each(add);
    groups
}

/// Whether a token makes sense for this grant alone; the others only shape what a participant may do.
fn is_a_right_of_its_own(grant: &Grant) -> bool {
    grant.group != "video" || grant.name.starts_with("room") || grant.name == "ingressAdmin"
}

/// # Errors
/// How an attribute is written.
fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// # Errors
/// How a grant is written. Which grants there are is the daemon's word.
fn grant(text: &str) -> Result<Grant, String> {
    const TEXTS: [&str; 4] = ["room", "destinationRoom", "agentEndpoint", "agentThread"];
    let (path, value) = text.split_once('=').map_or((text, None), |(path, value)| (path, Some(value)));
    let (group, name) = path.split_once('.').unwrap_or(("video", path));
    if group.is_empty() || name.is_empty() {
        return Err(
            "write NAME, NAME=VALUE or GROUP.NAME=VALUE, like roomAdmin, canPublish=false or sip.call"
                .to_owned(),
        );
    }
    let value = match value {
        Some(list) if name == "canPublishSources" => Value::Array(
            list.split(',').filter(|source| !source.is_empty()).map(|source| json!(source)).collect(),
        ),
        Some(text) if TEXTS.contains(&name) => json!(text),
        None | Some("true") => json!(true),
        Some("false") => json!(false),
        Some(text) => json!(text),
    };
    Ok(Grant { group: group.to_owned(), name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(grants: &[&str], profile: Option<&str>) -> Value {
        let options = Options {
            room: Some("demo".to_owned()),
            identity: Some("alice".to_owned()),
            profile: profile.map(str::to_owned),
            grants: grants.iter().map(|text| grant(text).expect("a grant")).collect(),
            ..Options::default()
        };
        request(&options)["grants"].clone()
    }

    #[test]
    fn room_and_identity_alone_ask_to_join() {
        assert_eq!(asked(&[], None), json!({"video": {"roomJoin": true}}));
        assert_eq!(
            asked(&["canPublish=false"], None),
            json!({"video": {"roomJoin": true, "canPublish": false}})
        );
        assert_eq!(asked(&["roomAdmin"], None), json!({"video": {"roomAdmin": true}}));
        assert_eq!(asked(&["roomJoin=false"], None), json!({"video": {"roomJoin": false}}));
        assert_eq!(asked(&["sip.call=true"], None), json!({"sip": {"call": true}}));
        assert_eq!(asked(&[], Some("viewer")), Value::Null);
    }

    #[test]
    fn grants_have_the_types_that_livekit_reads() {
        let value = |text| grant(text).expect("a grant").value;
        assert_eq!(value("video.canPublishSources=camera,microphone"), json!(["camera", "microphone"]));
        assert_eq!(value("destinationRoom=true"), json!("true"));
        assert_eq!(value("canSubscribe=maybe"), json!("maybe"));
        assert!(grant("=true").is_err() && grant("sip.=true").is_err());
    }

    #[test]
    fn a_ttl_is_judged_by_the_daemon_as_json_has_it() {
        let ttl = |text: &str| {
            request(&Options { ttl: Some(text.to_owned()), ..Options::default() })["ttl"].clone()
        };
        assert_eq!(ttl("15m"), json!("15m"));
        assert_eq!(ttl("900"), json!(900));
        assert_eq!(ttl("-1"), json!(-1));
        assert_eq!(ttl("NaN"), json!("NaN"));
    }

    #[test]
    fn nothing_that_was_not_given_is_sent() {
        assert_eq!(request(&Options::default()), json!({}));
        let (key, value) = attribute("team=a=b").expect("an attribute");
        assert_eq!((key.as_str(), value.as_str()), ("team", "a=b"));
    }
}
