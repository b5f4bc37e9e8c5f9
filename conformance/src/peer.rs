//! Other people's programs that read and make the same documents: one process each, asked line by
//! line. Their drivers lie in `conformance/peers` and are part of this program.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest that a peer may think about one question, its start included.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Debian puts what Santuario needs.
const JARS: [&str; 5] = ["xmlsec", "bcprov", "slf4j-api", "slf4j-nop", "commons-codec"];

/// A peer at work. It ends with this value.
pub(crate) struct Peer {
    name: &'static str,
    child: Child,
    questions: ChildStdin,
    answers: Receiver<std::io::Result<String>>,
}

impl Peer {
    /// Apache Santuario; `scratch` is a folder of its own.
    pub(crate) fn santuario(scratch: &Path) -> Result<Self> {
        let driver = scratch.join("Santuario.java");
        std::fs::write(&driver, include_str!("../peers/Santuario.java"))?;
        let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar"));
        if let Some(missing) = jars.iter().find(|jar| !Path::new(jar).is_file()) {
            bail!("{missing} is not there: install libxml-security-java and libbcprov-java");
        }
        let mut command = Command::new("java");
        command.arg("-cp").arg(jars.join(":")).arg(driver);
        Self::start("santuario", command)
    }

    /// The library xmlsec for Python.
    pub(crate) fn python_xmlsec(scratch: &Path) -> Result<Self> {
        let driver = scratch.join("xmlsec_peer.py");
        std::fs::write(&driver, include_str!("../peers/xmlsec_peer.py"))?;
        let python = std::env::var_os("AMTSBOTE_PEER_PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.arg(driver);
        Self::start("python-xmlsec", command)
    }

    fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let questions = child.stdin.take().context("it has no standard input")?;
        let output = child.stdout.take().context("it has no standard output")?;
        let (told, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        let mut peer = Self { name, child, questions, answers };
        peer.ask(&["version"]).context("ops/test tools installs what it needs")?;
        Ok(peer)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Has it do something; its `no` is an error.
    pub(crate) fn ask(&mut self, fields: &[&str]) -> Result<()> {
        writeln!(self.questions, "{}", fields.join("\t"))?;
        self.questions.flush()?;
        let answer = match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => answer?,
            Err(_) => bail!("{} did not answer", self.name),
        };
        match answer.split_once(' ').map_or((answer.as_str(), ""), |parts| parts) {
            ("yes", _) => Ok(()),
            (_, why) => bail!("{} says no: {why}", self.name),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when its input does; this is for one that hangs. Nothing can be done about a
        // process that cannot be ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
