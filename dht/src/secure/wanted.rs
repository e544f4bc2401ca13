//! [`GetOptions`]: what a get or listen asks for; [`Terms`]: what of the values it finds it hands out.

use std::time::Duration;

use bytes::Bytes;

use super::SecureDht;
use super::binding::Claim;
use super::checked::Checked;
use crate::lookup::OpId;
use crate::node::OpError;
use crate::value::{Condition, Content, Query, Value};
use crate::{InfoHash, Timestamp, UnixTime};

/// Which values a get or listen is for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GetOptions {
    /// The conditions that they meet.
    pub query: Query,
    /// Only those that are [bound](super::Binding) to where they are found. Then conditions on the user type are about
    /// the application's part of it, also of encrypted values, and are checked here: storing nodes compare it whole.
    pub bound_only: bool,
}

/// What an operation hands out of what it finds.
#[derive(Debug)]
pub(super) struct Terms {
    key: InfoHash,
    bound_only: bool,
    /// Texts that the application's part of the user type must equal; none if storing nodes have compared them.
    user_types: Vec<Bytes>,
    clock_tolerance: Duration,
}

impl From<Query> for GetOptions {
    fn from(query: Query) -> Self {
        Self {
            query,
            bound_only: false,
        }
    }
}

impl SecureDht {
    /// As [`Node::get`]: [`SecureEvent::Values`] as they come, [`SecureEvent::GetDone`] at the end.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key is zero or too much is under way.
    ///
    /// [`Node::get`]: crate::node::Node::get
    /// [`SecureEvent::Values`]: super::SecureEvent::Values
    /// [`SecureEvent::GetDone`]: super::SecureEvent::GetDone
    pub fn get(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        wanted: impl Into<GetOptions>,
    ) -> Result<OpId, OpError> {
        let (query, terms) = self.terms(key, wanted.into());
        let op = self.node.get(now, key, query)?;
        self.delivery.open(op, Some(terms));
        self.advance(now);
        Ok(op)
    }

    /// As [`Node::listen`]: [`SecureEvent::Values`] and [`SecureEvent::Expired`] until cancelled.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::get`].
    ///
    /// [`Node::listen`]: crate::node::Node::listen
    /// [`SecureEvent::Values`]: super::SecureEvent::Values
    /// [`SecureEvent::Expired`]: super::SecureEvent::Expired
    pub fn listen(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        wanted: impl Into<GetOptions>,
    ) -> Result<OpId, OpError> {
        let (query, terms) = self.terms(key, wanted.into());
        let op = self.node.listen(now, key, query)?;
        self.delivery.open(op, Some(terms));
        self.advance(now);
        Ok(op)
    }

    /// What the nodes are asked, and what is left to be checked here.
    fn terms(&self, key: InfoHash, wanted: GetOptions) -> (Query, Terms) {
        let GetOptions {
            mut query,
            bound_only,
        } = wanted;
        let mut user_types = Vec::new();
        if bound_only {
            query.conditions.retain(|condition| match condition {
                Condition::UserType(text) => {
                    user_types.push(text.clone());
                    false
                }
                Condition::Id(_) | Condition::ValueType(_) | Condition::Owner(_) => true,
            });
        }
        let terms = Terms {
            key,
            bound_only,
            user_types,
            clock_tolerance: self.config.clock_tolerance,
        };
        (query, terms)
    }
}

impl Terms {
    /// Whether a value is not to be handed out even if its signature holds. What is in a ciphertext is to be asked when
    /// it is open.
    pub(super) fn refuse(&self, value: &Value) -> bool {
        match (value.content(), Claim::of(value)) {
            (Content::Encrypted(_), _) => false,
            (_, Claim::Nothing) => self.bound_only,
            (_, Claim::Unreadable) => true,
            (_, Claim::Bound(binding)) => !binding.is_at((self.key, value.id())),
        }
    }

    /// Whether the time of a value is over.
    pub(super) fn is_over(&self, value: &Checked, today: UnixTime) -> bool {
        value
            .binding()
            .is_some_and(|binding| binding.is_over(today, self.clock_tolerance))
    }

    /// Whether a value meets the conditions that were left to be checked here.
    pub(super) fn select(&self, value: &Checked) -> bool {
        let own = value.own_user_type();
        self.user_types.iter().all(|text| text == own)
    }
}
