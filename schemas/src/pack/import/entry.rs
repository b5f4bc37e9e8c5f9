//! Where the pack begins, what it is called, and what its messages are: what can be found out.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::fault::{ImportError, Refusal};
use super::resolve::{Closure, Resolver};
use super::scan::{Document, Found, Global, Redefined};
use crate::pack::{HeaderForm, MessageInfo};

/// What was found out about a standard.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) standard: String,
    /// The standard's name stands in the schemas, or was given.
    pub(super) standard_known: bool,
    pub(super) version: String,
    pub(super) version_known: bool,
    pub(super) namespace: String,
    pub(super) header: HeaderForm,
    pub(super) messages: Vec<MessageInfo>,
    /// Where messages say their version, if the schemas fix it elsewhere than at the root.
    pub(super) version_at: Option<String>,
}

/// The entry documents: as named, else those that no other leads to and that declare elements.
pub(super) fn entries(
    found: &Found,
    resolver: &Resolver<'_>,
    named: &[String],
) -> Result<Vec<usize>, ImportError> {
    let documents = &found.documents;
    let roots = resolver.roots();
    let mut entries = Vec::new();
    for name in named {
        let name = name.trim_end_matches('/');
        let own = |index: &usize| documents[*index].origin == 0;
        let exact = (0..documents.len()).filter(own).find(|index| documents[*index].path == name);
        let folder = format!("{name}/");
        let inside = roots.iter().copied().filter(|i| documents[*i].path.starts_with(&folder));
        let before = entries.len();
        match exact {
            Some(index) => entries.push(index),
            None => entries.extend(inside),
        }
        if entries.len() == before {
            return Err(ImportError::new(
                Refusal::Ambiguous,
                format!("--entry {name}: kein Schema dieses Namens und kein Ordner mit einem."),
                format!("--entry {name}: no schema of this name and no folder with one."),
            ));
        }
    }
    if named.is_empty() {
        let declares =
            |index: &usize| resolver.own(*index).iter().any(|i| !documents[*i].elements.is_empty());
        entries = roots.iter().copied().filter(declares).collect();
        if entries.is_empty() {
            // Where all elements are in a document that is missing, that is what is to be said.
            entries = roots;
        }
        let apart = apart(found, resolver, &entries);
        if apart.len() > 1 {
            return Ok(apart);
        }
        one_standard(found, resolver, &entries)?;
    }
    if entries.is_empty() {
        return Err(ImportError::new(
            Refusal::NoEntry,
            "Kein Schema der Quelle ist Einstieg: Es gibt keines, oder alle führen zueinander. \
             Mit --entry wählen.",
            "No schema of the source is where to begin: there is none, or all lead to each other. \
             Choose by --entry.",
        ));
    }
    Ok(entries)
}

/// Entries that redefine a document which others redefine as well. They cannot be one set: each is
/// the schema of one message, for which the others say something else.
pub(super) fn apart(found: &Found, resolver: &Resolver<'_>, entries: &[usize]) -> Vec<usize> {
    let mut by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for entry in entries {
        for redefined in resolver.redefined(*entry) {
            by.entry(redefined).or_default().push(*entry);
        }
    }
    let several = by.values().filter(|entries| entries.len() > 1).flatten();
    let several: BTreeSet<usize> = several.copied().collect();
    let has_types = |index: &usize| !found.documents[*index].redefined.is_empty();
    entries.iter().copied().filter(|index| several.contains(index) && has_types(index)).collect()
}

/// The messages of entries that cannot be one set: each has the root that they all redefine, and
/// what tells it is an element that it demands in one of the redefined types and no other has there.
fn messages_apart(
    found: &Found,
    entries: &[usize],
    paths: &dyn Fn(usize) -> String,
    roots: &[MessageInfo],
) -> Result<Vec<MessageInfo>, ImportError> {
    let document = |index: &usize| &found.documents[*index];
    let stem = |index: &usize| {
        let file = document(index).path.rsplit('/').next().unwrap_or_default();
        file.strip_suffix(".xsd").unwrap_or(file).to_owned()
    };
    let stems: Vec<String> = entries.iter().map(stem).collect();
    let shared = stems.iter().skip(1).fold(stems[0].len(), |length, stem| {
        let same = stem.bytes().zip(stems[0].bytes()).take_while(|(a, b)| a == b);
        length.min(same.count())
    });
    let shared = stems.iter().all(|stem| stem.is_char_boundary(shared)).then_some(shared);
    let mut messages = Vec::new();
    for (index, stem) in entries.iter().zip(&stems) {
        let own = &document(index).redefined;
        let elsewhere = |place: &Redefined| {
            let others = entries.iter().filter(|other| *other != index);
            others
                .flat_map(|other| &document(other).redefined)
                .any(|other| (&other.of, &other.element) == (&place.of, &place.element))
        };
        let mut places =
            own.iter().filter(|one| one.required && !one.element.is_empty() && !elsewhere(one));
        let root = roots.iter().find(|root| own.iter().any(|one| one.of == root.root));
        let (Some(place), Some(root)) = (places.next(), root) else {
            let path = &document(index).path;
            return Err(ImportError::ambiguous(
                format!(
                    "{path}: Mehrere Einstiegsschemas bestimmen dieselben Typen neu, und nichts \
                     unterscheidet die Nachrichten dieses Schemas von denen der anderen. Mit \
                     --entry einzeln wählen."
                ),
                format!(
                    "{path}: several entry schemas redefine the same types, and nothing tells the \
                     messages of this one from those of the others. Choose one by --entry."
                ),
            ));
        };
        let kind = shared.and_then(|shared| stem.get(shared..)).filter(|rest| !rest.is_empty());
        let kind = kind.unwrap_or(stem).to_owned();
        messages.push(MessageInfo {
            message_type: kind.clone(),
            name: kind,
            // A type of SOAP has the name of its element; a person confirms it.
            known_by: Some(format!("{}/{}", place.of, place.element)),
            entry: vec![paths(*index)],
            ..root.clone()
        });
    }
    Ok(messages)
}

/// The attribute that a type fixes to the version of the standard, at the element of that type; only
/// where there is one such. The attribute `version` of the root needs no word.
fn version_at(own: &[&Document], version: &str) -> Option<String> {
    let fixed = own.iter().flat_map(|document| &document.fixed).filter(|(_, name, value)| {
        let name = name.to_lowercase();
        value == version && name.contains("version") && !name.starts_with("list")
    });
    let places: BTreeSet<(&String, &String)> = fixed.map(|(of, name, _)| (of, name)).collect();
    let mut places = places.into_iter();
    let (of, name) = places.next().filter(|_| places.next().is_none())?;
    let typed = own.iter().flat_map(|document| &document.typed).filter(|(_, known)| known == of);
    let elements: BTreeSet<&String> = typed.map(|(element, _)| element).collect();
    let mut elements = elements.into_iter();
    let element = elements.next().filter(|_| elements.next().is_none())?;
    Some(format!("{element}/@{name}"))
}

/// Refuses what is several standards, or several versions of one.
fn one_standard(
    found: &Found,
    resolver: &Resolver<'_>,
    entries: &[usize],
) -> Result<(), ImportError> {
    let mut by_namespace: BTreeMap<&str, (&Document, BTreeSet<usize>)> = BTreeMap::new();
    let mut declared: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in entries {
        let document = &found.documents[*entry];
        let own = resolver.own(*entry);
        for index in own.iter().copied().filter(|index| seen.insert(*index)) {
            for element in &found.documents[index].elements {
                let name = (document.namespace.as_str(), element.name.as_str());
                if let Some(other) = declared.insert(name, index) {
                    let pair = [&found.documents[other], &found.documents[index]];
                    return Err(too_many(&pair, name.1));
                }
            }
        }
        let known = by_namespace.entry(&document.namespace);
        known.or_insert_with(|| (document, BTreeSet::new())).1.extend(own);
    }
    let said = |own: &BTreeSet<usize>, what: fn(&Document) -> Option<&String>| {
        own.iter().find_map(|index| what(&found.documents[*index]).cloned())
    };
    let groups: Vec<_> = by_namespace.values().collect();
    for pair in groups.windows(2) {
        let [(a, own_a), (b, own_b)] = pair else { continue };
        let differ = |what: fn(&Document) -> Option<&String>| {
            said(own_a, what).zip(said(own_b, what)).is_some_and(|(a, b)| a != b)
        };
        if differ(|d| d.standard.as_ref()) || differ(|d| d.version.as_ref()) {
            return Err(too_many(&[a, b], ""));
        }
        // Different homes are different standards; siblings differ in the last step only.
        if family(&a.namespace) != family(&b.namespace)
            && a.version.is_some() == b.version.is_some()
        {
            return Err(too_many(&[a, b], ""));
        }
    }
    Ok(())
}

/// The namespace without its last step.
fn family(namespace: &str) -> &str {
    let trimmed = namespace.trim_end_matches(['/', '#']);
    trimmed.rfind(['/', ':']).map_or(trimmed, |end| &trimmed[..end])
}

fn too_many(pair: &[&Document], twice: &str) -> ImportError {
    let shown: Vec<String> = pair
        .iter()
        .map(|d| format!("{} ({} {})", d.path, d.namespace, d.version.as_deref().unwrap_or("-")))
        .collect();
    let shown = shown.join(", ");
    let (de, en) = if twice.is_empty() {
        (String::new(), String::new())
    } else {
        (format!(" (Element „{twice}“ in beiden)"), format!(" (element '{twice}' in both)"))
    };
    ImportError::ambiguous(
        format!(
            "Die Quelle enthält mehrere Standards oder Versionen{de}: {shown}. \
             Mit --entry eine Datei oder einen Ordner wählen."
        ),
        format!(
            "The source holds several standards or versions{en}: {shown}. \
             Choose a file or folder by --entry."
        ),
    )
}

/// What the entries and what they lead to say about themselves.
pub(super) fn identify(
    found: &Found,
    entries: &[usize],
    closure: &Closure,
    options: &Options,
    apart: Option<&dyn Fn(usize) -> String>,
) -> Result<Identity, ImportError> {
    let documents = &found.documents;
    let namespace = chief(entries.iter().map(|index| documents[*index].namespace.as_str()));
    let taken: Vec<&Document> = closure.taken.iter().map(|index| &documents[*index]).collect();
    let own: Vec<&Document> = taken.iter().copied().filter(|d| d.namespace == namespace).collect();
    let said = |what: fn(&Document) -> Option<&String>| own.iter().find_map(|d| what(d).cloned());
    let standard = options.standard.clone().or_else(|| said(|document| document.standard.as_ref()));
    let entry_version = || {
        let versions: BTreeSet<&String> =
            entries.iter().filter_map(|index| documents[*index].version.as_ref()).collect();
        versions.into_iter().next().filter(|_| entries.len() == 1).cloned()
    };
    let same = || {
        let versions: BTreeSet<&String> =
            entries.iter().filter_map(|index| documents[*index].version.as_ref()).collect();
        let mut versions = versions.into_iter();
        versions.next().filter(|_| versions.next().is_none()).cloned()
    };
    let version = options.version.clone();
    let version = version.or_else(|| said(|document| document.standard_version.as_ref()));
    let version = version.or_else(entry_version).or_else(same);
    let first = entries.iter().map(|index| &documents[*index]).find(|d| d.namespace == namespace);
    let stem = first.and_then(|entry| entry.path.rsplit('/').next()).unwrap_or_default();
    let stem = stem.trim_end_matches(".xsd").split(['-', '_', '.']).next().unwrap_or_default();
    let mut messages = messages(&taken, entries.iter().map(|index| &documents[*index]), namespace);
    if messages.is_empty() {
        return Err(ImportError::new(
            Refusal::NoEntry,
            "Die Einstiegsschemas erklären kein Element, das eine Nachricht sein kann.",
            "The entry schemas declare no element that can be a message.",
        ));
    }
    if let Some(paths) = apart {
        messages = messages_apart(found, entries, paths, &messages)?;
    }
    Ok(Identity {
        version_at: version.as_ref().and_then(|version| version_at(&own, version)),
        standard_known: standard.is_some(),
        standard: standard.unwrap_or_else(|| stem.to_owned()),
        version_known: version.is_some(),
        version: version.unwrap_or_else(|| "0".to_owned()),
        namespace: namespace.to_owned(),
        header: header(&taken),
        messages,
    })
}

/// The most frequent, the first of them where several are.
fn chief<'a>(names: impl Iterator<Item = &'a str> + Clone) -> &'a str {
    let count = |name: &str| names.clone().filter(|other| *other == name).count();
    let first = |best: &'a str, name| if count(name) > count(best) { name } else { best };
    names.clone().reduce(first).unwrap_or_default()
}

fn header(taken: &[&Document]) -> HeaderForm {
    const UNQUALIFIED: &str = "http://xoev.de/schemata/basisnachricht/unqualified/g2g/";
    const QUALIFIED: &str = "http://xoev.de/schemata/basisnachricht/g2g/";
    let has = |start: &str| taken.iter().any(|d| d.namespace.starts_with(start));
    if !taken.iter().any(|document| document.header_inside) {
        HeaderForm::None
    } else if has(UNQUALIFIED) {
        HeaderForm::G2gUnqualified
    } else if has(QUALIFIED) {
        HeaderForm::G2gQualified
    } else {
        HeaderForm::None
    }
}

/// The roots: in XÖV the elements that end in a number; elsewhere those that nobody refers to, and
/// those with a structure of their own, which may be parts of others as well.
fn messages<'a>(
    taken: &[&Document],
    entries: impl Iterator<Item = &'a Document>,
    chief: &str,
) -> Vec<MessageInfo> {
    let namespaces: BTreeSet<&str> = entries.map(|entry| entry.namespace.as_str()).collect();
    let of_entries = taken.iter().filter(|document| {
        // A document without a namespace belongs to whoever includes it.
        namespaces.contains(document.namespace.as_str())
    });
    let concrete = of_entries.flat_map(|document| {
        let elements = document.elements.iter().filter(|e| !e.is_abstract);
        elements.map(move |element| (document.namespace.as_str(), element))
    });
    let all: Vec<(&str, &Global)> = concrete.collect();
    let referred: BTreeSet<(&str, &str)> = taken
        .iter()
        .flat_map(|d| d.refers.iter().map(|(space, name)| (space.as_str(), name.as_str())))
        .collect();
    let numbered: Vec<_> =
        all.iter().copied().filter(|(_, element)| number(&element.name).is_some()).collect();
    let free = |(space, element): &(&str, &Global)| {
        let referred = referred.contains(&(*space, element.name.as_str()));
        element.structured || !(element.substitutes || referred)
    };
    let chosen = if numbered.is_empty() {
        let free: Vec<_> = all.iter().copied().filter(free).collect();
        if free.is_empty() { all } else { free }
    } else {
        numbered
    };
    let mut messages: Vec<MessageInfo> = chosen
        .into_iter()
        .map(|(space, element)| MessageInfo {
            root: element.name.clone(),
            message_type: number(&element.name).unwrap_or(&element.name).to_owned(),
            name: if element.title.is_empty() { &element.name } else { &element.title }.clone(),
            namespace: (space != chief).then(|| space.to_owned()),
            known_by: None,
            entry: Vec::new(),
        })
        .collect();
    messages.sort_by(|a, b| (&a.message_type, &a.root).cmp(&(&b.message_type, &b.root)));
    messages.dedup_by(|a, b| (&a.root, &a.namespace) == (&b.root, &b.namespace));
    messages
}

/// The number at the end of a name in XÖV: four to seven digits after a dot.
fn number(name: &str) -> Option<&str> {
    let (_, last) = name.rsplit_once('.')?;
    let digits = last.bytes().all(|octet| octet.is_ascii_digit());
    (digits && (4..=7).contains(&last.len())).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chief_is_the_most_frequent_and_of_equals_the_first() {
        assert_eq!(chief(["a", "b", "b"].into_iter()), "b");
        assert_eq!(chief(["a", "b", "b", "a", "c"].into_iter()), "a");
        assert_eq!(chief(std::iter::empty()), "");
    }
}
