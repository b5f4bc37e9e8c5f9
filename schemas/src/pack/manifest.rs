//! `pack.toml`: what a pack says about itself. Unknown keys are refused with the nearest known one.

mod raw;
#[cfg(test)]
mod tests;

use std::path::{Component, Path};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use self::raw::{CHARACTER_KEYS, KEYS, LIST_KEYS, MESSAGE_KEYS, Raw, RawCharacters, RawRules};
use super::mark::Mark;
use super::rejection::{self, Description};
use super::validity::Days;
use super::words::Reason;
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
    pub(super) unknown_versions: Unknown,
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
        reason: Reason,
    },
}

impl ManifestError {
    /// A value that cannot be, in German and English.
    pub(in crate::pack) fn value(
        key: &'static str,
        de: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self::Value { key, reason: Reason::new(de, en) }
    }

    /// What is wrong, in German.
    pub fn german(&self) -> String {
        match self {
            Self::Toml(text) => format!("nicht als TOML lesbar: {text}"),
            Self::UnknownKey { key, nearest } => {
                format!("unbekannter Schlüssel „{key}“; gemeint ist wohl „{nearest}“")
            }
            Self::Value { key, reason } => format!("{key}: {}", reason.de),
        }
    }
}

/// Longest window in days: beyond it a message's own date says nothing.
const MAX_WINDOW_DAYS: u16 = 366;

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
        let wrong = |key, de: &str, en: &str| ManifestError::value(key, de, en);
        let cannot = |key| move |reason| ManifestError::Value { key, reason };
        for (key, text) in [
            ("standard", &self.standard),
            ("version", &self.version),
            ("namespace", &self.namespace),
        ] {
            if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
                return Err(wrong(key, "1 bis 200 Zeichen", "1 to 200 characters"));
            }
        }
        let from = day("valid_from", self.valid_from)?;
        let until = self.valid_until.map(|until| day("valid_until", until)).transpose()?;
        let days = Days::told(from, until).map_err(cannot("valid_until"))?;
        let window_days = match (self.decided_by, self.window_days) {
            (DecidedBy::Created, None) => {
                return Err(wrong(
                    "window_days",
                    "fehlt; decided_by = \"created\" verlangt es",
                    "must be given where decided_by is \"created\"",
                ));
            }
            (_, days) => days.unwrap_or(0),
        };
        if window_days > MAX_WINDOW_DAYS {
            return Err(wrong("window_days", "höchstens 366", "at most 366"));
        }
        if self.decided_by == DecidedBy::Created && self.header == HeaderForm::None {
            return Err(wrong(
                "decided_by",
                "\"created\" verlangt einen Kopf, der den Zeitpunkt nennt",
                "\"created\" needs a header that says when",
            ));
        }
        if self.type_agrees && self.header == HeaderForm::None {
            return Err(wrong(
                "type_agrees",
                "verlangt einen Kopf, der den Nachrichtentyp nennt",
                "needs a header that names the type",
            ));
        }
        if self.entry.is_empty() && self.message.iter().any(|message| message.entry.is_empty()) {
            return Err(wrong("entry", "nennt kein Schema", "names no schema"));
        }
        files("entry", &self.entry)?;
        let version_named = self.version_at.is_some();
        let (place, values) = match (&self.version_at, self.version_is) {
            (None, Some(_)) => {
                return Err(wrong("version_is", "verlangt version_at", "needs version_at"));
            }
            (_, Some(values)) if values.is_empty() => {
                return Err(wrong("version_is", "nennt keinen Wert", "names no value"));
            }
            (place, values) => (place.as_deref().unwrap_or("@version"), values),
        };
        let values = values.unwrap_or_else(|| vec![self.version.clone()]);
        let version_mark = Mark::parse(place, values).map_err(cannot("version_at"))?;
        let mut known_by = Vec::new();
        for message in &self.message {
            files("entry", &message.entry)?;
            let place = message.known_by.as_deref().map(|place| Mark::parse(place, Vec::new()));
            known_by.push(place.transpose().map_err(cannot("known_by"))?);
        }
        let code_lists: Vec<ListEntry> =
            self.code_lists.into_iter().map(list_entry).collect::<Result<_, _>>()?;
        let pass_or_finding = |key, word: Option<&str>, default| match word {
            None => Ok(default),
            Some("pass") => Ok(Unknown::Pass),
            Some("finding") => Ok(Unknown::Finding),
            Some(_) => Err(wrong(key, "\"finding\" oder \"pass\"", "\"finding\" or \"pass\"")),
        };
        let unknown_lists =
            pass_or_finding("unknown_lists", self.unknown_lists.as_deref(), Unknown::Pass)?;
        let unknown_versions =
            pass_or_finding("unknown_versions", self.unknown_versions.as_deref(), unknown_lists)?;
        let RawCharacters { all, nfc, types } = self.characters;
        // A message has line ends between its elements, which only these two hold.
        if !matches!(all, None | Some(Datatype::C | Datatype::E)) {
            return Err(wrong("characters", "all: \"C\" oder \"E\"", "all: \"C\" or \"E\""));
        }
        files("catalog", self.catalog.as_slice())?;
        let (mut rules, mut rules_for) = (Vec::new(), Vec::new());
        for RawRules { file, phase, messages } in self.rules {
            let known = |name: &String| self.message.iter().any(|one| one.message_type == *name);
            if !messages.iter().all(known) {
                return Err(wrong(
                    "rules",
                    "messages: nur Typen aus den Tabellen [[message]]",
                    "messages: types of the table [[message]] only",
                ));
            }
            rules.push(RuleFile { file, phase });
            rules_for.push(messages);
        }
        let names: Vec<String> = rules.iter().map(|one| one.file.clone()).collect();
        files("rules", &names)?;
        if self.tolerate.len() > MAX_AMENDMENTS {
            return Err(wrong("tolerate", "höchstens 200 Fehler", "at most 200 errata"));
        }
        messages(&self.message, &self.namespace, &known_by)?;
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
            unknown_versions,
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
    let wrong = |de: &str, en: &str| ManifestError::value("code_lists", de, en);
    let table = match value {
        toml::Value::String(file) => {
            files("code_lists", std::slice::from_ref(&file))?;
            return Ok(ListEntry { file, said: Said::default() });
        }
        toml::Value::Table(table) => table,
        _ => {
            return Err(wrong(
                "ein Dateiname oder eine Tabelle mit file, key, valid_from, valid_until",
                "a file name, or a table with file, key, valid_from, valid_until",
            ));
        }
    };
    known(&table, LIST_KEYS)?;
    let text = |key| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong("file und key sind Texte", "file and key are texts")),
    };
    let date = |key| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::Datetime(value)) => day("code_lists", *value).map(Some),
        Some(_) => Err(wrong(
            "valid_from und valid_until sind Tage, etwa 2026-05-01",
            "valid_from and valid_until are days, such as 2026-05-01",
        )),
    };
    let file = text("file")?.ok_or_else(|| wrong("eine Liste ohne file", "a list without file"))?;
    files("code_lists", std::slice::from_ref(&file))?;
    let (valid_from, valid_until) = (date("valid_from")?, date("valid_until")?);
    Days::told(valid_from.unwrap_or(LONG_AGO), valid_until)
        .map_err(|reason| ManifestError::Value { key: "code_lists", reason })?;
    Ok(ListEntry { file, said: Said { key: text("key")?, valid_from, valid_until } })
}

/// Every message can be told from the others by its root, or by a place of its own below it.
fn messages(
    messages: &[MessageInfo],
    namespace: &str,
    known_by: &[Option<Mark>],
) -> Result<(), ManifestError> {
    let wrong = |de: String, en: String| Err(ManifestError::value("message", de, en));
    if messages.is_empty() {
        return wrong(
            "Der Standard hat keine Nachricht".to_owned(),
            "the standard has no message".to_owned(),
        );
    }
    let space =
        |message: &MessageInfo| message.namespace.clone().unwrap_or_else(|| namespace.to_owned());
    for (index, (message, mark)) in messages.iter().zip(known_by).enumerate() {
        let root = &message.root;
        if root.is_empty() || message.message_type.is_empty() {
            return wrong(
                "root und type dürfen nicht leer sein".to_owned(),
                "root and type must not be empty".to_owned(),
            );
        }
        for (other, other_mark) in messages[..index].iter().zip(known_by) {
            if (&other.root, space(other)) != (root, space(message)) {
                continue;
            }
            match other_mark.as_ref().zip(mark.as_ref()) {
                Some((one, other)) if !one.meets(other) => {}
                Some((one, other)) if one != other => {
                    return wrong(
                        format!(
                            "Das Wurzelelement „{root}“ steht zweimal da, und known_by \
                             unterscheidet nicht: Von „{one}“ und „{other}“ ist keines ohne das \
                             andere da"
                        ),
                        format!(
                            "the root '{root}' is listed twice, and known_by does not tell them \
                             apart: of '{one}' and '{other}' one is there wherever the other is"
                        ),
                    );
                }
                _ => {
                    return wrong(
                        format!(
                            "Das Wurzelelement „{root}“ steht zweimal da (Namensraum {}); jede \
                             dieser Nachrichten braucht ein eigenes known_by",
                            space(message)
                        ),
                        format!(
                            "the root '{root}' is listed twice (namespace {}); each of these \
                             messages needs a known_by of its own",
                            space(message)
                        ),
                    );
                }
            }
        }
    }
    Ok(())
}

fn day(key: &'static str, value: toml::value::Datetime) -> Result<Date, ManifestError> {
    if value.time.is_some() || value.offset.is_some() {
        return Err(ManifestError::value(
            key,
            "ein Tag ohne Uhrzeit, etwa 2026-05-01",
            "a day without a time, such as 2026-05-01",
        ));
    }
    let no_day =
        |error: jiff::Error| ManifestError::value(key, "kein Tag, den es gibt", error.to_string());
    value.to_string().parse().map_err(no_day)
}

/// File names of a pack stay inside its folder.
fn files(key: &'static str, names: &[String]) -> Result<(), ManifestError> {
    for name in names {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || name.contains(['\\', ':', '\0']) || !inside {
            return Err(ManifestError::value(
                key,
                "nur Dateinamen im Ordner des Pakets",
                "file names inside the folder of the pack only",
            ));
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
