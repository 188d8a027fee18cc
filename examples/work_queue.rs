//! Several processes hand out jobs, several others do them; each job is done by exactly one of them.
//!
//! `cargo run --release --example work_queue`

use std::error::Error;
use std::process::{Child, Command};
use std::time::Duration;

use ringpost::{Options, Queue};

const SENDERS: u64 = 3;
const WORKERS: u64 = 4;
const JOBS_EACH: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["send", name, number] => send(name, number.parse()?),
        ["work", name, number] => work(name, number.parse()?),
        _ => lead(&format!("work-{}", std::process::id())),
    }
}

/// Starts everyone and adds up what they report, through a queue too.
fn lead(name: &str) -> Result<(), Box<dyn Error>> {
    let jobs = Queue::<u64>::create(name, Options::of(1024).ephemeral(true))?;
    let reports = Queue::<[u64; 4]>::create(&format!("{name}-reports"), Options::of(64).ephemeral(true))?;
    let mut reports = reports.receiver()?;

    let workers = start("work", name, WORKERS)?;
    let senders = start("send", name, SENDERS)?;
    finish(senders)?;
    // Everything has been sent. Workers drain the queue and then learn that it is closed.
    jobs.close();
    finish(workers)?;

    let (mut count, mut sum) = (0, 0);
    for report in reports.pull(WORKERS as usize, Duration::from_secs(5))? {
        let [worker, done, total, steps] = *report;
        println!("worker {worker} did {done} jobs, {steps} steps");
        count += done;
        sum += total;
    }
    let sent = SENDERS * JOBS_EACH;
    println!("{SENDERS} senders sent {sent} jobs, {WORKERS} workers did {count}");
    // The jobs are the numbers below `sent`, so their sum says whether each was done once.
    if count != sent || sum != sent * (sent - 1) / 2 {
        return Err("jobs were lost or done twice".into());
    }
    println!("none was lost and none was done twice");
    Ok(())
}

fn send(name: &str, sender: u64) -> Result<(), Box<dyn Error>> {
    let mut jobs = Queue::open(name)?.typed::<u64>()?.sender()?;
    for job in sender * JOBS_EACH..(sender + 1) * JOBS_EACH {
        jobs.send(&job)?;
    }
    Ok(())
}

fn work(name: &str, worker: u64) -> Result<(), Box<dyn Error>> {
    let mut jobs = Queue::open(name)?.typed::<u64>()?.receiver()?;
    let mut reports = Queue::open(&format!("{name}-reports"))?.typed::<[u64; 4]>()?.sender()?;
    let (mut done, mut total, mut steps) = (0, 0, 0);
    // A job that is held when its worker dies goes to another one.
    while let Ok(job) = jobs.recv() {
        steps += steps_to_one(*job + 1);
        done += 1;
        total += *job;
    }
    reports.send(&[worker, done, total, steps])?;
    Ok(())
}

/// A job: how many steps 3n+1 takes to come down to 1.
fn steps_to_one(start: u64) -> u64 {
    let next = |n: &u64| Some(if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 });
    std::iter::successors(Some(start), next).take_while(|n| *n != 1).count() as u64
}

fn start(role: &str, name: &str, count: u64) -> Result<Vec<Child>, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let start = |number: u64| Command::new(&program).args([role, name, &number.to_string()]).spawn();
    Ok((0..count).map(start).collect::<Result<_, _>>()?)
}

fn finish(children: Vec<Child>) -> Result<(), Box<dyn Error>> {
    for mut child in children {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("process {} failed: {status}", child.id()).into());
        }
    }
    Ok(())
}
