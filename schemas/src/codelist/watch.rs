//! Codes of a message, looked up in the pass that validates it. Findings name lists and versions
//! that the pack or the schema knows, and what the message wrote only where the pack allows it (P7).

use super::{CodeUse, Columns, LONG_AGO, Listed, Lists, RULE, Unknown, Used};
use crate::genericode::MAX_CODE_BYTES;
use crate::pack::Days;
use crate::validate::{Finding, MAX_FINDINGS};
use crate::xml::{Position, StartTag};

/// The finding for a code that its list does not have.
pub(crate) const NOT_IN_LIST: &str = "code-not-in-list";

/// An element that holds a code.
#[derive(Debug)]
struct Open<'s> {
    depth: u32,
    /// Where its name begins among the names.
    name: usize,
    position: Position,
    /// The list as the schema names it: that may be told.
    fixed: Option<&'s str>,
    known: Known,
    /// The columns of the list that may hold the code.
    columns: Columns,
}

/// What is known of the list of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// This one.
    Listed(usize),
    /// The pack has no such list.
    NoList,
    /// The pack has the list in other versions: the first of them.
    NoVersion(usize),
    /// Neither message nor schema says which list.
    NotNamed,
    /// The list is known, and nobody says which version.
    VersionNotNamed(usize),
}

/// The codes of one message.
#[derive(Debug)]
pub(crate) struct Watch<'s> {
    lists: &'s Lists,
    used: &'s Used,
    open: Vec<Open<'s>>,
    /// The names of the elements that hold codes and are open, one behind the other.
    names: String,
    /// The code being read, and where it began.
    code: Option<Position>,
    text: String,
    findings: Vec<Finding>,
}

impl<'s> Watch<'s> {
    pub(crate) fn new(lists: &'s Lists, used: &'s Used) -> Self {
        Self {
            lists,
            used,
            open: Vec::new(),
            names: String::new(),
            code: None,
            text: String::new(),
            findings: Vec::new(),
        }
    }

    /// An element begins; `code` is what the schema says of the code that it holds. Where the
    /// schema says nothing, the attribute `listURI` tells that it holds one.
    pub(crate) fn start(
        &mut self,
        tag: &StartTag,
        code: Option<&'s CodeUse>,
        path: &dyn Fn() -> String,
    ) {
        if let Some(holder) = self.open.last()
            && holder.depth + 1 == tag.depth
            && tag.local == "code"
        {
            self.begin_code(tag.position, path);
            return;
        }
        // Real messages write `listVersionID=""` where they know none.
        let sent = |name| {
            let value = if tag.attributes.is_empty() { None } else { tag.attribute(name) };
            value
                .map(|value| value.trim_matches([' ', '\t', '\n', '\r']))
                .filter(|value| !value.is_empty())
        };
        let uri = sent("listURI");
        if code.is_none() && uri.is_none() {
            return;
        }
        let fixed = code.and_then(|code| code.uri.as_deref());
        let version =
            sent("listVersionID").or_else(|| code.and_then(|code| code.version.as_deref()));
        let known = self.find(uri.or(fixed), version);
        let columns = match known {
            Known::Listed(n) => {
                let named = code.and_then(|code| code.column.as_deref());
                self.lists.listed[n].columns(named)
            }
            _ => 0,
        };
        self.open.push(Open {
            depth: tag.depth,
            name: self.names.len(),
            position: tag.position,
            // Another list than the schema's must not be called by its name.
            fixed: fixed.filter(|fixed| uri.is_none_or(|sent| sent == *fixed)),
            known,
            columns,
        });
        self.names.push_str(&tag.local);
    }

    /// Text.
    #[inline]
    pub(crate) fn text(&mut self, piece: &str) {
        if self.code.is_some() && self.text.len() <= MAX_CODE_BYTES {
            self.text.push_str(piece);
        }
    }

    /// An element ends; `found` is its value, where it may be told.
    pub(crate) fn end<'r>(
        &mut self,
        tag: &StartTag,
        path: &dyn Fn() -> String,
        found: &dyn Fn() -> Option<&'r str>,
    ) {
        let Some(holder) = self.open.last() else { return };
        if holder.depth == tag.depth {
            self.names.truncate(holder.name);
            self.open.pop();
        } else if holder.depth + 1 == tag.depth
            && let Some(position) = self.code.take()
            && let Known::Listed(n) = holder.known
            && let Some(listed) = self.lists.listed.get(n)
            && !listed.has(&self.text, holder.columns)
        {
            let finding = not_in_list(&self.names[holder.name..], listed, holder.columns);
            let finding = match found() {
                Some(code) => finding.found(code),
                None => finding,
            };
            self.add(finding.at(position, &path()));
        }
    }

    /// What was found.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn find(&self, uri: Option<&str>, version: Option<&str>) -> Known {
        let Some(uri) = uri else { return Known::NotNamed };
        let Some(versions) = self.lists.by_uri.get(uri) else { return Known::NoList };
        let first = versions.first().copied().unwrap_or_default();
        let Some(version) = version else { return Known::VersionNotNamed(first) };
        let mut known = versions.iter().copied();
        let found = known.find(|n| self.lists.listed[*n].version == version);
        found.map_or(Known::NoVersion(first), Known::Listed)
    }

    /// The code itself: now it is certain that the element holds one.
    fn begin_code(&mut self, position: Position, path: &dyn Fn() -> String) {
        self.text.clear();
        self.code = Some(position);
        let Some(holder) = self.open.last() else { return };
        let whole = || {
            let path = path();
            path.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or(path)
        };
        let name = &self.names[holder.name..];
        let finding = match holder.known {
            Known::Listed(n) => {
                if self.lists.listed[n].days.is_some() && self.used.lacks(n) {
                    self.used.note(n, holder.position, whole(), name);
                }
                return;
            }
            Known::NoList | Known::NotNamed if self.lists.unknown == Unknown::Pass => return,
            Known::NoVersion(_) | Known::VersionNotNamed(_)
                if self.lists.unknown_versions == Unknown::Pass =>
            {
                return;
            }
            Known::NoList => no_list(name, holder.fixed),
            Known::NotNamed => not_named(name),
            Known::NoVersion(n) => {
                let uri = &self.lists.listed[n].uri;
                no_version(name, uri, self.lists.versions(uri, |_| true))
            }
            Known::VersionNotNamed(n) => version_not_named(name, &self.lists.listed[n].uri),
        };
        let finding = finding.at(holder.position, &whole());
        self.add(finding);
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() <= MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

fn not_in_list(name: &str, listed: &Listed, columns: Columns) -> Finding {
    let Listed { uri, version, .. } = listed;
    // Where a list has several columns of codes, the one that counts is told.
    let one = columns.is_power_of_two() && listed.columns.len() > 1;
    let column = listed.columns.get(columns.trailing_zeros() as usize).filter(|_| one);
    let (de, en) = match column {
        Some(column) => (format!(" (Spalte „{column}“)"), format!(" (column '{column}')")),
        None => Default::default(),
    };
    Finding::error(
        NOT_IN_LIST,
        RULE,
        &format!(
            "Der Code im Element „{name}“ steht nicht in der Codeliste {uri}, Version {version}{de}. \
             Einen Code dieser Liste verwenden."
        ),
        &format!(
            "The code in element '{name}' is not in code list {uri}, version {version}{en}. \
             Use a code of this list."
        ),
    )
}

fn no_list(name: &str, fixed: Option<&str>) -> Finding {
    let (de, en) = match fixed {
        Some(uri) => (format!("Die Codeliste {uri} im"), format!("Code list {uri} in")),
        None => ("Die Codeliste im".to_owned(), "The code list in".to_owned()),
    };
    Finding::error(
        "codelist-unknown",
        RULE,
        &format!(
            "{de} Element „{name}“ ist nicht eingerichtet. Kennung (listURI) prüfen oder die Liste \
             einrichten lassen."
        ),
        &format!(
            "{en} element '{name}' is not set up. Check its URI (listURI), or have the list set up."
        ),
    )
}

fn not_named(name: &str) -> Finding {
    Finding::error(
        "codelist-not-named",
        RULE,
        &format!(
            "Element „{name}“ nennt keine Codeliste. Die Kennung der Liste in listURI angeben."
        ),
        &format!("Element '{name}' names no code list. Give the URI of the list in listURI."),
    )
}

fn no_version(name: &str, uri: &str, versions: String) -> Finding {
    Finding::error(
        "codelist-version-unknown",
        RULE,
        &format!(
            "Die Version der Codeliste {uri} im Element „{name}“ ist nicht eingerichtet \
             (eingerichtet: {versions}). Eine eingerichtete Version verwenden, oder die fehlende \
             einrichten lassen."
        ),
        &format!(
            "The version of code list {uri} in element '{name}' is not set up \
             (set up: {versions}). Use a version that is set up, or have the missing one set up."
        ),
    )
}

fn version_not_named(name: &str, uri: &str) -> Finding {
    Finding::error(
        "codelist-version-not-named",
        RULE,
        &format!(
            "Element „{name}“ nennt die Version der Codeliste {uri} nicht. Sie in listVersionID \
             angeben."
        ),
        &format!(
            "Element '{name}' does not name the version of code list {uri}. Give it in \
             listVersionID."
        ),
    )
}

/// `others` are the versions of the list that are in force.
pub(super) fn expired(name: &str, listed: &Listed, days: &Days, others: &str) -> Finding {
    let Listed { uri, version, .. } = listed;
    let (mut de, mut en) = (String::new(), String::new());
    if days.valid_from != LONG_AGO {
        de += &format!(" ab {}", days.valid_from);
        en += &format!(" from {}", days.valid_from);
    }
    if let Some(day) = days.valid_until {
        de += &format!(" bis {day}");
        en += &format!(" to {day}");
    }
    let (right_de, right_en) = match others {
        "" => (
            "Die gültige Version verwenden und einrichten lassen.".to_owned(),
            "Use the version in force, and have it set up.".to_owned(),
        ),
        others => (
            format!("Eine gültige Version verwenden ({others})."),
            format!("Use a version in force ({others})."),
        ),
    };
    Finding::error(
        "codelist-version-not-in-force",
        RULE,
        &format!(
            "Version {version} der Codeliste {uri} im Element „{name}“ gilt zum maßgeblichen \
             Zeitpunkt nicht (gültig{de}). {right_de}"
        ),
        &format!(
            "Version {version} of code list {uri} in element '{name}' is not in force at the time \
             that counts (valid{en}). {right_en}"
        ),
    )
}
