//! Words that have one place, or none.

use crate::scan::{Source, find_word};

/// Complains about `SeqCst` outside a fence.
pub fn total_order(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (line, code) in source.code() {
        let is_import = code.trim_start().starts_with("use ") || code.trim_start().starts_with("pub use ");
        let uses = find_word(code, "SeqCst").filter(|&at| !is_import && !is_fenced(&code[..at]));
        complaints.extend(uses.map(|_| format!("{}:{line}: `SeqCst` outside `fence(SeqCst)`", source.path)));
    }
    complaints
}

fn is_fenced(before: &str) -> bool {
    before.strip_suffix("Ordering::").unwrap_or(before).ends_with("fence(")
}

/// Complains about switches outside the modules that hide them: `target_os` belongs to `os`, `loom` to `sync` and to
/// the gates of modules.
pub fn switches(source: &Source) -> Vec<String> {
    let (path, file) = (&source.path, source.path.rsplit('/').next().unwrap_or_default());
    let may_ask_os = source.is_in("src/os/") || !(source.is_in("src/") || source.is_in("crates/"));
    let may_ask_loom = !source.is_in("src/") || path == "src/lib.rs" || file == "mod.rs";
    let mut complaints = Vec::new();
    for (line, code) in source.code() {
        if !may_ask_os && find_word(code, "target_os").next().is_some() {
            complaints.push(format!("{path}:{line}: `target_os` outside src/os/"));
        }
        if !may_ask_loom && asks_loom(code) {
            complaints.push(format!("{path}:{line}: `cfg(loom)` outside lib.rs and the mod.rs files"));
        }
    }
    complaints
}

/// Whether a switch on this line knows loom. One that keeps tests away from it does not count.
fn asks_loom(code: &str) -> bool {
    let has = |word| find_word(code, word).next().is_some();
    (has("cfg") || has("cfg_attr")) && has("loom") && !has("test")
}

/// Complains about a decided-not-to-be-unsafe directory whose `mod.rs` does not say so.
pub fn forbids_unsafe(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for dir in ["src/layout/", "src/ring/"] {
        let root = format!("{dir}mod.rs");
        let says_so = |source: &Source| source.code().any(|(_, code)| code.trim() == "#![forbid(unsafe_code)]");
        let exists = sources.iter().any(|source| source.is_in(dir));
        if exists && !sources.iter().any(|source| source.path == root && says_so(source)) {
            complaints.push(format!("{root}: needs `#![forbid(unsafe_code)]`"));
        }
    }
    complaints
}

/// Complains about what is left over from writing.
pub fn unfinished(source: &Source) -> Vec<String> {
    if !source.is_in("src/") && !source.is_in("crates/") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (line, code) in source.code() {
        for word in ["todo!", "unimplemented!", "dbg!"] {
            if find_word(code, word).any(|at| code[at + word.len()..].starts_with(['(', '[', '{'])) {
                complaints.push(format!("{}:{line}: `{word}`", source.path));
            }
        }
    }
    complaints
}

/// Complains about absolute paths into somebody's folders, wherever they stand in the text.
pub fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for folder in [concat!("/wo", "rk/"), concat!("/ho", "me/")] {
            let is_absolute = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
            if line.match_indices(folder).any(|(at, _)| is_absolute(at)) {
                complaints.push(format!("{path}:{}: `{folder}` is a folder of one machine", index + 1));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    #[test]
    fn an_access_in_total_order_is_found() {
        for bad in ["x.load(Ordering::SeqCst)", "x.store(1, SeqCst)", "fence(Acquire); SeqCst"] {
            assert_eq!(total_order(&at("src/a.rs", bad)), ["src/a.rs:1: `SeqCst` outside `fence(SeqCst)`"], "{bad}");
        }
        for good in
            ["fence(SeqCst)", "compiler_fence(Ordering::SeqCst)", "use Ordering::SeqCst;", "// SeqCst", "\"SeqCst\""]
        {
            assert!(total_order(&at("src/a.rs", good)).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_switch_in_the_wrong_place_is_found() {
        let os = "#[cfg(all(unix, target_os = \"linux\"))]";
        assert_eq!(switches(&at("src/queue/a.rs", os)), ["src/queue/a.rs:1: `target_os` outside src/os/"]);
        assert!(switches(&at("src/os/a.rs", os)).is_empty() && switches(&at("tests/a.rs", os)).is_empty());
        for bad in ["#[cfg(loom)]", "#[cfg(not(loom))]", "if cfg!(loom) {", "#[cfg_attr(loom, allow(x))]"] {
            assert_eq!(switches(&at("src/ring/a.rs", bad)).len(), 1, "{bad}");
            for path in ["src/sync/mod.rs", "src/lib.rs", "src/ring/mod.rs", "loom-tests/lib.rs"] {
                assert!(switches(&at(path, bad)).is_empty(), "{path}: {bad}");
            }
        }
        assert!(switches(&at("src/ring/a.rs", "#[cfg(all(test, not(loom)))]\n// cfg(loom)\nlet loom = 1;")).is_empty());
    }

    #[test]
    fn unsafe_code_that_is_not_forbidden_is_found() {
        let good = at("src/ring/mod.rs", "#![forbid(unsafe_code)]");
        let bad = at("src/ring/mod.rs", "// #![forbid(unsafe_code)]");
        let error = ["src/ring/mod.rs: needs `#![forbid(unsafe_code)]`"];
        assert!(forbids_unsafe(&[]).is_empty() && forbids_unsafe(&[good]).is_empty());
        assert_eq!(forbids_unsafe(&[bad]), error);
        assert_eq!(forbids_unsafe(&[at("src/ring/a.rs", "")]), error);
    }

    #[test]
    fn what_is_unfinished_is_found() {
        for bad in ["todo!()", "x => unimplemented!(\"x\"),", "dbg!(x);", "dbg![x]"] {
            assert_eq!(unfinished(&at("src/a.rs", bad)).len(), 1, "{bad}");
            assert_eq!(unfinished(&at("crates/a/src/main.rs", bad)).len(), 1, "{bad}");
            assert!(unfinished(&at("tests/a.rs", bad)).is_empty(), "{bad}");
        }
        assert!(unfinished(&at("src/a.rs", "// todo!()\nf(\"dbg!(x)\"); my_dbg!(x);")).is_empty());
    }

    #[test]
    fn a_machine_path_is_found() {
        let folder = concat!("/wo", "rk/");
        let bad = format!("fine\nopen(\"{folder}x\")");
        let error = format!("a.md:2: `{folder}` is a folder of one machine");
        assert_eq!(machine_paths("a.md", &bad), [error]);
        assert!(machine_paths("a.md", &format!("docs{folder}x and $OUT{folder}x and /dev/shm/x")).is_empty());
    }
}
