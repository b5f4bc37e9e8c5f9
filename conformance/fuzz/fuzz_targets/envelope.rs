//! Any bytes: the envelope's codec answers, and nothing verifies without a trusted certificate.
#![no_main]

use amtsbote_domain::Timestamp;
use amtsbote_wire::native::envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Ok(unverified) = envelope::read(octets) {
        assert!(unverified.verify(octets, &[], Timestamp::UNIX_EPOCH).is_err());
    }
});
