//! Writing answers: signed where the order was, encrypted where it was.

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_wire::encryption::Recipient;
use amtsbote_wire::osci::dialogue::{self, Control};
use amtsbote_wire::osci::encrypted::{IvOctets, Sealing};
use amtsbote_wire::osci::mime::{Boundary, Leading, PartHead, Writer};
use amtsbote_wire::osci::signature::{
    CertificateUse, Making, Side, SignedBlock, SignedPart, certificate_id, signature_block,
};
use amtsbote_wire::osci::{
    Certificate, Enclosed, Feature, FeatureDescription, IntermediaryCertificates, Message,
    ResponseHead,
};
use amtsbote_wire::signature::DigestAlgorithm;
use openssl::hash::{MessageDigest, hash};

use super::arriving::random;
use super::says::Refusal;
use crate::tables::Intermediary;

/// The role of the hub in the identifiers of its certificates.
const ROLE: &str = "intermed";
/// What it can do, and since which version of the reference library that is there.
const FEATURES: [(&str, &str); 3] =
    [("OAEPEncryption", "1.6.0"), ("GCMPaddingModus", "1.7.0"), ("Support96Bit12ByteIV", "1.9.0")];

/// How an answer leaves.
pub(super) struct Cover<'a> {
    /// The keys of the hub.
    pub(super) own: &'a Intermediary,
    /// It is signed.
    pub(super) signed: bool,
    /// It is encrypted for this certificate.
    pub(super) seal: Option<dialogue::Certificate>,
    /// How long the initialization vector is then.
    pub(super) iv: IvOctets,
}

/// A whole message, ready to leave.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// Its octets.
    pub(super) fn into_octets(self) -> Result<Vec<u8>, Refusal> {
        Ok(self.0)
    }
}

/// An attachment that goes with an answer.
pub(super) struct Enclosure {
    /// Its name.
    pub(super) content_id: String,
    /// Its octets.
    pub(super) octets: Vec<u8>,
}

impl Cover<'_> {
    /// What is at the head of an answer with this control block.
    pub(super) fn head(&self, control: Control) -> ResponseHead {
        let der = self.own.signature.der();
        let signature = Certificate {
            id: Some(certificate_id(ROLE, CertificateUse::Signature, der)),
            der: der.to_vec(),
        };
        let certificates = IntermediaryCertificates { cipher: None, signature: Some(signature) };
        let feature = |(key, version): (&str, &str)| Feature {
            key: key.to_owned(),
            version: version.to_owned(),
        };
        ResponseHead {
            control,
            intermediary: self.signed.then_some(certificates),
            features: Some(FeatureDescription {
                features: FEATURES.map(feature).into(),
                ..FeatureDescription::default()
            }),
        }
    }

    /// The whole message. Uses a private key where it is signed: called where blocking is allowed.
    pub(super) fn write(
        &self,
        message: &Message,
        enclosed: &Enclosed,
        attachments: &[Enclosure],
    ) -> Result<Answer, Fault> {
        let draft = message.write(enclosed).map_err(ours)?;
        let signature = match self.signed {
            true => Some(self.sign(&draft, attachments)?),
            false => None,
        };
        let root = draft.finish(signature.as_deref().map(str::as_bytes));
        let inner = frame(&root, attachments)?;
        let Some(seal) = &self.seal else { return Ok(Answer(inner)) };
        let recipient = Recipient::new(seal.der()).map_err(ours)?;
        let sealing = Sealing::new(&recipient, self.iv, &mut random).map_err(ours)?;
        let mut writer = sealing.begin(Vec::new(), &mut random).map_err(ours)?;
        std::io::Write::write_all(&mut writer, &inner).map_err(ours)?;
        Ok(Answer(writer.finish().map_err(ours)?))
    }

    fn sign(
        &self,
        draft: &amtsbote_wire::osci::Draft,
        attachments: &[Enclosure],
    ) -> Result<String, Fault> {
        let digest = DigestAlgorithm::Sha256;
        let blocks = draft.blocks().map(|(id, octets)| SignedBlock::of(id, octets, digest));
        let blocks = blocks.collect::<Result<Vec<_>, _>>().map_err(ours)?;
        let digests = attachments.iter().map(|one| hash(MessageDigest::sha256(), &one.octets));
        let digests = digests.collect::<Result<Vec<_>, _>>().map_err(ours)?;
        let parts: Vec<_> = attachments
            .iter()
            .zip(&digests)
            .map(|(one, digest)| SignedPart { content_id: &one.content_id, digest })
            .collect();
        let (blocks, parts) = (&blocks[..], &parts[..]);
        let making = Making { side: Side::Supplier, role: ROLE, digest, blocks, parts };
        signature_block(&making, &**self.own.signer).map_err(ours)
    }
}

fn frame(root: &[u8], attachments: &[Enclosure]) -> Result<Vec<u8>, Fault> {
    let octets = attachments.iter().map(|one| &one.octets[..]);
    let known: Vec<&[u8]> = std::iter::once(root).chain(octets).collect();
    let boundary = Boundary::draw_beside(&mut random, &known).map_err(ours)?;
    let mut writer = Writer::new(Vec::new(), Leading::Nothing, boundary).map_err(ours)?;
    writer.begin(&PartHead::root()).map_err(ours)?;
    writer.data(root).map_err(ours)?;
    for Enclosure { content_id, octets } in attachments {
        let head = PartHead::attachment(content_id.as_str(), octets.len() as u64);
        writer.begin(&head).map_err(ours)?;
        writer.data(octets).map_err(ours)?;
    }
    writer.finish().map_err(ours)
}

/// What cannot be written is a fault of ours.
pub(super) fn ours(error: impl std::fmt::Display) -> Fault {
    tracing::error!(%error, "an answer could not be written");
    Fault::new(Code::Internal)
}
