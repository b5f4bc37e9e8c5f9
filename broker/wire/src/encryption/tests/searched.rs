//! The search for a key: each key once, and all steps counted.

use std::fmt::Write;

use amtsbote_domain::fault::Code;

use super::super::method::{DSIG, XENC};
use super::*;

const MANY: usize = 60;
/// Keys with so many names each that one document may hold.
const KEYS: usize = 5;

/// Data whose `KeyInfo` holds `info`, and keys elsewhere.
fn document(info: &str, keys: &str) -> String {
    format!(
        "<r xmlns:x=\"{XENC}\" xmlns:d=\"{DSIG}\"><x:EncryptedData>\
         <x:EncryptionMethod Algorithm=\"{}\"/><d:KeyInfo>{info}</d:KeyInfo><x:CipherData>\
         <x:CipherValue>AAAA</x:CipherValue></x:CipherData></x:EncryptedData>{keys}</r>",
        DataAlgorithm::Aes256Gcm.uri()
    )
}

fn key(id: &str, algorithm: KeyAlgorithm, info: &str) -> String {
    format!(
        "<x:EncryptedKey Id=\"{id}\"><x:EncryptionMethod Algorithm=\"{}\"/>\
         <d:KeyInfo>{info}</d:KeyInfo><x:CipherData><x:CipherValue>AAAA</x:CipherValue>\
         </x:CipherData></x:EncryptedKey>",
        algorithm.uri()
    )
}

fn leads_to(id: &str) -> String {
    format!("<d:RetrievalMethod Type=\"{XENC}EncryptedKey\" URI=\"#{id}\"/>")
}

/// Whether a key was found, and the steps that it took.
fn searched(
    document: &str,
    keys: Keys<'_>,
    allowed: &AllowedEncryption,
) -> (Result<(), EncryptionFault>, u32) {
    let survey = survey(document.as_bytes(), &Limits::default(), allowed).expect("read");
    let data = &survey.data()[0];
    let parts = data.parts.as_ref().expect("built as it must be");
    let mut search = survey.search(keys, allowed);
    let outcome = search.find(&parts.key_info, 32, data.position()).map(drop);
    (outcome, search.steps())
}

#[test]
fn keys_that_lead_to_each_other_are_looked_at_once() {
    // Each of eight keys names each of them several times.
    let names: Vec<String> = (0..8).map(|n| format!("k{n}")).collect();
    let all: String = (0..MANY).map(|n| leads_to(&names[n % names.len()])).collect();
    let keys: String = names.iter().map(|id| key(id, KeyAlgorithm::AesWrap256, &all)).collect();
    let allowed = AllowedEncryption::default();
    let (outcome, steps) = searched(&document(&all, &keys), Keys::default(), &allowed);
    assert!(matches!(outcome, Err(EncryptionFault::NoKey { .. })), "{outcome:?}");
    let entries = MANY * (1 + names.len());
    assert!((MANY..=entries).contains(&(steps as usize)), "{steps} steps for {entries} entries");
}

#[test]
fn what_must_not_be_used_is_not_followed() {
    let inner: String = (0..MANY).map(|_| key("i", KeyAlgorithm::AesWrap256, "")).collect();
    let outer = key("o", KeyAlgorithm::TripleDesWrap, &inner);
    let allowed = AllowedEncryption { max_keys: 100, ..AllowedEncryption::default() };
    let (outcome, steps) = searched(&document(&outer, ""), Keys::default(), &allowed);
    assert!(matches!(outcome, Err(EncryptionFault::AlgorithmNotAllowed { .. })), "{outcome:?}");
    assert_eq!(steps, 1);
    // For another reader it is no obstacle.
    let secret = SharedSecret { name: Some("s".to_owned()), octets: KeyOctets::new(vec![7; 32]) };
    let keys = Keys { secrets: std::slice::from_ref(&secret), ..Keys::default() };
    let ours = key("p", KeyAlgorithm::AesWrap256, "<d:KeyName>s</d:KeyName>");
    let (outcome, _) = searched(&document(&format!("{outer}{ours}"), ""), keys, &allowed);
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn the_steps_of_a_search_are_limited() {
    let mut info = String::new();
    for n in 0..KEYS {
        let names: String = (0..MANY).map(|m| format!("<d:KeyName>{n}-{m}</d:KeyName>")).collect();
        let _ = write!(info, "{}", key(&n.to_string(), KeyAlgorithm::RsaOaep, &names));
    }
    let document = document(&info, "");
    let allowed = AllowedEncryption::default();
    let decryptor = decryptor(&RSA);
    let with = |keys: usize| {
        let decryptors: Vec<&dyn Decryptor> = (0..keys).map(|_| &decryptor as _).collect();
        searched(&document, Keys::of(&decryptors), &allowed)
    };
    let each = KEYS * MANY;
    let (outcome, steps) = with(2);
    assert!(matches!(outcome, Err(EncryptionFault::NoKey { .. })), "{outcome:?}");
    assert_eq!(steps as usize, 2 * each + KEYS);
    let (outcome, steps) = with(MAX_SEARCH_STEPS as usize / each + 1);
    let error = outcome.expect_err("too many");
    assert_eq!(error.to_string(), "more than allowed: steps of the search for a key");
    assert_eq!((error.code(), steps), (Code::XmlLimit, MAX_SEARCH_STEPS));
}
