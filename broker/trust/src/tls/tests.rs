//! Handshakes on loopback.

use super::*;
use crate::keystore::{KeyStore, Keys, NewKey, Passphrase, Request, Subject, Usage};
use crate::testca::tests::{ca, issue, openssl};
use crate::testca::{KeyKind, Purpose, TestCa};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// One connection on loopback: what the server saw of the client, or that it failed.
fn meet(server: SslAcceptor, client: SslConnector, name: &str) -> Option<Option<Digest>> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut stream = server.accept(stream).ok()?;
        let seen = peer_fingerprint(stream.ssl()).expect("a fingerprint");
        stream.write_all(b"x").ok()?;
        Some(seen)
    });
    let answered = client
        .connect(name, TcpStream::connect(address).expect("connected"))
        .ok()
        .and_then(|mut stream| stream.read_exact(&mut [0]).ok());
    let seen = serving.join().expect("the server ends");
    answered.and(seen)
}

fn server(client_certificate: ClientCertificate) -> SslAcceptor {
    let issued = issue("TEST server", Purpose::localhost());
    acceptor(issued.identity(), &[ca(KeyKind::EcP256).certificate().clone()], client_certificate)
        .expect("settings")
}

fn client(authority: &TestCa, identity: Option<&Identity>) -> SslConnector {
    connector(&[authority.certificate().clone()], identity).expect("settings")
}

#[test]
fn both_sides_know_each_other() {
    let authority = ca(KeyKind::EcP256);
    let issued = issue("TEST client", Purpose::Client);
    for name in ["localhost", "127.0.0.1", "::1"] {
        let seen = meet(
            server(ClientCertificate::Required),
            client(authority, Some(issued.identity())),
            name,
        );
        assert_eq!(seen, Some(Some(issued.certificate().fingerprint())), "{name}");
    }
}

#[test]
fn who_shows_no_certificate_is_let_in_only_where_it_is_optional() {
    let authority = ca(KeyKind::EcP256);
    let without = || client(authority, None);
    assert_eq!(meet(server(ClientCertificate::Required), without(), "localhost"), None);
    assert_eq!(meet(server(ClientCertificate::Optional), without(), "localhost"), Some(None));
}

#[test]
fn certificates_of_others_or_for_other_use_are_refused() {
    let authority = ca(KeyKind::EcP256);
    let stranger = TestCa::new("TEST other", KeyKind::EcP256, authority.span()).expect("a CA");
    let foreign = stranger
        .issue("TEST x", Purpose::Client, KeyKind::EcP256, authority.span())
        .expect("issued");
    let wrong_use = issue("TEST server", Purpose::localhost());
    for identity in [foreign.identity(), wrong_use.identity()] {
        for policy in [ClientCertificate::Required, ClientCertificate::Optional] {
            assert_eq!(meet(server(policy), client(authority, Some(identity)), "localhost"), None);
        }
    }
    let good = issue("TEST client", Purpose::Client);
    let policy = ClientCertificate::Required;
    let trusting_another = client(&stranger, Some(good.identity()));
    assert_eq!(meet(server(policy), trusting_another, "localhost"), None);
    let other_name = client(authority, Some(good.identity()));
    assert_eq!(meet(server(policy), other_name, "hub.example.test"), None);
}

/// One connection to an acceptor: which certificate the server showed, and what it stapled.
fn look(server: &Acceptor) -> Option<(Digest, Option<Vec<u8>>)> {
    let client = issue("TEST client", Purpose::Client);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let settings = server.current();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        settings.accept(stream).is_ok_and(|mut stream| stream.write_all(b"x").is_ok())
    });
    let connector = connector(
        &[ca(KeyKind::EcP256).certificate().clone(), other_ca().certificate().clone()],
        Some(client.identity()),
    )
    .expect("settings");
    let mut configuration = connector.configure().expect("settings");
    configuration.set_status_type(openssl::ssl::StatusType::OCSP).expect("set");
    let connected = TcpStream::connect(address).expect("connected");
    let seen = configuration.connect("localhost", connected).ok().and_then(|mut stream| {
        stream.read_exact(&mut [0]).ok()?;
        let shown = peer_fingerprint(stream.ssl()).expect("a fingerprint")?;
        Some((shown, stream.ssl().ocsp_status().map(<[u8]>::to_vec)))
    });
    serving.join().expect("the server ends").then_some(seen).flatten()
}

fn other_ca() -> &'static TestCa {
    static OTHER: std::sync::LazyLock<TestCa> = std::sync::LazyLock::new(|| {
        let span = ca(KeyKind::EcP256).span();
        TestCa::new("TEST other", KeyKind::EcP256, span).expect("a CA")
    });
    &OTHER
}

#[test]
fn the_identity_is_replaced_while_it_listens() {
    let authority = ca(KeyKind::EcP256);
    let other = other_ca();
    let old = issue("TEST old", Purpose::localhost());
    let new = other.issue("TEST new", Purpose::localhost(), KeyKind::Rsa3072, authority.span());
    let new = new.expect("issued");
    let trusted = [authority.certificate().clone()];
    let required = ClientCertificate::Required;
    let server = Acceptor::new(old.identity(), &trusted, required, None).expect("settings");
    let listening = server.clone();
    assert_eq!(look(&listening), Some((old.certificate().fingerprint(), None)));
    server.replace(new.identity(), &trusted).expect("replaced");
    assert_eq!(look(&listening), Some((new.certificate().fingerprint(), None)));
    // The authorities are replaced with it: who is of the old one only is no longer let in.
    server.replace(new.identity(), &[other.certificate().clone()]).expect("replaced");
    assert_eq!(look(&listening), None);
}

#[test]
fn a_brainpool_key_is_shown_with_tls_1_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = KeyStore::open(folder.path(), Passphrase::None).expect("open");
    let subject = Subject { common_name: "TEST brainpool".to_owned(), ..Subject::default() };
    let usage = Usage::TlsServer(vec!["localhost".to_owned()]);
    let request = Request { key: NewKey::BrainpoolP256r1, subject, usage };
    store.request("tls", &request).expect("made");
    let authority = ca(KeyKind::EcP256);
    store.keep("ca", authority.identity()).expect("kept");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (csr, cert) = (path("tls.csr.pem"), path("new.pem"));
    let (ca_cert, ca_key) = (path("ca.cert.pem"), path("ca.key.pem"));
    openssl(&[
        "x509",
        "-req",
        "-days",
        "30",
        "-copy_extensions",
        "copy",
        "-in",
        &csr,
        "-CA",
        &ca_cert,
        "-CAkey",
        &ca_key,
        "-out",
        &cert,
    ]);
    let chain = crate::pem::load_certificates(cert.as_ref()).expect("read");
    store.accept_certificate("tls", &chain).expect("accepted");
    let identity = store.tls("tls").expect("an identity");
    let trusted = [authority.certificate().clone()];
    let server = Acceptor::new(&identity, &trusted, ClientCertificate::Required, None);
    let seen = look(&server.expect("settings"));
    assert_eq!(seen, Some((identity.certificate().fingerprint(), None)));
}

#[test]
fn a_staple_goes_with_the_certificate_that_is_shown() {
    let old = issue("TEST old", Purpose::localhost());
    let new = issue("TEST new", Purpose::localhost());
    let first = old.certificate().fingerprint();
    let long = MAX_STAPLE_BYTES + 1;
    let staple: Staple = Arc::new(move |certificate: &Certificate| {
        Some(if certificate.fingerprint() == first {
            b"a response".to_vec()
        } else {
            vec![1; long]
        })
    });
    let trusted = [ca(KeyKind::EcP256).certificate().clone()];
    let server = Acceptor::new(old.identity(), &trusted, ClientCertificate::Required, Some(staple))
        .expect("settings");
    let expected = Some(b"a response".to_vec());
    assert_eq!(look(&server), Some((old.certificate().fingerprint(), expected)));
    server.replace(new.identity(), &trusted).expect("replaced");
    assert_eq!(look(&server), Some((new.certificate().fingerprint(), None)), "too long");
    let none: Staple = Arc::new(|_: &Certificate| None);
    let server = Acceptor::new(old.identity(), &trusted, ClientCertificate::Required, Some(none))
        .expect("settings");
    assert_eq!(look(&server), Some((old.certificate().fingerprint(), None)));
}

#[test]
fn old_protocols_and_weak_ciphers_are_refused() {
    let authority = ca(KeyKind::EcP256);
    let issued = issue("TEST client", Purpose::Client);
    let with = |change: fn(&mut SslContextBuilder)| {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a builder");
        builder.set_cert_store(store(&[authority.certificate().clone()]).expect("a store"));
        present(&mut builder, issued.identity()).expect("an identity");
        change(&mut builder);
        meet(server(ClientCertificate::Required), builder.build(), "localhost")
    };
    let seen = Some(Some(issued.certificate().fingerprint()));
    assert_eq!(with(|b| b.set_max_proto_version(Some(SslVersion::TLS1_2)).expect("set")), seen);
    assert_eq!(with(|b| b.set_min_proto_version(Some(SslVersion::TLS1_3)).expect("set")), seen);
    let old = |b: &mut SslContextBuilder| {
        b.set_security_level(0);
        b.set_min_proto_version(Some(SslVersion::TLS1)).expect("set");
        b.set_max_proto_version(Some(SslVersion::TLS1_1)).expect("set");
        b.set_cipher_list("ALL:@SECLEVEL=0").expect("set");
    };
    assert_eq!(with(old), None);
    let weak = |b: &mut SslContextBuilder| {
        b.set_max_proto_version(Some(SslVersion::TLS1_2)).expect("set");
        b.set_cipher_list("AES128-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA").expect("set");
    };
    assert_eq!(with(weak), None);
}
