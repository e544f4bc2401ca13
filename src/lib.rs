//! bulla.
