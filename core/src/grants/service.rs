//! Telephony, inference and observability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Flag, Group, is_not_true};

/// The member `sip` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SipGrant {
    /// May manage trunks and dispatch rules.
    #[serde(skip_serializing_if = "is_not_true")]
    pub admin: Option<bool>,
    /// May place calls.
    #[serde(skip_serializing_if = "is_not_true")]
    pub call: Option<bool>,
}

impl Group for SipGrant {
    const NAME: &'static str = "sip";

    fn flags(&self) -> impl AsRef<[Flag]> {
        [
            Flag { name: "admin", default: false, value: self.admin },
            Flag { name: "call", default: false, value: self.call },
        ]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [&mut self.admin, &mut self.call]
    }

    fn says_nothing(&self) -> bool {
        let SipGrant { admin, call } = self;
        [admin, call].into_iter().all(is_not_true)
    }
}

/// The member `inference` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InferenceGrant {
    /// May run inference.
    #[serde(skip_serializing_if = "is_not_true")]
    pub perform: Option<bool>,
}

impl Group for InferenceGrant {
    const NAME: &'static str = "inference";

    fn flags(&self) -> impl AsRef<[Flag]> {
        [Flag { name: "perform", default: false, value: self.perform }]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [&mut self.perform]
    }

    fn says_nothing(&self) -> bool {
        let InferenceGrant { perform } = self;
        is_not_true(perform)
    }
}

/// The member `observability` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObservabilityGrant {
    /// May write data.
    #[serde(skip_serializing_if = "is_not_true")]
    pub write: Option<bool>,
}

impl Group for ObservabilityGrant {
    const NAME: &'static str = "observability";

    fn flags(&self) -> impl AsRef<[Flag]> {
        [Flag { name: "write", default: false, value: self.write }]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [&mut self.write]
    }

    fn says_nothing(&self) -> bool {
        let ObservabilityGrant { write } = self;
        is_not_true(write)
    }
}
