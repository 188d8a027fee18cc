//! Tables for people, and the same for programs.

use serde_json::{Map, Value};

use crate::findings::{Findings, Wrong};

/// So many findings of one row are told in words.
const TOLD: usize = 8;

/// What came of one operation.
#[derive(Clone, Debug)]
pub struct Row {
    /// What says which it is: heading and text.
    pub labels: Vec<(&'static str, String)>,
    /// What was done.
    pub done: Vec<(&'static str, u64)>,
    /// What is wrong, for each kind: checks that found it.
    wrong: Vec<(&'static str, u64)>,
    texts: Vec<String>,
}

impl Row {
    /// Nothing wrong so far.
    pub fn new(labels: Vec<(&'static str, String)>, done: &[&'static str], wrong: &[&'static str]) -> Self {
        let zero = |names: &[&'static str]| names.iter().map(|name| (*name, 0)).collect();
        Self { labels, done: zero(done), wrong: zero(wrong), texts: Vec::new() }
    }

    /// Counts something that was done.
    pub fn count(&mut self, name: &'static str, more: u64) {
        self.done.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, count)| *count += more);
    }

    /// Counts something that is wrong, and tells it.
    pub fn blame(&mut self, name: &'static str, text: String) {
        self.wrong.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, count)| *count += 1);
        self.texts.push(text);
    }

    /// Counts what one check has found, once for each kind. `place` says where.
    pub fn add(&mut self, findings: &Findings, place: &str) {
        for wrong in Wrong::ALL.into_iter().filter(|wrong| findings.has(*wrong)) {
            self.wrong.iter_mut().filter(|(name, _)| *name == wrong.name()).for_each(|(_, count)| *count += 1);
        }
        self.texts.extend(findings.texts().map(|text| format!("{place}: {text}")));
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.wrong.iter().all(|(_, count)| *count == 0)
    }

    fn tell(&self) {
        let which: Vec<&str> = self.labels.iter().map(|(_, text)| text.as_str()).collect();
        for text in self.texts.iter().take(TOLD) {
            eprintln!("{}: {text}", which.join(" "));
        }
        if self.texts.len() > TOLD {
            eprintln!("{}: and {} more", which.join(" "), self.texts.len() - TOLD);
        }
    }

    fn numbers(&self) -> impl Iterator<Item = &(&'static str, u64)> {
        self.done.iter().chain(&self.wrong)
    }
}

/// One table.
pub struct Table {
    /// Its name in JSON.
    pub key: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its rows, all of one kind.
    pub rows: Vec<Row>,
}

impl Table {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.rows.iter().all(Row::is_clean)
    }

    /// Tells on standard error what is wrong.
    pub fn tell(&self) {
        self.rows.iter().for_each(Row::tell);
    }

    /// Writes it with a last row of sums.
    pub fn print(&self) {
        let Some(first) = self.rows.first() else { return };
        let headings = first.labels.iter().map(|(name, _)| *name).chain(first.numbers().map(|(name, _)| *name));
        let mut lines = vec![headings.map(str::to_owned).collect::<Vec<_>>()];
        let mut sums = vec![0; first.numbers().count()];
        for row in &self.rows {
            row.numbers().zip(&mut sums).for_each(|((_, count), sum)| *sum += count);
            let numbers = row.numbers().map(|(_, count)| count.to_string());
            lines.push(row.labels.iter().map(|(_, text)| text.clone()).chain(numbers).collect());
        }
        let labels = (0..first.labels.len()).map(|at| if at == 0 { "all" } else { "" }.to_owned());
        lines.push(labels.chain(sums.iter().map(u64::to_string)).collect());
        let width = |at: usize| lines.iter().map(|line| line[at].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        println!("{}", self.title);
        for line in &lines {
            let cell = |(at, text): (usize, &String)| {
                let width = widths[at];
                if at < first.labels.len() { format!("{text:<width$}") } else { format!("{text:>width$}") }
            };
            println!("  {}", line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  "));
        }
        println!();
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let key = |heading: &str| heading.replace([' ', '-'], "_");
        let row = |row: &Row| {
            let labels = row.labels.iter().map(|(name, text)| (key(name), Value::from(text.as_str())));
            let numbers = row.numbers().map(|(name, count)| (key(name), Value::from(*count)));
            Value::Object(labels.chain(numbers).collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(row).collect())
    }
}
