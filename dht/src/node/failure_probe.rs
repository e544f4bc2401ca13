//! [`FailureProbe`]: when a contact is silent, others may be gone too, and are asked.
//!
//! For each silent contact some others are pinged, those first that were silent for longest; and so
//! on, if these are silent too. So when half of a network goes at once its nodes know within
//! seconds which are left, instead of each lookup waiting for nodes that are gone. Where contacts
//! come and go all the time, this would never end; so its rate is limited.

use std::net::SocketAddr;
use std::time::Duration;

use bulla_kad::Budget;

use crate::routing::Table;
use crate::{Contact, Timestamp};

/// Contacts asked for one that is silent.
const PROBES: u32 = 4;
/// Contacts that may be asked in a burst.
const BURST: u32 = 64;
/// How long it takes until one more may be asked.
const REFILL: Duration = Duration::from_secs(10);
/// Time-outs after which a contact counts as silent. One may be the fault of the path.
const TIME_OUTS: u32 = 2;

/// How many contacts may be asked.
#[derive(Debug)]
pub(super) struct FailureProbe {
    /// Limits the rate of probes.
    budget: Budget,
}

/// A request that timed out.
#[derive(Clone, Copy)]
pub(super) struct TimeOut {
    /// For the how many-th time.
    pub(super) count: u32,
    /// How long the first attempt waited.
    pub(super) timeout: Duration,
}

impl Default for FailureProbe {
    fn default() -> Self {
        Self {
            budget: Budget::full(REFILL * BURST),
        }
    }
}

impl FailureProbe {
    /// Returns the contacts of a table to ask, of those that `may_be_there`, when one let a request
    /// time out.
    pub(super) fn on_timeout(
        &mut self,
        now: Timestamp,
        table: &mut Table,
        TimeOut { count, timeout }: TimeOut,
        may_be_there: impl Fn(&SocketAddr) -> bool,
    ) -> Vec<Contact> {
        let allowance = self.allowance(now);
        if count != TIME_OUTS || allowance == 0 {
            return Vec::new();
        }
        // A contact that was heard of since the silent one was asked is there.
        let silence = timeout * ((1 << TIME_OUTS) - 1);
        let may_be_there = |contact: &Contact| may_be_there(&contact.addr);
        let asked = table.ask_silent(allowance as usize, silence, now, may_be_there);
        self.budget.spend(now, REFILL * asked.len() as u32);
        asked
    }

    /// Returns how many contacts may be asked now.
    fn allowance(&self, now: Timestamp) -> u32 {
        let saved = self.budget.saved(now).as_micros() / REFILL.as_micros();
        PROBES.min(saved as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_saved_up_again() {
        let (mut probe, mut now) = (FailureProbe::default(), Timestamp::ZERO);
        let mut asked = 0;
        while probe.allowance(now) > 0 {
            asked += probe.allowance(now);
            let cost = REFILL * probe.allowance(now);
            probe.budget.spend(now, cost);
        }
        assert_eq!(asked, BURST);
        now = now + REFILL;
        assert_eq!(probe.allowance(now), 1);
        now = now + REFILL * 2;
        assert_eq!(probe.allowance(now), 3);
        probe.budget.spend(now, REFILL * 3);
        assert_eq!(probe.allowance(now), 0);
        assert_eq!(probe.allowance(now + REFILL * BURST * 2), PROBES);
    }

    #[test]
    fn for_each_contact_that_falls_silent_a_few_are_asked_until_all_is_spent() {
        let own = crate::InfoHash::ZERO;
        let config = crate::RoutingConfig::default();
        let mut table = Table::new(own, &config);
        for number in 0..600u16 {
            let id = crate::InfoHash::of(&number.to_be_bytes());
            let contact = Contact::new(id, ([127, 0, 0, 1], number + 1).into());
            let confidence = crate::routing::Confidence::Replied;
            let _ = table.on_seen(contact, confidence, Timestamp::ZERO);
        }
        let second = Duration::from_secs(1);
        let recent = Contact::new(crate::InfoHash::of(b"recent"), ([127, 0, 0, 2], 1).into());
        let now = Timestamp::ZERO + second * 300;
        let _ = table.on_seen(recent, crate::routing::Confidence::Replied, now - second);
        let mut probe = FailureProbe::default();
        let mut asked = |timeout| {
            let time_out = TimeOut { count: 2, timeout };
            (probe.on_timeout(now, &mut table, time_out, |_| true)).len()
        };
        assert_eq!(asked(second * 150), 0, "none has been silent for so long");
        assert_eq!(asked(second), PROBES as usize);
        let all: usize = (0..100).map(|_| asked(second)).sum();
        assert!((8..=60).contains(&all), "{all}");
    }
}
