//! Any bytes as a message: our own packs judge it within their limits, without a panic.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use amtsbote_domain::Timestamp;
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::Verdict;
use amtsbote_schemas::xml::Limits;
use libfuzzer_sys::fuzz_target;

static PACKS: LazyLock<PackSet> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/packs");
    PackSet::load(&folder).expect("our own packs load")
});

fuzz_target!(|octets: &[u8]| {
    let arrival: Timestamp = "2026-11-23T00:00:00Z".parse().expect("an instant");
    let checked = PACKS.check(octets, arrival, &Limits::default(), &|| false);
    assert_eq!(checked.verdict == Verdict::Valid, checked.findings.is_empty());
});
