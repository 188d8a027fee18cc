//! Tables of Markdown, for a README: what was run, the best form of each on the main lanes, and the goals. All figures are
//! those of the table for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::ratios::{Ratio, beside_each_other, ratios};
use super::{bandwidth, best, grouped, is_timed, maker, rate, time};
use crate::cell::Lane;
use crate::probe::Domain;
use crate::registry::Kind;
use crate::results::{Cell, Figures, Results};

/// What has a column, if anybody has a figure there.
const COLUMNS: [(Lane, usize, &str); 10] = [
    (Lane::Short, 8, "round trip in queues of four, 8 B"),
    (Lane::Short, 48, "round trip in queues of four, 48 B"),
    (Lane::Trip, 64, "round trip, 64 B"),
    (Lane::Asleep, 8, "round trip asleep, 8 B"),
    (Lane::One, 8, "one way, 8 B"),
    (Lane::Batch, 8, "one way, 8 B, 32 at a time"),
    (Lane::Batch, 64, "one way, 64 B, 32 at a time"),
    (Lane::One, 1 << 10, "one way, 1 KiB"),
    (Lane::One, 64 << 10, "one way, 64 KiB"),
    (Lane::One, 1 << 20, "one way, 1 MiB"),
];
/// From this size on, bytes a second say more than messages.
const LARGE: usize = 1 << 10;

/// The tables, and what belongs to them.
#[must_use]
pub fn text(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "`{}`: {}, {}, {} processors, Linux {}. Medians over {} repetitions in new processes, each of {} rounds of about {} ms; {} \
         messages arrived once, in order and whole. Each stands with its best form; round trips are p50, large messages are \
         written in place where that can be. `near` and `far`: where the two processors were, by a raw ping-pong before and after each round.\n",
        results.command,
        results.date.get(..10).unwrap_or(&results.date),
        cell_text(&machine.cpu),
        machine.cores,
        machine.kernel,
        results.repetitions,
        results.rounds,
        results.round_ms,
        grouped(results.messages()),
    );
    let versions: BTreeSet<_> = results.compared.iter().filter_map(|compared| compared.version.as_deref()).collect();
    if !versions.is_empty() {
        text += &format!("Versions: {}.\n", versions.into_iter().collect::<Vec<_>>().join(", "));
    }
    for domain in results.domains() {
        text += &figures(results, domain);
    }
    text + &goals(results)
}

fn figures(results: &Results, domain: Domain) -> String {
    let mut makers: Vec<(String, Kind)> = Vec::new();
    for cell in results.cells.iter().map(|outcome| &outcome.cell) {
        let maker = (maker(cell), cell.kind);
        if !matches!(cell.kind, Kind::Swept | Kind::Broken) && !makers.contains(&maker) {
            makers.push(maker);
        }
    }
    let figure = |(name, kind): &(String, Kind), lane, len| {
        let wanted = |cell: &Cell| cell.kind == *kind && maker(cell) == *name;
        best(results, (lane, len, None), domain, wanted).map(|(_, figures)| shown(lane, len, figures))
    };
    let columns: Vec<_> =
        COLUMNS.into_iter().filter(|(l, n, _)| makers.iter().any(|m| figure(m, *l, *n).is_some())).collect();
    let headings: Vec<_> = columns.iter().map(|(.., heading)| (*heading).to_owned()).collect();
    let mut text = String::new();
    for maker in &makers {
        let row: Vec<_> = columns.iter().map(|(lane, len, _)| figure(maker, *lane, *len).unwrap_or_default()).collect();
        if row.iter().any(|figure| !figure.is_empty()) {
            let name = if maker.1 == Kind::Ringpost { format!("**{}**", maker.0) } else { cell_text(&maker.0) };
            text += &line(&name, &row);
        }
    }
    if text.is_empty() { text } else { format!("\n{}{}{text}", line(domain.name(), &headings), rule(headings.len())) }
}

fn shown(lane: Lane, len: usize, figures: &Figures) -> String {
    match figures.times.filter(|_| is_timed(lane)) {
        Some(times) => time(times.p50.median),
        None if len < LARGE => rate(figures.rate.median),
        None => bandwidth(figures.rate.median * len as f64),
    }
}

fn goals(results: &Results) -> String {
    let (ratios, domains) = (ratios(results), results.domains());
    let mut text = String::new();
    if domains.is_empty() {
        return text;
    }
    for row in beside_each_other(&ratios) {
        let at = |domain: Domain| {
            row.iter().find(|ratio| ratio.domain.is_none_or(|of| of == domain)).map(|ratio| measured(ratio))
        };
        let mut cells = vec![row[0].ends.to_owned(), row[0].goal_text()];
        cells.extend(domains.iter().map(|domain| at(*domain).unwrap_or_default()));
        text += &line(&row[0].what, &cells);
    }
    if text.is_empty() {
        return text;
    }
    let mut headings = vec!["ends".to_owned(), "goal".to_owned()];
    headings.extend(domains.iter().map(|domain| domain.name().to_owned()));
    format!(
        "\nRatios are of times (less is better) for round trips and of rates (more is better) for the rest; bold misses the \
         goal.\n\n{}{}{text}",
        line("ratio", &headings),
        rule(headings.len())
    )
}

fn measured(ratio: &Ratio) -> String {
    let text = ratio.measured_text();
    if ratio.is_met() == Some(false) { format!("**{text}**") } else { text }
}

fn line(first: &str, cells: &[String]) -> String {
    let mut line = format!("| {first} |");
    cells.iter().for_each(|cell| {
        let _ = write!(line, " {cell} |");
    });
    line + "\n"
}

fn rule(columns: usize) -> String {
    format!("|---|{}\n", "---|".repeat(columns))
}

/// Text that is nothing but text in a table.
fn cell_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table;
    use crate::report::tests::example;

    /// The cells of all rows, but for headings and rules.
    fn rows(text: &str) -> Vec<Vec<String>> {
        let lines = text.lines().filter(|line| line.starts_with("| "));
        lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
    }

    #[test]
    fn every_figure_is_one_that_the_run_printed() {
        let results = example();
        let (text, printed) = (text(&results), table::text(&results));
        let mut figures = 0;
        for row in rows(&text) {
            for cell in row[1..].iter().map(|cell| cell.trim_matches('*')) {
                if cell.starts_with(|c: char| c.is_ascii_digit())
                    && !COLUMNS.iter().any(|(.., heading)| *heading == cell)
                {
                    figures += 1;
                    assert!(printed.contains(cell), "`{cell}` of\n{text}\nis not in\n{printed}");
                }
            }
        }
        assert!(figures > 20, "{text}");
        for part in [&results.command, &results.date[..10], "ringpost-single", "near"] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn tables_are_whole() {
        let text = text(&example());
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let widths: Vec<_> = table.lines().map(|line| line.replace("\\|", "").matches('|').count()).collect();
            assert!(widths.len() > 2 && widths.iter().all(|width| *width == widths[0]), "{table}");
        }
        assert!(text.contains("**") && text.contains("&lt;shaq>&"), "{text}");
    }

    #[test]
    fn nothing_measured_has_no_tables() {
        let mut results = example();
        results.cells.clear();
        results.crowds.clear();
        assert_eq!(rows(&text(&results)), Vec::<Vec<String>>::new());
    }
}
