//! The traced calls, carried out again on a [`Disk`], up to any moment.
//!
//! A call that touches the node's folder and is not known here is an error: a replay that leaves
//! something out shows nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::disk::{Change, Disk, Node, ROOT, Token};
use super::trace::{Argument, Call, Target, Trace, path};

/// The calls that strace must write down: all that change files, and what is needed to understand
/// them. A question mark: not every machine has it.
pub(super) const CALLS: &str = "?open,openat,?openat2,?creat,close,?close_range,dup,?dup2,dup3,\
    read,readv,write,writev,pwrite64,pwritev,?pwritev2,lseek,truncate,ftruncate,fallocate,\
    fsync,fdatasync,sync_file_range,sync,syncfs,?rename,?renameat,renameat2,?link,linkat,\
    ?symlink,symlinkat,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,mmap,copy_file_range,sendfile,splice,\
    ?io_uring_setup,?chdir,?fchdir,sendto,sendmsg";

/// Which syncs are carried out: path below the folder. All but in tests of the test.
pub(super) type Heeds = fn(&Path) -> bool;

/// One replay.
pub(super) struct Replay<'t> {
    trace: &'t Trace,
    folder: PathBuf,
    heeds: Heeds,
    /// The disk at this moment.
    pub(super) disk: Disk,
    position: usize,
    /// Open descriptors and what they stand for; none for something outside the folder.
    open: HashMap<i32, Option<usize>>,
    /// Open files: several descriptors may share one, and its offset.
    files: Vec<OpenFile>,
    running: HashMap<usize, Running>,
    /// Steps that changed something.
    pub(super) changed: BTreeSet<usize>,
}

struct OpenFile {
    node: Node,
    path: PathBuf,
    offset: u64,
    appends: bool,
}

/// What was begun and has not ended.
enum Running {
    Change { node: Node, token: Token, moves: Option<usize> },
    Sync { node: Node, covered: Vec<Token> },
}

impl<'t> Replay<'t> {
    /// Begins with a folder as it was; `heeds` says which syncs count.
    pub(super) fn new(trace: &'t Trace, folder: &Path, disk: Disk, heeds: Heeds) -> Self {
        Self {
            trace,
            folder: folder.to_owned(),
            heeds,
            disk,
            position: 0,
            open: HashMap::new(),
            files: Vec::new(),
            running: HashMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Carries out every step before this one.
    pub(super) fn run_to(&mut self, end: usize) -> Result<()> {
        while self.position < end {
            let step = self.trace.steps[self.position];
            let call = &self.trace.calls[step.call];
            let done = match step.ends {
                false => self.begin(step.call, call),
                true => self.end(step.call, call),
            };
            done.with_context(|| format!("step {}: {}", self.position, call.name))?;
            self.position += 1;
        }
        Ok(())
    }

    /// Whether a file of this name has changes that are not safe.
    pub(super) fn is_dirty(&self, path: &str) -> bool {
        self.disk.find(Path::new(path)).is_some_and(|node| self.disk.is_dirty(node))
    }

    fn begin(&mut self, id: usize, call: &Call) -> Result<()> {
        match call.name.as_str() {
            "close" => {
                if let (Some(number), _) = call.descriptor(0)? {
                    self.open.remove(&number);
                }
            }
            "write" | "writev" => {
                let Some(file) = self.file(call)? else { return Ok(()) };
                let OpenFile { node, offset, appends, .. } = self.files[file];
                let at = if appends { self.disk.length(node)? } else { offset };
                self.files[file].offset = at;
                let change = Change::Write(at, call.octets(1)?.to_vec());
                self.change(id, node, change, Some(file))?;
            }
            "pwrite64" | "pwritev" | "pwritev2" => {
                let Some(file) = self.file(call)? else { return Ok(()) };
                ensure!(!self.files[file].appends, "on Linux this appends; not modelled");
                // The offset follows the octets and their length or number.
                let at = u64::try_from(call.number(3)?)?;
                let change = Change::Write(at, call.octets(1)?.to_vec());
                self.change(id, self.files[file].node, change, None)?;
            }
            "ftruncate" => {
                let Some(file) = self.file(call)? else { return Ok(()) };
                let change = Change::Resize(u64::try_from(call.number(1)?)?);
                self.change(id, self.files[file].node, change, None)?;
            }
            "fallocate" => {
                let Some(file) = self.file(call)? else { return Ok(()) };
                ensure!(call.word(1)? == "0", "this kind of fallocate is not modelled");
                let end = call.number(2)? + call.number(3)?;
                let change = Change::Extend(u64::try_from(end)?);
                self.change(id, self.files[file].node, change, None)?;
            }
            "fsync" | "fdatasync" => {
                let Some(file) = self.file(call)? else { return Ok(()) };
                if (self.heeds)(&self.files[file].path) {
                    let node = self.files[file].node;
                    let covered = self.disk.covered(node);
                    self.running.insert(id, Running::Sync { node, covered });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, id: usize, call: &Call) -> Result<()> {
        match self.running.remove(&id) {
            Some(Running::Change { node, token, moves }) => {
                let written = call.result.map(i64::unsigned_abs);
                self.disk.done(node, token, written)?;
                if let Some(file) = moves {
                    self.files[file].offset += written.unwrap_or(0);
                }
                self.changed.insert(self.position);
                return Ok(());
            }
            Some(Running::Sync { node, covered }) => {
                if call.result.is_some() {
                    self.disk.synced(node, &covered);
                    self.changed.insert(self.position);
                }
                return Ok(());
            }
            None => {}
        }
        match call.result {
            Some(result) => self.succeeded(call, result),
            None => Ok(()),
        }
    }

    fn succeeded(&mut self, call: &Call, result: i64) -> Result<()> {
        match call.name.as_str() {
            "openat" => self.opened(self.path_at(call, 0, 1)?, call.word(2)?, result)?,
            "open" => self.opened(self.path_in(call, 0)?, call.word(1)?, result)?,
            "creat" => self.opened(self.path_in(call, 0)?, "O_CREAT|O_TRUNC", result)?,
            "dup" | "dup2" | "dup3" => {
                if let Some(file) = self.file(call)? {
                    self.open.insert(i32::try_from(result)?, Some(file));
                }
            }
            "read" | "readv" => {
                // Raw: the descriptor is a plain number.
                let number = i32::try_from(call.number(0)?)?;
                if let Some(Some(file)) = self.open.get(&number) {
                    self.files[*file].offset += result.unsigned_abs();
                }
            }
            "lseek" => {
                if let Some(file) = self.file(call)? {
                    self.files[file].offset = result.unsigned_abs();
                }
            }
            "rename" => self.moved(self.path_in(call, 0)?, self.path_in(call, 1)?)?,
            "renameat" => self.moved(self.path_at(call, 0, 1)?, self.path_at(call, 2, 3)?)?,
            "renameat2" => {
                let flags = call.word(4)?;
                ensure!(["0", "RENAME_NOREPLACE"].contains(&flags), "{flags} is not modelled");
                self.moved(self.path_at(call, 0, 1)?, self.path_at(call, 2, 3)?)?;
            }
            "link" => self.linked(self.path_in(call, 0)?, self.path_in(call, 1)?)?,
            "linkat" => self.linked(self.path_at(call, 0, 1)?, self.path_at(call, 2, 3)?)?,
            "unlink" | "rmdir" => self.named(self.path_in(call, 0)?, None)?,
            "unlinkat" => self.named(self.path_at(call, 0, 1)?, None)?,
            "mkdir" => self.made(self.path_in(call, 0)?)?,
            "mkdirat" => self.made(self.path_at(call, 0, 1)?)?,
            "mmap" => self.mapped(call)?,
            // A page that was written out is not safe before the disk's cache was flushed.
            "sync_file_range" => {}
            // Already carried out, or of no effect on files.
            "close" | "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "ftruncate"
            | "fallocate" | "fsync" | "fdatasync" | "sendto" | "sendmsg" => {}
            _ => ensure!(!self.touches(call)?, "not modelled"),
        }
        Ok(())
    }

    fn change(
        &mut self,
        id: usize,
        node: Node,
        change: Change,
        moves: Option<usize>,
    ) -> Result<()> {
        let token = self.disk.begin(node, change)?;
        self.running.insert(id, Running::Change { node, token, moves });
        self.changed.insert(self.position);
        Ok(())
    }

    /// What the first argument stands for, if it lies in the folder.
    fn file(&self, call: &Call) -> Result<Option<usize>> {
        let (Some(number), target) = call.descriptor(0)? else { return Ok(None) };
        if let Some(known) = self.open.get(&number) {
            return Ok(*known);
        }
        // Whoever starts the node opens its log for it.
        let inherited = number <= 2;
        let inside = matches!(target, Target::Path(path) if path.starts_with(&self.folder));
        ensure!(!inside || inherited, "a descriptor that nobody was seen to open: {target:?}");
        Ok(None)
    }

    /// Whether it has to do with the folder at all.
    fn touches(&self, call: &Call) -> Result<bool> {
        let folder = self.folder.to_string_lossy().into_owned().into_bytes();
        Ok(["io_uring_setup", "sync", "chdir", "fchdir"].contains(&call.name.as_str())
            || call.arguments.iter().any(|argument| match argument {
                Argument::Descriptor(number, target) => {
                    number.is_some_and(|n| matches!(self.open.get(&n), Some(Some(_))))
                        || matches!(target, Target::Path(p) if p.starts_with(&self.folder))
                }
                Argument::Octets(octets) => octets.starts_with(&folder),
                Argument::Word(_) => false,
            }))
    }

    /// The path below the folder that a call names; none for one outside.
    fn path_in(&self, call: &Call, place: usize) -> Result<Option<PathBuf>> {
        let path = path(call.octets(place)?.to_vec())?;
        ensure!(path.is_absolute(), "a relative path without its folder is not modelled");
        self.below(&path)
    }

    fn path_at(&self, call: &Call, folder: usize, place: usize) -> Result<Option<PathBuf>> {
        let path = path(call.octets(place)?.to_vec())?;
        match call.arguments.get(folder) {
            Some(Argument::Descriptor(_, Target::Path(folder))) => self.below(&folder.join(path)),
            // An absolute path needs no folder.
            _ if path.is_absolute() => self.below(&path),
            _ => bail!("a path without its folder"),
        }
    }

    fn below(&self, path: &Path) -> Result<Option<PathBuf>> {
        let plain = path.components().all(|c| c.as_os_str() != "..");
        ensure!(plain || !path.starts_with(&self.folder), "a path with ..: {}", path.display());
        Ok(path.strip_prefix(&self.folder).ok().map(|path| path.components().collect()))
    }

    fn opened(&mut self, path: Option<PathBuf>, flags: &str, result: i64) -> Result<()> {
        let number = i32::try_from(result)?;
        let Some(path) = path else {
            self.open.insert(number, None);
            return Ok(());
        };
        let flags: BTreeSet<&str> = flags.split('|').collect();
        for flag in ["O_TMPFILE", "O_SYNC", "O_DSYNC", "__O_SYNC"] {
            ensure!(!flags.contains(flag), "{flag} is not modelled");
        }
        let node = match self.disk.find(&path) {
            Some(node) => node,
            None => {
                ensure!(flags.contains("O_CREAT"), "{} was never made", path.display());
                let node = self.disk.add_file(Vec::new());
                self.named(Some(path.clone()), Some(node))?;
                node
            }
        };
        if flags.contains("O_TRUNC") && self.disk.length(node)? > 0 {
            let token = self.disk.begin(node, Change::Resize(0))?;
            self.disk.done(node, token, Some(0))?;
            self.changed.insert(self.position);
        }
        let appends = flags.contains("O_APPEND");
        self.files.push(OpenFile { node, path, offset: 0, appends });
        self.open.insert(number, Some(self.files.len() - 1));
        Ok(())
    }

    /// A name stands for something else, or for nothing.
    fn named(&mut self, path: Option<PathBuf>, node: Option<Node>) -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        let (folder, name) = self.place(&path)?;
        self.disk.rename(folder, vec![(name, node)])?;
        self.changed.insert(self.position);
        Ok(())
    }

    fn made(&mut self, path: Option<PathBuf>) -> Result<()> {
        if path.is_none() {
            return Ok(());
        }
        let node = self.disk.add_folder();
        self.named(path, Some(node))
    }

    fn linked(&mut self, from: Option<PathBuf>, to: Option<PathBuf>) -> Result<()> {
        let Some(from) = from else {
            ensure!(to.is_none(), "a link from outside is not modelled");
            return Ok(());
        };
        let node = self.disk.find(&from).context("what is linked was never made")?;
        self.named(to, Some(node))
    }

    fn moved(&mut self, from: Option<PathBuf>, to: Option<PathBuf>) -> Result<()> {
        let (from, to) = match (from, to) {
            (None, None) => return Ok(()),
            (Some(from), Some(to)) => (from, to),
            _ => bail!("a move into or out of the folder is not modelled"),
        };
        let node = self.disk.find(&from).context("what is moved was never made")?;
        let ((old, name), (new, new_name)) = (self.place(&from)?, self.place(&to)?);
        if old == new {
            self.disk.rename(old, vec![(name, None), (new_name, Some(node))])?;
        } else {
            // Two folders, two syncs.
            self.disk.rename(new, vec![(new_name, Some(node))])?;
            self.disk.rename(old, vec![(name, None)])?;
        }
        self.changed.insert(self.position);
        Ok(())
    }

    fn place(&self, path: &Path) -> Result<(Node, OsString)> {
        let name = path.file_name().context("a path without a name")?.to_owned();
        let folder = path.parent().map_or(Some(ROOT), |folder| self.disk.find(folder));
        Ok((folder.context("the folder was never made")?, name))
    }

    /// A shared index beside a database is made anew after a power cut; of anything else that is
    /// written through memory nothing would be seen here.
    fn mapped(&self, call: &Call) -> Result<()> {
        let (protection, kind) = (call.word(2)?, call.word(3)?);
        if !protection.contains("PROT_WRITE") || !kind.contains("MAP_SHARED") {
            return Ok(());
        }
        if let Some(Argument::Descriptor(_, Target::Path(path))) = call.arguments.get(4) {
            let seen = !path.starts_with(&self.folder) || path.to_string_lossy().ends_with("-shm");
            ensure!(seen, "{} is written through memory", path.display());
        }
        Ok(())
    }
}

/// The last moment at which octets went to a partner, for any moment: what the partner knew then
/// had been sent by then.
pub(super) struct Spoken(BTreeMap<i64, usize>);

impl Spoken {
    /// Of a whole trace.
    pub(super) fn of(trace: &Trace) -> Self {
        let steps = trace.steps.iter().enumerate();
        let spoken = steps.filter(|(_, step)| !step.ends && trace.calls[step.call].speaks());
        Self(spoken.map(|(number, step)| (step.at, number)).collect())
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<usize> {
        self.0.values().next().copied()
    }

    /// The step with which, at the latest, began what a partner had received at `at`
    /// (microseconds since 1970).
    pub(super) fn before(&self, at: i64) -> Option<usize> {
        self.0.range(..=at).next_back().map(|(_, step)| *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::power::disk::{Image, Kept};

    /// Calls on `/n`, one a line and a microsecond, as a trace.
    fn trace(calls: &[&str]) -> Trace {
        let hex = |text: &str| -> String { text.bytes().map(|b| format!("\\x{b:02x}")).collect() };
        let lines = calls.iter().enumerate().map(|(at, call)| {
            // 'text' and <path> become hexadecimal, <TCP:...> stays.
            let mut line = String::new();
            for (number, piece) in call.split('\'').enumerate() {
                line += &if number % 2 == 1 { format!("\"{}\"", hex(piece)) } else { piece.into() };
            }
            let mut pieces = line.split("</");
            let mut line = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                let (path, rest) = piece.split_once('>').expect("a path ends");
                line += &format!("<{}>{rest}", hex(&format!("/{path}")));
            }
            Ok(format!("7 1.{:06} {line}", at + 1))
        });
        Trace::parse(lines).expect("is a trace")
    }

    fn remains(calls: &[&str], end: Option<usize>, kept: &mut Kept, heeds: Heeds) -> Image {
        let trace = trace(calls);
        let mut replay = Replay::new(&trace, Path::new("/n"), Disk::new(), heeds);
        replay.run_to(end.unwrap_or(trace.steps.len())).expect("is modelled");
        replay.disk.after_power_cut(kept)
    }

    fn lost(calls: &[&str]) -> Image {
        remains(calls, None, &mut Kept::Nothing, |_| true)
    }

    fn file(octets: &[u8]) -> Option<Option<Vec<u8>>> {
        Some(Some(octets.to_vec()))
    }

    const MAKE: [&str; 2] = [
        "openat(AT_FDCWD</>, '/n/a', O_RDWR|O_CREAT, 0644) = 5</n/a>",
        "openat(AT_FDCWD</>, '/n', O_RDONLY|O_DIRECTORY) = 6</n>",
    ];

    #[test]
    fn what_was_synced_with_its_folder_is_there() {
        let mut calls = MAKE.to_vec();
        calls.extend([
            "write(5</n/a>, 'one', 3) = 3",
            "write(5</n/a>, 'two', 3) = 3",
            "pwrite64(5</n/a>, 'X', 1, 1) = 1",
            "fdatasync(5</n/a>) = 0",
            "fsync(6</n>) = 0",
            "lseek(5</n/a>, 1, SEEK_SET) = 1",
            "write(5</n/a>, 'lost', 4) = 4",
        ]);
        let path = Path::new("a");
        assert_eq!(lost(&calls).get(path).cloned(), file(b"oXetwo"));
        let all = remains(&calls, None, &mut Kept::Everything, |_| true);
        assert_eq!(all.get(path).cloned(), file(b"olosto"));
        // Without the sync of the folder there is nothing, without that of the file an empty one.
        calls.remove(6);
        assert!(lost(&calls).is_empty());
        let unsynced = remains(&calls, None, &mut Kept::Nothing, |_| false);
        assert!(unsynced.is_empty());
    }

    #[test]
    fn a_sync_that_is_not_heeded_or_failed_makes_nothing_safe() {
        let mut calls = MAKE.to_vec();
        calls.extend([
            "write(5</n/a>, 'one', 3) = 3",
            "fsync(6</n>) = 0",
            "fsync(5</n/a>) = -1 EIO (Input/output error)",
        ]);
        assert_eq!(lost(&calls).get(Path::new("a")).cloned(), file(b""));
        calls[4] = "fsync(5</n/a>) = 0";
        assert_eq!(lost(&calls).get(Path::new("a")).cloned(), file(b"one"));
        let deaf: Heeds = |path| path != Path::new("a");
        let image = remains(&calls, None, &mut Kept::Nothing, deaf);
        assert_eq!(image.get(Path::new("a")).cloned(), file(b""));
    }

    #[test]
    fn moves_removals_and_folders_are_followed() {
        let mut calls = vec!["mkdir('/n/d', 0755) = 0", "mkdir('/n/e', 0755) = 0"];
        calls.extend(MAKE);
        calls.extend([
            "write(5</n/a>, 'x', 1) = 1",
            "fsync(5</n/a>) = 0",
            "rename('/n/a', '/n/d/b') = 0",
            "openat(AT_FDCWD</>, '/n/d', O_RDONLY) = 7</n/d>",
            "fsync(6</n>) = 0",
            "fsync(7</n/d>) = 0",
            "close(7</n/d>) = 0",
            "unlink('/n/d/b') = 0",
            "rmdir('/n/e') = 0",
            "mkdir('/n/d', 0755) = -1 EEXIST (File exists)",
        ]);
        let image = lost(&calls);
        assert_eq!(image.get(Path::new("d/b")).cloned(), file(b"x"));
        assert!(image.contains_key(Path::new("e")) && !image.contains_key(Path::new("a")));
        let image = remains(&calls, None, &mut Kept::Everything, |_| true);
        assert_eq!(image.keys().collect::<Vec<_>>(), [Path::new("d")]);
    }

    #[test]
    fn reads_move_the_offset_and_descriptors_are_shared() {
        let mut calls = MAKE.to_vec();
        calls.extend([
            "write(5</n/a>, 'abcdef', 6) = 6",
            "lseek(5</n/a>, 0, SEEK_SET) = 0",
            "read(0x5, 0x7ffe, 0x2) = 0x2",
            "dup(5</n/a>) = 9</n/a>",
            "close(5</n/a>) = 0",
            "write(9</n/a>, 'X', 1) = 1",
            "ftruncate(9</n/a>, 4) = 0",
        ]);
        let image = remains(&calls, None, &mut Kept::Everything, |_| true);
        assert_eq!(image.get(Path::new("a")).cloned(), file(b"abXd"));
    }

    #[test]
    fn an_answer_before_the_sync_is_found_even_if_it_arrives_after_it() {
        let mut calls = MAKE.to_vec();
        calls.extend([
            "fsync(6</n>) = 0",
            "write(5</n/a>, 'accepted', 8) = 8",
            "write(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, '201', 3) = 3",
            "fsync(5</n/a>) = 0",
            "write(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, 'later', 5) = 5",
        ]);
        let spoken = Spoken::of(&trace(&calls));
        // The partner has it while the sync is done: line 6.
        let moment = spoken.before(1_000_006).expect("it was spoken");
        let image = remains(&calls, Some(moment), &mut Kept::Nothing, |_| true);
        assert_eq!(image.get(Path::new("a")).cloned(), file(b""));
        let moment = spoken.before(1_000_009).expect("it was spoken");
        let image = remains(&calls, Some(moment), &mut Kept::Nothing, |_| true);
        assert_eq!(image.get(Path::new("a")).cloned(), file(b"accepted"));
        assert_eq!(spoken.before(1_000_004), None);
    }

    #[test]
    fn what_is_not_modelled_is_an_error_and_never_left_out() {
        for call in [
            "write(9</n/a>, 'x', 1) = 1",
            "openat(AT_FDCWD</>, '/n/never', O_RDWR) = 9</n/never>",
            "openat(AT_FDCWD</>, '/n/b', O_RDWR|O_CREAT|O_DSYNC, 0644) = 9</n/b>",
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5</n/a>, 0) = 0x7f00",
            "copy_file_range(5</n/a>, NULL, 6</n/b>, NULL, 9, 0) = 9",
            "symlink('/x', '/n/b') = 0",
            "symlink('/n/a', '/n/b') = 0",
            "rename('/elsewhere', '/n/a') = 0",
            "io_uring_setup(8, 0x7ffe) = 9",
            "fallocate(5</n/a>, FALLOC_FL_PUNCH_HOLE, 0, 9) = 0",
        ] {
            let mut calls = MAKE.to_vec();
            calls.push(call);
            let trace = trace(&calls);
            let mut replay = Replay::new(&trace, Path::new("/n"), Disk::new(), |_| true);
            let end = trace.steps.len();
            let refused = replay.run_to(end);
            assert!(refused.is_err(), "{call}");
        }
        // Outside the folder anything goes.
        lost(&["write(9</m/a>, 'x', 1) = 1", "symlink('/x', '/m/b') = 0"]);
    }
}
