//! A certification authority for the tests of paths: any shape of certificate, good or bad, with
//! keys made at run time.

use openssl::asn1::{Asn1Integer, Asn1Object, Asn1OctetString};
use openssl::bn::BigNum;
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameRef};

use amtsbote_domain::Timestamp;

use crate::der::{SEQUENCE, constructed, primitive, value};
use crate::pem::Certificate;
use crate::validity;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// When most tests take place.
pub(super) fn today() -> Timestamp {
    at("2026-06-01T00:00:00Z")
}

/// What a certificate is to be.
#[derive(Clone)]
pub(super) struct Shape {
    name: String,
    ca: bool,
    path_length: Option<u32>,
    usage: Vec<&'static str>,
    extended: Vec<&'static str>,
    names: Vec<String>,
    from: Timestamp,
    until: Timestamp,
    digest: MessageDigest,
    serial: u32,
    more: Vec<(&'static str, bool, Vec<u8>)>,
}

impl Shape {
    pub(super) fn leaf(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ca: false,
            path_length: None,
            usage: vec!["digitalSignature", "nonRepudiation"],
            extended: Vec::new(),
            names: Vec::new(),
            from: at("2020-01-01T00:00:00Z"),
            until: at("2040-01-01T00:00:00Z"),
            digest: MessageDigest::sha256(),
            serial: 7,
            more: Vec::new(),
        }
    }

    pub(super) fn authority(name: &str) -> Self {
        Self { ca: true, usage: vec!["keyCertSign", "cRLSign"], ..Self::leaf(name) }
    }

    pub(super) fn usage(self, usage: &[&'static str]) -> Self {
        Self { usage: usage.to_vec(), ..self }
    }

    pub(super) fn extended(self, extended: &[&'static str]) -> Self {
        Self { extended: extended.to_vec(), ..self }
    }

    pub(super) fn names(self, names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| (*name).to_owned()).collect(), ..self }
    }

    pub(super) fn valid(self, from: &str, until: &str) -> Self {
        Self { from: at(from), until: at(until), ..self }
    }

    pub(super) fn path_length(self, length: u32) -> Self {
        Self { path_length: Some(length), ..self }
    }

    pub(super) fn digest(self, digest: MessageDigest) -> Self {
        Self { digest, ..self }
    }

    pub(super) fn serial(self, serial: u32) -> Self {
        Self { serial, ..self }
    }

    /// An extension as OID, criticality and DER.
    pub(super) fn with(mut self, oid: &'static str, critical: bool, der: &[u8]) -> Self {
        self.more.push((oid, critical, der.to_vec()));
        self
    }
}

/// nameConstraints of DNS names.
pub(super) fn dns_constraints(permitted: &[&str], excluded: &[&str]) -> Vec<u8> {
    let list = |number: u8, names: &[&str]| {
        let subtree = |name: &&str| value(SEQUENCE, &[&value(primitive(2), &[name.as_bytes()])]);
        let subtrees: Vec<u8> = names.iter().flat_map(subtree).collect();
        if names.is_empty() { Vec::new() } else { value(constructed(number), &[&subtrees]) }
    };
    value(SEQUENCE, &[&list(0, permitted), &list(1, excluded)])
}

/// A key with a certificate.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    pub certificate: Certificate,
    key: PKey<Private>,
}

impl Authority {
    pub(super) fn root(name: &str) -> Self {
        Self::root_of(&Shape::authority(name))
    }

    pub(super) fn root_of(shape: &Shape) -> Self {
        let key = new_key();
        Self { certificate: certificate(shape, &key, None), key }
    }

    /// Issues a certificate for a new key.
    pub(super) fn issue(&self, shape: &Shape) -> Self {
        self.certify(shape, &new_key())
    }

    /// Issues an authority's certificate for a new key.
    pub(super) fn sub(&self, name: &str) -> Self {
        self.issue(&Shape::authority(name))
    }

    /// Issues a certificate for the key of another.
    pub(super) fn cross(&self, shape: &Shape, other: &Self) -> Self {
        self.certify(shape, &other.key)
    }

    /// A new certificate of a root for its old key, signed by itself.
    pub(super) fn again(&self, shape: &Shape) -> Self {
        Self { certificate: certificate(shape, &self.key, None), key: self.key.clone() }
    }

    fn certify(&self, shape: &Shape, key: &PKey<Private>) -> Self {
        Self { certificate: certificate(shape, key, Some(self)), key: key.clone() }
    }
}

fn new_key() -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    group.set_asn1_flag(Asn1Flag::NAMED_CURVE);
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn name(text: &str) -> X509Name {
    let mut builder = X509Name::builder().expect("a name");
    if !text.is_empty() {
        builder.append_entry_by_nid(Nid::COMMONNAME, text).expect("a name");
    }
    builder.build()
}

fn certificate(shape: &Shape, key: &PKey<Private>, issuer: Option<&Authority>) -> Certificate {
    let subject = name(&shape.name);
    let issuer_x509 = issuer.map(|issuer| issuer.certificate.x509().to_owned());
    let issuer_name: &X509NameRef = issuer_x509.as_ref().map_or(&subject, |x| x.subject_name());
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("set");
    let serial = BigNum::from_u32(shape.serial).expect("a number");
    builder.set_serial_number(&Asn1Integer::from_bn(&serial).expect("a number")).expect("set");
    builder.set_subject_name(&subject).expect("set");
    builder.set_issuer_name(issuer_name).expect("set");
    builder.set_pubkey(key).expect("set");
    builder.set_not_before(&validity::asn1(shape.from).expect("a time")).expect("set");
    builder.set_not_after(&validity::asn1(shape.until).expect("a time")).expect("set");
    extensions(&mut builder, shape, issuer_x509.as_ref());
    let signer = issuer.map_or(key, |issuer| &issuer.key);
    builder.sign(signer, shape.digest).expect("signed");
    Certificate::new(builder.build()).expect("a certificate")
}

fn extensions(builder: &mut X509Builder, shape: &Shape, issuer: Option<&X509>) {
    let mut add = |extension: X509Extension| builder.append_extension(extension).expect("added");
    let mut basic = BasicConstraints::new();
    basic.critical();
    if shape.ca {
        basic.ca();
    }
    if let Some(length) = shape.path_length {
        basic.pathlen(length);
    }
    add(basic.build().expect("built"));
    if !shape.usage.is_empty() {
        add(key_usage(&shape.usage));
    }
    if !shape.extended.is_empty() {
        let mut extended = ExtendedKeyUsage::new();
        for usage in &shape.extended {
            extended.other(usage);
        }
        add(extended.build().expect("built"));
    }
    for (oid, critical, der) in &shape.more {
        let oid = Asn1Object::from_str(oid).expect("an OID");
        let value = Asn1OctetString::new_from_bytes(der).expect("octets");
        add(X509Extension::new_from_der(&oid, *critical, &value).expect("built"));
    }
    let context = builder.x509v3_context(issuer.map(|issuer| &**issuer), None);
    let own = SubjectKeyIdentifier::new().build(&context).expect("built");
    let names = (!shape.names.is_empty()).then(|| {
        let mut names = SubjectAlternativeName::new();
        for name in &shape.names {
            let ip = name.parse::<std::net::IpAddr>().is_ok();
            if ip {
                names.ip(name)
            } else {
                names.dns(name)
            };
        }
        names.build(&context).expect("built")
    });
    let of_issuer = issuer.map(|_| {
        let context = builder.x509v3_context(issuer.map(|issuer| &**issuer), None);
        AuthorityKeyIdentifier::new().keyid(true).build(&context).expect("built")
    });
    for extension in [Some(own), names, of_issuer].into_iter().flatten() {
        builder.append_extension(extension).expect("added");
    }
}

fn key_usage(names: &[&str]) -> X509Extension {
    let mut usage = KeyUsage::new();
    usage.critical();
    for name in names {
        match *name {
            "digitalSignature" => usage.digital_signature(),
            "nonRepudiation" => usage.non_repudiation(),
            "keyEncipherment" => usage.key_encipherment(),
            "dataEncipherment" => usage.data_encipherment(),
            "keyAgreement" => usage.key_agreement(),
            "keyCertSign" => usage.key_cert_sign(),
            "cRLSign" => usage.crl_sign(),
            other => panic!("no such usage: {other}"),
        };
    }
    usage.build().expect("built")
}
