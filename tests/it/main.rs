//! Tests of the library through its public interface, but for those with sockets, and of the
//! repository as text.

mod bad_input;
mod citations;
mod layering;
mod line_width;
mod probes;
mod repository;
mod vectors;
mod wire_exports;
mod wire_hostile;
mod wire_laws;
mod wire_values;
mod wire_vectors;
