//! Sends a file to another process, piece by piece, and compares what arrived.
//!
//! `cargo run --release --example pipe_file [FILE]` (by default the example's own program)

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ringpost::{Ends, Options, Queue};

const PIECE: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receive", name, to] => receive(name, Path::new(to)),
        [file] => send(Path::new(file)),
        _ => send(&std::env::current_exe()?),
    }
}

fn send(file: &Path) -> Result<(), Box<dyn Error>> {
    let name = format!("pipe-file-{}", std::process::id());
    let copy = Temporary(std::env::temp_dir().join(&name));
    let options = Options::new(16).max_len(PIECE).senders(Ends::Single).receivers(Ends::Single).ephemeral(true);
    let queue = Queue::create(&name, options)?;
    let mut receiver = Command::new(std::env::current_exe()?);
    let mut receiver = receiver.args(["receive", &name]).arg(&copy.0).stdin(Stdio::null()).spawn()?;

    let start = Instant::now();
    let mut input = File::open(file)?;
    let mut tx = queue.sender()?;
    let mut total = 0;
    loop {
        // The file is read straight into the queue. The last piece is shorter than the slot that was lent for it.
        let mut piece = tx.loan(PIECE)?;
        let len = input.read(&mut piece)?;
        if len == 0 {
            break;
        }
        piece.commit_len(len)?;
        total += len;
    }
    tx.close();
    if !receiver.wait()?.success() {
        return Err("the receiving process failed".into());
    }
    let seconds = start.elapsed().as_secs_f64();

    println!("sent {} ({total} bytes) in {seconds:.3} s: {:.2} GB/s", file.display(), total as f64 / seconds / 1e9);
    if fs::read(file)? != fs::read(&copy.0)? {
        return Err("what arrived differs from what was sent".into());
    }
    println!("what arrived is the same, byte by byte");
    Ok(())
}

fn receive(name: &str, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut rx = Queue::open(name)?.receiver()?;
    rx.until_senders_leave(true);
    let mut output = File::create(to)?;
    let end = loop {
        match rx.recv() {
            Ok(piece) => output.write_all(&piece)?,
            Err(end) => break end,
        }
    };
    // Only a closed queue is a whole file.
    if end == ringpost::RecvError::Closed { Ok(()) } else { Err(end.into()) }
}

/// A file that goes when this does.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It need not exist yet.
        let _ = fs::remove_file(&self.0);
    }
}
