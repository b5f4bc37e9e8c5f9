//! A node of the shipped binary on loopback, on ports the system chooses.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::shipped::Shipped;
use crate::undo;

/// Longest time a node may take to become ready.
const READY: Duration = Duration::from_secs(60);
/// Longest time a node may take to stop when asked to.
const STOP: Duration = Duration::from_secs(60);

/// One service of a party.
pub(crate) struct Offer<'a> {
    pub(crate) uri: &'a str,
    /// `inbox`, or `peer:` and a name.
    pub(crate) via: &'a str,
    pub(crate) test: bool,
    /// Content of no standard is admitted.
    pub(crate) opaque: bool,
}

/// A node's folder, made by `amtsbote init --dev`.
#[derive(Debug)]
pub(crate) struct Folder {
    shipped: Shipped,
    path: PathBuf,
}

/// A node at work.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// `https://127.0.0.1:port` of the native transport.
    pub native: String,
    /// `https://127.0.0.1:port` of the operations address.
    pub operations: String,
}

#[derive(Deserialize)]
struct ReadyFile {
    native: String,
    operations: String,
    pid: u32,
}

impl Folder {
    /// Makes a development node with the example region.
    pub(crate) fn init(shipped: &Shipped, path: &Path) -> Result<Self> {
        let text = path.to_str().context("the folder's name is no UTF-8")?;
        shipped.must(&["init", text, "--dev"])?;
        let folder = Self { shipped: shipped.clone(), path: path.to_owned() };
        folder.edit("amtsbote.toml", |table| {
            let mut listen = toml::Table::new();
            listen.insert("native".into(), "127.0.0.1:0".into());
            listen.insert("operations".into(), "127.0.0.1:0".into());
            table.insert("listen".into(), listen.into());
            Ok(())
        })?;
        Ok(folder)
    }

    /// A folder that is there already.
    pub(crate) fn existing(shipped: &Shipped, path: &Path) -> Self {
        Self { shipped: shipped.clone(), path: path.to_owned() }
    }

    /// The binary that made it.
    pub(crate) fn shipped(&self) -> &Shipped {
        &self.shipped
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes one of its files.
    pub(crate) fn edit(
        &self,
        file: &str,
        change: impl FnOnce(&mut toml::Table) -> Result<()>,
    ) -> Result<()> {
        let path = self.path.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {file}"))?;
        let mut table: toml::Table = text.parse().with_context(|| format!("parsing {file}"))?;
        change(&mut table)?;
        std::fs::write(&path, toml::to_string(&table)?).with_context(|| format!("writing {file}"))
    }

    /// A party, by its key, offers these services, and no others.
    pub(crate) fn offer(&self, key: &str, services: &[Offer<'_>]) -> Result<()> {
        self.edit("directory.toml", |table| {
            let parties = table.get_mut("party").and_then(toml::Value::as_array_mut);
            let id = format!("ags:{key}");
            let party = parties
                .context("no parties")?
                .iter_mut()
                .filter_map(toml::Value::as_table_mut)
                .find(|party| party["id"].as_str() == Some(&id))
                .with_context(|| format!("no party {id}"))?;
            let services = services.iter().map(|offer| {
                let mut service = toml::Table::new();
                service.insert("uri".into(), offer.uri.into());
                service.insert("via".into(), offer.via.into());
                service.insert("test".into(), offer.test.into());
                service.insert("opaque".into(), offer.opaque.into());
                toml::Value::from(service)
            });
            party.insert("service".into(), services.collect::<Vec<_>>().into());
            Ok(())
        })
    }

    /// Everybody may send these services to everybody.
    pub(crate) fn permit(&self, services: &[&str]) -> Result<()> {
        self.edit("permissions.toml", |table| {
            let rules = table.get_mut("allow").and_then(toml::Value::as_array_mut);
            let rules = rules.context("no rules")?;
            for service in services {
                let mut rule = toml::Table::new();
                rule.insert("from".into(), "ags:*".into());
                rule.insert("to".into(), "ags:*".into());
                rule.insert("service".into(), (*service).into());
                rules.push(rule.into());
            }
            Ok(())
        })
    }

    /// Starts the node and waits until it is ready. What it logs goes to `log` in the folder.
    pub(crate) fn serve(&self) -> Result<Node> {
        self.serve_under(|command| command)
    }

    /// The same, with the command changed before it is started.
    pub(crate) fn serve_under(&self, change: impl FnOnce(Command) -> Command) -> Result<Node> {
        let ready = self.path.join("ready.json");
        match std::fs::remove_file(&ready) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let config = self.path.join("amtsbote.toml");
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = self.shipped.command(&["serve"]);
        command.arg("--config").arg(config).arg("--ready-file").arg(&ready);
        command.stdout(Stdio::null()).stderr(log);
        undo::going_on()?;
        let child = change(command).spawn().context("the node does not start")?;
        let mut node = Node { child, native: String::new(), operations: String::new() };
        let begun = Instant::now();
        while !ready.exists() {
            if let Some(status) = node.child.try_wait()? {
                bail!("the node ended with {status} before it was ready: {}", self.log_tail());
            }
            ensure!(begun.elapsed() < READY, "the node is not ready after {READY:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let said: ReadyFile = serde_json::from_slice(&std::fs::read(&ready)?)?;
        ensure!(said.pid > 0, "the node says no process id");
        node.native = format!("https://{}", said.native);
        node.operations = format!("https://{}", said.operations);
        Ok(node)
    }

    /// Where what it logs is kept.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("node.log")
    }

    /// The last lines of the log, for a failure's text.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    /// Runs a command of the shipped binary with the node's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.shipped.command(arguments);
        command.arg("--config").arg(self.path.join("amtsbote.toml"));
        command
    }

    /// Verifies the whole archive from the files; the node must have stopped.
    pub(crate) fn verify_archive(&self) -> Result<serde_json::Value> {
        let mut command = self.command(&["archive", "verify", "--offline", "-o", "json"]);
        let output = command.output().context("archive verify does not start")?;
        ensure!(
            output.status.success(),
            "archive verify --offline ended with {}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stdout).trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let last = output.stdout.split(|b| *b == b'\n').rfind(|line| !line.is_empty());
        Ok(serde_json::from_slice(last.context("archive verify said nothing")?)?)
    }
}

impl Node {
    /// Ends the process at once, as a power cut would end it for the process (SIGKILL). One that had
    /// ended before was not killed.
    pub(crate) fn kill(mut self) -> Result<()> {
        let status = self.end()?;
        ensure!(status.signal() == Some(9), "the node had ended before it was killed: {status}");
        Ok(())
    }

    /// Ends it, where another one will take its place; says how it ended.
    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Asks the process to stop (SIGTERM) and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(asked.success(), "the node could not be asked to stop");
        let begun = Instant::now();
        while begun.elapsed() < STOP {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the node stopped with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the node did not stop within {STOP:?}")
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    /// Nothing that was started here stays behind. Both fail only when it has ended already.
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
