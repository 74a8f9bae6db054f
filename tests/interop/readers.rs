//! Four official verifiers, and what each of them cannot hold of a token.

use serde_json::{Map, Value, json};

use crate::support::verifier::Verifier;

/// A verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// npm's `livekit-server-sdk`: it hands over the payload as it is, so nothing superfluous hides from it.
    Node,
    /// PyPI's `livekit-api`.
    Python,
    /// Go's `github.com/livekit/protocol/auth`.
    Go,
    /// The crate `livekit-token`.
    Rust,
}

/// Where a reader does not hold what a token says.
struct Difference {
    reader: Reader,
    /// The claim, or `group.member`.
    claim: &'static str,
    holds: Holds,
}

/// What it holds instead.
enum Holds {
    /// It has no such field.
    Nothing,
    /// This, where the token has nothing.
    WhenUnset(bool),
}

const fn lacks(reader: Reader, claim: &'static str) -> Difference {
    Difference { reader, claim, holds: Holds::Nothing }
}

const fn takes_for_true(reader: Reader, claim: &'static str) -> Difference {
    Difference { reader, claim, holds: Holds::WhenUnset(true) }
}

const DIFFERENCES: [Difference; 15] = [
    // `Claims` of livekit-api 1 has no field for it.
    lacks(Reader::Python, "kindDetails"),
    // Its `VideoGrants` has plain flags here. For canPublishData that is not what LiveKit does where canPublish
    // is false: livekit-server lets data follow it.
    takes_for_true(Reader::Python, "video.canPublish"),
    takes_for_true(Reader::Python, "video.canSubscribe"),
    takes_for_true(Reader::Python, "video.canPublishData"),
    // `Claims` and `VideoGrants` of livekit-token 0.4 have no fields for these.
    lacks(Reader::Rust, "kindDetails"),
    lacks(Reader::Rust, "roomPreset"),
    lacks(Reader::Rust, "video.canSubscribeMetrics"),
    lacks(Reader::Rust, "video.canManageAgentSession"),
    // Checked by the verifier, and not handed over.
    lacks(Reader::Python, "iss"),
    lacks(Reader::Python, "ttl"),
    lacks(Reader::Go, "iss"),
    lacks(Reader::Go, "ttl"),
    // Our own claim, which LiveKit ignores.
    lacks(Reader::Python, "livekit_keyd"),
    lacks(Reader::Go, "livekit_keyd"),
    lacks(Reader::Rust, "livekit_keyd"),
];

/// The groups of grants, whose members are flags unless [`THREE_STATE`] or their text says otherwise.
const GROUPS: [&str; 7] =
    ["video", "sip", "agent", "agentEndpoint", "agentThread", "inference", "observability"];

/// The flags of which unset and false are different.
pub(crate) const THREE_STATE: [&str; 6] = [
    "canPublish",
    "canSubscribe",
    "canPublishData",
    "canUpdateOwnMetadata",
    "canSubscribeMetrics",
    "canManageAgentSession",
];

impl Reader {
    /// All of them.
    pub(crate) const ALL: [Reader; 4] = [Reader::Node, Reader::Python, Reader::Go, Reader::Rust];

    /// What it says of tokens signed with one key, each in the form of [`crate::cases`], or its refusal.
    pub(crate) fn read(self, tokens: &[&str], key: &str, secret: &str) -> Vec<Result<Value, String>> {
        let program = match self {
            Reader::Node => Verifier::Node,
            Reader::Python => Verifier::Python,
            Reader::Go => Verifier::Go,
            Reader::Rust => return tokens.iter().map(|token| read_in_rust(token, key, secret)).collect(),
        };
        let answers = program.verify(tokens, key, secret);
        answers.into_iter().map(|answer| answer.map(|claims| self.in_one_form(claims))).collect()
    }

    /// What it can hold of a token that says `claims`.
    pub(crate) fn expects(self, claims: &Value) -> Value {
        let mut claims = claims.clone();
        for difference in DIFFERENCES.iter().filter(|difference| difference.reader == self) {
            let (parents, member) = difference.claim.rsplit_once('.').unwrap_or(("", difference.claim));
            match difference.holds {
                Holds::Nothing => {
                    let parent = if parents.is_empty() { Some(&mut claims) } else { claims.get_mut(parents) };
                    parent.and_then(Value::as_object_mut).map(|parent| parent.remove(member));
                }
                Holds::WhenUnset(value) => {
                    let members = claims.as_object_mut().expect("claims are an object");
                    let group = members.entry(parents).or_insert_with(|| json!({}));
                    let group = group.as_object_mut().expect("a group is an object");
                    group.entry(member).or_insert(Value::Bool(value));
                }
            }
        }
        without_empty_groups(claims)
    }

    fn in_one_form(self, claims: Value) -> Value {
        match self {
            Reader::Python => without_defaults(camel_case(claims)),
            Reader::Go => claims,
            Reader::Node | Reader::Rust => of_payload(claims),
        }
    }
}

fn read_in_rust(token: &str, key: &str, secret: &str) -> Result<Value, String> {
    let verifier = livekit_token::TokenVerifier::with_api_key(key, secret);
    let claims = verifier.verify(token).map_err(|error| error.to_string())?;
    let claims = serde_json::to_value(claims).expect("claims are JSON");
    Ok(Reader::Rust.in_one_form(claims))
}

/// The subject is the identity, and what depends on the clock becomes what does not.
fn of_payload(mut claims: Value) -> Value {
    let members = claims.as_object_mut().expect("claims are an object");
    if let Some(identity) = members.remove("sub") {
        members.insert("identity".to_owned(), identity);
    }
    let mut seconds = |name: &str| members.remove(name).and_then(|value| value.as_i64());
    let (nbf, exp) = (seconds("nbf").expect("nbf is whole"), seconds("exp").expect("exp is whole"));
    members.insert("ttl".to_owned(), json!(exp - nbf));
    if let Some(origin) = members.get_mut("livekit_keyd").and_then(Value::as_object_mut) {
        assert_eq!(origin.remove("auth_time"), Some(json!(nbf)), "who asked was known when it was signed");
    }
    claims
}

/// The names of claims and of grants, not those in attributes and the like.
fn camel_case(claims: Value) -> Value {
    let Value::Object(members) = claims else { return claims };
    let renamed = members.into_iter().map(|(name, value)| {
        let name = camel(&name);
        let value = match value {
            Value::Object(grants) if GROUPS.contains(&name.as_str()) => {
                grants.into_iter().map(|(name, value)| (camel(&name), value)).collect::<Map<_, _>>().into()
            }
            value => value,
        };
        (name, value)
    });
    renamed.collect::<Map<_, _>>().into()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_uppercase() + rest
    })
}

/// A dataclass has every field; what the token left out is null, empty or, as a plain flag, false.
fn without_defaults(claims: Value) -> Value {
    let Value::Object(mut members) = claims else { return claims };
    for group in GROUPS {
        if let Some(grants) = members.get_mut(group).and_then(Value::as_object_mut) {
            grants.retain(|name, value| {
                let plain = *value != json!(false) || THREE_STATE.contains(&name.as_str());
                plain && !is_empty(value)
            });
        }
    }
    members.retain(|_, value| !is_empty(value));
    members.into()
}

fn is_empty(value: &Value) -> bool {
    [Value::Null, json!(""), json!([]), json!({})].contains(value)
}

fn without_empty_groups(mut claims: Value) -> Value {
    let members = claims.as_object_mut().expect("claims are an object");
    members.retain(|name, value| !GROUPS.contains(&name.as_str()) || !is_empty(value));
    claims
}
