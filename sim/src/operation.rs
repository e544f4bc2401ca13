//! [`Operation`]: what a simulation has one of its nodes do, and all that came of it.

use std::time::Duration;

use bulla_dht::node::{GetReport, PutReport};
use bulla_dht::secure::{Checked, SecureEvent, SecurePutError};
use bulla_dht::{InfoHash, Query, Row, Timestamp};
use thiserror::Error;

use super::HostId;
use super::expected_value::ExpectedValue;

/// Names an operation of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub(super) usize);

/// An operation and what its node told of it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Where it is done.
    pub host: HostId,
    /// About which key.
    pub key: InfoHash,
    /// What is done.
    pub request: Request,
    /// When it was begun.
    pub started: Timestamp,
    /// When and how it ended.
    pub ended: Option<(Timestamp, Outcome)>,
    /// Values in the order in which they were told.
    pub observations: Vec<Observation>,
    /// Rows in the order in which they were told.
    pub rows: Vec<Row>,
    /// Values of a get that did not pass the checks.
    pub dropped: usize,
    /// What the oracle wants found.
    pub(super) expected: Vec<ExpectedValue>,
}

/// What an operation is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Find values.
    Get(Query),
    /// Find fields of values.
    Query(Query),
    /// Follow values as they come and go.
    Listen(Query),
    /// Publish a value.
    Put(ExpectedValue),
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A get or query was answered.
    Got(GetReport),
    /// A put was announced.
    Put(PutReport),
    /// A put came to nothing.
    Failed(SecurePutError),
    /// It was cancelled, or its node stopped.
    Cancelled,
}

/// What an operation was told of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// When.
    pub at: Timestamp,
    /// Of which value.
    pub value: Checked,
    /// Whether it expired rather than came.
    pub expired: bool,
}

/// An operation could not be begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OperationError {
    /// No node is at the host.
    #[error("{0:?} is away")]
    Away(HostId),
    /// The node refused.
    #[error(transparent)]
    Refused(#[from] SecurePutError),
}

impl Request {
    /// Whether it stays with its node after it was first reported.
    pub(super) fn is_ongoing(&self) -> bool {
        match self {
            Self::Listen(_) => true,
            Self::Put(expected_value) => expected_value.permanent,
            Self::Get(_) | Self::Query(_) => false,
        }
    }
}

impl Operation {
    pub(super) fn new(host: HostId, key: InfoHash, request: Request, started: Timestamp) -> Self {
        Self {
            host,
            key,
            request,
            started,
            ended: None,
            observations: Vec::new(),
            rows: Vec::new(),
            dropped: 0,
            expected: Vec::new(),
        }
    }

    /// Returns the values that are there, as far as the operation was told.
    pub fn values(&self) -> Vec<Checked> {
        let mut values: Vec<Checked> = Vec::new();
        for observation in &self.observations {
            if observation.expired {
                values.retain(|value| *value != observation.value);
            } else {
                values.push(observation.value.clone());
            }
        }
        values
    }

    /// Returns what a put publishes.
    pub fn expected_value(&self) -> Option<&ExpectedValue> {
        match &self.request {
            Request::Put(expected_value) => Some(expected_value),
            Request::Get(_) | Request::Query(_) | Request::Listen(_) => None,
        }
    }

    /// Returns the report of a get or query that has ended.
    pub fn get_report(&self) -> Option<GetReport> {
        match self.ended {
            Some((_, Outcome::Got(report))) => Some(report),
            Some((_, Outcome::Put(_) | Outcome::Failed(_) | Outcome::Cancelled)) | None => None,
        }
    }

    /// Returns the report of a put that has ended.
    pub fn put_report(&self) -> Option<PutReport> {
        match self.ended {
            Some((_, Outcome::Put(report))) => Some(report),
            Some((_, Outcome::Got(_) | Outcome::Failed(_) | Outcome::Cancelled)) | None => None,
        }
    }

    /// Returns how long it took, if it has ended.
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|(at, _)| at.since(self.started))
    }

    /// Returns how long the first value took.
    pub fn time_to_first_value(&self) -> Option<Duration> {
        let first = self.observations.first()?;
        Some(first.at.since(self.started))
    }

    /// Takes in what the node told; `Err` says what is wrong with that.
    pub(super) fn on_event(&mut self, now: Timestamp, event: SecureEvent) -> Result<(), String> {
        if self.ended.is_some() && !matches!(self.request, Request::Put(_)) {
            return Err(format!("told of an errand that was over: {event:?}"));
        }
        match event {
            SecureEvent::Values { values, .. } => {
                for value in values {
                    if self.values().contains(&value) {
                        return Err(format!("told twice of {value:?}"));
                    }
                    self.observe(now, value, false);
                }
            }
            SecureEvent::Expired { values, .. } => {
                for value in values {
                    if !self.values().contains(&value) {
                        return Err(format!("lost what it never had, {value:?}"));
                    }
                    self.observe(now, value, true);
                }
            }
            SecureEvent::Rows { rows, .. } => self.rows.extend(rows),
            SecureEvent::GetDone {
                report, dropped, ..
            } => {
                self.dropped = dropped;
                self.ended = Some((now, Outcome::Got(report)));
            }
            SecureEvent::PutFailed { error, .. } => {
                self.ended = Some((now, Outcome::Failed(error)));
            }
            SecureEvent::PutDone { report, .. } => {
                if self.ended.is_some() {
                    return Err("a put ended twice".to_owned());
                }
                if report.asked != report.acknowledged + report.refused + report.silent {
                    return Err(format!("a report does not add up: {report:?}"));
                }
                self.ended = Some((now, Outcome::Put(report)));
            }
            // All others are about the node.
            _ => {}
        }
        Ok(())
    }

    fn observe(&mut self, at: Timestamp, value: Checked, expired: bool) {
        self.observations.push(Observation { at, value, expired });
    }
}
