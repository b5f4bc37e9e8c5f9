//! Edited schemas, loaded, compiled and asked (see `targets::schema`).
#![no_main]

use std::panic;

use amtsbote_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // A panic of the library is caught and becomes an error of loading; one of ours is a finding.
        let abort = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| place.file().contains("xsd-schema-")) {
                abort(info);
            }
        }));
    },
    |octets: &[u8]| targets::schema(octets)
);
