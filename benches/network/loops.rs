//! [`Loops`]: threads that do nothing, in all the time that no other wants.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use thread_priority::{
    NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

use crate::Outcome;

/// One such thread for each processor, until this is dropped.
pub(crate) struct Loops {
    is_over: Arc<AtomicBool>,
}

impl Loops {
    pub(crate) fn start() -> Outcome<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..thread::available_parallelism()?.get() {
            let until = Arc::clone(&is_over);
            thread::spawn(move || {
                // It also sets the niceness, which has no meaning then and cannot be set by
                // everybody.
                let thread = thread_native_id();
                let _ = set_thread_priority_and_policy(thread, ThreadPriority::Min, Normal(Idle));
                assert_eq!(
                    thread_schedule_policy(),
                    Ok(Normal(Idle)),
                    "the system knows it"
                );
                while !until.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        Ok(Self { is_over })
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
