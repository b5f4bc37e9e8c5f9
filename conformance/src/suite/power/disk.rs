//! A disk that keeps its promises and not one more: what was synced is there after a power cut,
//! what was not may be there, in part or whole, or not at all.
//!
//! Strict as POSIX is, stricter than any journal: a sync of a file makes its octets durable and
//! not its name; names (made, moved, removed) become durable with a sync of their folder. Writes
//! that were not synced survive in any choice of sectors, changes of names in any choice. A sector
//! is written whole or not at all, and a write leaves its neighbours alone.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::suite::crash::Random;

/// A file or a folder, whatever its name is at the moment.
pub(super) type Node = usize;
/// The folder that everything is in.
pub(super) const ROOT: Node = 0;
/// A change that is not yet safe.
pub(super) type Token = u64;

/// The disk.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    nodes: Vec<Kind>,
    next: Token,
}

/// What is on a disk after it was switched on again: octets by path, or none for a folder.
pub(super) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What becomes of that which was not synced.
pub(super) enum Kept {
    /// Nothing of it is there.
    Nothing,
    /// All of it is there, in order.
    Everything,
    /// Chance decides, file by file: nothing, all, the first ones, some, some sectors of some.
    Some(Random),
}

/// A change of a file's octets.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Octets at an offset.
    Write(u64, Vec<u8>),
    /// Exactly so long.
    Resize(u64),
    /// At least so long.
    Extend(u64),
}

#[derive(Clone, Debug)]
enum Kind {
    File { safe: Vec<u8>, length: u64, pending: Vec<Pending<Change>> },
    Folder { safe: Entries, seen: Entries, pending: Vec<Pending<Renaming>> },
}

type Entries = BTreeMap<OsString, Node>;
/// Names that change together, and what they stand for afterwards.
type Renaming = Vec<(OsString, Option<Node>)>;

#[derive(Clone, Debug)]
struct Pending<T> {
    token: Token,
    /// The call has returned; a sync that begins now covers it.
    done: bool,
    change: T,
}

impl Disk {
    /// With one empty folder.
    pub(super) fn new() -> Self {
        let root = Kind::Folder { safe: Entries::new(), seen: Entries::new(), pending: Vec::new() };
        Self { nodes: vec![root], next: 0 }
    }

    /// With what lies in a folder, all of it safe.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let mut disk = Self::new();
        disk.load_into(ROOT, folder)?;
        Ok(disk)
    }

    fn load_into(&mut self, parent: Node, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let node = match (kind.is_dir(), kind.is_file()) {
                (true, _) => self.add_folder(),
                (_, true) => self.add_file(std::fs::read(entry.path())?),
                _ => bail!("{} is neither a file nor a folder", entry.path().display()),
            };
            if kind.is_dir() {
                self.load_into(node, &entry.path())?;
            }
            let Kind::Folder { safe, seen, .. } = &mut self.nodes[parent] else {
                bail!("a file has no entries")
            };
            safe.insert(entry.file_name(), node);
            seen.insert(entry.file_name(), node);
        }
        Ok(())
    }

    /// A new file that has no name yet.
    pub(super) fn add_file(&mut self, safe: Vec<u8>) -> Node {
        let length = safe.len() as u64;
        self.nodes.push(Kind::File { safe, length, pending: Vec::new() });
        self.nodes.len() - 1
    }

    /// A new folder that has no name yet.
    pub(super) fn add_folder(&mut self) -> Node {
        let (safe, seen) = (Entries::new(), Entries::new());
        self.nodes.push(Kind::Folder { safe, seen, pending: Vec::new() });
        self.nodes.len() - 1
    }

    /// What has this path, below the root, as programs see it.
    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        path.iter().try_fold(ROOT, |node, name| match &self.nodes[node] {
            Kind::Folder { seen, .. } => seen.get(name).copied(),
            Kind::File { .. } => None,
        })
    }

    /// How long a file is, as programs see it.
    pub(super) fn length(&self, node: Node) -> Result<u64> {
        match &self.nodes[node] {
            Kind::File { length, .. } => Ok(*length),
            Kind::Folder { .. } => bail!("a folder has no length"),
        }
    }

    /// Whether something of a file or folder is not safe.
    pub(super) fn is_dirty(&self, node: Node) -> bool {
        match &self.nodes[node] {
            Kind::File { pending, .. } => !pending.is_empty(),
            Kind::Folder { pending, .. } => !pending.is_empty(),
        }
    }

    /// A call that changes a file begins.
    pub(super) fn begin(&mut self, node: Node, change: Change) -> Result<Token> {
        let token = self.token();
        let Kind::File { length, pending, .. } = &mut self.nodes[node] else {
            bail!("a folder has no octets")
        };
        *length = change.length_after(*length);
        pending.push(Pending { token, done: false, change });
        Ok(token)
    }

    /// It has returned, with so many octets written.
    pub(super) fn done(&mut self, node: Node, token: Token, written: Option<u64>) -> Result<()> {
        let Kind::File { safe, length, pending } = &mut self.nodes[node] else {
            bail!("a folder has no octets")
        };
        let at = pending.iter().position(|p| p.token == token).context("it never began")?;
        match written {
            None => drop(pending.remove(at)),
            Some(written) => {
                let pending = &mut pending[at];
                pending.done = true;
                if let Change::Write(_, octets) = &mut pending.change {
                    octets.truncate(written as usize);
                }
            }
        }
        let before = safe.len() as u64;
        *length = pending.iter().fold(before, |length, p| p.change.length_after(length));
        Ok(())
    }

    /// Names in one folder change, all together.
    pub(super) fn rename(&mut self, folder: Node, change: Renaming) -> Result<()> {
        let token = self.token();
        let Kind::Folder { seen, pending, .. } = &mut self.nodes[folder] else {
            bail!("a file has no entries")
        };
        apply_names(seen, &change);
        pending.push(Pending { token, done: true, change });
        Ok(())
    }

    /// What a sync that begins now will make safe.
    pub(super) fn covered(&self, node: Node) -> Vec<Token> {
        match &self.nodes[node] {
            Kind::File { pending, .. } => done(pending),
            Kind::Folder { pending, .. } => done(pending),
        }
    }

    /// The sync has returned: this is safe.
    pub(super) fn synced(&mut self, node: Node, covered: &[Token]) {
        match &mut self.nodes[node] {
            Kind::File { safe, pending, .. } => {
                for change in take(pending, covered) {
                    change.apply(safe);
                }
            }
            Kind::Folder { safe, pending, .. } => {
                for change in take(pending, covered) {
                    apply_names(safe, &change);
                }
            }
        }
    }

    /// Switched off now and on again.
    pub(super) fn after_power_cut(&self, kept: &mut Kept) -> Image {
        let mut image = Image::new();
        self.collect(ROOT, Path::new(""), kept, &mut image);
        image
    }

    fn collect(&self, node: Node, path: &Path, kept: &mut Kept, image: &mut Image) {
        match &self.nodes[node] {
            Kind::File { safe, pending, .. } => {
                let mut octets = safe.clone();
                for change in kept.of_file(pending) {
                    change.apply(&mut octets);
                }
                image.insert(path.to_owned(), Some(octets));
            }
            Kind::Folder { safe, pending, .. } => {
                let mut entries = safe.clone();
                for change in kept.of_folder(pending) {
                    apply_names(&mut entries, change);
                }
                if node != ROOT {
                    image.insert(path.to_owned(), None);
                }
                for (name, node) in entries {
                    self.collect(node, &path.join(name), kept, image);
                }
            }
        }
    }

    fn token(&mut self) -> Token {
        self.next += 1;
        self.next
    }
}

fn apply_names(entries: &mut Entries, change: &Renaming) {
    for (name, node) in change {
        match node {
            Some(node) => drop(entries.insert(name.clone(), *node)),
            None => drop(entries.remove::<OsStr>(name)),
        }
    }
}

fn done<T>(pending: &[Pending<T>]) -> Vec<Token> {
    pending.iter().filter(|p| p.done).map(|p| p.token).collect()
}

/// Takes the covered changes out, in order.
fn take<T>(pending: &mut Vec<Pending<T>>, covered: &[Token]) -> Vec<T> {
    let all = std::mem::take(pending);
    let (taken, left): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|p| covered.binary_search(&p.token).is_ok());
    *pending = left;
    taken.into_iter().map(|p| p.change).collect()
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Write(at, new) if !new.is_empty() => {
                let (at, end) = (*at as usize, *at as usize + new.len());
                if octets.len() < end {
                    octets.resize(end, 0);
                }
                octets[at..end].copy_from_slice(new);
            }
            Self::Write(..) => {}
            Self::Resize(length) => octets.resize(*length as usize, 0),
            Self::Extend(length) => octets.resize(octets.len().max(*length as usize), 0),
        }
    }

    fn length_after(&self, length: u64) -> u64 {
        match self {
            Self::Write(at, new) if !new.is_empty() => length.max(at + new.len() as u64),
            Self::Write(..) => length,
            Self::Resize(new) => *new,
            Self::Extend(new) => length.max(*new),
        }
    }

    /// Some of its sectors.
    fn torn(&self, sector: u64, random: &mut Random) -> Vec<Change> {
        let Self::Write(at, octets) = self else { return vec![self.clone()] };
        let (mut at, mut rest, mut parts) = (*at, &octets[..], Vec::new());
        while !rest.is_empty() {
            let length = rest.len().min((sector - at % sector) as usize);
            let (part, after) = rest.split_at(length);
            if random.between(0..2) == 1 {
                parts.push(Self::Write(at, part.to_vec()));
            }
            at += length as u64;
            rest = after;
        }
        parts
    }
}

impl Kept {
    fn of_file(&mut self, pending: &[Pending<Change>]) -> Vec<Change> {
        let changes = || pending.iter().map(|p| p.change.clone());
        match self {
            Self::Nothing => Vec::new(),
            Self::Everything => {
                pending.iter().filter(|p| p.done).map(|p| p.change.clone()).collect()
            }
            Self::Some(_) if pending.is_empty() => Vec::new(),
            Self::Some(random) => match random.between(0..6) {
                0 => Vec::new(),
                1 => changes().collect(),
                2 => changes().take(random.between(0..pending.len() as u64 + 1) as usize).collect(),
                3 => changes().filter(|_| random.between(0..2) == 1).collect(),
                4 => changes().flat_map(|change| change.torn(4096, random)).collect(),
                _ => changes().flat_map(|change| change.torn(512, random)).collect(),
            },
        }
    }

    fn of_folder<'p>(&mut self, pending: &'p [Pending<Renaming>]) -> Vec<&'p Renaming> {
        let changes = pending.iter().map(|p| &p.change);
        match self {
            Self::Nothing => Vec::new(),
            Self::Everything => changes.collect(),
            Self::Some(random) => changes.filter(|_| random.between(0..2) == 1).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> OsString {
        text.into()
    }

    fn named(disk: &mut Disk, text: &str) -> Node {
        let file = disk.add_file(Vec::new());
        disk.rename(ROOT, vec![(name(text), Some(file))]).expect("a folder");
        file
    }

    fn write(disk: &mut Disk, file: Node, at: u64, octets: &[u8]) {
        let token = disk.begin(file, Change::Write(at, octets.to_vec())).expect("a file");
        disk.done(file, token, Some(octets.len() as u64)).expect("began");
    }

    fn sync(disk: &mut Disk, node: Node) {
        let covered = disk.covered(node);
        disk.synced(node, &covered);
    }

    fn octets(image: &Image, path: &str) -> Option<Vec<u8>> {
        image.get(Path::new(path)).cloned().flatten()
    }

    #[test]
    fn a_write_without_a_sync_is_lost_and_one_with_it_stays() {
        let mut disk = Disk::new();
        let file = named(&mut disk, "a");
        sync(&mut disk, ROOT);
        write(&mut disk, file, 0, b"first");
        sync(&mut disk, file);
        write(&mut disk, file, 5, b" second");
        let nothing = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(octets(&nothing, "a").expect("is there"), b"first");
        let everything = disk.after_power_cut(&mut Kept::Everything);
        assert_eq!(octets(&everything, "a").expect("is there"), b"first second");
    }

    #[test]
    fn a_name_is_safe_only_after_its_folder_was_synced() {
        let mut disk = Disk::new();
        let file = named(&mut disk, "draft");
        write(&mut disk, file, 0, b"x");
        sync(&mut disk, file);
        assert_eq!(disk.after_power_cut(&mut Kept::Nothing), Image::new());
        sync(&mut disk, ROOT);
        let moved = vec![(name("draft"), None), (name("final"), Some(file))];
        disk.rename(ROOT, moved).expect("a folder");
        assert_eq!(disk.find(Path::new("final")), Some(file));
        let image = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(image.keys().collect::<Vec<_>>(), [Path::new("draft")]);
        sync(&mut disk, ROOT);
        let image = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(image.keys().collect::<Vec<_>>(), [Path::new("final")]);
        disk.rename(ROOT, vec![(name("final"), None)]).expect("a folder");
        let image = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(octets(&image, "final").expect("a removal is lost as well"), b"x");
    }

    #[test]
    fn a_folder_without_a_name_takes_everything_in_it_along() {
        let mut disk = Disk::new();
        let folder = disk.add_folder();
        disk.rename(ROOT, vec![(name("sub"), Some(folder))]).expect("a folder");
        let file = disk.add_file(b"x".to_vec());
        disk.rename(folder, vec![(name("a"), Some(file))]).expect("a folder");
        sync(&mut disk, folder);
        assert_eq!(disk.after_power_cut(&mut Kept::Nothing), Image::new());
        sync(&mut disk, ROOT);
        let image = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(octets(&image, "sub/a").expect("is there"), b"x");
    }

    #[test]
    fn a_sync_covers_only_what_had_returned_when_it_began() {
        let mut disk = Disk::new();
        let file = named(&mut disk, "a");
        sync(&mut disk, ROOT);
        let late = disk.begin(file, Change::Write(0, b"late".to_vec())).expect("a file");
        let covered = disk.covered(file);
        disk.done(file, late, Some(4)).expect("began");
        disk.synced(file, &covered);
        let image = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(octets(&image, "a").expect("is there"), b"");
        assert!(disk.is_dirty(file));
    }

    #[test]
    fn short_and_failed_writes_count_as_what_they_are() {
        let mut disk = Disk::new();
        let file = named(&mut disk, "a");
        sync(&mut disk, ROOT);
        let short = disk.begin(file, Change::Write(0, b"short".to_vec())).expect("a file");
        let failed = disk.begin(file, Change::Write(9, b"failed".to_vec())).expect("a file");
        disk.done(file, short, Some(2)).expect("began");
        disk.done(file, failed, None).expect("began");
        assert_eq!(disk.length(file).expect("a file"), 2);
        let image = disk.after_power_cut(&mut Kept::Everything);
        assert_eq!(octets(&image, "a").expect("is there"), b"sh");
    }

    #[test]
    fn lengths_change_and_are_as_unsafe_as_octets() {
        let mut disk = Disk::new();
        let file = named(&mut disk, "a");
        sync(&mut disk, ROOT);
        write(&mut disk, file, 0, b"octets");
        sync(&mut disk, file);
        for change in [Change::Resize(2), Change::Extend(4)] {
            let token = disk.begin(file, change).expect("a file");
            disk.done(file, token, Some(0)).expect("began");
        }
        let image = disk.after_power_cut(&mut Kept::Nothing);
        assert_eq!(octets(&image, "a").expect("is there"), b"octets");
        let image = disk.after_power_cut(&mut Kept::Everything);
        assert_eq!(octets(&image, "a").expect("is there"), b"oc\0\0");
    }

    #[test]
    fn chance_tears_writes_at_sectors_and_nowhere_else() {
        let mut disk = Disk::new();
        let file = named(&mut disk, "a");
        sync(&mut disk, ROOT);
        write(&mut disk, file, 0, &[1; 8192]);
        sync(&mut disk, file);
        write(&mut disk, file, 100, &[2; 8000]);
        let (mut torn, mut lost, mut whole) = (0, 0, 0);
        for seed in 0..200 {
            let image = disk.after_power_cut(&mut Kept::Some(Random(seed)));
            let octets = octets(&image, "a").expect("is there");
            assert!(octets[..100].iter().chain(&octets[8100..]).all(|octet| *octet == 1));
            let changed: Vec<bool> = octets.chunks(512).map(|sector| sector.contains(&2)).collect();
            for (sector, changed) in octets[512..7680].chunks(512).zip(&changed[1..]) {
                assert!(sector.iter().all(|octet| (*octet == 2) == *changed), "inside a sector");
            }
            match changed.iter().filter(|changed| **changed).count() {
                0 => lost += 1,
                16 => whole += 1,
                _ => torn += 1,
            }
        }
        assert!(torn > 20 && lost > 20 && whole > 20, "{torn} torn, {lost} lost, {whole} whole");
    }

    #[test]
    fn a_seed_gives_the_same_remains_again() {
        let mut disk = Disk::new();
        for file in ["a", "b", "c", "d", "e", "f"] {
            let file = named(&mut disk, file);
            write(&mut disk, file, 0, &[7; 3000]);
        }
        let remains = |seed| disk.after_power_cut(&mut Kept::Some(Random(seed)));
        assert_eq!(remains(3), remains(3));
        assert!((0..20).any(|seed| remains(seed) != remains(3)));
    }
}
