//! Any bytes, and any edit of a valid message: tables and library come to one verdict.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use amtsbote_fuzz::apply;
use amtsbote_schemas::validate::{Schemas, Verdict};
use amtsbote_schemas::xml::Limits;
use libfuzzer_sys::fuzz_target;

static SCHEMAS: LazyLock<(Schemas, Vec<u8>)> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/packs/xummeldung-1.1");
    let schemas = Schemas::load_folder(&folder, &["ummeldung.xsd".to_owned()], None);
    let schemas = schemas.expect("our own pack loads");
    assert_eq!(schemas.facts().by_library, None, "all of it is in the tables");
    let message = folder.join("samples/valid/mitteilung-familie.xml");
    (schemas, std::fs::read(message).expect("a sample"))
});

fuzz_target!(|octets: &[u8]| {
    let (schemas, message) = &*SCHEMAS;
    let Some((choice, rest)) = octets.split_first() else { return };
    let document = if choice & 1 == 0 { apply(message, rest) } else { rest.to_vec() };
    let ours = schemas.check(&document[..], &Limits::default(), &|| false);
    let theirs = schemas.check_by_library(&document[..], &Limits::default(), &|| false);
    assert_eq!(ours.verdict == Verdict::Valid, ours.findings.is_empty());
    // A limit of the library's own is no verdict.
    if theirs.verdict != Verdict::Error {
        assert_eq!(ours.verdict, theirs.verdict, "{:?}\n{:?}", ours.findings, theirs.findings);
    }
});
