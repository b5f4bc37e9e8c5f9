//! XML encryption of other producers: the vectors of the xmlsec project, with those of the W3C,
//! Merlin and Phaos in them, and the recorded messages of OSCI-Transport.
//!
//! Vectors and messages lie where `AMTSBOTE_SUITES` and `AMTSBOTE_CORPUS` say, else beside the
//! checkout. They are no part of this project; the vectors are unpacked into a folder that ends
//! with the run. A vector that is skipped is shown to be refused: one that opens all the same is a
//! failure.

mod compare;
mod keys;
mod osci;
mod vectors;

use amtsbote_wire::encryption::NoRandomness;
use anyhow::Result;
use openssl::rand::rand_bytes;

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

/// The randomness that the library is given.
fn random(octets: &mut [u8]) -> Result<(), NoRandomness> {
    rand_bytes(octets).map_err(|_| NoRandomness)
}
