//! The codec against itself, the recorded messages, the official schema, and bad input.

mod bad_input;
mod content;
mod corpus;
mod forms;
mod generate;
mod round_trip;
mod schema;

use crate::c14n::{Apex, Canonicalizer, Method, Mode};
use amtsbote_schemas::xml::{Limits, drive};

/// The inclusive canonical form of the element with this identifier.
fn canonical(document: &[u8], id: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let out = |piece: &[u8]| octets.extend_from_slice(piece);
    let method = Method::new(Mode::Inclusive, false);
    let mut sink = Canonicalizer::new(method, Apex::Id(id.to_owned()), out);
    drive(document, &Limits::default(), &mut sink).expect("well-formed");
    assert_eq!(sink.matches(), 1, "{id}");
    sink.flush();
    drop(sink);
    octets
}
