//! Messages with one known flaw each, made from a good one, and the codes a hub must refuse them
//! with. For the demo, the suites and, later, the vendor's sandbox: they must be real messages,
//! with real signatures, wrong in exactly one point.

use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::ServiceUri;
use amtsbote_domain::message::{Metadata, Part};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::ENVELOPE_CID;
use amtsbote_wire::native::digest::sha256;
use amtsbote_wire::native::envelope::{Unwritable, write_signed};
use amtsbote_wire::native::multipart::{BadFraming, PartHeaders, TransferEncoding, Writer};
use amtsbote_wire::signature::Signer;
use jiff::Timestamp;

/// The content-id of the payload in messages made here.
pub const PAYLOAD_CID: &str = "payload.xml";

/// A message as its Author means it.
pub struct Draft<'a> {
    /// What it says about itself.
    pub metadata: Metadata,
    /// Makes the content that goes with the metadata: its header names the same Author, Reader
    /// and ids.
    pub content: &'a dyn Fn(&Metadata) -> Vec<u8>,
}

/// A message as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wired {
    /// The signed envelope.
    pub envelope: Vec<u8>,
    /// Content-id, media type and octets of every part, in order.
    pub parts: Vec<(String, String, Vec<u8>)>,
}

impl Wired {
    /// The whole as a request body: its `Content-Type`, then its octets. Parts here are small.
    pub fn body(&self, boundary: &str) -> Result<(String, Vec<u8>), BadFraming> {
        let head = |cid: &str, media_type: &str| PartHeaders {
            content_id: cid.to_owned(),
            content_type: media_type.to_owned(),
            transfer_encoding: TransferEncoding::Binary,
        };
        let mut framed = vec![(head(ENVELOPE_CID, "application/xml"), self.envelope.len() as u64)];
        let parts = self.parts.iter();
        framed.extend(parts.map(|(cid, kind, octets)| (head(cid, kind), octets.len() as u64)));
        let writer = Writer::new(boundary, &framed)?;
        let mut body = [writer.heads()[0].as_slice(), &self.envelope].concat();
        for ((_, _, octets), head) in self.parts.iter().zip(&writer.heads()[1..]) {
            body.extend_from_slice(head);
            body.extend_from_slice(octets);
        }
        body.extend_from_slice(writer.tail());
        Ok((writer.content_type().to_owned(), body))
    }
}

impl Draft<'_> {
    /// The good message: content, envelope, signature.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Wired, Unwritable> {
        wire(&self.metadata, (self.content)(&self.metadata), signer)
    }

    /// The good message with an attachment: its content-id and octets.
    pub fn sign_with(
        &self,
        cid: &str,
        octets: Vec<u8>,
        signer: &dyn Signer,
    ) -> Result<Wired, Unwritable> {
        let attachment = (cid.to_owned(), "application/octet-stream".to_owned(), octets);
        let payload = payload((self.content)(&self.metadata));
        wire_parts(&self.metadata, vec![payload, attachment], signer)
    }
}

fn payload(octets: Vec<u8>) -> (String, String, Vec<u8>) {
    (PAYLOAD_CID.to_owned(), "application/xml".to_owned(), octets)
}

fn wire(metadata: &Metadata, octets: Vec<u8>, signer: &dyn Signer) -> Result<Wired, Unwritable> {
    wire_parts(metadata, vec![payload(octets)], signer)
}

fn wire_parts(
    metadata: &Metadata,
    parts: Vec<(String, String, Vec<u8>)>,
    signer: &dyn Signer,
) -> Result<Wired, Unwritable> {
    let listed = parts.iter().map(|(cid, media_type, octets)| Part {
        cid: cid.clone(),
        media_type: media_type.clone(),
        size: octets.len() as u64,
        sha256: sha256(octets),
    });
    let envelope = write_signed(metadata, &listed.collect::<Vec<_>>(), signer)?;
    Ok(Wired { envelope, parts })
}

macro_rules! flaws {
    ($($(#[doc = $doc:literal])* $flaw:ident $name:literal [$($code:ident)|+];)*) => {
        /// What can be wrong with a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Flaw {
            $($(#[doc = $doc])* $flaw,)*
        }

        impl Flaw {
            /// Every flaw.
            pub const ALL: &'static [Flaw] = &[$(Flaw::$flaw),*];

            /// Its name, for tables and scripts.
            pub fn name(self) -> &'static str {
                match self { $(Flaw::$flaw => $name,)* }
            }

            /// The codes with which a hub may refuse it.
            pub fn codes(self) -> &'static [Code] {
                match self { $(Flaw::$flaw => &[$(Code::$code),+],)* }
            }
        }
    };
}

flaws! {
    /// The content's last end tag is cut off.
    NotWellFormed "not-well-formed" [ContentNotWellFormed];
    /// The content holds an element that its schema does not know.
    SchemaInvalid "schema-invalid" [ContentInvalid];
    /// The content has a document type declaration with an entity.
    Entity "entity" [XmlLimit];
    /// The content is nested deeper than any reader should follow.
    DeeplyNested "deeply-nested" [XmlLimit];
    /// The content is said to be UTF-8 and is not.
    WrongEncoding "wrong-encoding" [ContentNotWellFormed];
    /// The content belongs to no standard.
    UnknownStandard "unknown-standard" [UnknownStandard];
    /// One character of the signature's value differs.
    BadSignature "bad-signature" [SignatureInvalid];
    /// The signed envelope hides inside the signature of a forged one.
    WrappedSignature "wrapped-signature" [EnvelopeInvalid | SignatureInvalid | SignatureCoverage | SignatureMissing];
    /// The envelope names another Reader than the one that was signed.
    TamperedEnvelope "tampered-envelope" [SignatureInvalid];
    /// One octet of the content differs from what was signed.
    TamperedPayload "tampered-payload" [PartMismatch];
    /// There is no signature.
    Unsigned "unsigned" [SignatureMissing];
    /// The envelope breaks off.
    BrokenEnvelope "broken-envelope" [EnvelopeNotWellFormed];
    /// No rule permits the service.
    NotPermitted "not-permitted" [NotPermitted];
    /// The directory does not know the Reader.
    UnknownReader "unknown-reader" [UnknownReader];
    /// It expired before it arrived.
    Expired "expired" [ExpiredAtArrival];
    /// The payload that the envelope names is not there.
    PartMissing "part-missing" [PartMissing | PartMismatch];
    /// There is a part that the envelope does not name.
    PartTooMany "part-too-many" [PartMissing];
}

/// A service that no permission of the example region names.
pub const UNPERMITTED_SERVICE: &str = "urn:amtsbote:service:nicht-erlaubt";
/// A key that fits the permissions of the example region and stands in no directory.
pub const UNKNOWN_READER: &str = "ags:05766999";

impl Flaw {
    /// The message with this flaw and no other.
    pub fn apply(self, mut draft: Draft<'_>, signer: &dyn Signer) -> Result<Wired, Unwritable> {
        self.prepare(&mut draft.metadata);
        let content = self.content((draft.content)(&draft.metadata));
        let mut wired = wire(&draft.metadata, content, signer)?;
        self.spoil(&mut wired);
        Ok(wired)
    }

    /// Flaws that the Author signs.
    fn prepare(self, metadata: &mut Metadata) {
        match self {
            Self::NotPermitted => {
                metadata.service =
                    ServiceUri::parse(UNPERMITTED_SERVICE).expect("the constant is a service");
            }
            Self::UnknownReader => {
                metadata.reader = PartyId::parse(UNKNOWN_READER).expect("the constant is a party");
            }
            Self::Expired => metadata.expires = Some(Timestamp::UNIX_EPOCH),
            _ => {}
        }
    }

    /// Flaws of the content, before it is signed.
    fn content(self, content: Vec<u8>) -> Vec<u8> {
        let last_end_tag = content.windows(2).rposition(|pair| pair == b"</").unwrap_or(0);
        let (body, end) = content.split_at(last_end_tag);
        match self {
            Self::NotWellFormed => body.to_vec(),
            Self::SchemaInvalid => [body, b"<unbekannt xmlns=\"\"/>", end].concat(),
            Self::Entity => {
                let root = after_declaration(&content);
                let doctype = b"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]>\n";
                [&content[..root], doctype, &content[root..]].concat()
            }
            Self::DeeplyNested => {
                let (open, close) = ("<a>".repeat(5_000), "</a>".repeat(5_000));
                [body, open.as_bytes(), close.as_bytes(), end].concat()
            }
            Self::WrongEncoding => [body, b"\xE4\xF6\xFC", end].concat(),
            Self::UnknownStandard => b"<x xmlns=\"urn:example:no-standard\"/>".to_vec(),
            _ => content,
        }
    }

    /// Flaws that come after signing: what happens on the way, or what an attacker does.
    fn spoil(self, wired: &mut Wired) {
        match self {
            Self::BadSignature => wired.envelope = flip_signature_value(&wired.envelope),
            Self::WrappedSignature => wired.envelope = wrap(&wired.envelope),
            Self::TamperedEnvelope => {
                wired.envelope =
                    edit(&wired.envelope, |text| replace_content(text, "Reader", UNKNOWN_READER));
            }
            Self::TamperedPayload => {
                let payload = &mut wired.parts[0].2;
                let middle = payload.len() / 2;
                payload[middle] ^= 1;
            }
            Self::Unsigned => {
                wired.envelope = edit(&wired.envelope, |text| {
                    let (start, end) = signature(text);
                    format!("{}{}", &text[..start], &text[end..])
                });
            }
            Self::BrokenEnvelope => wired.envelope.truncate(wired.envelope.len() / 2),
            Self::PartMissing => wired.parts.clear(),
            Self::PartTooMany => {
                let extra = ("extra".to_owned(), "text/plain".to_owned(), b"x".to_vec());
                wired.parts.push(extra);
            }
            _ => {}
        }
    }
}

/// Where the root element, or what stands before it, begins.
fn after_declaration(content: &[u8]) -> usize {
    if !content.starts_with(b"<?xml") {
        return 0;
    }
    content.windows(2).position(|pair| pair == b"?>").map_or(0, |at| at + 2)
}

/// What is written here is UTF-8: the envelope comes from our own writer.
fn edit(envelope: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    change(&String::from_utf8_lossy(envelope)).into_bytes()
}

/// Where the element `Signature` stands, from its start tag to behind its end tag.
fn signature(text: &str) -> (usize, usize) {
    let start = text
        .match_indices("Signature")
        .find_map(|(at, _)| {
            let tag = text[..at].rfind('<')?;
            (!text[tag..at].contains(['/', '>', ' '])).then_some(tag)
        })
        .unwrap_or(text.len());
    let end = text.rfind("Signature>").map_or(start, |at| at + "Signature>".len());
    (start, end.max(start))
}

/// Exchanges the content of the first element with this local name.
fn replace_content(text: &str, local: &str, content: &str) -> String {
    let open = text.find(&format!("{local}>")).map(|at| at + local.len() + 1);
    let Some(open) = open else { return text.to_owned() };
    let close = text[open..].find("</").map_or(text.len(), |at| open + at);
    format!("{}{content}{}", &text[..open], &text[close..])
}

/// Exchanges one character of the signature's value for another of the base64 alphabet.
fn flip_signature_value(envelope: &[u8]) -> Vec<u8> {
    edit(envelope, |text| {
        let Some(at) =
            text.find("SignatureValue").and_then(|at| Some(at + text[at..].find('>')? + 1))
        else {
            return text.to_owned();
        };
        let at = at + text[at..].find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(0);
        let other = if text[at..].starts_with('A') { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    })
}

/// Signature wrapping: a forged envelope outside, the signed one inside an `Object` of its own
/// signature, where a careless verifier still finds it.
fn wrap(envelope: &[u8]) -> Vec<u8> {
    edit(envelope, |text| {
        let root = text.find("<Envelope").or_else(|| text.find(":Envelope")).unwrap_or(0);
        let original = &text[root..];
        let forged = replace_content(text, "Reader", UNKNOWN_READER);
        let (start, end) = signature(&forged);
        let tag_end = forged[start..end].rfind("</").map_or(end, |at| start + at);
        let prefix = forged[start + 1..].split("Signature").next().unwrap_or_default();
        format!(
            "{}<{prefix}Object>{original}</{prefix}Object>{}",
            &forged[..tag_end],
            &forged[tag_end..]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::directory::TrustedCertificate;
    use amtsbote_domain::identity::TransportId;
    use amtsbote_domain::validity::Validity;
    use amtsbote_wire::native::envelope;
    use amtsbote_wire::signature::{Allowed, OpensslSigner};
    use openssl::asn1::Asn1Time;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::x509::X509;

    fn signer() -> OpensslSigner {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        let key = EcKey::generate(&group).and_then(PKey::from_ec_key).expect("a key");
        let mut certificate = X509::builder().expect("a builder");
        certificate.set_version(2).expect("a version");
        certificate.set_pubkey(&key).expect("a key");
        certificate.set_not_before(&Asn1Time::from_unix(0).expect("a time")).expect("a time");
        let end = Asn1Time::from_str("20900101000000Z").expect("a time");
        certificate.set_not_after(&end).expect("a time");
        certificate.sign(&key, MessageDigest::sha256()).expect("a signature");
        OpensslSigner::new(key, &certificate.build()).expect("they belong together")
    }

    fn metadata() -> Metadata {
        Metadata {
            author: PartyId::parse("ags:05766044").expect("a party"),
            reader: PartyId::parse("ags:05766020").expect("a party"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
            message_type: None,
            transport_id: TransportId::parse("probe-1").expect("an id"),
            business_id: None,
            created: Timestamp::UNIX_EPOCH,
            not_before: None,
            expires: None,
            test: false,
        }
    }

    fn content(metadata: &Metadata) -> Vec<u8> {
        format!("<?xml version=\"1.0\"?>\n<a xmlns=\"urn:a\"><b>{}</b></a>", metadata.reader).into()
    }

    /// The code with which the envelope alone is refused, if it is.
    fn refused(wired: &Wired, signer: &OpensslSigner) -> Option<Code> {
        let der = signer.certificate_der().to_vec();
        let trusted =
            [TrustedCertificate { fingerprint: sha256(&der), der, validity: Validity::default() }];
        let at = "2026-11-23T00:00:00Z".parse().expect("an instant");
        match envelope::read(&wired.envelope) {
            Err(fault) => Some(fault.code()),
            Ok(unverified) => {
                let allowed = Allowed::default();
                let verified = unverified.verify(&wired.envelope, &trusted, &allowed, at);
                verified.err().map(|fault| fault.code())
            }
        }
    }

    #[test]
    fn a_good_message_is_good_and_every_flawed_one_differs_from_it() {
        let signer = signer();
        let draft = || Draft { metadata: metadata(), content: &content };
        let good = draft().sign(&signer).expect("signs");
        assert_eq!(refused(&good, &signer), None);
        for flaw in Flaw::ALL {
            let wired = flaw.apply(draft(), &signer).expect("signs");
            assert_ne!(wired, good, "{}", flaw.name());
            // Where the envelope alone tells, it tells what the list says.
            if let Some(code) = refused(&wired, &signer) {
                assert!(flaw.codes().contains(&code), "{}: {code}", flaw.name());
            }
        }
    }

    #[test]
    fn flaws_of_the_signature_are_seen_in_the_envelope() {
        let signer = signer();
        for flaw in [
            Flaw::BadSignature,
            Flaw::WrappedSignature,
            Flaw::TamperedEnvelope,
            Flaw::Unsigned,
            Flaw::BrokenEnvelope,
        ] {
            let draft = Draft { metadata: metadata(), content: &content };
            let wired = flaw.apply(draft, &signer).expect("signs");
            assert!(refused(&wired, &signer).is_some(), "{}", flaw.name());
        }
    }

    #[test]
    fn flaws_of_the_content_are_signed() {
        let signer = signer();
        for flaw in [Flaw::NotWellFormed, Flaw::SchemaInvalid, Flaw::Entity, Flaw::WrongEncoding] {
            let draft = Draft { metadata: metadata(), content: &content };
            let wired = flaw.apply(draft, &signer).expect("signs");
            assert_eq!(refused(&wired, &signer), None, "{}", flaw.name());
            assert_ne!(wired.parts[0].2, content(&metadata()), "{}", flaw.name());
        }
    }
}
