//! [`Errand`]: an operation that a simulation had one of its nodes do, and all that came of it.

use std::time::Duration;

use super::HostId;
use super::publication::Publication;
use crate::node::{GetReport, PutReport};
use crate::secure::{Checked, PutError, SecureEvent};
use crate::{InfoHash, Query, Row, Timestamp};

/// Names an errand of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ErrandId(pub(super) usize);

/// An operation and what its node told of it.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Who does it.
    pub host: HostId,
    /// About which key.
    pub key: InfoHash,
    /// What is done.
    pub task: Task,
    /// When it was begun.
    pub started: Timestamp,
    /// When and how it ended.
    pub ended: Option<(Timestamp, Ending)>,
    /// Values in the order in which they were told.
    pub news: Vec<News>,
    /// Rows in the order in which they were told.
    pub rows: Vec<Row>,
    /// Values of a get that did not pass the checks.
    pub dropped: usize,
    /// What the oracle wants found.
    pub(super) due: Vec<Publication>,
}

/// What an errand is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// Find values.
    Get(Query),
    /// Find fields of values.
    Query(Query),
    /// Hear of values.
    Listen(Query),
    /// Publish a value.
    Put(Publication),
}

/// How an errand ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A get or query was answered.
    Got(GetReport),
    /// A put was announced.
    Put(PutReport),
    /// A put came to nothing.
    Failed(PutError),
    /// It was cancelled, or its node left.
    Cancelled,
}

/// What an errand was told of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// When.
    pub at: Timestamp,
    /// Of which value.
    pub value: Checked,
    /// Whether it is gone rather than there.
    pub expired: bool,
}

impl Task {
    /// Whether it stays with its node after it was first reported.
    pub(super) fn goes_on(&self) -> bool {
        match self {
            Self::Listen(_) => true,
            Self::Put(publication) => publication.permanent,
            Self::Get(_) | Self::Query(_) => false,
        }
    }
}

impl Errand {
    pub(super) fn new(host: HostId, key: InfoHash, task: Task, started: Timestamp) -> Self {
        Self {
            host,
            key,
            task,
            started,
            ended: None,
            news: Vec::new(),
            rows: Vec::new(),
            dropped: 0,
            due: Vec::new(),
        }
    }

    /// The values that are there as far as the errand was told.
    pub fn values(&self) -> Vec<Checked> {
        let mut values: Vec<Checked> = Vec::new();
        for news in &self.news {
            if news.expired {
                values.retain(|value| *value != news.value);
            } else {
                values.push(news.value.clone());
            }
        }
        values
    }

    /// What a put publishes.
    pub fn publication(&self) -> Option<&Publication> {
        match &self.task {
            Task::Put(publication) => Some(publication),
            Task::Get(_) | Task::Query(_) | Task::Listen(_) => None,
        }
    }

    /// The report of a get or query that has ended.
    pub fn get_report(&self) -> Option<GetReport> {
        match self.ended {
            Some((_, Ending::Got(report))) => Some(report),
            Some((_, Ending::Put(_) | Ending::Failed(_) | Ending::Cancelled)) | None => None,
        }
    }

    /// The report of a put that has ended.
    pub fn put_report(&self) -> Option<PutReport> {
        match self.ended {
            Some((_, Ending::Put(report))) => Some(report),
            Some((_, Ending::Got(_) | Ending::Failed(_) | Ending::Cancelled)) | None => None,
        }
    }

    /// How long it took, if it has ended.
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|(at, _)| at.since(self.started))
    }

    /// How long the first value took.
    pub fn time_to_first_value(&self) -> Option<Duration> {
        self.news.first().map(|news| news.at.since(self.started))
    }

    /// Takes in what a node told of it; `Err` says what is wrong with that.
    pub(super) fn hear(&mut self, now: Timestamp, event: SecureEvent) -> Result<(), String> {
        if self.ended.is_some() && !matches!(self.task, Task::Put(_)) {
            return Err(format!("told of an errand that was over: {event:?}"));
        }
        match event {
            SecureEvent::Values { values, .. } => {
                for value in values {
                    if self.values().contains(&value) {
                        return Err(format!("told twice of {value:?}"));
                    }
                    self.note(now, value, false);
                }
            }
            SecureEvent::Expired { values, .. } => {
                for value in values {
                    if !self.values().contains(&value) {
                        return Err(format!("lost what it never had, {value:?}"));
                    }
                    self.note(now, value, true);
                }
            }
            SecureEvent::Rows { rows, .. } => self.rows.extend(rows),
            SecureEvent::GetDone {
                report, dropped, ..
            } => {
                self.dropped = dropped;
                self.ended = Some((now, Ending::Got(report)));
            }
            SecureEvent::PutFailed { error, .. } => self.ended = Some((now, Ending::Failed(error))),
            SecureEvent::PutDone { report, .. } => {
                if self.ended.is_some() {
                    return Err("a put ended twice".to_owned());
                }
                if report.asked != report.acknowledged + report.refused + report.silent {
                    return Err(format!("a report does not add up: {report:?}"));
                }
                self.ended = Some((now, Ending::Put(report)));
            }
            SecureEvent::Certificate { .. }
            | SecureEvent::PublicKey { .. }
            | SecureEvent::StatusChanged { .. } => {}
        }
        Ok(())
    }

    fn note(&mut self, at: Timestamp, value: Checked, expired: bool) {
        self.news.push(News { at, value, expired });
    }
}
