//! The key store in a folder, in all its forms.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};

use super::contract::{Expected, contract};
use super::*;
use crate::testca::tests::{ca, issue, openssl};
use crate::testca::{Issued, KeyKind, Purpose};

#[path = "../../../../conformance/tests/support/skipped.rs"]
mod skipped;

const SECRET: &str = "geheimes Kennwort";

fn reason<T>(result: Result<T, TrustError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("{:?}", error.reason()),
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, octets).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        path
    }

    fn open(&self, passphrases: impl Into<Passphrases>) -> KeyStore {
        KeyStore::open(self.0.path(), passphrases).expect("open")
    }

    /// The store with a passphrase from a file beside it.
    fn open_with(&self, passphrase: &str) -> KeyStore {
        self.open(Passphrase::File(self.secret("passphrase", passphrase)))
    }
}

fn rsa() -> &'static Issued {
    static RSA: std::sync::LazyLock<Issued> = std::sync::LazyLock::new(|| {
        let ca = ca(KeyKind::EcP256);
        ca.issue("TEST rsa", Purpose::Signature, KeyKind::Rsa3072, ca.span()).expect("issued")
    });
    &RSA
}

/// A key with a certificate that it signed itself.
fn self_signed(key: PKey<Private>, name: &str) -> Identity {
    let folder = Folder::new();
    let pem = folder.secret("key", key.private_key_to_pem_pkcs8().expect("pem"));
    let out = folder.path("cert");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    openssl(&[
        "req",
        "-x509",
        "-new",
        "-days",
        "30",
        "-subj",
        &format!("/CN=TEST {name}"),
        "-key",
        &text(&pem),
        "-out",
        &text(&out),
    ]);
    Identity::new(key, crate::pem::load_certificates(&out).expect("read")).expect("fits")
}

fn all_kinds() -> [(&'static str, Identity); 4] {
    let key = |curve| PKey::ec_gen(curve).expect("a key");
    [
        ("brainpool", self_signed(key("brainpoolP256r1"), "brainpool")),
        ("ec", issue("TEST ec", Purpose::Signature).identity().clone()),
        ("ed25519", self_signed(PKey::generate_ed25519().expect("a key"), "ed25519")),
        ("rsa", rsa().identity().clone()),
    ]
}

fn expected<'a>(identities: &[(&'a str, Identity)]) -> BTreeMap<&'a str, Expected> {
    identities.iter().map(|(name, one)| (*name, Expected::new(one.certificate()))).collect()
}

fn pkcs12(identity: &Identity, passphrase: &str) -> Vec<u8> {
    let mut builder = Pkcs12::builder();
    builder.pkey(identity.key()).cert(identity.certificate().x509()).name("TEST");
    let mut issuers = openssl::stack::Stack::new().expect("a stack");
    for issuer in &identity.chain()[1..] {
        issuers.push(issuer.x509().to_owned()).expect("pushed");
    }
    builder.ca(issuers).build2(passphrase).expect("made").to_der().expect("der")
}

#[test]
fn keys_in_pem_keep_the_contract() {
    let folder = Folder::new();
    let store = folder.open(Passphrase::None);
    let kinds = all_kinds();
    for (name, identity) in &kinds {
        store.keep(name, identity).expect("kept");
        let path = folder.path(&format!("{name}.key.pem"));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let place = Place::File { path, encrypted: false };
        assert_eq!(store.entry(name).expect("an entry").place, place);
    }
    contract(&store, &expected(&kinds), &["PRIVATE"]);
    let again = store.keep("ec", &kinds[1].1);
    assert_eq!(reason(again), "Exists");
}

#[test]
fn encrypted_keys_keep_the_contract() {
    let folder = Folder::new();
    let store = folder.open_with(&format!("{SECRET}\nzweite Zeile\n"));
    let kinds = all_kinds();
    for (name, identity) in &kinds {
        store.keep(name, identity).expect("kept");
        let path = folder.path(&format!("{name}.key.pem"));
        let pem = fs::read_to_string(&path).expect("there");
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        let place = Place::File { path, encrypted: true };
        assert_eq!(store.entry(name).expect("an entry").place, place);
    }
    contract(&store, &expected(&kinds), &["PRIVATE", SECRET]);
}

#[test]
fn keys_in_pkcs12_keep_the_contract() {
    let folder = Folder::new();
    let store = folder.open_with(SECRET);
    let kinds = all_kinds();
    for ((name, identity), suffix) in kinds.iter().zip(["p12", "pfx", "p12", "pfx"]) {
        folder.secret(&format!("{name}.{suffix}"), pkcs12(identity, SECRET));
        let chain = store.identity(name).expect("read").chain().to_vec();
        assert_eq!(chain, identity.chain(), "{name}");
    }
    contract(&store, &expected(&kinds), &["PRIVATE", SECRET]);
    assert_eq!(reason(store.keep("ec", &kinds[1].1)), "Exists");
}

#[test]
fn an_encrypted_key_needs_its_own_passphrase() {
    let folder = Folder::new();
    let identity = issue("TEST a", Purpose::Client).identity().clone();
    folder.open_with(SECRET).keep("pem", &identity).expect("kept");
    folder.secret("file.p12", pkcs12(&identity, SECRET));
    let unset = Passphrase::Environment("AMTSBOTE_TEST_NEVER_SET".to_owned());
    // A variable that is always set serves as a wrong passphrase.
    let wrong = Passphrase::Environment("PATH".to_owned());
    for passphrase in [Passphrase::None, unset.clone(), wrong] {
        let store = folder.open(passphrase.clone());
        for name in ["pem", "file"] {
            assert_eq!(reason(store.identity(name)), "Passphrase", "{passphrase:?} {name}");
        }
    }
    let mut own = Passphrases::from(unset);
    let passphrase = Passphrase::File(folder.secret("own", SECRET));
    own.keys.insert("file".to_owned(), passphrase);
    let store = folder.open(own);
    assert_eq!(store.identity("file").expect("read").chain(), identity.chain());
    assert_eq!(reason(store.identity("pem")), "Passphrase");
    // What OpenSSL cannot take as a passphrase is refused before it is asked.
    for bad in [&b"a\0b"[..], b"\xff\xfe"] {
        let store = folder.open(Passphrase::File(folder.secret("bad", bad)));
        assert_eq!(reason(store.identity("file")), "Passphrase");
    }
}

/// A file encrypted with RC2.
fn outdated(folder: &Folder, identity: &Identity) -> PathBuf {
    let (key, cert) = (
        folder.secret("key", identity.key().private_key_to_pem_pkcs8().expect("pem")),
        folder.secret("cert", identity.chain_pem().expect("pem")),
    );
    let out = folder.secret("old.p12", "");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (key, cert, to, pass) = (text(&key), text(&cert), text(&out), format!("pass:{SECRET}"));
    let files = ["-inkey", &key, "-in", &cert, "-passout", &pass, "-out", &to];
    openssl(&[&["pkcs12", "-export", "-legacy"][..], &files].concat());
    out
}

#[test]
fn outdated_pkcs12_without_the_provider_says_how_to_convert_it() {
    const MARK: &str = "AMTSBOTE_TEST_OUTDATED";
    const NAME: &str = "outdated_pkcs12_without_the_provider_says_how_to_convert_it";
    if let Some(folder) = std::env::var_os(MARK) {
        let folder = Path::new(&folder);
        let passphrase = Passphrase::File(folder.join("passphrase"));
        let store = KeyStore::open(folder, passphrase).expect("open");
        assert_eq!(reason(store.identity("old")), "LegacyPkcs12");
        let error = store.identity("old").expect_err("refused");
        return assert!(error.to_string().contains("openssl pkcs12 -legacy"), "{error}");
    }
    let folder = Folder::new();
    outdated(&folder, issue("TEST a", Purpose::Client).identity());
    folder.open_with(SECRET);
    // Where OpenSSL looks for providers is asked once, so the test runs itself in a new process.
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("keystore::tests::{NAME}")])
        .env("OPENSSL_MODULES", folder.path("absent"))
        .env(MARK, folder.0.path())
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn outdated_pkcs12_is_read_and_leaves_nothing_behind() {
    const MARK: &str = "AMTSBOTE_TEST_NOTHING_BEHIND";
    const NAME: &str = "outdated_pkcs12_is_read_and_leaves_nothing_behind";
    if std::env::var_os(MARK).is_none() {
        // Other tests of this process read such files at the same time.
        let output = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", &format!("keystore::tests::{NAME}")])
            .env(MARK, "1")
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stdout);
        return assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
    let folder = Folder::new();
    let identity = issue("TEST a", Purpose::Client).identity().clone();
    let out = outdated(&folder, &identity);
    let store = folder.open_with(SECRET);
    assert_eq!(store.identity("old").expect("read").chain(), identity.chain());
    // RC2 exists while such a file is read and at no other time.
    let file = Pkcs12::from_der(&fs::read(&out).expect("there")).expect("der");
    assert!(file.parse2(SECRET).is_err(), "the provider is still loaded");
    let wrong = folder.open(Passphrase::Environment("PATH".to_owned()));
    assert_eq!(reason(wrong.identity("old")), "Passphrase");
}

#[test]
fn pkcs12_that_is_none_is_refused() {
    let folder = Folder::new();
    let identity = issue("TEST a", Purpose::Client).identity().clone();
    let store = folder.open_with(SECRET);
    let good = pkcs12(&identity, SECRET);
    let mut flipped = good.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    for bad in [&b""[..], b"\x30", identity.certificate().der()] {
        folder.secret("a.p12", bad);
        assert_eq!(reason(store.identity("a")), "Malformed");
    }
    for end in (0..good.len()).step_by(97) {
        folder.secret("a.p12", &good[..end]);
        assert_eq!(reason(store.identity("a")), "Malformed", "{end}");
    }
    folder.secret("a.p12", flipped);
    assert!(store.identity("a").is_err());
    let mut without = Pkcs12::builder();
    without.cert(identity.certificate().x509());
    folder.secret("a.p12", without.build2(SECRET).expect("made").to_der().expect("der"));
    assert_eq!(reason(store.identity("a")), "NoKey");
    folder.secret("a.p12", vec![0; crate::pem::MAX_PEM_BYTES + 1]);
    assert_eq!(reason(store.identity("a")), "TooLarge");
    folder.secret("a.p12", good);
    folder.secret("a.pfx", pkcs12(&identity, SECRET));
    assert_eq!(reason(store.identity("a")), "Ambiguous");
    assert_eq!(store.names().expect("names"), ["a"]);
}

#[test]
fn a_key_without_passphrase_in_pkcs12_is_read() {
    let folder = Folder::new();
    let identity = issue("TEST a", Purpose::Client).identity().clone();
    let mut builder = Pkcs12::builder();
    builder.pkey(identity.key()).cert(identity.certificate().x509());
    builder.key_algorithm(Nid::UNDEF);
    folder.secret("a.p12", builder.build2("").expect("made").to_der().expect("der"));
    let entry = folder.open(Passphrase::None).entry("a").expect("read");
    assert_eq!(entry.chain[..], identity.chain()[..1]);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = Folder::new();
    let store = folder.open_with(SECRET);
    let identity = issue("TEST a", Purpose::Client).identity().clone();
    store.keep("pem", &identity).expect("kept");
    folder.secret("file.p12", pkcs12(&identity, SECRET));
    for (name, file) in [("pem", "pem.key.pem"), ("file", "file.p12")] {
        for (mode, allowed) in [(0o644, false), (0o640, false), (0o602, false), (0o400, true)] {
            fs::set_permissions(folder.path(file), Permissions::from_mode(mode)).expect("set");
            let expected = if allowed { "done" } else { "OpenToOthers" };
            assert_eq!(reason(store.identity(name)), expected, "{file} {mode:o}");
        }
        fs::set_permissions(folder.0.path(), Permissions::from_mode(0o770)).expect("set");
        assert_eq!(reason(store.identity(name)), "OpenFolder", "{file}");
        fs::set_permissions(folder.0.path(), Permissions::from_mode(0o700)).expect("set");
    }
    let passphrase = folder.path("passphrase");
    fs::set_permissions(passphrase, Permissions::from_mode(0o644)).expect("set");
    assert_eq!(reason(store.identity("pem")), "OpenToOthers");
}

#[test]
fn keys_in_other_forms_are_refused() {
    let folder = Folder::new();
    let store = folder.open(Passphrase::None);
    let (a, b) = (issue("TEST a", Purpose::Client), issue("TEST b", Purpose::Client));
    store.keep("a", a.identity()).expect("kept");
    store.keep("b", b.identity()).expect("kept");
    let key_file = folder.path("a.key.pem");
    fs::copy(folder.path("b.key.pem"), &key_file).expect("copied");
    assert_eq!(reason(store.identity("a")), "KeyMismatch");
    assert_eq!(reason(store.entry("a")), "KeyMismatch");
    let traditional = openssl(&["ec", "-in", folder.path("b.key.pem").to_str().expect("UTF-8")]);
    let both = [traditional.as_bytes(), &a.certificate().to_pem().expect("pem")].concat();
    for bad in [traditional.as_bytes(), &both] {
        fs::write(&key_file, bad).expect("written");
        assert_eq!(reason(store.identity("a")), "NotPkcs8");
    }
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for bad in ["", damaged] {
        fs::write(&key_file, bad).expect("written");
        assert_eq!(reason(store.identity("a")), "Malformed");
    }
    // A key where its certificate belongs: the pair is not used at all.
    fs::copy(folder.path("b.key.pem"), folder.path("b.cert.pem")).expect("copied");
    assert_eq!(reason(store.identity("b")), "PrivateKeyFound");
    assert_eq!(
        reason(KeyStore::open(&folder.path("absent"), Passphrase::None)).split('(').next(),
        Some("Io")
    );
    assert_eq!(reason(KeyStore::open(&key_file, Passphrase::None)), "Malformed");
}

#[test]
fn every_error_says_it_in_two_languages() {
    use amtsbote_domain::text::Language;
    for error in [
        TrustError::ForeignOwner,
        TrustError::OpenFolder,
        TrustError::LegacyPkcs12,
        TrustError::NoKey,
        TrustError::Absent,
        TrustError::Ambiguous,
        TrustError::CertificatePending,
        TrustError::NotForTls,
        TrustError::BadSubject,
        TrustError::NoToken,
        TrustError::PinRefused,
        TrustError::TokenBusy,
        TrustError::UnsuitableKey,
    ] {
        assert_ne!(error.text(Language::De), error.text(Language::En));
        assert_eq!(error.text(Language::En), error.to_string());
    }
}

/// Real files of others: modern ones, and outdated ones as the field still has them.
#[test]
fn files_of_others_are_read() {
    let corpus = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    let corpus = corpus.join("osci-transport");
    let folders = ["golden/certs", "demo-pki", "demo-pki/alt"].map(|name| corpus.join(name));
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten())
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "p12"))
        .collect();
    if files.is_empty() {
        return skipped::skipped("the corpus with PKCS#12 files is not there");
    }
    files.sort_unstable();
    let folder = Folder::new();
    // The passphrase that is published with these test keys.
    let store = folder.open_with("123456");
    let mut read = 0;
    for file in files {
        folder.secret("one.p12", fs::read(&file).expect("there"));
        let entry =
            store.entry("one").unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!entry.chain.is_empty(), "{}", file.display());
        if entry.facts.algorithm == KeyAlgorithm::Rsa {
            // Among the oldest are keys of 1024 bits, which must not sign any more.
            let (signer, long) = (store.signer("one"), entry.facts.bits >= 2048);
            assert_eq!(signer.is_ok(), long, "{}", file.display());
            assert!(store.decryptor("one").is_ok(), "{}", file.display());
        }
        read += 1;
    }
    assert!(read >= 8, "{read}");
}
