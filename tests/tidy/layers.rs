//! Imports point down only.

use crate::scan::{Source, find_word, is_word};

/// Each module of the library, from low to high, and what it may import. `lib.rs` may import everything.
const LAYERS: [(&str, &[&str]); 12] = [
    ("sync", &[]),
    ("error", &["sync"]),
    ("layout", &["sync", "error"]),
    ("os", &["sync", "error"]),
    ("ring", &["sync", "error", "layout"]),
    ("wait", &["sync", "error", "layout", "os"]),
    ("segment", &["sync", "error", "layout", "os"]),
    ("participant", &["sync", "error", "layout", "os", "ring", "wait", "segment"]),
    ("payload", &["sync", "error", "layout", "os", "ring", "wait", "segment"]),
    ("inspect", &["sync", "error", "layout", "os", "ring", "wait", "segment", "participant", "payload"]),
    ("queue", &["sync", "error", "layout", "os", "ring", "wait", "segment", "participant", "payload", "inspect"]),
    ("topic", &["sync", "error", "layout", "os", "ring", "wait", "segment", "participant", "payload", "inspect"]),
];

/// Complains about what a module of the library imports from beside or above itself.
pub fn imports(source: &Source) -> Vec<String> {
    let Some(path) = source.path.strip_prefix("src/").filter(|path| *path != "lib.rs") else { return Vec::new() };
    let module = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: module `{module}` has no layer; give it one in tests/tidy/layers.rs", source.path)];
    };
    let code = source.code().map(|(_, code)| code).collect::<Vec<_>>().join("\n");
    let mut complaints = Vec::new();
    for (at, name) in from_the_root(&code).into_iter().chain(from_above(&code, depth(path))) {
        if name != module && !allowed.contains(&name) {
            let line = code[..at].matches('\n').count() + 1;
            let why = if is_layer(name) { "is not below it" } else { "is no module: import it from where it lives" };
            complaints.push(format!("{}:{line}: `{module}` imports `{name}`, which {why}", source.path));
        }
    }
    complaints
}

fn is_layer(name: &str) -> bool {
    LAYERS.iter().any(|(layer, _)| *layer == name)
}

/// How many `super` lead from the file to the root of the crate.
fn depth(path: &str) -> usize {
    path.trim_end_matches("/mod.rs").split('/').count()
}

/// Each `crate::X` and each X of `crate::{X, ..}`, and where it stands.
fn from_the_root(code: &str) -> Vec<(usize, &str)> {
    let roots = find_word(code, "crate").filter_map(|at| Some((at, path_after(&code[at + "crate".len()..])?)));
    roots.flat_map(|(at, rest)| names(rest).into_iter().map(move |name| (at, name))).collect()
}

/// Each layer that is reached by `super::super::X` instead. (A module within the file needs one `super` more, so a
/// name that is not a layer is a neighbour.)
fn from_above(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for at in find_word(code, "super") {
        let (mut rest, mut supers) = (&code[at..], 0);
        while let Some(after) = rest.strip_prefix("super").and_then(path_after) {
            rest = after;
            supers += 1;
        }
        if supers >= depth {
            found.extend(names(rest).into_iter().filter(|name| is_layer(name)).map(|name| (at, name)));
        }
    }
    found
}

fn path_after(code: &str) -> Option<&str> {
    Some(code.trim_start().strip_prefix("::")?.trim_start())
}

/// The name that `code` begins with, or the first name of each path in the braces that it begins with.
fn names(code: &str) -> Vec<&str> {
    let Some(inner) = code.strip_prefix('{') else { return vec![first_name(code)] };
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                found.push(first_name(inner[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_name(code: &str) -> &str {
    let end = code.find(|c| !is_word(c)).unwrap_or(code.len());
    if code.starts_with('*') { "*" } else { &code[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        imports(&Source::new(path, text))
    }

    #[test]
    fn the_table_is_in_order() {
        for (at, (name, allowed)) in LAYERS.iter().enumerate() {
            for low in *allowed {
                assert!(LAYERS[..at].iter().any(|(below, _)| below == low), "`{name}` may import `{low}`");
            }
        }
    }

    #[test]
    fn imports_from_below_are_fine() {
        assert!(found("src/ring/mod.rs", "use crate::{error::{Fault, Role}, layout::word::Word};").is_empty());
        assert!(found("src/queue/sender.rs", "use crate::queue::Loan;\nlet x = crate::ring::size();").is_empty());
        assert!(found("src/wait/futex.rs", "use crate::os::futex;\npub(crate) fn f() {}\nuse super::Park;").is_empty());
        assert!(found("src/lib.rs", "use crate::queue::Queue;").is_empty());
        assert!(found("tests/queue.rs", "use crate::anything;").is_empty());
        assert!(found("src/ring/mod.rs", "/// [`crate::queue`]\n// crate::queue\nf(\"crate::queue\");").is_empty());
    }

    #[test]
    fn imports_from_above_are_found() {
        let error = found("src/ring/mod.rs", "\nuse crate::queue::Sender;");
        assert_eq!(error, ["src/ring/mod.rs:2: `ring` imports `queue`, which is not below it"]);
        assert_eq!(found("src/sync/mod.rs", "use crate::error::Fault;").len(), 1);
        assert_eq!(found("src/layout/word.rs", "let x = crate::os::page();").len(), 1);
        assert_eq!(found("src/os/shm.rs", "use crate::{\n    error::OsError,\n    layout::Header,\n};").len(), 1);
        assert_eq!(found("src/error/mod.rs", "pub(in crate::queue) fn f() {}").len(), 1);
    }

    #[test]
    fn neighbours_are_found() {
        for (path, other) in [("src/ring/a.rs", "wait"), ("src/wait/a.rs", "segment"), ("src/segment/a.rs", "ring")] {
            assert_eq!(found(path, &format!("use crate::{other}::X;")).len(), 1, "{path}");
        }
        assert_eq!(found("src/ring/a.rs", "use crate::os::futex;").len(), 1);
        assert_eq!(found("src/inspect/mod.rs", "use crate::queue::Queue;").len(), 1);
    }

    #[test]
    fn a_way_round_over_the_root_is_found() {
        assert_eq!(found("src/ring/a.rs", "use super::super::queue::Queue;").len(), 1);
        assert_eq!(found("src/ring/mod.rs", "use super::queue::Queue;").len(), 1);
        assert!(found("src/queue/a.rs", "use super::topic::Name;").is_empty());
        let error = found("src/ring/a.rs", "use crate::Queue;");
        assert_eq!(
            error,
            ["src/ring/a.rs:1: `ring` imports `Queue`, which is no module: import it from where it lives"]
        );
        assert_eq!(found("src/ring/a.rs", "use crate::*;").len(), 1);
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        assert_eq!(found("src/misc/mod.rs", "").len(), 1);
        assert_eq!(found("src/misc.rs", "").len(), 1);
    }
}
