//! What validation found, said in words that hold nothing of the message (P7).
//!
//! A finding names the rule, the place and what to do, in German and English. It names elements and
//! attributes, which come from the standard. A value comes from the message: it is told where the pack
//! marks its element as harmless and the element is in its place (`tables::run::found`), else never.

use std::borrow::Cow;

use serde::Serialize;

use crate::xml::Position;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It makes the message invalid.
    Error,
    /// It is worth knowing and changes no verdict.
    Warning,
    /// It is only said.
    Information,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Our own stable code, e.g. `element-not-allowed`.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// Line, from 1; 0 where the finding has no place in the document.
    pub line: u64,
    /// Column in characters, from 1; 0 where the finding has no place in the document.
    pub column: u64,
    /// Local names from the root to the node, `/a/b[2]/@c`; empty where there is none.
    pub path: String,
    /// The rule of the specification, e.g. `cvc-pattern-valid`; of a rule file, e.g. `BR-01`; of the
    /// pack, e.g. `pack.toml`.
    pub rule: Cow<'static, str>,
    /// What is wrong and what to do, in German.
    pub message_de: String,
    /// The same in English.
    pub message_en: String,
}

/// Longest path in a finding, in bytes; a longer one loses its middle.
const MAX_PATH: usize = 1_000;
/// Most characters of a value that are told; only their number is told of a longer one.
const MAX_FOUND: usize = 100;

impl Finding {
    /// An error with a text of its own.
    pub(crate) fn error(code: &'static str, rule: &'static str, de: &str, en: &str) -> Self {
        Self {
            code,
            severity: Severity::Error,
            line: 0,
            column: 0,
            path: String::new(),
            rule: Cow::Borrowed(rule),
            message_de: de.to_owned(),
            message_en: en.to_owned(),
        }
    }

    /// The same, at a place.
    pub(crate) fn at(mut self, position: Position, path: &str) -> Self {
        self.line = position.line;
        self.column = position.column;
        self.path = shorten(path);
        self
    }

    /// The same with what was expected, in words.
    pub(crate) fn expecting(mut self, de: &str, en: &str) -> Self {
        self.message_de.push_str(&format!(" Erwartet: {de}."));
        self.message_en.push_str(&format!(" Expected: {en}."));
        self
    }

    /// The same with the value found, which the pack allows to be told.
    pub(crate) fn found(mut self, value: &str) -> Self {
        let count = value.chars().count();
        // A value must not end the quotation, nor change the line or what a terminal shows.
        let first = |end: char| {
            let mut text = String::new();
            value.chars().take(MAX_FOUND).for_each(|one| visible(one, end, &mut text));
            text
        };
        let (de, en) = (first('“'), first('\''));
        let (de, en) = match count {
            0 => ("nichts".to_owned(), "nothing".to_owned()),
            1..=MAX_FOUND => (format!("„{de}“"), format!("'{en}'")),
            _ => (format!("„{de}“ … ({count} Zeichen)"), format!("'{en}' … ({count} characters)")),
        };
        self.message_de.push_str(&format!(" Gefunden: {de}."));
        self.message_en.push_str(&format!(" Found: {en}."));
        self
    }

    /// The text in German, or else in English.
    pub fn message(&self, german: bool) -> &str {
        if german { &self.message_de } else { &self.message_en }
    }
}

/// What a finding of schema validation is about: names only.
pub(crate) struct Subject<'a> {
    /// The local name.
    pub(crate) name: &'a str,
    /// Whether it is an attribute.
    pub(crate) attribute: bool,
    /// Names of the elements that would have fitted, of the attribute that is missing, or of the
    /// rule about keys; empty where unknown.
    pub(crate) expected: &'a [String],
    /// The content ended too early.
    pub(crate) at_end: bool,
}

/// Turns a rule of the XML Schema specification into a finding of ours.
pub(crate) fn explain(rule: &'static str, subject: &Subject<'_>) -> Finding {
    let entry = entry(rule, subject);
    let (noun_de, noun_en) =
        if subject.attribute { ("Attribut", "attribute") } else { ("Element", "element") };
    let mut de = entry.de.replace("{N}", &format!("{noun_de} „{}“", subject.name));
    let mut en = entry.en.replace("{N}", &format!("{noun_en} '{}'", subject.name));
    if !subject.expected.is_empty() {
        let list = subject.expected.join(", ");
        let (list_de, list) = match rule.ends_with("ength-valid") {
            true => (in_units(&list, &UNITS_DE), in_units(&list, &UNITS_EN)),
            false => (list.clone(), list),
        };
        let key = rule.starts_with("cvc-identity-constraint");
        let (word_de, word_en) = if key { ("Regel", "Rule") } else { ("Erwartet", "Expected") };
        de.push_str(&format!(" {word_de}: {list_de}."));
        en.push_str(&format!(" {word_en}: {list}."));
    }
    Finding::error(entry.code, rule, &de, &capitalised(&en))
}

/// What a length counts, as the types say it (`simple::expected`).
pub(crate) const UNITS: [&str; 3] = ["#characters", "#octets", "#items"];
const UNITS_DE: [&str; 3] = ["Zeichen", "Bytes", "Einträge"];
const UNITS_EN: [&str; 3] = ["characters", "bytes", "items"];

fn in_units(text: &str, words: &[&str; 3]) -> String {
    UNITS.iter().zip(words).fold(text.to_owned(), |text, (unit, word)| text.replace(unit, word))
}

/// A character of a value. What cannot be seen, or joins the one before it, is written as its number;
/// so is `end`, which closes the quotation.
fn visible(one: char, end: char, text: &mut String) {
    match one {
        '"' | '\'' if one != end => text.push(one),
        '“' if one == end => text.extend(one.escape_unicode()),
        _ => text.extend(one.escape_debug()),
    }
}

struct Entry {
    code: &'static str,
    de: &'static str,
    en: &'static str,
}

const fn text(code: &'static str, de: &'static str, en: &'static str) -> Entry {
    Entry { code, de, en }
}

/// The table of rules. Numbers of clauses are those of XML Schema 1.0, Structures; the data type
/// rules those of Datatypes.
fn entry(rule: &str, subject: &Subject<'_>) -> Entry {
    match rule {
        "cvc-complex-type.2.4" if subject.at_end => text(
            "content-incomplete",
            "Im {N} fehlt etwas: Der Inhalt endet, bevor er vollständig ist.",
            "{N} lacks something: its content ends before it is complete.",
        ),
        "cvc-complex-type.2.4" => text(
            "element-not-allowed",
            "{N} ist an dieser Stelle nicht zugelassen.",
            "{N} is not allowed at this place.",
        ),
        "cvc-elt.1" | "cvc-elt" | "cvc-assess-elt.1.1.1" => text(
            "element-unknown",
            "{N} ist im Schema nicht vereinbart.",
            "{N} is not declared in the schema.",
        ),
        "cvc-elt.2" => text(
            "element-abstract",
            "{N} ist abstrakt; an seiner Stelle muss eines seiner Ersatzelemente stehen.",
            "{N} is abstract; one of its substitutes must stand in its place.",
        ),
        "cvc-type.2" | "cvc-type" => text(
            "type-abstract",
            "Der Typ von {N} ist abstrakt; xsi:type muss einen abgeleiteten Typ nennen.",
            "the type of {N} is abstract; xsi:type must name a derived one.",
        ),
        "cvc-elt.4.1" => text(
            "type-unknown",
            "xsi:type an {N} nennt keinen Typ des Schemas.",
            "xsi:type on {N} names no type of the schema.",
        ),
        "cvc-elt.4.2" | "cvc-elt.4.3" => text(
            "type-not-derived",
            "xsi:type an {N} nennt einen Typ, der hier nicht zugelassen ist.",
            "xsi:type on {N} names a type that is not allowed here.",
        ),
        "cvc-elt.3.1" => text(
            "nil-not-allowed",
            "xsi:nil ist an {N} nicht zugelassen.",
            "xsi:nil is not allowed on {N}.",
        ),
        "cvc-elt.3.2.1" | "cvc-elt.3.2.2" => text(
            "nil-not-empty",
            "{N} trägt xsi:nil und ist doch nicht leer, oder es hat einen festen Wert.",
            "{N} has xsi:nil and is not empty, or has a fixed value.",
        ),
        "cvc-complex-type.2.1" => text(
            "content-not-empty",
            "{N} muss leer sein, auch ohne Leerraum.",
            "{N} must be empty, without white space too.",
        ),
        "cvc-complex-type.2.3" => text(
            "text-not-allowed",
            "{N} darf nur Elemente enthalten, keinen Text.",
            "{N} may hold elements only, no text.",
        ),
        "cvc-complex-type.3.2.1" | "cvc-complex-type.3.2.2" | "cvc-assess-attr.1.2" => text(
            "attribute-not-allowed",
            "{N} ist an diesem Element nicht zugelassen.",
            "{N} is not allowed on this element.",
        ),
        "cvc-complex-type.3" => text(
            "attribute-repeated",
            "{N} steht mehr als einmal da.",
            "{N} stands there more than once.",
        ),
        "cvc-complex-type.4" => text(
            "attribute-missing",
            "An {N} fehlt ein Pflichtattribut.",
            "{N} lacks a required attribute.",
        ),
        "cvc-attribute.4" | "cvc-elt.5.2.2" | "cvc-elt.5.2.2.1" | "cvc-elt.5.2.2.2" => text(
            "value-not-fixed",
            "{N} hat nicht den vom Schema fest vorgegebenen Wert.",
            "{N} has not the value that the schema fixes.",
        ),
        "cvc-pattern-valid" => text(
            "pattern-mismatch",
            "Der Wert von {N} hat nicht die vorgeschriebene Form.",
            "the value of {N} has not the form prescribed.",
        ),
        "cvc-enumeration-valid" => text(
            "value-not-in-list",
            "Der Wert von {N} gehört nicht zu den zugelassenen Werten.",
            "the value of {N} is none of the values allowed.",
        ),
        "cvc-minLength-valid" => text(
            "value-too-short",
            "Der Wert von {N} ist zu kurz.",
            "the value of {N} is too short.",
        ),
        "cvc-maxLength-valid" => {
            text("value-too-long", "Der Wert von {N} ist zu lang.", "the value of {N} is too long.")
        }
        "cvc-length-valid" => text(
            "value-wrong-length",
            "Der Wert von {N} hat nicht die vorgeschriebene Länge.",
            "the value of {N} has not the length prescribed.",
        ),
        "cvc-minInclusive-valid"
        | "cvc-minExclusive-valid"
        | "cvc-maxInclusive-valid"
        | "cvc-maxExclusive-valid" => text(
            "value-out-of-range",
            "Der Wert von {N} liegt außerhalb des zugelassenen Bereichs.",
            "the value of {N} lies outside the range allowed.",
        ),
        "cvc-totalDigits-valid" | "cvc-fractionDigits-valid" => text(
            "value-too-many-digits",
            "Der Wert von {N} hat zu viele Stellen.",
            "the value of {N} has too many digits.",
        ),
        "cvc-datatype-valid"
        | "cvc-datatype-valid.1.2.1"
        | "cvc-simple-type"
        | "cvc-explicitTimezone-valid"
        | "cvc-attribute.3"
        | "cvc-type.3.1.3" => text(
            "value-wrong-type",
            "Der Wert von {N} passt nicht zu seinem Datentyp.",
            "the value of {N} does not fit its data type.",
        ),
        "cvc-attribute.5" => text(
            "value-wrong-type",
            "xsi:type nennt keinen Typ des Schemas.",
            "xsi:type names no type of the schema.",
        ),
        "cvc-id.1" => text(
            "reference-dangling",
            "Der Verweis (IDREF) in {N} zeigt auf kein Element der Nachricht.",
            "the reference (IDREF) in {N} points to no element of the message.",
        ),
        "cvc-id.2" => text(
            "id-repeated",
            "Die Kennung (ID) in {N} kommt in der Nachricht mehr als einmal vor.",
            "the ID in {N} occurs more than once in the message.",
        ),
        "cvc-identity-constraint.4.2.3" => text(
            "key-nillable",
            "Ein Schlüsselfeld von {N} ist im Schema als nillbar vereinbart; ein Schlüssel darf das nicht sein.",
            "a key field of {N} is declared nillable in the schema, which a key must not be.",
        ),
        "cvc-identity-constraint.4.2.1"
        | "cvc-identity-constraint.4"
        | "cvc-identity-constraint.3" => text(
            "key-missing",
            "An {N} ist ein Schlüsselfeld nicht oder mehrfach belegt.",
            "a key field of {N} is missing or there more than once.",
        ),
        "cvc-identity-constraint.4.2.2" | "cvc-identity-constraint.4.1" => text(
            "key-repeated",
            "Der Schlüssel von {N} kommt mehr als einmal vor.",
            "the key of {N} occurs more than once.",
        ),
        "cvc-identity-constraint.4.3" => text(
            "key-dangling",
            "Der Verweis (keyref) in {N} zeigt auf keinen vorhandenen Schlüssel.",
            "the reference (keyref) in {N} points to no key that exists.",
        ),
        "cvc-elt.5.1.1" => text(
            "schema-rule-broken",
            "{N} ist leer, und der Wert, den das Schema dann einsetzt, passt nicht zum Typ, den xsi:type nennt.",
            "{N} is empty, and the value that the schema puts in then does not fit the type that xsi:type names.",
        ),
        "cvc-complex-type.5" => text(
            "schema-rule-broken",
            "{N} trägt mehrere Attribute vom Typ ID; zugelassen ist eines.",
            "{N} has several attributes of type ID; one is allowed.",
        ),
        _ => text(
            "schema-rule-broken",
            "{N} verletzt die genannte Regel der Schemasprache.",
            "{N} breaks the rule of the schema language that is named.",
        ),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn shorten(path: &str) -> String {
    if path.len() <= MAX_PATH {
        return path.to_owned();
    }
    let cut = |at: usize| (at..path.len()).find(|i| path.is_char_boundary(*i)).unwrap_or(at);
    format!("{}…{}", &path[..cut(MAX_PATH / 2)], &path[cut(path.len() - MAX_PATH / 2)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_node_and_what_was_expected() {
        let expected = ["leser".to_owned(), "autor".to_owned()];
        let subject =
            Subject { name: "kennung", attribute: false, expected: &expected, at_end: false };
        let finding = explain("cvc-complex-type.2.4", &subject);
        assert_eq!(finding.code, "element-not-allowed");
        assert_eq!(
            finding.message_de,
            "Element „kennung“ ist an dieser Stelle nicht zugelassen. Erwartet: leser, autor."
        );
        assert_eq!(
            finding.message_en,
            "Element 'kennung' is not allowed at this place. Expected: leser, autor."
        );
    }

    #[test]
    fn an_unknown_rule_still_has_a_text() {
        let subject = Subject { name: "a", attribute: true, expected: &[], at_end: false };
        assert_eq!(explain("cvc-of-tomorrow", &subject).code, "schema-rule-broken");
    }

    #[test]
    fn a_long_path_is_shortened_between_characters() {
        let path = "/ä".repeat(2_000);
        let finding = Finding::error("a", "b", "c", "d").at(Position::default(), &path);
        assert!(finding.path.len() <= MAX_PATH + 8, "{}", finding.path.len());
        assert!(finding.path.contains('…'));
    }
}
