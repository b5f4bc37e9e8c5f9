//! What the node's directory and permissions must say so that the parties of the messages are
//! admitted: invented entries, held by the keys of two towns of the example region.

use std::collections::{BTreeMap, BTreeSet};

use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Message;

/// The town whose system sends for every author, and the one that collects for every reader.
pub(super) const SENDER: &str = "05766044";
pub(super) const RECIPIENT: &str = "05766020";

/// A standard of the corpus that the node has a pack for.
pub(super) struct Standard {
    /// Its folder in the corpus, and its pack's.
    pub(super) folder: &'static str,
    /// What its readers offer.
    pub(super) service: &'static str,
    /// Its messages carry `test`, so its readers are test systems (P11).
    pub(super) test: bool,
}

pub(super) const STANDARDS: [Standard; 2] = [WATER, PLANNING];
pub(super) const WATER: Standard =
    Standard { folder: "xwasser", service: "urn:amtsbote:service:xwasser", test: true };
pub(super) const PLANNING: Standard =
    Standard { folder: "xbeteiligung", service: "urn:amtsbote:service:xbeteiligung", test: false };
/// Offered by the same readers as [`WATER`], in production.
pub(super) const WATER_IN_PRODUCTION: &str = "urn:amtsbote:service:xwasser-wirkbetrieb";

/// Whom the directory must know.
#[derive(Default)]
pub(super) struct Parties {
    authors: BTreeSet<PartyId>,
    offers: BTreeMap<PartyId, BTreeSet<(&'static str, bool)>>,
}

impl Parties {
    pub(super) fn admit(&mut self, standard: &Standard, messages: &[Message<'_>]) -> Result<()> {
        for message in messages {
            let Some((author, reader)) = message.parties()? else { continue };
            self.authors.insert(author);
            let offers = self.offers.entry(reader).or_default();
            offers.insert((standard.service, standard.test));
            if standard.test {
                offers.insert((WATER_IN_PRODUCTION, false));
            }
        }
        Ok(())
    }

    /// Authors sign with the sender's key; both sides speak through the towns' accounts.
    pub(super) fn enter(&self, directory: &mut Table) -> Result<()> {
        let parties = array(directory, "party")?;
        for id in self.authors.iter().chain(self.offers.keys()).collect::<BTreeSet<_>>() {
            let mut party = Table::new();
            party.insert("id".to_owned(), id.as_str().into());
            party.insert("name".to_owned(), "Behörde aus dem Korpus".into());
            if self.authors.contains(id) {
                let certificate = format!("certs/{SENDER}-sig.pem");
                party.insert("certificates".to_owned(), Value::Array(vec![certificate.into()]));
            }
            let offered = self.offers.get(id).into_iter().flatten();
            let services = offered.map(|(uri, test)| {
                let mut service = Table::new();
                service.insert("uri".to_owned(), (*uri).into());
                service.insert("via".to_owned(), "inbox".into());
                service.insert("test".to_owned(), (*test).into());
                Value::Table(service)
            });
            party.insert("service".to_owned(), Value::Array(services.collect()));
            parties.push(Value::Table(party));
        }
        let accounts = array(directory, "account")?;
        join(accounts, SENDER, self.authors.iter())?;
        join(accounts, RECIPIENT, self.offers.keys())
    }
}

/// Lets a town's account act for more parties.
fn join<'a>(
    accounts: &mut [Value],
    town: &str,
    parties: impl Iterator<Item = &'a PartyId>,
) -> Result<()> {
    let name = format!("verfahren-{town}");
    let account = accounts.iter_mut().find(|account| account["id"].as_str() == Some(&name));
    let account = account.and_then(Value::as_table_mut).context("the town has no account")?;
    array(account, "parties")?.extend(parties.map(|party| Value::from(party.as_str())));
    Ok(())
}

pub(super) fn permit_all(permissions: &mut Table) -> Result<()> {
    let services = STANDARDS.map(|standard| standard.service);
    for service in services.into_iter().chain([WATER_IN_PRODUCTION]) {
        let mut rule = Table::new();
        for (key, value) in [("from", "*"), ("to", "*"), ("service", service)] {
            rule.insert(key.to_owned(), value.into());
        }
        array(permissions, "allow")?.push(Value::Table(rule));
    }
    Ok(())
}

fn array<'a>(table: &'a mut Table, key: &str) -> Result<&'a mut Vec<Value>> {
    table.get_mut(key).and_then(Value::as_array_mut).with_context(|| format!("no {key}"))
}
