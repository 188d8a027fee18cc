//! Segments as the system really keeps them. Each test has names of its own and cleans up even when it fails.

mod bad_files;
mod lifecycle;
mod processes;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;
use crate::layout::geometry::{Ends, Request, WhenFull};

/// A name that nobody else uses; whatever has it at the end is deleted.
struct Unique(Name);

impl Unique {
    fn new(label: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        Self(Name::new(&format!("test-{}-{number}-{label}", std::process::id())).unwrap())
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm{}", shm::object_id(self.0.as_str())))
    }

    fn exists(&self) -> bool {
        std::fs::symlink_metadata(self.path()).is_ok()
    }
}

impl Drop for Unique {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path()).or_else(|_| std::fs::remove_dir(self.path()));
    }
}

fn request() -> Request {
    Request {
        capacity: 64,
        max_len: 48,
        align: 8,
        fixed_len: false,
        packed: false,
        senders: Ends::Single,
        receivers: Ends::Multi,
        when_full: WhenFull::Block,
        endpoints: 4,
    }
}

fn spec() -> Spec {
    Spec::new(request())
}

fn ephemeral() -> Spec {
    Spec { ephemeral: true, ..spec() }
}

fn open(name: &Unique) -> Result<Segment, crate::error::OpenError> {
    Segment::open(&name.0, &Accept::default())
}

fn create(name: &Unique, spec: &Spec) -> Segment {
    Segment::create(&name.0, spec).unwrap()
}

/// Root may do what others may not; tests that need it say so and pass without.
fn is_root() -> bool {
    let root = crate::os::identity::effective_uid() == 0;
    if !root {
        println!("skipped: needs the superuser");
    }
    root
}
