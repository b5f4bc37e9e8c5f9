//! Feedback: what the other side says about an order (`FeedbackType`).

use super::element::{Children, Element};
use super::limits::Limits;
use super::refusal::Refusal;
use super::values::Language;
use super::writing::Xml;
use amtsbote_schemas::xml::XML_NAMESPACE;

/// One thing said (`FeedbackEntryType`). The same code may come in several languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackEntry {
    /// Four digits: 0xxx done, 3xxx done with a warning, 9xxx not done.
    pub code: u16,
    /// The language of the text.
    pub language: Option<Language>,
    /// What it says to people.
    pub text: String,
}

/// All that is said; one entry at least.
pub(super) fn read(
    children: &mut Children,
    limits: &Limits,
) -> Result<Vec<FeedbackEntry>, Refusal> {
    let feedback = children.required("Feedback", "Feedback is missing")?;
    of(feedback, limits)
}

/// The same from the element itself.
pub(super) fn of(feedback: Element, limits: &Limits) -> Result<Vec<FeedbackEntry>, Refusal> {
    let place = feedback.place();
    let mut children = feedback.into_children("Feedback")?;
    let bound = (limits.feedback_entries, "entries of a feedback");
    let entries = children.many("Entry", bound, |entry| FeedbackEntry::read(entry, limits))?;
    children.end()?;
    if entries.is_empty() {
        return Err(Refusal::order(place, "Feedback", "one entry at least"));
    }
    Ok(entries)
}

/// `Feedback`, or what it is called here.
pub(super) fn write(xml: &mut Xml, name: &'static str, entries: &[FeedbackEntry]) {
    if entries.is_empty() {
        xml.refuse("Feedback", "one entry at least");
    }
    if entries.iter().any(|entry| entry.code > 9999) {
        xml.refuse("Code", "four digits");
    }
    xml.element(name, &[], |xml| {
        for FeedbackEntry { code, language, text } in entries {
            let language = language.as_ref().map(|language| ("xml:lang", language.as_str()));
            xml.element("osci:Entry", language.as_slice(), |xml| {
                xml.text("osci:Code", &format!("{code:04}"));
                xml.text("osci:Text", text);
            });
        }
    });
}

impl FeedbackEntry {
    fn read(entry: Element, limits: &Limits) -> Result<Self, Refusal> {
        let language = entry.tag.attribute_ns(XML_NAMESPACE, "lang").map(|text| {
            Language::parse(text).ok_or_else(|| entry.refusal("Entry", "xml:lang: a language"))
        });
        let language = language.transpose()?;
        let mut children = entry.into_children("Entry")?;
        let code = children.required("Code", "Code is missing")?;
        let digits = code.trimmed("Code", limits.value_bytes)?;
        let four = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = four.then(|| digits.parse().ok()).flatten();
        let number = number.ok_or_else(|| code.refusal("Code", "four digits"))?;
        let text = children.required("Text", "Text is missing")?;
        let text = text.string("Text", limits.value_bytes)?;
        children.end()?;
        Ok(Self { code: number, language, text })
    }
}
