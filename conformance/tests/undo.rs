//! A suite that is ended by a signal leaves nothing behind: no process, no mounted file system, no
//! network, no server, no folder. The suites are the real ones, with the binary `amtsbote` that
//! `AMTSBOTE_BIN` names or that lies beside them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest that a suite may take to come to the moment of the signal, on a busy machine.
const BEGUN: Duration = Duration::from_secs(300);
/// Longest that it may take to undo everything.
const UNDONE: Duration = Duration::from_secs(120);

/// A suite at work.
struct Suite {
    child: Child,
    log: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Suite {
    fn start(arguments: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_amtsbote-conformance"));
        let beside = program.with_file_name("amtsbote");
        let shipped = std::env::var_os("AMTSBOTE_BIN").map_or(beside, PathBuf::from);
        assert!(shipped.is_file(), "{} is not there: build it first", shipped.display());
        let scratch = tempfile::tempdir().expect("a folder");
        let log = scratch.path().join("said");
        let said = fs::File::create(&log).expect("a file");
        let child = Command::new(program)
            .arg("run")
            .args(arguments)
            .env("AMTSBOTE_BIN", shipped)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("the suites start");
        Self { child, log, _scratch: scratch }
    }

    /// Waits for what must be there before the signal.
    fn until(&mut self, what: &str, there: impl Fn(u32) -> bool) {
        let begun = Instant::now();
        while !there(self.child.id()) {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("it ended with {status} before {what}: {}", self.said());
            }
            assert!(begun.elapsed() < BEGUN, "no {what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends the signal and waits for the end.
    fn signalled(&mut self, name: &str) -> ExitStatus {
        send(name, self.child.id());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(begun.elapsed() < UNDONE, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Suite {
    /// After a failure: it gets the chance to undo.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            send("TERM", self.child.id());
            let _ended = self.child.wait();
        }
    }
}

fn send(name: &str, process: u32) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.expect("kill starts").success(), "SIG{name} could not be sent");
}

/// A process: what it was started as, whose child it is, since when.
struct Process {
    command: String,
    parent: u32,
    since: u64,
}

/// All that live.
fn processes() -> BTreeMap<u32, Process> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that has ended meanwhile is none.
        let facts = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, behind)) = facts.rsplit_once(')') else { continue };
        let words: Vec<&str> = behind.split_whitespace().collect();
        if words.len() < 20 || ["Z", "X"].contains(&words[0]) {
            continue;
        }
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let number = |at: usize| words[at].parse().unwrap_or(0);
        found.insert(id, Process { command, parent: number(1) as u32, since: number(19) });
    }
    found
}

/// Those below one.
fn below(root: u32) -> BTreeMap<u32, Process> {
    let mut all = processes();
    let mut found = BTreeMap::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let mine: Vec<u32> =
            all.iter().filter(|(_, it)| it.parent == parent).map(|(id, _)| *id).collect();
        for id in mine {
            parents.push(id);
            found.extend(all.remove_entry(&id));
        }
    }
    found
}

fn hubs(suite: u32) -> Vec<u32> {
    let served = |it: &Process| it.command.contains(" serve ");
    below(suite).into_iter().filter(|(_, it)| served(it)).map(|(id, _)| id).collect()
}

fn mounts() -> String {
    fs::read_to_string("/proc/mounts").expect("mounts")
}

fn networks() -> String {
    let listed = Command::new("ip").args(["netns", "list"]).output().expect("ip starts");
    String::from_utf8_lossy(&listed.stdout).into_owned()
}

/// The names that a run gives to everything of its own.
fn mark(suite: u32) -> String {
    format!("amtsbote-{suite}-")
}

/// What is left of a suite that has ended.
fn left(suite: u32, before: &BTreeMap<u32, Process>) -> Vec<String> {
    let mark = mark(suite);
    let mut left = Vec::new();
    let named = |text: String, what: &str, left: &mut Vec<String>| {
        let lines = text.lines().filter(|line| line.contains(&mark));
        left.extend(lines.map(|line| format!("{what}: {line}")));
    };
    named(mounts(), "mounted", &mut left);
    named(networks(), "network", &mut left);
    for folder in [std::env::temp_dir(), "/tmp".into(), "/dev/shm".into()] {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let names = entries.map(|entry| entry.path().display().to_string());
        named(names.collect::<Vec<_>>().join("\n"), "folder", &mut left);
    }
    for (id, process) in processes() {
        let was = before.get(&id).is_some_and(|it| it.since == process.since);
        if was || process.command.contains(&mark) {
            left.push(format!("process {id}: {}", process.command));
        }
    }
    left
}

/// Sends the signal and finds nothing.
#[track_caller]
fn leaves_nothing(mut suite: Suite, name: &str, number: i32) {
    let process = suite.child.id();
    let before = below(process);
    assert!(!before.is_empty(), "nothing is at work");
    let status = suite.signalled(name);
    assert_eq!(status.code(), Some(128 + number), "{status:?}: {}", suite.said());
    assert_eq!(status.signal(), None);
    assert_eq!(left(process, &before), Vec::<String>::new(), "{}", suite.said());
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").expect("this process").uid() == 0
}

/// A mounted file system, and the hub that works on it.
#[test]
fn a_small_disk_is_unmounted() {
    let mut suite = Suite::start(&["disk"]);
    if !is_root() {
        // It may not mount; what it does then is over soon.
        let ended = suite.child.wait().expect("a child");
        assert!(ended.success(), "{}", suite.said());
        return;
    }
    suite.until("a hub on a small disk", |process| {
        mounts().contains(&mark(process)) && !hubs(process).is_empty()
    });
    leaves_nothing(suite, "INT", 2);
}

/// A network, two hubs under load, one of them standing still.
#[test]
fn networks_go_and_hubs_that_stand_still_end() {
    let mut suite = Suite::start(&["prove", "--kill", "1"]);
    suite.until("two hubs and a network", |process| {
        hubs(process).len() == 2 && (!is_root() || networks().contains(&mark(process)))
    });
    send("STOP", hubs(suite.child.id())[0]);
    leaves_nothing(suite, "TERM", 15);
}

/// A server that must end in its own way, its folder of another user, nodes on it.
#[test]
fn postgresql_ends_with_its_suite() {
    let mut suite = Suite::start(&["nodes"]);
    suite.until("a node on a server", |process| !hubs(process).is_empty());
    let servers = below(suite.child.id());
    assert!(servers.values().any(|it| it.command.contains("postgres")), "{}", suite.said());
    leaves_nothing(suite, "TERM", 15);
}

/// The search for what is left finds something where there is something.
#[test]
fn what_is_left_is_found() {
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
    let folder = std::env::temp_dir().join(format!("{}x", mark(child.id())));
    fs::create_dir(&folder).expect("a folder");
    let before = BTreeMap::from_iter(processes().remove_entry(&child.id()));
    let found = left(child.id(), &before);
    fs::remove_dir(&folder).expect("is there");
    child.kill().expect("is there");
    child.wait().expect("has ended");
    assert!(found.iter().any(|one| one.starts_with("folder: ")), "{found:?}");
    assert!(found.iter().any(|one| one.starts_with("process ")), "{found:?}");
    assert!(left(child.id(), &before).is_empty());
}
