//! The content of a generic notice: what the hub tells the Author of a message that did not end well, where
//! its standard has no words for it. Its form is that of the pack `amtsbote-notice-1`.
//!
//! It holds ids, parties, times and our own words, and what a person gave as their reason; nothing of the
//! content of the message (P7).

mod words;

use std::fmt::Write as _;

use amtsbote_domain::Timestamp;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::notice::{Kind, SERVICE};
use amtsbote_domain::state::{ClearingCause, State};
use amtsbote_domain::text::Language;

/// The name of the standard, as the pack has it.
pub const STANDARD: &str = "Amtsbote-Benachrichtigung";
/// The type of the message, there and in the envelope.
pub const MESSAGE_TYPE: &str = "notice";

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Of what kind.
    pub kind: Kind,
    /// The message it is about.
    pub about: &'a Accepted,
    /// When that was accepted.
    pub accepted_at: Timestamp,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// The record of the change, where there was one.
    pub because: Option<&'a Evidence>,
}

impl Notice<'_> {
    /// Why the message is, or was, in clearing.
    pub fn cause(&self) -> Option<ClearingCause> {
        let of = |state: State| match state {
            State::InClearing { cause } => Some(cause),
            _ => None,
        };
        let changed = match self.because {
            Some(Evidence::Changed { from, to, .. }) => of(*to).or(of(*from)),
            _ => None,
        };
        of(self.state).or(changed)
    }

    /// The document in UTF-8. It depends on what is told alone: made again, it is the same.
    pub fn to_xml(&self) -> String {
        let record = self.about;
        let metadata = &record.metadata;
        let mut xml = Writer(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        xml.open(&format!("notice xmlns=\"{SERVICE}\" version=\"1\" test=\"{}\"", record.test));
        xml.element("kind", self.kind.as_str());
        xml.open("message");
        xml.element("hubId", record.hub_id.as_str());
        xml.element("transportId", metadata.transport_id.as_str());
        let business_id = record.business_id.as_ref().map(|id| &id.uuid);
        xml.optional("businessId", business_id.or(metadata.business_id.as_ref()));
        xml.element("author", metadata.author.as_str());
        xml.element("reader", metadata.reader.as_str());
        xml.element("service", metadata.service.as_str());
        xml.optional("messageType", metadata.message_type.as_ref());
        xml.element("accepted", &self.accepted_at.to_string());
        xml.optional("expires", metadata.expires);
        xml.element("state", self.state.as_str());
        xml.element("since", &self.since.to_string());
        xml.close("message");
        let cause = self.cause();
        xml.optional("cause", cause.map(ClearingCause::as_str));
        let (code, reason) = match self.because {
            Some(Evidence::Changed { code, grounds, .. }) => {
                (*code, grounds.as_ref().map(|grounds| &grounds.reason))
            }
            _ => (None, None),
        };
        xml.optional("code", code);
        let unclear = cause.is_some_and(may_have_arrived);
        xml.element("mayHaveArrived", if unclear { "true" } else { "false" });
        xml.optional("reason", reason);
        for (language, name) in [(Language::De, "de"), (Language::En, "en")] {
            xml.open(&format!("explanation language=\"{name}\""));
            xml.element("what", words::what(self.kind).get(language));
            xml.optional("why", cause.map(|cause| words::why(cause).get(language)));
            xml.element("advice", words::advice(self.kind, unclear).get(language));
            xml.close("explanation");
        }
        xml.close("notice");
        xml.0
    }
}

/// Whether the Reader may have the message although nobody confirmed it.
pub fn may_have_arrived(cause: ClearingCause) -> bool {
    matches!(cause, ClearingCause::OutcomeUnknown | ClearingCause::RepeatRefused)
}

struct Writer(String);

impl Writer {
    fn open(&mut self, tag: &str) {
        let _ = writeln!(self.0, "<{tag}>");
    }

    fn close(&mut self, name: &str) {
        let _ = writeln!(self.0, "</{name}>");
    }

    /// Writing to a String cannot fail.
    fn element(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, "<{name}>");
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                // Only words of people could hold such a character, and XML cannot.
                '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        let _ = writeln!(self.0, "</{name}>");
    }

    fn optional(&mut self, name: &str, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.element(name, &text.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
