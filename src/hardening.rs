//! Keeps this process's memory to itself: no core dumps, no debugger of the same user.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps and attaching. What the system refuses is said, and the daemon goes on.
pub fn keep_memory_private() {
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, no_core) {
        tracing::warn!("core dumps could not be switched off: {error}; a crash could write secrets to disk");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("other processes of this user can read this one's memory: {error}");
    }
}
