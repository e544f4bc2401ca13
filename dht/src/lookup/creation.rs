//! [`Creation`]: when a value was made, as far as storing nodes are to know.

use std::time::Duration;

use crate::{Origin, Timestamp, UnixTime};

/// When a value was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Creation {
    /// The application says so.
    Given(UnixTime),
    /// When it was put.
    Put {
        /// The moment.
        at: Timestamp,
        /// Until then a storing node may count from when the value comes.
        new_until: Timestamp,
    },
}

impl Creation {
    /// A value of this lifetime is being put.
    pub(crate) fn put(now: Timestamp, lifetime: Duration) -> Self {
        Self::Put {
            at: now,
            new_until: now + lifetime / 4,
        }
    }

    /// Returns the time to send along with the value; `None` lets the storing node take it for new.
    ///
    /// Differs: OpenDHT sends it whenever a second has passed. A storing node compares it with its
    /// own calendar: if that of the sender is an hour behind, each value that waited for the
    /// network would be dropped on arrival.
    pub(crate) fn to_send(self, now: Timestamp, origin: Origin) -> Option<UnixTime> {
        let at = match self {
            Self::Given(at) => at,
            Self::Put { new_until, .. } if now < new_until => return None,
            Self::Put { at, .. } => origin.to_unix(at),
        };
        (at.as_secs() < origin.to_unix(now).as_secs()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_value_is_new_for_a_quarter_of_its_life() {
        let origin = Origin::new(UnixTime::from_secs(1_000));
        let put_at = Timestamp::ZERO + SECOND * 10;
        let creation = Creation::put(put_at, SECOND * 600);
        assert_eq!(creation.to_send(put_at + SECOND * 149, origin), None);
        let sent = creation.to_send(put_at + SECOND * 150, origin);
        assert_eq!(sent, Some(UnixTime::from_secs(1_010)));
    }

    #[test]
    fn a_time_that_was_given_is_sent_once_it_has_passed() {
        let origin = Origin::new(UnixTime::from_secs(1_000));
        let given = Creation::Given(UnixTime::from_secs(1_005));
        assert_eq!(given.to_send(Timestamp::ZERO + SECOND * 5, origin), None);
        let sent = given.to_send(Timestamp::ZERO + SECOND * 6, origin);
        assert_eq!(sent, Some(UnixTime::from_secs(1_005)));
    }
}
