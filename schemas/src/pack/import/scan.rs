//! What the files are: schema documents with what they import and declare, code lists, rules,
//! catalogs. Read by our own reader; a document type declaration, which old schemas of W3C have, is
//! cut away first.

use std::convert::Infallible;

use super::fault::{ImportError, Refusal};
use super::source::{Source, SourceFile};
use crate::genericode::CodeList;
use crate::xml::{self, Event, EventSink, Limits, StartTag};

const XS: &str = "http://www.w3.org/2001/XMLSchema";
const GENERICODE: &str = "http://docs.oasis-open.org/codelist/ns/genericode/1.0/";
const SCHEMATRON: &str = "http://purl.oclc.org/dsdl/schematron";
const CATALOG: &str = "urn:oasis:names:tc:entity:xmlns:xml:catalog";

/// How a document draws in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Import,
    Include,
    Redefine,
}

/// `xs:import`, `xs:include`, `xs:redefine`.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) kind: Kind,
    /// Of an import.
    pub(super) namespace: String,
    pub(super) location: Option<String>,
    pub(super) line: u64,
}

/// A global element.
#[derive(Clone, Debug)]
pub(super) struct Global {
    pub(super) name: String,
    pub(super) is_abstract: bool,
    /// It can stand for another.
    pub(super) substitutes: bool,
    /// It has a structure that is nobody else's.
    pub(super) structured: bool,
    pub(super) title: String,
}

/// A schema document.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    /// Which source it is from: 0 the standard itself, then those it builds on.
    pub(super) origin: usize,
    /// Path in its source.
    pub(super) path: String,
    pub(super) octets: Vec<u8>,
    pub(super) namespace: String,
    pub(super) version: Option<String>,
    /// `standard/nameKurz` in the annotation of XÖV, or the fixed attribute `standard`.
    pub(super) standard: Option<String>,
    /// `versionStandard/version` likewise, or the fixed attribute `version`.
    pub(super) standard_version: Option<String>,
    pub(super) directives: Vec<Directive>,
    pub(super) elements: Vec<Global>,
    /// Elements that are referred to: namespace and name.
    pub(super) refers: Vec<(String, String)>,
    /// A header in the sense of XÖV is declared as a local element.
    pub(super) header_inside: bool,
    /// Attributes with a fixed value: global type that has them, name, value.
    pub(super) fixed: Vec<(String, String, String)>,
    /// Elements of any depth with a named type: name, local name of the type.
    pub(super) typed: Vec<(String, String)>,
    /// What `xs:redefine` makes of types.
    pub(super) redefined: Vec<Redefined>,
}

/// An element in a redefined type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redefined {
    /// The type.
    pub(super) of: String,
    /// Local name of an element inside; empty for the type itself.
    pub(super) element: String,
    /// It must be there.
    pub(super) required: bool,
}

/// A Schematron file of a source.
#[derive(Debug, Default)]
pub(super) struct RuleSource {
    pub(super) origin: usize,
    pub(super) path: String,
    pub(super) octets: Vec<u8>,
    /// Its root is `schema`, not a part of one.
    pub(super) whole: bool,
    /// Namespaces that its expressions name.
    pub(super) namespaces: Vec<String>,
    /// Files that it includes or extends, as written.
    pub(super) includes: Vec<String>,
}

/// An entry of an OASIS catalog of the source.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) origin: usize,
    pub(super) exact: bool,
    pub(super) from: String,
    /// The catalog's folder: empty, or ending in `/`.
    pub(super) folder: String,
    /// From that folder.
    pub(super) to: String,
}

/// A code list of a source.
pub(super) struct ListFile {
    pub(super) origin: usize,
    pub(super) path: String,
    pub(super) octets: Vec<u8>,
    pub(super) list: CodeList,
}

/// All that was found in the sources.
#[derive(Default)]
pub(super) struct Found {
    pub(super) documents: Vec<Document>,
    pub(super) mappings: Vec<Mapping>,
    pub(super) lists: Vec<ListFile>,
    pub(super) rules: Vec<RuleSource>,
    pub(super) passed_over: Vec<String>,
}

impl Found {
    /// Looks at every file of a source.
    pub(super) fn add(&mut self, origin: usize, source: Source) -> Result<(), ImportError> {
        if origin == 0 {
            self.passed_over.extend(source.passed_over);
        }
        for file in source.files {
            self.look(origin, file)?;
        }
        Ok(())
    }

    fn look(&mut self, origin: usize, file: SourceFile) -> Result<(), ImportError> {
        let SourceFile { path, octets } = file;
        let text = without_doctype(&octets);
        let mut sink = Sink::default();
        let read = xml::drive(text.as_ref(), &Limits::default(), &mut sink);
        let lower = path.to_lowercase();
        let named = |end: &str| lower.ends_with(end);
        if let Err(error) = read {
            return Err(not_xml(&path, &error.to_string()));
        }
        let (namespace, local) = (sink.root.0.as_str(), sink.root.1.as_str());
        match (namespace, local) {
            (XS, "schema") => {
                let document = Document { origin, path, octets, ..sink.document };
                self.documents.push(document);
            }
            (GENERICODE, "CodeList") => {
                let list = CodeList::read(octets.as_slice())
                    .map_err(|error| not_xml(&path, &error.to_string()))?;
                self.lists.push(ListFile { origin, path, octets, list });
            }
            (SCHEMATRON, root) => {
                let whole = root == "schema";
                self.rules.push(RuleSource { origin, path, octets, whole, ..sink.rules });
            }
            (CATALOG, "catalog") => {
                for (exact, from, to) in sink.mappings {
                    let folder = folder_of(&path).to_owned();
                    self.mappings.push(Mapping { origin, exact, from, folder, to });
                }
            }
            _ if named(".xsd") || named(".gc") || named(".genericode") || named(".sch") => {
                return Err(wrong_root(&path, local));
            }
            // What a registry's server says instead of a file.
            _ if local.eq_ignore_ascii_case("html") => return Err(wrong_root(&path, local)),
            _ if origin == 0 => self.passed_over.push(path),
            _ => {}
        }
        Ok(())
    }
}

/// The folder of a path: empty, or ending in `/`.
pub(super) fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..=end])
}

/// A path from a folder (empty, or ending in `/`) and a relative location; none where it leads out.
pub(super) fn joined(folder: &str, location: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in location.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The octets without a document type declaration in the prolog. Whatever it declared is gone: a
/// reference to one of its entities is refused by the reader.
fn without_doctype(octets: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    const DOCTYPE: &[u8] = b"<!DOCTYPE";
    let mut at = 0;
    // In the prolog stand comments, processing instructions and white space.
    while let Some(next) = octets[at..].iter().position(|b| *b == b'<').map(|n| at + n) {
        let rest = &octets[next..];
        let close: &[u8] = match rest {
            _ if rest.starts_with(b"<!--") => b"-->",
            _ if rest.starts_with(b"<?") => b"?>",
            _ if rest.starts_with(DOCTYPE) => {
                let Some(length) = doctype_length(rest) else { break };
                return [&octets[..next], &rest[length..]].concat().into();
            }
            _ => break,
        };
        let Some(end) = rest.windows(close.len()).position(|part| part == close) else { break };
        at = next + end + close.len();
    }
    octets.into()
}

/// The length of a declaration up to its `>`, quotes, comments and the inner part passed over.
fn doctype_length(text: &[u8]) -> Option<usize> {
    let (mut quote, mut inner, mut at) = (None, 0_u32, 0);
    while let Some(octet) = text.get(at).copied() {
        match (quote, octet) {
            (Some(open), octet) if open == octet => quote = None,
            (Some(_), _) => {}
            (None, _) if text[at..].starts_with(b"<!--") => {
                at += text[at..].windows(3).position(|part| part == b"-->")? + 2;
            }
            (None, b'"' | b'\'') => quote = Some(octet),
            (None, b'[') => inner += 1,
            (None, b']') => inner = inner.saturating_sub(1),
            (None, b'>') if inner == 0 => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn not_xml(path: &str, error: &str) -> ImportError {
    ImportError::new(
        Refusal::Document,
        format!("{path}: kein lesbares XML ({error}). Datei ersetzen oder mit --skip übergehen."),
        format!(
            "{path}: no XML that can be read ({error}). Replace it, or pass it over by --skip."
        ),
    )
}

fn wrong_root(path: &str, root: &str) -> ImportError {
    ImportError::new(
        Refusal::Document,
        format!(
            "{path}: weder Schema noch Codeliste noch Regeln, sondern ein Dokument „{root}“ \
             (Fehlerseite?). Datei ersetzen oder mit --skip übergehen."
        ),
        format!(
            "{path}: neither schema nor code list nor rules but a document '{root}' \
             (an error page?). Replace it, or pass it over by --skip."
        ),
    )
}

#[derive(Default)]
struct Sink {
    root: (String, String),
    document: Document,
    mappings: Vec<(bool, String, String)>,
    rules: RuleSource,
    /// The global type that is open.
    global: String,
    names: Vec<String>,
    prefixes: Vec<(u32, String, String)>,
    text: String,
}

impl Sink {
    fn start(&mut self, tag: &StartTag) {
        self.text.clear();
        self.names.push(tag.local.clone());
        for declared in &tag.declarations {
            self.prefixes.push((tag.depth, declared.prefix.clone(), declared.uri.clone()));
        }
        if tag.depth == 1 {
            self.root = (tag.namespace.clone(), tag.local.clone());
        }
        match self.root.0.as_str() {
            XS if tag.namespace == XS => self.schema(tag),
            CATALOG if tag.depth > 1 => self.mapping(tag),
            SCHEMATRON if tag.namespace == SCHEMATRON => self.rule(tag),
            _ => {}
        }
    }

    fn schema(&mut self, tag: &StartTag) {
        let word = |name: &str| tag.attribute(name).map(str::to_owned);
        let in_redefine = self.names.get(1).is_some_and(|name| name == "redefine");
        if in_redefine && (tag.depth == 3 && tag.local == "complexType" || tag.local == "element") {
            self.redefine(tag);
            return;
        }
        if tag.depth == 2 && tag.local == "complexType" {
            self.global = word("name").unwrap_or_default();
        }
        let document = &mut self.document;
        if tag.local == "element"
            && let Some((name, of)) = tag.attribute("name").zip(tag.attribute("type"))
        {
            let of = of.rsplit(':').next().unwrap_or_default();
            document.typed.push((name.to_owned(), of.to_owned()));
        }
        let kind = match (tag.depth, tag.local.as_str()) {
            (1, _) => {
                document.namespace = word("targetNamespace").unwrap_or_default();
                document.version = word("version");
                return;
            }
            (2, "import") => Kind::Import,
            (2, "include") => Kind::Include,
            (2, "redefine") => Kind::Redefine,
            (2, "element") => {
                document.elements.push(Global {
                    name: word("name").unwrap_or_default(),
                    is_abstract: matches!(tag.attribute("abstract"), Some("true" | "1")),
                    substitutes: word("substitutionGroup").is_some(),
                    structured: false,
                    title: String::new(),
                });
                return;
            }
            (3, "complexType") if self.names[1] == "element" => {
                if let Some(element) = document.elements.last_mut() {
                    element.structured = true;
                }
                return;
            }
            (_, "element") => {
                document.header_inside |= tag.attribute("name") == Some(crate::header::HEADER);
                if let Some(name) = word("ref") {
                    let name = self.expanded(&name);
                    self.document.refers.push(name);
                }
                return;
            }
            (_, "attribute") => {
                let Some(fixed) = word("fixed") else { return };
                match tag.attribute("name") {
                    Some("standard") => document.standard = Some(fixed),
                    Some("version") => document.standard_version = Some(fixed),
                    Some(name) if self.names[1] == "complexType" => {
                        document.fixed.push((self.global.clone(), name.to_owned(), fixed));
                    }
                    _ => {}
                }
                return;
            }
            _ => return,
        };
        document.directives.push(Directive {
            kind,
            namespace: word("namespace").unwrap_or_default(),
            location: word("schemaLocation"),
            line: tag.position.line,
        });
    }

    fn rule(&mut self, tag: &StartTag) {
        let (to, name) = match tag.local.as_str() {
            "ns" => (&mut self.rules.namespaces, "uri"),
            "include" | "extends" => (&mut self.rules.includes, "href"),
            _ => return,
        };
        to.extend(tag.attribute(name).map(str::to_owned));
    }

    /// An element inside a type that is redefined, or the type itself.
    fn redefine(&mut self, tag: &StartTag) {
        let name = tag.attribute("ref").or_else(|| tag.attribute("name")).unwrap_or_default();
        let local = name.rsplit(':').next().unwrap_or_default().to_owned();
        let inside = tag.local == "element";
        if !inside {
            self.global.clone_from(&local);
        }
        self.document.redefined.push(Redefined {
            of: self.global.clone(),
            element: if inside { local } else { String::new() },
            required: tag.attribute("minOccurs") != Some("0"),
        });
    }

    fn mapping(&mut self, tag: &StartTag) {
        let (exact, from, to) = match tag.local.as_str() {
            "uri" => (true, "name", "uri"),
            "system" => (true, "systemId", "uri"),
            "rewriteURI" => (false, "uriStartString", "rewritePrefix"),
            "rewriteSystem" => (false, "systemIdStartString", "rewritePrefix"),
            // Others may lead anywhere; what they would have found is then missing by name.
            _ => return,
        };
        if let Some((from, to)) = tag.attribute(from).zip(tag.attribute(to)) {
            self.mappings.push((exact, from.to_owned(), to.to_owned()));
        }
    }

    fn end(&mut self, tag: &StartTag) {
        let text = self.text.trim();
        let path: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if !text.is_empty() && self.root.0 == XS {
            match path.as_slice() {
                ["schema", "annotation", "appinfo", "standard", "nameKurz"] => {
                    self.document.standard = Some(text.to_owned());
                }
                ["schema", "annotation", "appinfo", "versionStandard", "version"] => {
                    self.document.standard_version = Some(text.to_owned());
                }
                ["schema", "element", "annotation", "appinfo", "title"] => {
                    if let Some(element) = self.document.elements.last_mut() {
                        element.title = text.chars().take(120).collect();
                    }
                }
                _ => {}
            }
        }
        self.text.clear();
        self.names.pop();
        self.prefixes.retain(|(depth, ..)| *depth < tag.depth);
    }

    fn expanded(&self, name: &str) -> (String, String) {
        let (prefix, local) = name.trim().split_once(':').unwrap_or(("", name.trim()));
        let uri = self.prefixes.iter().rev().find(|(_, known, _)| known == prefix);
        (uri.map(|(.., uri)| uri.clone()).unwrap_or_default(), local.to_owned())
    }
}

impl EventSink for Sink {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        match event {
            Event::Start(tag) => self.start(tag),
            // Names and titles are short; the rest is documentation.
            Event::Text(_, text, _) if self.text.len() < 4_096 => self.text.push_str(text),
            Event::End(tag, _) => self.end(tag),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_type_declaration_is_cut_away() {
        let cut = |text: &str| String::from_utf8(without_doctype(text.as_bytes()).into_owned());
        let cut = |text: &str| cut(text).expect("still text");
        assert_eq!(
            cut(
                "<?xml version='1.0'?><!-- > --><!DOCTYPE a 'x>' [<!ENTITY b ']>'> <!-- ' ]> -->]><a/>"
            ),
            "<?xml version='1.0'?><!-- > --><a/>"
        );
        for kept in ["<a><!DOCTYPE b></a>", "<!DOCTYPE a [", "", "<", "<!-- <!DOCTYPE a>", "x"] {
            assert_eq!(cut(kept), kept);
        }
    }

    #[test]
    fn paths_are_joined_and_stay_inside() {
        assert_eq!(joined("a/b/", "../c.xsd").as_deref(), Some("a/c.xsd"));
        assert_eq!(joined("", "./c.xsd").as_deref(), Some("c.xsd"));
        assert_eq!(joined("a/", "../../c.xsd"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_answered(octets: Vec<u8>, inner: String) {
            let _ = without_doctype(&octets);
            let _ = without_doctype(format!("<!DOCTYPE{inner}").as_bytes());
            let file = SourceFile { path: "a.xsd".to_owned(), octets };
            let _ = Found::default().look(0, file);
            let _ = joined(&inner, &inner);
        }
    }
}
