//! Tests of the crate through its public interface, as one program.

mod bad_input;
mod odd_forms;
mod probes;
mod vectors;
mod wire_exports;
mod wire_hostile;
mod wire_laws;
mod wire_values;
mod wire_vectors;
