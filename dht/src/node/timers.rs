//! [`Timers`]: every deadline of a node in one ordered structure.

use bulla_kad::Schedule;

use crate::Family;
use crate::lookup::LookupId;

/// Why a node wakes up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// A reply is overdue, or parts of a value or a reply to an address that has not been validated
    /// have waited too long.
    Requests,
    /// A lookup has something to do: ask, announce again, renew a listen.
    Lookup(LookupId),
    /// The next lookup for a permanent put or a listen may begin.
    Background,
    /// A stored value runs out.
    Storage,
    /// A remote listener runs out.
    Listeners,
    /// A value that a listen reported runs out.
    ListenedValues,
    /// A value was parked for too long.
    PendingPuts,
    /// The secret of the write tokens is replaced.
    Tokens,
    /// Addresses of bootstrap nodes are pinged again.
    Bootstrap,
    /// Contacts of this family's table are confirmed.
    Confirm(Family),
    /// Dead contacts of this family's table are dropped.
    Purge(Family),
    /// Some more contacts of a snapshot are asked whether they are still there.
    VerifyRestored(Family),
    /// Few nodes answered the lookup of the own id; it is repeated.
    RepeatSelfLookup(Family),
    /// The far buckets of a node that has just joined are filled.
    RefreshFarBuckets(Family),
    /// Operations that waited for a connection start without one.
    ConnectDeadline,
    /// Nothing is due.
    Never,
}

/// Which timer goes off when.
pub(super) type Timers = Schedule<Timer>;
