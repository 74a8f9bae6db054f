//! A node's restart by a command.

use livekit_keyd_core::plan::Restarter;

use super::PublishError;
use super::process::{Input, Program};

/// Which nodes a publisher's command restarts, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRestart {
    /// Told the node in LIVEKIT_KEYD_NODE, and LIVEKIT_KEYD_OPERATION.
    pub program: Program,
    /// The addresses of the nodes that it can restart; `None` for all.
    pub nodes: Option<Vec<String>>,
}

impl NodeRestart {
    pub(super) fn restarter(&self) -> Restarter {
        Restarter::Nodes(self.nodes.clone())
    }

    pub(super) async fn run(&self, node: &str, operation: &str) -> Result<(), PublishError> {
        let variables = vec![("LIVEKIT_KEYD_NODE", node), ("LIVEKIT_KEYD_OPERATION", operation)];
        let run = self.program.run(Input { variables, ..Input::default() }).await;
        run.map_err(|why| PublishError::Failed(format!("node {node} was not restarted: {why}")))
    }
}
