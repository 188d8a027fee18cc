//! What changes, and what does not, when one thing is varied.

use std::fmt::Write;

use super::svg::{Curve, curves, escape};
use super::table::aligned;
use super::{costs, grouped, is_timed, rate, score, size, time};
use crate::cell::Lane;
use crate::probe::Domain;
use crate::registry::Kind;
use crate::results::{Cell, JOINED, Outcome, Results};

/// One thing that is varied in one lane.
pub struct Sweep {
    /// What it is.
    pub title: String,
    /// What is varied.
    pub varied: &'static str,
    /// What is done.
    pub lane: Lane,
    /// Who does it.
    pub lines: Vec<Line>,
}

/// A transport's figures.
pub struct Line {
    /// Its name.
    pub transport: String,
    /// What it is.
    pub kind: Kind,
    /// What was varied, and the cell's score.
    pub points: Vec<(usize, f64)>,
}

/// What may be varied.
pub(super) const CAPACITY: &str = "capacity";
pub(super) const ENDPOINTS: &str = "endpoints joined";
pub(super) const QUEUES: &str = "queues used in turn";

/// What is varied in a cell: its name and value.
fn varied(cell: &Cell) -> (&'static str, usize) {
    if cell.transport.ends_with("-in-turn") {
        (QUEUES, cell.queues)
    } else if cell.joined != JOINED {
        (ENDPOINTS, 2 * cell.joined)
    } else {
        (CAPACITY, cell.depth)
    }
}

/// What is done, in a few words.
pub(super) fn lane_name(lane: Lane) -> &'static str {
    if is_timed(lane) { "round trip" } else { "one by one" }
}

/// All of them at one distance of the processors.
#[must_use]
pub fn sweeps(results: &Results, domain: Domain) -> Vec<Sweep> {
    let mut found: Vec<Sweep> = Vec::new();
    let measured = |outcome: &&Outcome| outcome.sweep && outcome.domains.contains_key(&domain);
    for outcome in results.cells.iter().filter(measured) {
        let cell = &outcome.cell;
        let (name, value) = varied(cell);
        let title = format!("By {name}: {}, {} ({})", lane_name(cell.lane), size(cell.len), domain.name());
        let sweep = match found.iter().position(|sweep| sweep.title == title) {
            Some(index) => &mut found[index],
            None => {
                found.push(Sweep { title, varied: name, lane: cell.lane, lines: Vec::new() });
                found.last_mut().expect("it was just pushed")
            }
        };
        let point = (value, score(cell.lane, &outcome.domains[&domain]));
        match sweep.lines.iter_mut().find(|line| line.transport == cell.transport) {
            Some(line) => line.points.push(point),
            None => {
                let (transport, kind) = (cell.transport.clone(), cell.kind);
                sweep.lines.push(Line { transport, kind, points: vec![point] });
            }
        }
    }
    found
}

impl Sweep {
    /// All values that were tried.
    fn values(&self) -> Vec<usize> {
        let mut values: Vec<_> = self.lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let format = if is_timed(self.lane) { time } else { rate };
        let row = |line: &Line| {
            let cell = |value: &usize| {
                line.points.iter().find(|point| point.0 == *value).map_or("-".to_owned(), |point| format(point.1))
            };
            [line.transport.clone()].into_iter().chain(self.values().iter().map(cell)).collect()
        };
        self.lines.iter().map(row).collect()
    }
}

/// Everything as text.
#[must_use]
pub fn text(results: &Results) -> String {
    let mut text = String::new();
    for sweep in results.domains().into_iter().flat_map(|domain| sweeps(results, domain)) {
        let values: Vec<_> = sweep.values().into_iter().map(|value| grouped(value as u64)).collect();
        let headings: Vec<_> = [""].into_iter().chain(values.iter().map(String::as_str)).collect();
        let _ = write!(text, "\n{}\n{}", sweep.title, aligned(&headings, &sweep.rows()));
    }
    for table in costs::tables(results) {
        let _ = write!(text, "\n{}\n{}", table.title, aligned(table.headings, &table.rows));
    }
    if !results.calls.is_empty() {
        let _ = write!(text, "\n{CALLS}\n{}", aligned(&CALL_HEADINGS, &call_rows(results)));
    }
    text
}

const CALLS: &str = "System calls of the least disturbed round, when nobody sleeps (64 B)";
const CALL_HEADINGS: [&str; 5] = ["", "messages", "manner", "sender", "receiver"];

fn call_rows(results: &Results) -> Vec<Vec<String>> {
    let row = |calls: &crate::calls::Calls| {
        let manner = if calls.lane == Lane::Batch { "32 at a time" } else { "one by one" };
        let [sender, receiver] = calls.calls.map_or(["failed".to_owned(), "failed".to_owned()], |c| c.map(grouped));
        vec![calls.transport.clone(), grouped(calls.messages), manner.to_owned(), sender, receiver]
    };
    results.calls.iter().map(row).collect()
}

/// Everything as HTML.
#[must_use]
pub fn html(results: &Results) -> String {
    let mut html = String::new();
    for sweep in results.domains().into_iter().flat_map(|domain| sweeps(results, domain)) {
        let _ = write!(html, "<section><h3>{}</h3><figure>{}</figure></section>", escape(&sweep.title), chart(&sweep));
    }
    if !results.calls.is_empty() {
        html += &table(CALLS, &CALL_HEADINGS, &call_rows(results));
    }
    for of in costs::tables(results) {
        html += &table(of.title, of.headings, &of.rows);
    }
    if html.is_empty() { html } else { format!("<h2>As queues grow, and what else there is</h2>{html}") }
}

fn table(title: &str, headings: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
        cells.map(|cell| format!("<{tag} class=\"n\">{}</{tag}>", escape(cell))).collect()
    };
    let body: String =
        rows.iter().map(|row| format!("<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str)))).collect();
    format!(
        "<section><h3>{title}</h3><div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>{body}</tbody></table></div></section>",
        cells("th", &mut headings.iter().copied())
    )
}

fn chart(sweep: &Sweep) -> String {
    let across = |value: usize| (value as f64).log10();
    let curve = |(index, line): (usize, &Line)| Curve {
        label: line.transport.clone(),
        class: if line.transport.starts_with("ringpost") { "ringpost" } else { super::html::class(line.kind) },
        dash: index,
        points: line.points.iter().map(|(value, score)| (across(*value), *score)).collect(),
    };
    let lines: Vec<_> = sweep.lines.iter().enumerate().map(curve).collect();
    let names: Vec<_> = sweep.values().into_iter().map(|value| (across(value), grouped(value as u64))).collect();
    let marks: Vec<_> = names.iter().map(|(at, name)| (*at, name.as_str())).collect();
    curves(&lines, &marks, if is_timed(sweep.lane) { time } else { rate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn what_is_varied_is_told() {
        let mut results = example();
        for outcome in results.cells.iter_mut().filter(|outcome| outcome.cell.transport == "ringpost-multi") {
            outcome.sweep = true;
            outcome.cell.depth = 4096;
        }
        let text = text(&results);
        assert!(text.contains("By capacity: round trip, 8 B (near)") && text.contains("4,096"), "{text}");
        assert!(html(&results).contains("<svg"));
        assert!(text.contains("1,048,576") && text.contains("<sender>"), "{text}");
        results.cells.clear();
        (results.costs, results.memory) = (Vec::new(), None);
        assert_eq!(html(&results), "");
    }
}
