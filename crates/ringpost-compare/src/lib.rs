//! The parts of `ringpost-compare`: what carries messages, what is measured, and how it is told.
//!
//! The first process plans and reports, and sleeps meanwhile. Each measurement is made by two fresh processes, each kept on
//! a processor of its own, which share a few lines of memory to start together (`control`).

pub mod calls;
pub mod cell;
pub mod control;
pub mod costs;
pub mod crowd;
pub mod idle;
pub mod interrupt;
pub mod lanes;
pub mod limits;
pub mod machine;
pub mod measure;
pub mod memory;
pub mod message;
pub mod plan;
pub mod probe;
pub mod registry;
pub mod report;
pub mod results;
pub mod run;
pub mod session;
pub mod stats;
pub mod transports;
pub mod worker;
