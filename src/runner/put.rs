//! [`Put`]: a value on its way into the DHT.

use std::pin::Pin;

use tokio::sync::oneshot;

use super::error::{Closed, PutError};
use super::handle::Handle;
use super::typed::EncodeError;
use super::waiting::Sink;
use crate::node::{OpId, PutOptions, PutReport};
use crate::secure::{self, Recipient, SecureDht};
use crate::value::{Draft, Value, ValueId};
use crate::{InfoHash, Timestamp, UnixTime};

/// A put to be: await it, and it is done.
///
/// Once under way, a put goes on even if the future is dropped; [`Handle::cancel_put`] ends it.
#[must_use = "nothing is put until it is awaited"]
#[derive(Debug)]
pub struct Put {
    handle: Handle,
    key: InfoHash,
    content: Result<Content, EncodeError>,
    options: PutOptions,
}

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
pub(super) enum Content {
    Clear(Draft),
    Signed(Draft),
    Encrypted(Recipient, Draft),
    Packed(Value),
}

impl Put {
    pub(super) fn new(
        handle: Handle,
        key: InfoHash,
        content: Result<Content, EncodeError>,
    ) -> Self {
        Self {
            handle,
            key,
            content,
            options: PutOptions::default(),
        }
    }

    /// Announces the value again before it expires, for as long as the node runs or until [`Handle::cancel_put`].
    pub fn permanent(mut self) -> Self {
        self.options.permanent = true;
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
        self.options.created = Some(created);
        self
    }

    async fn send(self) -> Result<Placed, PutError> {
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
        outcome.await.map_err(|_| Closed)?
    }
}

impl Content {
    fn put(
        self,
        dht: &mut SecureDht,
        now: Timestamp,
        key: InfoHash,
        options: PutOptions,
    ) -> Result<(OpId, ValueId), secure::PutError> {
        match self {
            Self::Clear(draft) => dht.put(now, key, draft, options),
            Self::Signed(draft) => dht.put_signed(now, key, draft, options),
            Self::Encrypted(to, draft) => dht.put_encrypted(now, key, to, draft, options),
            Self::Packed(value) => {
                let id = value.id();
                Ok((dht.put_value(now, key, value, options)?, id))
            }
        }
    }
}

impl IntoFuture for Put {
    type Output = Result<Placed, PutError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
