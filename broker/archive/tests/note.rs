//! Signed notes: round trips, tampering, published examples, and `openssl` as a peer.

use std::path::Path;
use std::process::{Command, Output};

use amtsbote_archive::Hash;
use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::note::{
    LogKey, MAX_NOTE, MAX_SIGNATURES, NoteError, VerifierKey, sign, unverified_text, verify,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const TEXT: &str = "Erste Zeile\n\nnach einer leeren Zeile: äöü\n";

fn key() -> LogKey {
    LogKey::generate("amtsbote/hub/1").expect("key")
}

fn signed() -> (String, LogKey) {
    let key = key();
    (sign(TEXT, &key).expect("signed"), key)
}

/// The published example of the first implementation of signed notes: key, text and signature.
#[test]
fn a_note_of_the_go_implementation_is_read_and_written_alike() {
    let verifier =
        VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
            .expect("key");
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let note = format!(
        "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ\
         SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    assert_eq!(verify(&note, &verifier).expect("good"), text);

    // The private half is published as type 0x01 and seed; PKCS#8 is a fixed prefix and the seed.
    let seed =
        STANDARD.decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").expect("published seed");
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend(&seed[1..]);
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    );
    let key = LogKey::from_pkcs8_pem("PeterNeumann", pem.as_bytes()).expect("key");
    assert_eq!(key.verifier(), &verifier);
    assert_eq!(sign(text, &key).expect("signed"), note);
}

#[test]
fn signed_and_verified() {
    let (note, key) = signed();
    assert_eq!(verify(&note, key.verifier()).expect("good"), TEXT);
    assert_eq!(unverified_text(&note).expect("read"), TEXT);
}

#[test]
fn every_bit_of_a_note_counts() {
    let (note, key) = signed();
    for position in 0..note.len() {
        for bit in 0..8 {
            let mut octets = note.clone().into_bytes();
            octets[position] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(octets) else { continue };
            assert!(verify(&changed, key.verifier()).is_err(), "octet {position}, bit {bit}");
        }
    }
}

#[test]
fn every_shortened_note_is_refused() {
    let (note, key) = signed();
    for end in (0..note.len()).filter(|&end| note.is_char_boundary(end)) {
        assert!(verify(&note[..end], key.verifier()).is_err(), "cut at {end}");
    }
}

#[test]
fn other_keys_do_not_count() {
    let (note, ours) = signed();
    let stranger = key();
    assert!(matches!(verify(&note, stranger.verifier()), Err(NoteError::UnknownKey)));
    let renamed = ours.verifier().for_origin("amtsbote/hub/2").expect("name");
    assert!(matches!(verify(&note, &renamed), Err(NoteError::UnknownKey)));
}

#[test]
fn a_false_signature_in_our_name_spoils_the_note() {
    let (note, key) = signed();
    let (text, line) = note.rsplit_once("\n\n").expect("note");
    let blob = line.trim_end().rsplit_once(' ').expect("line").1;
    let mut octets = STANDARD.decode(blob).expect("base64");
    octets[40] ^= 1;
    let forged = format!("\u{2014} amtsbote/hub/1 {}\n", STANDARD.encode(&octets));
    let both = format!("{text}\n\n{line}{forged}");
    assert!(matches!(verify(&both, key.verifier()), Err(NoteError::BadSignature)));
    octets.truncate(30);
    let short = format!("{text}\n\n\u{2014} amtsbote/hub/1 {}\n", STANDARD.encode(&octets));
    assert!(matches!(verify(&short, key.verifier()), Err(NoteError::BadSignature)));
}

#[test]
fn a_witness_may_add_a_signature() {
    let (note, key) = signed();
    let witness = LogKey::generate("witness.example").expect("key");
    let theirs = sign(TEXT, &witness).expect("signed");
    let line = theirs.rsplit_once("\n\n").expect("note").1;
    let both = format!("{note}{line}");
    assert_eq!(verify(&both, key.verifier()).expect("ours"), TEXT);
    assert_eq!(verify(&both, witness.verifier()).expect("theirs"), TEXT);
}

#[test]
fn malformed_notes_are_refused() {
    let (note, key) = signed();
    let verify = |note: &str| verify(note, key.verifier()).map(str::to_owned);
    assert!(matches!(verify(""), Err(NoteError::NoSignatures)));
    assert!(matches!(verify("text\n"), Err(NoteError::NoSignatures)));
    assert!(matches!(verify("text\n\n"), Err(NoteError::NoSignatures)));
    assert!(matches!(verify("text\n\n\n"), Err(NoteError::NoSignatures)));
    assert!(matches!(verify(&note.replace("leeren", "le\teren")), Err(NoteError::Text)));
    assert!(matches!(verify(&note.replace('\n', "\r\n")), Err(NoteError::NoSignatures)));
    let (text, line) = note.rsplit_once("\n\n").expect("note");
    for bad in [
        line.replace("\u{2014} ", "- "),
        line.replace("\u{2014} ", "\u{2014}  "),
        line.replace("hub", "hub+"),
        line.replace("=\n", "\n"),
        line.replace('\n', " \n"),
        "\u{2014} amtsbote/hub/1 AAAAAA==\n".to_owned(),
        "\u{2014} amtsbote/hub/1\n".to_owned(),
    ] {
        let note = format!("{text}\n\n{bad}");
        assert!(matches!(verify(&note), Err(NoteError::SignatureLine(1))), "{bad:?}");
    }
    let many = format!("{text}\n\n{}", line.repeat(MAX_SIGNATURES + 1));
    assert!(matches!(verify(&many), Err(NoteError::TooLarge)));
    let exactly = format!("{text}\n\n{}", line.repeat(MAX_SIGNATURES));
    assert!(verify(&exactly).is_ok());
    assert!(matches!(verify(&"\n".repeat(MAX_NOTE + 1)), Err(NoteError::TooLarge)));
}

#[test]
fn texts_that_cannot_be_signed() {
    let key = key();
    for text in ["", "no end", "tab\t\n", "nul\0\n", "return\r\n"] {
        assert!(matches!(sign(text, &key), Err(NoteError::Text)), "{text:?}");
    }
    let long = "x".repeat(MAX_NOTE - 10) + "\n";
    assert!(matches!(sign(&long, &key), Err(NoteError::TooLarge)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_answered(note in "(?s)(.{0,60}\n)?\n(\u{2014} [a-z/1]{0,8} [A-Za-z0-9+/=]{0,20}\n){0,3}.{0,9}") {
        prop_assert!(verify(&note, key().verifier()).is_err());
    }

    #[test]
    fn any_lines_survive(text in "([^\\p{C}]{0,40}\n){1,5}") {
        let key = key();
        let note = sign(&text, &key).expect("signed");
        prop_assert_eq!(verify(&note, key.verifier()).expect("good"), text);
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program `openssl` (Debian package openssl) is needed for this test")
}

/// A released head, checked by another program with nothing but the public key.
#[test]
fn openssl_agrees_about_a_head() {
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    let key = key();
    let head = Checkpoint { origin: key.name().to_owned(), size: 3, root: Hash([9; 32]) };
    let note = checkpoint::sign(&head, &key).expect("signed");
    let blob = note.trim_end().rsplit_once(' ').expect("signature line").1;
    let signature = STANDARD.decode(blob).expect("base64").split_off(4);
    let pem = key.verifier().to_public_pem().expect("pem");
    std::fs::write(path("key.pem"), pem).expect("written");
    std::fs::write(path("head.sig"), signature).expect("written");

    let arguments = [
        "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pem", "-in", "head.txt",
        "-sigfile", "head.sig",
    ];
    std::fs::write(path("head.txt"), head.to_text()).expect("written");
    let yes = openssl(folder.path(), &arguments);
    assert!(yes.status.success(), "openssl refuses our head: {yes:?}");
    std::fs::write(path("head.txt"), head.to_text().replace("\n3\n", "\n4\n")).expect("written");
    let no = openssl(folder.path(), &arguments);
    assert!(!no.status.success(), "openssl accepts a changed head: {no:?}");
}

/// The other way round: a head signed by another program under a key it made.
#[test]
fn a_head_signed_by_openssl_is_verified() {
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    let made = openssl(folder.path(), &["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    assert!(made.status.success(), "{made:?}");
    let pem = std::fs::read(path("key.pem")).expect("key");
    let key = LogKey::from_pkcs8_pem("amtsbote/hub/1", &pem).expect("key of openssl");
    let head = Checkpoint { origin: key.name().to_owned(), size: 3, root: Hash([9; 32]) };
    std::fs::write(path("head.txt"), head.to_text()).expect("written");
    let arguments =
        ["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "head.txt", "-out", "head.sig"];
    let done = openssl(folder.path(), &arguments);
    assert!(done.status.success(), "{done:?}");
    let mut blob = key.verifier().id().to_vec();
    blob.extend(std::fs::read(path("head.sig")).expect("signature"));
    let text = head.to_text();
    let note = format!("{text}\n\u{2014} {} {}\n", key.name(), STANDARD.encode(blob));
    assert_eq!(checkpoint::verify(&note, key.verifier()).expect("good"), head);
}
