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

use anyhow::Result;

use super::{Settings, given};
use crate::report::Report;

pub(crate) async fn run(_: &Settings, report: &mut Report) -> Result<()> {
    let suites = given::suites();
    if suites.join(given::VECTORS).is_file() {
        vectors::run(&suites, report)?;
    } else {
        report.skip("xmlsec", given::NO_VECTORS);
    }
    let messages = given::corpus().join(osci::FOLDER);
    if messages.is_dir() {
        osci::run(&messages, report)
    } else {
        report.skip("osci", given::NO_MESSAGES);
        Ok(())
    }
}
