//! [`LookupSnapshot`]: a lookup as it stands, for a look at a running node.

use super::{CandidateState, Lookup};
use crate::{Contact, Family, InfoHash};

/// A lookup at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LookupSnapshot {
    /// The key it is about.
    pub key: InfoHash,
    /// The address family it runs in.
    pub family: Family,
    /// The contacts that it may ask, nearest to the key first.
    pub candidates: Vec<CandidateSnapshot>,
    /// Finds that it serves.
    pub finds: usize,
    /// Values that it announces.
    pub announcements: usize,
    /// Listens that it serves.
    pub listens: usize,
}

/// A candidate of a lookup at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CandidateSnapshot {
    /// The contact.
    pub contact: Contact,
    /// Whether it answers.
    pub state: CandidateState,
    /// Whether it has given a write token.
    pub has_token: bool,
}

impl Lookup {
    /// Returns what the lookup knows and has to do.
    pub(crate) fn snapshot(&self, key: InfoHash, family: Family) -> LookupSnapshot {
        let candidates = self
            .iterate
            .candidates()
            .iter()
            .map(|candidate| CandidateSnapshot {
                contact: candidate.contact,
                state: candidate.state,
                has_token: candidate.token.is_some(),
            });
        LookupSnapshot {
            key,
            family,
            candidates: candidates.collect(),
            finds: self.iterate.find_count(),
            announcements: self.announcements.len(),
            listens: self.subscriptions.len(),
        }
    }
}
