//! A process publishes ticks of a type of its own; another one reads them in place, many at a time.
//!
//! `cargo run --release --example typed_ticks`

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use ringpost::{Ends, Options, Queue};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const TICKS: u64 = 2_000_000;

/// Any type with a fixed layout, of which any bytes are a value: the four derives check that.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    number: u64,
    /// In hundredths.
    price: i64,
    quantity: u32,
    instrument: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(name) => publish(&name),
        None => watch(&format!("ticks-{}", std::process::id())),
    }
}

fn publish(name: &str) -> Result<(), Box<dyn Error>> {
    // Fails, and says why, if the queue is one of other values: type, size and alignment are compared.
    let mut tx = Queue::open(name)?.typed::<Tick>()?.sender()?;
    let mut price = 10_000;
    for number in 0..TICKS {
        price += (number * 7919 % 11) as i64 - 5;
        let tick = Tick { number, price, quantity: 1 + (number % 100) as u32, instrument: (number % 4) as u32 };
        tx.send(&tick)?;
    }
    tx.close();
    Ok(())
}

fn watch(name: &str) -> Result<(), Box<dyn Error>> {
    let options = Options::of(4096).senders(Ends::Single).receivers(Ends::Single).ephemeral(true);
    let mut rx = Queue::<Tick>::create(name, options)?.receiver()?;
    let mut publisher = Command::new(std::env::current_exe()?).arg(name).spawn()?;

    let (mut count, mut volume, mut low, mut high) = (0, [0_u64; 4], i64::MAX, i64::MIN);
    let start = Instant::now();
    // Up to 256 ticks at a time, or what has come within 10 ms.
    while let Ok(batch) = rx.pull(256, Duration::from_millis(10)) {
        for tick in &batch {
            assert_eq!(tick.number, count, "a tick was lost");
            count += 1;
            volume[tick.instrument as usize] += u64::from(tick.quantity);
            (low, high) = (low.min(tick.price), high.max(tick.price));
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    publisher.wait()?;

    let euros = |hundredths: i64| hundredths as f64 / 100.0;
    println!(
        "{count} ticks of {} bytes in {seconds:.2} s: {:.1} million a second",
        size_of::<Tick>(),
        count as f64 / seconds / 1e6
    );
    println!("prices from {:.2} to {:.2}, volumes {volume:?}", euros(low), euros(high));
    if count == TICKS { Ok(()) } else { Err(format!("{} ticks are missing", TICKS - count).into()) }
}
