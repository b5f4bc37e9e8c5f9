//! Certificate requests (PKCS#10, RFC 2986): how a rollover begins. A new key is made in the store
//! under a new name, the trust centre gets the request, and its certificate is put beside the key
//! when it comes. Nothing uses the key before; old and new then overlap under their two names.

use std::net::IpAddr;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::extension::{ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509Extension, X509Name, X509Req, X509ReqBuilder};

use crate::error::TrustError;
use crate::files;
use crate::pem::Certificate;

use super::chain;
use super::folder::{KeyStore, Read};

const REQUEST_SUFFIX: &str = ".csr.pem";
/// Longest text of a subject, in characters (RFC 5280, appendix A: `ub-common-name` and its like).
const MAX_TEXT: usize = 64;
/// Most names of a server.
const MAX_SERVER_NAMES: usize = 64;
/// Longest DNS name, in octets (RFC 1035, 2.3.4).
const MAX_DNS_NAME: usize = 253;

/// The kinds of keys that are made; all of them are strong enough after BSI TR-02102-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewKey {
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits; takes some seconds to make.
    Rsa4096,
    /// Elliptic curve P-256.
    P256,
    /// Elliptic curve P-384.
    P384,
    /// Elliptic curve brainpoolP256r1.
    BrainpoolP256r1,
    /// Ed25519: for signatures of messages only, and not every partner reads it.
    Ed25519,
}

impl NewKey {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Rsa3072,
        Self::Rsa4096,
        Self::P256,
        Self::P384,
        Self::BrainpoolP256r1,
        Self::Ed25519,
    ];

    /// Its name for people and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::P256 => "p-256",
            Self::P384 => "p-384",
            Self::BrainpoolP256r1 => "brainpool-p256r1",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn make(self) -> Result<PKey<Private>, TrustError> {
        Ok(match self {
            Self::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?)?,
            Self::Rsa4096 => PKey::from_rsa(Rsa::generate(4096)?)?,
            Self::P256 => PKey::ec_gen("prime256v1")?,
            Self::P384 => PKey::ec_gen("secp384r1")?,
            Self::BrainpoolP256r1 => PKey::ec_gen("brainpoolP256r1")?,
            Self::Ed25519 => PKey::generate_ed25519()?,
        })
    }

    fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa3072 | Self::Rsa4096)
    }
}

/// What the certificate shall be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Signatures on content or transport messages.
    Signature,
    /// Decryption of what is encrypted for the key.
    Encryption,
    /// TLS client.
    TlsClient,
    /// TLS server under these DNS names and IP addresses, 1 to 64; a hub is a client as well.
    TlsServer(Vec<String>),
}

/// Whom the certificate shall name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `CN`, 1 to 64 characters.
    pub common_name: String,
    /// `OU`, at most 64 characters.
    pub unit: Option<String>,
    /// `O`, at most 64 characters.
    pub organization: Option<String>,
    /// `L`, at most 64 characters.
    pub locality: Option<String>,
    /// `C`, two capital letters.
    pub country: Option<String>,
}

/// What is asked of a trust centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key that is made.
    pub key: NewKey,
    /// Whom the certificate shall name.
    pub subject: Subject,
    /// What it shall be for.
    pub usage: Usage,
}

impl KeyStore {
    /// Makes a new key under a new name and returns the request for its certificate as PEM text,
    /// which lies beside the key as well (`NAME.csr.pem`). Errors: [`TrustError::Exists`],
    /// [`TrustError::BadSubject`], [`TrustError::UnsuitableKey`] for a kind that cannot have this
    /// use.
    pub fn request(&self, name: &str, request: &Request) -> Result<Vec<u8>, TrustError> {
        if request.usage != Usage::Signature && request.key == NewKey::Ed25519 {
            return Err(TrustError::UnsuitableKey);
        }
        let subject = request.subject.to_x509()?;
        let key = request.key.make()?;
        let pem = signed(request, &subject, &key)?.to_pem()?;
        self.keep_key(name, &key)?;
        files::create(&self.path(name, REQUEST_SUFFIX)?, 0o644, &pem)?;
        Ok(pem)
    }

    /// Puts a certificate beside the key that waits for it: the first of `chain` must be that of the
    /// key, its issuers may follow in any order. Whether it is valid and for what is judged by
    /// whoever uses it. Errors: [`TrustError::KeyMismatch`]; [`TrustError::Exists`] if the key has
    /// one already.
    pub fn accept_certificate(&self, name: &str, chain: &[Certificate]) -> Result<(), TrustError> {
        let Read { key, chain: present, .. } = self.read(name)?;
        let leaf = chain.first().ok_or(TrustError::NoCertificate)?;
        if !leaf.x509().public_key()?.public_eq(&key) {
            return Err(TrustError::KeyMismatch);
        }
        if !present.is_empty() {
            return Err(TrustError::Exists);
        }
        self.keep_chain(name, &chain::in_order(leaf.clone(), chain)?)
    }
}

impl Subject {
    fn to_x509(&self) -> Result<X509Name, TrustError> {
        let text = |text: &str| {
            (1..=MAX_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        };
        let country = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_uppercase());
        let mut name = X509Name::builder()?;
        let parts = [
            (Nid::COUNTRYNAME, self.country.as_deref()),
            (Nid::LOCALITYNAME, self.locality.as_deref()),
            (Nid::ORGANIZATIONNAME, self.organization.as_deref()),
            (Nid::ORGANIZATIONALUNITNAME, self.unit.as_deref()),
            (Nid::COMMONNAME, Some(self.common_name.as_str())),
        ];
        for (kind, value) in parts {
            let Some(value) = value else { continue };
            let is_good = if kind == Nid::COUNTRYNAME { country(value) } else { text(value) };
            if !is_good {
                return Err(TrustError::BadSubject);
            }
            name.append_entry_by_nid(kind, value)?;
        }
        Ok(name.build())
    }
}

fn signed(
    request: &Request,
    subject: &X509Name,
    key: &PKey<Private>,
) -> Result<X509Req, TrustError> {
    let mut builder = X509Req::builder()?;
    builder.set_version(0)?;
    builder.set_subject_name(subject)?;
    builder.set_pubkey(key)?;
    let extensions = extensions(request, &builder)?;
    builder.add_extensions(&extensions)?;
    let digest = match request.key {
        NewKey::P384 => MessageDigest::sha384(),
        // RFC 8410, 3: Ed25519 signs without a digest of its own choice.
        NewKey::Ed25519 => MessageDigest::null(),
        _ => MessageDigest::sha256(),
    };
    builder.sign(key, digest)?;
    Ok(builder.build())
}

fn extensions(
    request: &Request,
    builder: &X509ReqBuilder,
) -> Result<Stack<X509Extension>, TrustError> {
    let mut usage = KeyUsage::new();
    usage.critical();
    match &request.usage {
        Usage::Signature => usage.digital_signature().non_repudiation(),
        Usage::Encryption if request.key.is_rsa() => usage.key_encipherment(),
        Usage::Encryption => usage.key_agreement(),
        Usage::TlsClient | Usage::TlsServer(_) => usage.digital_signature(),
    };
    let mut extensions = Stack::new()?;
    extensions.push(usage.build()?)?;
    match &request.usage {
        Usage::Signature | Usage::Encryption => {}
        Usage::TlsClient => extensions.push(ExtendedKeyUsage::new().client_auth().build()?)?,
        Usage::TlsServer(names) => {
            extensions.push(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
            let names = server_names(names)?;
            extensions.push(names.build(&builder.x509v3_context(None))?)?;
        }
    }
    Ok(extensions)
}

fn server_names(names: &[String]) -> Result<SubjectAlternativeName, TrustError> {
    if names.is_empty() || names.len() > MAX_SERVER_NAMES {
        return Err(TrustError::BadSubject);
    }
    let mut alternative = SubjectAlternativeName::new();
    for name in names {
        match name.parse::<IpAddr>() {
            Ok(_) => alternative.ip(name),
            Err(_) if is_dns_name(name) => alternative.dns(name),
            Err(_) => return Err(TrustError::BadSubject),
        };
    }
    Ok(alternative)
}

/// Letters, digits and hyphens (RFC 1123, 2.1). OpenSSL takes the names as text in which commas and
/// colons mean something.
fn is_dns_name(name: &str) -> bool {
    name.len() <= MAX_DNS_NAME
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keystore::{Keys, Passphrase};
    use crate::testca::tests::{ca, issue, openssl};
    use crate::testca::{KeyKind, Purpose};

    fn request(key: NewKey, usage: Usage) -> Request {
        let subject = Subject {
            common_name: "TEST Stadt Beispiel".to_owned(),
            organization: Some("TEST Kreis Grüntal".to_owned()),
            country: Some("DE".to_owned()),
            ..Subject::default()
        };
        Request { key, subject, usage }
    }

    fn store() -> (tempfile::TempDir, KeyStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = KeyStore::open(folder.path(), Passphrase::None).expect("open");
        (folder, store)
    }

    fn reason<T>(result: Result<T, TrustError>) -> String {
        match result {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("{:?}", error.reason()),
        }
    }

    #[test]
    fn openssl_reads_and_verifies_every_kind() {
        let (folder, store) = store();
        let server = Usage::TlsServer(vec!["hub.example.test".to_owned(), "192.0.2.7".to_owned()]);
        // RSA keys take their time: the larger one is made once.
        for (key, usage, shown) in [
            (NewKey::Rsa3072, Usage::Encryption, "Key Encipherment"),
            (NewKey::Rsa4096, Usage::Signature, "Public-Key: (4096 bit)"),
            (NewKey::P256, Usage::Signature, "Digital Signature, Non Repudiation"),
            (NewKey::P256, Usage::Encryption, "Key Agreement"),
            (NewKey::P384, Usage::TlsClient, "TLS Web Client Authentication"),
            (NewKey::BrainpoolP256r1, server, "DNS:hub.example.test, IP Address:192.0.2.7"),
            (NewKey::Ed25519, Usage::Signature, "Signature Algorithm: ED25519"),
        ] {
            let name = format!("{}-{}", key.name(), shown.len());
            let pem = store.request(&name, &request(key, usage)).expect("made");
            let file = folder.path().join(format!("{name}.csr.pem"));
            assert_eq!(std::fs::read(&file).expect("kept"), pem);
            let file = file.to_str().expect("UTF-8").to_owned();
            let text =
                openssl(&["req", "-verify", "-text", "-noout", "-nameopt", "utf8", "-in", &file]);
            assert!(text.contains(shown) && text.contains("TEST Kreis Grüntal"), "{text}");
            assert_eq!(NewKey::from_name(key.name()), Some(key));
        }
    }

    #[test]
    fn a_key_waits_for_its_certificate() {
        let (folder, store) = store();
        store.request("neu", &request(NewKey::P256, Usage::Signature)).expect("made");
        let entry = store.entry("neu").expect("listed");
        assert!(entry.chain.is_empty() && !entry.abilities.sign);
        assert_eq!(reason(store.signer("neu")), "CertificatePending");
        let other = issue("TEST a", Purpose::Signature);
        assert_eq!(
            reason(store.accept_certificate("neu", other.identity().chain())),
            "KeyMismatch"
        );
        assert_eq!(reason(store.accept_certificate("neu", &[])), "NoCertificate");

        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let authority = ca(KeyKind::EcP256);
        let other_store = KeyStore::open(folder.path(), Passphrase::None).expect("open");
        other_store.keep("ca", authority.identity()).expect("kept");
        let arguments = [
            ("-in", "neu.csr.pem"),
            ("-CA", "ca.cert.pem"),
            ("-CAkey", "ca.key.pem"),
            ("-out", "c"),
        ];
        let arguments = arguments.map(|(name, file)| [name.to_owned(), path(file)]).concat();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        openssl(
            &[&["x509", "-req", "-days", "30", "-copy_extensions", "copy"], &arguments[..]]
                .concat(),
        );
        let mut chain =
            crate::pem::load_certificates(folder.path().join("c").as_path()).expect("read");
        // What the trust centre sends along comes in any order.
        chain.extend([other.certificate().clone(), authority.certificate().clone()]);
        store.accept_certificate("neu", &chain).expect("accepted");
        let entry = store.entry("neu").expect("listed");
        assert_eq!(entry.chain, [chain[0].clone(), authority.certificate().clone()]);
        assert_eq!(store.signer("neu").expect("signs").certificate_der(), chain[0].der());
        assert_eq!(reason(store.accept_certificate("neu", &chain)), "Exists");
    }

    #[test]
    fn what_cannot_be_asked_leaves_no_key() {
        let (_folder, store) = store();
        let good = || request(NewKey::P256, Usage::Signature);
        let with = |change: fn(&mut Request)| {
            let mut request = good();
            change(&mut request);
            request
        };
        let server = |name: &str| request(NewKey::P256, Usage::TlsServer(vec![name.to_owned()]));
        for (bad, why) in [
            (with(|r| r.subject.common_name.clear()), "BadSubject"),
            (with(|r| r.subject.common_name = "x".repeat(65)), "BadSubject"),
            (with(|r| r.subject.common_name = "a\nb".to_owned()), "BadSubject"),
            (with(|r| r.subject.country = Some("de".to_owned())), "BadSubject"),
            (with(|r| r.subject.unit = Some(String::new())), "BadSubject"),
            (with(|r| r.usage = Usage::TlsServer(Vec::new())), "BadSubject"),
            (server("a.test,DNS:b.test"), "BadSubject"),
            (server("a..test"), "BadSubject"),
            (server("*.test"), "BadSubject"),
            (request(NewKey::Ed25519, Usage::Encryption), "UnsuitableKey"),
            (request(NewKey::Ed25519, Usage::TlsClient), "UnsuitableKey"),
        ] {
            assert_eq!(reason(store.request("neu", &bad)), why, "{bad:?}");
        }
        assert_eq!(reason(store.request("../neu", &good())), "BadName");
        assert_eq!(store.names().expect("names"), Vec::<String>::new());
        store.request("neu", &good()).expect("made");
        assert_eq!(reason(store.request("neu", &good())), "Exists");
    }
}
