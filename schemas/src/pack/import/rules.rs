//! The rule files of a source that belong to a pack: those that speak of its messages, with what
//! they include. Each is compiled here, so that one that cannot be used is refused by name.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::fault::{ImportError, Refusal};
use super::placed;
use super::scan::{Found, RuleSource, folder_of, joined};
use crate::pack::MessageInfo;
use crate::rules::{RuleFile, Rules};

/// Rule files of a pack.
#[derive(Debug, Default)]
pub(super) struct Selected<'a> {
    /// Paths in the pack of those that it asks.
    pub(super) entry: Vec<String>,
    /// All that are copied: path in the pack and octets.
    pub(super) files: BTreeMap<String, &'a [u8]>,
    /// Of the source itself, what does not belong to the pack.
    pub(super) passed_over: Vec<String>,
}

/// Chooses among what was found, for messages in the namespaces of the entry schemas.
pub(super) fn select<'a>(found: &'a Found, entries: &[usize]) -> Result<Selected<'a>, ImportError> {
    let namespaces: BTreeSet<&String> =
        entries.iter().map(|index| &found.documents[*index].namespace).collect();
    let all = &found.rules;
    let target = |from: &RuleSource, href: &String| {
        let path = joined(folder_of(&from.path), href)?;
        all.iter().position(|rule| rule.origin == from.origin && rule.path == path)
    };
    let included: BTreeSet<usize> = all
        .iter()
        .flat_map(|from| from.includes.iter().filter_map(move |href| target(from, href)))
        .collect();
    let (mut selected, mut taken) = (Selected::default(), BTreeSet::new());
    let mut paths = Vec::new();
    for (index, rule) in all.iter().enumerate() {
        let mut spoken = rule.namespaces.iter();
        // A file without any speaks of elements in no namespace, or of all.
        let about = rule.namespaces.is_empty() && rule.origin == 0
            || spoken.any(|namespace| namespaces.contains(namespace));
        if !rule.whole || included.contains(&index) || !about {
            continue;
        }
        selected.entry.push(placed(rule.origin, &rule.path));
        paths.push(&rule.path);
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            if taken.insert(index) {
                let file = &all[index];
                selected.files.insert(placed(file.origin, &file.path), &file.octets);
                open.extend(file.includes.iter().filter_map(|href| target(file, href)));
            }
        }
    }
    let left = all.iter().enumerate().filter(|(index, _)| !taken.contains(index));
    let left = left.filter(|(_, rule)| rule.origin == 0);
    selected.passed_over = left.map(|(_, rule)| rule.path.clone()).collect();
    for (file, path) in selected.entry.iter().zip(paths) {
        compile(file, path, &selected.files)?;
    }
    Ok(selected)
}

/// The types of messages that each rule file is for; none where it is for all.
///
/// A standard of several parts, each with its rule file (XJustiz), means each file for the messages
/// of its part, and its rules are often about elements that all messages have. The part is the
/// schema documents that declare the messages which the file names. A file that names none is for all.
pub(super) fn scopes(
    selected: &Selected<'_>,
    found: &Found,
    taken: &[usize],
    messages: &[MessageInfo],
) -> Vec<Vec<String>> {
    let declared = |index: usize| {
        let elements = &found.documents[index].elements;
        messages.iter().filter(move |message| elements.iter().any(|one| one.name == message.root))
    };
    let parts = taken.iter().map(|index| declared(*index).collect::<Vec<_>>());
    let parts: Vec<Vec<&MessageInfo>> = parts.filter(|part| !part.is_empty()).collect();
    let scope = |file: &String| {
        let text = String::from_utf8_lossy(selected.files.get(file).copied().unwrap_or_default());
        let names: HashSet<&str> =
            text.split(|c: char| !c.is_alphanumeric() && !"._-".contains(c)).collect();
        let named = |part: &&Vec<&MessageInfo>| {
            part.iter().any(|message| names.contains(message.root.as_str()))
        };
        let meant: Vec<&Vec<&MessageInfo>> = parts.iter().filter(named).collect();
        if meant.len() == parts.len() || selected.entry.len() == 1 {
            return Vec::new();
        }
        let mut types: Vec<String> =
            meant.into_iter().flatten().map(|message| message.message_type.clone()).collect();
        types.sort();
        types.dedup();
        types
    };
    selected.entry.iter().map(scope).collect()
}

fn compile(file: &str, path: &str, files: &BTreeMap<String, &[u8]>) -> Result<(), ImportError> {
    let mut fetch = |name: &str| {
        let path = joined("", name).unwrap_or_default();
        let octets = files.get(&path).map(|octets| octets.to_vec());
        octets.ok_or_else(|| "it is not in the source".to_owned())
    };
    let one = [RuleFile { file: file.to_owned(), phase: None }];
    match Rules::load(&one, &mut fetch) {
        Ok(_) => Ok(()),
        Err(error) => Err(ImportError::new(
            Refusal::Rules,
            format!(
                "Regeldatei nicht verwendbar: {error}. Ohne sie importieren: --skip {path}; was \
                 sie prüft, prüft dann niemand."
            ),
            format!(
                "Rule file cannot be used: {error}. To import without it: --skip {path}; what it \
                 checks is then checked by nobody."
            ),
        )),
    }
}
