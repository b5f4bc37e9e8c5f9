//! The binary under test: the one that is shipped, started as a process. A missing or different
//! build fails; nothing is skipped for it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The shipped `amtsbote`.
#[derive(Clone, Debug)]
pub(crate) struct Shipped {
    path: PathBuf,
}

impl Shipped {
    /// `AMTSBOTE_BIN`, else the binary beside this one. It must be of the same version.
    pub(crate) fn find() -> Result<Self> {
        let path = match std::env::var_os("AMTSBOTE_BIN") {
            Some(path) => PathBuf::from(path),
            None => std::env::current_exe()?
                .parent()
                .context("this program has no folder")?
                .join("amtsbote"),
        };
        let shipped = Self { path };
        let said = shipped.run(&["version", "-o", "json"])?;
        let version: serde_json::Value = serde_json::from_slice(&said.stdout)
            .with_context(|| format!("{} says no version", shipped.path.display()))?;
        let (theirs, ours) = (&version["version"], env!("CARGO_PKG_VERSION"));
        ensure!(
            theirs == ours,
            "{} is version {theirs}, these suites are {ours}: build both together",
            shipped.path.display()
        );
        Ok(shipped)
    }

    /// A command of it, without the environment's own configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C").env("NO_COLOR", "1");
        for (name, _) in std::env::vars_os() {
            let own = name.to_string_lossy().starts_with("AMTSBOTE_");
            if own {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs it to its end, whatever that is.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.command(arguments)
            .output()
            .with_context(|| format!("{} does not start", self.path.display()))
    }

    /// Runs it and demands success.
    pub(crate) fn must(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.run(arguments)?;
        if !output.status.success() {
            bail!(
                "amtsbote {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(output.stdout)
    }
}
