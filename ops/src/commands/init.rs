//! `init DIR`: writes a node, complete and ready to start.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::node::region_node::Addresses;
use crate::node::{empty, region_node};
use crate::outcome::{Exit, Outcome};
use crate::ui::Ui;

/// Write a new node: configuration, keys, directory, packs
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  amtsbote init /srv/amtsbote --name rz-ostwestfalen --host hub.example.org\n  \
                  amtsbote init try --dev && amtsbote serve --config try/amtsbote.toml"
)]
pub(crate) struct Init {
    /// Folder for the node; must not exist, or be empty
    dir: PathBuf,
    /// The example region with a test CA and clients, ready to send; never for real messages
    #[arg(long, conflicts_with_all = ["name", "host"])]
    dev: bool,
    /// Name of the node, for ever part of its evidence: small letters, digits, dots, hyphens
    #[arg(long, required_unless_present = "dev")]
    name: Option<String>,
    /// Host name or address under which partners reach the node; may be repeated
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: Vec<String>,
    /// With --dev: where the native transport listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443", requires = "dev")]
    native: SocketAddr,
    /// With --dev: where the operations API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9443", requires = "dev")]
    operations: SocketAddr,
}

impl Init {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        match (&self.name, self.dev) {
            (Some(name), false) => empty::write(&self.dir, name, &self.host)?,
            _ => {
                let addresses = Addresses { native: self.native, operations: self.operations };
                region_node::write(&self.dir, addresses)?;
            }
        }
        let config = self.dir.join("amtsbote.toml");
        let shown = config.display();
        if ui.is_json() {
            ui.json(&json!({ "dir": self.dir, "config": config, "dev": self.dev }));
            return Ok(Exit::Yes);
        }
        ui.line(format!("{} {}", ui.t("Knoten angelegt:", "node written:"), self.dir.display()));
        ui.note(format!("  amtsbote serve --config {shown}"));
        if self.dev {
            let clients = self.dir.join("clients");
            let clients = clients.display();
            ui.note(format!(
                "  AMTSBOTE_CLIENT={clients}/05766044.toml amtsbote send FILE --from ags:05766044 \
                 --to ags:05766020 --service urn:amtsbote:service:xummeldung"
            ));
            ui.note(format!("  AMTSBOTE_CLIENT={clients}/operator.toml amtsbote message list"));
        } else {
            ui.note(ui.t(
                "Davor: Partner in directory.toml und permissions.toml eintragen, Betreiber und \
                 Vertrauensanker in amtsbote.toml, und den Hauptschlüssel sichern: amtsbote key \
                 backup --to DATEI",
                "Before that: enter partners in directory.toml and permissions.toml, operators and \
                 anchors in amtsbote.toml, and back up the master key: amtsbote key backup --to FILE",
            ));
        }
        Ok(Exit::Yes)
    }
}
