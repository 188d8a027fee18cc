//! A camera process writes video frames straight into shared memory; another one reads them there. No frame is copied.
//!
//! `cargo run --release --example zero_copy_frames`

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use ringpost::{Ends, Options, Queue};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
/// Red, green, blue, alpha.
const FRAME_BYTES: usize = WIDTH * HEIGHT * 4;
const FRAMES: u64 = 300;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(name) => film(&name),
        None => view(&format!("frames-{}", std::process::id())),
    }
}

/// Writes moving stripes, and the sum of all pixels in the frame's last eight bytes.
fn film(name: &str) -> Result<(), Box<dyn Error>> {
    let mut tx = Queue::open(name)?.sender()?;
    for number in 0..FRAMES {
        let mut frame = tx.loan(FRAME_BYTES)?;
        let (pixels, sum) = frame.split_at_mut(FRAME_BYTES - 8);
        for (row, line) in pixels.chunks_mut(WIDTH * 4).enumerate() {
            line.fill((row as u64 + number) as u8);
        }
        sum.copy_from_slice(&checksum(pixels).to_le_bytes());
        // Only now does the other process see it.
        frame.commit();
    }
    tx.close();
    Ok(())
}

fn view(name: &str) -> Result<(), Box<dyn Error>> {
    // Four frames in flight. They begin at pages, for whatever device or library wants that.
    let options = Options::new(4).max_len(FRAME_BYTES).align(4096).senders(Ends::Single).receivers(Ends::Single);
    let plan = options.plan()?;
    let mut rx = Queue::create(name, options.ephemeral(true).prefault(true))?.receiver()?;
    println!("{WIDTH}x{HEIGHT} frames; {} fit into a queue of {:.1} MB", plan.capacity, plan.total_bytes as f64 / 1e6);
    let mut camera = Command::new(std::env::current_exe()?).arg(name).spawn()?;

    let (mut count, mut total, mut first) = (0, 0_u64, None);
    // Ends when the camera closes the queue; the time limit is for a camera that hangs.
    while let Some(frame) = rx.recv_timeout(Duration::from_secs(5)).unwrap_or(None) {
        first.get_or_insert_with(Instant::now);
        let (pixels, written) = frame.split_at(FRAME_BYTES - 8);
        let read = checksum(pixels);
        if read.to_le_bytes() != written {
            return Err(format!("frame {count} is damaged").into());
        }
        total = total.wrapping_add(read);
        count += 1;
    }
    let seconds = first.map_or(f64::NAN, |first| first.elapsed().as_secs_f64());
    camera.wait()?;

    let bytes = (count * FRAME_BYTES as u64) as f64;
    println!(
        "{count} frames in {seconds:.2} s: {:.0} a second, {:.2} GB/s",
        count as f64 / seconds,
        bytes / seconds / 1e9
    );
    println!("every pixel written in place, read in place and summed up: {total:#018x}");
    if count == FRAMES { Ok(()) } else { Err(format!("{} frames are missing", FRAMES - count).into()) }
}

fn checksum(pixels: &[u8]) -> u64 {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
    pixels.chunks_exact(8).map(word).fold(0, u64::wrapping_add)
}
