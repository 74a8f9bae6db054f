//! Why a request is not answered with a token: a status's meaning, a stable type, a sentence, and the place.

/// What kind of no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The request is not of the form that was asked for.
    Malformed,
    /// Policy forbids it.
    Denied,
    /// LiveKit would not accept such a token.
    NotAToken,
}

/// One problem with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of no.
    pub kind: ProblemKind,
    /// A stable word: for a denial the rule.
    pub rule: &'static str,
    /// What to change.
    pub detail: String,
    /// The field, as a JSON pointer (RFC 6901); empty for the whole body.
    pub pointer: String,
}

impl Problem {
    /// 400.
    pub fn malformed(pointer: &str, detail: impl Into<String>) -> Problem {
        let (kind, rule) = (ProblemKind::Malformed, "malformed");
        Problem { kind, rule, detail: detail.into(), pointer: pointer.to_owned() }
    }

    /// 403, naming the rule.
    pub fn denied(rule: &'static str, pointer: &str, detail: impl Into<String>) -> Problem {
        let kind = ProblemKind::Denied;
        Problem { kind, rule, detail: detail.into(), pointer: pointer.to_owned() }
    }

    /// 422.
    pub fn not_a_token(pointer: &str, detail: impl Into<String>) -> Problem {
        let (kind, rule) = (ProblemKind::NotAToken, "not-a-livekit-token");
        Problem { kind, rule, detail: detail.into(), pointer: pointer.to_owned() }
    }
}
