//! [`Mortality`]: how many of the contacts that are asked turn out to be gone.

use std::time::Duration;

/// The share of requests that got no answer lately.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Mortality {
    /// Of 65,536.
    silent: u32,
}

const ONE: u32 = 1 << 16;
/// The share of the latest request in the whole: one of so many.
const MEMORY: u32 = 64;
/// Of a network where more than one of so many requests stays without an answer, contacts age quickly.
const DEADLY: u32 = 4;
/// How old a sign of life may be there.
const FRESH: Duration = Duration::from_secs(120);

impl Mortality {
    pub(super) fn on_answer(&mut self) {
        self.silent -= self.silent / MEMORY;
    }

    pub(super) fn on_silence(&mut self) {
        self.silent += (ONE - self.silent) / MEMORY;
    }

    /// How lately a contact must have been heard of to be there still; `None` where contacts last.
    pub(super) fn fresh(self) -> Option<Duration> {
        (self.silent > ONE / DEADLY).then_some(FRESH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_deadly_while_many_requests_stay_without_an_answer() {
        let mut mortality = Mortality::default();
        for _ in 0..1_000 {
            mortality.on_answer();
        }
        for _ in 0..10 {
            mortality.on_silence();
            assert_eq!(mortality.fresh(), None, "a few failures mean nothing");
        }
        for _ in 0..100 {
            mortality.on_silence();
            mortality.on_answer();
        }
        assert_eq!(mortality.fresh(), Some(FRESH));
        for _ in 0..200 {
            mortality.on_answer();
        }
        assert_eq!(mortality.fresh(), None);
    }
}
