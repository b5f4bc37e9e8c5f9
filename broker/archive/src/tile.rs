//! Tiles: the stored tree cut into files of up to 256 hashes (C2SP tlog-tiles).
//!
//! Tile `index` on tile level `level` holds the nodes `256 * index ..` of tree level `8 * level`.
//! A partial tile is the beginning of one whose rest does not exist yet. Tiles hold hashes of salted
//! commitments and nothing else, so they may be public (P6); entry bundles are not served.

use std::fmt;

use crate::hash::Hash;
use crate::tree::{MAX_SIZE, Nodes};

/// Hashes of a full tile.
pub const WIDTH: u16 = 256;

/// Highest tile level a tree of [`MAX_SIZE`] leaves can have.
pub const MAX_LEVEL: u8 = 6;

/// Longest path, in octets.
pub const MAX_PATH: usize = 64;

/// Name of a tile below the log's prefix: `tile/0/x001/x234/067`, partial `tile/0/000.p/17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    level: u8,
    index: u64,
    width: u16,
}

/// Why a text or numbers name no tile, or octets are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path is not of the form C2SP prescribes.
    #[error("a tile is named tile/<level>/<index>, with .p/<width> behind it if it is partial")]
    Path,
    /// Level, index or width name a tile no tree can have.
    #[error("no tree has such a tile")]
    Range,
    /// Not 32 octets for each hash of the tile.
    #[error("the tile does not have 32 octets for each of its hashes")]
    Octets,
}

impl TilePath {
    /// A tile of 1 to 256 hashes.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        let tile = Self { level, index, width };
        let fits = level <= MAX_LEVEL && (1..=WIDTH).contains(&width);
        let end = if fits { tile.end() } else { None };
        end.filter(|&end| end <= MAX_SIZE).map(|_| tile).ok_or(TileError::Range)
    }

    /// Reads a path; only the one spelling C2SP prescribes.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        if path.len() > MAX_PATH {
            return Err(TileError::Path);
        }
        let rest = path.strip_prefix("tile/").ok_or(TileError::Path)?;
        let (level, rest) = rest.split_once('/').ok_or(TileError::Path)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, number(width)?),
            None => (rest, u64::from(WIDTH)),
        };
        let digits = index.replace("/x", "").replace(['/', 'x'], "");
        let level = u8::try_from(number(level)?).map_err(|_| TileError::Range)?;
        let width = u16::try_from(width).map_err(|_| TileError::Range)?;
        let tile = Self::new(level, number(&digits)?, width)?;
        // Leading zeros, misplaced x and slashes, a full tile named as partial: other spellings.
        if tile.to_string() == path { Ok(tile) } else { Err(TileError::Path) }
    }

    /// Tile level; its hashes are nodes of tree level `8 * level`.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Index on the tile level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes, 256 for a full tile.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The nodes it holds, as (tree level, index).
    pub fn nodes(&self) -> impl Iterator<Item = (u8, u64)> + use<> {
        let (level, first) = (8 * self.level, u64::from(WIDTH) * self.index);
        (0..u64::from(self.width)).map(move |offset| (level, first + offset))
    }

    /// Whether a tree of `size` leaves has all its hashes.
    pub fn exists_in(&self, size: u64) -> bool {
        self.end().is_some_and(|end| end <= size)
    }

    /// All tiles of a tree of `size` leaves, the rightmost ones partial where they are.
    pub fn all_of(size: u64) -> impl Iterator<Item = Self> {
        (0..=MAX_LEVEL).flat_map(move |level| {
            let hashes = size.min(MAX_SIZE) >> (8 * level);
            let full = hashes / u64::from(WIDTH);
            let rest = (hashes % u64::from(WIDTH)) as u16;
            let partial = (rest > 0).then_some(Self { level, index: full, width: rest });
            (0..full).map(move |index| Self { level, index, width: WIDTH }).chain(partial)
        })
    }

    /// The tile's octets: its hashes one after another.
    pub fn bytes<N: Nodes>(&self, nodes: &N) -> Result<Vec<u8>, N::Error> {
        let mut octets = Vec::with_capacity(usize::from(self.width) * 32);
        for (level, index) in self.nodes() {
            octets.extend(nodes.node(level, index)?.0);
        }
        Ok(octets)
    }

    /// The hashes in a tile's octets.
    pub fn hashes(&self, octets: &[u8]) -> Result<Vec<Hash>, TileError> {
        let (hashes, rest) = octets.as_chunks::<32>();
        if hashes.len() != usize::from(self.width) || !rest.is_empty() {
            return Err(TileError::Octets);
        }
        Ok(hashes.iter().copied().map(Hash).collect())
    }

    /// Number of leaves a tree has at least when it has this tile.
    fn end(&self) -> Option<u64> {
        let hashes = self.index.checked_mul(u64::from(WIDTH))?.checked_add(self.width.into())?;
        hashes.checked_mul(1 << (8 * u32::from(self.level)))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups[1..].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.width < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Decimal digits only.
fn number(text: &str) -> Result<u64, TileError> {
    if !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(TileError::Path);
    }
    text.parse().map_err(|_| TileError::Path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Appender, MemoryNodes, leaf_hash, root};
    use proptest::prelude::*;

    fn tile(level: u8, index: u64, width: u16) -> TilePath {
        TilePath::new(level, index, width).expect("tile")
    }

    #[test]
    fn names_as_in_the_specification() {
        assert_eq!(tile(0, 1_234_067, 256).to_string(), "tile/0/x001/x234/067");
        assert_eq!(tile(0, 0, 256).to_string(), "tile/0/000");
        assert_eq!(tile(1, 999, 17).to_string(), "tile/1/999.p/17");
        assert_eq!(tile(2, 1000, 1).to_string(), "tile/2/x001/000.p/1");
    }

    #[test]
    fn other_spellings_are_refused() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/+0/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/x001000",
            "tile/0/001x/000",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/257",
            "tile/0/000.p/1.p/1",
            "tile/0/000/",
            "/tile/0/000",
            "tile/entries/000",
            "tile/-1/000",
            "tile/7/000",
            "tile/255/000",
            "tile/256/000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "tile/6/x001/000",
            "tile/0/../000",
        ] {
            assert!(TilePath::parse(path).is_err(), "{path:?}");
        }
    }

    /// The counts C2SP gives for a tree of 70,000 leaves, and for one of 256.
    #[test]
    fn the_tiles_of_a_tree() {
        let count = |level, full| {
            let mine = TilePath::all_of(70_000).filter(|tile| tile.level == level);
            mine.filter(|tile| (tile.width == WIDTH) == full).count()
        };
        assert_eq!([count(0, true), count(1, true), count(2, true)], [273, 1, 0]);
        let partial: Vec<_> = TilePath::all_of(70_000).filter(|tile| tile.width < WIDTH).collect();
        assert_eq!(partial, [tile(0, 273, 112), tile(1, 1, 17), tile(2, 0, 1)]);
        assert_eq!(TilePath::all_of(256).collect::<Vec<_>>(), [tile(0, 0, 256), tile(1, 0, 1)]);
        assert_eq!(TilePath::all_of(0).count(), 0);
        assert!(TilePath::all_of(70_000).all(|tile| tile.exists_in(70_000)));
        assert!(!tile(0, 273, 113).exists_in(70_000) && tile(0, 273, 5).exists_in(70_000));
    }

    #[test]
    fn octets_and_hashes() {
        let mut appender = Appender::empty();
        let mut new = Vec::new();
        for number in 0..600u32 {
            appender.append(leaf_hash(&number.to_be_bytes()), &mut new);
        }
        let mut nodes = MemoryNodes::default();
        nodes.extend(&new);
        for tile in TilePath::all_of(600) {
            let octets = tile.bytes(&nodes).expect("complete");
            let hashes = tile.hashes(&octets).expect("hashes");
            let expected: Vec<_> =
                tile.nodes().map(|(level, index)| nodes.node(level, index)).collect();
            assert_eq!(hashes.into_iter().map(Ok).collect::<Vec<_>>(), expected);
            assert_eq!(tile.hashes(&octets[1..]), Err(TileError::Octets));
            assert_eq!(tile.hashes(&octets[32..]), Err(TileError::Octets));
        }
        // A hash on tile level 1 is the root over the full tile below it.
        let above = tile(1, 0, 2).bytes(&nodes).expect("complete");
        assert_eq!(Hash(above[..32].try_into().expect("32")), root(256, &nodes).expect("root"));
        assert!(tile(0, 2, 89).bytes(&nodes).is_err(), "one hash too many");
    }

    proptest! {
        #[test]
        fn any_path_is_answered(path in "(tile/)?[0-9xp./+-]{0,40}") {
            if let Ok(tile) = TilePath::parse(&path) {
                prop_assert_eq!(tile.to_string(), path);
            }
        }

        #[test]
        fn read_as_written(level in 0..=MAX_LEVEL, index: u64, width in 1..=WIDTH) {
            let index = index >> (11 + 8 * u32::from(level)) >> 9;
            // 32 hashes on the highest level would already be 2^53 leaves.
            let width = if level == MAX_LEVEL { width.min(31) } else { width };
            let tile = tile(level, index, width);
            prop_assert_eq!(TilePath::parse(&tile.to_string()), Ok(tile));
        }

        #[test]
        fn any_numbers_are_answered(level: u8, index: u64, width: u16, size: u64) {
            if let Ok(tile) = TilePath::new(level, index, width) {
                let _ = tile.exists_in(size);
                prop_assert!(tile.nodes().count() <= 256);
            }
        }
    }
}
