//! The tables of `pack.toml` as they are written, and their keys.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DecidedBy, HeaderForm, MessageInfo};
use crate::characters::Datatype;
use crate::pack::rejection;
use crate::validate::Amendment;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) standard: String,
    pub(super) version: String,
    pub(super) valid_from: toml::value::Datetime,
    pub(super) valid_until: Option<toml::value::Datetime>,
    pub(super) decided_by: DecidedBy,
    pub(super) window_days: Option<u16>,
    pub(super) header: HeaderForm,
    #[serde(default)]
    pub(super) type_agrees: bool,
    #[serde(default)]
    pub(super) entry: Vec<String>,
    pub(super) namespace: String,
    pub(super) version_at: Option<String>,
    pub(super) version_is: Option<Vec<String>>,
    pub(super) catalog: Option<String>,
    #[serde(default)]
    pub(super) left_out: Vec<String>,
    #[serde(default)]
    pub(super) code_lists: Vec<toml::Value>,
    pub(super) unknown_lists: Option<String>,
    pub(super) unknown_versions: Option<String>,
    #[serde(default)]
    pub(super) characters: RawCharacters,
    #[serde(default)]
    pub(super) rules: Vec<RawRules>,
    #[serde(default)]
    pub(super) harmless: Vec<String>,
    #[serde(default)]
    pub(super) unconfirmed: Vec<String>,
    #[serde(default)]
    pub(super) tolerate: Vec<Amendment>,
    pub(super) rejection: Option<rejection::Raw>,
    pub(super) message: Vec<MessageInfo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRules {
    pub(super) file: String,
    pub(super) phase: Option<String>,
    /// Types of the messages that it is for; all, where none is named.
    #[serde(default)]
    pub(super) messages: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCharacters {
    pub(super) all: Option<Datatype>,
    #[serde(default)]
    pub(super) nfc: bool,
    #[serde(default)]
    pub(super) types: BTreeMap<String, Datatype>,
}

pub(super) const KEYS: &[&str] = &[
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
    "unknown_versions",
    "characters",
    "rules",
    "harmless",
    "unconfirmed",
    "tolerate",
    "rejection",
    "message",
];
pub(super) const CHARACTER_KEYS: &[&str] = &["all", "nfc", "types"];
pub(super) const LIST_KEYS: &[&str] = &["file", "key", "valid_from", "valid_until"];
pub(super) const MESSAGE_KEYS: &[&str] =
    &["root", "type", "name", "namespace", "known_by", "entry"];
