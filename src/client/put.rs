//! [`Put`]: a value on its way into the DHT.

use std::pin::Pin;

use tokio::sync::oneshot;

use super::dht::Dht;
use super::error::{Closed, PutError};
use super::typed::EncodeError;
use crate::node::{OpId, PutReport};
use crate::runner::pending::Sink;
use crate::secure::{self, Expiry, Recipient, Scope, SecureDht, SignOptions};
use crate::{Draft, Value, ValueId};
use crate::{InfoHash, Timestamp, UnixTime};

/// A put to be: await it, and it is done.
///
/// Once under way, a put goes on even if the future is dropped; [`Dht::cancel_put`] ends it.
#[must_use = "nothing is put until it is awaited"]
#[derive(Debug)]
pub struct Put {
    handle: Dht,
    key: InfoHash,
    content: Result<Content, EncodeError>,
    options: SignOptions,
}

/// Puts of one value for several recipients, each on its own: await it for what came of each, in the order of the
/// recipients. See [`Put::compatible`].
#[must_use = "nothing is put until it is awaited"]
#[derive(Debug)]
pub struct PutEach(Vec<Put>);

/// Tells what came of a put.
type Outcome = oneshot::Receiver<Result<Placed, PutError>>;

/// A value that has been announced to the nodes nearest to its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its number under its key.
    pub id: ValueId,
    /// Which nodes acknowledged it.
    pub report: PutReport,
}

/// What is put, and what is done to it before.
#[derive(Debug)]
pub(crate) enum Content {
    Clear(Draft),
    Signed(Draft),
    /// For all of these.
    Encrypted(Vec<Recipient>, Draft),
    Packed(Value),
}

impl Put {
    pub(crate) fn new(handle: Dht, key: InfoHash, content: Result<Content, EncodeError>) -> Self {
        Self {
            handle,
            key,
            content,
            options: SignOptions::default(),
        }
    }

    /// Announces the value again before it expires, for as long as the node runs or until [`Dht::cancel_put`].
    pub fn permanent(mut self) -> Self {
        self.options.put.permanent = true;
        self
    }

    /// Sets the value's number under its key, where another put can replace it; a random one if it is not set. Of no
    /// effect on packed values.
    pub fn id(mut self, id: ValueId) -> Self {
        match &mut self.content {
            Ok(Content::Clear(draft) | Content::Signed(draft) | Content::Encrypted(_, draft)) => {
                draft.id = id;
            }
            Ok(Content::Packed(_)) | Err(_) => {}
        }
        self
    }

    /// Sets the time from which the value's lifetime counts; without it, now. Of no effect on permanent puts.
    pub fn created(mut self, created: UnixTime) -> Self {
        self.options.put.created = Some(created);
        self
    }

    /// Binds a signed or encrypted value to its key and id, for ever: bulla takes it nowhere else. OpenDHT stores, verifies
    /// and reads it as any other, with a longer user type. Other values fail with [`secure::PutError::NotSigned`].
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

    /// As [`Put::bound`], until a time, or for a duration from when the put is awaited. A permanent put goes on announcing
    /// a value whose time is over: to prolong it, put it again.
    pub fn bound_until(self, end: impl Into<Expiry>) -> Self {
        self.scope(Scope::BoundUntil(end.into()))
    }

    /// Sets where, and until when, the value holds: [`Put::bound`] and [`Put::bound_until`] in one.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.options.scope = scope;
        self
    }

    /// Puts a value for several recipients once for each of them instead, as users of OpenDHT can read it. No recipient sees
    /// who the others are. With an id set, the values get this and the following ones; else each gets a random one.
    ///
    /// To be called last; of no effect on other values.
    pub fn compatible(self) -> PutEach {
        let Self {
            handle,
            key,
            content,
            options,
        } = self;
        let contents = match content {
            Ok(Content::Encrypted(to, draft)) => one_for_each(to, &draft),
            content => vec![content],
        };
        let puts = contents.into_iter().map(|content| Self {
            handle: handle.clone(),
            key,
            content,
            options,
        });
        PutEach(puts.collect())
    }

    async fn send(self) -> Result<Placed, PutError> {
        self.start().await?.await.map_err(|_| Closed)?
    }

    /// Tells the node, which will tell the outcome.
    async fn start(self) -> Result<Outcome, PutError> {
        let Self {
            handle,
            key,
            content,
            options,
        } = self;
        let content = content?;
        let (reply, outcome) = oneshot::channel();
        handle
            .tell(move |driver| {
                let now = driver.now();
                match content.put(&mut driver.dht, now, key, options) {
                    Ok((op, id)) => driver.waiting.add(op, Sink::Put { key, id, reply }),
                    Err(error) => drop(reply.send(Err(error.into()))),
                }
            })
            .await?;
        Ok(outcome)
    }
}

impl Content {
    fn put(
        self,
        dht: &mut SecureDht,
        now: Timestamp,
        key: InfoHash,
        options: SignOptions,
    ) -> Result<(OpId, ValueId), secure::PutError> {
        match self {
            Self::Clear(_) | Self::Packed(_) if options.scope != Scope::Anywhere => {
                Err(secure::PutError::NotSigned)
            }
            Self::Clear(draft) => dht.put(now, key, draft, options.put),
            Self::Signed(draft) => dht.put_signed(now, key, draft, options),
            Self::Encrypted(to, draft) => dht.put_encrypted_to_many(now, key, to, draft, options),
            Self::Packed(value) => {
                let id = value.id();
                Ok((dht.put_value(now, key, value, options.put)?, id))
            }
        }
    }
}

/// Puts a value for each recipient.
fn one_for_each(to: Vec<Recipient>, draft: &Draft) -> Vec<Result<Content, EncodeError>> {
    let id = |place| match draft.id {
        ValueId(0) => ValueId(0),
        ValueId(first) => ValueId(first.wrapping_add(place)),
    };
    let numbered = (0..).zip(to).map(|(place, recipient)| {
        let draft = draft.clone().id(id(place));
        Ok(Content::Encrypted(vec![recipient], draft))
    });
    numbered.collect()
}

impl PutEach {
    async fn send(self) -> Vec<Result<Placed, PutError>> {
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
        Box::pin(self.send())
    }
}

impl IntoFuture for Put {
    type Output = Result<Placed, PutError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
