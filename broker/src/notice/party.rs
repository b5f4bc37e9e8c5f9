//! In whose name the hub writes, and whether it can.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::Directory;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::NoticeBacklog;
use amtsbote_trust::pem::Certificate;
use amtsbote_wire::signature::Signer;
use jiff::SignedDuration;

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

/// An intent that is due for so long is worth looking at.
const LONG: SignedDuration = SignedDuration::from_mins(15);

/// Whether Authors can be told: a line of `doctor`. What waits is known only where a hub is asked.
pub fn finding(
    own: Option<&OwnParty>,
    directory: &Directory,
    backlog: Option<&NoticeBacklog>,
    now: Timestamp,
) -> Finding {
    let (mut grade, mut de, mut en) = match own {
        None => (
            Grade::Look,
            "Autoren werden nicht benachrichtigt, wenn angenommene Nachrichten nicht zugestellt werden: in \
             amtsbote.toml »party« setzen (docs/operating/notices.md)"
                .to_owned(),
            "Authors are not told when messages accepted are not delivered: set “party” in amtsbote.toml \
             (docs/operating/notices.md)"
                .to_owned(),
        ),
        Some(own) => signs(own, directory),
    };
    if let Some(NoticeBacklog { due, since, set_aside }) = backlog {
        if *due > 0 {
            let _ok = write!(de, "; Benachrichtigungen, die warten: {due}");
            let _ok = write!(en, "; notices that wait: {due}");
        }
        if let Some(since) = since.filter(|since| now.duration_since(*since) > LONG) {
            grade = grade.max(Grade::Look);
            let _ok = write!(de, ", die älteste seit {since}");
            let _ok = write!(en, ", the oldest since {since}");
        }
        if *set_aside > 0 {
            grade = Grade::Grave;
            let _ok = write!(
                de,
                "; beiseitegelegt, weil sie in der Datenbank nicht zu lesen sind: {set_aside} (archive verify)"
            );
            let _ok = write!(
                en,
                "; set aside, because they cannot be read in the database: {set_aside} (archive verify)"
            );
        }
    }
    Finding { name: "notices", grade, de, en }
}

/// Whether the directory vouches for what the hub signs with.
fn signs(own: &OwnParty, directory: &Directory) -> (Grade, String, String) {
    let id = &own.id;
    let fingerprint = own.certificate.trusted().fingerprint;
    let named = directory.party(id).is_some_and(|party| {
        party.certificates.iter().any(|known| known.fingerprint == fingerprint)
    });
    match named {
        true => (
            Grade::Good,
            format!("Autoren werden im Namen von {id} benachrichtigt"),
            format!("Authors are told in the name of {id}"),
        ),
        false => (
            Grade::Grave,
            format!(
                "Benachrichtigungen stehen aus: Das Verzeichnis nennt {id} nicht mit dem Zertifikat \
                 {fingerprint}"
            ),
            format!(
                "notices cannot go out: the directory does not name {id} with the certificate {fingerprint}"
            ),
        ),
    }
}
