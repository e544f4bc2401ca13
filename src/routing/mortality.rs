//! [`Mortality`]: how many of the contacts that are asked turn out to be gone.

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

impl Mortality {
    pub(super) fn on_answer(&mut self) {
        self.silent -= self.silent / MEMORY;
    }

    pub(super) fn on_silence(&mut self) {
        self.silent += (ONE - self.silent) / MEMORY;
    }

    /// Whether contacts come and go quickly.
    pub(super) fn is_high(self) -> bool {
        self.silent > ONE / DEADLY
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
            assert!(!mortality.is_high(), "a few failures mean nothing");
        }
        for _ in 0..100 {
            mortality.on_silence();
            mortality.on_answer();
        }
        assert!(mortality.is_high());
        for _ in 0..200 {
            mortality.on_answer();
        }
        assert!(!mortality.is_high());
    }
}
