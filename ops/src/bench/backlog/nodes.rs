//! The nodes of `bench backlog`, of one region and one authority: one that the messages wait in, one
//! that they wait for, and one where nothing waits.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::bench::raise_limits;
use crate::node::region::{Region, Town};
use crate::node::region_node::{self, Addresses};
use crate::outcome::{Context, Failure};

/// Under which name the first node knows the one that its messages wait for.
pub(super) const PEER: &str = "far";

/// The breaker soon finds out that the peer has returned; how fast the backlog drains then is the
/// default.
const RULES: &str = "[[recipient]]\npeer = \"far\"\n[recipient.breaker]\nfirst_pause_ms = 500\nlongest_pause_ms = 2000\n";

/// The folders, and where the peer will listen.
pub(super) struct Nodes {
    /// Where messages wait.
    pub(super) near: PathBuf,
    /// Where they are to go.
    pub(super) far: PathBuf,
    /// Where nothing waits.
    pub(super) empty: PathBuf,
    /// The address of `far`, where nobody listens yet.
    pub(super) far_address: SocketAddr,
    pub(super) region: Region,
}

impl Nodes {
    /// Writes them below `folder`.
    pub(super) fn write(folder: &Path) -> Result<Self, Failure> {
        let [near, far, empty] = ["near", "far", "empty"].map(|name| folder.join(name));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        region_node::write(&near, Addresses { native: any, operations: any })?;
        raise_limits(&near)?;
        copy(&near, &far)?;
        copy(&near, &empty)?;
        let free = TcpListener::bind(any).and_then(|socket| socket.local_addr());
        let far_address = free.or_not_now("ein freier Port", "a free port")?;
        let nodes = Self { near, far, empty, far_address, region: Region::read()? };
        nodes.lead_away()?;
        Ok(nodes)
    }

    /// Who writes, and who is to read what waits.
    pub(super) fn towns(&self) -> [&Town; 2] {
        [&self.region.towns[0], &self.region.towns[2]]
    }

    /// What is for the Reader goes by the peer; the Author's own certificate opens its door.
    fn lead_away(&self) -> Result<(), Failure> {
        let [author, reader] = self.towns();
        let path = self.near.join("directory.toml");
        let text = fs::read_to_string(&path).or_not_now_at(&path)?;
        let mut table: toml::Table = toml::from_str(&text).or_not_now_at(&path)?;
        let parties = table.get_mut("party").and_then(toml::Value::as_array_mut);
        let wanted = reader.party();
        let via = parties.into_iter().flatten().find_map(|party| {
            let is_reader = party.get("id").and_then(toml::Value::as_str) == Some(&wanted);
            party.get_mut("service").filter(|_| is_reader)?.get_mut(0)?.get_mut("via")
        });
        let via = via.ok_or_else(|| {
            Failure::not_now("Der Leser fehlt im Verzeichnis.", "The Reader has no entry.")
        })?;
        *via = format!("peer:{PEER}").into();
        let text = toml::to_string(&table).or_not_now_at(&path)?;
        fs::write(&path, text).or_not_now_at(&path)?;

        let path = self.near.join("delivery.toml");
        fs::write(&path, RULES).or_not_now_at(&path)?;
        let path = self.near.join("amtsbote.toml");
        let text = fs::read_to_string(&path).or_not_now_at(&path)?;
        let (address, key) = (self.far_address, &author.ags);
        let peer = format!(
            "\n[delivery]\nrules = \"delivery.toml\"\n\n[[peer]]\nname = \"{PEER}\"\n\
             url = \"https://{address}\"\nauthority = \"ca.pem\"\n\
             certificate = \"clients/{key}-tls.cert.pem\"\nkey = \"clients/{key}-tls.key.pem\"\n"
        );
        fs::write(&path, text + &peer).or_not_now_at(&path)
    }
}

/// Copies a folder with what is in it; who may read it stays as it was.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir(to).or_not_now_at(to)?;
    for entry in fs::read_dir(from).or_not_now_at(from)? {
        let entry = entry.or_not_now_at(from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match source.is_dir() {
            true => copy(&source, &target)?,
            false => drop(fs::copy(&source, &target).or_not_now_at(&source)?),
        }
    }
    let permissions = fs::metadata(from).or_not_now_at(from)?.permissions();
    fs::set_permissions(to, permissions).or_not_now_at(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::node::NodeFile;
    use crate::config::node::Overrides;

    #[test]
    fn all_three_can_be_served() {
        let folder = tempfile::tempdir().expect("a folder");
        let nodes = Nodes::write(folder.path()).expect("written");
        for node in [&nodes.near, &nodes.far, &nodes.empty] {
            let file = NodeFile::read(&node.join("amtsbote.toml")).expect("it reads");
            let config = file.build(Overrides::default()).expect("no contradiction");
            assert_eq!(config.tables.peers.len(), usize::from(node == &nodes.near));
        }
    }
}
