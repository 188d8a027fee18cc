//! Shows that the models can fail: weakens one ordering or one step of the protocol at a time, in a copy of the sources, and
//! runs the models on it, one program after another, until one fails or does not end. Then the mutant is killed, as each must be.
//!
//! `cargo run --release -p ringpost-loom --bin mutants [PART OF A NAME]...`
//!
//! `--check` instead of names: only whether each mutant still finds the one place that it changes.
//!
//! `LOOM_MAX_PREEMPTIONS` is the preemption bound, 2 unless set. A mutant that survives is an error, unless the list says
//! why that is right.

mod at_once;
mod held;
mod list;
mod models;
mod packed;
mod rows;
mod runs;
mod waiting;
mod windows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs, io};

use list::Mutant;
use models::{Models, Verdict};

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    match run(&wanted) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("{failures} mutants survived without a reason");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: &[String]) -> io::Result<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("loom-tests lies in the project").to_owned();
    let copy = root.join("target/mutants/tree");
    let mut failures = 0;
    let mut killed = 0;
    let is_wanted = |mutant: &Mutant| wanted.is_empty() || wanted.iter().any(|part| mutant.name.contains(part));
    check_all(&root)?;
    if wanted.iter().any(|part| part == "--check") {
        println!("{} mutants, each with one place in the sources", list::all().count());
        return Ok(0);
    }
    lay_out(&root, &copy)?;
    let mut models = Models::find(&copy)?;
    models.check()?;
    for mutant in list::all().filter(|mutant| is_wanted(mutant)) {
        let started = Instant::now();
        let original = mutate(&copy, mutant)?;
        let verdict = models.try_mutant(mutant.file);
        fs::write(copy.join(mutant.file), original)?;
        let seconds = started.elapsed().as_secs();
        let verdict = verdict.map_err(|error| io::Error::other(format!("{}: {error}", mutant.name)))?;
        match (verdict, mutant.survives) {
            (Verdict::Killed(how), None) => {
                killed += 1;
                println!("killed    {:<52} {how}, {seconds} s", mutant.name);
            }
            (Verdict::Survived, Some(why)) => println!("explained {:<52} {why}", mutant.name),
            (Verdict::Survived, None) => {
                failures += 1;
                println!("SURVIVED  {:<52} {seconds} s", mutant.name);
            }
            (Verdict::Killed(how), Some(_)) => {
                failures += 1;
                println!("KILLED    {:<52} {how}: the list says that it survives", mutant.name);
            }
        }
    }
    println!("{killed} killed, {failures} wrong");
    Ok(failures)
}

/// Whether every mutant still finds the one place that it changes.
fn check_all(root: &Path) -> io::Result<()> {
    let stale: Vec<String> =
        list::all().filter_map(|mutant| source(root, mutant).err()).map(|e| e.to_string()).collect();
    if stale.is_empty() { Ok(()) } else { Err(io::Error::other(stale.join("\n"))) }
}

/// The file that a mutant changes in one place.
fn source(root: &Path, mutant: &Mutant) -> io::Result<String> {
    let original = fs::read_to_string(root.join(mutant.file))?;
    let places = original.matches(mutant.from).count();
    if places != 1 {
        let name = mutant.name;
        return Err(io::Error::other(format!("{name}: {places} places in {}, one was expected", mutant.file)));
    }
    Ok(original)
}

/// Copies what the models are built from.
fn lay_out(root: &Path, copy: &Path) -> io::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    for folder in ["src", "loom-tests"] {
        copy_folder(&root.join(folder), &copy.join(folder))?;
    }
    fs::copy(root.join("README.md"), copy.join("README.md"))
        .or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(e) })?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    fs::write(copy.join("Cargo.toml"), trimmed(&manifest))?;
    fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock")).map(drop)
}

/// The manifest without the members, targets and test dependencies that the models do not need.
fn trimmed(manifest: &str) -> String {
    let mut out = String::new();
    let mut keep = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keep = !["[dev-dependencies]", "[[bench]]", "[[example]]", "[[test]]"].contains(&line);
        }
        if keep && line.starts_with("members") {
            out.push_str("members = [\"loom-tests\"]\n");
        } else if keep {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Applies a mutant and returns what the file was.
fn mutate(copy: &Path, mutant: &Mutant) -> io::Result<String> {
    let original = source(copy, mutant)?;
    fs::write(copy.join(mutant.file), original.replacen(mutant.from, mutant.to, 1))?;
    Ok(original)
}
