//! What a message says about itself, and the parts it has.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::identity::{MessageType, MessageUuid, ServiceUri, TransportId};
use crate::party::PartyId;

/// The metadata of a message, after XTA 2 MessageMetaData; what routing and permission look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who wrote the content (Autor).
    pub author: PartyId,
    /// Who is to read it (Leser).
    pub reader: PartyId,
    /// Who else is to read it: each has a delivery of its own, and this is one for `reader`. In the order
    /// of the envelope; at most [`MAX_READERS`] with the Reader, none of them twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_readers: Vec<PartyId>,
    /// What it is for (Dienst).
    pub service: ServiceUri,
    /// The type inside the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// The sender's id.
    pub transport_id: TransportId,
    /// `nachrichtenUUID` where the sender states it outside the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_id: Option<MessageUuid>,
    /// When the author made it.
    pub created: Timestamp,
    /// Not to be handed over before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Of no use from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Test is test (P11).
    #[serde(default)]
    pub test: bool,
}

/// Most Readers of one message: so many deliveries it makes in one transaction.
pub const MAX_READERS: usize = 64;

impl Metadata {
    /// All Readers: first the one that this is for.
    pub fn readers(&self) -> impl Iterator<Item = &PartyId> {
        std::iter::once(&self.reader).chain(&self.other_readers)
    }

    /// The same as it is for one of its Readers: the others stay in their order. None for anybody else.
    pub fn for_reader(&self, reader: &PartyId) -> Option<Self> {
        let mut others: Vec<PartyId> = self.readers().cloned().collect();
        let place = others.iter().position(|other| other == reader)?;
        let reader = others.remove(place);
        Some(Self { reader, other_readers: others, ..self.clone() })
    }
}

/// One part of a message: the payload or an attachment, as the signed envelope lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its Content-ID without angle brackets; unique in the message.
    pub cid: String,
    /// Its media type.
    pub media_type: String,
    /// Octets after transport decoding.
    pub size: u64,
    /// SHA-256 over these octets.
    pub sha256: Digest,
}

/// What validation found out. Facts only; values of the message stay out of it (P7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "content")]
pub enum ContentVerdict {
    /// Read and valid under this version of this standard.
    Valid {
        /// The name of the standard.
        standard: String,
        /// Its version.
        version: String,
        /// The type of message as the pack names it.
        message_type: String,
    },
    /// Content that the hub may not or need not read, admitted by policy.
    Opaque {
        /// Why it was not read.
        reason: OpaqueReason,
    },
}

/// Why the hub did not read the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpaqueReason {
    /// Encrypted for the reader (P6).
    Encrypted,
    /// The service carries no XML of a known standard, and its policy admits that.
    NoStandard,
}

/// What a certificate was judged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateUse {
    /// The Author's signature.
    Content,
    /// The connection of the account.
    TlsClient,
}

/// A message was accepted although the newest word about a certificate had run out: its source
/// could not be reached, and the partner's written grace held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderGrace {
    /// SHA-256 over the DER of the certificate that was judged; the link that stands under grace
    /// may be one of its issuers.
    pub certificate: Digest,
    /// What for.
    pub purpose: CertificateUse,
    /// Until when the last word was fresh.
    pub fresh_until: Timestamp,
    /// First instant after the grace.
    pub ends: Timestamp,
}

/// Who signed the envelope, and how. Where nobody signed it (which the record says), the certificate
/// by which the sender was known, and [`SignatureFacts::NONE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureFacts {
    /// SHA-256 over the DER of the signer's certificate.
    pub certificate: Digest,
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// The algorithm's URI.
    pub algorithm: String,
}

impl SignatureFacts {
    /// Stands for the algorithm where nobody signed.
    pub const NONE: &'static str = "none";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(key: &str) -> PartyId {
        PartyId::parse(&format!("ags:{key}")).expect("a party")
    }

    fn metadata(readers: &[&str]) -> Metadata {
        Metadata {
            author: party("0"),
            reader: party(readers[0]),
            other_readers: readers[1..].iter().map(|key| party(key)).collect(),
            service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
            message_type: None,
            transport_id: TransportId::parse("id-1").expect("an id"),
            business_id: None,
            created: Timestamp::UNIX_EPOCH,
            not_before: None,
            expires: None,
            test: false,
        }
    }

    #[test]
    fn each_reader_has_the_message_for_itself() {
        let all = metadata(&["1", "2", "3"]);
        for (reader, readers) in
            [("1", ["1", "2", "3"]), ("2", ["2", "1", "3"]), ("3", ["3", "1", "2"])]
        {
            assert_eq!(all.for_reader(&party(reader)), Some(metadata(&readers)), "{reader}");
        }
        assert_eq!(all.for_reader(&party("4")), None);
        assert_eq!(all.readers().count(), 3);
    }

    /// Records of one Reader are written as before there could be several.
    #[test]
    fn one_reader_is_written_without_others() {
        let text = serde_json::to_string(&metadata(&["1"])).expect("is written");
        assert!(!text.contains("other_readers"), "{text}");
        let read: Metadata = serde_json::from_str(&text).expect("is read");
        assert_eq!(read, metadata(&["1"]));
    }
}
