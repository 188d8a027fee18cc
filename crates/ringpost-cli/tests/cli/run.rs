//! Running the tool: with a limit on its time, and queues that are gone after the test, however that ends.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use serde_json::Value;

/// The tool.
pub const RINGPOST: &str = env!("CARGO_BIN_EXE_ringpost");
/// Far more than any run takes. One that takes longer is killed.
pub const LONG: Duration = Duration::from_secs(20);
/// Every combination of senders and receivers.
pub const ALL_ENDS: [(&str, &str); 4] =
    [("single", "single"), ("single", "multi"), ("multi", "single"), ("multi", "multi")];

/// The name of a queue that no other test has. What has the name is gone when this is dropped, after a panic too.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    /// A new name with `tag` in it, for people who look at what is left over.
    pub fn new(tag: &str) -> Self {
        // Relaxed: only to be different each time.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(format!("cli.{tag}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The file that a queue of this name is.
    pub fn path(&self) -> PathBuf {
        format!("/dev/shm/ringpost.q.{}", self.0).into()
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // By hand, because tests put things there that the tool would rightly leave alone. Errors: it is gone already.
        let _ = fs::remove_file(self.path()).or_else(|_| fs::remove_dir(self.path()));
    }
}

/// Makes a queue with `options`, words with spaces between.
pub fn create(tag: &str, options: &str) -> Name {
    let name = Name::new(tag);
    ok(format!("create {} {options}", &*name).split(' '));
    name
}

/// Makes a queue of 64 messages with these ends and `options`.
pub fn create_with((senders, receivers): (&str, &str), tag: &str, options: &str) -> Name {
    create(tag, &format!("--capacity 64 --senders {senders} --receivers {receivers} {options}"))
}

/// What a run has left behind.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
    pub took: Duration,
}

impl Done {
    /// The exit status; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output, which must be text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("text on standard output")
    }

    /// The lines on standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.text().lines().collect()
    }

    /// Asserts that it failed with `code`, wrote nothing, and said all of `words` on standard error.
    #[track_caller]
    pub fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), Some(code), "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:?}");
        }
    }

    /// Asserts that it did what it was asked for, and had nothing to say.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code(), Some(0), "{self:?}");
        assert_eq!(self.err, "", "{self:?}");
        self
    }
}

/// Runs the tool.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Done {
    Running::start(args, Stdio::null()).finish()
}

/// Runs the tool with `input`.
#[track_caller]
pub fn run_with<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, input: &[u8]) -> Done {
    let mut running = Running::start(args, Stdio::piped());
    let mut stdin = running.stdin();
    let input = input.to_vec();
    // In a thread: the tool may end without having read everything, or wait for somebody to take what it sends.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let done = running.finish();
    // It may have ended before it had read everything.
    let _ = writer.join().expect("a thread that does not panic");
    done
}

/// Runs the tool, which must succeed.
#[track_caller]
pub fn ok<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Done {
    run(args).succeeded()
}

/// Runs the tool with `input`, which must succeed.
#[track_caller]
pub fn ok_with<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, input: &[u8]) -> Done {
    run_with(args, input).succeeded()
}

/// The document that the tool prints.
#[track_caller]
pub fn json<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Value {
    serde_json::from_slice(&ok(args).out).expect("one JSON document")
}

/// `stat` of a queue.
#[track_caller]
pub fn stat(name: &str) -> Value {
    json(["stat", name, "--json"])
}

/// The tool while it runs. Killed by its number when its time is over, or when this is dropped.
pub struct Running {
    child: Arc<Mutex<Child>>,
    pid: u32,
    since: Instant,
    err: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// Dropped when it has ended, which ends the watch.
    in_time: Option<mpsc::Sender<()>>,
    watch: Option<JoinHandle<bool>>,
}

impl Running {
    /// Starts it with this standard input.
    pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, stdin: impl Into<Stdio>) -> Self {
        let mut command = Command::new(RINGPOST);
        command.args(args);
        Self::command(command, stdin)
    }

    /// Starts `command`, which runs the tool in some other way.
    pub fn command(mut command: Command, stdin: impl Into<Stdio>) -> Self {
        heed_signals();
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let since = Instant::now();
        let mut child = command.spawn().expect("the tool starts");
        let mut stderr = child.stderr.take().expect("a pipe was asked for");
        let err = thread::spawn(move || {
            let mut err = Vec::new();
            stderr.read_to_end(&mut err).map(|_| err)
        });
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        let (in_time, watched) = mpsc::channel();
        let late = Arc::clone(&child);
        let watch = thread::spawn(move || {
            let is_late = watched.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout);
            // Does nothing to a child that has been collected, and then its number may be another's.
            is_late && lock(&late).kill().is_ok()
        });
        Self { child, pid, since, err: Some(err), in_time: Some(in_time), watch: Some(watch) }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its standard input, if that is a pipe.
    pub fn stdin(&mut self) -> ChildStdin {
        lock(&self.child).stdin.take().expect("a pipe was asked for")
    }

    /// Its standard output, for tests that read it themselves, or do not.
    pub fn stdout(&mut self) -> ChildStdout {
        lock(&self.child).stdout.take().expect("nobody else reads it")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid).expect("process numbers are small"));
        // Under the lock, and not collected: the number is still its own.
        let mut child = lock(&self.child);
        assert!(child.try_wait().expect("our own child").is_none(), "it has ended already");
        kill(pid, signal).expect("our own child");
    }

    /// Waits until it sleeps in the kernel for as long as one can look.
    pub fn until_asleep(&self) {
        let path = format!("/proc/{}/stat", self.pid);
        let mut looks = 0;
        wait_for("the tool to sleep", || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let state = text.rsplit(") ").next().unwrap_or_default();
            looks = if state.starts_with('S') { looks + 1 } else { 0 };
            looks > 10
        });
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        lock(&self.child).try_wait().expect("our own child").is_some()
    }

    /// Waits for its end, and fails the test if it panicked or took too long.
    #[track_caller]
    pub fn finish(mut self) -> Done {
        let stdout = lock(&self.child).stdout.take();
        let mut out = Vec::new();
        if let Some(mut stdout) = stdout {
            stdout.read_to_end(&mut out).expect("a pipe");
        }
        let status = loop {
            // Not a blocking wait: the watch needs the lock.
            if let Some(status) = lock(&self.child).try_wait().expect("our own child") {
                break status;
            }
            thread::sleep(Duration::from_millis(1));
        };
        let took = self.since.elapsed();
        let err = self.err.take().expect("read once").join().expect("a thread that does not panic").expect("a pipe");
        let err = String::from_utf8(err).expect("text on standard error");
        drop(self.in_time.take());
        let late = self.watch.take().expect("watched once").join().expect("a thread that does not panic");
        let done = Done { status, out, err, took };
        assert!(!late, "it took longer than {LONG:?}: {done:?}");
        assert!(!done.err.contains("panicked") && done.code() != Some(101), "{done:?}");
        assert_ne!(done.status.signal(), Some(Signal::SIGSEGV as i32), "{done:?}");
        assert_ne!(done.status.signal(), Some(Signal::SIGBUS as i32), "{done:?}");
        done
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        // Errors: it has ended and been collected already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Ends what may have been asked of this process and would be inherited: to ignore signals, as in the background.
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for which in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // SAFETY: the default action runs no handler of ours.
            unsafe { signal(which, SigHandler::SigDfl) }.expect("signals that may be caught");
        }
    });
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `done` says so.
#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < LONG, "waited too long for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Numbered lines from `from` to `to`, each with its newline.
pub fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|number| format!("{number}\n")).collect()
}
