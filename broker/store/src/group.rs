//! One commit's worth of work: what an operation sees of the store while it writes.
//!
//! Leaves get their index and their row at once. Nodes, the one head and the receipts are made
//! when all operations of the group have run, in the same transaction.

use std::cell::RefCell;
use std::collections::HashMap;

use amtsbote_archive::Hash;
use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::note::LogKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_archive::record::{self, Salt};
use amtsbote_archive::tree::{self, Appender, Nodes};
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::wrapping::WrappingKeys;
use jiff::Timestamp;
use openssl::rand::rand_bytes;
use serde_json::Value;

use crate::error::{cipher_error, unreadable};
use crate::sql::{Db, params};

/// The receipts of a group, by the index of their leaf.
pub(crate) type Receipts = HashMap<u64, Vec<u8>>;

/// A leaf of the group.
struct Leaf {
    hash: Hash,
    salt: Salt,
    /// Canonical; empty where no receipt is made.
    record: Vec<u8>,
    keep: Keep,
}

/// What becomes of a leaf's receipt.
enum Keep {
    /// None is made.
    Nothing,
    /// It answers the operation.
    Answer,
    /// It is also stored for the message, under this word.
    Stored { message: i64, kind: &'static str },
}

/// A group while its operations run.
pub(crate) struct Group<'w> {
    /// The transaction.
    pub(crate) db: &'w Db,
    /// Keys at rest.
    pub(crate) keys: &'w dyn WrappingKeys,
    now: Timestamp,
    origin: &'w str,
    base: u64,
    leaves: Vec<Leaf>,
    changed: bool,
}

/// Where an operation began, to go back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

/// What a group adds to the log.
pub(crate) struct Sealed {
    pub(crate) tree: Appender,
    pub(crate) head: String,
    /// The first new leaf.
    pub(crate) first: (u64, Hash),
    pub(crate) receipts: Receipts,
}

/// A receipt that an operation answers with.
pub(crate) enum ReceiptOf {
    /// Made at the end of this group, for this leaf.
    Leaf(u64),
    /// Stored before.
    Stored(Vec<u8>),
}

impl<'w> Group<'w> {
    /// A group on a log of `base` leaves. All its evidence bears the time `now`, which must not
    /// lie before that of any leaf.
    pub(crate) fn new(
        db: &'w Db,
        keys: &'w dyn WrappingKeys,
        origin: &'w str,
        base: u64,
        now: Timestamp,
    ) -> Self {
        Self { db, keys, now, origin, base, leaves: Vec::new(), changed: false }
    }

    /// The time of everything in this group, in whole microseconds.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The index the next leaf will have.
    pub(crate) fn next_index(&self) -> u64 {
        self.base + self.leaves.len() as u64
    }

    /// Says that rows were changed without a leaf, so that the group must be committed.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Whether there is anything to commit.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed || !self.leaves.is_empty()
    }

    /// Whether the log grows.
    pub(crate) fn has_leaves(&self) -> bool {
        !self.leaves.is_empty()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.leaves.len())
    }

    /// Forgets the leaves of an operation that was rolled back.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.leaves.truncate(mark.0);
    }

    /// Appends a leaf without a receipt.
    pub(crate) fn append(
        &mut self,
        evidence: &Evidence,
        message: Option<i64>,
    ) -> Result<u64, StoreError> {
        self.append_leaf(evidence, message, Keep::Nothing)
    }

    /// Appends a leaf whose receipt answers the operation and is not stored.
    pub(crate) fn append_answered(
        &mut self,
        evidence: &Evidence,
        message: Option<i64>,
    ) -> Result<u64, StoreError> {
        self.append_leaf(evidence, message, Keep::Answer)
    }

    /// Appends a leaf whose receipt is stored for the message under `kind`.
    pub(crate) fn append_stored(
        &mut self,
        evidence: &Evidence,
        message: i64,
        kind: &'static str,
    ) -> Result<u64, StoreError> {
        self.append_leaf(evidence, Some(message), Keep::Stored { message, kind })
    }

    fn append_leaf(
        &mut self,
        evidence: &Evidence,
        message: Option<i64>,
        keep: Keep,
    ) -> Result<u64, StoreError> {
        let record = to_record(evidence, self.origin, self.now)?;
        let canonical = record::canonical(&record).map_err(|_| unreadable("a record"))?;
        let mut salt = Salt([0; 32]);
        rand_bytes(&mut salt.0).map_err(cipher_error)?;
        let hash = tree::leaf_hash(&record::leaf(&salt, &canonical));
        let index = self.next_index();
        self.db.write(
            "INSERT INTO leaf (idx, hash, salt, record, at, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![index as i64, hash.0, salt.0, canonical, self.now.as_microsecond(), message],
        )?;
        let record = if matches!(keep, Keep::Nothing) { Vec::new() } else { canonical };
        self.leaves.push(Leaf { hash, salt, record, keep });
        Ok(index)
    }

    /// The newest receipt of this kind, be it of this group or stored.
    pub(crate) fn receipt(
        &self,
        message: i64,
        wanted: &str,
    ) -> Result<Option<ReceiptOf>, StoreError> {
        let here = self.leaves.iter().rposition(|leaf| {
            matches!(leaf.keep, Keep::Stored { message: m, kind } if m == message && kind == wanted)
        });
        if let Some(n) = here {
            return Ok(Some(ReceiptOf::Leaf(self.base + n as u64)));
        }
        Ok(stored_receipt(self.db, message, wanted)?.map(ReceiptOf::Stored))
    }

    /// Makes nodes, head and receipts, and writes them.
    pub(crate) fn seal(
        &mut self,
        tree: &Appender,
        key: &LogKey,
        nodes: &NodeCache,
    ) -> Result<Sealed, StoreError> {
        let first = self.leaves.first().ok_or_else(|| unreadable("a group without leaves"))?;
        let first = (self.base, first.hash);
        let mut tree = tree.clone();
        let mut new_nodes = Vec::new();
        for leaf in &self.leaves {
            tree.append(leaf.hash, &mut new_nodes);
        }
        for &(level, index, hash) in &new_nodes {
            nodes.remember(level, index, hash);
            // The leaf hashes stand in the leaf rows.
            if level > 0 {
                let sql = "INSERT INTO node (level, idx, hash) VALUES (?1, ?2, ?3)";
                self.db.write(sql, params![level, index as i64, hash.0])?;
            }
        }
        let size = tree.size();
        let head = Checkpoint { origin: self.origin.to_owned(), size, root: tree.root() };
        let head = checkpoint::sign(&head, key).map_err(|_| unreadable("the head"))?;
        self.db.write(
            "INSERT INTO log_head (one, size, note, at) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (one) DO UPDATE SET size = ?1, note = ?2, at = ?3",
            params![size as i64, head, self.now.as_microsecond()],
        )?;
        let receipts = self.make_receipts(size, &head, nodes)?;
        Ok(Sealed { tree, head, first, receipts })
    }

    fn make_receipts(
        &mut self,
        size: u64,
        head: &str,
        nodes: &NodeCache,
    ) -> Result<Receipts, StoreError> {
        let nodes = nodes.over(self.db);
        let mut receipts = Receipts::new();
        for (index, leaf) in (self.base..).zip(&self.leaves) {
            if matches!(leaf.keep, Keep::Nothing) {
                continue;
            }
            let proof = inclusion(index, size, &nodes)?;
            let receipt = Receipt::write(&leaf.record, leaf.salt, index, &proof, head)
                .map_err(|_| unreadable("a receipt"))?;
            if let Keep::Stored { message, kind } = leaf.keep {
                self.db.write(
                    "INSERT INTO receipt (leaf, message, kind, body) VALUES (?1, ?2, ?3, ?4)",
                    params![index as i64, message, kind, receipt],
                )?;
            }
            receipts.insert(index, receipt);
        }
        Ok(receipts)
    }
}

/// The record of a leaf: the evidence, the log it stands in, and when.
fn to_record(evidence: &Evidence, origin: &str, at: Timestamp) -> Result<Value, StoreError> {
    let mut record = serde_json::to_value(evidence).map_err(|_| unreadable("a record"))?;
    let fields = record.as_object_mut().ok_or_else(|| unreadable("a record"))?;
    fields.insert("log".to_owned(), Value::from(origin));
    fields.insert("time".to_owned(), Value::from(format!("{at:.6}")));
    Ok(record)
}

/// The receipt over a leaf under a head of `size` leaves.
pub(crate) fn make_receipt<N: Nodes>(
    index: u64,
    size: u64,
    record: Value,
    salt: Salt,
    head: &str,
    nodes: &N,
) -> Result<Vec<u8>, StoreError> {
    let proof = inclusion(index, size, nodes)?;
    let receipt = Receipt::new(record, salt, index, proof, head.to_owned())
        .map_err(|_| unreadable("a receipt"))?;
    Ok(receipt.to_bytes())
}

fn inclusion<N: Nodes>(index: u64, size: u64, nodes: &N) -> Result<Vec<Hash>, StoreError> {
    tree::inclusion_proof(index, size, nodes).map_err(|_| unreadable("the nodes of the log"))
}

/// The newest stored receipt of a kind.
pub(crate) fn stored_receipt(
    db: &Db,
    message: i64,
    kind: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    db.query_opt(
        "SELECT body FROM receipt WHERE message = ?1 AND kind = ?2 ORDER BY leaf DESC LIMIT 1",
        params![message, kind],
        |row| row.get(0),
    )
}

/// The nodes of the tree in the database.
pub(crate) struct StoredNodes<'c>(pub(crate) &'c Db);

impl Nodes for StoredNodes<'_> {
    type Error = StoreError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, StoreError> {
        let index = index as i64;
        if level == 0 {
            let sql = "SELECT hash FROM leaf WHERE idx = ?1";
            return self.0.query_one(sql, params![index], |row| row.get(0)).map(Hash);
        }
        let sql = "SELECT hash FROM node WHERE level = ?1 AND idx = ?2";
        self.0.query_one(sql, params![level, index], |row| row.get(0)).map(Hash)
    }
}

/// The nodes used last: the proofs of neighbours share nearly all of theirs.
#[derive(Default)]
pub(crate) struct NodeCache(RefCell<HashMap<(u8, u64), Hash>>);

impl NodeCache {
    /// Most nodes kept from one group to the next.
    const LIMIT: usize = 8192;

    /// The nodes of `db`, through this cache.
    pub(crate) fn over<'c>(&'c self, db: &'c Db) -> CachedNodes<'c> {
        CachedNodes { cache: self, stored: StoredNodes(db) }
    }

    fn remember(&self, level: u8, index: u64, hash: Hash) {
        self.0.borrow_mut().insert((level, index), hash);
    }

    /// Bounds the cache; to be called between groups.
    pub(crate) fn trim(&mut self) {
        if self.0.get_mut().len() > Self::LIMIT {
            self.clear();
        }
    }

    /// Forgets everything: a transaction failed.
    pub(crate) fn clear(&mut self) {
        self.0.get_mut().clear();
    }
}

/// See [`NodeCache::over`].
pub(crate) struct CachedNodes<'c> {
    cache: &'c NodeCache,
    stored: StoredNodes<'c>,
}

impl Nodes for CachedNodes<'_> {
    type Error = StoreError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, StoreError> {
        if let Some(hash) = self.cache.0.borrow().get(&(level, index)) {
            return Ok(*hash);
        }
        let hash = self.stored.node(level, index)?;
        self.cache.remember(level, index, hash);
        Ok(hash)
    }
}
