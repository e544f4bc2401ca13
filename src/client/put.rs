//! [`Put`]: a value on its way into the DHT.

use std::pin::Pin;

use tokio::sync::oneshot;

use super::command::{Command, Placed, PutValue};
use super::error::{Closed, PutError};
use super::link::Link;
use super::typed::EncodeError;
use crate::secure::{Expiry, Recipient, Scope, SignOptions};
use crate::{Draft, InfoHash, UnixTime, ValueId};

/// A put that begins when it is awaited.
///
/// Once under way, it goes on even if the future is dropped;
/// [`Dht::cancel_put`](super::Dht::cancel_put) ends it.
#[must_use = "nothing is put until it is awaited"]
#[derive(Debug)]
pub struct Put {
    link: Link,
    key: InfoHash,
    value: Result<PutValue, EncodeError>,
    options: SignOptions,
}

/// Puts of one value for several recipients, each on its own: await it for what came of each, in
/// the order of the recipients. See [`Put::compatible`].
#[must_use = "nothing is put until it is awaited"]
#[derive(Debug)]
pub struct PutEach(Vec<Put>);

/// Brings the outcome of a put.
type Outcome = oneshot::Receiver<Result<Placed, PutError>>;

impl Put {
    pub(super) fn new(link: Link, key: InfoHash, value: Result<PutValue, EncodeError>) -> Self {
        Self {
            link,
            key,
            value,
            options: SignOptions::default(),
        }
    }

    /// Announces the value again before it expires, for as long as the node runs or until
    /// [`Dht::cancel_put`](super::Dht::cancel_put).
    pub fn permanent(mut self) -> Self {
        self.options.put.permanent = true;
        self
    }

    /// Sets the value's id under its key, by which another put can replace it; a random one if it
    /// is not set. Of no effect on packed values.
    pub fn id(mut self, id: ValueId) -> Self {
        match &mut self.value {
            Ok(
                PutValue::Clear(draft) | PutValue::Signed(draft) | PutValue::Encrypted(_, draft),
            ) => draft.id = id,
            Ok(PutValue::Packed(_)) | Err(_) => {}
        }
        self
    }

    /// Sets the time from which the value's lifetime counts; without it, now. Of no effect on
    /// permanent puts.
    pub fn created(mut self, created: UnixTime) -> Self {
        self.options.put.created = Some(created);
        self
    }

    /// Binds a signed or encrypted value to its key and id, for ever: bulla accepts it nowhere
    /// else. OpenDHT stores, verifies and reads it as any other, with a longer user type. Other
    /// values fail with [`PutError::NotSigned`].
    ///
    /// ```no_run
    /// # async fn example(dht: bulla::Dht) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// dht.put_signed("door", "open").bound_until(Duration::from_secs(60)).await?;
    /// let doors = dht.get("door").bound_only().all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bound(self) -> Self {
        self.scope(Scope::Bound)
    }

    /// Binds the value as [`Put::bound`] does, until a time, or for a duration from when the put is
    /// awaited. A permanent put goes on announcing a value whose time is over: to prolong it, put
    /// it again.
    pub fn bound_until(self, end: impl Into<Expiry>) -> Self {
        self.scope(Scope::BoundUntil(end.into()))
    }

    /// Sets where, and until when, the value holds: [`Put::bound`] and [`Put::bound_until`] in one.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.options.scope = scope;
        self
    }

    /// Puts a value for several recipients once for each of them instead, as users of OpenDHT can
    /// read it. No recipient sees the others' keys. With an id set, the values get this and the
    /// following ones; else each gets a random one.
    ///
    /// To be called last; of no effect on other values.
    pub fn compatible(self) -> PutEach {
        let Self {
            link,
            key,
            value,
            options,
        } = self;
        let values = match value {
            Ok(PutValue::Encrypted(to, draft)) => one_for_each(to, &draft),
            value => vec![value],
        };
        let puts = values.into_iter().map(|value| Self {
            link: link.clone(),
            key,
            value,
            options,
        });
        PutEach(puts.collect())
    }

    async fn run(self) -> Result<Placed, PutError> {
        self.start().await?.await.map_err(|_| Closed)?
    }

    /// Sends the command; the outcome comes later.
    async fn start(self) -> Result<Outcome, PutError> {
        let (reply, outcome) = oneshot::channel();
        let command = Command::Put {
            key: self.key,
            value: self.value?,
            options: self.options,
            reply,
        };
        self.link.send(command).await?;
        Ok(outcome)
    }
}

/// Makes a value for each recipient.
fn one_for_each(to: Vec<Recipient>, draft: &Draft) -> Vec<Result<PutValue, EncodeError>> {
    let id = |place| match draft.id {
        ValueId(0) => ValueId(0),
        ValueId(first) => ValueId(first.wrapping_add(place)),
    };
    let numbered = (0..).zip(to).map(|(place, recipient)| {
        let draft = draft.clone().id(id(place));
        Ok(PutValue::Encrypted(vec![recipient], draft))
    });
    numbered.collect()
}

impl PutEach {
    async fn run(self) -> Vec<Result<Placed, PutError>> {
        let mut started = Vec::with_capacity(self.0.len());
        for put in self.0 {
            started.push(put.start().await);
        }
        let mut ended = Vec::with_capacity(started.len());
        for put in started {
            ended.push(match put {
                Ok(outcome) => outcome.await.unwrap_or(Err(Closed.into())),
                Err(error) => Err(error),
            });
        }
        ended
    }
}

impl IntoFuture for PutEach {
    type Output = Vec<Result<Placed, PutError>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl IntoFuture for Put {
    type Output = Result<Placed, PutError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
