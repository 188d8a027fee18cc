//! What the system tells about other processes.

/// Whether a process is stopped, by a signal or by a debugger; `None` if that cannot be known. The number is of our own
/// pid namespace.
pub(crate) fn is_stopped(pid: u32) -> Option<bool> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    state(&text).map(|state| matches!(state, 'T' | 't'))
}

/// The state in the text of `/proc/PID/stat`. It stands behind the program's name, which may itself have brackets in it.
fn state(text: &str) -> Option<char> {
    let (_, behind_the_name) = text.rsplit_once(')')?;
    behind_the_name.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_is_no_state() {
        assert_eq!(state("12 (a) T (b)) S 1 12"), Some('S'));
        assert_eq!(state("12 (sh) T 1 12"), Some('T'));
        assert_eq!(state("nonsense"), None);
        assert_eq!(state("12 (sh)"), None);
    }

    #[test]
    #[cfg(not(miri))]
    fn we_run() {
        assert_eq!(is_stopped(std::process::id()), Some(false));
        assert_eq!(is_stopped(u32::MAX), None);
    }
}
