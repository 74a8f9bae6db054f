//! Agents, their endpoints and threads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Flag, Group, is_not_true};

/// The member `agent` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentGrant {
    /// May manage agents.
    #[serde(skip_serializing_if = "is_not_true")]
    pub admin: Option<bool>,
    /// May manage simulations.
    #[serde(skip_serializing_if = "is_not_true")]
    pub simulation_admin: Option<bool>,
    /// May manage databases.
    #[serde(skip_serializing_if = "is_not_true")]
    pub database_admin: Option<bool>,
    /// May manage dispatches.
    #[serde(skip_serializing_if = "is_not_true")]
    pub dispatch_admin: Option<bool>,
}

impl Group for AgentGrant {
    const NAME: &'static str = "agent";

    fn flags(&self) -> impl AsRef<[Flag]> {
        let flag = |name, value| Flag { name, default: false, value };
        [
            flag("admin", self.admin),
            flag("simulationAdmin", self.simulation_admin),
            flag("databaseAdmin", self.database_admin),
            flag("dispatchAdmin", self.dispatch_admin),
        ]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [&mut self.admin, &mut self.simulation_admin, &mut self.database_admin, &mut self.dispatch_admin]
    }

    fn says_nothing(&self) -> bool {
        let AgentGrant { admin, simulation_admin, database_admin, dispatch_admin } = self;
        [admin, simulation_admin, database_admin, dispatch_admin].into_iter().all(is_not_true)
    }
}

/// The member `agentEndpoint` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentEndpointGrant {
    /// May call the endpoint.
    #[serde(skip_serializing_if = "is_not_true")]
    pub call: Option<bool>,
    /// Of this agent only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent_name: String,
    /// Of this deployment only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deployment: String,
}

impl Group for AgentEndpointGrant {
    const NAME: &'static str = "agentEndpoint";

    fn flags(&self) -> impl AsRef<[Flag]> {
        [Flag { name: "call", default: false, value: self.call }]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [&mut self.call]
    }

    fn says_nothing(&self) -> bool {
        let AgentEndpointGrant { call, agent_name, deployment } = self;
        is_not_true(call) && agent_name.is_empty() && deployment.is_empty()
    }
}

/// The member `agentThread` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentThreadGrant {
    /// Every thread.
    #[serde(skip_serializing_if = "is_not_true")]
    pub all: Option<bool>,
    /// Threads of this scope only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// These threads only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thread_ids: Vec<String>,
    /// May list threads.
    #[serde(skip_serializing_if = "is_not_true")]
    pub list: Option<bool>,
    /// May create threads.
    #[serde(skip_serializing_if = "is_not_true")]
    pub create: Option<bool>,
    /// May write to threads.
    #[serde(skip_serializing_if = "is_not_true")]
    pub write: Option<bool>,
    /// May read threads.
    #[serde(skip_serializing_if = "is_not_true")]
    pub read: Option<bool>,
    /// May delete threads.
    #[serde(skip_serializing_if = "is_not_true")]
    pub delete: Option<bool>,
}

impl Group for AgentThreadGrant {
    const NAME: &'static str = "agentThread";

    fn flags(&self) -> impl AsRef<[Flag]> {
        let flag = |name, value| Flag { name, default: false, value };
        [
            flag("all", self.all),
            flag("list", self.list),
            flag("create", self.create),
            flag("write", self.write),
            flag("read", self.read),
            flag("delete", self.delete),
        ]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [&mut self.all, &mut self.list, &mut self.create, &mut self.write, &mut self.read, &mut self.delete]
    }

    fn says_nothing(&self) -> bool {
        let AgentThreadGrant { all, list, create, write, read, delete, scope, thread_ids } = self;
        [all, list, create, write, read, delete].into_iter().all(is_not_true)
            && scope.is_empty()
            && thread_ids.is_empty()
    }
}
