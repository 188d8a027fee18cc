//! Two processes play ping-pong through two queues, and one of them times it.
//!
//! `cargo run --release --example ping_pong`

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use ringpost::{Ends, Options, Queue, Wait};

const TRIPS: usize = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(name) => pong(&name),
        None => ping(&format!("ping-pong-{}", std::process::id())),
    }
}

/// The queue in one direction. Whoever comes first makes it; it goes with the last process that has it open.
fn queue(name: &str, direction: &str) -> Result<Queue<u64>, ringpost::Error> {
    let options = Options::of(64).senders(Ends::Single).receivers(Ends::Single).ephemeral(true);
    Queue::open_or_create(&format!("{name}-{direction}"), options)
}

fn ping(name: &str) -> Result<(), Box<dyn Error>> {
    let mut tx = queue(name, "there")?.sender()?;
    let mut rx = queue(name, "back")?.receiver()?;
    // The least latency, for a whole core: without this line both processes sleep when there is nothing to do.
    rx.set_wait(Wait::Spin);
    let mut other = Command::new(std::env::current_exe()?).arg(name).spawn()?;

    let mut times = Vec::with_capacity(TRIPS);
    for number in 0..TRIPS as u64 {
        let start = Instant::now();
        tx.send(&number)?;
        let answer = rx.recv_timeout(Duration::from_secs(5))?.ok_or("no answer within 5 s")?;
        times.push(start.elapsed());
        assert_eq!(*answer, number + 1);
    }
    tx.close();
    other.wait()?;

    times.sort();
    let at = |share: f64| times[(share * TRIPS as f64) as usize];
    println!("{TRIPS} round trips between processes {} and {}", std::process::id(), other.id());
    println!("half took at most {:?}, 99 % at most {:?}, 99.9 % at most {:?}", at(0.5), at(0.99), at(0.999));
    Ok(())
}

fn pong(name: &str) -> Result<(), Box<dyn Error>> {
    let mut rx = queue(name, "there")?.receiver()?;
    let mut tx = queue(name, "back")?.sender()?;
    rx.set_wait(Wait::Spin);
    // Should the other process die, do not wait for another one.
    rx.until_senders_leave(true);
    while let Ok(number) = rx.recv() {
        tx.send(&(*number + 1))?;
    }
    Ok(())
}
