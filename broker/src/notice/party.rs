//! In whose name the hub writes, and whether it can.

use std::fmt;
use std::sync::Arc;

use amtsbote_domain::directory::Directory;
use amtsbote_domain::party::PartyId;
use amtsbote_trust::pem::Certificate;
use amtsbote_wire::signature::Signer;

use crate::keys::{Finding, Grade};

/// The party in whose name the hub writes to Authors.
#[derive(Clone)]
pub struct OwnParty {
    /// Its key. The directory names it with its certificate, as every Author.
    pub id: PartyId,
    /// What it signs with.
    pub signer: Arc<dyn Signer + Send + Sync>,
    /// The certificate of that key.
    pub certificate: Certificate,
}

impl fmt::Debug for OwnParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnParty").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether Authors can be told: a line of `doctor`.
pub fn finding(own: Option<&OwnParty>, directory: &Directory) -> Finding {
    let (grade, de, en) = match own {
        None => (
            Grade::Look,
            "Autoren werden nicht benachrichtigt, wenn angenommene Nachrichten nicht zugestellt werden: in \
             amtsbote.toml »party« setzen (docs/operating/notices.md)"
                .to_owned(),
            "Authors are not told when messages accepted are not delivered: set “party” in amtsbote.toml \
             (docs/operating/notices.md)"
                .to_owned(),
        ),
        Some(own) => {
            let id = &own.id;
            let fingerprint = own.certificate.trusted().fingerprint;
            let named = directory.party(id).is_some_and(|party| {
                party.certificates.iter().any(|known| known.fingerprint == fingerprint)
            });
            if named {
                (
                    Grade::Good,
                    format!("Autoren werden im Namen von {id} benachrichtigt"),
                    format!("Authors are told in the name of {id}"),
                )
            } else {
                (
                    Grade::Grave,
                    format!(
                        "Benachrichtigungen stehen aus: Das Verzeichnis nennt {id} nicht mit dem Zertifikat \
                         {fingerprint}"
                    ),
                    format!(
                        "notices cannot go out: the directory does not name {id} with the certificate \
                         {fingerprint}"
                    ),
                )
            }
        }
    };
    Finding { name: "notices", grade, de, en }
}
