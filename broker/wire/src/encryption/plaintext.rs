//! Decrypted XML, read anew.

use std::io::{BufRead, Cursor, Read};

use amtsbote_schemas::xml::{DriveError, EventSink, Limits, XmlError, drive};

use super::data::Content;
use super::decipher::Integrity;

/// Why decrypted XML was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaintextFault<E> {
    /// It could not be decrypted. That is all that anybody learns where no tag has verified.
    #[error("it could not be decrypted")]
    Undecryptable,
    /// It is not well-formed, exceeds a limit, or could not be read.
    #[error(transparent)]
    Xml(XmlError),
    /// The sink had enough.
    #[error("{0}")]
    Sink(E),
}

/// Reads decrypted XML anew, under limits of its own. Content has no root element of its own; it
/// is shown inside one without name space that is called `content`.
///
/// Where no tag vouches for the plaintext, whatever is wrong with it, to the reader or to the sink,
/// is one error, the same as of a wrong padding: each other answer would say something about octets
/// that somebody may have put together to learn just that. Only that the spool could not be read is
/// told apart. What the sink makes of the events shows nothing to the sender before the end.
pub fn read_plaintext<S: EventSink>(
    plaintext: impl BufRead,
    content: Content,
    integrity: Integrity,
    limits: &Limits,
    sink: &mut S,
) -> Result<(), PlaintextFault<S::Error>> {
    let read = match content {
        Content::Content => {
            // An end tag in the plaintext closes this root early; what follows it is refused.
            let whole = Cursor::new(b"<content>").chain(plaintext);
            drive(whole.chain(Cursor::new(b"</content>")), limits, sink)
        }
        Content::Element | Content::Octets => drive(plaintext, limits, sink),
    };
    read.map_err(|error| match (error, integrity) {
        (DriveError::Xml(error), _) if error.is_input() => PlaintextFault::Xml(error),
        (_, Integrity::Unknown) => PlaintextFault::Undecryptable,
        (DriveError::Xml(error), Integrity::Verified) => PlaintextFault::Xml(error),
        (DriveError::Sink(error), Integrity::Verified) => PlaintextFault::Sink(error),
    })
}
