//! libxmlsec1 in a process of its own: a small C program of ours, built when the bench runs.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};

const SOURCE: &str = include_str!("xmlsec_loop.c");
/// The Debian package `libxmlsec1-dev` brings it.
const PACKAGE: &str = "xmlsec1-openssl";

/// The program, once it is built.
pub(super) struct Program {
    path: PathBuf,
    /// The version of the library.
    pub(super) version: String,
}

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
        let (source, path) = (folder.join("xmlsec_loop.c"), folder.join("xmlsec_loop"));
        std::fs::write(&source, SOURCE)?;
        let version = said("pkg-config", &["--modversion", PACKAGE])?;
        let flags = said("pkg-config", &["--cflags", "--libs", PACKAGE])?;
        let built = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&path)
            .arg(&source)
            .args(flags.split_whitespace())
            .output()
            .context("cc")?;
        if !built.status.success() {
            bail!("cc: {}", String::from_utf8_lossy(&built.stderr).lines().next().unwrap_or("?"));
        }
        Ok(Self { path, version: version.trim().to_owned() })
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
        let mut child = Command::new(&self.path)
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

/// What a program says on its standard output.
fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().context(program.to_owned())?;
    if !output.status.success() {
        bail!("{program} {}: it says no", arguments.join(" "));
    }
    Ok(String::from_utf8(output.stdout)?)
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
