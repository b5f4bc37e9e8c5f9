//! `[rejection]` of `pack.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Cause;
use super::values::Slot;
use crate::pack::manifest::ManifestError;

/// Its keys.
pub(in crate::pack) const REJECTION_KEYS: &[&str] = &["template", "types", "causes", "specimen"];

/// Longest code of a cause and longest specimen value, in bytes.
const MAX_TEXT_BYTES: usize = 200;

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pack) struct Raw {
    template: String,
    types: Vec<String>,
    causes: BTreeMap<Cause, String>,
    #[serde(default)]
    specimen: BTreeMap<String, String>,
}

/// What a pack says about its rejections, checked.
#[derive(Clone, Debug)]
pub(in crate::pack) struct Description {
    /// File of the template.
    pub(super) template: String,
    /// Types of messages that are rejections; none of them is ever rejected.
    pub(in crate::pack) types: Vec<String>,
    causes: BTreeMap<Cause, String>,
    other: String,
    /// Values that the template is tried with in place of ours.
    pub(super) specimen: BTreeMap<Slot, String>,
}

/// The keys of `[rejection.causes]`.
pub(in crate::pack) fn cause_names() -> [&'static str; 6] {
    Cause::ALL.map(Cause::as_str)
}

impl Raw {
    /// `known` are the types of the pack's messages; `inside` judges a file name.
    pub(in crate::pack) fn checked(
        self,
        known: &[&str],
        inside: impl FnOnce(&str) -> Result<(), ManifestError>,
    ) -> Result<Description, ManifestError> {
        let wrong = |de: &str, en: &str| ManifestError::value("rejection", de, en);
        inside(&self.template)?;
        if self.types.is_empty() {
            return Err(wrong(
                "types: Welche Nachrichten sind Rückweisungen?",
                "types: which messages are rejections?",
            ));
        }
        if let Some(name) = self.types.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(wrong(
                &format!("types: „{name}“ ist der Typ keiner Nachricht"),
                &format!("types: '{name}' is the type of no message"),
            ));
        }
        if known.iter().all(|name| self.types.iter().any(|own| own == name)) {
            return Err(wrong(
                "types: Jede Nachricht wäre eine Rückweisung",
                "types: every message would be a rejection",
            ));
        }
        let Some(other) = self.causes.get(&Cause::Other).cloned() else {
            return Err(wrong("causes: „other“ fehlt", "causes: 'other' must be given"));
        };
        let bad = |text: &String| {
            text.is_empty() || text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control)
        };
        if self.causes.values().chain(self.specimen.values()).any(bad) {
            return Err(wrong(
                "causes und specimen: 1 bis 200 Byte",
                "causes and specimen: 1 to 200 bytes",
            ));
        }
        let mut specimen = BTreeMap::new();
        for (name, value) in self.specimen {
            let known = Slot::parse(&name).filter(|name| name.is_of_original());
            let name = known.ok_or_else(|| {
                wrong(
                    &format!("specimen: „{name}“ ist kein Wert aus dem Kopf des Originals"),
                    &format!("specimen: '{name}' is no value of the original's header"),
                )
            })?;
            specimen.insert(name, value);
        }
        let Self { template, types, causes, .. } = self;
        Ok(Description { template, types, causes, other, specimen })
    }
}

impl Description {
    /// The standard's code for a cause.
    pub(super) fn code(&self, cause: Cause) -> &str {
        self.causes.get(&cause).unwrap_or(&self.other)
    }
}
