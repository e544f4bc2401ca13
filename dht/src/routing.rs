//! The routing table at the width of this dialect's ids; see [`bulla_kad::routing`].

pub(crate) use bulla_kad::routing::Growth;
pub(crate) use bulla_kad::routing::RoutingConfig;
pub use bulla_kad::routing::{Confidence, Counts, Standing};

/// The known nodes of one address family.
pub type Table = bulla_kad::routing::Table<20>;
/// A contact of a table, with its bucket.
pub type Listed = bulla_kad::routing::Listed<20>;
/// What the table made of a sighting.
pub(crate) type SeenUpdate = bulla_kad::routing::SeenUpdate<20>;
/// A `find` that brings news of a part of the id space.
pub(crate) type Refresh = bulla_kad::routing::Refresh<20>;
