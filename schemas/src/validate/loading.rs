//! Where schema documents come from: files inside the folders allowed, each read once, and nothing
//! else. No network, no way out of the folder, no second reading after the set is complete.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use xsd_schema::{
    EmbeddedLoader, LocationRequest, SchemaLoader, SchemaResolver, decode_xml_bytes,
    error::{SchemaError, SchemaResult},
};

use super::amendment::Amendment;
use super::catalog::Catalog;

/// Longest schema document in bytes.
pub const MAX_SCHEMA_BYTES: u64 = 16 * 1024 * 1024;
/// Most schema documents of one set.
pub const MAX_SCHEMA_DOCUMENTS: usize = 2_000;

/// The texts of one schema set. Shared by every compilation of it, so that all of them see the
/// same octets whatever happens to the files later.
pub(super) struct Library {
    /// Folders that files may lie in, canonical; empty means anywhere on this machine.
    roots: Vec<PathBuf>,
    catalog: Catalog,
    amendments: Vec<Amendment>,
    texts: Mutex<Texts>,
}

#[derive(Default)]
struct Texts {
    by_location: HashMap<String, Arc<str>>,
    complete: bool,
    /// A document that a limit kept out. An include may lead nowhere, but not because of us.
    kept_out: Option<String>,
}

impl Texts {
    fn keep_out(&mut self, location: &str, why: &str) -> SchemaError {
        let name = Path::new(location).file_name().unwrap_or_default().to_string_lossy();
        self.kept_out = Some(format!("the schema document {name} {why}"));
        refused(why)
    }
}

impl Library {
    pub(super) fn new(roots: Vec<PathBuf>, catalog: Catalog) -> Self {
        Self { roots, catalog, amendments: Vec::new(), texts: Mutex::default() }
    }

    /// The same, with errata of documents of the first folder.
    pub(super) fn amended(self, amendments: Vec<Amendment>) -> Self {
        Self { amendments, ..self }
    }

    /// From now on nothing is read from the disk any more.
    pub(super) fn close(&self) {
        self.texts().complete = true;
    }

    /// Which document was kept out by a limit, and by which.
    pub(super) fn kept_out(&self) -> Option<String> {
        self.texts().kept_out.clone()
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The location to load instead of the one written, or none to resolve it as it stands.
    ///
    /// An absolute URI is looked up in the catalog; a relative location is resolved against the
    /// document that names it, and the catalog is asked for the result as well. An import whose
    /// location leads nowhere is looked up by its namespace.
    pub(super) fn rewrite(&self, request: &LocationRequest<'_>) -> Option<String> {
        if let Some(path) = self.catalog.resolve(request.location) {
            return Some(path);
        }
        let absolute = request.location.contains("://") || request.location.starts_with("urn:");
        if !absolute && self.beside(request.base_uri, request.location).is_some() {
            return None;
        }
        request.namespace.and_then(|namespace| self.catalog.resolve(namespace))
    }

    fn beside(&self, base: &str, location: &str) -> Option<PathBuf> {
        let path = Path::new(base).parent()?.join(location);
        self.allowed(&path).ok()
    }

    fn load(&self, location: &str) -> SchemaResult<String> {
        let mut texts = self.texts();
        if let Some(text) = texts.by_location.get(location) {
            return Ok(text.to_string());
        }
        if texts.complete {
            return Err(refused("is not part of the set that was loaded"));
        }
        if texts.by_location.len() >= MAX_SCHEMA_DOCUMENTS {
            return Err(texts.keep_out(location, "is one document too many"));
        }
        let path = self.allowed(Path::new(location))?;
        let octets = read(&path)?;
        if octets.len() as u64 > MAX_SCHEMA_BYTES {
            return Err(texts.keep_out(location, "is larger than 16 MiB"));
        }
        let text = self.amend(&path, decode_xml_bytes(octets)?.to_string())?;
        texts.by_location.insert(location.to_owned(), text.as_str().into());
        Ok(text)
    }

    fn amend(&self, path: &Path, text: String) -> SchemaResult<String> {
        let mut text = text;
        let inside = self.roots.first().and_then(|root| path.strip_prefix(root).ok());
        for amendment in &self.amendments {
            if inside == Some(Path::new(&amendment.file)) {
                text = amendment.apply(&text).ok_or_else(|| {
                    SchemaError::structural(
                        "tolerate",
                        format!("what {} is read otherwise for is not there once", amendment.file),
                        None,
                    )
                })?;
            }
        }
        Ok(text)
    }

    /// The file's canonical path, if it exists and lies inside the folders allowed. Symbolic links
    /// are followed before the question is asked, so that none leads out.
    fn allowed(&self, path: &Path) -> SchemaResult<PathBuf> {
        if path.components().any(|part| matches!(part, Component::Prefix(_))) {
            return Err(refused("has a path that is not allowed"));
        }
        let path = path.canonicalize()?;
        if self.roots.is_empty() || self.roots.iter().any(|root| path.starts_with(root)) {
            Ok(path)
        } else {
            Err(refused("lies outside the folder"))
        }
    }

    fn texts(&self) -> std::sync::MutexGuard<'_, Texts> {
        // A panic while it was held leaves whole entries only.
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}

/// The octets of a file, at most one more than are allowed.
fn read(path: &Path) -> SchemaResult<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(MAX_SCHEMA_BYTES + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

fn refused(why: &str) -> SchemaError {
    SchemaError::resolution(format!("the schema document {why}"))
}

/// The engine's view of a [`Library`].
#[derive(Debug)]
pub(super) struct Loader(pub(super) Arc<Library>);

impl SchemaLoader for Loader {
    fn load(&self, location: &str) -> SchemaResult<String> {
        if EmbeddedLoader.can_load(location) {
            // The engine's own copies of xml.xsd and xlink.xsd.
            return EmbeddedLoader.load(location);
        }
        self.0.load(location)
    }

    fn can_load(&self, location: &str) -> bool {
        EmbeddedLoader.can_load(location) || !location.contains("://")
    }
}

/// The engine's way to ask a [`Library`] for a location.
pub(super) struct Rewriter(pub(super) Arc<Library>);

impl xsd_schema::LocationRewriter for Rewriter {
    fn rewrite(&self, request: &LocationRequest<'_>, _: &SchemaResolver) -> Option<String> {
        // Documents given to the builder itself are paths already.
        request.kind.and_then(|_| self.0.rewrite(request))
    }
}
