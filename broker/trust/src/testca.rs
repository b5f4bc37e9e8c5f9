//! A certification authority for tests, the demo and `init --dev`. Never for production: its key
//! lies beside everything it signs, and every name it writes begins with `TEST`.
//!
//! It has no clock; callers say from when until when.

mod list;
mod sources;

pub use list::{Entry, List};
pub use sources::Sources;

use amtsbote_domain::validity::Validity;
use openssl::asn1::Asn1Integer;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name};

use amtsbote_domain::Timestamp;

use crate::error::TrustError;
use crate::keystore::Identity;
use crate::pem::Certificate;
use crate::validity;

/// The kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Elliptic curve P-256.
    EcP256,
    /// RSA of 3072 bits; takes some tenths of a second to make.
    Rsa3072,
}

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First instant; whole seconds count.
    pub from: Timestamp,
    /// First instant after.
    pub until: Timestamp,
}

impl From<Span> for Validity {
    fn from(span: Span) -> Self {
        Self { from: Some(span.from), until: Some(span.until) }
    }
}

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// TLS server under these host names and IP addresses.
    Server(Vec<String>),
    /// TLS client: an account.
    Client,
    /// TLS server and client: a hub that also sends to others.
    Hub(Vec<String>),
    /// Signatures of an Author.
    Signature,
    /// Encryption for a Reader: key transport with RSA, key agreement with elliptic curves.
    Encryption,
    /// Answers about revocation in the name of the authority (RFC 6960, 4.2.2.2).
    OcspSigner,
    /// Time stamps (RFC 3161, 2.3).
    TimeStamping,
    /// TLS client of a person who operates the hub.
    Operator,
}

impl Purpose {
    /// A TLS server on the own machine: `localhost`, `127.0.0.1`, `::1`.
    pub fn localhost() -> Self {
        Self::Server(local_names())
    }

    /// A hub on the own machine.
    pub fn local_hub() -> Self {
        Self::Hub(local_names())
    }

    fn names(&self) -> &[String] {
        match self {
            Self::Server(names) | Self::Hub(names) => names,
            _ => &[],
        }
    }
}

fn local_names() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

/// The authority.
#[derive(Clone, Debug)]
pub struct TestCa {
    identity: Identity,
    span: Span,
}

/// A key with a certificate made here. Unlike a key of the key store it can be written to a file:
/// it is for tests.
#[derive(Clone, Debug)]
pub struct Issued {
    identity: Identity,
}

impl Issued {
    /// For TLS and signing; the chain ends with the root.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        self.identity.certificate()
    }

    /// Certificate and root as PEM text.
    pub fn chain_pem(&self) -> Result<Vec<u8>, TrustError> {
        self.identity.chain_pem()
    }

    /// The key as PEM text (PKCS#8, not encrypted): to be written with mode 0600.
    pub fn key_pem(&self) -> Result<Vec<u8>, TrustError> {
        Ok(self.identity.key().private_key_to_pem_pkcs8()?)
    }
}

impl TestCa {
    /// Makes key and root certificate. The name gets `TEST ` in front if it does not begin so. No
    /// authorities below it.
    pub fn new(name: &str, kind: KeyKind, span: Span) -> Result<Self, TrustError> {
        Self::with_depth(name, kind, span, 0)
    }

    /// The same, with at most so many authorities below it on a path.
    pub fn with_depth(
        name: &str,
        kind: KeyKind,
        span: Span,
        depth: u32,
    ) -> Result<Self, TrustError> {
        let key = new_key(kind)?;
        let subject = subject(name, "Amtsbote TEST")?;
        let mut builder = begin(&subject, &key, span)?;
        builder.set_issuer_name(&subject)?;
        builder
            .append_extension(BasicConstraints::new().critical().ca().pathlen(depth).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let context = builder.x509v3_context(None, None);
        let identifier = SubjectKeyIdentifier::new().build(&context)?;
        builder.append_extension(identifier)?;
        builder.sign(&key, MessageDigest::sha256())?;
        let root = Certificate::new(builder.build())?;
        Ok(Self { identity: Identity::new(key, vec![root])?, span })
    }

    /// An authority made before and kept, e.g. by `init --dev`.
    pub fn from_identity(identity: Identity) -> Result<Self, TrustError> {
        let validity = identity.certificate().validity();
        match (validity.from, validity.until) {
            (Some(from), Some(until)) => Ok(Self { identity, span: Span { from, until } }),
            _ => Err(TrustError::Malformed),
        }
    }

    /// The root certificate.
    pub fn certificate(&self) -> &Certificate {
        self.identity.certificate()
    }

    /// The root with its key, to be kept in a key store.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The key as PEM text (PKCS#8, not encrypted), for tools that sign in its name.
    pub fn key_pem(&self) -> Result<Vec<u8>, TrustError> {
        Ok(self.identity.key().private_key_to_pem_pkcs8()?)
    }

    /// From when until when the root is valid.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Makes an authority below this one, with at most `depth` authorities below itself.
    pub fn intermediate(
        &self,
        name: &str,
        kind: KeyKind,
        span: Span,
        depth: u32,
        sources: &Sources,
    ) -> Result<Self, TrustError> {
        let key = new_key(kind)?;
        let mut builder = begin(&*subject(name, "Amtsbote TEST")?, &key, span)?;
        builder
            .append_extension(BasicConstraints::new().critical().ca().pathlen(depth).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        Ok(Self { identity: self.finish(builder, key, None, sources)?, span })
    }

    /// Makes a key and a certificate for it. The name gets `TEST ` in front if it does not begin
    /// so; together at most 64 characters.
    pub fn issue(
        &self,
        name: &str,
        purpose: Purpose,
        kind: KeyKind,
        span: Span,
    ) -> Result<Issued, TrustError> {
        self.issue_with(name, purpose, kind, span, &Sources::default())
    }

    /// The same, and the certificate names these sources about its revocation.
    pub fn issue_with(
        &self,
        name: &str,
        purpose: Purpose,
        kind: KeyKind,
        span: Span,
        sources: &Sources,
    ) -> Result<Issued, TrustError> {
        let key = new_key(kind)?;
        let unit = match purpose {
            Purpose::Operator => "Amtsbote TEST operators",
            _ => "Amtsbote TEST",
        };
        let mut builder = begin(&*subject(name, unit)?, &key, span)?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        add_usages(&mut builder, &purpose, kind)?;
        let names = alternative_names(&purpose);
        Ok(Issued { identity: self.finish(builder, key, names, sources)? })
    }

    /// Adds what all certificates have, and signs.
    fn finish(
        &self,
        mut builder: X509Builder,
        key: PKey<Private>,
        names: Option<SubjectAlternativeName>,
        sources: &Sources,
    ) -> Result<Identity, TrustError> {
        let root = self.identity.certificate().x509();
        builder.set_issuer_name(root.subject_name())?;
        let context = builder.x509v3_context(Some(root), None);
        let own = SubjectKeyIdentifier::new().build(&context)?;
        let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
        let names = names.map(|names| names.build(&context)).transpose()?;
        let more = sources.extensions()?;
        for extension in [Some(own), Some(issuer), names].into_iter().flatten().chain(more) {
            builder.append_extension(extension)?;
        }
        builder.sign(self.identity.key(), MessageDigest::sha256())?;
        let mut chain = vec![Certificate::new(builder.build())?];
        chain.extend(self.identity.chain().iter().cloned());
        Identity::new(key, chain)
    }
}

fn new_key(kind: KeyKind) -> Result<PKey<Private>, TrustError> {
    Ok(match kind {
        KeyKind::EcP256 => {
            let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            group.set_asn1_flag(Asn1Flag::NAMED_CURVE);
            PKey::from_ec_key(EcKey::generate(&group)?)?
        }
        KeyKind::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?)?,
    })
}

fn subject(name: &str, unit: &str) -> Result<X509Name, TrustError> {
    let name = match name.starts_with("TEST ") {
        true => name.to_owned(),
        false => format!("TEST {name}"),
    };
    let mut builder = X509Name::builder()?;
    builder.append_entry_by_nid(Nid::COUNTRYNAME, "DE")?;
    builder.append_entry_by_nid(Nid::ORGANIZATIONNAME, unit)?;
    builder.append_entry_by_nid(Nid::COMMONNAME, &name)?;
    Ok(builder.build())
}

fn begin(
    subject: &openssl::x509::X509NameRef,
    key: &PKey<Private>,
    span: Span,
) -> Result<X509Builder, TrustError> {
    const VERSION_3: i32 = 2;
    // RFC 5280, 4.1.2.2: positive and at most 20 octets; unguessable by custom.
    const SERIAL_BITS: i32 = 127;
    let mut serial = BigNum::new()?;
    serial.rand(SERIAL_BITS, MsbOption::ONE, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(VERSION_3)?;
    builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    builder.set_subject_name(subject)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*validity::asn1(span.from)?)?;
    // The last date belongs to a certificate; our spans end before their end.
    let last = span.until.checked_sub(jiff::SignedDuration::from_secs(1));
    builder.set_not_after(&*validity::asn1(last.map_err(|_| TrustError::Malformed)?)?)?;
    Ok(builder)
}

fn add_usages(
    builder: &mut X509Builder,
    purpose: &Purpose,
    kind: KeyKind,
) -> Result<(), TrustError> {
    let mut usage = KeyUsage::new();
    usage.critical();
    let mut extended = ExtendedKeyUsage::new();
    match purpose {
        Purpose::Encryption => drop(match kind {
            KeyKind::EcP256 => usage.key_agreement(),
            KeyKind::Rsa3072 => usage.key_encipherment(),
        }),
        Purpose::Signature => drop(usage.digital_signature().non_repudiation()),
        _ => drop(usage.digital_signature()),
    }
    match purpose {
        Purpose::Server(_) => drop(extended.server_auth()),
        Purpose::Hub(_) => drop(extended.server_auth().client_auth()),
        Purpose::Client | Purpose::Operator => drop(extended.client_auth()),
        Purpose::OcspSigner => drop(extended.other("OCSPSigning")),
        Purpose::TimeStamping => drop(extended.critical().other("timeStamping")),
        Purpose::Signature | Purpose::Encryption => {}
    }
    builder.append_extension(usage.build()?)?;
    if !matches!(purpose, Purpose::Signature | Purpose::Encryption) {
        builder.append_extension(extended.build()?)?;
    }
    Ok(())
}

fn alternative_names(purpose: &Purpose) -> Option<SubjectAlternativeName> {
    let mut names = SubjectAlternativeName::new();
    for name in purpose.names() {
        match name.parse::<std::net::IpAddr>() {
            Ok(_) => names.ip(name),
            Err(_) => names.dns(name),
        };
    }
    (!purpose.names().is_empty()).then_some(names)
}

#[cfg(test)]
pub(crate) mod tests;
