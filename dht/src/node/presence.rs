//! Contacts that turn out to be there, or not: what that means for tables, lookups and listeners.

use super::{Node, RequestPurpose};
use crate::routing::{Confidence, Growth};
use crate::rpc::NoReply;
use crate::{Contact, Family, InfoHash, Timestamp};

/// The nodes nearest to a key hardly ever share fewer bits with it than our nearest share with us, less this many.
const NEIGHBOURHOOD_BITS: usize = 3;
impl Node {
    /// A contact was heard of: the table is told, and pings those it wants to know better.
    pub(super) fn on_contact(&mut self, now: Timestamp, contact: Contact, confidence: Confidence) {
        let family = contact.family();
        let heard = self.contacts.on_seen(now, contact, confidence);
        if let Some(doubted) = heard.ping {
            self.outbox.probe(now, doubted);
        }
        match heard.growth {
            Growth::None => {}
            Growth::Refused => {
                if confidence == Confidence::Sent && self.is_of_use(now, &contact) {
                    self.outbox.probe(now, contact);
                }
            }
            Growth::Added | Growth::AfterPause => {
                if confidence == Confidence::Sent {
                    self.outbox.probe(now, contact);
                }
            }
        }
        if heard.growth == Growth::AfterPause {
            self.hasten_confirmation(now, family);
        }
        if confidence == Confidence::Replied {
            self.connectivity.on_reply(now, family);
            self.act_on_connectivity(now);
        }
    }

    /// Tells permanent puts and listens of a contact that has just proved to be there, as it may be nearer to their keys
    /// than those they know (`docs/spec/node.md#4.1`).
    pub(super) fn offer_to_lookups(&mut self, now: Timestamp, contact: Contact) {
        let family = contact.family();
        for key in self.interested(&contact) {
            let lookup = self.lookups.get_mut(key, family);
            if lookup.is_some_and(|lookup| lookup.offer(&[contact], true)) {
                self.drive(now, key, family);
            }
        }
    }

    /// The keys of permanent puts and listens that are to learn of a contact: if they are too many, those that share more
    /// bits with it.
    fn interested(&self, contact: &Contact) -> Vec<InfoHash> {
        let max = self.config.lookup.max_introductions;
        let mut near = (0..=InfoHash::BITS).map(|nearer| -> Vec<_> {
            let keys = self.lasting_near(contact, nearer);
            keys.take(max + 1).collect()
        });
        let few = near.find(|keys| keys.len() <= max);
        few.unwrap_or_default()
    }

    /// Whether an unproven contact may be among the nearest to the key of a permanent put or a listen.
    fn is_of_use(&self, now: Timestamp, contact: &Contact) -> bool {
        !self.outbox.rpc.peers().is_validated(now, &contact.addr)
            && self.lasting_near(contact, 0).next().is_some()
    }

    /// The keys of permanent puts and listens that a contact may be among the nearest to; with `nearer`, only those that
    /// share so many bits more with it.
    fn lasting_near(&self, contact: &Contact, nearer: usize) -> impl Iterator<Item = InfoHash> {
        let family = contact.family();
        let depth = self.contacts.table(family).depth();
        let shared = depth.saturating_sub(NEIGHBOURHOOD_BITS);
        let keys = contact.id.block(shared + nearer);
        self.lookups.lasting(keys, family)
    }

    /// A request of ours is not answered in time, or at all.
    pub(super) fn on_no_reply(&mut self, now: Timestamp, overdue: NoReply<RequestPurpose>) {
        match overdue {
            NoReply::TimedOut {
                purpose:
                    RequestPurpose::Lookup {
                        key, family, node, ..
                    },
                count,
            } => {
                if let Some(lookup) = self.lookups.get_mut(key, family) {
                    lookup.on_timeout(&node.id, count);
                }
                self.refill(now, key, family);
                self.drive(now, key, family);
                self.on_late(now, node, count);
            }
            NoReply::TimedOut {
                purpose: RequestPurpose::Probe(contact),
                count,
            } => self.on_late(now, contact, count),
            NoReply::TimedOut { .. } => {}
            NoReply::Failed {
                to,
                asked_at,
                purpose,
            } => match purpose {
                RequestPurpose::Lookup {
                    key, family, node, ..
                } => {
                    if let Some(lookup) = self.lookups.get_mut(key, family) {
                        lookup.on_failed(now, &node.id);
                    }
                    self.on_missed_reply(now, node, asked_at);
                    self.drive(now, key, family);
                }
                RequestPurpose::Probe(contact) => self.on_missed_reply(now, contact, asked_at),
                RequestPurpose::Notify => self.listeners.remove(to),
                RequestPurpose::Bootstrap => self.update_status(now, Family::of(&to)),
            },
        }
    }

    /// A contact let a request time out for the `count`th time; others may be gone with it.
    fn on_late(&mut self, now: Timestamp, contact: Contact, count: u32) {
        let peers = self.outbox.rpc.peers();
        let timeout = peers.timeout(&contact.addr);
        let may_be_there = |addr: &_| !peers.is_unresponsive(addr);
        let asked = (self.contacts).on_timeout(now, &contact, count, timeout, may_be_there);
        for contact in asked {
            self.outbox.ping(now, contact);
        }
    }

    /// A contact did not answer what it was asked at a moment.
    fn on_missed_reply(&mut self, now: Timestamp, contact: Contact, asked_at: Timestamp) {
        if self.contacts.on_no_reply(&contact, asked_at) {
            self.forget(now, contact);
        }
    }

    /// A contact is not there, or of no use.
    pub(super) fn on_failed(&mut self, now: Timestamp, contact: Contact) {
        self.contacts.on_failure(&contact);
        self.forget(now, contact);
    }

    fn forget(&mut self, now: Timestamp, contact: Contact) {
        self.listeners.remove(contact.addr);
        self.update_status(now, contact.family());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Origin, Query, Seed};

    #[test]
    fn of_many_lasting_lookups_the_nearest_learn_of_a_newcomer() {
        let config = Config::default();
        let mut node = Node::new(config, Seed::from_number(1), Origin::default()).unwrap();
        let newcomer = Contact::new(InfoHash::of(b"newcomer"), ([127, 0, 0, 1], 1).into());
        let mut keys: Vec<_> = (0..3_000u32)
            .map(|number| InfoHash::of(&number.to_be_bytes()))
            .collect();
        let mut listen = |keys: &[InfoHash]| {
            for key in keys {
                node.listen(Timestamp::ZERO, *key, Query::default())
                    .unwrap();
            }
            node.interested(&newcomer)
        };
        let max_introductions = Config::default().lookup.max_introductions;
        let (few, more) = keys.split_at(max_introductions);
        assert_eq!(listen(few).len(), few.len());

        let mut interested = listen(more);
        assert!((max_introductions / 4..=max_introductions).contains(&interested.len()));
        keys.sort_by_key(|key| key.distance(&newcomer.id));
        interested.sort_by_key(|key| key.distance(&newcomer.id));
        assert_eq!(interested, keys[..interested.len()]);
    }
}
