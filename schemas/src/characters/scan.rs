//! Reading a text character by character, in pieces as they come.

use super::table::{self, Follows};
use super::{Datatype, MAX_NAMED, Offence, is_mark};

/// Most code points that follow the base of a sequence.
const MAX_FOLLOWING: usize = 2;

/// A text on its way through one data type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    datatype: Datatype,
    /// Tabulators and line ends count as spaces.
    spaced: bool,
    /// The letter that marks may follow.
    base: Option<char>,
    following: [char; MAX_FOLLOWING],
    length: usize,
    /// Base and marks are only the beginning of a character.
    open: bool,
}

/// A character that the data type does not hold.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// Code points from where it begins to the one just read.
    back: usize,
    code_points: Vec<char>,
}

impl Broken {
    /// The same with its place; `read` code points were read before the last.
    pub(crate) fn at(self, read: usize) -> Offence {
        Offence { before: read.saturating_sub(self.back), code_points: self.code_points }
    }
}

impl Scan {
    pub(crate) fn new(datatype: Datatype, spaced: bool) -> Self {
        let following = ['\0'; MAX_FOLLOWING];
        Self { datatype, spaced, base: None, following, length: 0, open: false }
    }

    /// The data type.
    pub(crate) fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// Reads a piece at once if it is plain: ASCII that the data type holds. Mostly it is.
    #[inline]
    pub(crate) fn plain(&mut self, piece: &str) -> bool {
        let plain = !self.open && table::plain(piece, self.datatype.bit());
        if plain && let Some(last) = piece.bytes().last() {
            (self.base, self.length) = (Some(char::from(last)), 0);
        }
        plain
    }

    /// Reads one code point.
    pub(crate) fn step(&mut self, character: char) -> Result<(), Broken> {
        let space = self.spaced && matches!(character, '\t' | '\n' | '\r');
        let character = if space { ' ' } else { character };
        let joined = self.open && !is_mark(character) && self.length < MAX_FOLLOWING;
        if is_mark(character) || joined {
            return self.follow(character);
        }
        self.finish()?;
        if table::admitted(character) & self.datatype.bit() == 0 {
            self.base = None;
            return Err(Broken { back: 0, code_points: vec![character] });
        }
        (self.base, self.length) = (Some(character), 0);
        Ok(())
    }

    /// The text is over.
    pub(crate) fn finish(&mut self) -> Result<(), Broken> {
        if std::mem::take(&mut self.open) { Err(self.broken(None)) } else { Ok(()) }
    }

    /// A mark, or the second letter that a double mark joins.
    fn follow(&mut self, character: char) -> Result<(), Broken> {
        let Some(base) = self.base.filter(|_| self.length < MAX_FOLLOWING) else {
            return Err(self.broken(Some(character)));
        };
        self.following[self.length] = character;
        match table::follows(base, &self.following[..=self.length]) {
            Follows::Nothing if is_mark(character) => Err(self.broken(Some(character))),
            // The letter is none that the mark joins: what came before it is no character.
            Follows::Nothing => Err(self.broken(None)),
            found => {
                self.length += 1;
                self.open = found == Follows::Part;
                if !is_mark(character) {
                    // No mark follows two joined letters.
                    (self.base, self.length) = (None, 0);
                }
                Ok(())
            }
        }
    }

    /// The character being read, with the mark that broke it.
    fn broken(&mut self, last: Option<char>) -> Broken {
        let before = self.base.into_iter().chain(self.following[..self.length].iter().copied());
        let code_points: Vec<char> = before.chain(last).take(MAX_NAMED).collect();
        let back = code_points.len() - usize::from(last.is_some());
        (self.base, self.length, self.open) = (None, 0, false);
        Broken { back, code_points }
    }
}
