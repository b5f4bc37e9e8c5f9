//! What people change while the hub runs: read as a whole, put in force as a whole.
//!
//! A message under way goes on with the tables that each of its steps finds: what was permitted
//! when it was judged stays so, and the way is judged again at delivery in any case.

use std::sync::{Arc, PoisonError, RwLock};

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::Rules;
use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Channel, Directory, NoWay, Way};
use amtsbote_domain::identity::ServiceUri;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::Permissions;
use amtsbote_schemas::pack::PackSet;
use amtsbote_trust::keystore::{Identity, KeyDecryptor, KeySigner};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::AlgorithmPolicy;
use amtsbote_trust::revocation::{Book, Settings};

use crate::config::{Operator, PeerConfig};
use crate::notice::OwnParty;
use crate::outlet::Outlets;
use crate::standing::{Standings, TrustRules};

/// The tables of a node as their files say, free of contradiction.
pub struct Tables {
    /// Certificate and key of both listeners.
    pub identity: Identity,
    /// Authorities whose client certificates are let in to be compared with the accounts.
    pub client_authorities: Vec<Certificate>,
    /// Anchors and what is demanded of certificates.
    pub trust: TrustRules,
    /// Where lists of revoked certificates and answers about them come from.
    pub revocation: Settings,
    /// Which algorithms and keys may be used, for what and until when.
    pub policy: Arc<AlgorithmPolicy>,
    /// Who is reachable, and which accounts there are.
    pub directory: Directory,
    /// Who may send what to whom.
    pub permissions: Permissions,
    /// How deliveries are treated.
    pub delivery: Arc<Rules>,
    /// The standards.
    pub packs: Arc<PackSet>,
    /// People who may use the operations API.
    pub operators: Vec<Operator>,
    /// Other hubs to which messages are forwarded.
    pub peers: Vec<PeerConfig>,
    /// In whose name Authors are told what became of their messages; none: they are not.
    pub writes_as: Option<OwnParty>,
    /// What the hub signs and opens messages with where it is an Intermediary; none: it is none.
    pub intermediary: Option<Intermediary>,
    /// SHA-256 over all that was read, but for keys: says in evidence which tables they are.
    pub digest: Digest,
}

/// The keys of the hub as an Intermediary: partners know it by their certificates.
#[derive(Clone)]
pub struct Intermediary {
    /// Opens what is encrypted for the hub.
    pub decryptor: Arc<KeyDecryptor>,
    /// The certificate for that.
    pub cipher: Certificate,
    /// Signs answers.
    pub signer: Arc<KeySigner>,
    /// The certificate of that key.
    pub signature: Certificate,
}

/// Reads the files of the tables again. Whoever builds a node knows where they are.
pub trait Reread: Send + Sync {
    /// All of them, or why none: what is in force then stays so.
    fn reread(&self) -> Result<Tables, NotReread>;
}

/// Why the tables could not be read again, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{en}")]
pub struct NotReread {
    /// In German.
    pub de: String,
    /// In English.
    pub en: String,
}

impl NotReread {
    /// A reason that has no German words of its own.
    pub(crate) fn english(reason: &impl std::fmt::Display) -> Self {
        let en = reason.to_string();
        Self { de: en.clone(), en }
    }

    /// The program failed while it read.
    pub(crate) fn fault() -> Self {
        Self {
            de: "Das erneute Lesen endete in einem Programmfehler.".into(),
            en: "Reading again ended in a fault of the program.".into(),
        }
    }
}

/// The tables in force.
pub struct InForce {
    /// Who is reachable, and which accounts there are.
    pub directory: Directory,
    /// Who may send what to whom.
    pub permissions: Permissions,
    /// How deliveries are treated.
    pub delivery: Arc<Rules>,
    /// The standards.
    pub packs: Arc<PackSet>,
    /// People who may use the operations API.
    pub operators: Vec<Operator>,
    /// Ways to other hubs.
    pub(crate) outlets: Outlets,
    /// Which algorithms and keys may be used, for what and until when.
    pub policy: Arc<AlgorithmPolicy>,
    /// How certificates stand.
    pub(crate) standings: Standings,
    /// Our own certificate, then its issuers.
    pub(crate) own: Vec<Certificate>,
    /// In whose name Authors are told what became of their messages; none: they are not.
    pub(crate) writes_as: Option<OwnParty>,
    /// The hub's keys as an Intermediary; none: it is none.
    pub(crate) intermediary: Option<Intermediary>,
}

impl InForce {
    /// The tables with the ways that their peers need.
    pub(crate) fn new(tables: Tables, outlets: Outlets, book: Arc<Book>) -> Self {
        let standings = Standings::new(tables.trust.clone(), tables.policy.clone(), book);
        let own = tables.identity.chain().to_vec();
        let Tables { directory, permissions, delivery, packs, operators, policy, .. } = tables;
        let (writes_as, intermediary) = (tables.writes_as, tables.intermediary);
        Self {
            directory,
            permissions,
            delivery,
            packs,
            operators,
            outlets,
            policy,
            standings,
            own,
            writes_as,
            intermediary,
        }
    }

    /// The way to `reader` at `at`, or to whoever has taken their place, with the lines that say so.
    /// An inbox keeps what it holds under the key that the message names: an account must collect
    /// for that one.
    pub(crate) fn way_to(
        &self,
        reader: &PartyId,
        service: &ServiceUri,
        test: bool,
        at: Timestamp,
    ) -> Result<(Way, Vec<Successor>), NoWay> {
        let reached = self.delivery.successors.reader_at(reader, at);
        let way = self.directory.way_to(reached.reader, service, test, at)?;
        if !reached.by.is_empty() && !is_collected(&self.directory, &way, reader) {
            return Err(NoWay::UnknownReader);
        }
        Ok((way, reached.by.into_iter().cloned().collect()))
    }

    /// The operator with this certificate.
    pub(crate) fn operator(&self, certificate: &Digest) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.certificate.fingerprint == *certificate)
    }
}

/// Whether what takes this way for `reader` is collected by somebody, or need not be.
fn is_collected(directory: &Directory, way: &Way, reader: &PartyId) -> bool {
    way.channel != Channel::Inbox
        || directory.accounts().iter().any(|account| account.may_collect_for(reader))
}

/// Holds what is in force; replaced as a whole.
pub(crate) struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// What is in force now. It stays whole for whoever holds it, even when it is replaced.
    pub(crate) fn get(&self) -> Arc<T> {
        // Whoever panicked while holding the lock left a whole value behind.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::delivery::successor::Successors;
    use amtsbote_domain::directory::Account;
    use amtsbote_domain::identity::AccountId;
    use tempfile::tempdir;

    use crate::config::DeliveryPolicy;
    use crate::testing;

    fn party(text: &str) -> PartyId {
        PartyId::parse(text).expect("a party")
    }

    #[tokio::test]
    async fn a_merged_town_is_reached_from_its_day_on() {
        let about = testing::metadata();
        let old = party("ags:05766099");
        let change: Timestamp = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let line = Successor {
            name: "test:1".to_owned(),
            old: old.clone(),
            new: about.reader.clone(),
            from: change,
            note: "TEST".to_owned(),
        };
        let successors = Successors::new(vec![line.clone()]).expect("it leads somewhere");
        let rules = Rules { successors, ..Rules::default() };
        let dir = tempdir().expect("a folder");
        let policy = DeliveryPolicy::default();
        let (hub, _stopper) = testing::hub_with(dir.path(), policy, rules, Outlets::new());
        let way = |reader, at| {
            let found = hub.tables().way_to(reader, &about.service, false, at);
            found.map(|(way, by)| (way.channel.to_string(), by))
        };
        let far = format!("peer:{}", testing::PEER);
        assert_eq!(way(&about.reader, change), Ok((far.clone(), vec![])));
        assert_eq!(way(&old, change), Ok((far, vec![line])));
        let before = change - std::time::Duration::from_secs(1);
        assert_eq!(way(&old, before), Err(NoWay::UnknownReader));
    }

    #[test]
    fn an_inbox_that_nobody_collects_from_is_no_way() {
        let account = Account {
            id: AccountId::parse("lemgo").expect("an account"),
            certificates: vec![],
            parties: vec![party("ags:1")],
            relay: false,
            legacy: None,
            grace: None,
        };
        let directory = Directory::new(vec![], vec![account]).expect("consistent");
        let way = |channel| Way { channel, opaque: false };
        let peer = Channel::Peer("far".to_owned());
        for (channel, reader, collected) in [
            (Channel::Inbox, "ags:1", true),
            (Channel::Inbox, "ags:2", false),
            (peer, "ags:2", true),
        ] {
            assert_eq!(is_collected(&directory, &way(channel), &party(reader)), collected);
        }
    }
}
