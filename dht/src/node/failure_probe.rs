//! [`FailureProbe`]: a contact has fallen silent, and others may have gone with it.
//!
//! Each that falls silent has some others asked, those first that were not heard of for longest; and so on, if these are
//! silent too. So when half of a network goes at once its nodes know within seconds who is left, instead of each lookup
//! waiting for the dead. Where contacts come and go all the time, this would go on for ever; so it is paid from savings.

use std::time::Duration;

use super::Node;
use crate::budget::Budget;
use crate::{Contact, Timestamp};

/// Contacts asked for one that fell silent.
const PROBES: u32 = 4;
/// Contacts that may be asked in a row,
const BURST: u32 = 64;
/// and how long it takes to save up for one.
const REFILL: Duration = Duration::from_secs(10);
/// Time-outs after which a contact counts as silent. One may be the fault of the path.
const TIME_OUTS: u32 = 2;

/// How many contacts may be asked.
#[derive(Debug)]
pub(super) struct FailureProbe(Budget);

impl Default for FailureProbe {
    fn default() -> Self {
        Self(Budget::full(REFILL * BURST))
    }
}

impl FailureProbe {
    /// How many contacts may be asked now.
    fn allowance(&self, now: Timestamp) -> u32 {
        let saved = self.0.saved(now).as_micros() / REFILL.as_micros();
        PROBES.min(saved as u32)
    }

    fn spend(&mut self, now: Timestamp, asked: u32) {
        self.0.spend(now, REFILL * asked);
    }
}

impl Node {
    /// A contact let a request time out, for the `count`th time.
    pub(super) fn probe_others(&mut self, now: Timestamp, contact: Contact, count: u32) {
        let table = &mut self.tables[contact.family()];
        table.on_late(&contact);
        let allowance = self.failure_probe.allowance(now) as usize;
        if count != TIME_OUTS || allowance == 0 {
            return;
        }
        let peers = self.outbox.rpc.peers();
        // Who was heard of since it was asked is there.
        let silence = peers.timeout(&contact.addr) * ((1 << TIME_OUTS) - 1);
        let asked = table.ask_silent(allowance, silence, now, |contact| {
            !peers.is_unresponsive(&contact.addr)
        });
        self.failure_probe.spend(now, asked.len() as u32);
        for contact in asked {
            self.outbox.ping(now, contact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_saved_up_again() {
        let (mut failure_probe, mut now) = (FailureProbe::default(), Timestamp::ZERO);
        let mut asked = 0;
        while failure_probe.allowance(now) > 0 {
            asked += failure_probe.allowance(now);
            failure_probe.spend(now, failure_probe.allowance(now));
        }
        assert_eq!(asked, BURST);
        now = now + REFILL;
        assert_eq!(failure_probe.allowance(now), 1);
        now = now + REFILL * 2;
        assert_eq!(failure_probe.allowance(now), 3);
        failure_probe.spend(now, 3);
        assert_eq!(failure_probe.allowance(now), 0);
        assert_eq!(failure_probe.allowance(now + REFILL * BURST * 2), PROBES);
    }
}
