//! Small C programs of ours around the libraries that we are compared with, built when the bench
//! runs: without a compiler or the library's headers that side is missing, and is said to be.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// A program, once it is built.
pub(crate) struct Built {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The version of the library.
    pub(crate) version: String,
}

impl Built {
    /// Builds `source` in `folder` as `name`, with the library that `pkg-config` knows as `package`.
    pub(crate) fn of(
        folder: &Path,
        name: &str,
        source: &str,
        package: &str,
    ) -> anyhow::Result<Self> {
        let (file, path) = (folder.join(format!("{name}.c")), folder.join(name));
        std::fs::write(&file, source)?;
        let version = said("pkg-config", &["--modversion", package])?;
        let flags = said("pkg-config", &["--cflags", "--libs", package])?;
        let built = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&path)
            .arg(&file)
            .args(flags.split_whitespace())
            .output()
            .context("cc")?;
        if !built.status.success() {
            bail!("cc: {}", String::from_utf8_lossy(&built.stderr).lines().next().unwrap_or("?"));
        }
        Ok(Self { path, version: version.trim().to_owned() })
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
