//! libxmlsec1 in a process of its own: a small C program of ours, built when the bench runs.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::bail;

use crate::bench::built::Built;

const SOURCE: &str = include_str!("xmlsec_loop.c");
/// The Debian package `libxmlsec1-dev` brings it.
const PACKAGE: &str = "xmlsec1-openssl";

/// The program, once it is built.
pub(super) struct Program(Built);

/// How the key comes to the peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trust {
    /// Read once beforehand; `KeyInfo` is not looked at.
    Key,
    /// The certificate in `KeyInfo` is verified each time.
    Certificate,
}

impl Program {
    /// Builds it in `folder`.
    pub(super) fn build(folder: &Path) -> anyhow::Result<Self> {
        Built::of(folder, "xmlsec_loop", SOURCE, PACKAGE).map(Self)
    }

    /// The version of the library.
    pub(super) fn version(&self) -> &str {
        &self.0.version
    }

    /// Starts it on a document.
    pub(super) fn start(
        &self,
        document: &Path,
        certificate: &Path,
        trust: Trust,
    ) -> anyhow::Result<Peer> {
        let trust = match trust {
            Trust::Key => "key",
            Trust::Certificate => "certificate",
        };
        let mut child = Command::new(&self.0.path)
            .arg(document)
            .arg(certificate)
            .arg(trust)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("no pipes to xmlsec_loop");
        };
        Ok(Peer { child, orders, answers: BufReader::new(answers) })
    }
}

/// A running peer.
pub(super) struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Verifies so many times; gives the seconds of its processor time that took.
    pub(super) fn verify(&mut self, times: u64) -> anyhow::Result<f64> {
        writeln!(self.orders, "{times}")?;
        self.orders.flush()?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("libxmlsec1 does not verify the document");
        }
        Ok(answer.trim().parse::<f64>()? / 1e9)
    }
}

impl Drop for Peer {
    /// Both fail only when it has ended already.
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
