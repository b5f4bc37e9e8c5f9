//! Feedback: what the other side says about an order (`FeedbackType`), read and written.
//!
//! It is read leniently: what became of an order is not to be lost because a code has five digits, or a
//! text is long.

use amtsbote_schemas::xml::XML_NAMESPACE;

use super::element::{Children, Element};
use super::feedback::{Entry, Number};
use super::limits::Limits;
use super::refusal::Refusal;
use super::values::Language;
use super::writing::Xml;

/// All that is said; one entry at least.
pub(super) fn read(children: &mut Children, limits: &Limits) -> Result<Vec<Entry>, Refusal> {
    let feedback = children.required("Feedback", "Feedback is missing")?;
    of(feedback, limits)
}

/// The same from the element itself.
pub(super) fn of(feedback: Element, limits: &Limits) -> Result<Vec<Entry>, Refusal> {
    let place = feedback.place();
    let mut children = feedback.into_children("Feedback")?;
    let bound = (limits.feedback_entries, "entries of a feedback");
    let entries = children.many("Entry", bound, |found| entry(found, limits))?;
    children.end()?;
    if entries.is_empty() {
        return Err(Refusal::order(place, "Feedback", "one entry at least"));
    }
    Ok(entries)
}

/// One of them (`FeedbackEntryType`). A language that is none is nothing that the answer depends on.
fn entry(entry: Element, limits: &Limits) -> Result<Entry, Refusal> {
    let language = entry.tag.attribute_ns(XML_NAMESPACE, "lang").and_then(Language::parse);
    let mut children = entry.into_children("Entry")?;
    let code = children.required("Code", "Code is missing")?;
    let code = code.trimmed("Code", usize::MAX)?.parse::<Number>().ok();
    let text = children.required("Text", "Text is missing")?;
    let mut text = text.string("Text", usize::MAX)?;
    children.end()?;
    text.truncate(text.floor_char_boundary(limits.value_bytes));
    Ok(Entry { language, code, text })
}

/// `Feedback`, or what it is called here.
pub(super) fn write(xml: &mut Xml, name: &'static str, entries: &[Entry]) {
    if entries.is_empty() {
        xml.refuse("Feedback", "one entry at least");
    }
    xml.element(name, &[], |xml| {
        for Entry { language, code, text } in entries {
            let language = language.as_ref().map(|language| ("xml:lang", language.as_str()));
            let code = code.map(|code| code.to_string());
            if code.is_none() {
                xml.refuse("Code", "four digits");
            }
            xml.element("osci:Entry", language.as_slice(), |xml| {
                xml.text("osci:Code", code.as_deref().unwrap_or_default());
                xml.text("osci:Text", text);
            });
        }
    });
}
