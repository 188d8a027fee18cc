//! The machine: what it is, and which of its cores the two processes get.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// What a result holds for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The cores of the two processes; the same one twice if there is only one.
    pub pinned: [usize; 2],
}

impl Machine {
    /// Looks around. What cannot be found out is called unknown.
    #[must_use]
    pub fn look() -> Self {
        let cores = allowed();
        let first = cores.first().copied().unwrap_or(0);
        let apart = cores.iter().copied().find(|core| *core != first && !siblings(first).contains(core));
        let second = apart.or_else(|| cores.get(1).copied()).unwrap_or(first);
        Self {
            cpu: cpu_model().unwrap_or_else(|| "unknown processor".to_owned()),
            cores: cores.len().max(1),
            kernel: read("/proc/sys/kernel/osrelease").map_or_else(|| "unknown".to_owned(), |s| s.trim().to_owned()),
            pinned: [first, second],
        }
    }

    /// Whether two sides share one core.
    #[must_use]
    pub fn same_core(cores: [usize; 2]) -> bool {
        cores[0] == cores[1]
    }
}

/// Keeps this process on that core from now on; says whether that worked.
#[must_use]
pub fn pin(core: usize) -> bool {
    keep_within(&[core])
}

/// Keeps this process on those cores from now on; says whether that worked.
#[must_use]
pub fn keep_within(cores: &[usize]) -> bool {
    let mut set = CpuSet::new();
    let added = cores.iter().try_for_each(|core| set.set(*core));
    added.and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).is_ok()
}

fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect()
}

/// Hardware threads that share a core's units with `core`: two of them are no fair pair.
fn siblings(core: usize) -> Vec<usize> {
    let text = read(&format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")).unwrap_or_default();
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// `3-5`, or `3` alone.
fn range(text: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some(from.parse().ok()?..=to.parse().ok()?)
}

fn cpu_model() -> Option<String> {
    let info = read("/proc/cpuinfo")?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_cores() {
        assert_eq!(range("3"), Some(3..=3));
        assert_eq!(range("3-5"), Some(3..=5));
        assert_eq!(range(""), None);
    }
}
