//! `pack.toml` and `catalog.xml` of an imported pack.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::entry::Identity;
use super::{Options, WINDOW_DAYS};
use crate::pack::HeaderForm;
use crate::validate::Amendment;

/// The first day that a pack gets when nobody said one: it is in force on no day of anybody's life.
const NEVER: &str = "9999-01-01";

/// The catalog's name in the pack.
pub(super) const CATALOG_FILE: &str = "import-catalog.xml";

/// What goes into `pack.toml`.
pub(super) struct Description<'a> {
    pub(super) identity: &'a Identity,
    pub(super) entry: Vec<String>,
    pub(super) catalog: bool,
    pub(super) left_out: Vec<String>,
    pub(super) code_lists: Vec<String>,
    pub(super) rules: &'a [String],
    /// Types of messages that each of them is for; none: for all.
    pub(super) scopes: Vec<Vec<String>>,
    pub(super) tolerate: Vec<&'a Amendment>,
}

/// The keys that a person must fill in or confirm.
fn open_keys(identity: &Identity, options: &Options, scoped: bool) -> Vec<String> {
    let open = [
        ("standard", !identity.standard_known),
        ("version", !identity.version_known),
        ("valid_from", options.valid_from.is_none()),
        ("valid_until", options.valid_from.is_none()),
        ("version_at", identity.version_at.is_some()),
        ("decided_by", true),
        ("rules", scoped),
        ("message", true),
        ("harmless", true),
    ];
    open.iter().filter(|(_, open)| *open).map(|(key, _)| (*key).to_owned()).collect()
}

impl Description<'_> {
    /// The text of `pack.toml`.
    pub(super) fn toml(&self, options: &Options) -> String {
        let Identity { standard, version, namespace, header, messages, .. } = self.identity;
        let scoped = self.scopes.iter().any(|messages| !messages.is_empty());
        let open = open_keys(self.identity, options, scoped);
        let mark = |key: &str| {
            let open = open.iter().any(|name| name == key);
            if open { "  # CONFIRM" } else { "" }
        };
        let mut text = String::from(
            "# Made by `amtsbote pack import`. What is marked CONFIRM was guessed or is not in the\n\
             # schemas: check it, and take its key out of `unconfirmed` when it is right.\n\
             # Von `amtsbote pack import` erzeugt. CONFIRM: geraten oder nicht aus den Schemas zu\n\
             # ersehen; prüfen und den Schlüssel aus `unconfirmed` streichen, wenn es stimmt.\n",
        );
        let mut line = |key: &str, value: String, note: &str| {
            let _ = writeln!(text, "{key} = {value}{note}");
        };
        line("standard", quoted(standard), mark("standard"));
        line("version", quoted(version), mark("version"));
        let from = options.valid_from.map_or_else(|| NEVER.to_owned(), |day| day.to_string());
        let never = "  # CONFIRM: the first day; until it is filled in, in force on no day";
        line("valid_from", from, if options.valid_from.is_none() { never } else { "" });
        if let Some(until) = options.valid_until {
            line("valid_until", until.to_string(), "");
        } else {
            line("# valid_until", NEVER.to_owned(), mark("valid_until"));
        }
        let (decided, window) = match header {
            HeaderForm::None => ("arrived", 0),
            _ => ("created", WINDOW_DAYS),
        };
        line("decided_by", quoted(decided), mark("decided_by"));
        line("window_days", window.to_string(), mark("decided_by"));
        let form = match header {
            HeaderForm::G2gUnqualified => "g2g-unqualified",
            HeaderForm::G2gQualified => "g2g-qualified",
            HeaderForm::None => "none",
        };
        line("header", quoted(form), "");
        if !self.entry.is_empty() {
            line("entry", list(&self.entry), "");
        }
        line("namespace", quoted(namespace), "");
        if let Some(place) = &self.identity.version_at {
            line("version_at", quoted(place), mark("version_at"));
        }
        if self.catalog {
            line("catalog", quoted(CATALOG_FILE), "");
        }
        if !self.left_out.is_empty() {
            line("left_out", list(&self.left_out), "");
        }
        if !self.code_lists.is_empty() {
            line("code_lists", list(&self.code_lists), "");
        }
        line("harmless", "[]".to_owned(), mark("harmless"));
        line("unconfirmed", list(&open), "");
        for (file, messages) in self.rules.iter().zip(&self.scopes) {
            let _ = write!(text, "\n[[rules]]\nfile = {}\n", quoted(file));
            if !messages.is_empty() {
                let _ = writeln!(text, "messages = {}{}", list(messages), mark("rules"));
            } else if scoped {
                let _ = writeln!(text, "# messages = []  # CONFIRM: for all messages");
            }
        }
        for message in messages {
            let _ = write!(
                text,
                "\n[[message]]\nroot = {}\ntype = {}\nname = {}\n",
                quoted(&message.root),
                quoted(&message.message_type),
                quoted(&message.name),
            );
            if let Some(namespace) = &message.namespace {
                let _ = writeln!(text, "namespace = {}", quoted(namespace));
            }
            if let Some(place) = &message.known_by {
                let _ = writeln!(text, "known_by = {}", quoted(place));
            }
            if !message.entry.is_empty() {
                let _ = writeln!(text, "entry = {}", list(&message.entry));
            }
        }
        for Amendment { file, rule, reason, instead_of, read } in &self.tolerate {
            let values = [file, rule, reason, instead_of, read].map(|value| quoted(value));
            let [file, rule, reason, instead_of, read] = values;
            let _ = write!(
                text,
                "\n[[tolerate]]\nfile = {file}\nrule = {rule}\nreason = {reason}\n\
                 instead_of = {instead_of}\nread = {read}\n"
            );
        }
        text
    }
}

/// The text of the catalog: from what is written in the schemas to files of the pack.
pub(super) fn catalog<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">\n",
    );
    for (from, file) in entries {
        let _ = writeln!(text, "  <uri name=\"{}\" uri=\"{}\"/>", escaped(from), escaped(&file));
    }
    text + "</catalog>\n"
}

/// Whether two days are in order.
pub(super) fn in_order(from: Option<Date>, until: Option<Date>) -> bool {
    match (from, until) {
        (Some(from), Some(until)) => from <= until,
        (None, Some(_)) => false,
        _ => true,
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[String]) -> String {
    match items {
        [] => "[]".to_owned(),
        [one] => format!("[{}]", quoted(one)),
        several => {
            let lines: String =
                several.iter().map(|item| format!("    {},\n", quoted(item))).collect();
            format!("[\n{lines}]")
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_names_stay_one_value() {
        for text in ["a\"b", "a\\b", "a\nb = 1", "ä’'''", "\u{1}"] {
            let read: toml::Table = format!("k = {}", quoted(text)).parse().expect(text);
            assert_eq!(read["k"].as_str(), Some(text));
        }
        assert_eq!(escaped("a&<\""), "a&amp;&lt;&quot;");
    }

    #[test]
    fn an_end_needs_a_beginning() {
        let day = |d| Some(jiff::civil::date(2026, 5, d));
        assert!(in_order(day(1), day(1)) && in_order(day(1), None) && in_order(None, None));
        assert!(!in_order(day(2), day(1)) && !in_order(None, day(1)));
    }
}
