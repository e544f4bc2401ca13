//! How much of a processor the threads for jobs claim.

use tracing::warn;

/// How much less of a processor than the loop's thread the reliever claims: a third of its share where both want it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const NICENESS: i32 = 5;

/// Has this thread run when no other wants to, where the system can be told so.
pub(super) fn yield_to_all() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal,
            set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
        };
        // It also sets the niceness, which has no meaning then and cannot be set by everybody.
        let _ =
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Idle));
        if thread_schedule_policy() != Ok(Normal(Idle)) {
            claim_little();
        }
    }
}

/// Has this thread claim less of a processor than the loop, where the system counts that for each thread by itself.
pub(super) fn claim_little() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = rustix::process::nice(NICENESS) {
        warn!(%error, "a thread for jobs takes as much of the processor as the loop");
    }
}
