//! A compiled set of schemas, ready to judge messages from several threads at once.
//!
//! The engine (`xsd-schema`) keeps the names of every message in its set, behind a cell that two
//! threads must not share. So a set is lent to one message at a time, from a small pool; an empty
//! pool compiles another from the texts remembered, and a set that has learnt too many foreign
//! names is thrown away. Memory is bounded that way whatever the messages hold (P8).

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use xsd_schema::validation::{SchemaValidator, ValidationFlags};
use xsd_schema::{SchemaSet, SchemaSetBuilder};

use super::amendment::Amendment;
use super::beside::Knowledge;
use super::catalog::{Catalog, CatalogError};
use super::loading::{Library, Loader, Rewriter};
use super::pass::{Judge, Pass};
use super::tables::{ComplexId, Harmless, Name, NotCompiled, NotHarmless, SimpleId, Tables};
use super::verdict::Checked;
use crate::characters::Policy;
use crate::xml::Limits;

/// Most compiled sets kept ready; one more than that is compiled when needed and dropped after.
const MAX_IDLE: usize = 6;
/// Bytes of names from messages after which a set is not used again.
const MAX_LEARNT: usize = 1024 * 1024;

/// Why a set of schemas could not be loaded. It speaks of the schemas, never of a message.
#[derive(Debug, thiserror::Error)]
pub enum SchemasError {
    /// An entry document could not be found or read.
    #[error("{file}: {reason}")]
    Entry {
        /// As named by the caller.
        file: String,
        /// What the system or the engine said.
        reason: String,
    },
    /// The catalog could not be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The documents form no valid schema.
    #[error("the schema does not compile: {0}")]
    Compile(String),
    /// The engine failed in a way it should not.
    #[error("the schema engine failed while compiling")]
    Engine,
}

/// A schema set. Built once; `check` may be called from any number of threads.
pub struct Schemas {
    library: Arc<Library>,
    entry: Vec<PathBuf>,
    idle: Mutex<Vec<Ready>>,
    facts: Facts,
    roots: HashSet<(String, String)>,
    tables: Result<Tables, NotCompiled>,
    /// Whose values may be told; none as long as nobody says so.
    harmless: Harmless,
    /// Names of simple types, where the tables are there.
    names: HashMap<SimpleId, Vec<Name>>,
    /// Columns of code lists that complex types name, where the tables are there.
    code_columns: HashMap<ComplexId, Box<str>>,
}

/// What was found while loading.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Schema documents in the set, those for the `xml` namespace included.
    pub documents: usize,
    /// Global elements.
    pub elements: usize,
    /// Imports and includes that led nowhere and whose namespace nobody else supplies: the
    /// namespace, or else the location written. The set holds without them.
    pub unread: Vec<String>,
    /// Why messages go through the library, which is slower: the construct that the tables do not
    /// hold, and where. None where they hold everything.
    pub by_library: Option<String>,
    /// Complex types whose annotation names the column of their code list (`genutzteCodeSpalte`).
    /// None are known where messages go through the library.
    pub code_columns: usize,
}

/// A compiled set with the size its names had when it was new.
pub(super) struct Ready {
    pub(super) set: SchemaSet,
    pub(super) names_at_first: usize,
}

impl Ready {
    /// Bytes of names that messages have added.
    pub(super) fn learnt(&self) -> usize {
        self.set.name_table.heap_bytes().saturating_sub(self.names_at_first)
    }

    /// Prepares the content models of all types; well under a millisecond for the largest XÖV set.
    pub(super) fn validator(&self) -> SchemaValidator<'_> {
        // No flags: values are not kept beyond what a rule needs, and warnings are not asked for.
        SchemaValidator::new(&self.set, ValidationFlags::empty())
    }
}

impl Schemas {
    /// Loads the schemas of one pack: every document lies inside `folder`.
    pub fn load_folder(
        folder: &Path,
        entry: &[String],
        catalog: Option<&str>,
    ) -> Result<Self, SchemasError> {
        Self::load_amended(folder, entry, catalog, &[])
    }

    /// The same, with known errata of its documents read otherwise.
    pub fn load_amended(
        folder: &Path,
        entry: &[String],
        catalog: Option<&str>,
        amendments: &[Amendment],
    ) -> Result<Self, SchemasError> {
        let root = folder.canonicalize().map_err(|error| not_found(folder, &error))?;
        let catalog = catalog.map(|file| Catalog::load(&root.join(file))).transpose()?;
        let entry = entry.iter().map(|file| root.join(file)).collect();
        let library = Library::new(vec![root], catalog.unwrap_or_default());
        Self::load(library.amended(amendments.to_vec()), entry)
    }

    /// Loads one schema that an operator names, with the documents it leads to: relative ones
    /// beside it, others through the catalog; with a catalog all must lie under its folder or the
    /// schema's.
    pub fn load_single(xsd: &Path, catalog: Option<&Path>) -> Result<Self, SchemasError> {
        let xsd = xsd.canonicalize().map_err(|error| not_found(xsd, &error))?;
        let catalog = catalog.map(Catalog::load).transpose()?;
        let roots = match &catalog {
            Some(catalog) => {
                let beside = xsd.parent().unwrap_or(Path::new("/")).to_owned();
                vec![beside, catalog.folder().to_owned()]
            }
            None => Vec::new(),
        };
        Self::load(Library::new(roots, catalog.unwrap_or_default()), vec![xsd])
    }

    fn load(library: Library, entry: Vec<PathBuf>) -> Result<Self, SchemasError> {
        let mut schemas = Self {
            library: Arc::new(library),
            entry,
            idle: Mutex::default(),
            facts: Facts::default(),
            roots: HashSet::new(),
            tables: Err(NotCompiled { construct: "nothing", place: String::new() }),
            harmless: Harmless::default(),
            names: HashMap::new(),
            code_columns: HashMap::new(),
        };
        let ready = schemas.compile()?;
        schemas.library.close();
        schemas.roots = roots(&ready.set);
        schemas.facts = facts(&ready.set);
        schemas.tables = catch_unwind(AssertUnwindSafe(|| Tables::compile(&ready.set)))
            .map_err(|_| SchemasError::Engine)?;
        match &schemas.tables {
            // The library is not needed any more.
            Ok(tables) => {
                schemas.names = tables.names(&ready.set);
                schemas.code_columns = tables.code_columns(&ready.set);
                schemas.facts.code_columns = schemas.code_columns.len();
            }
            Err(NotCompiled { construct, place }) => {
                schemas.facts.by_library = Some(format!("{construct}: {place}"));
                schemas.give_back(ready);
            }
        }
        Ok(schemas)
    }

    /// The tables, if everything went into them.
    pub(super) fn tables(&self) -> Option<&Tables> {
        self.tables.as_ref().ok()
    }

    /// What the types say about characters and codes. Nothing where the set goes by the library.
    pub(crate) fn knowledge(&self, policy: &Policy) -> Knowledge {
        let Ok(tables) = &self.tables else { return Knowledge::default() };
        let own = self.names.iter().filter_map(|(id, names)| {
            let mut named =
                names.iter().map(|(namespace, local)| policy.datatype(namespace, local));
            Some((*id, named.find_map(|datatype| datatype)?))
        });
        let (characters, attributes) = tables.asked(&own.collect());
        Knowledge { characters, attributes, codes: tables.codes(&self.code_columns) }
    }

    /// Marks elements and attributes whose values may be told in findings (P7), by the ends of their
    /// paths: `code`, `grund/code`, `@version`, `kopf/@version`.
    ///
    /// # Errors
    ///
    /// A name that stands for nothing, or for too much; a set that goes through the library.
    pub(crate) fn mark_harmless(&mut self, names: &[String]) -> Result<(), NotHarmless> {
        self.harmless = match (&self.tables, names) {
            (_, []) => Harmless::default(),
            (Ok(tables), _) => tables.harmless(names)?,
            (Err(NotCompiled { construct, place }), _) => {
                return Err(NotHarmless::ByLibrary(format!("{construct}: {place}")));
            }
        };
        Ok(())
    }

    /// Whose values may be told.
    pub(super) fn harmless(&self) -> &Harmless {
        &self.harmless
    }

    /// Whether the pack lets the value of the element at the end of this way be told.
    pub(crate) fn tells(&self, way: &[&str]) -> bool {
        self.harmless.element(way)
    }

    /// The local names of simple types that have one.
    pub(crate) fn has_simple_type(&self, local: &str) -> bool {
        self.names.values().flatten().any(|(_, known)| known == local)
    }

    /// What was found while loading.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether there is a global element of this name.
    pub fn declares(&self, namespace: &str, local: &str) -> bool {
        self.roots.contains(&(namespace.to_owned(), local.to_owned()))
    }

    /// Reads a message once and says whether these schemas allow it. `expired` is asked every few
    /// hundred events whether the time for this message is over.
    pub fn check(
        &self,
        input: impl BufRead,
        limits: &Limits,
        expired: &dyn Fn() -> bool,
    ) -> Checked {
        Pass::run(input, limits, expired, |_| Judge::By(self))
    }

    /// The same answer from the library alone: for whoever compares both. Slower, and findings are
    /// worded by what the library says.
    pub fn check_by_library(
        &self,
        input: impl BufRead,
        limits: &Limits,
        expired: &dyn Fn() -> bool,
    ) -> Checked {
        Pass::run(input, limits, expired, |_| Judge::ByLibrary(self))
    }

    /// Lends a compiled set.
    pub(super) fn take(&self) -> Result<Ready, SchemasError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.compile(), Ok)
    }

    /// Takes a set back, unless it has grown too much or enough are waiting.
    pub(super) fn give_back(&self, ready: Ready) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.learnt() <= MAX_LEARNT && idle.len() < MAX_IDLE {
            idle.push(ready);
        }
    }

    fn compile(&self) -> Result<Ready, SchemasError> {
        catch_unwind(AssertUnwindSafe(|| self.build())).unwrap_or(Err(SchemasError::Engine))
    }

    fn build(&self) -> Result<Ready, SchemasError> {
        let mut resolver =
            xsd_schema::SchemaResolver::with_loader(Box::new(Loader(Arc::clone(&self.library))));
        resolver.catalog_mut().add_xml_catalog();
        for (namespace, file) in self.library.catalog().entries() {
            resolver.catalog_mut().add(namespace, file);
        }
        resolver.set_location_rewriter(Rewriter(Arc::clone(&self.library)));
        let mut builder = SchemaSetBuilder::with_resolver(resolver, xsd_schema::XsdVersion::V1_0);
        for file in &self.entry {
            builder.try_add(&file.to_string_lossy()).map_err(|error| SchemasError::Entry {
                file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                reason: error.to_string(),
            })?;
        }
        let set = builder
            .compile()
            .map_err(|error| SchemasError::Compile(error.to_string()))?
            .into_schema_set();
        if let Some(reason) = self.library.kept_out() {
            return Err(SchemasError::Compile(reason));
        }
        if let Some(reason) = super::unions::too_large(&set) {
            return Err(SchemasError::Compile(reason));
        }
        let ready = Ready { names_at_first: set.name_table.heap_bytes(), set };
        if let Some((_, reason)) = ready.validator().content_model_failures().first() {
            return Err(SchemasError::Compile((*reason).to_owned()));
        }
        Ok(ready)
    }
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schemas").field("facts", &self.facts).finish_non_exhaustive()
    }
}

fn roots(set: &SchemaSet) -> HashSet<(String, String)> {
    let names = &set.name_table;
    let all = set.namespaces.iter().flat_map(|(namespace, table)| {
        let namespace = namespace.map(|id| names.resolve(id)).unwrap_or_default();
        table.elements.keys().map(move |name| (namespace.clone(), names.resolve(*name)))
    });
    all.collect()
}

fn facts(set: &SchemaSet) -> Facts {
    let unread = set
        .directive_failures()
        .iter()
        .filter(|failure| !failure.namespace_supplied())
        .filter_map(|failure| failure.namespace().or(failure.schema_location()));
    let mut unread: Vec<String> = unread.map(str::to_owned).collect();
    unread.sort();
    unread.dedup();
    Facts {
        documents: set.documents.len(),
        elements: set.namespaces.values().map(|table| table.elements.len()).sum(),
        unread,
        by_library: None,
        code_columns: 0,
    }
}

fn not_found(path: &Path, error: &std::io::Error) -> SchemasError {
    SchemasError::Entry { file: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Verdict;

    fn schemas() -> Schemas {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("s.xsd");
        let xs = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";
        let text = format!("<xs:schema {xs}><xs:element name='r'/></xs:schema>");
        std::fs::write(&file, text).expect("written");
        Schemas::load_single(&file, None).expect("compiles")
    }

    /// A valid message with `count` names of its own, `size` bytes each.
    fn strange(count: usize, size: usize, round: usize) -> String {
        let name = |n: usize| format!("{}{round}_{n}", "x".repeat(size));
        let all: String = (0..count).map(|n| format!("<{}/>", name(n))).collect();
        format!("<r>{all}</r>")
    }

    #[test]
    fn names_of_messages_do_not_pile_up() {
        let schemas = schemas();
        for round in 0..30 {
            let message = strange(1_000, 200, round);
            let checked =
                schemas.check_by_library(message.as_bytes(), &Limits::default(), &|| false);
            assert_eq!(checked.verdict, Verdict::Valid, "anything goes under xs:anyType");
            let ready = schemas.take().expect("a set");
            assert!(ready.learnt() <= MAX_LEARNT, "{} after {round}", ready.learnt());
            schemas.give_back(ready);
        }
    }

    #[test]
    fn one_message_cannot_teach_without_end() {
        let schemas = schemas();
        let message = strange(10_000, 1_000, 0);
        let checked = schemas.check_by_library(message.as_bytes(), &Limits::default(), &|| false);
        assert_eq!(checked.verdict, Verdict::Error);
        assert_eq!(checked.findings[0].code, "validation-gave-up");
        assert_eq!(schemas.take().expect("a new set").learnt(), 0);
    }
}
