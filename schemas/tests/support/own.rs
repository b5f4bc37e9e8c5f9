//! The packs of this project, for tests.

use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::Checked;
use amtsbote_schemas::xml::Limits;
use jiff::Timestamp;

/// The versions of XUmmeldung.
pub(crate) const VERSIONS: [&str; 2] = ["1.0", "1.1"];
/// Two days after the samples of 1.1, inside the window of neither version's samples but in force
/// for both.
pub(crate) const ARRIVAL: &str = "2026-11-18T08:00:00Z";

pub(crate) fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packs")
}

pub(crate) fn folder(version: &str) -> PathBuf {
    packs().join(format!("xummeldung-{version}"))
}

pub(crate) fn load() -> PackSet {
    PackSet::load(&packs()).expect("our packs load")
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(crate) fn check(packs: &PackSet, message: &[u8], arrival: &str) -> Checked {
    packs.check(message, at(arrival), &Limits::default(), &|| false)
}
