//! libxml2 in a process of its own: a small C program of ours, built when the bench runs.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

use super::task::Task;
use crate::bench::built::Built;

const SOURCE: &str = include_str!("libxml2_loop.c");
/// The Debian package `libxml2-dev` brings it.
const PACKAGE: &str = "libxml-2.0";

/// Builds the program in `folder`.
pub(super) fn build(folder: &Path) -> anyhow::Result<Built> {
    Built::of(folder, "libxml2_loop", SOURCE, PACKAGE)
}

/// A running peer with a schema loaded.
pub(super) struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it on the documents of a task.
    pub(super) fn start(program: &Built, task: &Task) -> anyhow::Result<Self> {
        let mut command = Command::new(&program.path);
        command.arg(if task.from_file { "file" } else { "memory" });
        command.arg(&task.schema).args(&task.files);
        // No other catalog, and nothing from a network, whatever this machine is set up for.
        let catalog = task.catalog.as_deref().map(std::path::absolute).transpose()?;
        command.env("XML_CATALOG_FILES", catalog.unwrap_or_default());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("libxml2_loop")?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("no pipes to libxml2_loop");
        };
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    /// Validates all documents so many times; gives the seconds of processor time that took, and
    /// whether all were valid. `None`: it is not there any more, for it cannot load the schema.
    pub(super) fn validate(&mut self, times: u64) -> Option<(f64, bool)> {
        writeln!(self.orders, "{times}").ok()?;
        self.orders.flush().ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        let (nanoseconds, invalid) = answer.trim().split_once(' ')?;
        Some((nanoseconds.parse::<f64>().ok()? / 1e9, invalid == "0"))
    }
}

impl Drop for Peer {
    /// Both fail only when it has ended already.
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
