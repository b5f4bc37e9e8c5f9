//! Two hubs for many parties: senders at the first, readers at both.

use std::path::Path;
use std::sync::Arc;

use amtsbote_domain::party::PartyId;
use anyhow::Result;
use toml::Table;

use super::script::FREE;
use crate::history::At;
use crate::node::{Folder, Node};
use crate::suite::Settings;
use crate::suite::relay::{Pair, array, party};
use crate::town::{SERVICE, Town};

/// Who writes. The first may also be sent for by the account of the last.
pub(super) const AUTHORS: [&str; 4] = ["05766044", "05758012", "05770032", "05766008"];
/// The town whose account may also act for the first author.
const OTHER_ACCOUNT: &str = "05766040";
/// Who reads at the first hub, ...
const HERE: [&str; 4] = ["05766044", "05758012", "05770032", "05766064"];
/// ... and who at the next.
const THERE: [&str; 2] = ["05766020", "05766028"];
/// Deliveries under way to the next hub at the same time are half of these.
const PARALLEL: i64 = 16;

/// Both hubs' folders.
pub(super) struct Ground {
    pub(super) pair: Pair,
}

/// Who takes part.
pub(super) struct People {
    /// Authors, in the order of [`AUTHORS`].
    pub(super) authors: Vec<Arc<Town>>,
    /// The other account of the first one.
    pub(super) other_account: Arc<Town>,
    /// Readers, with their hub.
    pub(super) readers: Vec<(At, Arc<Town>)>,
}

impl Ground {
    /// Writes both.
    pub(super) fn init(settings: &Settings, scratch: &Path) -> Result<Self> {
        let pair = Pair::init(settings, scratch, None)?;
        let free = |via: &str| -> Result<Vec<toml::Value>> {
            let service = |(uri, opaque): (&str, bool)| -> Result<toml::Value> {
                Ok(toml::from_str::<Table>(&format!(
                    "uri = \"{uri}\"\nvia = \"{via}\"\nopaque = {opaque}\n"
                ))?
                .into())
            };
            [(SERVICE, false), (FREE[0], true), (FREE[1], true)].into_iter().map(service).collect()
        };
        for (folder, there) in [(&pair.near, "peer:far"), (&pair.far, "inbox")] {
            folder.edit("directory.toml", |table| {
                let all = HERE.iter().map(|ags| (ags, "inbox"));
                for (ags, via) in all.chain(THERE.iter().map(|ags| (ags, there))) {
                    party(table, &format!("ags:{ags}"))?
                        .insert("service".into(), free(via)?.into());
                }
                Ok(())
            })?;
            folder.edit("permissions.toml", |table| {
                for uri in FREE {
                    let rule: Table = toml::from_str(&format!(
                        "from = \"ags:*\"\nto = \"ags:*\"\nservice = \"{uri}\"\n"
                    ))?;
                    array(table, "allow")?.push(rule.into());
                }
                Ok(())
            })?;
        }
        pair.near.edit("amtsbote.toml", |table| {
            if let Some(delivery) = table.get_mut("delivery").and_then(toml::Value::as_table_mut) {
                delivery.insert("parallel".into(), PARALLEL.into());
                // Slow machines are no faults here.
                delivery.insert("lease_ms".into(), 90_000.into());
                delivery.insert("attempt_ms".into(), 60_000.into());
            }
            Ok(())
        })?;
        pair.near.edit("directory.toml", |table| {
            let id = format!("verfahren-{OTHER_ACCOUNT}");
            let accounts =
                array(table, "account")?.iter_mut().filter_map(toml::Value::as_table_mut);
            for account in accounts.filter(|account| account["id"].as_str() == Some(&id)) {
                array(account, "parties")?.push(format!("ags:{}", AUTHORS[0]).into());
            }
            Ok(())
        })?;
        let near = pair.near.path().to_owned();
        pair.far.edit("directory.toml", |table| {
            for ags in &AUTHORS[1..] {
                let signer = near.join(format!("certs/{ags}-sig.pem")).display().to_string();
                array(party(table, &format!("ags:{ags}"))?, "certificates")?.push(signer.into());
            }
            Ok(())
        })?;
        Ok(Self { pair })
    }

    /// Clients of both.
    pub(super) fn people(&self, near: &Node, far: &Node) -> Result<People> {
        let load = |folder: &Folder, node: &Node, ags: &str| -> Result<Arc<Town>> {
            Ok(Arc::new(Town::load(folder.path(), ags, &node.native)?))
        };
        let here = |ags: &str| load(&self.pair.near, near, ags);
        let there = |ags: &str| load(&self.pair.far, far, ags);
        let authors: Result<Vec<_>> = AUTHORS.iter().map(|ags| here(ags)).collect();
        let mut readers = Vec::new();
        for ags in HERE {
            readers.push((At::First, here(ags)?));
        }
        for ags in THERE {
            readers.push((At::Next, there(ags)?));
        }
        Ok(People { authors: authors?, other_account: here(OTHER_ACCOUNT)?, readers })
    }
}

impl People {
    /// The parties of the authors.
    pub(super) fn writing(&self) -> Vec<PartyId> {
        self.authors.iter().map(|town| town.party.clone()).collect()
    }

    /// The parties of the readers, with their hub.
    pub(super) fn reading(&self) -> Vec<(At, PartyId)> {
        self.readers.iter().map(|(at, town)| (*at, town.party.clone())).collect()
    }
}
