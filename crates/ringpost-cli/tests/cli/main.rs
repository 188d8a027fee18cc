//! The tool as scripts see it: exit statuses, bytes on standard output, words on standard error, and signals.

mod bench;
mod corrupt;
mod doctor;
mod interrupts;
mod owners;
mod packed;
mod policies;
mod pull;
mod reports;
mod round_trips;
mod run;
mod stale;
mod status;
mod surface;
