//! Every ordering names its pair: `// Release: commit, pairs with take`, and somewhere `// Acquire: take, pairs with
//! commit`. The names are lowercase words; several partners are joined by "and".

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::{Line, Source, find_word};

const KINDS: [&str; 3] = ["Acquire", "Release", "AcqRel"];
/// How far above an ordering its tag may begin.
const LINES_ABOVE: usize = 6;

/// One end of a pair, as a comment names it.
struct Tag {
    kind: &'static str,
    name: String,
    others: Vec<String>,
}

/// Complains about orderings without a tag of their kind on the same line or above their statement.
pub fn untagged(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.is_in("src/") {
        return complaints;
    }
    let bare = imports_orderings(source);
    for at in 0..source.lines.len() {
        let used = orderings(&source.lines[at].code, bare);
        let statement = &source.lines[statement_start(&source.lines, at)..=at];
        let tags: BTreeSet<_> = tags(&comment_of(statement)).0.into_iter().map(|tag| tag.kind).collect();
        let is_both = statement.iter().any(|line| orderings(&line.code, bare).contains("AcqRel"));
        for kind in used.into_iter().filter(|kind| !is_covered(kind, &tags, is_both)) {
            complaints.push(format!(
                "{}:{}: `{kind}` without `// {kind}: NAME, pairs with OTHER`",
                source.path,
                at + 1
            ));
        }
    }
    complaints
}

/// A statement with AcqRel in it is covered by that tag, or by one for each half.
fn is_covered(kind: &str, tags: &BTreeSet<&str>, is_both: bool) -> bool {
    let halves = tags.contains("Acquire") && tags.contains("Release");
    tags.contains(kind) || is_both && (tags.contains("AcqRel") || halves)
}

/// Whether the file uses the orderings without `Ordering::`.
fn imports_orderings(source: &Source) -> bool {
    source.code().any(|(_, code)| {
        let is_import = is_import(code) && code.contains("Ordering::");
        is_import && (code.contains('*') || KINDS.iter().any(|kind| find_word(code, kind).next().is_some()))
    })
}

fn is_import(code: &str) -> bool {
    code.trim_start().starts_with("use ") || code.trim_start().starts_with("pub use ")
}

/// The kinds of ordering that a line of code uses.
fn orderings(code: &str, bare: bool) -> BTreeSet<&'static str> {
    let is_used = |kind: &&str| find_word(code, kind).any(|at| bare || code[..at].ends_with("Ordering::"));
    KINDS.into_iter().filter(|kind| !is_import(code) && is_used(kind)).collect()
}

/// The first line of the statement that line `at` belongs to, with the comment above it.
fn statement_start(lines: &[Line], at: usize) -> usize {
    let mut start = at;
    while start > 0 && at - start < LINES_ABOVE && is_part_of_next(&lines[start - 1]) {
        start -= 1;
    }
    start
}

fn is_part_of_next(line: &Line) -> bool {
    let code = line.code.trim_end();
    line.is_comment() || !code.is_empty() && !code.ends_with([';', '{', '}']) && !code.ends_with("},")
}

fn comment_of(lines: &[Line]) -> String {
    lines.iter().map(|line| line.comment.as_str()).collect::<Vec<_>>().join(" ")
}

/// The tags in a comment, and the beginnings of what looks like a tag and is none.
fn tags(comment: &str) -> (Vec<Tag>, Vec<String>) {
    let (mut tags, mut broken) = (Vec::new(), Vec::new());
    for kind in KINDS {
        for at in find_word(comment, kind) {
            let Some(text) = comment[at + kind.len()..].strip_prefix(": ") else { continue };
            match tag(kind, text) {
                Some(tag) => tags.push(tag),
                None => broken.push(comment[at..].chars().take(60).collect()),
            }
        }
    }
    (tags, broken)
}

fn tag(kind: &'static str, text: &str) -> Option<Tag> {
    let (name, rest) = words(text);
    let (others, _) = words(rest.strip_prefix(", pairs with ")?);
    let others: Vec<_> = others.split(" and ").map(|other| other.trim().to_string()).collect();
    let is_whole = !name.is_empty() && others.iter().all(|other| !other.is_empty());
    is_whole.then(|| Tag { kind, name: name.to_string(), others })
}

/// The lowercase words that `text` begins with, and the rest.
fn words(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c == ' ' || c == '-')).unwrap_or(text.len());
    (text[..end].trim(), &text[end..])
}

/// Complains about tags of which the other end is missing or does not name them, and about broken ones.
pub fn unpaired(sources: &[Source]) -> Vec<String> {
    let (mut found, mut complaints) = (Vec::new(), Vec::new());
    for source in sources.iter().filter(|source| source.is_in("src/")) {
        for (line, comment) in comments(source) {
            let (tags, broken) = tags(&comment);
            let place = format!("{}:{line}", source.path);
            complaints.extend(broken.iter().map(|text| format!("{place}: not a whole tag: `{text}`")));
            found.extend(tags.into_iter().map(|tag| (place.clone(), tag)));
        }
    }
    let ends = ends(&found);
    for (place, tag) in &found {
        for other in tag.others.iter().filter(|other| !is_answered(tag, other, &ends)) {
            let Tag { kind, name, .. } = tag;
            complaints.push(format!("{place}: `{kind}: {name}` pairs with `{other}`, which does not name it back"));
        }
    }
    complaints
}

/// Whom each end, by kind and name, says it pairs with.
type Ends<'a> = BTreeMap<(&'static str, &'a str), BTreeSet<&'a str>>;

fn ends(found: &[(String, Tag)]) -> Ends<'_> {
    let mut ends = Ends::new();
    for (_, tag) in found {
        ends.entry((tag.kind, &tag.name)).or_default().extend(tag.others.iter().map(String::as_str));
    }
    ends
}

/// Whether there is an end named `other`, of a kind that can pair with `tag`, that names it back.
fn is_answered(tag: &Tag, other: &str, ends: &Ends<'_>) -> bool {
    let can_pair = |kind: &&str| *kind == "AcqRel" || **kind != *tag.kind;
    let names_back = |kind| ends.get(&(kind, other)).is_some_and(|others| others.contains(tag.name.as_str()));
    KINDS.into_iter().filter(can_pair).any(names_back)
}

/// The comments of a file, each with the line it begins on; comment lines that follow each other are one.
fn comments(source: &Source) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in source.lines.iter().enumerate() {
        match found.last_mut() {
            Some((_, text)) if goes_on && line.is_comment() => *text = format!("{text} {}", line.comment),
            _ if !line.comment.is_empty() => found.push((index + 1, line.comment.clone())),
            _ => {}
        }
        goes_on = line.is_comment();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untagged_lines(text: &str) -> usize {
        untagged(&Source::new("src/a.rs", text)).len()
    }

    fn unpaired_in(text: &str) -> Vec<String> {
        unpaired(&[Source::new("src/a.rs", text)])
    }

    #[test]
    fn an_ordering_without_a_tag_is_found() {
        let error = untagged(&Source::new("src/a.rs", "fn f() {\n    x.load(Ordering::Acquire);\n}\n"));
        assert_eq!(error, ["src/a.rs:2: `Acquire` without `// Acquire: NAME, pairs with OTHER`"]);
        for bad in [
            "// Release: a, pairs with b.\nx.load(Ordering::Acquire);",
            "// Release: a, pairs with b.\nx.store(1, Ordering::Release);\ny.store(1, Ordering::Release);",
            "// Release: a, pairs with b.\n\nx.store(1, Ordering::Release);",
            "// Release: a, pairs with b.\nf() {\nx.store(1, Ordering::Release);",
            "/// Release: a, pairs with b.\nx.store(1, Ordering::Release);",
            "// Release because of b.\nx.store(1, Ordering::Release);",
            "// Acquire: a, pairs with b.\nx.swap(1, Ordering::AcqRel);",
            "// AcqRel: a, pairs with b.\nx.store(1, Ordering::Release);",
            "use Ordering::*;\nx.store(1, Release);",
            "use core::sync::atomic::Ordering::{Acquire, Relaxed};\nx.load(Acquire);",
            "// Release: a, pairs with b.\nf(\n1,\n2,\n3,\n4,\n5,\n6,\nOrdering::Release);",
        ] {
            assert_eq!(untagged_lines(bad), 1, "{bad}");
        }
    }

    #[test]
    fn an_ordering_with_a_tag_is_fine() {
        for good in [
            "x.load(Ordering::Acquire); // Acquire: a, pairs with b.",
            "// Acquire: a, pairs with b.\nx.load(Ordering::Acquire);",
            "// Acquire: a, pairs with b. And it is long,\n// so long,\n// three lines.\nx.load(Ordering::Acquire);",
            "// Acquire: a, pairs with b.\nlet x =\n    f(x)\n    .load(Ordering::Acquire);",
            "// Acquire: a, pairs with b. Release: c, pairs with d.\nx.swap(1, Ordering::AcqRel);",
            "// AcqRel: a, pairs with b.\nx.cas(1, 2, Ordering::AcqRel, Ordering::Acquire);",
            "use core::sync::atomic::Ordering::{Acquire, Relaxed};\n// Acquire: a, pairs with b.\nx.load(Acquire);",
            "x.load(Ordering::Relaxed); enum Loan { Release }; // Ordering::Release",
        ] {
            assert_eq!(untagged_lines(good), 0, "{good}");
        }
        assert!(untagged(&Source::new("tests/a.rs", "x.load(Ordering::Acquire);")).is_empty());
    }

    #[test]
    fn a_pair_with_one_end_is_found() {
        let error = ["src/a.rs:2: `Release: commit` pairs with `take`, which does not name it back"];
        assert_eq!(unpaired_in("\n// Release: commit, pairs with take."), error);
        for bad in [
            "// Acquire: take, pairs with commit.",
            "// AcqRel: skip, pairs with abort.",
            "// Release: a, pairs with b.\nx;\n// Acquire: b, pairs with c.\nx;\n// Release: c, pairs with b.",
            "// Release: a, pairs with b and c.\nx;\n// Acquire: b, pairs with a.",
            "// Acquire: b, pairs with a.\nx;\n// Release: a, pairs with b and c.",
        ] {
            assert_eq!(unpaired_in(bad).len(), 1, "{bad}");
        }
        assert_eq!(unpaired_in("// Release: a, pairs with b.\nx;\n// Release: b, pairs with a.").len(), 2);
    }

    #[test]
    fn a_pair_with_both_ends_is_fine() {
        for good in [
            "// Release: give back, pairs with take-over: why.\nx;\n// Acquire: take-over, pairs with give back (so).",
            "// Release: a, pairs with\n// b and c. Why.\nx;\n// Acquire: b, pairs with a; d.\nx;\n// Acquire: c, pairs with a",
            "// AcqRel: join, pairs with leave and join.\nx;\n// Release: leave, pairs with join.",
            "// Release: a, pairs with b. Release: c, pairs with d.\nx; // Acquire: b, pairs with a.\ny; // Acquire: d, pairs with c.",
            "// Release: a, pairs with b.\nx; // Acquire: b, pairs with a.\ny; // Acquire: b, pairs with e.\nz; // Release: e, pairs with b.",
            "/// Release: a, pairs with b.\n// Acquire comes first.\nf(\"// Release: a, pairs with b\");",
        ] {
            assert!(unpaired_in(good).is_empty(), "{good}: {:?}", unpaired_in(good));
        }
    }

    #[test]
    fn both_ends_may_be_in_different_files() {
        let one = Source::new("src/a.rs", "// Release: a, pairs with b.");
        let other = Source::new("src/b.rs", "// Acquire: b, pairs with a.");
        assert!(unpaired(&[one, other]).is_empty());
    }

    #[test]
    fn a_broken_tag_is_found() {
        for bad in ["Release: a", "Acquire: Take, pairs with b", "AcqRel: a, pairs with", "Release: a pairs with b"] {
            let error = unpaired_in(&format!("// {bad}"));
            assert_eq!(error, [format!("src/a.rs:1: not a whole tag: `{bad}`")]);
        }
    }
}
