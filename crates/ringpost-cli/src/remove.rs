//! `ringpost rm`.

use ringpost::Accept;

use crate::args::Rm;
use crate::exit::Failure;

/// Removes queues: all that can be, before the first failure is reported.
pub fn run(args: &Rm) -> Result<(), Failure> {
    let accept = args.accept_owner.iter().fold(Accept::default(), |accept, uid| accept.owner(*uid));
    let mut result = Ok(());
    for name in &args.names {
        result = result.and(ringpost::remove_with(name, &accept));
    }
    Ok(result?)
}
