//! Why an import was refused, in both languages.

use std::fmt::{self, Display};
use std::io;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The source or the target could not be read or written.
    Io,
    /// The source is not one that is unpacked: a path that leads out, a link, an archive inside,
    /// a name that is there twice.
    Hostile,
    /// A limit was passed.
    TooLarge,
    /// A document is not what its name says.
    Document,
    /// Documents are missing.
    Incomplete,
    /// Several answers are possible; an option must choose.
    Ambiguous,
    /// Nothing in the source is the schema of a message.
    NoEntry,
    /// A rule file cannot be used as it is.
    Rules,
    /// The pack, or one that messages could not be told apart by, is already there.
    Exists,
    /// The pack was made and does not load.
    NotLoaded,
}

/// Why an import was refused. Nothing was left in the target folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// Which kind.
    pub kind: Refusal,
    /// German text: what is wrong, where, what to do.
    pub message_de: String,
    /// The same in English.
    pub message_en: String,
}

impl ImportError {
    pub(super) fn new(kind: Refusal, de: impl Display, en: impl Display) -> Self {
        Self { kind, message_de: de.to_string(), message_en: en.to_string() }
    }

    pub(super) fn io(place: impl Display, error: &io::Error) -> Self {
        let text = format!("{place}: {error}");
        Self::new(Refusal::Io, &text, &text)
    }

    pub(super) fn hostile(de: impl Display, en: impl Display) -> Self {
        Self::new(Refusal::Hostile, de, en)
    }

    pub(super) fn too_large(de: impl Display, en: impl Display) -> Self {
        Self::new(Refusal::TooLarge, de, en)
    }

    pub(super) fn ambiguous(de: impl Display, en: impl Display) -> Self {
        Self::new(Refusal::Ambiguous, de, en)
    }
}

impl Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message_en)
    }
}

impl std::error::Error for ImportError {}
