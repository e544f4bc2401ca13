//! Drives the nodes as any driver does: wakes each when it is due and drains what it puts out.

use bulla_dht::Timestamp;
use bulla_dht::node::{Core, Timer};
use bulla_dht::secure::{Job, SecureDht, SecureOutput};

use super::event::Event;
use super::host::Host;
use super::spin_detector::SpinDetector;
use super::{HostId, Sim};

impl Sim {
    /// Calls the node of a host and takes what it puts out; does nothing while the host is absent.
    pub(super) fn with_dht<T>(
        &mut self,
        host: HostId,
        call: impl FnOnce(&mut SecureDht, Timestamp) -> T,
    ) -> Option<T> {
        let instance = self.hosts[host.index()].instance.as_mut()?;
        let clock = instance.clock(self.now);
        let result = call(&mut instance.dht, clock);
        self.drain(host);
        Some(result)
    }

    /// Wakes a node if it is due. That may have changed since the event was scheduled.
    pub(super) fn wake_if_due(&mut self, host: HostId) {
        let now = self.now;
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        if instance.planned != Some(now) {
            return;
        }
        instance.planned = None;
        if self.hosts[host.index()].asleep_until > now {
            return;
        }
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        if instance.due > now {
            return self.schedule_wake(host);
        }
        self.wake(host);
    }

    /// Does what has become due while a host slept, and has its node look for its network.
    pub(super) fn end_sleep(&mut self, host: HostId) {
        if self.hosts[host.index()].asleep_until == self.now {
            self.wake(host);
            self.with_dht(host, SecureDht::connectivity_changed);
        }
    }

    fn wake(&mut self, host: HostId) {
        let now = self.now;
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        instance.due = Timestamp::MAX;
        let timer = instance.timer;
        let clock = instance.clock(now);
        instance.dht.handle_timeout(clock);
        // What runs out, and a search for what to hand over, need not show.
        let works_silently = matches!(timer, Timer::Requests | Timer::Storage | Timer::HandOver);
        let did_something = self.drain(host) || works_silently;
        let Host { instance, spec, .. } = &mut self.hosts[host.index()];
        let (Some(instance), None) = (instance, spec.behaviour) else {
            return;
        };
        // What is due may have to wait for its turn.
        let waits = matches!(timer, Timer::Lookup(..))
            && instance.dht.node().stats(clock).waiting_lookups > 0;
        if !did_something && !waits && instance.spin_detector.is_spinning(now) {
            instance.spin_detector = SpinDetector::default();
            let what = format!("wakes again and again for nothing: {timer:?}");
            self.oracle.report_violation(now, host, what);
        }
        if instance.due <= now {
            let what = format!("wants to be woken in the past, twice: {timer:?}");
            self.oracle.report_violation(now, host, what);
        }
        let operations = instance.operations.len();
        self.oracle
            .check_bounds(now, host, &instance.dht, clock, operations);
    }

    /// Takes all that a node puts out, and reports whether that was more than the next wake-up.
    fn drain(&mut self, host: HostId) -> bool {
        let mut did_something = false;
        while let Some(instance) = &mut self.hosts[host.index()].instance {
            match instance.dht.poll_output() {
                SecureOutput::Transmit(transmit) => self.send(host, transmit),
                SecureOutput::Event(event) => self.on_secure_event(host, event),
                SecureOutput::Job(job) => self.run_job(host, job),
                SecureOutput::Wake(at, timer) => {
                    instance.timer = timer;
                    self.set_wake(host, at);
                    return did_something;
                }
            }
            did_something = true;
        }
        did_something
    }

    fn set_wake(&mut self, host: HostId, at: Timestamp) {
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        let at = instance.moment(at);
        if instance.due != at {
            instance.due = at;
            self.trace.wake(self.now, host, at);
            self.schedule_wake(host);
        }
    }

    /// Makes sure that an event is queued at the time when a node is to be woken, or before.
    fn schedule_wake(&mut self, host: HostId) {
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        let due = instance.due;
        if due < Timestamp::MAX && instance.planned.is_none_or(|planned| planned > due) {
            instance.planned = Some(due);
            self.queue.push(due, Event::Wake(host));
        }
    }

    fn run_job(&mut self, host: HostId, job: Job) {
        let done = Event::Done {
            host,
            generation: self.hosts[host.index()].generation,
            done: Box::new(job.run()),
        };
        self.queue.push(self.now + self.job_time, done);
    }
}
