//! From a standard as it was published to a pack.
//!
//! The source is a folder or zip with schemas, code lists and rules as XRepository and others
//! deliver them; what it builds on comes from further sources. Nothing is fetched: an import with an
//! absolute address is resolved by catalog, name and target namespace among the documents given,
//! and what is not there is missing. The pack is made beside its place, loaded as a hub would load
//! it, and only then put there: an import that fails leaves nothing.

mod describe;
mod entry;
mod fault;
mod resolve;
mod rules;
mod scan;
mod source;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::Serialize;

pub use fault::{ImportError, Refusal};
pub use source::{
    MAX_ARCHIVE_BYTES, MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, MAX_PATH_BYTES, MAX_SOURCE_BYTES,
};

use super::loaded::{Pack, PackInfo};
use super::manifest::Manifest;
use super::set::{MANIFEST, clash};
use crate::genericode::CodeList;
use crate::validate::Amendment;
use describe::{CATALOG_FILE, Description};
use resolve::{Closure, Resolver};
use rules::Selected;
use scan::{Found, ListFile};
use source::Source;

/// Days that a message's own date may lie back, proposed where its header has a date.
const WINDOW_DAYS: u16 = 14;

/// What a person decides about an import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sources that the standard builds on: base modules, code lists. Only what is needed is taken.
    pub with: Vec<PathBuf>,
    /// Entry schemas: paths in the source, or folders of it. Empty: found out.
    pub entry: Vec<String>,
    /// Namespace and path of the document that is meant, where several claim it.
    pub choose: Vec<(String, String)>,
    /// Namespaces that no message needs and that may be missing.
    pub leave_out: Vec<String>,
    /// Files of the sources that are passed over.
    pub skip: Vec<String>,
    /// Name of the standard. None: found out.
    pub standard: Option<String>,
    /// Its version. None: found out.
    pub version: Option<String>,
    /// Known errata of the schemas; those of documents that are not taken are left out.
    pub tolerate: Vec<Amendment>,
    /// First day. None: a person must fill it in, and until then the pack is in force on no day.
    pub valid_from: Option<Date>,
    /// Last day.
    pub valid_until: Option<Date>,
}

/// A pack that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// Where it lies.
    pub path: PathBuf,
    /// Files copied into it.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Locations and namespaces that the catalog of the pack resolves.
    pub resolved: usize,
    /// Namespaces that several documents claim, and which one was taken by version or place.
    pub chosen: BTreeMap<String, String>,
    /// Rule files that the pack asks; those that they include are copied as well.
    pub rules: Vec<String>,
    /// Files of the source that the pack does not hold.
    pub passed_over: Vec<String>,
    /// What the pack says about itself, loaded.
    #[serde(flatten)]
    pub pack: PackInfo,
}

/// Makes a pack of a source in a new folder under `into`.
///
/// # Errors
/// [`ImportError`]; then nothing of the pack is left under `into`.
pub fn import(source: &Path, into: &Path, options: &Options) -> Result<Imported, ImportError> {
    if !describe::in_order(options.valid_from, options.valid_until) {
        return Err(ImportError::ambiguous(
            "Der letzte Tag liegt vor dem ersten, oder der erste fehlt.",
            "The last day lies before the first, or the first is missing.",
        ));
    }
    let mut found = Found::default();
    let sources = std::iter::once(source).chain(options.with.iter().map(PathBuf::as_path));
    for (origin, path) in sources.enumerate() {
        found.add(origin, Source::read(path, &options.skip)?)?;
    }
    found.passed_over.sort();
    let resolver =
        Resolver { found: &found, choices: &options.choose, left_out: &options.leave_out };
    for (namespace, path) in &options.choose {
        if !found.documents.iter().any(|d| d.path == *path && d.namespace == *namespace) {
            return Err(ImportError::ambiguous(
                format!("--choose {namespace}={path}: kein solches Dokument."),
                format!("--choose {namespace}={path}: no such document."),
            ));
        }
    }
    let entries = entry::entries(&found, &resolver, &options.entry)?;
    let closure = resolver.closure(&entries)?;
    let rules = rules::select(&found, &entries)?;
    let content = Content::new(&found, &closure, &rules)?;
    let sets = entry::apart(&found, &resolver, &entries).len() > 1;
    let paths = |index| content.path(index);
    let apart: Option<&dyn Fn(usize) -> String> = if sets { Some(&paths) } else { None };
    let identity = entry::identify(&found, &entries, &closure, options, apart)?;
    let description = Description {
        entry: if sets { Vec::new() } else { entries.iter().copied().map(paths).collect() },
        catalog: !closure.catalog.is_empty(),
        left_out: closure.left_out.iter().cloned().collect(),
        code_lists: content.lists.iter().map(|(path, _)| path.clone()).collect(),
        rules: &rules.entry,
        scopes: rules::scopes(&rules, &found, &closure.taken, &identity.messages),
        tolerate: tolerated(options, &content, &closure),
        identity: &identity,
    };
    let manifest = description.toml(options);
    let name = folder_name(&identity.standard, &identity.version);
    let (made, files, bytes) = Staged::make(into, &content, &manifest)?;
    let pack = made.put(into, &name)?;
    let chosen = closure.chosen.iter().filter(|(_, index)| closure.taken.contains(index));
    Ok(Imported {
        path: into.join(&name),
        files,
        bytes,
        resolved: closure.catalog.len(),
        chosen: chosen
            .map(|(namespace, index)| (namespace.clone(), content.path(*index)))
            .collect(),
        passed_over: found
            .passed_over
            .iter()
            .chain(&content.dropped)
            .chain(&rules.passed_over)
            .cloned()
            .collect(),
        rules: rules.entry,
        pack,
    })
}

fn tolerated<'a>(
    options: &'a Options,
    content: &Content<'_>,
    closure: &Closure,
) -> Vec<&'a Amendment> {
    let taken = |file: &str| closure.taken.iter().any(|index| content.path(*index) == file);
    options.tolerate.iter().filter(|amendment| taken(&amendment.file)).collect()
}

/// What is copied, and under which path.
struct Content<'a> {
    found: &'a Found,
    closure: &'a Closure,
    rules: &'a Selected<'a>,
    /// Path in the pack and octets.
    lists: Vec<(String, &'a [u8])>,
    /// Code lists that are there once more.
    dropped: Vec<String>,
}

impl<'a> Content<'a> {
    fn new(
        found: &'a Found,
        closure: &'a Closure,
        rules: &'a Selected<'a>,
    ) -> Result<Self, ImportError> {
        let (lists, dropped) = (Vec::new(), Vec::new());
        let mut content = Self { found, closure, rules, lists, dropped };
        let mut known: BTreeMap<(&str, &str), &ListFile> = BTreeMap::new();
        for file in &found.lists {
            // Of what the standard builds on, the lists that its schemas name.
            if file.origin != 0 && !content.names(&file.list.canonical_uri) {
                continue;
            }
            let path = placed(file.origin, &file.path);
            match known.entry((&file.list.canonical_uri, &file.list.version)) {
                Entry::Vacant(place) => {
                    place.insert(file);
                    content.lists.push((path, &file.octets));
                }
                Entry::Occupied(first) if same_codes(&first.get().list, &file.list) => {
                    content.dropped.push(path);
                }
                Entry::Occupied(first) => return Err(two_lists(first.get(), file)),
            }
        }
        Ok(content)
    }

    fn names(&self, uri: &str) -> bool {
        let named = |index: &usize| {
            let text = &self.found.documents[*index].octets;
            std::str::from_utf8(text).is_ok_and(|text| text.contains(uri))
        };
        !uri.is_empty() && self.closure.taken.iter().any(named)
    }

    fn path(&self, index: usize) -> String {
        let document = &self.found.documents[index];
        placed(document.origin, &document.path)
    }

    fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        let taken = self.closure.taken.iter();
        let documents =
            taken.map(|index| (self.path(*index), self.found.documents[*index].octets.as_slice()));
        let lists = self.lists.iter().map(|(path, octets)| (path.clone(), *octets));
        let rules = self.rules.files.iter();
        documents.chain(lists).chain(rules.map(|(path, octets)| (path.clone(), *octets)))
    }

    fn catalog(&self) -> Option<String> {
        let entries = self.closure.catalog.iter();
        let entries = entries.map(|(from, index)| (from.as_str(), self.path(*index)));
        (!self.closure.catalog.is_empty()).then(|| describe::catalog(entries))
    }
}

/// Whether two files are one list: what they say about themselves beyond that changes no verdict.
fn same_codes(one: &CodeList, other: &CodeList) -> bool {
    let (days, rows) = (one.valid_from == other.valid_from, one.rows == other.rows);
    days && rows && one.columns == other.columns && one.keys == other.keys
}

fn two_lists(first: &ListFile, second: &ListFile) -> ImportError {
    let CodeList { canonical_uri: uri, version, .. } = &first.list;
    let files = [first, second].map(|file| placed(file.origin, &file.path)).join(", ");
    ImportError::ambiguous(
        format!(
            "Codeliste {uri}, Version {version}, ist zweimal mit verschiedenem Inhalt da: {files}. \
             Eine davon mit --skip {} weglassen.",
            second.path
        ),
        format!(
            "Code list {uri}, version {version}, is there twice with different content: {files}. \
             Leave one of them out by --skip {}.",
            second.path
        ),
    )
}

/// The path in the pack: as in the source; further sources have a folder each.
fn placed(origin: usize, path: &str) -> String {
    if origin == 0 { path.to_owned() } else { format!("base-{origin}/{path}") }
}

/// A pack beside its place: in a folder in which nobody looks for packs.
struct Staged {
    around: tempfile::TempDir,
    pack: Pack,
}

impl Staged {
    fn make(
        into: &Path,
        content: &Content<'_>,
        manifest: &str,
    ) -> Result<(Self, usize, u64), ImportError> {
        let fault = |error: std::io::Error| ImportError::io(into.display(), &error);
        let around = tempfile::Builder::new().prefix(".import-").tempdir_in(into).map_err(fault)?;
        let folder = around.path().join("pack");
        let (mut files, mut bytes) = (0, 0);
        for (path, octets) in content.files() {
            write(&folder.join(&path), octets).map_err(|error| ImportError::io(&path, &error))?;
            files += 1;
            bytes += octets.len() as u64;
        }
        if let Some(catalog) = content.catalog() {
            write(&folder.join(CATALOG_FILE), catalog.as_bytes()).map_err(fault)?;
        }
        write(&folder.join(MANIFEST), manifest.as_bytes()).map_err(fault)?;
        let pack = Pack::load(&folder).map_err(|cause| not_loaded(&cause, &folder))?;
        needed(&pack)?;
        Ok((Self { around, pack }, files, bytes))
    }

    fn put(self, into: &Path, name: &str) -> Result<PackInfo, ImportError> {
        let Self { around, mut pack } = self;
        let place = into.join(name);
        if place.exists() {
            return Err(exists(&place.display().to_string()));
        }
        beside(into, &pack.manifest)?;
        let fault = |error: std::io::Error| ImportError::io(place.display(), &error);
        fs::rename(around.path().join("pack"), &place).map_err(fault)?;
        // The name is on the disk when the folder around it is.
        File::open(into).and_then(|folder| folder.sync_all()).map_err(fault)?;
        name.clone_into(&mut pack.folder);
        Ok(pack.info())
    }
}

/// Refuses a pack whose declarations lack a type that was left out: XML Schema 1.0 (Structures, 5.3)
/// lets the set stand, and what the type would say is then checked by nobody.
fn needed(pack: &Pack) -> Result<(), ImportError> {
    let mut lacks = pack.sets.iter().filter_map(|set| set.schemas.facts().by_library.as_deref());
    match lacks
        .next()
        .filter(|lacks| !pack.manifest.left_out.is_empty() && lacks.contains("missing"))
    {
        None => Ok(()),
        Some(lacks) => Err(ImportError::new(
            Refusal::NotLoaded,
            format!("Was weggelassen wurde, wird gebraucht: {lacks}"),
            format!("What was left out is needed: {lacks}"),
        )),
    }
}

/// Whether the packs that are there leave room for another.
fn beside(into: &Path, new: &Manifest) -> Result<(), ImportError> {
    let fault = |error: std::io::Error| ImportError::io(into.display(), &error);
    for folder in super::set::pack_folders(into).map_err(fault)? {
        let text = fs::read_to_string(folder.join(MANIFEST)).map_err(fault)?;
        // A pack that is broken is refused by whoever loads the folder, by name.
        let Ok(old) = Manifest::parse(&text) else { continue };
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if clash(new, &old, &name).is_err() {
            return Err(exists(&name));
        }
    }
    Ok(())
}

fn exists(place: &str) -> ImportError {
    ImportError::new(
        Refusal::Exists,
        format!("{place}: Dieses Paket, oder eines für dieselben Nachrichten, ist schon da."),
        format!("{place}: this pack, or one for the same messages, is already there."),
    )
}

fn not_loaded(cause: &super::PackFault, folder: &Path) -> ImportError {
    // The folder it was tried in is gone when somebody reads this.
    let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let placeless = |text: String| {
        [folder, &canonical]
            .iter()
            .fold(text, |text, folder| text.replace(&format!("{}/", folder.display()), ""))
    };
    ImportError::new(
        Refusal::NotLoaded,
        format!("Das Paket lässt sich nicht laden: {}", placeless(cause.german())),
        format!("The pack does not load: {}", placeless(cause.to_string())),
    )
}

fn write(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A file of that name would be one of the source taking the place of one of ours.
    let mut file = File::create_new(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// A folder's name from standard and version: lower case, digits, dots and hyphens.
fn folder_name(standard: &str, version: &str) -> String {
    let name: String = format!("{standard}-{version}")
        .to_lowercase()
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' })
        .take(100)
        .collect();
    name.trim_matches(['.', '-']).to_owned()
}
