//! Any bytes: the envelope's codec answers, and nothing verifies without a trusted certificate.
#![no_main]

use amtsbote_domain::Timestamp;
use amtsbote_wire::native::envelope;
use amtsbote_wire::signature::Allowed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Ok(unverified) = envelope::read(octets) {
        assert!(
            unverified.verify(octets, &[], &Allowed::default(), Timestamp::UNIX_EPOCH).is_err()
        );
    }
});
