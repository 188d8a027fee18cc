//! The house rules, as an ordinary test. `CONTRIBUTING.md` lists them.
//!
//! Each rule is a small function from text to complaints, with tests of its own that show that it can fail. This
//! file finds the sources and applies the rules to them.

mod layers;
mod pairs;
mod scan;
mod size;
mod words;

use std::fs;
use std::path::Path;

use scan::Source;

/// All text files of the repository whose name ends in one of `endings`, sorted, with paths from the root.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(root, "", endings, &mut found);
    found.sort();
    found
}

fn walk(dir: &Path, prefix: &str, endings: &[&str], found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let entry = entry.expect("a directory entry");
        let kind = entry.file_type().expect("the type of a directory entry");
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = format!("{prefix}{name}");
        if kind.is_dir() && !is_foreign(&entry.path(), &name) {
            walk(&entry.path(), &format!("{path}/"), endings, found);
        } else if kind.is_file() && endings.iter().any(|ending| path.ends_with(ending)) {
            let text = fs::read_to_string(entry.path()).unwrap_or_else(|error| panic!("{path}: {error}"));
            found.push((path, text));
        }
    }
}

/// Build outputs, which Cargo marks with a tag, and what other tools keep for themselves.
fn is_foreign(dir: &Path, name: &str) -> bool {
    let hidden = name.starts_with('.') && name != ".ci";
    hidden || name.starts_with("target") || dir.join("CACHEDIR.TAG").exists()
}

fn sources() -> Vec<Source> {
    files(&[".rs"]).into_iter().map(|(path, text)| Source::new(&path, &text)).collect()
}

fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn check(rule: impl Fn(&Source) -> Vec<String>) {
    assert_none(sources().iter().flat_map(rule).collect());
}

#[test]
fn the_sources_are_found() {
    let sources = sources();
    for path in ["src/lib.rs", "src/layout/word.rs", "tests/tidy/main.rs"] {
        assert!(sources.iter().any(|source| source.path == path), "{path} was not looked at");
    }
    assert!(sources.iter().all(|source| !source.path.starts_with("target")));
}

#[test]
fn files_are_short() {
    check(size::file);
}

#[test]
fn functions_are_short() {
    check(size::functions);
}

#[test]
fn imports_point_down() {
    check(layers::imports);
}

#[test]
fn total_order_comes_from_fences() {
    check(words::total_order);
}

#[test]
fn each_switch_has_its_place() {
    check(words::switches);
}

#[test]
fn the_ring_and_the_layout_forbid_unsafe_code() {
    assert_none(words::forbids_unsafe(&sources()));
}

#[test]
fn nothing_is_unfinished() {
    check(words::unfinished);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let files = files(&[".rs", ".toml", ".md", ".sh", ".yml", ".yaml", ".json", ".c", ".h", ".py", ".ci/run"]);
    assert_none(files.iter().flat_map(|(path, text)| words::machine_paths(path, text)).collect());
}

#[test]
fn each_ordering_names_its_pair() {
    check(pairs::untagged);
}

#[test]
fn each_pair_has_both_ends() {
    assert_none(pairs::unpaired(&sources()));
}
