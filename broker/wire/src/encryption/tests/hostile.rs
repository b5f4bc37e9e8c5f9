//! Changed, cut and invented documents: one error for whatever needs a private key to be told, and
//! never a panic.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::testing::EC;

/// The document with one Base64 text in it changed: the `n`th `CipherValue`.
fn changed(document: &[u8], n: usize, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let text = std::str::from_utf8(document).expect("UTF-8");
    let tag = "<xenc:CipherValue>";
    let (at, _) = text.match_indices(tag).nth(n).expect("a value");
    let start = at + tag.len();
    let end = start + text[start..].find('<').expect("its end");
    let mut octets = STANDARD.decode(&text[start..end]).expect("Base64");
    change(&mut octets);
    format!("{}{}{}", &text[..start], STANDARD.encode(octets), &text[end..]).into_bytes()
}

/// The only thing that a message may learn.
#[track_caller]
fn uniform(document: &[u8], who: &Identity) {
    let error = opened_by(document, who).expect_err("must not open");
    assert!(matches!(error, EncryptionFault::Undecryptable), "{error:?}");
    assert_eq!(error.to_string(), "it could not be decrypted");
}

#[test]
fn a_flipped_bit_anywhere_is_one_error() {
    for (who, wrapped) in [(&*RSA, 256), (&*EC, 40), (&*X25519, 40)] {
        let document = sealed(b"nicht zu aendern", &[who], 1);
        for at in (0..wrapped).step_by(if wrapped > 100 { 17 } else { 1 }) {
            uniform(&changed(&document, 0, |key| key[at] ^= 1 << (at % 8)), who);
        }
        for at in 0..12 + 16 + 16 {
            uniform(&changed(&document, 1, |value| value[at] ^= 1 << (at % 8)), who);
        }
    }
}

#[test]
fn a_wrong_length_is_the_same_error() {
    let document = sealed(b"kurz", &[&RSA], 2);
    for length in [0, 1, 11, 12, 27, 28, 31] {
        uniform(&changed(&document, 1, |value| value.truncate(length)), &RSA);
    }
    uniform(&changed(&document, 1, |value| value.push(0)), &RSA);
    for length in [0, 1, 255] {
        uniform(&changed(&document, 0, |key| key.truncate(length)), &RSA);
    }
    uniform(&changed(&document, 0, |key| key.push(0)), &RSA);
    let document = sealed(b"kurz", &[&EC], 3);
    for length in [0, 8, 16, 24, 32, 39] {
        uniform(&changed(&document, 0, |key| key.truncate(length)), &EC);
    }
    // No Base64 at all, at the end of the value.
    let text = String::from_utf8(sealed(b"kurz", &[&EC], 3)).expect("UTF-8");
    let at = text.rfind("</xenc:CipherValue>").expect("a value");
    uniform(format!("{}*{}", &text[..at], &text[at..]).as_bytes(), &EC);
}

#[test]
fn a_key_for_somebody_else_is_the_same_error() {
    // The certificate is ours, the octets are for another key.
    let (ours, theirs) = (sealed(b"x", &[&RSA], 4), sealed(b"x", &[&EC], 5));
    let mut foreign = None;
    changed(&ours, 0, |key| foreign = Some(key.iter().rev().copied().collect::<Vec<_>>()));
    uniform(&changed(&ours, 0, |key| *key = foreign.expect("octets")), &RSA);
    let mut wrapped = None;
    changed(&sealed(b"x", &[&EC], 6), 0, |key| wrapped = Some(key.clone()));
    uniform(&changed(&theirs, 0, |key| *key = wrapped.expect("octets")), &EC);
    // A data key of the wrong length, rightly wrapped.
    let text = String::from_utf8(ours).expect("UTF-8");
    uniform(text.replacen("aes256-gcm", "aes128-gcm", 1).as_bytes(), &RSA);
}

#[test]
fn a_point_off_the_curve_is_refused() {
    let text = String::from_utf8(sealed(b"x", &[&EC], 7)).expect("UTF-8");
    let tag = "<dsig11:PublicKey>";
    let start = text.find(tag).expect("a point") + tag.len();
    let end = start + text[start..].find('<').expect("its end");
    let mut point = STANDARD.decode(&text[start..end]).expect("Base64");
    point[64] ^= 1;
    let off = format!("{}{}{}", &text[..start], STANDARD.encode(&point), &text[end..]);
    let refused = opened_by(off.as_bytes(), &EC);
    assert!(matches!(refused, Err(EncryptionFault::Invalid { .. })), "{refused:?}");
}

#[test]
fn what_is_not_built_as_it_must_be_is_refused_before_a_key_is_used() {
    let whole = String::from_utf8(sealed(b"x", &[&EC], 8)).expect("UTF-8");
    let value = &whole[whole.rfind("<xenc:CipherValue>").expect("a value")..];
    let value = &value[..value.find("</xenc:CipherData>").expect("its end")];
    let cases: &[(&str, &str)] = &[
        (value, ""),
        (value, &format!("{value}{value}")),
        (value, "<xenc:CipherValue><a/></xenc:CipherValue>"),
        (value, "<xenc:CipherReference URI=\"http://127.0.0.1/\"/>"),
        (value, "<xenc:CipherReference URI=\"\"/>"),
        (value, "<xenc:CipherReference URI=\"file:///etc/passwd\"/>"),
        ("<ds:KeyInfo", "<xenc:Foreign/><ds:KeyInfo"),
        ("<ds:KeyInfo", "text<ds:KeyInfo"),
        ("aes256-gcm", "aes256-xyz"),
        ("kw-aes256", "kw-aes512"),
        ("#ECDH-ES", "#ECDH-XX"),
        ("ConcatKDF\"", "OtherKDF\""),
        ("AlgorithmID=\"00", "AlgorithmID=\"03"),
    ];
    for (n, (from, to)) in cases.iter().enumerate() {
        let document = whole.replacen(from, to, 1);
        assert_ne!(document, whole, "{n}");
        let error = opened_by(document.as_bytes(), &EC).expect_err("must not open");
        assert!(!matches!(error, EncryptionFault::Undecryptable), "{n}: {error:?}");
        assert!(error.place().is_some(), "{n}: {error:?}");
    }
}

#[test]
fn a_document_that_changes_between_the_passes_gives_nothing() {
    let document = sealed(b"erst so, dann anders", &[&EC], 9);
    let (limits, allowed) = (Limits::default(), AllowedEncryption::default());
    let survey = survey(&document[..], &limits, &allowed).expect("read");
    let decryptor = decryptor(&EC);
    let decryptors: [&dyn Decryptor; 1] = [&decryptor];
    let opening = survey
        .open(&survey.data()[0], Keys::of(&decryptors), &allowed, None, &mut Counted(1))
        .expect("a key");
    let other = [&document[..], b"<!-- -->"].concat();
    let refused = opening.document(&other[..], &limits, Vec::new());
    assert!(matches!(refused, Err(EncryptionFault::DocumentChanged)));
}

#[test]
fn no_value_from_a_message_is_in_an_error() {
    let canary = "KANARIENVOGEL";
    let whole = String::from_utf8(sealed(b"x", &[&EC], 10)).expect("UTF-8");
    for (from, to) in [
        ("MimeType=\"text/plain\"", format!("MimeType=\"{canary}\" {canary}=\"{canary}\"")),
        ("Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm", format!("Algorithm=\"{canary}")),
        ("#ECDH-ES", format!("#{canary}")),
        ("AlgorithmID=\"00", format!("AlgorithmID=\"{canary}")),
        ("<ds:X509Certificate>", format!("<ds:X509Certificate>{canary}!")),
        ("<ds:KeyInfo", format!("{canary}<ds:KeyInfo")),
    ] {
        let document = whole.replacen(from, &to, 1);
        assert_ne!(document, whole);
        if let Err(error) = opened_by(document.as_bytes(), &EC) {
            let fault = amtsbote_domain::fault::Fault::from(error);
            assert!(!format!("{fault} {fault:?}").contains(canary), "{fault}");
        }
    }
}

/// Pieces of which documents are made that nearly are encrypted data.
const PIECES: &[&str] = &[
    "<xenc:EncryptedData>",
    "</xenc:EncryptedData>",
    "<xenc:EncryptedKey Id=\"k\">",
    "</xenc:EncryptedKey>",
    "<xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes128-gcm\"/>",
    "<xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#kw-aes128\"/>",
    "<xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/>",
    "<ds:KeyInfo>",
    "</ds:KeyInfo>",
    "<ds:KeyName>k</ds:KeyName>",
    "<ds:RetrievalMethod Type=\"http://www.w3.org/2001/04/xmlenc#EncryptedKey\" URI=\"#k\"/>",
    "<xenc:CipherData>",
    "</xenc:CipherData>",
    "<xenc:CipherValue>",
    "</xenc:CipherValue>",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "<xenc:CipherReference URI=\"#v\"><xenc:Transforms><ds:Transform \
     Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"/></xenc:Transforms>\
     </xenc:CipherReference>",
    "<a Id=\"v\">QUFBQQ==</a>",
];

fn answered(document: &[u8]) {
    let allowed = AllowedEncryption::legacy();
    let limits = Limits::default();
    let Ok(survey) = survey(document, &limits, &allowed) else { return };
    let (rsa, ec) = (decryptor(&RSA), decryptor(&EC));
    let decryptors: [&dyn Decryptor; 2] = [&rsa, &ec];
    let secret = SharedSecret { name: Some("k".to_owned()), octets: KeyOctets::new(vec![7; 16]) };
    let keys =
        Keys { decryptors: &decryptors, secrets: std::slice::from_ref(&secret), originators: &[] };
    for data in survey.data() {
        for proof in [None, Some(Proof::TrustedByOtherMeans)] {
            if let Ok(opening) = survey.open(data, keys, &allowed, proof, &mut Counted(1)) {
                let _ = opening.document(document, &limits, Vec::new());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_changed_document_is_answered(
        elliptic: bool,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static DOCUMENTS: LazyLock<[Vec<u8>; 2]> =
            LazyLock::new(|| [sealed(b"aaa", &[&RSA], 1), sealed(b"aaa", &[&EC], 1)]);
        let original = &DOCUMENTS[usize::from(elliptic)];
        let mut document = original.clone();
        for (at, octet) in cuts {
            let at = at.index(document.len());
            document[at] = octet;
        }
        if let Some(end) = end {
            document.truncate(end.index(document.len()));
        }
        answered(&document);
    }

    #[test]
    fn an_invented_document_is_answered(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30),
    ) {
        let mut document = String::from(
            "<r xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
             xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">",
        );
        // Tags are closed as they must be, so that more than the reader is tried.
        let mut open: Vec<&str> = Vec::new();
        for piece in pieces {
            if let Some(name) = piece.strip_prefix("</") {
                if open.last() == Some(&name.trim_end_matches('>')) {
                    open.pop();
                    document.push_str(piece);
                }
            } else {
                document.push_str(piece);
                if piece.starts_with('<') && !piece.contains("/>") && !piece.contains("</") {
                    open.push(piece[1..].split([' ', '>']).next().unwrap_or_default());
                }
            }
        }
        for name in open.iter().rev() {
            document.push_str(&format!("</{name}>"));
        }
        document.push_str("</r>");
        answered(document.as_bytes());
    }
}
