//! Keeps this process's memory to itself: no core dumps, no debugger of the same user, no swap.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Forbids core dumps and attaching, and keeps pages out of swap. What the system refuses is said, and the daemon goes
/// on.
pub fn keep_memory_private() {
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, no_core) {
        tracing::warn!("core dumps could not be switched off: {error}; a crash could write secrets to disk");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("other processes of this user can read this one's memory: {error}");
    }
    lock_pages();
}

/// Only where no limit is enforced: an allocation beyond one would fail, at any later time.
fn lock_pages() {
    let unlimited =
        capabilities(None).is_ok_and(|capabilities| capabilities.effective.contains(CapabilitySet::IPC_LOCK));
    if let Some(limit) = getrlimit(Resource::Memlock).current.filter(|_| !unlimited) {
        tracing::info!(
            "memory is not locked, as only {limit} bytes may be (LimitMEMLOCK): secrets could be written to swap"
        );
        return;
    }
    // Pages are locked as they are used: what is only reserved would count as used otherwise.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        tracing::warn!("memory could not be locked: {error}; secrets could be written to swap");
    }
}
