//! A node under strace: everything it does to its folder, from the moment it starts until it has
//! ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::disk::{Disk, Image, Kept};
use super::load::digest;
use super::replay::{CALLS, Heeds, Replay};
use super::trace::Trace;
use crate::node::{Folder, Node};

/// Longest time strace may take to write down the end.
const WRITTEN: Duration = Duration::from_secs(60);
/// Longest octets of one call that are written down; longer ones are an error later.
const LONGEST: &str = "16777216";
/// What the model does not know: the log, opened by whoever starts the node, and the shared index,
/// which is made anew.
const NOT_MODELLED: [&str; 2] = ["node.log", "data/hub.db-shm"];

/// A node that is being watched.
pub(super) struct Watching {
    folder: PathBuf,
    written: PathBuf,
    before: Disk,
    /// The node.
    pub(super) node: Node,
}

/// One life of a node.
pub(super) struct Watched {
    folder: PathBuf,
    /// The disk when it began.
    before: Disk,
    /// What it did.
    pub(super) trace: Trace,
}

impl Watching {
    /// Starts the node of a folder. What strace writes goes to `written`, outside the folder. The
    /// path of the folder must be without symbolic links.
    pub(super) fn begin(folder: &Folder, written: PathBuf) -> Result<Self> {
        let strace = Command::new("strace").arg("--version").output();
        strace.context("strace does not start; it is in the Debian package strace")?;
        let path = folder.path().to_owned();
        let before = Disk::load(&path)?;
        let log = File::options().create(true).append(true).open(path.join("node.log"))?;
        let node = folder.serve_under(|command| traced(&command, &written, log))?;
        Ok(Self { folder: path, written, before, node })
    }

    /// Stops the node and reads what it did.
    pub(super) fn end(self) -> Result<Watched> {
        let process = self.node.pid();
        self.node.stop()?;
        wait_for_end(&self.written, process)?;
        let trace = Trace::parse(BufReader::new(File::open(&self.written)?).lines())?;
        ensure!(trace.ended, "the trace has no end");
        Ok(Watched { folder: self.folder, before: self.before, trace })
    }
}

impl Watched {
    /// Its beginning, to be carried out again. `heeds` says which syncs count.
    pub(super) fn replay(&self, heeds: Heeds) -> Replay<'_> {
        Replay::new(&self.trace, &self.folder, self.before.clone(), heeds)
    }

    /// Whether a replay that has come to its end has what really lies in the folder; how many
    /// files and folders that are. Nobody may have worked there since.
    pub(super) fn agrees(&self, replay: &Replay<'_>) -> Result<usize> {
        let model = replay.disk.after_power_cut(&mut Kept::Everything);
        let real = Disk::load(&self.folder)?.after_power_cut(&mut Kept::Nothing);
        same(&model, &real)?;
        Ok(real.len())
    }
}

/// The same command under strace, which stands aside: the process that is started is the node.
fn traced(command: &Command, written: &Path, log: File) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "--seccomp-bpf", "-yy", "-xx", "-ttt", "-s", LONGEST]);
    strace.args(["-e", "signal=none", "-e", "raw=read,readv", "-e"]);
    strace.arg(format!("trace={CALLS}")).arg("-o").arg(written).arg("--");
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    strace
}

/// strace is no child of ours: it has ended when the end of the process is written down.
fn wait_for_end(written: &Path, process: u32) -> Result<()> {
    let begun = Instant::now();
    loop {
        let mut file = File::open(written)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(200)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let tail = String::from_utf8_lossy(&tail).into_owned();
        let last = tail.lines().next_back().unwrap_or_default();
        if last.starts_with(&format!("{process} ")) && last.ends_with("+++") {
            return Ok(());
        }
        ensure!(begun.elapsed() < WRITTEN, "strace does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the model is what really lies there.
fn same(model: &Image, real: &Image) -> Result<()> {
    let known = |image: &Image| -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let all = image.iter().filter(|(path, _)| !NOT_MODELLED.iter().any(|n| path.ends_with(n)));
        all.map(|(path, octets)| (path.clone(), octets.clone())).collect()
    };
    let (model, real) = (known(model), known(real));
    for path in model.keys().chain(real.keys()) {
        let (model, real) = (model.get(path), real.get(path));
        ensure!(
            model == real,
            "{}: {} in the model, {} on the disk",
            path.display(),
            describe(model),
            describe(real)
        );
    }
    Ok(())
}

fn describe(entry: Option<&Option<Vec<u8>>>) -> String {
    match entry {
        None => "absent".to_owned(),
        Some(None) => "a folder".to_owned(),
        Some(Some(octets)) => format!("{} octets, SHA-256 {}", octets.len(), digest(octets)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_differs_from_the_disk_is_found() {
        let image = |octets: &[u8]| Image::from([(PathBuf::from("a"), Some(octets.to_vec()))]);
        assert!(same(&image(b"x"), &image(b"x")).is_ok());
        assert!(same(&image(b"x"), &image(b"y")).is_err());
        assert!(same(&image(b"x"), &Image::new()).is_err());
        assert!(same(&Image::new(), &image(b"x")).is_err());
        let log = Image::from([(PathBuf::from("node.log"), Some(b"x".to_vec()))]);
        assert!(same(&log, &Image::new()).is_ok());
    }
}
