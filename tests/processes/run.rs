//! Child processes: starting them, hearing from them, and ending them, whatever happens to the test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "RINGPOST_TEST_ROLE";
const MARK: &str = "said: ";

/// The role of this process and its parameters, if it is a child.
pub fn role() -> Option<Vec<String>> {
    let role = std::env::var(ROLE).ok()?;
    Some(role.split(' ').map(str::to_owned).collect())
}

/// Says something to the parent.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // On a line of its own: the test harness prints there too.
    writeln!(out, "\n{MARK}{line}").expect("a parent that listens");
    out.flush().expect("a parent that listens");
}

/// A child process, which is killed if it still runs when this is dropped.
pub struct Process {
    child: Child,
    heard: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a child in `role`, a word and its parameters.
    pub fn start(role: &str) -> Self {
        Self::start_with(role, |_| {}).expect("a child process")
    }

    /// Starts a child whose command `change` has changed: for another user, or in another namespace.
    pub fn start_with(role: &str, change: impl FnOnce(&mut Command)) -> std::io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(ROLE, role);
        change(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut child = command.spawn()?;
        let heard = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Ok(Self { child, heard })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next thing it says; `None` when it has ended.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.heard.read_line(&mut line).expect("a pipe") == 0 {
                return None;
            }
            if let Some(said) = line.trim_end().strip_prefix(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Waits until it says exactly this.
    pub fn expect(&mut self, what: &str) {
        assert_eq!(self.hear().as_deref(), Some(what));
    }

    /// All that it still says; then it must end well.
    pub fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.hear()).collect();
        let status = self.child.wait().expect("our own child");
        assert!(status.success(), "a child failed: {status}");
        said
    }

    /// Waits for its end. Whether it ended well.
    pub fn ended_well(mut self) -> bool {
        self.child.wait().expect("our own child").success()
    }

    /// Kills it as no process can help, and collects it. Returns what it had still said.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.pid()).expect("process numbers are small");
        // SAFETY: a plain system call. The process is our child and has not been collected, so the number is its own.
        let result = unsafe { libc::kill(pid, signal) };
        assert_eq!(result, 0, "kill: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors: it has ended and been collected already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
