//! [`Entry`]: a contact of the table and what it has shown of itself.
//!
//! ```text
//!            replied, then seen in time
//!   Dubious <------------------------------> Good
//!      |  ^           silent too long          |
//!      |  | any datagram from its address      |
//!      v  |                                    |
//!     Expired <--------------------------------+
//!               a request got no reply
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Endpoint;
use crate::{Contact, Id, Timestamp};

/// How a contact was seen; what comes later in the list is the stronger evidence that it is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Confidence {
    /// Another node named it.
    Named,
    /// It sent something by itself.
    Sent,
    /// It replied to a request that we sent to this very address.
    Replied,
}

/// How far a contact can be relied on (`docs/spec/node.md#2`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It replied within [`RoutingConfig::good_time`](super::RoutingConfig::good_time) and was seen
    /// within [`RoutingConfig::expire_time`](super::RoutingConfig::expire_time).
    Good,
    /// Neither good nor expired.
    Dubious,
    /// The last request to it got no reply.
    Expired,
}

/// The ages that part good from dubious.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// A reply older than this counts no more.
    pub(super) reply: Duration,
    /// A contact silent for longer than this is dubious.
    pub(super) silence: Duration,
}

/// There is one for each contact, so it is kept small.
#[derive(Debug)]
pub(super) struct Entry<const N: usize> {
    id: Id<N>,
    endpoint: Endpoint,
    has_failed: bool,
    /// A request timed out, and nothing has come since.
    is_unresponsive: bool,
    seen: Moment,
    replied: Moment,
    asked: Moment,
}

/// When something happened last, if it ever has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Moment(u64);

impl Moment {
    const NEVER: Self = Self(0);

    fn at(now: Timestamp) -> Self {
        Self(now.as_micros().saturating_add(1))
    }

    /// Reports whether it happened, and less than `span` ago.
    fn is_within(self, span: Duration, now: Timestamp) -> bool {
        let at = self.0.checked_sub(1).map(Timestamp::from_micros);
        at.is_some_and(|at| now.since(at) < span)
    }
}

impl<const N: usize> Entry<N> {
    /// After this time a request has been answered or has failed (`docs/spec/wire.md#15`).
    const TIMEOUT: Duration = Duration::from_secs(10);

    pub(super) fn new(contact: Contact<N>, confidence: Confidence, now: Timestamp) -> Self {
        let if_at_least = |least| {
            if confidence >= least {
                Moment::at(now)
            } else {
                Moment::NEVER
            }
        };
        Self {
            id: contact.id,
            endpoint: contact.addr.into(),
            has_failed: false,
            is_unresponsive: false,
            seen: if_at_least(Confidence::Sent),
            replied: if_at_least(Confidence::Replied),
            asked: Moment::NEVER,
        }
    }

    pub(super) fn id(&self) -> &Id<N> {
        &self.id
    }

    pub(super) fn contact(&self) -> Contact<N> {
        Contact::new(self.id, self.endpoint.into())
    }

    pub(super) fn ip(&self) -> IpAddr {
        SocketAddr::from(self.endpoint).ip()
    }

    pub(super) fn standing(&self, ages: Ages, now: Timestamp) -> Standing {
        if self.is_expired() {
            Standing::Expired
        } else if self.replied.is_within(ages.reply, now) && self.seen.is_within(ages.silence, now)
        {
            Standing::Good
        } else {
            Standing::Dubious
        }
    }

    pub(super) fn is_expired(&self) -> bool {
        self.has_failed
    }

    /// Reports whether it has never answered us: it may not exist, even if something came in its
    /// name.
    pub(super) fn is_unverified(&self) -> bool {
        self.replied == Moment::NEVER
    }

    /// Reports whether its last sign of life was a message that it sent by itself, not a reply.
    pub(super) fn is_incoming(&self) -> bool {
        self.seen > self.replied
    }

    /// Returns how long ago its last sign of life was.
    pub(super) fn silence(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_micros(self.seen.0.saturating_sub(1)))
    }

    /// Reports whether asking it is worth while and no earlier request to it is in flight.
    pub(super) fn is_askable(&self, now: Timestamp) -> bool {
        !self.has_failed && !self.asked.is_within(Self::TIMEOUT, now)
    }

    /// Returns when it was asked last for the table's sake; the origin if it never was.
    pub(super) fn asked_at(&self) -> Timestamp {
        Timestamp::from_micros(self.asked.0)
    }

    /// Notes that the caller is about to ask it.
    pub(super) fn ask(&mut self, now: Timestamp) -> Contact<N> {
        self.asked = Moment::at(now);
        self.contact()
    }

    /// Reports whether this is its address.
    pub(super) fn is_at(&self, addr: SocketAddr) -> bool {
        self.endpoint == addr.into()
    }

    /// Reports whether its place goes to another address under its id, or to one under another.
    pub(super) fn gives_way(&self, confidence: Confidence) -> bool {
        self.is_expired() || (confidence == Confidence::Replied && self.is_unverified())
    }

    /// Reports whether it is known anew, as by a first message: it has failed, and something came
    /// from its address. That may be forged, so it is not good before it replies.
    ///
    /// Differs: in OpenDHT any datagram makes it as good as it was.
    pub(super) fn starts_anew(&self, confidence: Confidence) -> bool {
        self.is_expired() && confidence >= Confidence::Sent
    }

    /// Notes that it was seen again, at its address.
    pub(super) fn on_seen(&mut self, confidence: Confidence, now: Timestamp) {
        match confidence {
            Confidence::Replied => *self = Self::new(self.contact(), confidence, now),
            Confidence::Sent => {
                self.seen = Moment::at(now);
                self.is_unresponsive = false;
            }
            Confidence::Named => {}
        }
    }

    /// Notes that its id was seen at another address. Returns it if it is to be asked whether it is
    /// still there: the other gets the place only if it is not. One that is only named does not,
    /// nor does any shortly after a reply.
    ///
    /// Differs: OpenDHT believes any datagram that claims a known id.
    pub(super) fn on_claimed(
        &mut self,
        confidence: Confidence,
        now: Timestamp,
    ) -> Option<Contact<N>> {
        let is_doubtful = confidence >= Confidence::Sent
            && self.is_askable(now)
            && !self.replied.is_within(Self::TIMEOUT, now);
        is_doubtful.then(|| self.ask(now))
    }

    /// Reports whether a reply has come from `addr` after `since`.
    pub(super) fn has_replied(&self, addr: SocketAddr, since: Timestamp) -> bool {
        self.is_at(addr) && self.replied > Moment::at(since)
    }

    /// Notes that it is not there, at `addr`, or of no use. Reports whether that is new.
    pub(super) fn on_failed(&mut self, addr: SocketAddr) -> bool {
        let is_new = self.is_at(addr) && !self.has_failed;
        self.has_failed |= is_new;
        is_new
    }

    /// Notes that a request to it, at `addr`, timed out.
    pub(super) fn on_timeout(&mut self, addr: SocketAddr) {
        if self.is_at(addr) {
            self.is_unresponsive = true;
        }
    }

    /// Reports whether a request to it timed out, and nothing has come since.
    pub(super) fn is_unresponsive(&self) -> bool {
        self.is_unresponsive
    }

    /// Forgets what may no longer hold in another network: failures and when it was seen.
    pub(super) fn reset(&mut self) {
        self.seen = Moment::NEVER;
        self.asked = Moment::NEVER;
        self.has_failed = false;
        self.is_unresponsive = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Ages = Ages {
        reply: Duration::from_secs(120 * 60),
        silence: Duration::from_secs(10 * 60),
    };

    fn contact(port: u16) -> Contact<20> {
        Contact::new(Id::of(b"peer"), ([192, 0, 2, 1], port).into())
    }

    fn minute(minutes: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(60 * minutes)
    }

    #[test]
    fn only_a_reply_makes_a_contact_good() {
        for (confidence, standing) in [
            (Confidence::Named, Standing::Dubious),
            (Confidence::Sent, Standing::Dubious),
            (Confidence::Replied, Standing::Good),
        ] {
            let entry = Entry::new(contact(1), confidence, minute(0));
            assert_eq!(entry.standing(AGES, minute(0)), standing);
        }
    }

    #[test]
    fn silence_makes_dubious_and_its_own_messages_keep_it_good_until_the_reply_is_too_old() {
        let mut entry = Entry::new(contact(1), Confidence::Replied, minute(0));
        assert_eq!(entry.standing(AGES, minute(9)), Standing::Good);
        assert_eq!(entry.standing(AGES, minute(10)), Standing::Dubious);
        entry.on_seen(Confidence::Sent, minute(119));
        assert!(entry.is_incoming());
        assert_eq!(entry.standing(AGES, minute(119)), Standing::Good);
        assert_eq!(entry.standing(AGES, minute(120)), Standing::Dubious);
    }

    #[test]
    fn failure_expires_and_a_contact_starts_anew_when_something_comes_from_it() {
        let mut entry = Entry::new(contact(1), Confidence::Replied, minute(0));
        assert!(!entry.on_failed(contact(2).addr));
        assert_eq!(entry.standing(AGES, minute(0)), Standing::Good);
        assert!(!entry.starts_anew(Confidence::Replied));
        assert!(entry.on_failed(contact(1).addr));
        assert!(!entry.on_failed(contact(1).addr), "it has already");
        assert_eq!(entry.standing(AGES, minute(0)), Standing::Expired);
        assert!(!entry.is_askable(minute(60)));
        entry.on_seen(Confidence::Named, minute(1));
        assert_eq!(entry.standing(AGES, minute(1)), Standing::Expired);
        assert!(!entry.starts_anew(Confidence::Named));
        assert!(entry.starts_anew(Confidence::Sent));
    }

    #[test]
    fn who_claims_the_id_of_a_contact_has_it_asked_once_at_its_own_address() {
        let mut entry = Entry::new(contact(1), Confidence::Replied, minute(0));
        assert_eq!(entry.on_claimed(Confidence::Replied, minute(0)), None);
        assert_eq!(entry.on_claimed(Confidence::Named, minute(1)), None);
        let asked = entry.on_claimed(Confidence::Sent, minute(1));
        assert_eq!(asked, Some(contact(1)));
        assert_eq!(entry.on_claimed(Confidence::Replied, minute(1)), None);
        // What came from elsewhere is no sign of life.
        assert_eq!(entry.standing(AGES, minute(10)), Standing::Dubious);
        let asked = entry.on_claimed(Confidence::Replied, minute(10));
        assert_eq!(asked, Some(contact(1)));
    }

    #[test]
    fn only_a_contact_that_never_replied_or_has_failed_gives_way() {
        for (known, is_verified) in [
            (Confidence::Named, false),
            (Confidence::Sent, false),
            (Confidence::Replied, true),
        ] {
            let mut entry = Entry::new(contact(1), known, minute(0));
            assert_eq!(entry.gives_way(Confidence::Replied), !is_verified);
            assert!(!entry.gives_way(Confidence::Sent));
            assert!(entry.on_failed(contact(1).addr));
            assert!(entry.gives_way(Confidence::Named));
        }
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Entry<20>>() <= 72);
    }
}
