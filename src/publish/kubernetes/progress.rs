//! How far a workload's controller has come with a change of its pods, by what its status says.

use std::fmt;

use serde::Deserialize;

/// How far a rollout has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every pod is of the newest template, and ready.
    Done,
    /// The controller is at it.
    Rolling {
        /// Pods of the newest template.
        updated: u32,
        /// Pods that are ready, of whichever template.
        ready: u32,
        /// Pods that there should be.
        wanted: u32,
    },
    /// It goes no further until somebody says so: why, and how.
    Paused(String),
    /// It goes no further by itself: why.
    Stuck(String),
    /// There is no such workload.
    Missing,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::Done => f.write_str("its pods are all new and ready"),
            Progress::Rolling { updated, ready, wanted } => {
                write!(f, "of {wanted} pods {updated} are new and {ready} are ready")
            }
            Progress::Paused(why) => f.write_str(why),
            Progress::Stuck(why) => {
                write!(f, "its rollout is stuck: {why}; look at its pods and their events")
            }
            Progress::Missing => {
                f.write_str("there is no such workload: create it, or correct `restart` and `namespace`")
            }
        }
    }
}

/// The part of a StatefulSet or Deployment that tells.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    generation: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<u32>,
    paused: bool,
    /// A StatefulSet's.
    update_strategy: Strategy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Option<Rolling>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rolling {
    partition: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
    replicas: u32,
    updated_replicas: u32,
    ready_replicas: u32,
    conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

impl Told {
    /// What it comes to.
    pub(super) fn progress(&self) -> Progress {
        let (spec, status) = (&self.spec, &self.status);
        let wanted = spec.replicas.unwrap_or(1);
        // Until then the status tells of an older template.
        let is_seen = status.observed_generation >= self.metadata.generation;
        let none_is_old = status.replicas <= status.updated_replicas;
        if is_seen && none_is_old && status.updated_replicas >= wanted && status.ready_replicas >= wanted {
            return Progress::Done;
        }
        if let Some(why) = self.paused(wanted) {
            return Progress::Paused(why);
        }
        let failed = |condition: &&Condition| {
            matches!(
                (&*condition.kind, &*condition.status),
                ("Progressing", "False") | ("ReplicaFailure", "True")
            )
        };
        match status.conditions.iter().find(failed).filter(|_| is_seen) {
            Some(Condition { reason, message, .. }) => Progress::Stuck(format!("{reason}: {message}")),
            None => Progress::Rolling {
                updated: if is_seen { status.updated_replicas } else { 0 },
                ready: status.ready_replicas,
                wanted,
            },
        }
    }

    fn paused(&self, wanted: u32) -> Option<String> {
        let strategy = &self.spec.update_strategy;
        let partition = strategy.rolling_update.as_ref().map_or(0, |rolling| rolling.partition).min(wanted);
        if self.spec.paused {
            Some("it is paused: run `kubectl rollout resume` for it".to_owned())
        } else if strategy.kind == "OnDelete" {
            Some(
                "its updateStrategy is OnDelete: delete its pods one by one, or set RollingUpdate".to_owned(),
            )
        } else if partition > 0 && self.status.updated_replicas >= wanted - partition {
            Some(format!(
                "its updateStrategy has a partition, which leaves {partition} pods as they are: set it to 0"
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn progress(spec: Value, status: Value) -> Progress {
        let told = json!({"metadata": {"generation": 2}, "spec": spec, "status": status});
        serde_json::from_value::<Told>(told).expect("a workload").progress()
    }

    fn status(observed: i64, all: u32, updated: u32, ready: u32) -> Value {
        json!({"observedGeneration": observed, "replicas": all, "updatedReplicas": updated, "readyReplicas": ready})
    }

    #[test]
    fn done_when_all_pods_are_new_and_ready() {
        let of_three = || json!({"replicas": 3});
        let rolling = |updated, ready| Progress::Rolling { updated, ready, wanted: 3 };
        assert_eq!(progress(of_three(), status(2, 3, 3, 3)), Progress::Done);
        assert_eq!(progress(of_three(), status(2, 3, 3, 2)), rolling(3, 2), "one is not ready");
        assert_eq!(progress(of_three(), status(2, 4, 3, 3)), rolling(3, 3), "an old one is left");
        assert_eq!(progress(of_three(), status(1, 3, 3, 3)), rolling(0, 3), "the controller has not looked");
        assert_eq!(progress(json!({"replicas": 0}), status(2, 0, 0, 0)), Progress::Done, "there are none");
        assert_eq!(
            progress(json!({}), json!({})),
            Progress::Rolling { updated: 0, ready: 0, wanted: 1 },
            "nobody has looked after it yet"
        );
    }

    #[test]
    fn paused_while_pods_are_old_that_nobody_replaces() {
        let says = |spec: Value| progress(spec, status(2, 3, 1, 3)).to_string();
        assert!(says(json!({"replicas": 3, "paused": true})).contains("rollout resume"));
        assert!(says(json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}})).contains("OnDelete"));
        let partition = |partition: u32| json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}});
        assert!(says(partition(2)).contains("leaves 2 pods as they are"));
        assert!(says(partition(1)).contains("1 are new"), "it has not come to the partition yet");
        assert_eq!(progress(json!({"replicas": 3, "paused": true}), status(2, 3, 3, 3)), Progress::Done);
    }

    #[test]
    fn stuck_when_the_controller_says_so_of_this_template() {
        let with_condition = |observed, kind: &str, is: &str| {
            let mut status = status(observed, 3, 1, 2);
            status["conditions"] =
                json!([{"type": kind, "status": is, "reason": "Because", "message": "of that"}]);
            progress(json!({"replicas": 3}), status)
        };
        let stuck = Progress::Stuck("Because: of that".to_owned());
        assert_eq!(with_condition(2, "Progressing", "False"), stuck);
        assert_eq!(with_condition(2, "ReplicaFailure", "True"), stuck);
        for (observed, kind, is) in [(2, "Progressing", "True"), (1, "Progressing", "False")] {
            assert!(matches!(with_condition(observed, kind, is), Progress::Rolling { .. }), "{kind} {is}");
        }
    }
}
