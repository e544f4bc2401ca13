//! How much of a processor the threads for jobs claim.

use std::thread;

use tracing::warn;

/// How much lower the priority of the starvation guard is than that of the driver's thread: it gets
/// a third of the driver's share where both want the processor.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const NICENESS: i32 = 5;

/// Lets this thread run only when no other wants to, where the system can be told so.
pub(super) fn set_idle_policy() {
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
            lower_priority();
        }
    }
}

/// Has this thread claim less of a processor than the driver, where the system counts that for each
/// thread by itself.
pub(super) fn lower_priority() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = rustix::process::nice(NICENESS) {
        warn!(%error, "a thread for jobs takes as much of the processor as the loop");
    }
}

/// How often a thread tells the system that it wants no time yet. Linux (seen on 6.18) credits a
/// thread that waited with up to four milliseconds, each yield gives up to 1.4 of them back, and
/// others may get their turn in between.
const YIELDS: usize = 8;

/// Gives up the time that the system credits to this thread because others had more than their
/// share while it waited. The thread would use it at the start of the next job, and the driver,
/// however high its priority, would wait until the clock ticks.
pub(super) fn yield_scheduler_credit() {
    for _ in 0..YIELDS {
        thread::yield_now();
    }
}
