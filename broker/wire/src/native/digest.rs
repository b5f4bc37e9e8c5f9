//! The content digest that decides whether a repeat under the same transport id is one (P3).
//!
//! It covers what routing looks at and the digest of every part. It leaves out two fields of the
//! envelope: the *transport id*, because it is the key under which digests are compared, and
//! *created*, because a sender that makes its envelope anew for a repeat (after a crash, or because
//! it kept only its order to send) writes another instant there without meaning another message.
//!
//! Further Readers stand at the end, and only where there are any: with one Reader the digest is what it
//! was before there could be several.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::message::{Metadata, Part};
use openssl::sha::Sha256;

/// Begins every encoding. A change of the encoding gets another tag.
const TAG: &[u8] = b"amtsbote-content-v1\n";

/// The digest of routing metadata and parts. Every field is length-prefixed and optional ones are
/// marked as present or absent, so two different messages never have the same encoding.
pub fn content_digest(metadata: &Metadata, parts: &[Part]) -> Digest {
    let mut encoder = Encoder(Sha256::new());
    encoder.0.update(TAG);
    encoder.octets(metadata.author.as_str().as_bytes());
    encoder.octets(metadata.reader.as_str().as_bytes());
    encoder.octets(metadata.service.as_str().as_bytes());
    encoder.option(metadata.message_type.as_ref().map(|kind| kind.as_str().as_bytes()));
    encoder.option(metadata.business_id.as_ref().map(|id| id.as_str().as_bytes()));
    for instant in [metadata.not_before, metadata.expires] {
        let nanoseconds = instant.map(|at| at.as_nanosecond().to_be_bytes());
        encoder.option(nanoseconds.as_ref().map(|octets| &octets[..]));
    }
    encoder.octets(&[u8::from(metadata.test)]);
    encoder.number(parts.len() as u64);
    for part in parts {
        encoder.octets(part.cid.as_bytes());
        encoder.octets(part.media_type.as_bytes());
        encoder.number(part.size);
        encoder.octets(&part.sha256.0);
    }
    for reader in &metadata.other_readers {
        encoder.octets(reader.as_str().as_bytes());
    }
    Digest(encoder.0.finish())
}

/// The digest of some octets.
pub fn sha256(octets: &[u8]) -> Digest {
    Digest(openssl::sha::sha256(octets))
}

struct Encoder(Sha256);

impl Encoder {
    /// Eight octets, big-endian.
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.0.update(octets);
    }

    fn option(&mut self, octets: Option<&[u8]>) {
        match octets {
            None => self.0.update(&[0]),
            Some(octets) => {
                self.0.update(&[1]);
                self.octets(octets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::identity::{MessageType, MessageUuid, ServiceUri, TransportId};
    use amtsbote_domain::party::PartyId;
    use proptest::prelude::*;

    fn metadata() -> Metadata {
        Metadata {
            author: PartyId::parse("ags:05766044").expect("a party"),
            reader: PartyId::parse("ags:05758004").expect("a party"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
            message_type: Some(MessageType::parse("0100").expect("a type")),
            transport_id: TransportId::parse("lemgo-1").expect("an id"),
            business_id: None,
            created: "2026-11-23T05:42:00Z".parse().expect("an instant"),
            not_before: None,
            expires: Some("2026-12-01T00:00:00Z".parse().expect("an instant")),
            test: false,
        }
    }

    fn part() -> Part {
        Part {
            cid: "payload".to_owned(),
            media_type: "application/xml".to_owned(),
            size: 3,
            sha256: sha256(b"abc"),
        }
    }

    /// Both vectors were computed by another program in another language from the description above.
    #[test]
    fn the_encoding_does_not_change() {
        assert_eq!(
            content_digest(&metadata(), &[part()]).to_string(),
            "0a903cebd0571be30f4252ce47ea9e50c6baadf52401a60e45f00af4717ee412"
        );
        let mut full = metadata();
        full.business_id = Some(MessageUuid::parse("b7f0").expect("an id"));
        full.message_type = None;
        full.not_before = full.expires.take();
        full.test = true;
        assert_eq!(
            content_digest(&full, &[part(), part()]).to_string(),
            "0030f47bed067f234e515f4cb1ac66b98ce0a3f3a1444ec6dbcd64f033e66e74"
        );
    }

    #[test]
    fn a_repeat_made_anew_has_the_same_digest() {
        let mut repeat = metadata();
        repeat.created = "2026-11-23T06:00:00Z".parse().expect("an instant");
        repeat.transport_id = TransportId::parse("lemgo-2").expect("an id");
        assert_eq!(content_digest(&repeat, &[part()]), content_digest(&metadata(), &[part()]));
    }

    /// One change of one field, chosen by number.
    fn change(which: usize, metadata: &mut Metadata, parts: &mut Vec<Part>) {
        let other = || PartyId::parse("ags:05770032").expect("a party");
        match which {
            0 => metadata.author = other(),
            1 => metadata.reader = other(),
            2 => metadata.service = ServiceUri::parse("urn:example:other").expect("a service"),
            3 => metadata.message_type = None,
            4 => metadata.business_id = Some(MessageUuid::parse("u").expect("an id")),
            5 => metadata.not_before = metadata.expires,
            6 => metadata.expires = None,
            7 => metadata.test = true,
            8 => parts[0].cid.push('x'),
            9 => parts[0].media_type.push('x'),
            10 => parts[0].size += 1,
            11 => parts[0].sha256.0[31] ^= 1,
            12 => parts.push(Part { cid: "more".to_owned(), ..part() }),
            13 => parts.clear(),
            14 => metadata.other_readers = vec![other()],
            15 => metadata.other_readers = vec![metadata.author.clone(), other()],
            16 => metadata.other_readers = vec![other(), metadata.author.clone()],
            _ => std::mem::swap(&mut metadata.author, &mut metadata.reader),
        }
    }

    #[test]
    fn every_change_of_one_field_changes_it() {
        let mut seen = vec![content_digest(&metadata(), &[part()])];
        for which in 0..=17 {
            let (mut metadata, mut parts) = (metadata(), vec![part()]);
            change(which, &mut metadata, &mut parts);
            let digest = content_digest(&metadata, &parts);
            assert!(!seen.contains(&digest), "change {which}");
            seen.push(digest);
        }
    }

    proptest! {
        /// Moving characters from one field to its neighbour must not go unseen.
        #[test]
        fn borders_between_fields_count(text in "[a-z]{3,12}", first: u8, further: u8) {
            // Two different places to cut at: none of the cases is thrown away.
            let places = text.len() - 1;
            let first = usize::from(first) % places;
            let second = (first + 1 + usize::from(further) % (places - 1)) % places;
            let (one, two) = (first + 1, second + 1);
            let cut = |at: usize| {
                let (cid, media_type) = text.split_at(at);
                Part { cid: cid.to_owned(), media_type: media_type.to_owned(), ..part() }
            };
            prop_assert_ne!(
                content_digest(&metadata(), &[cut(one)]),
                content_digest(&metadata(), &[cut(two)])
            );
        }

        #[test]
        fn other_octets_other_digest(a: [u8; 32], b: [u8; 32], size: u64, test: bool) {
            let of = |sha256: [u8; 32]| {
                let part = Part { sha256: Digest(sha256), size, ..part() };
                content_digest(&Metadata { test, ..metadata() }, &[part])
            };
            prop_assert_eq!(a == b, of(a) == of(b));
        }
    }
}
