//! `memcpy`, by one process alone: from one set of buffers to another, as many as a queue holds.

use anyhow::{Result, ensure};

use crate::cell::{Lane, Round, Task};
use crate::control::Control;
use crate::idle::Idle;
use crate::message::{fill, is_whole};
use crate::session;
use crate::transports::Place;

/// It copies whatever there is.
#[must_use]
pub fn refuses(_place: &Place) -> Option<String> {
    None
}

/// Both sides of the cell; the second has nothing to do but answer the probes.
///
/// # Errors
/// The lane is none of copies, or they are wrong.
pub fn run(task: &Task, control: &'static Control) -> Result<Vec<Round>> {
    ensure!(task.lane == Lane::One, "one by one only");
    let Place { len, depth, .. } = task.place;
    let mut from = vec![0; len * depth];
    let mut to = vec![0; len * depth];
    for (number, message) in from.chunks_exact_mut(len).enumerate() {
        fill(message, number as u64);
    }
    let copies = |count: u64, _start: u64, _idle: &mut Idle| {
        for number in 0..count {
            let at = (number as usize % depth) * len;
            // What is copied could be anything, so that no copy is left out.
            std::hint::black_box(&mut to)[at..at + len].copy_from_slice(&std::hint::black_box(&from)[at..at + len]);
        }
        ensure!(is_whole(&to[..len], 0), "memcpy went wrong");
        Ok(Vec::new())
    };
    session::beside(
        || session::lead(task, control, copies),
        || session::follow(task, control, |_count, _start, _idle: &mut Idle| Ok((0, Vec::new()))),
    )
}
