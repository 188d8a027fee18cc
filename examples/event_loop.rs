//! One thread serves three queues, a pipe and a clock from one `poll`: each queue gives a descriptor, armed only while there
//! is nothing in it. Then the same queues are waited for without an event loop, which is simpler where queues are all
//! there is.
//!
//! `cargo run --release --example event_loop`

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpost::{Options, Queue, Receiver, RecvError, Waitable, wait_any};

type Outcome<T> = Result<T, Box<dyn Error>>;

const NAMES: [&str; 3] = ["fast", "slow", "rare"];
const PAUSES_MS: [u64; 3] = [2, 40, 150];
const COUNTS: [u64; 3] = [200, 10, 3];

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["send", name, which] => send(name, which.parse()?),
        _ => lead(),
    }
}

fn lead() -> Outcome<()> {
    println!("in an event loop:");
    with_senders(event_loop)?;
    println!("the same with wait_any:");
    with_senders(waiting_for_any)
}

/// Makes the queues, starts a process that sends for each, and has `receive` receive it all.
fn with_senders(receive: fn(&mut [Receiver], &mut Child) -> Outcome<[u64; 3]>) -> Outcome<()> {
    let names = NAMES.map(|name| format!("event-loop-{}-{name}", std::process::id()));
    let queues: Vec<Queue> =
        names.iter().map(|name| Queue::create(name, Options::new(64).ephemeral(true))).collect::<Result<_, _>>()?;
    let mut receivers: Vec<Receiver> = queues.iter().map(Queue::receiver).collect::<Result<_, _>>()?;
    receivers.iter_mut().for_each(|rx| rx.until_senders_leave(true));
    let mut senders = names.iter().enumerate().map(|(i, name)| start(name, i)).collect::<Result<Vec<_>, _>>()?;
    let counts = receive(&mut receivers, &mut senders[2])?;
    for mut sender in senders {
        sender.wait()?;
    }
    for ((name, count), expected) in NAMES.iter().zip(counts).zip(COUNTS) {
        println!("  {name}: {count} of {expected} messages");
    }
    if counts == COUNTS { Ok(()) } else { Err("messages are missing".into()) }
}

/// Sleeps in `poll`, on everything at once.
fn event_loop(receivers: &mut [Receiver], talker: &mut Child) -> Outcome<[u64; 3]> {
    let mut pipe = talker.stdout.take().ok_or("a pipe was asked for")?;
    let (mut counts, mut over, mut rounds, mut talking) = ([0; 3], [false; 3], 0_u64, true);
    let began = Instant::now();
    while over.contains(&false) {
        // Take what is there, and arm those in which nothing is left. One that says `true` has got more meanwhile.
        for (index, rx) in receivers.iter_mut().enumerate() {
            while !over[index] && (take(rx, &mut counts[index], &mut over[index])? || rx.arm()?) {}
        }
        let mut polled = Vec::new();
        for (rx, _) in receivers.iter_mut().zip(over).filter(|(_, over)| !over) {
            polled.push(PollFd::new(rx.descriptor()?, PollFlags::POLLIN));
        }
        if talking {
            polled.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        }
        if over.contains(&false) {
            poll(&mut polled, PollTimeout::try_from(Duration::from_secs(10))?)?;
            rounds += 1;
        }
        if talking && polled.last().and_then(PollFd::any).unwrap_or(false) {
            let mut words = [0; 256];
            let count = pipe.read(&mut words)?;
            talking = count > 0;
            print!("{}", String::from_utf8_lossy(&words[..count]));
        }
    }
    println!("  slept {rounds} times in {} ms", began.elapsed().as_millis());
    Ok(counts)
}

/// Sleeps on all queues at once, without descriptors or helpers.
fn waiting_for_any(receivers: &mut [Receiver], _: &mut Child) -> Outcome<[u64; 3]> {
    let (mut counts, mut over) = ([0; 3], [false; 3]);
    while over.contains(&false) {
        let (indexes, mut ends): (Vec<usize>, Vec<&mut dyn Waitable>) = receivers
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| !over[*index])
            .map(|(index, rx)| (index, rx as &mut dyn Waitable))
            .unzip();
        let ready = wait_any(&mut ends, Duration::from_secs(10)).ok_or("nothing came for ten seconds")?;
        let index = indexes[ready];
        take(&mut receivers[index], &mut counts[index], &mut over[index])?;
    }
    Ok(counts)
}

/// Takes one message if there is one. Returns whether there was.
fn take(rx: &mut Receiver, count: &mut u64, over: &mut bool) -> Result<bool, RecvError> {
    match rx.try_recv() {
        Ok(message) => {
            *count += u64::from(message.is_some());
            Ok(message.is_some())
        }
        Err(RecvError::SendersGone) => {
            *over = true;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn send(name: &str, which: usize) -> Outcome<()> {
    let mut tx = Queue::open(name)?.sender()?;
    for number in 0..COUNTS[which] {
        tx.send(&number.to_le_bytes())?;
        if which == 2 {
            // Nobody may listen any more.
            let _ = writeln!(std::io::stdout(), "  the rare one says through its pipe: {}", number + 1);
        }
        std::thread::sleep(Duration::from_millis(PAUSES_MS[which]));
    }
    Ok(())
}

fn start(name: &str, which: usize) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(["send", name, &which.to_string()]).stdout(Stdio::piped()).spawn()?)
}
