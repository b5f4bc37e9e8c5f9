//! The values that a template may use, and the German words about cause and findings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Cause;
use crate::header::HeaderFacts;
use crate::validate::{Checked, Finding, Severity};

/// Longest value of a header that goes into a rejection, in bytes; a longer one counts as absent.
const MAX_VALUE_BYTES: usize = 2_000;
/// Most findings that a rejection tells.
pub(super) const MAX_TOLD: usize = 10;
/// Findings in the text of the cause.
const MAX_IN_TEXT: usize = 3;
/// Longest text about the cause, or about one finding, in characters.
pub(super) const MAX_TEXT_CHARS: usize = 4_000;
/// What stands for the rest of a text that was cut.
const ELLIPSIS: &str = "...";
/// Where authorities read their clocks.
const ZONE: &str = "Europe/Berlin";

macro_rules! names {
    ($($name:ident $text:literal,)*) => {
        /// The name of a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::pack) enum Slot { $(#[doc = $text] $name,)* }

        impl Slot {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As templates write it.
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

names! {
    Id "id",
    Created "created",
    CreatedUtc "created-utc",
    Date "date",
    Standard "standard",
    Version "version",
    Test "test",
    OriginalId "original-id",
    OriginalType "original-type",
    OriginalCreated "original-created",
    OriginalAuthor "original-author",
    OriginalAuthorDirectory "original-author-directory",
    OriginalAuthorName "original-author-name",
    OriginalReader "original-reader",
    OriginalReaderDirectory "original-reader-directory",
    OriginalReaderName "original-reader-name",
    CauseCode "cause-code",
    Cause "cause",
    CauseText "cause-text",
    Finding "finding",
    FindingPlace "finding-place",
    FindingLine "finding-line",
    FindingColumn "finding-column",
    FindingRule "finding-rule",
    FindingCode "finding-code",
    FindingText "finding-text",
}

impl Slot {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }

    /// It belongs to one finding.
    pub(super) fn is_of_finding(self) -> bool {
        self >= Self::Finding
    }

    /// The message that is rejected tells it.
    pub(super) fn is_of_original(self) -> bool {
        (Self::OriginalId..=Self::OriginalReaderName).contains(&self)
    }

    /// It is a text of ours, which may be cut; an identifier may not.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Cause | Self::CauseText | Self::Finding | Self::FindingText)
    }
}

/// Values by name. What is not there is absent; no value is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    single: BTreeMap<Slot, String>,
    findings: Vec<BTreeMap<Slot, String>>,
}

impl Values {
    /// A value; `finding` is the one that a repeated part stands for.
    pub(super) fn get(&self, name: Slot, finding: Option<usize>) -> Option<&str> {
        let held = match finding.filter(|_| name.is_of_finding()) {
            Some(at) => self.findings.get(at)?,
            None => &self.single,
        };
        held.get(&name).map(String::as_str)
    }

    /// Whether there is a value; outside of repeated parts `finding` asks whether there is any.
    pub(super) fn has(&self, name: Slot, finding: Option<usize>) -> bool {
        let any = name == Slot::Finding && finding.is_none() && !self.findings.is_empty();
        any || self.get(name, finding).is_some()
    }

    /// How many findings there are to tell.
    pub(super) fn findings(&self) -> usize {
        self.findings.len()
    }

    pub(super) fn set(&mut self, name: Slot, value: Option<&str>) {
        match value.filter(|value| !value.is_empty() && value.len() <= MAX_VALUE_BYTES) {
            Some(value) => self.single.insert(name, value.to_owned()),
            None => self.single.remove(&name),
        };
    }

    /// Leaves out what a rejection can do without and what its schema may not like: findings,
    /// whose paths may hold any character, and names of authorities.
    pub(super) fn simplify(&mut self) {
        self.findings.clear();
        self.single.remove(&Slot::OriginalAuthorName);
        self.single.remove(&Slot::OriginalReaderName);
        if let Some(sentence) = self.single.get(&Slot::Cause).cloned() {
            self.single.insert(Slot::CauseText, sentence);
        }
    }

    /// What belongs to the rejection itself.
    pub(super) fn rejection(&mut self, id: &str, now: Timestamp, standard: &str, version: &str) {
        // A machine without time zones says it in UTC, which is the same instant.
        let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
        let local = now.to_zoned(zone);
        let created = local.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string();
        let utc = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        self.set(Slot::Id, Some(id));
        self.set(Slot::Created, Some(&created));
        self.set(Slot::CreatedUtc, Some(&utc));
        self.set(Slot::Date, Some(&local.date().to_string()));
        self.set(Slot::Standard, Some(standard));
        self.set(Slot::Version, Some(version));
    }

    /// What the header of the original says. Its own word for the type counts only where the root
    /// element is none that the pack knows.
    pub(super) fn header(&mut self, header: &HeaderFacts) {
        if !self.single.contains_key(&Slot::OriginalType) {
            self.set(Slot::OriginalType, header.message_type.as_deref());
        }
        for (name, fact) in [
            (Slot::OriginalId, &header.message_uuid),
            (Slot::OriginalCreated, &header.created),
            (Slot::OriginalAuthor, &header.author),
            (Slot::OriginalAuthorDirectory, &header.author_directory),
            (Slot::OriginalAuthorName, &header.author_name),
            (Slot::OriginalReader, &header.reader),
            (Slot::OriginalReaderDirectory, &header.reader_directory),
            (Slot::OriginalReaderName, &header.reader_name),
        ] {
            self.set(name, fact.as_deref());
        }
    }

    /// The cause in words. Findings are told where the cause lies in the message.
    pub(super) fn cause(&mut self, cause: Cause, checked: &Checked) {
        let standard = self.get(Slot::Standard, None).unwrap_or_default();
        let version = self.get(Slot::Version, None).unwrap_or_default();
        let sentence = plain(&sentence(cause, standard, version));
        let mut text = sentence.clone();
        self.findings.clear();
        if matches!(cause, Cause::Invalid | Cause::VersionNotInForce) {
            let errors: Vec<&Finding> =
                checked.findings.iter().filter(|one| one.severity == Severity::Error).collect();
            self.findings = errors.iter().take(MAX_TOLD).map(|finding| told(finding)).collect();
            for one in self.findings.iter().take(MAX_IN_TEXT) {
                text.push(' ');
                text.push_str(&one[&Slot::Finding]);
            }
            let more = errors.len().saturating_sub(MAX_IN_TEXT);
            if more > 0 {
                let least = if checked.truncated { "mindestens " } else { "" };
                text.push_str(&format!(" Weitere Befunde: {least}{more}."));
            }
        }
        self.single.insert(Slot::Cause, cut(&sentence, MAX_TEXT_CHARS));
        self.single.insert(Slot::CauseText, cut(&text, MAX_TEXT_CHARS));
    }
}

/// A cause in German.
fn sentence(cause: Cause, standard: &str, version: &str) -> String {
    match cause {
        Cause::Invalid => {
            format!("Die Nachricht entspricht nicht den Regeln von {standard} {version}.")
        }
        Cause::VersionNotInForce => {
            format!("{standard} {version} gilt zum maßgeblichen Zeitpunkt nicht.")
        }
        Cause::Undeliverable => {
            "Die Nachricht konnte dem Leser nicht zugestellt werden.".to_owned()
        }
        Cause::Expired => {
            "Die Frist ist abgelaufen, bevor die Nachricht zugestellt werden konnte.".to_owned()
        }
        Cause::NotPermitted => {
            "Der Autor ist nicht berechtigt, dem Leser solche Nachrichten zu senden.".to_owned()
        }
        Cause::Other => "Die Nachricht wurde zurückgewiesen.".to_owned(),
    }
}

fn told(finding: &Finding) -> BTreeMap<Slot, String> {
    let mut held = BTreeMap::new();
    let mut line = String::new();
    let (path, text, rule) =
        (plain(&finding.path), plain(&finding.message_de), plain(&finding.rule));
    if finding.line > 0 {
        line.push_str(&format!("Zeile {}, Spalte {}, ", finding.line, finding.column));
        held.insert(Slot::FindingLine, finding.line.to_string());
        held.insert(Slot::FindingColumn, finding.column.to_string());
    }
    line.push_str(&path);
    let place = line.trim_end_matches(", ");
    let colon = if place.is_empty() { "" } else { ": " };
    let line = format!("{place}{colon}{text} (Regel {rule})");
    held.insert(Slot::Finding, cut(&line, MAX_TEXT_CHARS));
    held.insert(Slot::FindingPlace, path);
    held.insert(Slot::FindingRule, cut(&rule, MAX_TEXT_CHARS));
    held.insert(Slot::FindingCode, finding.code.to_owned());
    held.insert(Slot::FindingText, cut(&text, MAX_TEXT_CHARS));
    held.retain(|_, value| !value.is_empty());
    held
}

/// At most so many characters; what is longer ends with dots.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let dots = ELLIPSIS.len().min(most);
    let kept: String = text.chars().take(most - dots).collect();
    format!("{}{}", kept.trim_end(), &ELLIPSIS[..dots])
}

/// Words in characters that DIN 91379 allows in every data type for text: typographic marks become
/// plain ones, and what a name of an element may hold beyond Latin-1 is not shown.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' | '\u{C0}'..='\u{FF}' => out.push(c),
            '\u{201A}'..='\u{201F}' | '\u{2018}' | '«' | '»' => out.push('"'),
            '\u{2019}' => out.push('\''),
            '\u{2010}'..='\u{2015}' => out.push('-'),
            '\u{2026}' => out.push_str(ELLIPSIS),
            '\u{2264}' => out.push_str("<="),
            '\u{2265}' => out.push_str(">="),
            c if c.is_whitespace() => out.push(' '),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_by_its_text_and_by_no_other() {
        for name in Slot::ALL {
            assert_eq!(Slot::parse(name.as_str()), Some(*name));
        }
        assert_eq!(Slot::parse("Id"), None);
        assert!(Slot::FindingText.is_of_finding() && !Slot::CauseText.is_of_finding());
        assert!(Slot::OriginalReaderName.is_of_original() && !Slot::Test.is_of_original());
    }

    #[test]
    fn texts_are_cut_by_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüßäöü", 6), "äöü...");
        assert_eq!(cut("ab cdefg", 6), "ab...");
        assert_eq!(cut("abcd", 2), "..");
    }

    #[test]
    fn words_are_plain() {
        assert_eq!(plain("„Größe“ – a\n…"), "\"Größe\" - a ...");
        assert_eq!(plain("/\u{416}x/\u{e9}"), "/?x/\u{e9}");
    }

    #[test]
    fn times_are_told_in_germany_with_milliseconds() {
        let mut values = Values::default();
        let now = "2027-05-01T06:59:58.987654321Z".parse().expect("an instant");
        values.rejection("i", now, "s", "v");
        assert_eq!(values.get(Slot::Created, None), Some("2027-05-01T08:59:58.987+02:00"));
        assert_eq!(values.get(Slot::CreatedUtc, None), Some("2027-05-01T06:59:58.987Z"));
        assert_eq!(values.get(Slot::Date, None), Some("2027-05-01"));
    }

    #[test]
    fn a_value_that_is_too_long_is_none() {
        let mut values = Values::default();
        values.set(Slot::OriginalAuthorName, Some(&"x".repeat(MAX_VALUE_BYTES)));
        assert!(values.has(Slot::OriginalAuthorName, None));
        values.set(Slot::OriginalAuthorName, Some(&"x".repeat(MAX_VALUE_BYTES + 1)));
        assert!(!values.has(Slot::OriginalAuthorName, None));
    }
}
