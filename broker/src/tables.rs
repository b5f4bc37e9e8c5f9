//! What people change while the hub runs: read as a whole, put in force as a whole.
//!
//! A message under way goes on with the tables that each of its steps finds: what was permitted
//! when it was judged stays so, and the way is judged again at delivery in any case.

use std::sync::{Arc, PoisonError, RwLock};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Directory;
use amtsbote_domain::policy::Permissions;
use amtsbote_schemas::pack::PackSet;
use amtsbote_trust::keystore::Identity;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::AlgorithmPolicy;
use amtsbote_trust::revocation::{Book, Settings};

use crate::config::{Operator, PeerConfig};
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
    /// The standards.
    pub packs: Arc<PackSet>,
    /// People who may use the operations API.
    pub operators: Vec<Operator>,
    /// Other hubs to which messages are forwarded.
    pub peers: Vec<PeerConfig>,
    /// SHA-256 over all that was read, but for keys: says in evidence which tables they are.
    pub digest: Digest,
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
}

impl InForce {
    /// The tables with the ways that their peers need.
    pub(crate) fn new(tables: Tables, outlets: Outlets, book: Arc<Book>) -> Self {
        let standings = Standings::new(tables.trust.clone(), tables.policy.clone(), book);
        let own = tables.identity.chain().to_vec();
        let Tables { directory, permissions, packs, operators, policy, .. } = tables;
        Self { directory, permissions, packs, operators, outlets, policy, standings, own }
    }

    /// The operator with this certificate.
    pub(crate) fn operator(&self, certificate: &Digest) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.certificate.fingerprint == *certificate)
    }
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
