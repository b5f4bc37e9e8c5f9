//! Any bytes, and any edit of an encrypted document: the decryptor answers, and what it releases is
//! what was encrypted.
#![no_main]

use std::sync::LazyLock;

use amtsbote_fuzz::{apply, identity};
use amtsbote_schemas::xml::Limits;
use amtsbote_wire::encryption::{
    AllowedEncryption, CipherSource, Decryptor, Keys, NoRandomness, OpensslDecryptor, PartOctets,
    Proof, Recipient, Shape, encrypt_part, encrypt_value, survey,
};
use libfuzzer_sys::fuzz_target;

const PLAIN: &[u8] = b"<m:m xmlns:m=\"urn:m\">from A to B, and some more octets</m:m>";

struct Encrypted {
    key: OpensslDecryptor,
    document: Vec<u8>,
    referring: Vec<u8>,
    part: Vec<u8>,
    allowed: [AllowedEncryption; 2],
}

fn random(octets: &mut [u8]) -> Result<(), NoRandomness> {
    openssl::rand::rand_bytes(octets).map_err(|_| NoRandomness)
}

static ENCRYPTED: LazyLock<Encrypted> = LazyLock::new(|| {
    let (key, certificate) = identity();
    let recipients = [Recipient::new(&certificate.to_der().expect("DER")).expect("a recipient")];
    let shape = Shape::octets("text/xml");
    let (mut document, mut part) = (Vec::new(), Vec::new());
    encrypt_value(PLAIN, &shape, &recipients, &mut random, &mut document).expect("encrypted");
    let referring = encrypt_part(PLAIN, "p", &shape, &recipients, &mut random, &mut part);
    Encrypted {
        key: OpensslDecryptor::new(key, &certificate).expect("a key"),
        document,
        referring: referring.expect("encrypted").into_bytes(),
        part,
        allowed: [AllowedEncryption::default(), AllowedEncryption::legacy()],
    }
});

fuzz_target!(|octets: &[u8]| {
    let encrypted = &*ENCRYPTED;
    let Some((&choice, rest)) = octets.split_first() else { return };
    let original = if choice & 1 == 0 { &encrypted.document } else { &encrypted.referring };
    // Legacy ciphers have no tag: what they release proves nothing, so nothing is asserted of them.
    let legacy = choice & 4 != 0;
    let allowed = &encrypted.allowed[usize::from(legacy)];
    let document = if choice & 2 == 0 { rest.to_vec() } else { apply(original, rest) };
    let part = if choice & 8 == 0 { encrypted.part.clone() } else { apply(&encrypted.part, rest) };
    let decryptors: [&dyn Decryptor; 1] = [&encrypted.key];
    let limits = Limits::default();
    let Ok(found) = survey(&document[..], &limits, allowed) else { return };
    // Whoever reads old data vouches for it; the other way needs no proof.
    let proof = legacy.then_some(Proof::TrustedByOtherMeans);
    for data in found.data() {
        let keys = Keys::of(&decryptors);
        let Ok(opening) = found.open(data, keys, allowed, proof, &mut random) else { continue };
        let released = match opening.source() {
            CipherSource::Part { .. } => {
                opening.part(&part[..], PartOctets::AsReferenced, Vec::new())
            }
            _ => opening.document(&document[..], &limits, Vec::new()),
        };
        if let (Ok(released), false) = (released, legacy) {
            assert_eq!(released.into_inner(), PLAIN, "a tag that verifies over other octets");
        }
    }
});
