//! The MIME message inside the HTTP body: octets go in as they come, events come out; and the writer
//! of the same.
//!
//! An OSCI message is a `Multipart/Related` message whose own headers stand at the beginning of the
//! body, whatever the headers of HTTP say: `MIME-Version`, `Content-Type` with a boundary that is
//! unquoted although it holds `/` and `+`, an empty line, the parts. The first part is the SOAP
//! envelope and has the Content-ID `<osci@message>`; each attachment is a part of its own. Faults
//! have one more line break in front of all.
//!
//! [`Reader`] is tolerant where a message can mean one thing only, and refuses what two readers
//! could read in two ways: a boundary that stands behind a line end of the other kind, or that goes
//! on; two parts with one Content-ID; a header given twice. It holds no part: what it hands out are
//! slices of what was pushed, or of a small buffer where a part travels as Base64 or
//! quoted-printable. [`Writer`] writes what clients were seen to write and nothing else.
//!
//! Not here: what the envelope says (its modules beside this one), and encryption
//! ([`super::encrypted`]).

mod fault;
mod headers;
mod limits;
mod reader;
mod search;
mod transfer;
mod write;

pub use fault::MimeFault;
pub use headers::{MessageHeaders, PartHeaders, TransferEncoding, is_content_id};
pub use limits::{
    Limits, MAX_CONTENT_ID_BYTES, MAX_ENCODING_BYTES, MAX_HEADER_BYTES, MAX_HEADERS,
    MAX_OUTSIDE_BYTES, MAX_PART_BYTES, MAX_PARTS, MAX_QUOTED_SPACES, MAX_ROOT_BYTES,
};
pub use reader::{Event, Reader};
pub use write::{Boundary, Leading, PartHead, WriteFault, Writer, message_length};

/// Content-ID of the first part, without its angle brackets.
pub const ROOT_CONTENT_ID: &str = "osci@message";
/// What stands in front of every envelope that is written.
pub const XML_DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\r\n";

#[cfg(test)]
mod tests;
