//! A whole log, read again from its leaves: `amtsbote archive verify`.
//!
//! The tree is computed anew and compared with every head ever released. Equal roots at every
//! released size mean that each head is the beginning of the next; that is stronger than any chain
//! of consistency proofs. Memory does not grow with the log.

use std::iter::Peekable;

use serde_json::Value;

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::json;
use crate::note::VerifierKey;
use crate::record::{self, Salt};
use crate::tree::{self, Appender, MAX_SIZE, NewNode};
use crate::wording::Wording;

/// What is kept about one leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 0.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
    /// Salt and canonical record; none once they have been erased.
    pub opening: Option<Opening>,
}

/// A leaf, or its hash where only that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// The salted commitment itself.
    Data([u8; 32]),
    /// The leaf hash over it.
    Hash(Hash),
}

/// What opens a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The salt.
    pub salt: Salt,
    /// The record in canonical JSON.
    pub record: Vec<u8>,
}

/// What was looked at, and the first thing that is wrong.
#[derive(Debug)]
pub struct LogReport {
    /// Leaves read, up to the fault.
    pub leaves: u64,
    /// Records compared with their leaves.
    pub records: u64,
    /// Leaves without a record: erased.
    pub erased: u64,
    /// Released heads of the log found good.
    pub heads: u64,
    /// Heads kept elsewhere found in the log.
    pub outside: u64,
    /// The root over the leaves read.
    pub root: Hash,
    /// The first fault; the rest of the log was not looked at.
    pub fault: Option<LogFault>,
}

impl LogReport {
    /// Everything is as it must be.
    pub fn holds(&self) -> bool {
        self.fault.is_none()
    }
}

/// What can be wrong with a log.
#[derive(Debug)]
pub enum LogFault {
    /// A leaf is missing, doubled or out of order.
    Order {
        /// The index that had to come.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// The record is not what the leaf commits to, or not canonical, or of another log.
    Record {
        /// Of which leaf.
        index: u64,
    },
    /// A stored node is not the hash over what it covers.
    Node {
        /// The leaf that completed it.
        index: u64,
        /// Its tree level.
        level: u8,
    },
    /// A head is malformed or not signed by the log's key.
    Head {
        /// Its place among the heads given, from 0.
        position: u64,
        /// Kept elsewhere.
        outside: bool,
        /// What is wrong.
        error: CheckpointError,
    },
    /// A head is smaller than the one released before it.
    Shrinks {
        /// Its place among the heads, from 0.
        position: u64,
    },
    /// The leaves do not lead to the root a head signs: something before `size` was changed.
    Root {
        /// The head's size.
        size: u64,
        /// Kept elsewhere.
        outside: bool,
    },
    /// A head covers more leaves than there are: leaves were lost or removed.
    Missing {
        /// The head's size.
        size: u64,
        /// Leaves that are there.
        leaves: u64,
        /// Kept elsewhere.
        outside: bool,
    },
    /// Leaves no released head covers.
    Uncovered {
        /// The first of them.
        index: u64,
    },
}

/// Checks a log.
///
/// `entries` come by index from 0, `heads` as they were released. `outside` are heads kept outside
/// the database (guard, witness, time stamp) in any order. `node_is` says whether the stored node
/// is the one computed; a caller without stored nodes answers `Ok(true)`. Errors of the sources end
/// the check and are returned.
pub fn verify<E>(
    key: &VerifierKey,
    entries: impl IntoIterator<Item = Result<Entry, E>>,
    heads: impl IntoIterator<Item = Result<String, E>>,
    outside: &[String],
    node_is: impl FnMut(&NewNode) -> Result<bool, E>,
) -> Result<LogReport, E> {
    let mut run = Run {
        key,
        heads: heads.into_iter().peekable(),
        next_head: None,
        outside: Vec::new(),
        node_is,
        appender: Appender::empty(),
        new_nodes: Vec::new(),
        covered: 0,
        report: LogReport {
            leaves: 0,
            records: 0,
            erased: 0,
            heads: 0,
            outside: 0,
            root: tree::empty_root(),
            fault: None,
        },
    };
    match run.all(entries.into_iter(), outside) {
        Ok(()) => {}
        Err(Stop::Fault(fault)) => run.report.fault = Some(fault),
        Err(Stop::Source(error)) => return Err(error),
    }
    run.report.root = run.appender.root();
    Ok(run.report)
}

/// Why the reading ends early.
enum Stop<E> {
    Fault(LogFault),
    Source(E),
}

impl<E> From<LogFault> for Stop<E> {
    fn from(fault: LogFault) -> Self {
        Self::Fault(fault)
    }
}

struct Run<'k, H: Iterator, N> {
    key: &'k VerifierKey,
    heads: Peekable<H>,
    /// The next head to be reached, already verified.
    next_head: Option<Checkpoint>,
    /// Heads kept elsewhere that are still to be reached, the largest first.
    outside: Vec<Checkpoint>,
    node_is: N,
    appender: Appender,
    new_nodes: Vec<NewNode>,
    /// Size of the last head reached.
    covered: u64,
    report: LogReport,
}

impl<E, H, N> Run<'_, H, N>
where
    H: Iterator<Item = Result<String, E>>,
    N: FnMut(&NewNode) -> Result<bool, E>,
{
    fn all(
        &mut self,
        entries: impl Iterator<Item = Result<Entry, E>>,
        outside: &[String],
    ) -> Result<(), Stop<E>> {
        self.read_outside(outside)?;
        self.advance_head(0)?;
        self.compare_heads()?;
        for entry in entries {
            self.entry(&entry.map_err(Stop::Source)?)?;
            self.compare_heads()?;
        }
        self.end()
    }

    fn read_outside(&mut self, notes: &[String]) -> Result<(), Stop<E>> {
        for (position, note) in notes.iter().enumerate() {
            let head = checkpoint::verify(note, self.key).map_err(|error| LogFault::Head {
                position: position as u64,
                outside: true,
                error,
            })?;
            self.outside.push(head);
        }
        self.outside.sort_by_key(|head| std::cmp::Reverse(head.size));
        Ok(())
    }

    /// Reads and verifies the next released head.
    fn advance_head(&mut self, position: u64) -> Result<(), Stop<E>> {
        let Some(note) = self.heads.next() else {
            self.next_head = None;
            return Ok(());
        };
        let note = note.map_err(Stop::Source)?;
        let head = checkpoint::verify(&note, self.key).map_err(|error| LogFault::Head {
            position,
            outside: false,
            error,
        })?;
        if head.size < self.covered {
            return Err(LogFault::Shrinks { position }.into());
        }
        self.next_head = Some(head);
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Stop<E>> {
        let (index, expected) = (entry.index, self.appender.size());
        if index != expected || index >= MAX_SIZE {
            return Err(LogFault::Order { expected, found: index }.into());
        }
        match &entry.opening {
            Some(opening) if !self.opens(&entry.leaf, opening) => {
                return Err(LogFault::Record { index }.into());
            }
            Some(_) => self.report.records += 1,
            None => self.report.erased += 1,
        }
        self.new_nodes.clear();
        self.appender.append(entry.leaf.hash(), &mut self.new_nodes);
        for node in &self.new_nodes {
            if !(self.node_is)(node).map_err(Stop::Source)? {
                return Err(LogFault::Node { index, level: node.0 }.into());
            }
        }
        self.report.leaves += 1;
        Ok(())
    }

    /// The record is canonical JSON of this log, and the leaf commits to it.
    fn opens(&self, leaf: &Leaf, opening: &Opening) -> bool {
        let Ok(record) = json::parse(&opening.record) else { return false };
        let canonical = record::canonical(&record).is_ok_and(|octets| octets == opening.record);
        let ours = record.get("log").and_then(Value::as_str) == Some(self.key.name());
        let commitment = record::leaf(&opening.salt, &opening.record);
        canonical && ours && leaf.hash() == tree::leaf_hash(&commitment)
    }

    /// Compares all heads of the present size.
    fn compare_heads(&mut self) -> Result<(), Stop<E>> {
        let size = self.appender.size();
        while let Some(head) = self.next_head.take_if(|head| head.size == size) {
            if head.root != self.appender.root() {
                return Err(LogFault::Root { size, outside: false }.into());
            }
            self.covered = size;
            self.report.heads += 1;
            self.advance_head(self.report.heads)?;
        }
        while let Some(head) = self.outside.pop_if(|head| head.size == size) {
            if head.root != self.appender.root() {
                return Err(LogFault::Root { size, outside: true }.into());
            }
            self.report.outside += 1;
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Stop<E>> {
        let leaves = self.appender.size();
        if let Some(head) = &self.next_head {
            return Err(LogFault::Missing { size: head.size, leaves, outside: false }.into());
        }
        if let Some(head) = self.outside.first() {
            return Err(LogFault::Missing { size: head.size, leaves, outside: true }.into());
        }
        if self.covered < leaves {
            return Err(LogFault::Uncovered { index: self.covered }.into());
        }
        Ok(())
    }
}

impl Leaf {
    /// The leaf hash.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Data(octets) => tree::leaf_hash(octets),
            Self::Hash(hash) => *hash,
        }
    }
}

impl LogFault {
    /// The fault in words.
    pub fn wording(&self) -> Wording {
        let (where_en, where_de) = match self {
            Self::Head { outside: true, .. }
            | Self::Root { outside: true, .. }
            | Self::Missing { outside: true, .. } => {
                (" kept outside the database", ", der außerhalb der Datenbank aufbewahrt wird,")
            }
            _ => ("", ""),
        };
        match self {
            Self::Order { expected, found } => Wording::new(
                "log-order",
                format!("Leaf {expected} is missing or out of order; leaf {found} came instead."),
                format!(
                    "Eintrag {expected} fehlt oder steht an falscher Stelle; gefunden wurde \
                     Eintrag {found}."
                ),
            ),
            Self::Record { index } => Wording::new(
                "log-record",
                format!("The record of leaf {index} is not the one that was recorded."),
                format!("Der Nachweis zu Eintrag {index} ist nicht der ursprünglich vermerkte."),
            ),
            Self::Node { index, level } => Wording::new(
                "log-node",
                format!("The stored node of level {level} that ends with leaf {index} is wrong."),
                format!(
                    "Der gespeicherte Knoten der Ebene {level}, der mit Eintrag {index} endet, ist \
                     falsch."
                ),
            ),
            Self::Head { position, error, .. } => Wording::new(
                "log-head",
                format!("Head number {position}{where_en} is not valid: {error}."),
                format!(
                    "Der Protokollstand Nr. {position}{where_de} ist kein mit dem Schlüssel des \
                     Protokolls signierter Stand."
                ),
            ),
            Self::Shrinks { position } => Wording::new(
                "log-shrinks",
                format!("Head number {position} is smaller than the one before it."),
                format!("Der Protokollstand Nr. {position} ist kleiner als der vorhergehende."),
            ),
            Self::Root { size, .. } => Wording::new(
                "log-root",
                format!(
                    "The head of size {size}{where_en} signs another history: a leaf before {size} \
                     was changed."
                ),
                format!(
                    "Der Protokollstand der Größe {size}{where_de} bezeugt einen anderen Verlauf: \
                     Ein Eintrag vor {size} wurde verändert."
                ),
            ),
            Self::Missing { size, leaves, .. } => Wording::new(
                "log-missing",
                format!(
                    "The head of size {size}{where_en} covers more than the {leaves} leaves found: \
                     leaves are lost."
                ),
                format!(
                    "Der Protokollstand der Größe {size}{where_de} umfasst mehr als die \
                     {leaves} vorhandenen Einträge: Es fehlen Einträge."
                ),
            ),
            Self::Uncovered { index } => Wording::new(
                "log-uncovered",
                format!("No signed head covers the leaves from {index} on."),
                format!(
                    "Die Einträge ab {index} sind von keinem signierten Protokollstand gedeckt."
                ),
            ),
        }
    }
}
