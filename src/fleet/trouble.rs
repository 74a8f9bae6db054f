//! Why a node is not to be believed, whatever it says.

use std::fmt;

/// A sentence about the node, and its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody asked it yet.
    Unasked,
    /// Nothing listens there.
    Gone(String),
    /// It gives no answer.
    Silent(String),
    /// What answers is not, or not only, a node.
    Odd(String),
}

impl Trouble {
    /// What answers is no livekit-server, by its statuses to both ways of asking.
    pub(super) fn no_livekit(first: u16, second: u16) -> Trouble {
        Trouble::Odd(match (first, second) {
            (200..=299, 200..=299) => {
                format!("it is no LiveKit: it answers {first} to all, even to a token that may do nothing")
            }
            (300..=399, _) => {
                format!("it does not answer for itself: {first} is a redirect, which is not followed")
            }
            (502..=504, _) => {
                let sentence = "no LiveKit answers there: a gateway without its server does";
                return Trouble::Silent(format!("{sentence}, with {first}"));
            }
            _ => format!(
                "it does not answer as LiveKit does: {first} to /rtc/validate and {second} to ListRooms"
            ),
        })
    }

    /// Something between takes the token away.
    pub(super) fn stripped() -> Trouble {
        Trouble::Odd("the Authorization header is taken away on the way to it".to_owned())
    }

    /// The control question was not refused.
    pub(super) fn takes_all() -> Trouble {
        Trouble::Odd("it is no LiveKit: it does not refuse a key that nobody knows".to_owned())
    }

    /// It said one thing and its contrary within a moment.
    pub(super) fn alternates() -> Trouble {
        Trouble::Odd(
            "it says one thing and its contrary within a moment: several nodes answer there, behind a load balancer or one name; name each by an address of its own".to_owned(),
        )
    }

    /// As the metric of nodes and probes names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Trouble::Unasked | Trouble::Gone(_) | Trouble::Silent(_) => "silent",
            Trouble::Odd(_) => "odd",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unasked => f.write_str("it has not answered yet"),
            Trouble::Gone(sentence) | Trouble::Silent(sentence) | Trouble::Odd(sentence) => {
                f.write_str(sentence)
            }
        }
    }
}
