//! `pack.toml`: what a pack says about itself. Unknown keys are refused with the nearest known one.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::mark::Mark;
use super::rejection::{self, Description};
use super::validity::Days;
use crate::characters::{Datatype, Policy};
use crate::codelist::{LONG_AGO, Said, Unknown};
use crate::rules::RuleFile;
use crate::validate::{Amendment, MAX_AMENDMENTS};

/// What decides which version of a standard a message must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    /// The message's own date of creation, if it lies at most `window_days` before its arrival
    /// and not more than a day after it; else the arrival.
    Created,
    /// The arrival on the hub's clock.
    Arrived,
}

/// How a standard writes the XÖV header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderForm {
    /// `nachrichtenkopf.g2g` with children in no namespace.
    G2gUnqualified,
    /// The same with children in the namespace of the standard.
    G2gQualified,
    /// The standard has a header of its own, or none.
    None,
}

/// A kind of message of a standard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageInfo {
    /// Local name of its root element.
    pub root: String,
    /// Its number or name in the standard.
    #[serde(rename = "type")]
    pub message_type: String,
    /// What people call it.
    pub name: String,
    /// Namespace of its root element, where it is not that of the pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Where several messages have this root: the place below it that only this one has, such as
    /// `Header/storeDelivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<String>,
    /// The schemas it is checked with, where they are not those of the pack: a set of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<String>,
}

/// `pack.toml`, checked.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) standard: String,
    pub(super) version: String,
    pub(super) days: Days,
    pub(super) decided_by: DecidedBy,
    pub(super) window_days: u16,
    pub(super) header: HeaderForm,
    pub(super) type_agrees: bool,
    pub(super) entry: Vec<String>,
    pub(super) namespace: String,
    pub(super) catalog: Option<String>,
    pub(super) left_out: Vec<String>,
    pub(super) code_lists: Vec<ListEntry>,
    pub(super) unknown_lists: Unknown,
    pub(super) characters: Policy,
    pub(super) rules: Vec<RuleFile>,
    /// Types of the messages that each rule file is for; none: for all.
    pub(super) rules_for: Vec<Vec<String>>,
    pub(super) harmless: Vec<String>,
    pub(super) unconfirmed: Vec<String>,
    pub(super) tolerate: Vec<Amendment>,
    pub(super) rejection: Option<Description>,
    pub(super) messages: Vec<MessageInfo>,
    /// Where a message says its version, and how; the attribute `version` of the root, if the pack
    /// says nothing else.
    pub(super) version_mark: Mark,
    /// The pack says it itself: then it counts even where no other pack has the root.
    pub(super) version_named: bool,
    /// `known_by` of each message.
    pub(super) known_by: Vec<Option<Mark>>,
}

/// A code list of a pack: its file, and what the pack says beyond it.
#[derive(Clone, Debug)]
pub(super) struct ListEntry {
    pub(super) file: String,
    /// What holds the codes, and when this version of the list applies.
    pub(super) said: Said,
}

/// What is wrong with a `pack.toml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No TOML, or a value of the wrong kind.
    #[error("{0}")]
    Toml(String),
    /// A key that does not exist.
    #[error("unknown key '{key}'; did you mean '{nearest}'?")]
    UnknownKey {
        /// As written.
        key: String,
        /// The known key that is most like it.
        nearest: String,
    },
    /// A value that cannot be.
    #[error("{key}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Longest window in days: beyond it a message's own date says nothing.
const MAX_WINDOW_DAYS: u16 = 366;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    standard: String,
    version: String,
    valid_from: toml::value::Datetime,
    valid_until: Option<toml::value::Datetime>,
    decided_by: DecidedBy,
    window_days: Option<u16>,
    header: HeaderForm,
    #[serde(default)]
    type_agrees: bool,
    #[serde(default)]
    entry: Vec<String>,
    namespace: String,
    version_at: Option<String>,
    version_is: Option<Vec<String>>,
    catalog: Option<String>,
    #[serde(default)]
    left_out: Vec<String>,
    #[serde(default)]
    code_lists: Vec<toml::Value>,
    unknown_lists: Option<String>,
    #[serde(default)]
    characters: RawCharacters,
    #[serde(default)]
    rules: Vec<RawRules>,
    #[serde(default)]
    harmless: Vec<String>,
    #[serde(default)]
    unconfirmed: Vec<String>,
    #[serde(default)]
    tolerate: Vec<Amendment>,
    rejection: Option<rejection::Raw>,
    message: Vec<MessageInfo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    file: String,
    phase: Option<String>,
    /// Types of the messages that it is for; all, where none is named.
    #[serde(default)]
    messages: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCharacters {
    all: Option<Datatype>,
    #[serde(default)]
    nfc: bool,
    #[serde(default)]
    types: BTreeMap<String, Datatype>,
}

const KEYS: &[&str] = &[
    "standard",
    "version",
    "valid_from",
    "valid_until",
    "decided_by",
    "window_days",
    "header",
    "type_agrees",
    "entry",
    "namespace",
    "version_at",
    "version_is",
    "catalog",
    "left_out",
    "code_lists",
    "unknown_lists",
    "characters",
    "rules",
    "harmless",
    "unconfirmed",
    "tolerate",
    "rejection",
    "message",
];
const CHARACTER_KEYS: &[&str] = &["all", "nfc", "types"];
const LIST_KEYS: &[&str] = &["file", "key", "valid_from", "valid_until"];
const MESSAGE_KEYS: &[&str] = &["root", "type", "name", "namespace", "known_by", "entry"];

impl Manifest {
    pub(super) fn parse(text: &str) -> Result<Self, ManifestError> {
        let toml =
            |error: toml::de::Error| ManifestError::Toml(error.to_string().trim().to_owned());
        let table: toml::Table = text.parse().map_err(toml)?;
        known(&table, KEYS)?;
        for message in table.get("message").and_then(toml::Value::as_array).into_iter().flatten() {
            message.as_table().map_or(Ok(()), |table| known(table, MESSAGE_KEYS))?;
        }
        if let Some(characters) = table.get("characters").and_then(toml::Value::as_table) {
            known(characters, CHARACTER_KEYS)?;
        }
        if let Some(rejection) = table.get("rejection").and_then(toml::Value::as_table) {
            known(rejection, rejection::REJECTION_KEYS)?;
            if let Some(causes) = rejection.get("causes").and_then(toml::Value::as_table) {
                known(causes, &rejection::cause_names())?;
            }
        }
        toml::from_str::<Raw>(text).map_err(toml)?.checked()
    }
}

impl Raw {
    fn checked(self) -> Result<Manifest, ManifestError> {
        let wrong = |key, reason: &str| ManifestError::Value { key, reason: reason.to_owned() };
        for (key, text) in [
            ("standard", &self.standard),
            ("version", &self.version),
            ("namespace", &self.namespace),
        ] {
            if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
                return Err(wrong(key, "1 to 200 characters"));
            }
        }
        let from = day("valid_from", self.valid_from)?;
        let until = self.valid_until.map(|until| day("valid_until", until)).transpose()?;
        let days = Days::new(from, until)
            .map_err(|reason| ManifestError::Value { key: "valid_until", reason })?;
        let window_days = match (self.decided_by, self.window_days) {
            (DecidedBy::Created, None) => {
                return Err(wrong("window_days", "must be given where decided_by is \"created\""));
            }
            (_, days) => days.unwrap_or(0),
        };
        if window_days > MAX_WINDOW_DAYS {
            return Err(wrong("window_days", "at most 366"));
        }
        if self.decided_by == DecidedBy::Created && self.header == HeaderForm::None {
            return Err(wrong("decided_by", "\"created\" needs a header that says when"));
        }
        if self.type_agrees && self.header == HeaderForm::None {
            return Err(wrong("type_agrees", "needs a header that names the type"));
        }
        if self.entry.is_empty() && self.message.iter().any(|message| message.entry.is_empty()) {
            return Err(wrong("entry", "names no schema"));
        }
        files("entry", &self.entry)?;
        let version_named = self.version_at.is_some();
        let (place, values) = match (&self.version_at, self.version_is) {
            (None, Some(_)) => return Err(wrong("version_is", "needs version_at")),
            (_, Some(values)) if values.is_empty() => {
                return Err(wrong("version_is", "names no value"));
            }
            (place, values) => (place.as_deref().unwrap_or("@version"), values),
        };
        let values = values.unwrap_or_else(|| vec![self.version.clone()]);
        let version_mark =
            Mark::parse(place, values).map_err(|reason| wrong("version_at", reason))?;
        let mut known_by = Vec::new();
        for message in &self.message {
            files("entry", &message.entry)?;
            let place = message.known_by.as_deref().map(|place| Mark::parse(place, Vec::new()));
            known_by.push(place.transpose().map_err(|reason| wrong("known_by", reason))?);
        }
        let code_lists: Vec<ListEntry> =
            self.code_lists.into_iter().map(list_entry).collect::<Result<_, _>>()?;
        let unknown_lists = match self.unknown_lists.as_deref() {
            None | Some("pass") => Unknown::Pass,
            Some("finding") => Unknown::Finding,
            Some(_) => return Err(wrong("unknown_lists", "\"finding\" or \"pass\"")),
        };
        let RawCharacters { all, nfc, types } = self.characters;
        // A message has line ends between its elements, which only these two hold.
        if !matches!(all, None | Some(Datatype::C | Datatype::E)) {
            return Err(wrong("characters", "all: \"C\" or \"E\""));
        }
        files("catalog", self.catalog.as_slice())?;
        let (mut rules, mut rules_for) = (Vec::new(), Vec::new());
        for RawRules { file, phase, messages } in self.rules {
            let known = |name: &String| self.message.iter().any(|one| one.message_type == *name);
            if !messages.iter().all(known) {
                return Err(wrong("rules", "messages: types of the table [[message]] only"));
            }
            rules.push(RuleFile { file, phase });
            rules_for.push(messages);
        }
        let names: Vec<String> = rules.iter().map(|one| one.file.clone()).collect();
        files("rules", &names)?;
        if self.tolerate.len() > MAX_AMENDMENTS {
            return Err(wrong("tolerate", "at most 200 errata"));
        }
        messages(&self.message)?;
        let known_types: Vec<&str> =
            self.message.iter().map(|message| message.message_type.as_str()).collect();
        let inside = |file: &str| files("rejection", &[file.to_owned()]);
        let rejection = self.rejection.map(|raw| raw.checked(&known_types, inside)).transpose()?;
        Ok(Manifest {
            standard: self.standard,
            version: self.version,
            days,
            decided_by: self.decided_by,
            window_days,
            header: self.header,
            type_agrees: self.type_agrees,
            entry: self.entry,
            namespace: self.namespace,
            catalog: self.catalog,
            left_out: self.left_out,
            code_lists,
            unknown_lists,
            characters: Policy { all, nfc, types },
            rules,
            rules_for,
            harmless: self.harmless,
            unconfirmed: self.unconfirmed,
            tolerate: self.tolerate,
            rejection,
            messages: self.message,
            version_mark,
            version_named,
            known_by,
        })
    }
}

/// A file name, or a table with more.
fn list_entry(value: toml::Value) -> Result<ListEntry, ManifestError> {
    let wrong =
        |reason: &str| ManifestError::Value { key: "code_lists", reason: reason.to_owned() };
    let table = match value {
        toml::Value::String(file) => {
            files("code_lists", std::slice::from_ref(&file))?;
            return Ok(ListEntry { file, said: Said::default() });
        }
        toml::Value::Table(table) => table,
        _ => return Err(wrong("a file name, or a table with file, key, valid_from, valid_until")),
    };
    known(&table, LIST_KEYS)?;
    let text = |key| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong("file and key are texts")),
    };
    let date = |key| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::Datetime(value)) => day("code_lists", *value).map(Some),
        Some(_) => Err(wrong("valid_from and valid_until are days, such as 2026-05-01")),
    };
    let file = text("file")?.ok_or_else(|| wrong("a list without file"))?;
    files("code_lists", std::slice::from_ref(&file))?;
    let (valid_from, valid_until) = (date("valid_from")?, date("valid_until")?);
    Days::new(valid_from.unwrap_or(LONG_AGO), valid_until).map_err(|reason| wrong(&reason))?;
    Ok(ListEntry { file, said: Said { key: text("key")?, valid_from, valid_until } })
}

fn messages(messages: &[MessageInfo]) -> Result<(), ManifestError> {
    let wrong = |reason: String| Err(ManifestError::Value { key: "message", reason });
    if messages.is_empty() {
        return wrong("the standard has no message".to_owned());
    }
    for (index, message) in messages.iter().enumerate() {
        if message.root.is_empty() || message.message_type.is_empty() {
            return wrong("root and type must not be empty".to_owned());
        }
        let same = |other: &MessageInfo| {
            let root = (&other.root, &other.namespace) == (&message.root, &message.namespace);
            let apart = other.known_by.is_some() && message.known_by.is_some();
            root && (!apart || other.known_by == message.known_by)
        };
        if messages[..index].iter().any(same) {
            return wrong(format!("the root '{}' is listed twice", message.root));
        }
    }
    Ok(())
}

fn day(key: &'static str, value: toml::value::Datetime) -> Result<Date, ManifestError> {
    let wrong = |reason: String| ManifestError::Value { key, reason };
    if value.time.is_some() || value.offset.is_some() {
        return Err(wrong("a day without a time, such as 2026-05-01".to_owned()));
    }
    value.to_string().parse().map_err(|error: jiff::Error| wrong(error.to_string()))
}

/// File names of a pack stay inside its folder.
fn files(key: &'static str, names: &[String]) -> Result<(), ManifestError> {
    for name in names {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || name.contains(['\\', ':', '\0']) || !inside {
            let reason = "file names inside the folder of the pack only".to_owned();
            return Err(ManifestError::Value { key, reason });
        }
    }
    Ok(())
}

fn known(table: &toml::Table, keys: &[&str]) -> Result<(), ManifestError> {
    let Some(key) = table.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
    let nearest = keys.iter().min_by_key(|known| distance(known, key)).copied().unwrap_or_default();
    Err(ManifestError::UnknownKey { key: key.clone(), nearest: nearest.to_owned() })
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        standard = "XProbe"
        version = "1.0"
        valid_from = 2026-05-01
        decided_by = "created"
        window_days = 14
        header = "g2g-unqualified"
        entry = ["probe.xsd"]
        namespace = "urn:probe"
        [[message]]
        root = "probe"
        type = "0100"
        name = "Probe"
    "#;

    fn fails(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        Manifest::parse(&GOOD.replace(from, to)).expect_err(to).to_string()
    }

    #[test]
    fn a_good_one_is_read() {
        let manifest = Manifest::parse(GOOD).expect("good");
        assert_eq!(manifest.standard, "XProbe");
        assert_eq!(manifest.days.valid_from, jiff::civil::date(2026, 5, 1));
        assert_eq!(manifest.days.valid_until, None);
        assert_eq!((manifest.decided_by, manifest.window_days), (DecidedBy::Created, 14));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        assert_eq!(
            fails("valid_from", "valid_form"),
            "unknown key 'valid_form'; did you mean 'valid_from'?"
        );
        assert_eq!(fails("root =", "rot ="), "unknown key 'rot'; did you mean 'root'?");
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for (from, to, part) in [
            ("2026-05-01", "2026-05-01T00:00:00", "a day without a time"),
            ("2026-05-01", "2026-02-30", ""),
            ("window_days = 14", "", "must be given"),
            ("window_days = 14", "window_days = 367", "at most 366"),
            ("window_days = 14", "valid_until = 2026-04-30\nwindow_days = 1", "before valid_from"),
            ("\"g2g-unqualified\"", "\"none\"", "needs a header"),
            ("[\"probe.xsd\"]", "[]", "no schema"),
            ("probe.xsd", "../probe.xsd", "inside the folder"),
            ("probe.xsd", "/etc/probe.xsd", "inside the folder"),
            ("probe.xsd", "file:probe.xsd", "inside the folder"),
            ("\"XProbe\"", "\"\"", "1 to 200"),
            ("type = \"0100\"", "type = \"\"", "must not be empty"),
            ("header =", "headers =", "did you mean 'header'"),
            ("header =", "version_at = \"a:b\"\nheader =", "a path of local names"),
            (
                "[[message]]",
                "[[rules]]\nfile = \"r.sch\"\nmessages = [\"9\"]\n[[message]]",
                "types of the table",
            ),
            ("header =", "version_is = [\"1\"]\nheader =", "needs version_at"),
            ("header =", "version_at = \"@v\"\nversion_is = []\nheader =", "no value"),
            ("type = \"0100\"", "type = \"0100\"\nknown_by = \"/\"", "a path of local names"),
            ("type = \"0100\"", "type = \"0100\"\nentry = [\"../a.xsd\"]", "inside the folder"),
            ("header =", "type_agrees = 1\nheader =", "invalid type"),
            (
                "\"created\"\n        window_days = 14\n        header = \"g2g-unqualified\"",
                "\"arrived\"\ntype_agrees = true\nheader = \"none\"",
                "needs a header that names",
            ),
        ] {
            let error = fails(from, to);
            assert!(error.contains(part), "{to}: {error}");
        }
        let twice = format!("{GOOD}\n[[message]]\nroot='probe'\ntype='1'\nname='x'");
        assert!(Manifest::parse(&twice).expect_err("twice").to_string().contains("twice"));
        let half = format!("{twice}\nknown_by = 'a'");
        assert!(Manifest::parse(&half).expect_err("twice").to_string().contains("twice"));
        let both = half.replacen("type = \"0100\"", "type = \"0100\"\nknown_by = 'b'", 1);
        Manifest::parse(&both).expect("told apart");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text: String) {
            let _ = Manifest::parse(&text);
            let _ = Manifest::parse(&GOOD.replace("probe", &text));
        }
    }
}
