//! Implicit rejection: whoever sends the same octets again gets the same answer again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::legacy::{chained, open, with};
use super::*;

/// What came of opening a document that is trusted by other means, with this randomness.
fn answer(document: &[u8], who: &Identity, seed: u64) -> Result<Vec<u8>, String> {
    let allowed = AllowedEncryption::legacy();
    let limits = Limits::default();
    let survey = survey(document, &limits, &allowed).expect("read");
    let decryptor = decryptor(who);
    let decryptors: [&dyn Decryptor; 1] = [&decryptor];
    let proof = Some(Proof::TrustedByOtherMeans);
    let keys = Keys::of(&decryptors);
    let opening = survey.open(&survey.data()[0], keys, &allowed, proof, &mut Counted(seed));
    let released = opening.and_then(|opening| opening.document(document, &limits, Vec::new()));
    released.map(Released::into_inner).map_err(|error| error.to_string())
}

#[test]
fn a_wrong_padding_gives_the_same_plaintext_every_time() {
    let value = chained(&[7; 64]);
    let mut opened = 0;
    for n in 0..200_u8 {
        // No PKCS #1, below the modulus.
        let document = with(&[&[0, n][..], &[n; 254]].concat(), &value);
        let first = answer(document.as_bytes(), &RSA, 1);
        opened += usize::from(first.is_ok());
        for seed in 2..5 {
            assert_eq!(answer(document.as_bytes(), &RSA, seed), first, "{n}");
        }
    }
    // One of 16 paddings is right by chance: else the comparison would say nothing.
    assert!(opened > 0);
    let legacy = AllowedEncryption::legacy();
    assert!(open(with(&[1; 256], &value).as_bytes(), None, &legacy).is_err(), "not without proof");
}

#[test]
fn a_key_that_does_not_unwrap_gives_the_same_plaintext_every_time() {
    for who in [&*RSA, &*EC, &*X25519] {
        let text = String::from_utf8(sealed(&[7; 80], &[who], 1)).expect("UTF-8");
        // Chained blocks, so that a wrong key shows something.
        let text = text.replace("2009/xmlenc11#aes256-gcm", "2001/04/xmlenc#aes256-cbc");
        let tag = "<xenc:CipherValue>";
        let at = text.find(tag).expect("a value") + tag.len();
        let mut opened = 0;
        for n in 0..100_u8 {
            let (one, two) = (char::from(b'A' + n % 26), char::from(b'a' + n / 26));
            let changed = format!("{}{one}{two}{}", &text[..at], &text[at + 2..]);
            // 128 octets of ciphertext: blocks, with the vector.
            let end = changed.rfind("</xenc:CipherValue>").expect("a value");
            let from = changed.rfind(tag).expect("a value") + tag.len();
            let value = chained(&[n; 112]);
            let value = STANDARD.encode(value);
            let changed = format!("{}{value}{}", &changed[..from], &changed[end..]);
            let first = answer(changed.as_bytes(), who, 1);
            opened += usize::from(first.is_ok());
            assert_eq!(answer(changed.as_bytes(), who, 2), first, "{n}");
        }
        assert!(opened > 0);
    }
}
