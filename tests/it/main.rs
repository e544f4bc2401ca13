//! Tests of the whole crate through its public interface, but for those with sockets, as one program.

mod bad_input;
mod citations;
mod layering;
mod probes;
mod vectors;
mod wire_exports;
mod wire_hostile;
mod wire_laws;
mod wire_values;
mod wire_vectors;
