//! Tests of the whole crate through its public interface, as one program.

mod bad_input;
#[cfg(feature = "cli")]
mod cli;
mod layering;
#[cfg(feature = "runner")]
mod loopback;
mod probes;
mod vectors;
mod wire_exports;
mod wire_hostile;
mod wire_laws;
mod wire_values;
mod wire_vectors;
