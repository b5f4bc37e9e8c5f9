//! Keys in a SoftHSM token.
//!
//! SoftHSM reads where its tokens lie from the environment, which a test must not change for the
//! others: each test runs itself once more in a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amtsbote_wire::encryption::{
    AllowedEncryption, DecryptError, Decryptor, EncryptionFault, KeyOctets, KeyUse, Keys as At,
    NoRandomness, Proof, RsaPadding, survey,
};
use amtsbote_wire::signature::DigestAlgorithm;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;

use super::*;
use crate::keystore::contract::{Expected, contract};
use crate::keystore::{Abilities, Place};
use crate::pem::Certificate;
use crate::testca::tests::{ca, issue};
use crate::testca::{Issued, KeyKind, Purpose};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const LABEL: &str = "TEST token";
const PIN: &str = "geheim-4711";
const MARK: &str = "AMTSBOTE_TEST_TOKEN";

/// An empty token, known to this process alone.
struct Softhsm {
    folder: PathBuf,
}

/// Runs `test` in a process of its own with a new token; in that process, in the function.
fn with_a_token(name: &str, test: fn(&Softhsm)) {
    if let Some(folder) = std::env::var_os(MARK) {
        return test(&Softhsm { folder: folder.into() });
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, settings) = (folder.path().join("tokens"), folder.path().join("softhsm2.conf"));
    fs::create_dir(&tokens).expect("made");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    fs::write(&settings, text).expect("written");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "--nocapture", &format!("keystore::pkcs11::tests::{name}")]);
    command.env("SOFTHSM2_CONF", &settings).env(MARK, folder.path());
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Softhsm {
    fn run(&self, arguments: &[&str]) {
        let output = Command::new("softhsm2-util")
            .args(arguments)
            .output()
            .expect("the tool softhsm2-util is needed (Debian package softhsm2)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn init(&self) {
        let pins = ["--so-pin", "geheim-0815", "--pin", PIN];
        self.run(&[&["--init-token", "--free", "--label", LABEL][..], &pins].concat());
    }

    fn import(&self, issued: &Issued, label: &str, id: &str) {
        let file = self.folder.join("key.pem");
        fs::write(&file, issued.key_pem().expect("pem")).expect("written");
        let file = file.to_str().expect("UTF-8");
        let place = ["--token", LABEL, "--pin", PIN, "--force"];
        self.run(&[&["--import", file, "--label", label, "--id", id], &place[..]].concat());
    }

    /// A session past the store, as another program might have it.
    fn session(&self) -> Session {
        let module = Pkcs11::new(MODULE).expect("the module (Debian package softhsm2)");
        // The store may have done it already.
        drop(module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)));
        let slots = module.get_slots_with_initialized_token().expect("slots");
        let session = module.open_rw_session(slots[0]).expect("a session");
        let pin = RawAuthPin::new(Box::new(PIN.as_bytes().to_vec()));
        drop(session.login_with_raw(UserType::User, &pin));
        session
    }

    fn certificate(&self, certificate: &Certificate, id: &[u8]) {
        let object = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Subject(certificate.x509().subject_name().to_der().expect("der")),
            Attribute::Id(id.to_vec()),
            Attribute::Value(certificate.der().to_vec()),
        ];
        self.session().create_object(&object).expect("kept");
    }

    fn options(&self) -> TokenOptions {
        TokenOptions::new(Path::new(MODULE), LABEL, Passphrase::File(self.pin(PIN)))
    }

    fn pin(&self, pin: &str) -> PathBuf {
        let file = self.folder.join("pin");
        fs::write(&file, pin).expect("written");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("set");
        file
    }

    fn open(&self) -> Token {
        Token::open(self.options()).expect("open")
    }

    /// A token with a key `ec` and its certificate.
    fn with_ec_key(&self) -> Issued {
        self.init();
        let issued = issue("TEST ec", Purpose::Signature);
        self.import(&issued, "ec", "01");
        self.certificate(issued.certificate(), &[1]);
        issued
    }
}

fn reason<T>(result: Result<T, TrustError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("{:?}", error.reason()),
    }
}

#[test]
fn keys_in_a_token_keep_the_contract() {
    with_a_token("keys_in_a_token_keep_the_contract", |softhsm| {
        let ec = softhsm.with_ec_key();
        let authority = ca(KeyKind::EcP256);
        let rsa =
            authority.issue("TEST rsa", Purpose::Signature, KeyKind::Rsa3072, authority.span());
        let rsa = rsa.expect("issued");
        softhsm.import(&rsa, "rsa", "02");
        softhsm.certificate(rsa.certificate(), &[2]);
        softhsm.certificate(authority.certificate(), &[9]);
        let token = softhsm.open();
        assert_eq!(token.entry("rsa").expect("an entry").chain, rsa.identity().chain());
        let place = Place::Token { module: MODULE.into(), label: LABEL.to_owned() };
        assert_eq!(token.entry("ec").expect("an entry").place, place);
        let expected = |issued: &Issued, decrypt| Expected {
            abilities: Abilities { sign: true, decrypt, tls: false },
            // The only digest that SoftHSM 2.6 takes for OAEP.
            oaep: DigestAlgorithm::Sha1,
            ..Expected::new(issued.certificate())
        };
        let keys = BTreeMap::from([("ec", expected(&ec, false)), ("rsa", expected(&rsa, true))]);
        contract(&token, &keys, &[PIN]);

        let decryptor = token.decryptor("rsa").expect("a decryptor");
        let (sha1, sha256) = (DigestAlgorithm::Sha1, DigestAlgorithm::Sha256);
        let oaep = RsaPadding::Oaep { digest: sha256, mask: sha256, label: b"" };
        let octets = KeyOctets::new(vec![0; 32]);
        // Never: nobody need try again.
        for padding in [oaep, RsaPadding::Pkcs1 { instead: &octets }] {
            let error = decryptor.unwrap_rsa(&padding, &[1; 384]).expect_err("refused");
            assert!(matches!(error, DecryptError::Unable(_)), "{error}");
        }
        assert!(decryptor.can(KeyUse::Oaep { digest: sha1, mask: sha1 }));
        let sha3 = DigestAlgorithm::Sha3_256;
        for never in [KeyUse::Pkcs1, KeyUse::Agree, KeyUse::Oaep { digest: sha3, mask: sha1 }] {
            assert!(!decryptor.can(never), "{never:?}");
        }
        what_the_token_cannot_do_is_not_allowed(&*decryptor);
    });
}

/// A message with a key in the old manner: refused for good, before the token is asked.
fn what_the_token_cannot_do_is_not_allowed(decryptor: &dyn Decryptor) {
    let message = "<x:EncryptedData xmlns:x=\"http://www.w3.org/2001/04/xmlenc#\">\
        <x:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes128-gcm\"/>\
        <d:KeyInfo xmlns:d=\"http://www.w3.org/2000/09/xmldsig#\"><x:EncryptedKey>\
        <x:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-1_5\"/>\
        <x:CipherData><x:CipherValue>AAAA</x:CipherValue></x:CipherData></x:EncryptedKey>\
        </d:KeyInfo><x:CipherData><x:CipherValue>AAAA</x:CipherValue></x:CipherData>\
        </x:EncryptedData>";
    let allowed = AllowedEncryption::legacy();
    let found = survey(message.as_bytes(), &Default::default(), &allowed).expect("read");
    let mut random = |_: &mut [u8]| Err(NoRandomness);
    let proof = Some(Proof::TrustedByOtherMeans);
    let keys = [decryptor];
    let opening = found.open(&found.data()[0], At::of(&keys), &allowed, proof, &mut random);
    let error = opening.expect_err("refused");
    assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{error:?}");
}

#[test]
fn a_token_that_was_lost_is_opened_again() {
    with_a_token("a_token_that_was_lost_is_opened_again", |softhsm| {
        softhsm.with_ec_key();
        let token = softhsm.open();
        let signer = token.signer("ec").expect("a signer");
        assert!(signer.sign(b"x").is_ok());
        // Somebody logs out, which counts for all sessions of the process.
        softhsm.session().logout().expect("logged out");
        assert!(signer.sign(b"x").is_ok());
        assert_eq!(token.names().expect("names"), ["ec"]);
        // The module is started anew: no session, no login, no handle is good any more.
        let module = Pkcs11::new(MODULE).expect("the module");
        module.finalize().expect("ended");
        assert!(signer.sign(b"x").is_ok());
        assert_eq!(token.names().expect("names"), ["ec"]);
    });
}

#[test]
fn a_pin_that_was_refused_is_not_tried_again() {
    with_a_token("a_pin_that_was_refused_is_not_tried_again", |softhsm| {
        softhsm.with_ec_key();
        let token = softhsm.open();
        let signer = token.signer("ec").expect("a signer");
        softhsm.pin("falsch-4711");
        assert!(signer.sign(b"x").is_ok(), "logged in already");
        softhsm.session().logout().expect("logged out");
        assert_eq!(reason(token.entry("ec")), "PinRefused");
        softhsm.pin(PIN);
        assert_eq!(reason(token.entry("ec")), "PinRefused");
        let error = signer.sign(b"x").expect_err("refused").to_string();
        assert!(!error.contains(PIN) && error.contains("PIN"), "{error}");
        assert_eq!(softhsm.open().names().expect("names"), ["ec"]);
    });
}

#[test]
fn sessions_are_bounded_and_shared() {
    with_a_token("sessions_are_bounded_and_shared", |softhsm| {
        softhsm.with_ec_key();
        let token = Token::open(TokenOptions { sessions: 2, ..softhsm.options() }).expect("open");
        let signer = token.signer("ec").expect("a signer");
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| (0..10).for_each(|_| assert!(signer.sign(b"x").is_ok())));
            }
        });
        assert!((1..=2).contains(&token.sessions.idle()));
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    with_a_token("what_cannot_be_opened_says_why", |softhsm| {
        softhsm.init();
        let with = |change: fn(&mut TokenOptions)| {
            let mut options = softhsm.options();
            change(&mut options);
            reason(Token::open(options))
        };
        assert_eq!(with(|_| ()), "done");
        assert_eq!(with(|options| options.label = "TEST other".to_owned()), "NoToken");
        assert!(with(|options| options.module = "/absent.so".into()).starts_with("Token("));
        assert!(with(|options| options.module = "/etc/passwd".into()).starts_with("Token("));
        // The process is logged in from here on if a token is open; it is not.
        assert_eq!(with(|options| options.pin = Passphrase::None), "Passphrase");
        let mut wrong = softhsm.options();
        wrong.pin = Passphrase::File(softhsm.pin("falsch-4711"));
        assert_eq!(reason(Token::open(wrong)), "PinRefused");
    });
}

#[test]
fn keys_without_certificates_and_with_one_name() {
    with_a_token("keys_without_certificates_and_with_one_name", |softhsm| {
        softhsm.init();
        let (a, b) = (issue("TEST a", Purpose::Signature), issue("TEST b", Purpose::Signature));
        softhsm.import(&a, "wartet", "01");
        softhsm.import(&b, "doppelt", "02");
        softhsm.import(&issue("TEST c", Purpose::Signature), "doppelt", "0303");
        softhsm.import(&issue("TEST d", Purpose::Signature), "kein Name", "04");
        // The certificate of another key under the id of this one is not taken for its own.
        softhsm.certificate(a.certificate(), &[2]);
        let token = softhsm.open();
        assert_eq!(token.names().expect("names"), ["id-02", "id-0303", "id-04", "wartet"]);
        for name in token.names().expect("names") {
            let entry = token.entry(&name).expect("an entry");
            assert!(entry.chain.is_empty() && entry.abilities == Abilities::default());
            assert_eq!(entry.facts, a.identity().facts());
            assert_eq!(reason(token.signer(&name)), "CertificatePending");
            assert_eq!(reason(token.decryptor(&name)), "CertificatePending");
        }
        softhsm.certificate(b.certificate(), &[2]);
        assert_eq!(token.entry("id-02").expect("an entry").chain, [b.certificate().clone()]);
        assert!(token.signer("id-02").expect("a signer").sign(b"x").is_ok());
        softhsm.import(&b, "doppelt", "02");
        assert_eq!(reason(token.entry("id-02")), "Ambiguous");
    });
}
