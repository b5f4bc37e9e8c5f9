//! Any bytes: the reader answers, and canonical XML of what it accepts is accepted again and is
//! its own canonical form.
#![no_main]

use std::convert::Infallible;

use amtsbote_schemas::header::HeaderSink;
use amtsbote_schemas::xml::{Limits, drive};
use amtsbote_wire::c14n::{Apex, Canonicalizer, Method};
use libfuzzer_sys::fuzz_target;

fn canonical(octets: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut sink = (
        HeaderSink::default(),
        Canonicalizer::new(Method::EXCLUSIVE, Apex::Document, |piece: &[u8]| {
            out.extend_from_slice(piece);
        }),
    );
    let read = drive::<(HeaderSink, _)>(octets, &Limits::default(), &mut sink);
    let (header, mut canonicalizer) = sink;
    let _facts = header.into_facts();
    canonicalizer.flush();
    let _: Result<(), amtsbote_schemas::xml::DriveError<Infallible>> = match read {
        Ok(()) => Ok(()),
        Err(_) => return None,
    };
    Some(out)
}

fuzz_target!(|octets: &[u8]| {
    if let Some(once) = canonical(octets) {
        let twice = canonical(&once).expect("canonical XML is well-formed");
        assert_eq!(once, twice, "canonical XML is its own canonical form");
    }
});
