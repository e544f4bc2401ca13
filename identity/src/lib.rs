//! bulla-identity.
