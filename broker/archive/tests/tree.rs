//! The hash tree against published vectors and against a tree computed the slow, obvious way.

use amtsbote_archive::Hash;
use amtsbote_archive::tree::{
    Appender, MAX_SIZE, MemoryNodes, MissingNode, NewNode, Nodes, ProofError, VerifyError,
    consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash, root, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;

/// The definition of RFC 9162, 2.1.1, word for word: recursion over slices of leaves.
mod slow {
    use super::*;

    fn split(count: usize) -> usize {
        let mut k = 1;
        while k * 2 < count {
            k *= 2;
        }
        k
    }

    pub(crate) fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&root(left), &root(right))
            }
        }
    }

    /// PATH(m, D_n)
    pub(crate) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if index < k {
            (path(index, left), root(right))
        } else {
            (path(index - k, right), root(left))
        };
        proof.push(sibling);
        proof
    }

    /// SUBPROOF(m, D_n, b)
    pub(crate) fn subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if known { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if old <= k {
            (subproof(old, left, known), root(right))
        } else {
            (subproof(old - k, right, false), root(left))
        };
        proof.push(sibling);
        proof
    }
}

fn hash(hex: &str) -> Hash {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    Hash(std::array::from_fn(|position| digit(2 * position)))
}

/// A tree over the leaf hashes, with the appender, the nodes, and the leaf hashes.
fn grow(leaves: &[Hash]) -> (Appender, MemoryNodes) {
    let mut appender = Appender::empty();
    let mut nodes = MemoryNodes::default();
    let mut new = Vec::new();
    for leaf in leaves {
        appender.append(*leaf, &mut new);
    }
    nodes.extend(&new);
    (appender, nodes)
}

fn numbered(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

const INPUTS: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn known_leaves() -> Vec<Hash> {
    INPUTS.iter().map(|input| leaf_hash(input)).collect()
}

#[test]
fn published_roots() {
    let leaves = known_leaves();
    for (size, expected) in ROOTS.iter().enumerate() {
        let (appender, nodes) = grow(&leaves[..size]);
        assert_eq!(appender.root(), hash(expected), "size {size}");
        assert_eq!(root(size as u64, &nodes), Ok(hash(expected)), "size {size}");
    }
}

#[test]
fn published_inclusion_proofs() {
    let cases: [(u64, u64, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ];
    let leaves = known_leaves();
    let (_, nodes) = grow(&leaves);
    for (index, size, proof) in cases {
        let proof: Vec<_> = proof.iter().map(|text| hash(text)).collect();
        assert_eq!(inclusion_proof(index, size, &nodes), Ok(proof.clone()), "{index} of {size}");
        let root = hash(ROOTS[size as usize]);
        assert_eq!(verify_inclusion(&leaves[index as usize], index, size, &proof, &root), Ok(()));
    }
}

#[test]
fn published_consistency_proofs() {
    let cases: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    let (_, nodes) = grow(&known_leaves());
    for (old, new, proof) in cases {
        let proof: Vec<_> = proof.iter().map(|text| hash(text)).collect();
        assert_eq!(consistency_proof(old, new, &nodes), Ok(proof.clone()), "{old} in {new}");
        let (before, after) = (hash(ROOTS[old as usize]), hash(ROOTS[new as usize]));
        assert_eq!(verify_consistency(old, &before, new, &after, &proof), Ok(()));
    }
}

#[test]
fn every_size_and_every_leaf_up_to_80() {
    let leaves = numbered(80);
    let (_, nodes) = grow(&leaves);
    for size in 1..=80 {
        let tree = slow::root(&leaves[..size]);
        assert_eq!(root(size as u64, &nodes), Ok(tree));
        for index in 0..size {
            let proof = inclusion_proof(index as u64, size as u64, &nodes).expect("proof");
            assert_eq!(proof, slow::path(index, &leaves[..size]));
            let leaf = &leaves[index];
            assert_eq!(verify_inclusion(leaf, index as u64, size as u64, &proof, &tree), Ok(()));
            // The same proof speaks for no other place.
            for other in (0..size).filter(|&other| other != index) {
                assert!(
                    verify_inclusion(leaf, other as u64, size as u64, &proof, &tree).is_err(),
                    "leaf {index} of {size} taken for {other}"
                );
            }
        }
        for old in 1..=size {
            let proof = consistency_proof(old as u64, size as u64, &nodes).expect("proof");
            assert_eq!(proof, slow::subproof(old, &leaves[..size], true));
            let before = slow::root(&leaves[..old]);
            assert_eq!(verify_consistency(old as u64, &before, size as u64, &tree, &proof), Ok(()));
        }
    }
}

/// Any two (leaf or size, size) pairs in trees of up to 300 leaves.
fn two_sizes() -> impl Strategy<Value = (usize, usize)> {
    (1usize..=300).prop_flat_map(|size| (0..size, Just(size)))
}

proptest! {
    #[test]
    fn inclusion_like_the_definition((index, size) in two_sizes(), flip: u16, extra: [u8; 32]) {
        let leaves = numbered(size);
        let (appender, nodes) = grow(&leaves);
        let tree = appender.root();
        prop_assert_eq!(tree, slow::root(&leaves));
        let (index64, size64) = (index as u64, size as u64);
        let proof = inclusion_proof(index64, size64, &nodes).expect("proof");
        prop_assert_eq!(&proof, &slow::path(index, &leaves));
        let check = |leaf: &Hash, proof: &[Hash], tree: &Hash| {
            verify_inclusion(leaf, index64, size64, proof, tree)
        };
        prop_assert_eq!(check(&leaves[index], &proof, &tree), Ok(()));
        prop_assert!(check(&flipped(&leaves[index], flip), &proof, &tree).is_err());
        prop_assert!(check(&leaves[index], &proof, &flipped(&tree, flip)).is_err());
        for damaged in damaged(&proof, flip, Hash(extra)) {
            prop_assert!(check(&leaves[index], &damaged, &tree).is_err());
        }
    }

    #[test]
    fn consistency_like_the_definition((old, size) in two_sizes(), flip: u16, extra: [u8; 32]) {
        let old = old.max(1);
        let leaves = numbered(size);
        let (_, nodes) = grow(&leaves);
        let (before, after) = (slow::root(&leaves[..old]), slow::root(&leaves));
        let proof = consistency_proof(old as u64, size as u64, &nodes).expect("proof");
        prop_assert_eq!(&proof, &slow::subproof(old, &leaves, true));
        let check = |before: &Hash, after: &Hash, proof: &[Hash]| {
            verify_consistency(old as u64, before, size as u64, after, proof)
        };
        prop_assert_eq!(check(&before, &after, &proof), Ok(()));
        prop_assert!(check(&flipped(&before, flip), &after, &proof).is_err());
        prop_assert!(check(&before, &flipped(&after, flip), &proof).is_err());
        for damaged in damaged(&proof, flip, Hash(extra)) {
            prop_assert!(check(&before, &after, &damaged).is_err());
        }
    }

    #[test]
    fn an_edge_read_again_goes_on_like_the_first(size in 0usize..300, more in 0usize..40) {
        let leaves = numbered(size + more);
        let (appender, nodes) = grow(&leaves[..size]);
        let mut again = Appender::load(size as u64, &nodes).expect("loaded");
        prop_assert_eq!(&again, &appender);
        let mut new: Vec<NewNode> = Vec::new();
        leaves[size..].iter().for_each(|leaf| again.append(*leaf, &mut new));
        prop_assert_eq!(again.root(), slow::root(&leaves));
        prop_assert_eq!(again.size(), leaves.len() as u64);
        // Every node it names is the root over exactly the leaves it covers.
        for (level, index, hash) in new {
            let from = (index as usize) << level;
            prop_assert_eq!(hash, slow::root(&leaves[from..from + (1 << level)]));
        }
    }

    #[test]
    fn any_proof_is_answered(
        index: u64, size: u64, leaf: [u8; 32],
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..80),
    ) {
        let proof: Vec<_> = proof.into_iter().map(Hash).collect();
        let leaf = Hash(leaf);
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &leaf).is_err() || proof.is_empty());
        let _ = verify_consistency(index, &leaf, size, &leaf, &proof);
        let small = (index & 0xff, size & 0xff);
        let _ = verify_inclusion(&leaf, small.0, small.1, &proof, &leaf);
        let _ = verify_consistency(small.0, &leaf, small.1, &leaf, &proof);
    }
}

fn flipped(hash: &Hash, bit: u16) -> Hash {
    let mut octets = hash.0;
    octets[usize::from(bit >> 3) % 32] ^= 1 << (bit & 7);
    Hash(octets)
}

/// The proof with each hash changed by one bit, each left out, one more at every place, and two
/// neighbours exchanged.
fn damaged(proof: &[Hash], bit: u16, extra: Hash) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for position in 0..=proof.len() {
        let mut longer = proof.to_vec();
        longer.insert(position, extra);
        all.push(longer);
        if position < proof.len() {
            let mut changed = proof.to_vec();
            changed[position] = flipped(&changed[position], bit);
            all.push(changed);
            let mut shorter = proof.to_vec();
            shorter.remove(position);
            all.push(shorter);
        }
        if position + 1 < proof.len() {
            let mut exchanged = proof.to_vec();
            exchanged.swap(position, position + 1);
            all.push(exchanged);
        }
    }
    all
}

#[test]
fn every_bit_of_a_proof_counts() {
    let leaves = numbered(13);
    let (appender, nodes) = grow(&leaves);
    let tree = appender.root();
    let inclusion = inclusion_proof(9, 13, &nodes).expect("proof");
    let consistency = consistency_proof(6, 13, &nodes).expect("proof");
    let before = slow::root(&leaves[..6]);
    for bit in 0..256 {
        for position in 0..inclusion.len() {
            let mut proof = inclusion.clone();
            proof[position] = flipped(&proof[position], bit);
            assert_eq!(
                verify_inclusion(&leaves[9], 9, 13, &proof, &tree),
                Err(VerifyError::OtherRoot)
            );
        }
        for position in 0..consistency.len() {
            let mut proof = consistency.clone();
            proof[position] = flipped(&proof[position], bit);
            assert_eq!(
                verify_consistency(6, &before, 13, &tree, &proof),
                Err(VerifyError::OtherRoot)
            );
        }
    }
}

#[test]
fn the_empty_tree_begins_every_tree_and_only_it() {
    let (appender, _) = grow(&numbered(5));
    let five = appender.root();
    assert_eq!(verify_consistency(0, &empty_root(), 5, &five, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &five, 5, &five, &[]), Err(VerifyError::OtherRoot));
    assert_eq!(
        verify_consistency(0, &empty_root(), 5, &five, &[five]),
        Err(VerifyError::WrongLength)
    );
    assert_eq!(verify_consistency(5, &five, 5, &five, &[]), Ok(()));
    assert_eq!(verify_consistency(5, &empty_root(), 5, &five, &[]), Err(VerifyError::OtherRoot));
    assert_eq!(verify_consistency(6, &five, 5, &five, &[]), Err(VerifyError::OutOfRange));
}

#[test]
fn what_lies_outside_is_refused() {
    let (_, nodes) = grow(&numbered(3));
    assert_eq!(inclusion_proof(3, 3, &nodes), Err(ProofError::OutOfRange { size: 3 }));
    assert_eq!(inclusion_proof(0, 0, &nodes), Err(ProofError::OutOfRange { size: 0 }));
    assert_eq!(consistency_proof(4, 3, &nodes), Err(ProofError::OutOfRange { size: 3 }));
    let beyond = MAX_SIZE + 1;
    assert_eq!(inclusion_proof(0, beyond, &nodes), Err(ProofError::OutOfRange { size: beyond }));
    // A node that is not there is an error of the nodes, not a wrong proof.
    let missing = MissingNode { level: 1, index: 1 };
    assert_eq!(inclusion_proof(0, 4, &nodes), Err(ProofError::Nodes(missing)));
    assert_eq!(nodes.node(0, 3), Err(MissingNode { level: 0, index: 3 }));
    assert_eq!(nodes.node(64, u64::MAX), Err(MissingNode { level: 64, index: u64::MAX }));
    let leaf = numbered(1)[0];
    assert_eq!(verify_inclusion(&leaf, 0, 0, &[], &leaf), Err(VerifyError::OutOfRange));
    assert_eq!(verify_inclusion(&leaf, 0, u64::MAX, &[], &leaf), Err(VerifyError::OutOfRange));
}
