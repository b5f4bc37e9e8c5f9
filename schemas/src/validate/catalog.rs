//! OASIS XML Catalogs 1.1, as far as schema sets need them: `uri`, `system`, `rewriteURI` and
//! `rewriteSystem`. Other entries (`nextCatalog`, `delegateURI`, `public`, `group`, ...) are
//! refused rather than passed over, so that no set is loaded otherwise than its catalog says.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::xml::{self, Event, EventSink, StartTag};

const NAMESPACE: &str = "urn:oasis:names:tc:entity:xmlns:xml:catalog";

/// From URIs to files.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    folder: PathBuf,
    exact: Vec<(String, String)>,
    prefixes: Vec<(String, String)>,
}

/// Why a catalog could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file could not be read.
    #[error("the catalog could not be read: {0}")]
    Io(#[from] io::Error),
    /// It is no well-formed XML.
    #[error("the catalog is not well-formed: {0}")]
    Xml(String),
    /// It holds something that is not supported.
    #[error("line {line}: the catalog entry '{entry}' is not supported or lacks an attribute")]
    Entry {
        /// Its line.
        line: u64,
        /// Its name.
        entry: String,
    },
}

impl Catalog {
    /// Reads a catalog file. Its relative answers are relative to its folder.
    pub fn load(file: &Path) -> Result<Self, CatalogError> {
        let file = file.canonicalize()?;
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        let mut sink = Sink { catalog: Self { folder, ..Self::default() }, refused: None };
        let input = BufReader::new(File::open(&file)?);
        xml::drive(input, &xml::Limits::default(), &mut sink)
            .map_err(|error| CatalogError::Xml(error.to_string()))?;
        match sink.refused {
            Some((line, entry)) => Err(CatalogError::Entry { line, entry }),
            None => Ok(sink.catalog),
        }
    }

    /// The folder it lies in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every exact entry: URI and file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, String)> {
        self.exact.iter().map(|(name, file)| (name.as_str(), self.path(file)))
    }

    /// The file for a URI: an exact entry before a rewriting one, the longest prefix before a
    /// shorter one (XML Catalogs 1.1, 7.2.2).
    pub fn resolve(&self, uri: &str) -> Option<String> {
        if let Some((_, file)) = self.exact.iter().find(|(name, _)| name == uri) {
            return Some(self.path(file));
        }
        let (prefix, to) = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| uri.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())?;
        Some(self.path(&format!("{to}{}", &uri[prefix.len()..])))
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_string_lossy().into_owned()
    }
}

struct Sink {
    catalog: Catalog,
    refused: Option<(u64, String)>,
}

impl Sink {
    fn entry(&mut self, tag: &StartTag) {
        let pair = |from: &str, to: &str| {
            Some((tag.attribute(from)?.to_owned(), tag.attribute(to)?.to_owned()))
        };
        let (exact, found) = match tag.local.as_str() {
            "catalog" if tag.depth == 1 => return,
            "uri" => (true, pair("name", "uri")),
            "system" => (true, pair("systemId", "uri")),
            "rewriteURI" => (false, pair("uriStartString", "rewritePrefix")),
            "rewriteSystem" => (false, pair("systemIdStartString", "rewritePrefix")),
            _ => (false, None),
        };
        match found.filter(|_| tag.namespace == NAMESPACE) {
            Some(entry) if exact => self.catalog.exact.push(entry),
            Some(entry) => self.catalog.prefixes.push(entry),
            None => {
                self.refused.get_or_insert((tag.position.line, tag.local.clone()));
            }
        }
    }
}

impl EventSink for Sink {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        if let Event::Start(tag) = event {
            self.entry(tag);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(entries: &str) -> (tempfile::TempDir, Result<Catalog, CatalogError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("catalog.xml");
        let text = format!("<catalog xmlns='{NAMESPACE}'>{entries}</catalog>");
        std::fs::write(&file, text).expect("written");
        let catalog = Catalog::load(&file);
        (folder, catalog)
    }

    #[test]
    fn exact_before_prefix_and_long_before_short() {
        let (folder, catalog) = catalog(
            "<rewriteURI uriStartString='urn:a:' rewritePrefix='short/'/>
             <rewriteSystem systemIdStartString='urn:a:b:' rewritePrefix='long/'/>
             <uri name='urn:a:b:c' uri='exact.xsd'/><system systemId='urn:s' uri='s.xsd'/>",
        );
        let catalog = catalog.expect("a catalog");
        let at = |file: &str| {
            let folder = folder.path().canonicalize().expect("there");
            Some(folder.join(file).to_string_lossy().into_owned())
        };
        assert_eq!(catalog.resolve("urn:a:b:c"), at("exact.xsd"));
        assert_eq!(catalog.resolve("urn:a:b:d"), at("long/d"));
        assert_eq!(catalog.resolve("urn:a:x"), at("short/x"));
        assert_eq!(catalog.resolve("urn:s"), at("s.xsd"));
        assert_eq!(catalog.resolve("urn:other"), None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for entries in
            ["<nextCatalog catalog='x'/>", "<uri name='a'/>", "<uri xmlns='' name='a' uri='b'/>"]
        {
            let (_folder, catalog) = catalog(entries);
            assert!(matches!(catalog, Err(CatalogError::Entry { line: 1, .. })), "{entries}");
        }
        let (_folder, catalog) = catalog("<uri");
        assert!(matches!(catalog, Err(CatalogError::Xml(_))));
    }
}
