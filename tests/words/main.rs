//! The words of the interface, one by one, as a user would say them: what each promises, on every combination of ends.

#[path = "../common/mod.rs"]
mod common;

mod closing;
mod dead_letters;
mod held;
mod holding;
mod joining;
mod looking;
mod names;
mod packed;
mod packed_shape;
mod planned;
mod pull;
mod runs;
mod send;
mod slices;
mod typed;
