//! SOAPMessageFault: the answer to a message that is none, or whose sender cannot be answered.
//!
//! It is never signed or encrypted, begins with a line break of its own, has the boundary
//! `MIME_boundary`, and travels with HTTP 200: clients look at no other status.

use amtsbote_domain::text::Language;
use amtsbote_schemas::xml::{DriveError, Event, EventSink, Limits, XmlError, drive};

use super::feedback::{Code, Number, Side};
use super::mime::{Boundary, Leading, PartHead, WriteFault, Writer, XML_DECLARATION};
use super::names::{OSCI, SOAP};

/// Most bytes of the envelope of a fault that is read.
pub const MAX_BYTES: u64 = 64 * 1024;
/// Most bytes of the text that are kept; what is longer is cut.
pub const MAX_TEXT_BYTES: usize = 1024;

/// A SOAP fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoapMessageFault {
    /// `faultcode`.
    pub side: Side,
    /// `osci:Code` in `detail`; some intermediaries leave it out.
    pub code: Option<Number>,
    /// `faultstring`: for people, nothing is decided by it.
    pub text: String,
}

/// Why an envelope is no fault. Never holds a value from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAFault {
    /// It is not well-formed, or exceeds a limit.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It is something else.
    #[error("{0}")]
    Structure(&'static str),
}

impl SoapMessageFault {
    /// The fault for a code. Codes of orders belong into their answers; here only where there can be
    /// none.
    pub fn new(code: Code, language: Language) -> Self {
        let text = code.text().get(language).to_owned();
        Self { side: code.side(), code: Some(code.number()), text }
    }

    /// The envelope.
    pub fn envelope(&self) -> String {
        let side = match self.side {
            Side::Client => "Client",
            Side::Server => "Server",
        };
        let detail = match self.code {
            Some(code) => format!("<detail><osci:Code>{code}</osci:Code></detail>"),
            None => String::new(),
        };
        format!(
            "{XML_DECLARATION}<soap:Envelope xmlns:soap=\"{SOAP}\" xmlns:osci=\"{OSCI}\">\
             <soap:Body><soap:Fault><faultcode>soap:{side}</faultcode>\
             <faultstring>{}</faultstring>{detail}</soap:Fault></soap:Body></soap:Envelope>",
            escaped(&self.text)
        )
    }

    /// The whole message, for the body of an answer with HTTP 200.
    pub fn message(&self) -> Result<Vec<u8>, WriteFault> {
        let boundary = Boundary::of_fault();
        let mut writer = Writer::new(Vec::new(), Leading::LineBreak, boundary)?;
        writer.begin(&PartHead::root())?;
        writer.data(self.envelope().as_bytes())?;
        writer.finish()
    }

    /// Reads an envelope, at most [`MAX_BYTES`].
    pub fn read(envelope: &[u8]) -> Result<Self, NotAFault> {
        let limits = Limits { document_bytes: MAX_BYTES, depth: 32, ..Limits::default() };
        let mut form = Form::default();
        drive(envelope, &limits, &mut form).map_err(|error| match error {
            DriveError::Xml(error) => NotAFault::Xml(error),
            DriveError::Sink(rule) => NotAFault::Structure(rule),
        })?;
        let Form { fault_code, text, code, .. } = form;
        // A QName, of which subcodes may follow (SOAP 1.1, 4.4.1).
        let name = fault_code.trim();
        let name = name.split_once(':').map_or(name, |(_, name)| name);
        let side = match name.split('.').next() {
            Some("Client") => Side::Client,
            Some("Server") => Side::Server,
            _ => return Err(NotAFault::Structure("faultcode must be soap:Client or soap:Server")),
        };
        Ok(Self { side, code: code.trim().parse().ok(), text })
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// Which text is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    FaultCode,
    FaultString,
    Code,
}

#[derive(Default)]
struct Form {
    /// The element whose text is wanted, and its depth.
    open: Option<(Field, u32)>,
    faults: u32,
    seen: Vec<Field>,
    in_detail: bool,
    fault_code: String,
    text: String,
    code: String,
}

impl EventSink for Form {
    type Error = &'static str;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
        match *event {
            Event::Start(tag) => {
                let right = match tag.depth {
                    1 => tag.is(SOAP, "Envelope"),
                    2 => tag.is(SOAP, "Body"),
                    3 => tag.is(SOAP, "Fault"),
                    _ => true,
                };
                if !right {
                    return Err("soap:Envelope, soap:Body, soap:Fault");
                }
                if tag.depth == 3 {
                    self.faults += 1;
                }
                if tag.depth == 4 {
                    self.in_detail = tag.is("", "detail");
                }
                let field = match tag.depth {
                    4 if tag.is("", "faultcode") => Field::FaultCode,
                    4 if tag.is("", "faultstring") => Field::FaultString,
                    5 if self.in_detail && tag.is(OSCI, "Code") => Field::Code,
                    _ => return Ok(()),
                };
                if self.seen.contains(&field) {
                    return Err("an element of the fault stands twice");
                }
                self.seen.push(field);
                self.open = Some((field, tag.depth));
            }
            Event::End(tag, _) if self.open.is_some_and(|(_, depth)| depth == tag.depth) => {
                self.open = None;
            }
            Event::Text(_, text, _) => {
                let slot = match self.open {
                    Some((Field::FaultCode, _)) => &mut self.fault_code,
                    Some((Field::FaultString, _)) => &mut self.text,
                    Some((Field::Code, _)) => &mut self.code,
                    None => return Ok(()),
                };
                keep(slot, text);
            }
            Event::EndOfDocument if self.faults != 1 => {
                return Err("soap:Body holds one soap:Fault");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Appends as much as there is room for, in whole characters.
fn keep(slot: &mut String, text: &str) {
    let room = MAX_TEXT_BYTES.saturating_sub(slot.len());
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    slot.push_str(&text[..end.unwrap_or(0)]);
}

#[cfg(test)]
mod tests;
