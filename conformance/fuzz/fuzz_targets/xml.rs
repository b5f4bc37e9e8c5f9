//! Any bytes: the reader and canonical XML (see `targets::xml`).
#![no_main]

use amtsbote_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| targets::xml(octets));
