//! Tests of the repository as text.

mod citations;
mod layering;
mod line_width;
mod repository;
