//! What is said at the end, for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::account::Verdict;
use crate::args::Args;
use crate::latency::Latency;
use crate::round::{Outcome, Plan};

/// All rounds together.
pub struct Report {
    seed: u64,
    namespaces: bool,
    json: bool,
    rounds: u64,
    kills: u64,
    joined: u64,
    stops: u64,
    recovered: u64,
    seconds: f64,
    verdict: Verdict,
    /// By capacity.
    redelivery_us: Vec<(usize, Histogram<u64>)>,
    latencies: Vec<(usize, Latency)>,
    /// Seconds spent on measuring.
    pub latency_s: f64,
}

impl Report {
    /// Nothing yet.
    pub fn new(args: &Args) -> Self {
        Self {
            seed: args.seed,
            namespaces: args.namespaces,
            json: args.json,
            rounds: 0,
            kills: 0,
            joined: 0,
            stops: 0,
            recovered: 0,
            seconds: 0.0,
            verdict: Verdict::default(),
            redelivery_us: Vec::new(),
            latencies: Vec::new(),
            latency_s: 0.0,
        }
    }

    /// Whether the queue has kept all its promises so far.
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean()
    }

    /// Adds a round.
    pub fn round(&mut self, plan: Plan, outcome: Outcome, took: Duration) {
        let (senders, receivers) = plan.ends;
        if !self.json {
            println!(
                "round {:>4}: {senders:?} to {receivers:?}{}, capacity {:>5}, seed {:#018x}: {} kills in {:.1} s, {} messages{}",
                self.rounds + 1,
                match (plan.overwrite, plan.spare_senders) {
                    (false, _) if plan.packed => ", packed",
                    (false, _) => "",
                    (true, false) => ", overwriting",
                    (true, true) => ", overwriting, receivers killed",
                },
                plan.capacity,
                plan.seed,
                outcome.kills,
                took.as_secs_f64(),
                outcome.verdict.committed,
                if outcome.verdict.is_clean() { "" } else { ", PROMISES BROKEN" },
            );
        }
        self.rounds += 1;
        self.kills += outcome.kills;
        self.joined += outcome.joined;
        self.stops += outcome.stops;
        self.recovered += outcome.recovered;
        self.seconds += took.as_secs_f64();
        self.verdict.add(outcome.verdict);
        match self.redelivery_us.iter_mut().find(|(capacity, _)| *capacity == plan.capacity) {
            Some((_, all)) => all.add(outcome.redelivery_us).expect("histograms of one kind"),
            None => self.redelivery_us.push((plan.capacity, outcome.redelivery_us)),
        }
    }

    /// Adds what was measured.
    pub fn latency(&mut self, capacity: usize, latency: Latency) {
        self.latencies.push((capacity, latency));
    }

    /// For people.
    pub fn text(&self) -> String {
        let v = &self.verdict;
        let rows = [
            ("kills", self.kills),
            ("  of endpoints that had joined", self.joined),
            ("stops", self.stops),
            ("recoveries", self.recovered),
            ("messages committed", v.committed),
            ("messages in flight at a kill, arrived whole", v.arrived_uncommitted),
            ("messages in flight at a kill, vanished", v.vanished),
            ("deliveries", v.deliveries),
            ("  marked as redelivered", v.redelivered),
            ("killed at the moment of release", v.uncertain),
            ("overwritten, as counted", v.overwritten),
            ("  by killed senders and not counted, at most", v.uncounted_most),
            ("  missing", v.missing),
            ("LOST", v.lost),
            ("DOUBLED", v.doubled),
            ("TORN", v.torn),
            ("DISORDERED", v.disordered),
            ("STUCK", v.stuck),
            ("FAILED", v.failed),
        ];
        let mut out = String::new();
        for (what, count) in rows {
            let _ = writeln!(out, "{what:<45} {count:>12}");
        }
        let _ = writeln!(out, "{} rounds, {:.1} s, {:.0} kills/s", self.rounds, self.seconds, self.rate());
        for text in &v.texts {
            let _ = writeln!(out, "  {text}");
        }
        for (what, histogram) in self.histograms() {
            let _ = writeln!(out, "{what:<60} {}", line(histogram));
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        let v = &self.verdict;
        let histograms: Vec<Value> = self.histograms().into_iter().map(|(what, h)| figures(&what, h)).collect();
        let report = json!({
            "seed": self.seed, "namespaces": self.namespaces, "rounds": self.rounds, "seconds": self.seconds,
            "kills_per_second": self.rate(), "kills": self.kills, "kills_joined": self.joined, "stops": self.stops,
            "recoveries": self.recovered, "committed": v.committed, "in_flight_arrived": v.arrived_uncommitted,
            "in_flight_vanished": v.vanished, "deliveries": v.deliveries, "redelivered": v.redelivered,
            "killed_at_release": v.uncertain, "overwritten": v.overwritten, "uncounted_most": v.uncounted_most,
            "missing": v.missing, "lost": v.lost, "doubled": v.doubled, "torn": v.torn,
            "disordered": v.disordered, "stuck": v.stuck, "failed": v.failed, "complaints": v.texts,
            "clean": v.is_clean(), "times": histograms,
        });
        format!("{report:#}\n")
    }

    fn rate(&self) -> f64 {
        self.kills as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    fn histograms(&self) -> Vec<(String, &Histogram<u64>)> {
        let mut all = Vec::new();
        for (capacity, latency) in &self.latencies {
            all.push((format!("death in the way to message, capacity {capacity}"), &latency.in_the_way_us));
            all.push((format!("death with message to sleeper, capacity {capacity}"), &latency.held_us));
        }
        for (capacity, histogram) in &self.redelivery_us {
            all.push((format!("death to redelivery under torture, capacity {capacity}"), histogram));
        }
        all
    }
}

fn line(h: &Histogram<u64>) -> String {
    let ms = |us: u64| us as f64 / 1000.0;
    format!(
        "p50 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms  ({} deaths)",
        ms(h.value_at_quantile(0.5)),
        ms(h.value_at_quantile(0.99)),
        ms(h.max()),
        h.len()
    )
}

fn figures(what: &str, h: &Histogram<u64>) -> Value {
    json!({
        "what": what, "count": h.len(), "p50_us": h.value_at_quantile(0.5), "p99_us": h.value_at_quantile(0.99),
        "max_us": h.max(),
    })
}
