//! How much of a processor the threads for jobs claim.

use std::thread;

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

/// How often a thread says that it wants no time yet. Linux (seen on 6.18) owes a thread that waited up to four
/// milliseconds, each yield gives up to 1.4 of them back, and others may get their turn in between.
const YIELDS: usize = 8;

/// Gives up the time that the system owes this thread because others had more than their share while it waited: it would
/// be paid at the start of the next job, and the loop, however high its claim, would wait for it until the clock ticks.
pub(super) fn forgo_arrears() {
    for _ in 0..YIELDS {
        thread::yield_now();
    }
}
