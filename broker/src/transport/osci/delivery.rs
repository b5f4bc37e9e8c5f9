//! A delivery as the pipeline takes it in: what it says in our words, and its octets.

use std::io::Read;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Party, TrustedCertificate};
use amtsbote_domain::evidence::{CameBy, SenderProof};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::{Scope, ServiceUri, Transport, TransportId};
use amtsbote_domain::message::{Metadata, OpaqueReason, Part, SignatureFacts, UnderGrace};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{ENVELOPE_CID, Pending};
use amtsbote_trust::pem::Certificate;
use amtsbote_wire::osci::dialogue::Shown;
use amtsbote_wire::osci::mime::ROOT_CONTENT_ID;
use amtsbote_wire::osci::signature::{AuthorSeal, Received, Seal};
use amtsbote_wire::osci::{ContentContainer, ContentKind, ContentPackage, StoreDelivery};
use bytes::Bytes;
use openssl::sha::sha256;

use super::spool::{Spooled, unreadable};
use crate::step::form::{Claim, Form, Ground};
use crate::step::received::{Inbound, PartHead};
use crate::tables::InForce;

/// The media type of what nothing says what it is.
const OCTETS: &str = "application/octet-stream";
/// Octets handed on at once.
const PIECE: usize = 64 << 10;

/// An attachment that has come.
pub(super) struct Attachment {
    /// Its name.
    pub(super) content_id: String,
    /// Its octets, as they are meant.
    pub(super) spooled: Spooled,
}

/// A StoreDelivery that was judged, with all that came with it.
pub(super) struct Delivery {
    root: Vec<u8>,
    payload: Bytes,
    attachments: Vec<Attachment>,
    facts: Facts,
    /// Parts begun.
    begun: usize,
    open: Option<Box<dyn Read + Send>>,
}

/// What the delivery says.
struct Facts {
    order: StoreDelivery,
    shown: Shown,
    /// Who signed the message.
    seal: Option<SignatureFacts>,
    /// Who signed the content, and all of it.
    author: Option<Result<AuthorSeal, Fault>>,
    parts: Vec<Part>,
    /// There is content that only the Reader may open.
    is_encrypted: bool,
}

impl Delivery {
    /// What `received` is for us. `root` are the octets that it was read from.
    pub(super) fn new(
        root: Vec<u8>,
        order: StoreDelivery,
        (received, seal): (&Received, Option<&Seal>),
        shown: Shown,
        attachments: Vec<Attachment>,
    ) -> Result<Self, Fault> {
        let empty = ContentPackage::default();
        let package = received.package.as_ref().unwrap_or(&empty);
        let is_encrypted = !package.encrypted.is_empty()
            || package.containers.iter().any(|container| !container.encrypted.is_empty());
        let (payload, media_type) = match inline(package) {
            Some(content) => {
                let octets = content.decode_of(&root).map_err(|_| Fault::new(Code::Internal))?;
                let media_type = media_type(&octets);
                (Bytes::from(octets), media_type)
            }
            None => (Bytes::from(body(&root, package)), OCTETS),
        };
        let mut parts = vec![Part {
            cid: ROOT_CONTENT_ID.to_owned(),
            media_type: media_type.to_owned(),
            size: payload.len() as u64,
            sha256: Digest(sha256(&payload)),
        }];
        for (n, attachment) in attachments.iter().enumerate() {
            if attachment.content_id == ENVELOPE_CID {
                let rule = "an attachment may not be called as the envelope is kept";
                let place = format!("part {}", n + 3);
                return Err(Fault::new(Code::MalformedRequest).at(place).because(rule));
            }
            parts.push(Part {
                cid: attachment.content_id.clone(),
                media_type: OCTETS.to_owned(),
                size: attachment.spooled.octets,
                sha256: attachment.spooled.sha256,
            });
        }
        let facts = Facts {
            order,
            shown,
            seal: seal.map(Seal::facts),
            author: author(package, received),
            parts,
            is_encrypted,
        };
        Ok(Self { root, payload, attachments, facts, begun: 0, open: None })
    }

    fn begin(&mut self) -> Result<Option<PartHead>, Fault> {
        let Some(part) = self.facts.parts.get(self.begun) else { return Ok(None) };
        // The payload is no attachment.
        let attachment = self.begun.checked_sub(1).and_then(|n| self.attachments.get(n));
        self.open = attachment.map(|attachment| attachment.spooled.open()).transpose()?;
        self.begun += 1;
        Ok(Some(PartHead { cid: part.cid.clone(), media_type: part.media_type.clone() }))
    }

    /// The delivery that was asked for.
    pub(super) fn order(&self) -> &StoreDelivery {
        &self.facts.order
    }
}

/// The content, where the package is one container in clear with one content in it that is not an
/// attachment.
fn inline(package: &ContentPackage) -> Option<&amtsbote_wire::osci::Base64Content> {
    let container = only(package)?;
    let mut inside = container.contents.iter().filter_map(|content| match &content.kind {
        ContentKind::Base64(octets) => Some(Some(octets)),
        ContentKind::Xml(_) => Some(None),
        ContentKind::Attachment(_) => None,
    });
    let first = inside.next()??;
    inside.next().is_none().then_some(first)
}

/// The only container, where nothing is encrypted.
fn only(package: &ContentPackage) -> Option<&ContentContainer> {
    match (&package.containers[..], package.encrypted.is_empty()) {
        ([only], true) if only.encrypted.is_empty() => Some(only),
        _ => None,
    }
}

/// The package as it stands: from its first container to its last.
fn body(root: &[u8], package: &ContentPackage) -> Vec<u8> {
    let clear = package.containers.iter().map(|container| &container.element.octets);
    let all = || clear.clone().chain(package.encrypted.iter().map(|closed| &closed.octets));
    let from = all().map(|octets| octets.start).min().unwrap_or(0);
    let until = all().map(|octets| octets.end).max().unwrap_or(0);
    let (from, until) = (usize::try_from(from).unwrap_or(0), usize::try_from(until).unwrap_or(0));
    root.get(from..until).unwrap_or_default().to_vec()
}

/// Nothing on the wire says what the octets are; XML begins like XML.
fn media_type(octets: &[u8]) -> &'static str {
    let text = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets).trim_ascii_start();
    if text.starts_with(b"<") { "application/xml" } else { OCTETS }
}

/// Who signed the content: the first signature over the whole of the only container in clear. One that
/// does not hold is a fault; nobody may pass for having signed.
fn author(package: &ContentPackage, received: &Received) -> Option<Result<AuthorSeal, Fault>> {
    let report = received.container(only(package)?)?;
    let mut whole = None;
    for signature in &report.signatures {
        match &signature.outcome {
            Err(_) => {
                let fault = Fault::new(Code::SignatureInvalid);
                return Some(Err(fault.because("a content signature does not hold")));
            }
            Ok(seal) if seal.is_whole() && whole.is_none() => whole = Some(Ok(seal.clone())),
            Ok(_) => {}
        }
    }
    whole
}

/// The party whose certificate signed the content.
fn party_of<'t>(tables: &'t InForce, seal: &AuthorSeal) -> Option<&'t Party> {
    let digest = Digest(sha256(seal.certificate()));
    let holds = |known: &TrustedCertificate| known.fingerprint == digest;
    tables.directory.parties().find(|party| party.certificates.iter().any(holds))
}

impl Facts {
    /// Who wrote it: whose certificate signed the content, else the account's only party.
    fn author<'t>(&self, ground: &Ground<'t>) -> Result<(PartyId, Option<&'t Party>), Fault> {
        let seal = match &self.author {
            Some(Err(fault)) => return Err(fault.clone()),
            Some(Ok(seal)) => Some(seal),
            None => None,
        };
        let party = seal.and_then(|seal| party_of(ground.tables, seal));
        match (party, &ground.account.parties[..]) {
            (Some(party), _) => Ok((party.id.clone(), Some(party))),
            (None, [only]) => Ok((only.clone(), None)),
            (None, _) => Err(Fault::new(Code::AccountNotForAuthor)),
        }
    }

    /// For whom it is: who holds the certificate of the Addressee.
    fn reader<'t>(&self, ground: &Ground<'t>) -> Result<&'t Party, Fault> {
        let certificates = self.order.head.certificates.as_ref();
        let addressee = certificates.and_then(|all| all.cipher_addressee.as_ref());
        let unknown = || Fault::new(Code::UnknownReader);
        let addressee = addressee.ok_or_else(unknown)?;
        let found = ground.tables.directory.reader(&Digest(sha256(&addressee.der)));
        let (party, certificate) = found.ok_or_else(unknown)?;
        match certificate.validity.holds(ground.arrival) {
            true => Ok(party),
            false => Err(Fault::new(Code::CertificateNotValid).because("the Reader's certificate")),
        }
    }

    /// How the certificates stand that speak for it.
    fn standing(
        &self,
        ground: &Ground<'_>,
        author: Option<&Party>,
    ) -> Result<Option<UnderGrace>, Fault> {
        let Ground { tables, account, arrival } = *ground;
        let sender = match &self.seal {
            Some(seal) => {
                let (partner, _) = tables
                    .directory
                    .signing_partner(&seal.certificate)
                    .ok_or_else(|| Fault::new(Code::SignerNotTrusted))?;
                let known = partner.signature.iter();
                let known = known.clone().find(|known| known.fingerprint == seal.certificate);
                let known = known.ok_or_else(|| Fault::new(Code::SignerNotTrusted))?;
                tables.standings.sender(account, known, arrival)?
            }
            None => None,
        };
        let (Some(party), Some(Ok(seal))) = (author, &self.author) else { return Ok(sender) };
        let digest = Digest(sha256(seal.certificate()));
        Ok(tables.standings.author(party, &digest, arrival)?.or(sender))
    }

    /// Who signed the message, else by which certificate its sender was known.
    fn signature(&self) -> Result<SignatureFacts, Fault> {
        if let Some(seal) = &self.seal {
            return Ok(seal.clone());
        }
        let certificates = self.order.head.certificates.as_ref();
        let cipher = certificates.and_then(|all| all.cipher_originator.as_ref());
        let cipher = cipher.ok_or_else(|| Fault::new(Code::SignatureMissing))?;
        let certificate =
            Certificate::from_der(&cipher.der).map_err(|_| Fault::new(Code::SignerNotTrusted))?;
        Ok(SignatureFacts {
            certificate: certificate.fingerprint(),
            subject: certificate.subject().to_owned(),
            algorithm: SignatureFacts::NONE.to_owned(),
        })
    }
}

/// What it is for: nothing on the wire says so. The one service that the Reader opens for content of no
/// known standard.
fn service(reader: &Party, ground: &Ground<'_>) -> Result<ServiceUri, Fault> {
    let open = |service: &&amtsbote_domain::directory::Service| {
        service.opaque && service.validity.holds(ground.arrival)
    };
    let mut open = reader.services.iter().filter(open);
    match (open.next(), open.next()) {
        (Some(only), None) => Ok(only.uri.clone()),
        (None, _) => Err(Fault::new(Code::ServiceNotOffered)),
        (Some(_), Some(_)) => {
            let why = "the directory opens two services of this Reader for such content";
            Err(Fault::new(Code::ServiceNotOffered).because(why))
        }
    }
}

impl Form for Facts {
    /// It was read with its signature, before anything was kept.
    fn read(&mut self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn claim(&mut self, _: &[u8], ground: &Ground<'_>) -> Result<Claim, Fault> {
        let (author, party) = self.author(ground)?;
        let reader = self.reader(ground)?;
        // Only what we gave out ourselves is text that can be an id.
        let id = self.order.message_id.as_text().and_then(|text| TransportId::parse(text).ok());
        let metadata = Metadata {
            author,
            reader: reader.id.clone(),
            other_readers: vec![],
            service: service(reader, ground)?,
            message_type: None,
            transport_id: id.ok_or_else(|| Fault::new(Code::IdNotIssued))?,
            business_id: None,
            created: ground.arrival,
            not_before: None,
            expires: None,
            test: false,
        };
        let came_by = CameBy {
            transport: Transport::Intermediary,
            sender: match self.shown {
                Shown::Signed { .. } => SenderProof::Signed,
                Shown::Sealed => SenderProof::Sealed,
                Shown::Claimed => SenderProof::Claimed,
            },
            author: match &self.author {
                Some(Ok(seal)) => Some(seal.facts()),
                _ => None,
            },
        };
        Ok(Claim {
            alone: None,
            metadata,
            parts: self.parts.clone(),
            scope: Scope::Account,
            issued: true,
            signature: self.signature()?,
            standing: self.standing(ground, party),
            came_by: Some(Box::new(came_by)),
            closed: self.is_encrypted.then_some(OpaqueReason::Encrypted),
        })
    }
}

impl Inbound for Delivery {
    /// The root part, as it was decrypted. How large it may be was asked when it came.
    fn envelope(&mut self, _limit: u64) -> Pending<'_, Result<Vec<u8>, Fault>> {
        Box::pin(async { Ok(std::mem::take(&mut self.root)) })
    }

    fn next_part(&mut self) -> Pending<'_, Result<Option<PartHead>, Fault>> {
        Box::pin(std::future::ready(self.begin()))
    }

    fn chunk(&mut self) -> Pending<'_, Result<Option<Bytes>, Fault>> {
        Box::pin(async {
            let Some(open) = &mut self.open else {
                let piece = self.payload.split_to(self.payload.len().min(PIECE));
                return Ok((!piece.is_empty()).then_some(piece));
            };
            let mut piece = vec![0; PIECE];
            let count = tokio::task::block_in_place(|| open.read(&mut piece));
            piece.truncate(count.map_err(unreadable)?);
            Ok((!piece.is_empty()).then(|| piece.into()))
        })
    }

    fn announced(&self) -> Option<u64> {
        None
    }

    fn form(&mut self) -> &mut dyn Form {
        &mut self.facts
    }
}
