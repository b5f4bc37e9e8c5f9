//! All packs of a node, and the one pass that judges a message.

use std::fs;
use std::io::{self, BufRead};
use std::path::Path;

use jiff::Timestamp;

use super::choice::{Choice, Choosing};
use super::loaded::{Pack, PackInfo};
use super::manifest::{Manifest, ManifestError};
use super::mark::{Mark, Twice};
use super::rejection::RejectionFault;
use crate::codelist::Used;
use crate::genericode::{CodeList, CodeListError};
use crate::rules::RulesError;
use crate::validate::{Checked, Judge, NotHarmless, Pass, SchemasError};
use crate::xml::Limits;

/// The name of a pack's description.
pub(super) const MANIFEST: &str = "pack.toml";
/// All packs of a node. Built once, shared by all threads.
#[derive(Debug, Default)]
pub struct PackSet {
    packs: Vec<Pack>,
    /// The root of some message does not say alone what it is.
    contested: bool,
}

/// Why a folder of packs could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("pack {folder}: {cause}")]
pub struct PackError {
    /// The pack's folder.
    pub folder: String,
    /// What is wrong with it. It is part of the text, and so no source beside it.
    pub cause: Box<PackFault>,
}

/// What is wrong with a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackFault {
    /// A folder or file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Its description.
    #[error("pack.toml: {0}")]
    Manifest(#[from] ManifestError),
    /// Its schemas.
    #[error(transparent)]
    Schemas(#[from] SchemasError),
    /// A code list.
    #[error("{file}: {cause}")]
    CodeList {
        /// Which.
        file: String,
        /// What is wrong with it.
        cause: CodeListError,
    },
    /// A rule file.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Schemas name namespaces that no document of the pack supplies.
    #[error("no document for {0}; add it, or list it under left_out if messages never need it")]
    Unread(String),
    /// A root element of the table that the schemas do not declare.
    #[error("message '{0}' is no global element of the schemas")]
    NoSuchRoot(String),
    /// A type under `characters.types` that the schemas do not define.
    #[error("characters.types: '{0}' is no simple type of the schemas")]
    NoSuchType(String),
    /// A name under `harmless` that the schemas do not bear out.
    #[error(transparent)]
    Harmless(#[from] NotHarmless),
    /// Types under `characters.types`, and schemas whose types are known to the library alone.
    #[error("characters.types needs compiled schemas, and these are not ({0})")]
    TypesByLibrary(String),
    /// The template of its rejections.
    #[error("rejection, {file}: {cause}")]
    Rejection {
        /// The template.
        file: String,
        /// What is wrong with it.
        cause: RejectionFault,
    },
    /// Two packs for the same version of the same standard.
    #[error("{standard} {version} is already there, in {other}")]
    Duplicate {
        /// The standard.
        standard: String,
        /// Its version.
        version: String,
        /// The other pack's folder.
        other: String,
    },
    /// Two packs that a message could not be told apart by.
    #[error("its messages cannot be told from those of {0}: same root, version and time")]
    Ambiguous(String),
}

impl PackSet {
    /// Loads every sub-folder of `folder` that has a `pack.toml`, in the order of their names.
    pub fn load(folder: &Path) -> Result<Self, PackError> {
        let fault = |folder: &Path, cause: PackFault| PackError {
            folder: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            cause: Box::new(cause),
        };
        let folders = pack_folders(folder).map_err(|error| fault(folder, error.into()))?;
        let mut set = Self::default();
        for folder in folders {
            let pack = Pack::load(&folder).map_err(|cause| fault(&folder, cause))?;
            set.add(pack).map_err(|cause| fault(&folder, cause))?;
        }
        Ok(set)
    }

    /// How many packs there are.
    pub fn len(&self) -> usize {
        self.packs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty()
    }

    /// What each pack says about itself.
    pub fn list(&self) -> Vec<PackInfo> {
        self.packs.iter().map(Pack::info).collect()
    }

    /// Whether judging any message takes time in proportion to its length: every schema set is
    /// compiled, and no pack has rules, whose expressions may go over a message many times.
    pub fn is_linear(&self) -> bool {
        self.packs.iter().all(Pack::is_linear)
    }

    /// A code list by its canonical URI and version, of any pack.
    pub fn code_list(&self, uri: &str, version: &str) -> Option<&CodeList> {
        self.packs
            .iter()
            .flat_map(|pack| &pack.code_lists)
            .find(|list| list.canonical_uri == uri && list.version == version)
    }

    /// Reads a message once and says whether it is what its standard demands at this time.
    ///
    /// `arrival` is the hub's time; `expired` is asked every few hundred events whether the time
    /// for this message is over. Where roots do not say alone what a message is, at most 256 KiB of
    /// its beginning are kept and read twice. Memory does not grow with the message but for its IDs, its keys
    /// and the text of one element; a panic of the engine is [`Verdict::Error`].
    pub fn check(
        &self,
        input: impl BufRead,
        arrival: Timestamp,
        limits: &Limits,
        expired: &dyn Fn() -> bool,
    ) -> Checked {
        let (used, mut input) = (Used::default(), input);
        let mut input = Twice::new(&mut input);
        let mut choosing = Choosing::new(&self.packs);
        if self.contested {
            choosing.look(&mut input, limits);
        }
        input.again();
        let mut recognised = None;
        let mut checked = Pass::run(input, limits, expired, |root| {
            if !choosing.has_begun() {
                choosing.begin(root);
            }
            match choosing.choose(arrival) {
                Choice::Message(pack, message) => {
                    recognised = Some((pack, Some(message)));
                    pack.judges(message, &used, arrival)
                }
                Choice::Nobody(pack, verdict, finding) => {
                    recognised = pack.map(|pack| (pack, None));
                    Judge::Nobody(verdict, finding)
                }
            }
        });
        if let Some((pack, message)) = recognised {
            checked.standard = Some(pack.manifest.standard.clone());
            checked.version = Some(pack.manifest.version.clone());
            checked.message_type = message.map(|message| message.message_type.clone());
            pack.judge(&mut checked, message, arrival, &used);
        }
        checked
    }

    /// The pack for a version of a standard.
    pub(super) fn pack_of(&self, standard: &str, version: &str) -> Option<&Pack> {
        let wanted =
            |pack: &&Pack| pack.manifest.standard == standard && pack.manifest.version == version;
        self.packs.iter().find(wanted)
    }

    fn add(&mut self, pack: Pack) -> Result<(), PackFault> {
        let new = &pack.manifest;
        self.contested |= new.version_named || new.known_by.iter().any(Option::is_some);
        for other in &self.packs {
            clash(new, &other.manifest, &other.folder)?;
            self.contested |= other.manifest.namespaces().any(|name| pack.knows(name));
        }
        self.packs.push(pack);
        Ok(())
    }
}

/// Whether two packs can stand side by side: no message has one root in both, and no place that
/// tells it, where the packs look for its version at one place, for one value, on one day.
///
/// Packs that look at different places stand side by side, although a message may carry both marks:
/// one then goes before the other where the message says only that (an invoice of UBL and one of a
/// national specification of it), and a message that carries both is unclear where both are in force.
pub(super) fn clash(new: &Manifest, old: &Manifest, folder: &str) -> Result<(), PackFault> {
    if (&new.standard, &new.version) == (&old.standard, &old.version) {
        return Err(PackFault::Duplicate {
            standard: new.standard.clone(),
            version: new.version.clone(),
            other: folder.to_owned(),
        });
    }
    let apart = !new.version_mark.same(&old.version_mark) || !new.days.meet(&old.days);
    let meet = |(space, root, mark): (&str, &str, Option<&Mark>)| {
        old.roots().any(|(other_space, other_root, other)| {
            let told = mark.zip(other).is_some_and(|(one, other)| !one.meets(other));
            (space, root) == (other_space, other_root) && !told
        })
    };
    if apart || !new.roots().any(meet) {
        return Ok(());
    }
    Err(PackFault::Ambiguous(folder.to_owned()))
}

pub(super) fn pack_folders(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join(MANIFEST).is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
