//! XML signatures of other producers: the vectors of the xmlsec project, with those of the W3C,
//! Merlin and Phaos in them, and the recorded messages of OSCI-Transport.
//!
//! Vectors and messages lie where `AMTSBOTE_SUITES` and `AMTSBOTE_CORPUS` say, else beside the
//! checkout. They are no part of this project; the vectors are unpacked into a folder that ends
//! with the run. A vector that cannot hold here is listed as skipped with the reason, and is shown
//! to be refused: one that is skipped and holds all the same is a failure.

pub(super) mod keys;
pub(super) mod mime;
mod osci;
mod resigned;
mod row;
mod trusted;
mod vectors;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Settings;
use crate::report::Report;

pub(crate) async fn run(_: &Settings, report: &mut Report) -> Result<()> {
    let suites = folder("AMTSBOTE_SUITES", "suites");
    if suites.join(vectors::ARCHIVE).is_file() {
        vectors::run(&suites, report)?;
    } else {
        let why = "no vectors of xmlsec: set AMTSBOTE_SUITES, or put them beside the checkout as \
                   ../shared/suites";
        report.skip("xmlsec", why);
    }
    let messages = folder("AMTSBOTE_CORPUS", "corpus").join(osci::FOLDER);
    if messages.is_dir() {
        osci::run(&messages, report)
    } else {
        let why = "no messages of OSCI-Transport: set AMTSBOTE_CORPUS, or put them beside the \
                   checkout as ../shared/corpus";
        report.skip("osci", why);
        Ok(())
    }
}

fn folder(variable: &str, name: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from)
}
