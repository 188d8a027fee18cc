//! What a queue takes of the machine's memory: its segment, planned and allocated, and what each endpoint has for itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ringpost::{Ends, Held, Options, Payload, Queue, Receiver, Sender};
use serde::{Deserialize, Serialize};

use crate::costs::Removed;

/// The hidden argument that makes this program one that joins, and reports its own memory; `single` or `multi` follows. A
/// process of its own, so that nothing else is counted, and nothing is used again.
pub const OWN: &str = "own-memory";
/// Endpoints of a kind that share what is measured: the allocator and the kernel count in pieces.
const ENDPOINTS: usize = 60;
/// Messages that are held.
const HELD: usize = 16;

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Segments of some shapes.
    pub segments: Vec<Segment>,
    /// Endpoints of some kinds.
    pub endpoints: Vec<Own>,
}

/// One segment, as soon as it was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Messages that it holds.
    pub capacity: u64,
    /// Bytes of a message.
    pub len: usize,
    /// Whether it has single ends; else multi ends.
    pub single: bool,
    /// What `ringpost plan` says, in bytes.
    pub planned: u64,
    /// The blocks of its file, in bytes.
    pub allocated: u64,
}

/// What one endpoint has for itself, in bytes: the mean of many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Own {
    /// What it is, and does.
    pub what: String,
    /// Whether it has a single end's place; else it is one of many.
    pub single: bool,
    /// The value itself, which lies where the program puts it.
    pub value: u64,
    /// The heap, as the allocator counts; `None` where it cannot tell.
    pub heap: Option<u64>,
    /// All private memory that is really there, in whole pages: the stack of a helper thread, too.
    pub resident: u64,
}

impl Own {
    /// The value and the heap.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.heap.map(|heap| heap + self.value)
    }
}

/// Measures segments here, and endpoints in a process of `program`.
///
/// # Errors
/// A queue could not be made or joined, or that process failed.
pub fn memory(program: &Path) -> Result<Memory> {
    let mut segments = Vec::new();
    for ends in [Ends::Single, Ends::Multi] {
        for capacity in [64, 4096, 1 << 20] {
            segments.push(segment(Options::of::<u64>(capacity), ends, 8)?);
        }
        segments.push(segment(Options::new(1024).max_len(1000), ends, 1000)?);
        segments.push(segment(Options::new(64).max_len(1 << 20), ends, 1 << 20)?);
    }
    let mut endpoints: Vec<Own> = Vec::new();
    for ends in ["single", "multi"] {
        let own = Command::new(program).args([OWN, ends]).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        ensure!(own.status.success(), "the process that measures itself failed");
        let found: Vec<Own> = serde_json::from_slice(&own.stdout).context("reading what a process has for itself")?;
        endpoints.extend(found);
    }
    Ok(Memory { segments, endpoints })
}

fn segment<T: ?Sized + Payload>(options: Options<T>, ends: Ends, len: usize) -> Result<Segment> {
    let options = options.senders(ends).receivers(ends);
    let plan = options.plan()?;
    let name = Removed(format!("compare-{}-memory", std::process::id()));
    let _queue = Queue::create(&name.0, options)?;
    let file = fs::metadata(format!("/dev/shm/ringpost.q.{}", name.0)).context("looking at a queue's file")?;
    let (planned, allocated) = (plan.total_bytes, file.blocks() * 512);
    Ok(Segment { capacity: plan.capacity, len, single: ends == Ends::Single, planned, allocated })
}

/// Joins, and writes to standard output what each kind of endpoint has for itself.
///
/// # Errors
/// A queue could not be made or joined.
pub fn run_own(ends: &str) -> Result<()> {
    let ends = if ends == "single" { Ends::Single } else { Ends::Multi };
    // The first one pays for what all share.
    all_of(1, ends)?;
    println!("{}", serde_json::to_string(&all_of(ENDPOINTS, ends)?)?);
    Ok(())
}

/// Joins so many, each at a queue of its own, and has them do one thing after another.
fn all_of(count: usize, ends: Ends) -> Result<Vec<Own>> {
    let name = |number| Removed(format!("compare-{}-own-{number}", std::process::id()));
    let names: Vec<Removed> = (0..count).map(name).collect();
    let options = Options::new(64).max_len(16).senders(ends).receivers(ends);
    let make = |name: &Removed| Queue::create(&name.0, options.clone());
    let queues = names.iter().map(make).collect::<Result<Vec<_>, _>>()?;
    let each = |before: u64, now: u64| now.saturating_sub(before).div_ceil(count as u64);
    let own = |what: &str, value, before: Usage, now: Usage| Own {
        what: what.to_owned(),
        single: ends == Ends::Single,
        value,
        heap: before.heap.zip(now.heap).map(|(before, now)| each(before, now)),
        resident: each(before.resident, now.resident),
    };
    let mut found = Vec::new();
    let (sender, receiver) = (size_of::<Sender>() as u64, size_of::<Receiver>() as u64);
    // Room for what the program itself keeps, before anything is counted.
    let (mut senders, mut receivers) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut held: Vec<Held> = Vec::with_capacity(count * HELD);
    let before = Usage::now()?;
    for queue in &queues {
        senders.push(queue.sender()?);
    }
    found.push(own("sender", sender, before, Usage::now()?));
    let before = Usage::now()?;
    for queue in &queues {
        receivers.push(queue.receiver()?);
    }
    found.push(own("receiver", receiver, before, Usage::now()?));
    for (sender, receiver) in senders.iter_mut().zip(&mut receivers) {
        for _ in 0..HELD {
            sender.send(b"held")?;
        }
        held.extend(receiver.try_pull(HELD)?.into_iter().map(ringpost::Message::hold));
    }
    found.push(own("receiver, holds messages", receiver, before, Usage::now()?));
    drop(held);
    for receiver in &mut receivers {
        // What was held is noted first.
        while receiver.arm()? {
            ensure!(receiver.try_recv()?.is_none(), "what was held is released");
        }
    }
    found.push(own("receiver, the same, armed for an event loop", receiver, before, Usage::now()?));
    Ok(found)
}

/// What this process uses, in bytes.
#[derive(Clone, Copy)]
struct Usage {
    heap: Option<u64>,
    resident: u64,
}

impl Usage {
    fn now() -> Result<Self> {
        // The counts in `status` lag behind.
        let maps = fs::read_to_string("/proc/self/smaps_rollup").context("looking at this process")?;
        let kib = maps.lines().find_map(|line| line.strip_prefix("Anonymous:")?.trim().strip_suffix(" kB"));
        let resident = kib.context("the kernel does not say what is private")?.parse::<u64>()? * 1024;
        Ok(Self { heap: heap(), resident })
    }
}

/// Bytes of the heap that are in use, in all arenas, with what the allocator adds to each piece.
#[cfg(target_env = "gnu")]
fn heap() -> Option<u64> {
    // SAFETY: it only counts.
    let found = unsafe { nix::libc::mallinfo2() };
    Some((found.uordblks + found.hblkhd) as u64)
}

#[cfg(not(target_env = "gnu"))]
fn heap() -> Option<u64> {
    None
}
