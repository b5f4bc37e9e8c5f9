//! What the tests of this package share: a message, a signer, TLS on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use amtsbote_archive::note::LogKey;
use amtsbote_domain::Timestamp;
use amtsbote_domain::identity::{ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::Language;
use amtsbote_wire::signature::OpensslSigner;
use openssl::asn1::Asn1Time;
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, SslAcceptor, SslMethod, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Name};

use crate::client::{ClientOptions, NativeClient, Timeouts};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(crate) fn metadata() -> Metadata {
    Metadata {
        author: PartyId::parse("ags:05766044").expect("a party"),
        reader: PartyId::parse("ags:05758004").expect("a party"),
        other_readers: vec![],
        service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
        message_type: None,
        transport_id: TransportId::parse("lemgo-1").expect("an id"),
        business_id: None,
        created: at("2026-11-23T06:00:00Z"),
        not_before: None,
        expires: None,
        test: true,
    }
}

/// A key with its certificate and that of its issuer.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
    pub(crate) root: X509,
}

impl Keys {
    /// A root of its own and one certificate, good for everything on this machine.
    pub(crate) fn new() -> Self {
        Self::under("TEST root")
    }

    /// The same, with a root of this name.
    pub(crate) fn under(name: &str) -> Self {
        let root_key = key();
        let root = certificate(name, &root_key, None);
        let key = key();
        let certificate = certificate("TEST leaf", &key, Some((&root_key, &root)));
        Self { key, certificate, root }
    }

    pub(crate) fn signer(&self) -> OpensslSigner {
        OpensslSigner::new(self.key.clone(), &self.certificate).expect("a signer")
    }
}

fn key() -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    group.set_asn1_flag(Asn1Flag::NAMED_CURVE);
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn certificate(name: &str, key: &PKey<Private>, issuer: Option<(&PKey<Private>, &X509)>) -> X509 {
    let mut subject = X509Name::builder().expect("a builder");
    subject.append_entry_by_nid(Nid::COMMONNAME, name).expect("a name");
    let subject = subject.build();
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("a version");
    builder.set_subject_name(&subject).expect("a subject");
    builder.set_issuer_name(issuer.map_or(&subject, |(_, x509)| x509.subject_name())).expect("set");
    builder.set_pubkey(key).expect("a key");
    builder.set_not_before(&Asn1Time::from_str("20200101000000Z").expect("a time")).expect("set");
    builder.set_not_after(&Asn1Time::from_str("20900101000000Z").expect("a time")).expect("set");
    let mut constraints = BasicConstraints::new();
    constraints.critical();
    if issuer.is_none() {
        constraints.ca();
    }
    builder.append_extension(constraints.build().expect("built")).expect("set");
    let context = builder.x509v3_context(issuer.map(|(_, x509)| &**x509), None);
    let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).expect("built");
    builder.append_extension(names).expect("set");
    let signing = issuer.map_or(key, |(key, _)| key);
    builder.sign(signing, MessageDigest::sha256()).expect("signed");
    builder.build()
}

/// A client of the listener at `port` that trusts `server` and shows `own`.
pub(crate) fn client(port: u16, server: &Keys, own: &Keys, idle: Duration) -> NativeClient {
    client_with(port, server, own, Timeouts { idle, ..Timeouts::default() })
}

/// The same with these times; connecting has long.
pub(crate) fn client_with(
    port: u16,
    server: &Keys,
    own: &Keys,
    timeouts: Timeouts,
) -> NativeClient {
    let hub_key = LogKey::generate("hub.example.test/log").expect("a key").verifier().clone();
    NativeClient::new(ClientOptions {
        base_url: format!("https://127.0.0.1:{port}"),
        ca_pem: server.root.to_pem().expect("pem"),
        certificate_pem: own.certificate.to_pem().expect("pem"),
        key_pem: own.key.private_key_to_pem_pkcs8().expect("pem"),
        hub_key,
        timeouts: Timeouts { connect: Duration::from_secs(60), ..timeouts },
        language: Language::En,
    })
    .expect("a client")
}

/// Serves one connection on loopback with `serve`, then ends it. Clients must show a certificate
/// of the root in `trusted`.
pub(crate) fn listen<T: Send + 'static>(
    own: &Keys,
    trusted: &Keys,
    version: SslVersion,
    serve: impl FnOnce(&mut SslStream<TcpStream>) -> T + Send + 'static,
) -> (u16, JoinHandle<Option<T>>) {
    let acceptor = acceptor(own, trusted, version);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        match acceptor.accept(stream) {
            Ok(mut stream) => Some(serve(&mut stream)),
            Err(HandshakeError::Failure(failed)) => {
                // Reads on until the client has gone: a reset would overtake the alert.
                let mut stream = failed.get_ref();
                while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
                None
            }
            Err(error) => panic!("{error}"),
        }
    });
    (port, serving)
}

/// Lets in who shows a certificate of the root in `trusted`.
pub(crate) fn acceptor(own: &Keys, trusted: &Keys, version: SslVersion) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("TLS");
    builder.set_private_key(&own.key).expect("set");
    builder.set_certificate(&own.certificate).expect("set");
    builder.set_max_proto_version(Some(version)).expect("set");
    let mut store = X509StoreBuilder::new().expect("a store");
    store.add_cert(trusted.root.clone()).expect("added");
    builder.set_cert_store(store.build());
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    builder.build()
}

/// Reads until `end` has come, or the client has gone.
pub(crate) fn read_until(stream: &mut impl Read, end: &[u8]) -> Vec<u8> {
    let (mut octets, mut buffer) = (Vec::new(), [0; 4096]);
    while !octets.windows(end.len()).any(|window| window == end) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => octets.extend_from_slice(&buffer[..read]),
        }
    }
    octets
}

/// Writes an answer whole.
pub(crate) fn answer(stream: &mut impl Write, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).expect("written");
    stream.flush().expect("written");
}
