//! From what documents import to the documents themselves: by the catalog of the source, by
//! location beside the document, by target namespace. Never by network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::fault::{ImportError, Refusal};
use super::scan::{Directive, Document, Found, Kind, folder_of, joined};
use crate::xml::XML_NAMESPACE;

const XLINK: &str = "http://www.w3.org/1999/xlink";
/// Most missing documents that a refusal names.
const MAX_NAMED: usize = 30;

/// Where a directive leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// To this document, beside the one that names it.
    Beside(usize),
    /// To this document; a catalog must say so.
    Mapped(usize),
    /// To a copy that the engine holds, or to one that is left out.
    Nowhere,
}

/// Why a directive leads to no one document.
enum Lost {
    Missing,
    Several(Vec<usize>),
}

/// The documents of a pack and the catalog that ties them together.
#[derive(Debug, Default)]
pub(super) struct Closure {
    /// Indexes into the documents found, entries first.
    pub(super) taken: Vec<usize>,
    /// Location or namespace as written, and the document meant.
    pub(super) catalog: BTreeMap<String, usize>,
    /// Namespaces that are left out, as far as somebody imports them.
    pub(super) left_out: BTreeSet<String>,
    /// Where the choice among several was made by the rest of the set, place or version: namespace, chosen.
    pub(super) chosen: BTreeMap<String, usize>,
    /// Documents that others of the set lead to by a path beside them: nobody chooses those.
    fixed: BTreeSet<usize>,
}

/// Finds the documents that documents name.
pub(super) struct Resolver<'a> {
    pub(super) found: &'a Found,
    /// Namespace and path, as the caller chose.
    pub(super) choices: &'a [(String, String)],
    pub(super) left_out: &'a [String],
}

impl Resolver<'_> {
    /// The documents of the standard itself that no other leads to.
    pub(super) fn roots(&self) -> Vec<usize> {
        let documents = self.found.documents.iter().enumerate();
        let own = |(_, document): &(usize, &Document)| document.origin == 0;
        let mut led_to = BTreeSet::new();
        for (index, document) in documents.clone().filter(own) {
            for directive in &document.directives {
                match self.target(index, directive, &mut Closure::default()) {
                    Ok(Target::Beside(to) | Target::Mapped(to)) => {
                        led_to.insert(to);
                    }
                    Err(Lost::Several(several)) => led_to.extend(several),
                    Ok(Target::Nowhere) | Err(Lost::Missing) => {}
                }
            }
        }
        let roots = documents.filter(own).map(|(index, _)| index);
        roots.filter(|index| !led_to.contains(index)).collect()
    }

    /// The documents that it redefines.
    pub(super) fn redefined(&self, entry: usize) -> Vec<usize> {
        let directives = self.found.documents[entry].directives.iter();
        let redefines = directives.filter(|directive| directive.kind == Kind::Redefine);
        let targets = redefines.map(|one| self.target(entry, one, &mut Closure::default()));
        targets
            .filter_map(|target| match target {
                Ok(Target::Beside(to) | Target::Mapped(to)) => Some(to),
                _ => None,
            })
            .collect()
    }

    /// The document and all that it includes or redefines: what its namespace holds with it.
    pub(super) fn own(&self, entry: usize) -> BTreeSet<usize> {
        let (mut own, mut open) = (BTreeSet::from([entry]), vec![entry]);
        while let Some(index) = open.pop() {
            for directive in &self.found.documents[index].directives {
                if directive.kind == Kind::Import {
                    continue;
                }
                let target = self.target(index, directive, &mut Closure::default());
                if let Ok(Target::Beside(to) | Target::Mapped(to)) = target
                    && own.insert(to)
                {
                    open.push(to);
                }
            }
        }
        own
    }

    /// Everything that the entries lead to, or what is missing.
    pub(super) fn closure(&self, entries: &[usize]) -> Result<Closure, ImportError> {
        // Where several are possible, the one that the set holds anyway is meant: two copies of one
        // module in one set would not stand.
        let mut first = Closure::default();
        let mut open: VecDeque<usize> = entries.iter().copied().collect();
        let mut seen: BTreeSet<usize> = entries.iter().copied().collect();
        while let Some(index) = open.pop_front() {
            for directive in &self.found.documents[index].directives {
                let to = match self.target(index, directive, &mut Closure::default()) {
                    Ok(Target::Beside(to)) => {
                        first.fixed.insert(to);
                        to
                    }
                    Ok(Target::Mapped(to)) => to,
                    Ok(Target::Nowhere) | Err(_) => continue,
                };
                if seen.insert(to) {
                    open.push_back(to);
                }
            }
        }
        self.walk(entries, first)
    }

    fn walk(&self, entries: &[usize], mut closure: Closure) -> Result<Closure, ImportError> {
        let mut seen: BTreeSet<usize> = entries.iter().copied().collect();
        let mut open: VecDeque<usize> = entries.iter().copied().collect();
        let mut missing: Vec<(usize, &Directive)> = Vec::new();
        let mut beside: BTreeMap<&str, usize> = BTreeMap::new();
        while let Some(index) = open.pop_front() {
            closure.taken.push(index);
            for directive in &self.found.documents[index].directives {
                let to = match self.target(index, directive, &mut closure) {
                    Ok(Target::Beside(to)) => {
                        beside.insert(directive.location.as_deref().unwrap_or_default(), to);
                        to
                    }
                    Ok(Target::Mapped(to)) => {
                        self.map(&mut closure, directive, to)?;
                        to
                    }
                    Ok(Target::Nowhere) => {
                        if self.left_out.contains(&directive.namespace) {
                            closure.left_out.insert(directive.namespace.clone());
                        }
                        continue;
                    }
                    Err(Lost::Missing) => {
                        missing.push((index, directive));
                        continue;
                    }
                    Err(Lost::Several(several)) => {
                        return Err(self.several(index, directive, &several));
                    }
                };
                if seen.insert(to) {
                    open.push_back(to);
                }
            }
        }
        if !missing.is_empty() {
            return Err(self.incomplete(&missing));
        }
        // The catalog is asked before the file beside.
        for (location, to) in &beside {
            if let Some(other) = closure.catalog.get(*location).filter(|other| *other != to) {
                return Err(self.conflict(location, *to, *other));
            }
        }
        Ok(closure)
    }

    fn map(
        &self,
        closure: &mut Closure,
        directive: &Directive,
        to: usize,
    ) -> Result<(), ImportError> {
        let location = directive.location.as_deref().filter(|l| !l.is_empty());
        // A relative location means something else in each folder, a namespace does not.
        let key = match location {
            Some(location) if absolute(location) || directive.kind != Kind::Import => location,
            _ => directive.namespace.as_str(),
        };
        match closure.catalog.insert(key.to_owned(), to) {
            Some(other) if other != to => Err(self.conflict(key, to, other)),
            _ => Ok(()),
        }
    }

    fn target(
        &self,
        from: usize,
        directive: &Directive,
        closure: &mut Closure,
    ) -> Result<Target, Lost> {
        let document = &self.found.documents[from];
        let import = directive.kind == Kind::Import;
        let namespace = if import { &directive.namespace } else { &document.namespace };
        let location = directive.location.as_deref().unwrap_or_default();
        let by_catalog = |key: &str| self.by_catalog(document.origin, key);
        if let Some(to) = by_catalog(location) {
            return Ok(Target::Mapped(to));
        }
        if !location.is_empty() && !absolute(location) {
            let path = joined(folder_of(&document.path), location);
            if let Some(to) = path.and_then(|path| self.at(document.origin, &path)) {
                return Ok(Target::Beside(to));
            }
        }
        if import && let Some(to) = self.by_choice(namespace).or_else(|| by_catalog(namespace)) {
            return Ok(Target::Mapped(to));
        }
        let candidates = self.candidates(from, namespace, location, import);
        match candidates.as_slice() {
            [] if namespace == XML_NAMESPACE || namespace == XLINK => Ok(Target::Nowhere),
            [] if import && self.left_out.contains(namespace) => Ok(Target::Nowhere),
            [] => Err(Lost::Missing),
            [one] => Ok(Target::Mapped(*one)),
            several => {
                let mut fixed = several.iter().copied().filter(|one| closure.fixed.contains(one));
                let one = fixed.next().filter(|_| fixed.next().is_none());
                let one = one.or_else(|| self.nearest(document, location, several));
                let one = one.ok_or_else(|| Lost::Several(several.to_vec()))?;
                closure.chosen.insert(namespace.clone(), one);
                Ok(Target::Mapped(one))
            }
        }
    }

    /// Documents that can be meant: of the standard itself before those it builds on; by name of the
    /// file where one has it; equal ones once; and not those that others of them include.
    fn candidates(&self, from: usize, namespace: &str, location: &str, import: bool) -> Vec<usize> {
        let documents = &self.found.documents;
        let file = location.rsplit('/').next().unwrap_or_default();
        let named = |index: &usize| {
            let path = &documents[*index].path;
            !file.is_empty() && path.rsplit('/').next() == Some(file)
        };
        let fits = |index: &usize| {
            let known = &documents[*index].namespace;
            // A document without a namespace takes that of the one that includes it.
            *index != from && (known == namespace || (!import && known.is_empty()))
        };
        let all: Vec<usize> = (0..documents.len()).filter(fits).collect();
        let origin = all.iter().map(|index| documents[*index].origin).min().unwrap_or_default();
        let of_origin = |index: &usize| documents[*index].origin == origin;
        let mut left: Vec<usize> = all.iter().copied().filter(of_origin).collect();
        if left.iter().any(named) {
            left.retain(named);
        } else if !import {
            let elsewhere = all.into_iter().filter(named);
            left = elsewhere.collect();
        }
        let mut once: Vec<usize> = Vec::new();
        for index in left {
            if !once.iter().any(|known| documents[*known].octets == documents[index].octets) {
                once.push(index);
            }
        }
        if import && once.len() > 1 {
            let mut parts = BTreeSet::new();
            for index in &once {
                let beside = documents[*index].directives.iter().filter(|d| d.kind != Kind::Import);
                let folder = folder_of(&documents[*index].path);
                let paths = beside.filter_map(|d| joined(folder, d.location.as_deref()?));
                parts.extend(paths.filter_map(|path| self.at(origin, &path)));
            }
            let chiefs: Vec<usize> =
                once.iter().copied().filter(|index| !parts.contains(index)).collect();
            if !chiefs.is_empty() {
                return chiefs;
            }
        }
        once
    }

    /// The one whose path is most like the location; else the one of the same version; else the one
    /// in the nearest folder.
    fn nearest(&self, document: &Document, location: &str, several: &[usize]) -> Option<usize> {
        let documents = &self.found.documents;
        let only = |score: &dyn Fn(&Document) -> usize| {
            let best = several.iter().map(|index| score(&documents[*index])).max()?;
            let mut with_best =
                several.iter().copied().filter(|index| score(&documents[*index]) == best);
            with_best.next().filter(|_| with_best.next().is_none())
        };
        let like = |other: &Document| {
            let (a, b) = (location.rsplit('/'), other.path.rsplit('/'));
            a.zip(b).take_while(|(a, b)| a == b).count()
        };
        let version = |other: &Document| {
            usize::from(document.version.is_some() && other.version == document.version)
        };
        let near = |other: &Document| {
            let (a, b) = (folder_of(&document.path).split('/'), folder_of(&other.path).split('/'));
            a.zip(b).take_while(|(a, b)| a == b && !a.is_empty()).count()
        };
        only(&like).or_else(|| only(&version)).or_else(|| only(&near))
    }

    fn by_catalog(&self, origin: usize, key: &str) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        let of_origin = self.found.mappings.iter().filter(|mapping| mapping.origin == origin);
        let exact = of_origin.clone().find(|mapping| mapping.exact && mapping.from == key);
        let prefix = of_origin.filter(|mapping| !mapping.exact && key.starts_with(&mapping.from));
        let mapping = exact.or_else(|| prefix.max_by_key(|mapping| mapping.from.len()))?;
        let rest = if mapping.exact { "" } else { &key[mapping.from.len()..] };
        self.at(origin, &joined(&mapping.folder, &format!("{}{rest}", mapping.to))?)
    }

    fn by_choice(&self, namespace: &str) -> Option<usize> {
        let (_, path) = self.choices.iter().find(|(known, _)| known == namespace)?;
        self.found.documents.iter().position(|document| document.path == *path)
    }

    fn at(&self, origin: usize, path: &str) -> Option<usize> {
        let documents = self.found.documents.iter();
        documents.into_iter().position(|known| known.origin == origin && known.path == path)
    }

    fn path(&self, index: usize) -> &str {
        &self.found.documents[index].path
    }

    fn incomplete(&self, missing: &[(usize, &Directive)]) -> ImportError {
        let (mut de, mut en) = (String::new(), String::new());
        for (index, directive) in missing.iter().take(MAX_NAMED) {
            let (path, line) = (self.path(*index), directive.line);
            let location = directive.location.as_deref().unwrap_or("-");
            let namespace = match directive.kind {
                Kind::Import => &directive.namespace,
                _ => &self.found.documents[*index].namespace,
            };
            de += &format!("\n  {path}:{line}: Namensraum {namespace}, Ort {location}");
            en += &format!("\n  {path}:{line}: namespace {namespace}, location {location}");
        }
        if let Some(more) = missing.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            de += &format!("\n  und {more} weitere");
            en += &format!("\n  and {more} more");
        }
        ImportError::new(
            Refusal::Incomplete,
            format!(
                "Es fehlen Dokumente. Bitte mit --with dazugeben, oder den Namensraum mit \
                 --leave-out weglassen, wenn keine Nachricht ihn braucht:{de}"
            ),
            format!(
                "Documents are missing. Add them by --with, or leave the namespace out by \
                 --leave-out where no message needs it:{en}"
            ),
        )
    }

    fn several(&self, from: usize, directive: &Directive, several: &[usize]) -> ImportError {
        let (path, line) = (self.path(from), directive.line);
        let namespace = &directive.namespace;
        let paths: Vec<&str> = several.iter().map(|index| self.path(*index)).collect();
        let paths = paths.join(", ");
        ImportError::ambiguous(
            format!(
                "{path}:{line}: Mehrere Dokumente haben den Namensraum {namespace}: {paths}. \
                 Mit --choose {namespace}=DATEI auswählen."
            ),
            format!(
                "{path}:{line}: several documents have the namespace {namespace}: {paths}. \
                 Choose by --choose {namespace}=FILE."
            ),
        )
    }

    fn conflict(&self, location: &str, one: usize, other: usize) -> ImportError {
        let (one, other) = (self.path(one), self.path(other));
        ImportError::ambiguous(
            format!(
                "{location}: Das eine Dokument meint {one}, ein anderes {other}. Eine der Dateien \
                 mit --skip übergehen oder mit --entry enger wählen."
            ),
            format!(
                "{location}: one document means {one}, another {other}. Pass one of the files over \
                 by --skip, or choose more narrowly by --entry."
            ),
        )
    }
}

fn absolute(location: &str) -> bool {
    location.contains("://") || location.starts_with("urn:")
}
