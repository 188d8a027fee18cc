//! `ringpost create`.

use ringpost::{CreateError, Options, Queue};

use crate::args::{Create, Shape};
use crate::exit::Failure;

/// Makes a queue.
pub fn run(args: &Create) -> Result<(), Failure> {
    // All pages are cleared now, so that the first lap of the senders does not wait for that.
    let options = options(&args.shape).mode(args.mode).huge_pages(args.huge_pages).prefault(true);
    match Queue::create(&args.name, options.clone()) {
        Err(CreateError::AlreadyExists { .. }) if args.exist_ok => Queue::open_or_create(&args.name, options)?,
        other => other?,
    };
    Ok(())
}

/// The library's options for that shape.
pub fn options(shape: &Shape) -> Options {
    let options = Options::new(shape.capacity).max_deliveries(shape.max_deliveries);
    let options = match &shape.dead_letter {
        Some(name) => options.dead_letter(name),
        None => options,
    };
    options
        .max_len(shape.max_len)
        .senders(shape.senders.into())
        .receivers(shape.receivers.into())
        .when_full(shape.when_full)
        .endpoints(shape.endpoints)
        .align(shape.align)
        .packed(shape.packed)
}
