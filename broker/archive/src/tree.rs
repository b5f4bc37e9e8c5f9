//! The hash tree of RFC 9162 section 2.1 (the same as RFC 6962), with SHA-256.
//!
//! Only complete subtrees are ever stored or asked for: node `(level, index)` covers the leaves
//! `index << level .. (index + 1) << level`. Everything else is computed from those. Sizes are
//! limited to [`MAX_SIZE`]; no input makes a function here panic.

use openssl::sha::Sha256;

use crate::hash::Hash;

/// Most leaves a tree may have: what every reader of JSON still holds exactly (2^53 - 1).
pub const MAX_SIZE: u64 = (1 << 53) - 1;

/// Most hashes an inclusion or consistency proof may have.
pub const MAX_PROOF: usize = 64;

/// The hash of a leaf: `SHA-256(0x00 || leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(&[0]);
    sha.update(leaf);
    Hash(sha.finish())
}

/// The hash over two subtrees: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update(&[1]);
    sha.update(&left.0);
    sha.update(&right.0);
    Hash(sha.finish())
}

/// The root of the tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Hash {
    Hash(openssl::sha::sha256(b""))
}

/// Where complete subtrees are kept.
pub trait Nodes {
    /// Why a node could not be had.
    type Error;

    /// The hash of a complete subtree; level 0 are the leaf hashes.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl<N: Nodes + ?Sized> Nodes for &N {
    type Error = N::Error;
    fn node(&self, level: u8, index: u64) -> Result<Hash, N::Error> {
        (**self).node(level, index)
    }
}

/// A node that became complete: level, index, hash.
pub type NewNode = (u8, u64, Hash);

/// The right edge of a growing tree: its size and the complete subtrees that make it up, the
/// largest first. Costs at most 53 hashes, whatever the size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appender {
    size: u64,
    edge: Vec<Hash>,
}

impl Appender {
    /// The tree without leaves.
    pub fn empty() -> Self {
        Self { size: 0, edge: Vec::new() }
    }

    /// The right edge of a stored tree of `size` leaves.
    pub fn load<N: Nodes>(size: u64, nodes: &N) -> Result<Self, N::Error> {
        let edge = complete_subtrees(0, size)
            .map(|(level, index)| nodes.node(level, index))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, edge })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        join(&self.edge).unwrap_or_else(empty_root)
    }

    /// Appends a leaf hash and pushes every node this completes, the leaf's own included, lowest
    /// level first.
    pub fn append(&mut self, leaf: Hash, new_nodes: &mut Vec<NewNode>) {
        let mut hash = leaf;
        let mut level = 0u8;
        let mut index = self.size;
        new_nodes.push((level, index, hash));
        while index & 1 == 1 {
            // A set bit of the size is a complete subtree on the edge; it is the left sibling.
            let Some(left) = self.edge.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            index >>= 1;
            new_nodes.push((level, index, hash));
        }
        self.edge.push(hash);
        self.size += 1;
    }
}

/// The root of a stored tree of `size` leaves.
pub fn root<N: Nodes>(size: u64, nodes: &N) -> Result<Hash, N::Error> {
    Ok(Appender::load(size, nodes)?.root())
}

/// Why a proof could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// The leaf or the older tree is not inside the tree, or the tree is over [`MAX_SIZE`].
    #[error("the leaf or the older tree lies outside the tree of {size} leaves")]
    OutOfRange {
        /// Size of the tree the proof was asked for.
        size: u64,
    },
    /// A node could not be read.
    #[error("a node of the tree could not be read: {0}")]
    Nodes(#[source] E),
}

/// Proves that leaf `index` is in the tree of `size` leaves (RFC 9162, 2.1.3.1): the siblings on
/// the way from the leaf to the root, the lowest first.
pub fn inclusion_proof<N: Nodes>(
    index: u64,
    size: u64,
    nodes: &N,
) -> Result<Vec<Hash>, ProofError<N::Error>> {
    if index >= size || size > MAX_SIZE {
        return Err(ProofError::OutOfRange { size });
    }
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        let sibling = if index < middle { (middle, high) } else { (low, middle) };
        proof.push(range_root(sibling.0, sibling.1, nodes).map_err(ProofError::Nodes)?);
        if index < middle {
            high = middle;
        } else {
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that the tree of `old` leaves is the beginning of the tree of `new` leaves (RFC 9162,
/// 2.1.4.1). Empty where nothing needs proof: equal sizes, or `old` is 0.
pub fn consistency_proof<N: Nodes>(
    old: u64,
    new: u64,
    nodes: &N,
) -> Result<Vec<Hash>, ProofError<N::Error>> {
    if old > new || new > MAX_SIZE {
        return Err(ProofError::OutOfRange { size: new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, new);
    // The left edge is a subtree the verifier knows already: it is the old root itself.
    let mut known = true;
    while old < high {
        let middle = low + split(high - low);
        let other = if old <= middle { (middle, high) } else { (low, middle) };
        proof.push(range_root(other.0, other.1, nodes).map_err(ProofError::Nodes)?);
        if old <= middle {
            high = middle;
        } else {
            low = middle;
            known = false;
        }
    }
    if !known {
        proof.push(range_root(low, high, nodes).map_err(ProofError::Nodes)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Leaf outside the tree, older tree larger than the newer, or a size over [`MAX_SIZE`].
    #[error("the proof names a leaf or a size outside the tree")]
    OutOfRange,
    /// Too few or too many hashes for these sizes.
    #[error("the proof has the wrong number of hashes for these sizes")]
    WrongLength,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// Checks an inclusion proof (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), VerifyError> {
    if index >= size || size > MAX_SIZE {
        return Err(VerifyError::OutOfRange);
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match walk.step()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    walk.end()?;
    if hash == *root { Ok(()) } else { Err(VerifyError::OtherRoot) }
}

/// Checks a consistency proof (RFC 9162, 2.1.4.2). The tree without leaves is the beginning of
/// every tree; for it and for equal sizes the proof must be empty.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), VerifyError> {
    if old_size > new_size || new_size > MAX_SIZE {
        return Err(VerifyError::OutOfRange);
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == new_size { *new_root } else { empty_root() };
        return match (proof.is_empty(), *old_root == expected) {
            (false, _) => Err(VerifyError::WrongLength),
            (true, false) => Err(VerifyError::OtherRoot),
            (true, true) => Ok(()),
        };
    }
    let mut walk = Walk { node: old_size - 1, last: new_size - 1 };
    walk.skip_while_right();
    // An old tree of 2^n leaves is itself a node of the new one, so the proof leaves it out.
    let (start, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(VerifyError::WrongLength)?
    };
    let (mut old, mut new) = (*start, *start);
    for sibling in rest {
        match walk.step()? {
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        }
    }
    walk.end()?;
    if old == *old_root && new == *new_root { Ok(()) } else { Err(VerifyError::OtherRoot) }
}

/// On which side the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root, as both verification algorithms of RFC 9162 walk it (`fn` and
/// `sn` there): the node's and the last node's index on the present level.
struct Walk {
    node: u64,
    last: u64,
}

impl Walk {
    fn step(&mut self) -> Result<Side, VerifyError> {
        if self.last == 0 {
            return Err(VerifyError::WrongLength);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level without a sibling rises until it is a right child.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    fn skip_while_right(&mut self) {
        while self.node & 1 == 1 {
            self.up();
        }
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn end(&self) -> Result<(), VerifyError> {
        if self.last == 0 { Ok(()) } else { Err(VerifyError::WrongLength) }
    }
}

/// The largest power of two smaller than `count` (RFC 9162's `k`), for `count` of at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// The complete subtrees that make up the leaves `low .. high`, the largest first. `low` is a
/// multiple of the largest of them wherever this is called.
fn complete_subtrees(low: u64, high: u64) -> impl Iterator<Item = (u8, u64)> {
    let count = high - low;
    let mut start = low;
    (0..64u8).rev().filter(move |level| count >> level & 1 == 1).map(move |level| {
        let index = start >> level;
        start += 1 << level;
        (level, index)
    })
}

/// The root over the leaves `low .. high` of a range the tree's own splitting leads to.
fn range_root<N: Nodes>(low: u64, high: u64, nodes: &N) -> Result<Hash, N::Error> {
    let parts = complete_subtrees(low, high)
        .map(|(level, index)| nodes.node(level, index))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(join(&parts).unwrap_or_else(empty_root))
}

/// Joins complete subtrees, largest first, into the root over them.
fn join(parts: &[Hash]) -> Option<Hash> {
    let (last, rest) = parts.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// All nodes of a tree in memory, for tests, demonstrations and small logs.
#[derive(Clone, Debug, Default)]
pub struct MemoryNodes {
    levels: Vec<Vec<Hash>>,
}

/// A node that is not (yet) complete in this tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no complete node {index} on level {level}")]
pub struct MissingNode {
    /// Level, 0 for leaves.
    pub level: u8,
    /// Index on the level.
    pub index: u64,
}

impl MemoryNodes {
    /// Takes what [`Appender::append`] pushed, in the order it was pushed.
    pub fn extend(&mut self, new_nodes: &[NewNode]) {
        for &(level, _, hash) in new_nodes {
            let level = usize::from(level);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Vec::new);
            }
            self.levels[level].push(hash);
        }
    }
}

impl Nodes for MemoryNodes {
    type Error = MissingNode;
    fn node(&self, level: u8, index: u64) -> Result<Hash, MissingNode> {
        let on_level = self.levels.get(usize::from(level));
        let position = usize::try_from(index).ok();
        on_level
            .zip(position)
            .and_then(|(hashes, position)| hashes.get(position).copied())
            .ok_or(MissingNode { level, index })
    }
}
