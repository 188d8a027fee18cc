//! One HTML file: no scripts, nothing from the network, for screens light and dark and for paper.

use std::fmt::Write;

use super::ratios::{Ratio, beside_each_other, ratios};
use super::svg::{Curve, Range, curves, escape, ranges};
use super::{
    CROWD_HEADING, bandwidth, best, crowds_dropped, groups, heading, is_called, is_timed, maker, rate, remarks, size,
    sweeps, time,
};
use crate::cell::{Lane, SIZES};
use crate::probe::Domain;
use crate::registry::Kind;
use crate::results::{Cell, Outcome, Results};
use crate::stats::Spread;

const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn page(results: &Results) -> String {
    let mut body = head(results);
    body += &goals(results);
    for domain in results.domains() {
        let _ = write!(body, "<h2>Processors {}</h2>", domain.name());
        body += &by_size(results, domain);
        for group in groups(results) {
            body += &lane(&group, domain);
        }
    }
    body += &sweeps::html(results);
    body += &crowds(results);
    body += &left_out(results);
    body += &compared(results);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" \
         content=\"width=device-width\"/><title>ringpost compared</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
}

fn head(results: &Results) -> String {
    let machine = &results.machine;
    let legend: String = [Kind::Limit, Kind::Ringpost, Kind::Peer, Kind::System, Kind::InProcess]
        .map(|kind| format!(r#"<li class="{}"><span></span>{}</li>"#, class(kind), meaning(kind)))
        .concat();
    let remarks: String = remarks(results).iter().map(|remark| format!("<li>{}</li>", escape(remark))).collect();
    format!(
        "<header><h1>ringpost compared</h1><p>{}, {} processors (one for each side: {} and {}), Linux {}<br/>{}, ringpost {}, \
         {:.0} s<br/><code>{}</code></p></header><ul class=\"legend\">{legend}</ul><ul class=\"remarks\">{remarks}</ul>",
        escape(&machine.cpu),
        machine.cores,
        machine.pinned[0],
        machine.pinned[1],
        escape(&machine.kernel),
        escape(&results.date),
        env!("CARGO_PKG_VERSION"),
        results.took_s,
        escape(&results.command),
    )
}

pub(super) fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Limit => "limit",
        Kind::Ringpost => "ringpost",
        Kind::Peer => "peer",
        Kind::System => "system",
        Kind::InProcess | Kind::Swept | Kind::Broken => "inside",
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Limit => "limits: no queue at all",
        Kind::Ringpost => "ringpost",
        Kind::Peer => "other libraries between processes",
        Kind::System => "the system's own",
        Kind::InProcess | Kind::Swept | Kind::Broken => "between threads only, for reference",
    }
}

fn goals(results: &Results) -> String {
    let (ratios, domains) = (ratios(results), results.domains());
    let rows: String = beside_each_other(&ratios).iter().map(|row| goal(row, &domains)).collect();
    if rows.is_empty() {
        return rows;
    }
    let headings: String = domains.iter().map(|domain| format!("<th class=\"n\">{}</th>", domain.name())).collect();
    format!(
        "<section class=\"long\"><h2>Goals</h2><div class=\"wide\"><table class=\"goals\"><thead><tr><th>ratio</th><th>ends</th><th \
         class=\"n\">goal</th>{headings}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

/// One goal, with what was measured at each distance of the processors, and of whom.
fn goal(row: &[&Ratio], domains: &[Domain]) -> String {
    let name = |side: &Option<(String, f64)>| side.as_ref().map_or_else(String::new, |(name, _)| escape(name));
    let cell = |domain: &Domain| {
        let Some(ratio) = row.iter().find(|ratio| ratio.domain.is_none_or(|of| of == *domain)) else {
            return "<td></td>".to_owned();
        };
        let (class, mark) = match ratio.is_met() {
            Some(true) => ("met", "met"),
            Some(false) => ("missed", "missed"),
            None => ("unknown", "not measured"),
        };
        format!(
            "<td class=\"n\"><span class=\"{class}\">{} {mark}</span><br/><small>{} / {}</small></td>",
            ratio.measured_text(),
            name(&ratio.ringpost),
            name(&ratio.against),
        )
    };
    let cells: String = domains.iter().map(cell).collect();
    format!(
        r#"<tr><td>{}</td><td>{}</td><td class="n">{}</td>{cells}</tr>"#,
        escape(&row[0].what).replace(" B,", "\u{a0}B,"),
        row[0].ends,
        row[0].goal_text(),
    )
}

/// One lane at one size: where each stands, how its times are distributed, and all figures.
fn lane(group: &[&Outcome], domain: Domain) -> String {
    let cell = &group[0].cell;
    let mut measured: Vec<_> = group.iter().filter_map(|o| Some((&o.cell, o.domains.get(&domain)?))).collect();
    if measured.is_empty() {
        return String::new();
    }
    let sign = if is_timed(cell.lane) { 1.0 } else { -1.0 };
    measured
        .sort_by(|(_, a), (_, b)| (sign * super::score(cell.lane, a)).total_cmp(&(sign * super::score(cell.lane, b))));
    let range = |(cell, figures): &(&Cell, &crate::results::Figures)| {
        let (label, class) = (cell.transport.clone(), class(cell.kind));
        match figures.times.filter(|_| is_timed(cell.lane)) {
            Some(times) => {
                let [p50, p99, p999] = [times.p50, times.p99, times.p999].map(|spread| spread.median);
                Range { label, class, middle: p50, thick: (p50, p99), thin: (p50, p999) }
            }
            None => {
                let reach = (figures.rate.least, figures.rate.most);
                Range { label, class, middle: figures.rate.median, thick: reach, thin: reach }
            }
        }
    };
    let rows: Vec<_> = measured.iter().map(range).collect();
    let (format, caption): (super::svg::Format, _) = if is_timed(cell.lane) {
        (time, "dot: p50, thick: to p99, thin: to p99.9")
    } else {
        (rate, "dot: median of the repetitions, line: least to most")
    };
    let mut section = format!("<section><h3>{}</h3><figure>", escape(&heading(cell)));
    section += &ranges(&rows, format);
    let _ = write!(section, "<figcaption>{caption}</figcaption></figure>");
    section += &distribution(group, domain);
    section += &figures_table(&measured);
    section + "</section>"
}

/// Curves that can be told apart in one chart.
const CURVES: usize = 9;

/// The best of each maker, as curves over percentiles: ringpost, and the quickest of the others.
fn distribution(group: &[&Outcome], domain: Domain) -> String {
    let cell = &group[0].cell;
    if !is_timed(cell.lane) {
        return String::new();
    }
    let mut lines: Vec<Curve> = Vec::new();
    let (mut made, mut others) = (Vec::new(), 0);
    let mut sorted: Vec<_> = group.iter().filter_map(|o| Some((*o, o.domains.get(&domain)?))).collect();
    sorted.sort_by(|(_, a), (_, b)| super::score(cell.lane, a).total_cmp(&super::score(cell.lane, b)));
    for (outcome, figures) in sorted {
        let (maker, ours) = (maker(&outcome.cell), outcome.cell.kind == Kind::Ringpost);
        if made.contains(&maker) || figures.curve.is_empty() || !ours && others == CURVES {
            continue;
        }
        others += usize::from(!ours);
        let class = class(outcome.cell.kind);
        let dash = lines.iter().filter(|line| line.class == class).count();
        let nines = |percentile: f64| -(1.0 - percentile / 100.0).log10();
        let points = figures.curve.iter().map(|(p, ns)| (nines(*p), *ns as f64)).collect();
        lines.push(Curve { label: outcome.cell.transport.clone(), class, dash, points });
        made.push(maker);
    }
    let marks = [(0.0, "least"), (0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")];
    format!(
        "<figure>{}<figcaption>Times up to which so many of all messages arrived, all repetitions together; ringpost and the quickest of \
         the others, each in its best form</figcaption></figure>",
        curves(&lines, &marks, time)
    )
}

/// Messages a second over their size.
fn by_size(results: &Results, domain: Domain) -> String {
    let mut lines: Vec<Curve> = Vec::new();
    let mut names: Vec<(String, Kind)> = Vec::new();
    for outcome in results.cells.iter().filter(|outcome| outcome.cell.lane == Lane::One) {
        let name = (maker(&outcome.cell), outcome.cell.kind);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for (name, kind) in names {
        let points: Vec<_> = SIZES
            .iter()
            .enumerate()
            .filter_map(|(index, len)| {
                let wanted = |cell: &Cell| cell.kind == kind && is_called(cell, &name);
                let (_, figures) = best(results, (Lane::One, *len, None), domain, wanted)?;
                Some((index as f64, figures.rate.median * *len as f64))
            })
            .collect();
        if points.len() > 1 {
            lines.push(Curve { label: name, class: class(kind), dash: 0, points });
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    // Those that carry most at their best size, and ringpost.
    let most = |line: &Curve| line.points.iter().map(|point| point.1).fold(0.0, f64::max);
    lines.sort_by(|a, b| most(b).total_cmp(&most(a)));
    let mut others = 0;
    lines.retain(|line| {
        others += usize::from(line.class != class(Kind::Ringpost));
        line.class == class(Kind::Ringpost) || others <= CURVES
    });
    for index in 1..lines.len() {
        lines[index].dash = lines[..index].iter().filter(|line| line.class == lines[index].class).count();
    }
    let names = SIZES.map(size);
    let marks: Vec<_> = names.iter().enumerate().map(|(index, name)| (index as f64, &**name)).collect();
    format!(
        "<section><h3>Bytes a second by size of message, one by one</h3><figure>{}<figcaption>ringpost and those that carry most, each in its best \
         form; every byte written by one side and read by the other</figcaption></figure></section>",
        curves(&lines, &marks, bandwidth)
    )
}

fn figures_table(measured: &[(&Cell, &crate::results::Figures)]) -> String {
    let timed = is_timed(measured[0].0.lane);
    let head = if timed {
        "<th>p50</th><th>from</th><th>to</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th>"
    } else {
        "<th>messages</th><th>from</th><th>to</th><th>bytes</th>"
    };
    let mut rows = String::new();
    for (cell, figures) in measured {
        let values = match figures.times.filter(|_| timed) {
            Some(t) => {
                vec![t.p50.median, t.p50.least, t.p50.most, t.p90.median, t.p99.median, t.p999.median, t.max.median]
                    .into_iter()
                    .map(time)
                    .collect()
            }
            None => {
                let r = figures.rate;
                vec![rate(r.median), rate(r.least), rate(r.most), bandwidth(r.median * cell.len as f64)]
            }
        };
        let values: String = values.iter().map(|value| format!("<td class=\"n\">{value}</td>")).collect();
        let _ = write!(
            rows,
            "<tr class=\"{}\"><th><span></span>{}</th>{values}<td class=\"n\">{}</td></tr>",
            class(cell.kind),
            escape(&cell.transport),
            super::grouped(figures.messages)
        );
    }
    format!(
        "<details><summary>Figures</summary><div class=\"wide\"><table class=\"figures\"><thead><tr><th></th>{head}<th>counted</th></tr></thead><tbody>{rows}</tbody>\
         </table></div></details>"
    )
}

fn crowds(results: &Results) -> String {
    let mut rows = String::new();
    for (crowd, domain, figures) in super::crowds(results) {
        let percent = |share: Spread| format!("{:.0} %", share.median * 100.0);
        let kind =
            results.compared.iter().find(|compared| compared.name == crowd.transport).map_or(Kind::Peer, |c| c.kind);
        let _ = write!(
            rows,
            "<tr class=\"{}\"><th><span></span>{}</th><td class=\"n\">{} + {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            class(kind),
            escape(&crowd.transport),
            crowd.pairs,
            crowd.pairs,
            domain.name(),
            rate(figures.rate.median),
            percent(figures.slowest_sender),
            percent(figures.slowest_receiver)
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<section><h2>Crowds</h2><p>{CROWD_HEADING}. {}</p><div class=\"wide\"><table><thead><tr><th></th><th class=\"n\">processes</th><th class=\"n\">cores</th><th \
         class=\"n\">messages</th><th class=\"n\">slowest sender</th><th class=\"n\">slowest receiver</th></tr></thead><tbody>\
         {rows}</tbody></table></div></section>",
        crowds_dropped(results)
    )
}

fn left_out(results: &Results) -> String {
    let mut rows = String::new();
    for outcome in &results.cells {
        let (class, why) = match (&outcome.failed, &outcome.skipped) {
            (Some(error), _) => ("missed", error),
            (None, Some(reason)) => ("unknown", reason),
            (None, None) => continue,
        };
        let _ = write!(
            rows,
            "<tr><th>{}</th><td>{}</td><td class=\"{class}\">{}</td></tr>",
            escape(&outcome.cell.transport),
            escape(&heading(&outcome.cell)),
            escape(why)
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<section><h2>Left out, or failed</h2><details><summary>Why</summary><div class=\"wide\"><table><tbody>{rows}</tbody></table></div></details></section>"
    )
}

fn compared(results: &Results) -> String {
    let row = |compared: &crate::results::Compared| {
        format!(
            "<tr class=\"{}\"><th><span></span>{}</th><td>{}</td><td>{}</td></tr>",
            class(compared.kind),
            escape(&compared.name),
            escape(compared.version.as_deref().unwrap_or("")),
            escape(&compared.about)
        )
    };
    let rows: String = results.compared.iter().map(row).collect();
    format!(
        "<section><h2>What was compared</h2><div class=\"wide\"><table><tbody>{rows}</tbody></table></div></section>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    /// Every element that is opened is closed, in order; returns how many there are.
    fn well_formed(page: &str) -> usize {
        let (mut open, mut count) = (Vec::new(), 0);
        let body = page.split_once("</style>").unwrap().1;
        let mut rest = body;
        while let Some((text, after)) = rest.split_once('<') {
            assert!(!text.contains('>'), "a bracket that is not escaped: {text}");
            for (at, _) in text.match_indices('&') {
                assert!(["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|e| text[at..].starts_with(e)), "{text}");
            }
            let (tag, after) = after.split_once('>').unwrap();
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                let opened: Option<&str> = open.pop();
                if name == "head" || name == "html" {
                    continue;
                }
                assert_eq!(opened, Some(name));
            } else if !tag.ends_with('/') {
                let name = tag.split_whitespace().next().unwrap();
                assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
                open.push(name);
                count += 1;
            }
        }
        assert_eq!(open, Vec::<&str>::new());
        count
    }

    #[test]
    fn a_page_is_well_formed_and_alone() {
        let page = page(&example());
        assert!(well_formed(&page) > 100);
        assert!(page.matches("<svg").count() >= 7);
        assert!(page.contains("&lt;shaq&gt;&amp;") && !page.contains("<shaq>"));
        for foreign in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn nothing_measured_is_a_page_too() {
        let mut results = example();
        results.cells.clear();
        well_formed(&page(&results));
    }
}
