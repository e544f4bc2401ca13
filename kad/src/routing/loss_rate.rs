//! [`LossRate`]: how many of the contacts that are asked do not answer.

/// The share of requests that got no reply lately.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LossRate {
    /// Of 65,536.
    silent: u32,
}

const ONE: u32 = 1 << 16;
/// The latest request makes up this share of the rate: one in so many.
const MEMORY: u32 = 64;
/// Where more than one in so many requests stays without a reply, contacts age quickly.
const HIGH: u32 = 4;

impl LossRate {
    pub(super) fn on_reply(&mut self) {
        self.silent -= self.silent / MEMORY;
    }

    pub(super) fn on_no_reply(&mut self) {
        self.silent += (ONE - self.silent) / MEMORY;
    }

    /// Reports whether contacts come and go quickly.
    pub(super) fn is_high(self) -> bool {
        self.silent > ONE / HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_rate_is_high_while_many_requests_stay_without_a_reply() {
        let mut loss_rate = LossRate::default();
        for _ in 0..1_000 {
            loss_rate.on_reply();
        }
        for _ in 0..10 {
            loss_rate.on_no_reply();
            assert!(!loss_rate.is_high(), "a few failures mean nothing");
        }
        for _ in 0..100 {
            loss_rate.on_no_reply();
            loss_rate.on_reply();
        }
        assert!(loss_rate.is_high());
        for _ in 0..200 {
            loss_rate.on_reply();
        }
        assert!(!loss_rate.is_high());
    }
}
