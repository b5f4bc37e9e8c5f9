//! How a test says that it was skipped; for the tests of several packages, which include this file
//! by its path. `ops/test` explains what it does with the line.

use std::io::Write as _;

/// Says that the running test is skipped: one line on standard error, past the harness, which
/// keeps what passed tests print, and the same line in the file that `AMTSBOTE_SKIPPED_LOG` names.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current();
    let line = format!("skipped: {}: {why}\n", test.name().unwrap_or("a test"));
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
    if let Some(log) = std::env::var_os("AMTSBOTE_SKIPPED_LOG") {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let written = log.and_then(|mut log| log.write_all(line.as_bytes()));
        written.expect("AMTSBOTE_SKIPPED_LOG takes a line");
    }
}
