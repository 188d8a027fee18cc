//! Walking through an operation, one instruction at a time, and looking at what everybody can see after each.

use std::path::PathBuf;

use crate::Result;
use crate::segment::{Bytes, OwnName, temporaries};
use crate::traced::Traced;

/// What a kill would leave at some instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// The bytes of the segment; `None`: nothing has its name.
    pub bytes: Option<Vec<u8>>,
    /// Those of its dead-letter queue, if there is one.
    pub dead_letters: Option<Vec<u8>>,
    /// Temporary files of the killed process.
    pub temporaries: Vec<PathBuf>,
}

impl Remains {
    /// Leaves the same under another name. `false`: nothing has its name.
    pub fn put(&self, name: &OwnName) -> Result<bool> {
        match &self.bytes {
            Some(bytes) => name.write_both(bytes, self.dead_letters.as_deref())?,
            None => name.clear(),
        }
        Ok(self.bytes.is_some())
    }
}

/// How far a walk went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length {
    /// Instructions, where a system call is one.
    pub instructions: u64,
    /// System calls.
    pub system_calls: u64,
}

/// The shared things of one operation.
pub struct Watch<'a> {
    name: &'a OwnName,
    /// The file that has the name, if one has.
    file: Option<Bytes>,
    /// That of its dead-letter queue, once there is one.
    dead_letters: Option<Bytes>,
    /// Whether the operation may change what has the name.
    is_renamed: bool,
    seen: Remains,
}

impl<'a> Watch<'a> {
    /// Watches the name and whatever has it.
    pub fn name(name: &'a OwnName) -> Self {
        Self { name, file: None, dead_letters: None, is_renamed: true, seen: Remains::default() }
    }

    /// Watches the file that has the name now; the operation does not touch the name.
    pub fn file(name: &'a OwnName) -> Result<Self> {
        Ok(Self { file: Bytes::open(&name.path())?, is_renamed: false, ..Self::name(name) })
    }

    /// Looks; says whether anything has changed. Names change at system calls only.
    fn look(&mut self, pid: u32, after_system_call: bool) -> Result<bool> {
        let mut changed = false;
        if after_system_call && self.is_renamed {
            self.file = Bytes::open(&self.name.path())?;
            let now = temporaries(pid)?;
            changed |= now != self.seen.temporaries;
            self.seen.temporaries = now;
        }
        if after_system_call && self.dead_letters.is_none() {
            self.dead_letters = Bytes::open(&self.name.dead_path())?;
        }
        changed |= follow(&mut self.file, &mut self.seen.bytes)?;
        changed |= follow(&mut self.dead_letters, &mut self.seen.dead_letters)?;
        Ok(changed)
    }
}

/// Brings `seen` up to date; says whether it was not.
fn follow(file: &mut Option<Bytes>, seen: &mut Option<Vec<u8>>) -> Result<bool> {
    let bytes = file.as_mut().map(Bytes::read).transpose()?;
    let changed = bytes != seen.as_deref();
    if changed {
        *seen = bytes.map(<[u8]>::to_vec);
    }
    Ok(changed)
}

/// Walks from where `traced` stands to its last marker. `visit` is called with what is left before the first instruction,
/// after each that changes it, and at the end (`true`). `refuse_unnamed`: files without a name cannot be had.
pub fn walk(
    traced: &mut Traced,
    watch: &mut Watch,
    refuse_unnamed: bool,
    mut visit: impl FnMut(&Remains, bool) -> Result<()>,
) -> Result<Length> {
    let mut length = Length::default();
    watch.look(traced.pid(), true)?;
    visit(&watch.seen, false)?;
    loop {
        let step = advance(traced, refuse_unnamed)?;
        let Step::Done { system_call } = step else {
            visit(&watch.seen, true)?;
            return Ok(length);
        };
        length.instructions += 1;
        length.system_calls += u64::from(system_call);
        if watch.look(traced.pid(), system_call)? {
            visit(&watch.seen, false)?;
        }
    }
}

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The instruction is done.
    Done {
        /// It was a system call.
        system_call: bool,
    },
    /// The last marker is next: nothing was done.
    Finished,
}

/// Goes one instruction on.
pub fn advance(traced: &mut Traced, refuse_unnamed: bool) -> Result<Step> {
    let at = traced.address()?;
    if traced.is_finish(at) {
        return Ok(Step::Finished);
    }
    let system_call = traced.is_system_call(at)?;
    if !(system_call && refuse_unnamed && traced.skip_unnamed()?) {
        traced.step()?;
    }
    Ok(Step::Done { system_call })
}
