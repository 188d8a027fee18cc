//! `ringpost rm`.

use ringpost::{RemoveError, StaleRules, Swept};
use serde_json::{Value, json};

use crate::args::{Rm, accept};
use crate::exit::Failure;
use crate::format::{print_columns, print_json};

/// Removes queues: all that can be, before the first failure is reported.
pub fn run(args: &Rm) -> Result<(), Failure> {
    if args.stale {
        return stale(args);
    }
    let accept = accept(&args.accept_owner);
    let mut result = Ok(());
    for name in &args.names {
        result = result.and(ringpost::remove_with(name, &accept));
    }
    Ok(result?)
}

/// Removes what nobody uses any more, and tells of all that it has looked at.
fn stale(args: &Rm) -> Result<(), Failure> {
    let mut rules = StaleRules::default().older_than(args.older_than).accept(accept(&args.accept_owner));
    rules = args.names.iter().fold(rules, |rules, name| rules.only(name));
    if args.with_messages {
        rules = rules.with_messages();
    }
    if args.dry_run {
        rules = rules.dry_run();
    }
    let all = ringpost::remove_stale(&rules).map_err(ringpost::OpenError::Os)?;
    report(&all, args)?;
    // What has gone meanwhile is not there, either.
    let missing = args.names.iter().find(|name| all.iter().all(|swept| swept.name != **name));
    missing.map_or(Ok(()), |name| Err(RemoveError::NotFound { name: name.clone() }.into()))
}

fn report(all: &[Swept], args: &Rm) -> Result<(), Failure> {
    if args.json {
        return print_json(&all.iter().map(|swept| entry(swept, args.dry_run)).collect());
    }
    let row = |swept: &Swept| {
        vec![swept.name.clone(), done(swept.removed, args.dry_run).to_owned(), swept.reason.to_string()]
    };
    print_columns(&["NAME", "DONE", "WHY"], &all.iter().map(row).collect::<Vec<_>>())
}

fn entry(swept: &Swept, dry_run: bool) -> Value {
    json!({
        "name": swept.name,
        "kind": if swept.temporary { "temporary" } else { "queue" },
        "done": done(swept.removed, dry_run),
        "why": swept.reason.to_string(),
    })
}

fn done(removed: bool, dry_run: bool) -> &'static str {
    match (removed, dry_run) {
        (false, _) => "left",
        (true, false) => "removed",
        (true, true) => "would remove",
    }
}
