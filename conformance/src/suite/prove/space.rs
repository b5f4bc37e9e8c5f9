//! A network of its own for the far hub, where this machine allows one: a partition is then a link
//! that is down, and no program in between knows of it.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::node::Folder;
use crate::undo::{self, Pending};

/// A name space with one link to it. It goes with this value.
pub(super) struct Space {
    name: String,
    link: String,
    /// The address inside.
    pub(super) address: String,
    _undo: Pending,
}

impl Space {
    /// One; the error says why there can be none here.
    pub(super) fn make() -> Result<Self> {
        let number = std::process::id() % 250;
        let name = undo::name("space");
        run(&["netns", "add", &name])?;
        let (link, inside) = (format!("ab{number}a"), format!("ab{number}b"));
        let (its_name, its_link) = (name.clone(), link.clone());
        let _undo = undo::later("a network", move || gone(&its_name, &its_link));
        let space = Self { name, link, address: format!("10.213.{number}.2"), _undo };
        let here = format!("10.213.{number}.1/30");
        let there = format!("{}/30", space.address);
        let name = space.name.as_str();
        for arguments in [
            &["link", "add", &space.link, "type", "veth", "peer", "name", &inside, "netns", name][..],
            &["addr", "add", &here, "dev", &space.link],
            &["link", "set", &space.link, "up"],
            &["-n", name, "addr", "add", &there, "dev", &inside],
            &["-n", name, "link", "set", &inside, "up"],
            &["-n", name, "link", "set", "lo", "up"],
        ] {
            run(arguments)?;
        }
        Ok(space)
    }

    /// The same command inside; the process that is started is the same.
    pub(super) fn inside(&self, command: &Command, log: File) -> Command {
        let mut ip = Command::new("ip");
        ip.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        super::environment(command, &mut ip);
        ip.stderr(log);
        ip
    }

    /// Whether the link works.
    pub(super) fn link(&self, up: bool) -> Result<()> {
        run(&["link", "set", &self.link, if up { "up" } else { "down" }])
    }

    /// The TLS certificate of a hub that is found at this address, from its own authority.
    pub(super) fn certify(&self, folder: &Folder) -> Result<()> {
        let path = folder.path();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-subj", "/C=DE/O=Amtsbote TEST/CN=TEST Knoten", "-days", "20"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "keyUsage=critical,digitalSignature"])
            .args(["-addext", "extendedKeyUsage=serverAuth,clientAuth"])
            .arg("-addext")
            .arg(format!("subjectAltName=IP:{}", self.address))
            .arg("-CA")
            .arg(path.join("ca.pem"))
            .arg("-CAkey")
            .arg(path.join("ca/ca.key.pem"))
            .arg("-keyout")
            .arg(path.join("keys/tls.key.pem"))
            .arg("-out")
            .arg(path.join("keys/tls.cert.pem"))
            .output()
            .context("the tool openssl is needed (Debian package openssl)")?;
        ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        private(&path.join("keys/tls.key.pem"))
    }
}

/// Takes the network away, and the link to it if that was made.
fn gone(name: &str, link: &str) -> Result<()> {
    let made = Path::new("/sys/class/net").join(link).exists();
    let link = if made { run(&["link", "del", link]) } else { Ok(()) };
    link.and(run(&["netns", "del", name]))
}

fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

fn run(arguments: &[&str]) -> Result<()> {
    let done = Command::new("ip")
        .args(arguments)
        .output()
        .context("the tool ip does not start (Debian package iproute2)")?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    ensure!(done.status.success(), "ip {}: {said}", arguments.join(" "));
    Ok(())
}
