//! Tables and library side by side on messages (see `targets::validator`).
#![no_main]

use amtsbote_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| targets::validator(octets));
