//! A pack for a standard of the corpus, put together in the folder of a node: its schemas with all
//! they lead to, and a catalog for the locations that are URIs. Nothing is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amtsbote_schemas::validate::Catalog;
use amtsbote_schemas::xml::{self, DriveError, Event, EventSink, Limits};
use anyhow::{Context, Result, anyhow, ensure};

use super::{CATALOG, Corpus, Message};

/// The namespace of schema documents.
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// Writes the pack that judges these messages; all are of one version of one standard.
pub(super) fn write(corpus: &Corpus, messages: &[Message<'_>], folder: &Path) -> Result<String> {
    let first = messages.first().context("a pack for no message")?;
    let set = Closure::of(corpus, &first.row.schema)?;
    for file in &set.files {
        let to = folder.join(file);
        std::fs::create_dir_all(to.parent().context("a file without a folder")?)?;
        std::fs::copy(corpus.folder.join(file), &to).with_context(|| file.clone())?;
    }
    std::fs::write(folder.join("catalog.xml"), set.catalog())?;
    std::fs::write(folder.join("pack.toml"), manifest(messages)?)?;
    Ok(format!("{} schema documents", set.files.len()))
}

/// What the messages say about themselves is enough for a manifest.
fn manifest(messages: &[Message<'_>]) -> Result<String> {
    let said = |fact: fn(&Message<'_>) -> Option<String>| {
        let values: BTreeSet<Option<String>> = messages.iter().map(fact).collect();
        match values.into_iter().collect::<Vec<_>>().as_slice() {
            [Some(one)] => Ok(one.clone()),
            other => Err(anyhow!("the messages do not say the same: {other:?}")),
        }
    };
    let header = match said(|m| m.facts.header_namespace.clone())?.as_str() {
        "" => "g2g-unqualified",
        _ => "g2g-qualified",
    };
    let mut table = toml::Table::new();
    let mut set = |key: &str, value: &str| table.insert(key.to_owned(), value.into());
    set("standard", &said(|m| m.facts.standard.clone())?);
    set("version", &said(|m| m.facts.version.clone())?);
    set("namespace", &said(|m| Some(m.facts.root_namespace.clone()))?);
    set("decided_by", "arrived");
    set("header", header);
    set("catalog", "catalog.xml");
    let day: toml::value::Datetime = "2020-01-01".parse()?;
    table.insert("valid_from".to_owned(), day.into());
    let entry = said(|m| Some(m.row.schema.clone()))?;
    table.insert("entry".to_owned(), toml::Value::Array(vec![entry.into()]));
    let roots: BTreeSet<&str> = messages.iter().map(|m| m.facts.root_local.as_str()).collect();
    let roots = roots.into_iter().map(|root| {
        let mut message = toml::Table::new();
        // XÖV names end with the number of the message.
        let number = root.rsplit('.').next().unwrap_or(root);
        for (key, value) in [("root", root), ("type", number), ("name", root)] {
            message.insert(key.to_owned(), value.into());
        }
        message.into()
    });
    table.insert("message".to_owned(), toml::Value::Array(roots.collect()));
    Ok(toml::to_string(&table)?)
}

/// A schema document and every other that it leads to.
struct Closure {
    /// Relative to the corpus.
    files: BTreeSet<String>,
    /// Locations that are URIs, and the files they mean.
    uris: BTreeMap<String, String>,
}

impl Closure {
    fn of(corpus: &Corpus, entry: &str) -> Result<Self> {
        let catalog = Catalog::load(&corpus.folder.join(CATALOG))?;
        let mut closure = Self { files: BTreeSet::from([entry.to_owned()]), uris: BTreeMap::new() };
        let mut open = vec![entry.to_owned()];
        while let Some(file) = open.pop() {
            let path = corpus.folder.join(&file);
            for location in locations(&path).with_context(|| file.clone())? {
                let Some(target) = closure.follow(corpus, &catalog, &path, location)? else {
                    continue;
                };
                if closure.files.insert(target.clone()) {
                    open.push(target);
                }
            }
        }
        Ok(closure)
    }

    /// The file that a location means, relative to the corpus. None where the engine brings its own
    /// document or the set does without; whether it may, the pack says when it is loaded.
    fn follow(
        &mut self,
        corpus: &Corpus,
        catalog: &Catalog,
        from: &Path,
        location: String,
    ) -> Result<Option<String>> {
        let by_catalog = catalog.resolve(&location).map(PathBuf::from);
        let is_uri = by_catalog.is_some();
        let beside = || from.parent().map(|folder| folder.join(&location));
        let Some(path) = by_catalog.or_else(beside).filter(|path| path.is_file()) else {
            return Ok(None);
        };
        let path = path.canonicalize()?;
        let file = path.strip_prefix(&corpus.folder).context("a schema outside the corpus")?;
        let file = file.to_str().context("a name that is no UTF-8")?.to_owned();
        if is_uri {
            self.uris.insert(location, file.clone());
        }
        Ok(Some(file))
    }

    fn catalog(&self) -> String {
        let mut text =
            String::from("<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">\n");
        for (uri, file) in &self.uris {
            let [uri, file] = [uri, file].map(|value| escaped(value));
            writeln!(text, "<uri name=\"{uri}\" uri=\"{file}\"/>").expect("writing to a string");
        }
        text + "</catalog>\n"
    }
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// What a schema document includes, imports and redefines.
fn locations(schema: &Path) -> Result<Vec<String>> {
    struct Sink(Vec<String>);
    impl EventSink for Sink {
        type Error = Infallible;
        fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
            if let Event::Start(tag) = event
                && tag.depth == 2
                && tag.namespace == SCHEMA
                && ["include", "import", "redefine"].contains(&tag.local.as_str())
                && let Some(location) = tag.attribute("schemaLocation")
            {
                self.0.push(location.to_owned());
            }
            Ok(())
        }
    }
    let mut octets = std::fs::read(schema)?;
    // Some documents of the W3C begin with a document type declaration, which our reader refuses;
    // they lead nowhere.
    if octets.windows(9).any(|window| window == b"<!DOCTYPE") {
        octets = b"<none/>".to_vec();
    }
    let mut sink = Sink(Vec::new());
    xml::drive(&octets[..], &Limits::default(), &mut sink)
        .map_err(|error: DriveError<Infallible>| anyhow!("{error}"))?;
    ensure!(sink.0.len() < 1_000, "too many locations");
    Ok(sink.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(files: &[(&str, &str)]) -> (tempfile::TempDir, Corpus) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, content).expect("written");
        }
        let folder_path = folder.path().canonicalize().expect("there");
        (folder, Corpus { folder: folder_path, rows: Vec::new() })
    }

    #[test]
    fn a_schema_brings_all_that_it_leads_to() {
        let xs = format!("xmlns:xs='{SCHEMA}'");
        let (_held, corpus) = corpus(&[
            (
                "a/s.xsd",
                &format!(
                    "<xs:schema {xs}><xs:include schemaLocation='t.xsd'/>\
                     <xs:import namespace='urn:x' schemaLocation='urn:there'/>\
                     <xs:import namespace='urn:y' schemaLocation='nowhere.xsd'/></xs:schema>"
                ),
            ),
            (
                "a/t.xsd",
                &format!("<xs:schema {xs}><xs:include schemaLocation='s.xsd'/></xs:schema>"),
            ),
            ("b/x.xsd", &format!("<xs:schema {xs}/>")),
            ("b/unused.xsd", &format!("<xs:schema {xs}/>")),
            (
                CATALOG,
                "<catalog xmlns='urn:oasis:names:tc:entity:xmlns:xml:catalog'>\
                 <uri name='urn:there' uri='b/x.xsd'/></catalog>",
            ),
        ]);
        let closure = Closure::of(&corpus, "a/s.xsd").expect("followed");
        let files: Vec<&str> = closure.files.iter().map(String::as_str).collect();
        assert_eq!(files, ["a/s.xsd", "a/t.xsd", "b/x.xsd"]);
        assert!(closure.catalog().contains("<uri name=\"urn:there\" uri=\"b/x.xsd\"/>"));
    }
}
