//! What is given from outside: public test sets and real messages. They are no part of the project and
//! may be absent; a suite says so then.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The vectors of the xmlsec project, with the sets of others in them.
pub(super) const VECTORS: &str = "xmlsec-vectors.tar.xz";
/// Why the vectors are left out.
pub(super) const NO_VECTORS: &str = "no vectors of xmlsec: set AMTSBOTE_SUITES, or put them beside \
                                     the checkout as ../shared/suites";
/// Why the messages of OSCI-Transport are left out.
pub(super) const NO_MESSAGES: &str = "no messages of OSCI-Transport: set AMTSBOTE_CORPUS, or put \
                                      them beside the checkout as ../shared/corpus";

/// The folder of public test sets.
pub(super) fn suites() -> PathBuf {
    folder("AMTSBOTE_SUITES", "suites")
}

/// The folder of real schemas and messages.
pub(super) fn corpus() -> PathBuf {
    folder("AMTSBOTE_CORPUS", "corpus")
}

fn folder(variable: &str, name: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from)
}

/// Unpacks an archive of a test set into a folder.
pub(super) fn unpack(archive: &Path, into: &Path) -> Result<()> {
    let status = Command::new("tar").arg("xf").arg(archive).arg("-C").arg(into).status();
    let status = status.context("tar: install the Debian packages tar and xz-utils")?;
    ensure!(status.success(), "{} cannot be unpacked", archive.display());
    Ok(())
}
