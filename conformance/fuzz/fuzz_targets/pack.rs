//! Any bytes, and edits of samples, judged by our own packs (see `targets::pack`).
#![no_main]

use amtsbote_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| targets::pack(octets));
