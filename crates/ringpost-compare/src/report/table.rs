//! Tables for people.

use std::fmt::Write;

use super::ratios::ratios;
use super::{CROWD_HEADING, bandwidth, crowds_dropped, groups, heading, is_timed, rate, remarks, sweeps, time};
use crate::crowd::{Crowd, Figures};
use crate::probe::Domain;
use crate::results::{Outcome, Results};
use crate::stats::Spread;

/// The whole report as text.
#[must_use]
pub fn text(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "ringpost {}, {}, {} processors, Linux {}, {}\n",
        env!("CARGO_PKG_VERSION"),
        machine.cpu,
        machine.cores,
        machine.kernel,
        results.date
    );
    for domain in results.domains() {
        for group in groups(results) {
            text += &lane(&group, domain);
        }
    }
    text += &sweeps::text(results);
    text += &crowds(results);
    text += &goals(results);
    text += &left_out(results);
    text.push('\n');
    for remark in remarks(results) {
        let _ = writeln!(text, "{remark}");
    }
    text
}

fn lane(group: &[&Outcome], domain: Domain) -> String {
    let lane = group[0].cell.lane;
    let measured = group.iter().filter_map(|outcome| Some((outcome, outcome.domains.get(&domain)?)));
    let rows: Vec<Vec<String>> = measured
        .map(|(outcome, figures)| {
            let mut row = vec![outcome.cell.transport.clone()];
            if let Some(times) = figures.times.filter(|_| is_timed(lane)) {
                row.extend([times.p50, times.p90, times.p99, times.p999, times.max].map(|spread| time(spread.median)));
                row.push(format!("{} - {}", time(times.p50.least), time(times.p50.most)));
            } else {
                row.push(rate(figures.rate.median));
                row.push(bandwidth(figures.rate.median * outcome.cell.len as f64));
                row.push(format!("{} - {}", rate(figures.rate.least), rate(figures.rate.most)));
            }
            row
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let headings: &[&str] = if is_timed(lane) {
        &["", "p50", "p90", "p99", "p99.9", "max", "p50 from - to"]
    } else {
        &["", "messages", "bytes", "from - to"]
    };
    format!("\n{} ({})\n{}", heading(&group[0].cell), domain.name(), aligned(headings, &rows))
}

fn crowds(results: &Results) -> String {
    let row = |(crowd, domain, figures): (&Crowd, Domain, &Figures)| {
        let percent = |share: Spread| format!("{:.0} %", share.median * 100.0);
        vec![
            crowd.transport.clone(),
            format!("{} + {}", crowd.pairs, crowd.pairs),
            domain.name().to_owned(),
            rate(figures.rate.median),
            percent(figures.slowest_sender),
            percent(figures.slowest_receiver),
        ]
    };
    let rows: Vec<_> = super::crowds(results).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let headings = ["", "processes", "cores", "messages", "slowest sender", "slowest receiver"];
    let dropped = crowds_dropped(results);
    let dropped = if dropped.is_empty() { dropped } else { dropped + "\n" };
    format!("\n{CROWD_HEADING}\n{}{dropped}", aligned(&headings, &rows))
}

fn goals(results: &Results) -> String {
    let row = |ratio: super::ratios::Ratio| {
        let met = match ratio.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        let name = |side: &Option<(String, f64)>| side.as_ref().map_or("-".to_owned(), |(name, _)| name.clone());
        vec![
            ratio.what.clone(),
            ratio.ends.to_owned(),
            ratio.domain_text().to_owned(),
            ratio.goal_text(),
            ratio.measured_text(),
            met.to_owned(),
            format!("{} / {}", name(&ratio.ringpost), name(&ratio.against)),
        ]
    };
    let rows: Vec<_> =
        ratios(results).into_iter().filter(|r| r.ringpost.is_some() && r.against.is_some()).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("\nGoals\n{}", aligned(&["", "ends", "", "goal", "measured", "", "of"], &rows))
}

fn left_out(results: &Results) -> String {
    let mut text = String::new();
    for outcome in &results.cells {
        if let Some(error) = &outcome.failed {
            let _ = writeln!(text, "  {}, {}: FAILED: {error}", outcome.cell.transport, heading(&outcome.cell));
        }
    }
    for crowd in &results.crowds {
        if let Some(error) = &crowd.failed {
            let _ =
                writeln!(text, "  {}, {} + {} processes: FAILED: {error}", crowd.transport, crowd.pairs, crowd.pairs);
        }
    }
    if text.is_empty() { text } else { format!("\nFailed\n{text}") }
}

/// Rows under their headings: the first column, and the seventh, to the left, the others to the right.
pub(super) fn aligned(headings: &[&str], rows: &[Vec<String>]) -> String {
    columns(&[0, 6], headings, rows)
}

/// Rows under their headings: the columns of these numbers to the left, the others to the right.
#[must_use]
pub fn columns(left: &[usize], headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let pad = |(index, (cell, width)): (usize, (&&str, &usize))| {
            let room = " ".repeat(width.saturating_sub(cell.chars().count()));
            if left.contains(&index) { format!("{cell}{room}") } else { format!("{room}{cell}") }
        };
        let cells: Vec<_> = cells.iter().zip(&widths).enumerate().map(pad).collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    let mut text = line(headings);
    rows.iter().for_each(|row| text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn all_that_was_found_is_told() {
        let text = text(&example());
        for part in [
            "ringpost-multi",
            "There and back, 8 B, both poll (near)",
            "MISSED",
            "FAILED: messages were",
            "dropped",
            "100 ns",
        ] {
            assert!(text.contains(part), "`{part}` is missing in\n{text}");
        }
    }
}
