//! What must be undone however a run ends: at its end, when a case fails or panics, and at a signal.
//!
//! Whoever makes something that would outlive this program (a mounted file system, a network, a server,
//! a folder elsewhere) says here how it is undone. Processes need not be told: whatever descends from
//! this one is ended, also when it stands still. Temporary folders all lie in one, which goes last.
//! Against SIGKILL nothing helps; names with the process id say then whose it was.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Longest that processes may take to be gone after SIGKILL, and folders that somebody writes to.
const GONE: Duration = Duration::from_secs(20);
/// The signals, with their numbers.
const SIGNALS: [(SignalKind, u8); 3] =
    [(SignalKind::hangup(), 1), (SignalKind::interrupt(), 2), (SignalKind::terminate(), 15)];

type Work = Box<dyn FnOnce() -> Result<()> + Send>;

/// Everything that is to be undone.
struct Undo(Mutex<State>);

struct State {
    entries: Vec<Entry>,
    next: u64,
    /// A signal has come: nothing new is begun.
    ending: bool,
    /// What could not be undone.
    failed: Vec<String>,
}

struct Entry {
    number: u64,
    what: String,
    /// Before processes are ended, instead of after.
    first: bool,
    work: Work,
}

static ALL: Undo = Undo(Mutex::new(State::new()));

/// Something that is to be undone; it is when this value goes.
#[must_use = "it is undone when this goes"]
pub(crate) struct Pending {
    all: &'static Undo,
    number: u64,
}

/// The run of this program. When it goes everything has been undone.
pub(crate) struct Run {
    folder: PathBuf,
}

/// Begins a run: from here on a signal undoes everything and ends the program with 128 and its number,
/// and temporary folders lie in one.
pub(crate) fn begin() -> Result<Run> {
    let folder = tempfile::Builder::new().prefix(&name("")).tempdir()?.keep();
    tempfile::env::override_temp_dir(&folder)
        .map_err(|_| anyhow!("there are temporary folders already"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut streams = Vec::new();
    for (kind, number) in SIGNALS {
        // Whoever runs this under nohup wants it to go on.
        if number != 1 || !ignored(number)? {
            streams.push((signal(kind)?, number));
        }
    }
    drop(entered);
    let run = Run { folder: folder.clone() };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let waits = streams.iter_mut().map(|(stream, number)| {
            Box::pin(async move {
                stream.recv().await;
                *number
            })
        });
        let (number, _, _) = runtime.block_on(futures_util::future::select_all(waits));
        say(&format!("signal {number}: undoing"));
        let failed = ALL.everything(Some(&folder));
        failed.iter().for_each(|what| say(what));
        std::process::exit(128 + i32::from(number));
    })?;
    Ok(run)
}

impl Run {
    /// Undoes what is left, which is nothing unless a case went wrong.
    pub(crate) fn end(self) -> Result<()> {
        let failed = ALL.everything(Some(&self.folder));
        std::mem::forget(self);
        ensure!(failed.is_empty(), "{}", failed.join("; "));
        Ok(())
    }
}

impl Drop for Run {
    /// After an error or a panic, which is told already.
    fn drop(&mut self) {
        ALL.everything(Some(&self.folder)).iter().for_each(|what| say(what));
    }
}

/// A name for something outside the temporary folder: it says whose it is.
pub(crate) fn name(what: &str) -> String {
    format!("amtsbote-{}-{what}", std::process::id())
}

/// `undo` takes `what` away, after the processes that may use it.
pub(crate) fn later(what: &str, undo: impl FnOnce() -> Result<()> + Send + 'static) -> Pending {
    ALL.add(what, false, Box::new(undo))
}

/// The same before processes are ended: for one that must end in its own way.
pub(crate) fn first(what: &str, undo: impl FnOnce() -> Result<()> + Send + 'static) -> Pending {
    ALL.add(what, true, Box::new(undo))
}

/// Nothing is begun while everything is being undone.
pub(crate) fn going_on() -> Result<()> {
    ensure!(!ALL.state().ending, "this run is being ended");
    Ok(())
}

impl Pending {
    /// It was undone in another way.
    pub(crate) fn done(self) {
        drop(self.all.state().take(self.number));
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.all.state();
        if let Some(entry) = state.take(self.number) {
            state.run(entry);
        }
    }
}

impl State {
    const fn new() -> Self {
        Self { entries: Vec::new(), next: 0, ending: false, failed: Vec::new() }
    }

    fn take(&mut self, number: u64) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.number == number)?;
        Some(self.entries.remove(at))
    }

    fn run(&mut self, entry: Entry) {
        if let Err(error) = (entry.work)() {
            let failed = format!("not undone: {}: {error:#}", entry.what);
            say(&failed);
            self.failed.push(failed);
        }
    }

    /// The newest first.
    fn run_all(&mut self, which: impl Fn(&Entry) -> bool) {
        while let Some(at) = self.entries.iter().rposition(&which) {
            let entry = self.entries.remove(at);
            self.run(entry);
        }
    }
}

impl Undo {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, what: &str, first: bool, work: Work) -> Pending {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.entries.push(Entry { number, what: what.to_owned(), first, work });
        Pending { all: self, number }
    }

    /// Undoes all there is, while everybody else who wants to waits; says what could not be.
    fn everything(&self, folder: Option<&Path>) -> Vec<String> {
        let mut state = self.state();
        state.ending = true;
        state.run_all(|entry| entry.first);
        let mut failed = Vec::new();
        let ended = end_processes();
        state.run_all(|_| true);
        // What began between the two has nothing to begin with any more.
        let ended = ended.and_then(|()| end_processes());
        if let Err(error) = ended {
            failed.push(format!("not undone: processes: {error:#}"));
        }
        if let Some(Err(error)) = folder.map(remove) {
            failed.push(format!("not undone: the temporary folder: {error:#}"));
        }
        failed.splice(0..0, std::mem::take(&mut state.failed));
        failed
    }
}

/// Removes a folder if it is there, also one that a thread of this program is writing to.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    let begun = Instant::now();
    loop {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if begun.elapsed() >= GONE => return Err(error.into()),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Ends all that descends from this process, also what stands still.
fn end_processes() -> Result<()> {
    let begun = Instant::now();
    loop {
        let left = descendants(std::process::id())?;
        if left.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < GONE, "{} do not end", left.len());
        // It fails for those that have ended meanwhile.
        let _sent = Command::new("kill")
            .arg("-KILL")
            .args(left.iter().map(u32::to_string))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("kill does not start")?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The living processes below this one.
fn descendants(root: u32) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has ended meanwhile is none.
        let facts = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // State and parent stand behind the name, which may hold anything.
        let Some((_, behind)) = facts.rsplit_once(')') else { continue };
        let mut words = behind.split_whitespace();
        let (state, parent) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        if let Some(parent) = parent.filter(|_: &u32| !matches!(state, Some("Z" | "X"))) {
            all.push((process, parent));
        }
    }
    let mut found = vec![root];
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).copied() {
        looked_at += 1;
        found.extend(all.iter().filter(|(_, its)| *its == parent).map(|(process, _)| *process));
    }
    found.remove(0);
    Ok(found)
}

/// Whether this process was started with a signal ignored.
fn ignored(number: u8) -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.context("no SigIgn")?.trim(), 16)?;
    Ok(mask >> (number - 1) & 1 == 1)
}

fn say(text: &str) {
    // Whoever closed standard error does not want to know.
    let _closed = writeln!(std::io::stderr(), "amtsbote-conformance: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    type Log = Arc<Mutex<Vec<&'static str>>>;

    fn all() -> (&'static Undo, Log) {
        (Box::leak(Box::new(Undo(Mutex::new(State::new())))), Log::default())
    }

    fn note(log: &Log, what: &'static str) -> Work {
        let log = log.clone();
        Box::new(move || {
            log.lock().expect("no panic").push(what);
            Ok(())
        })
    }

    fn said(log: &Log) -> Vec<&'static str> {
        log.lock().expect("no panic").clone()
    }

    #[test]
    fn each_is_undone_once_the_newest_first() {
        let (undo, log) = all();
        let pending = ["network", "disk"].map(|what| undo.add(what, false, note(&log, what)));
        let server = undo.add("server", true, note(&log, "server"));
        drop(undo.add("folder", false, note(&log, "folder")));
        undo.add("link", false, note(&log, "link")).done();
        let mut state = undo.state();
        state.run_all(|entry| entry.first);
        state.run_all(|_| true);
        drop(state);
        drop((pending, server));
        assert_eq!(said(&log), ["folder", "server", "disk", "network"]);
    }

    #[test]
    fn a_panic_undoes_and_what_fails_is_told() {
        let (undo, log) = all();
        let work = note(&log, "disk");
        let panicked = std::thread::spawn(move || {
            let _disk = undo.add("disk", false, work);
            let _network = undo.add("network", false, Box::new(|| Err(anyhow!("it is in use"))));
            panic!("a case went wrong");
        });
        assert!(panicked.join().is_err());
        assert_eq!(said(&log), ["disk"]);
        assert_eq!(undo.state().failed, ["not undone: network: it is in use"]);
    }

    #[test]
    fn children_of_children_are_found() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut line = [0];
        let out = child.stdout.as_mut().expect("its output");
        std::io::Read::read_exact(out, &mut line).expect("it has begun");
        let found = descendants(child.id()).expect("processes");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(descendants(std::process::id()).expect("processes").contains(&found[0]));
        child.kill().expect("is there");
        child.wait().expect("has ended");
        let ended = Command::new("kill").arg(found[0].to_string()).status().expect("kill starts");
        assert!(ended.success(), "its child was still there");
    }
}
