//! TLS settings for the hub's listeners and for its own connections.
//!
//! TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only, in the spirit of BSI
//! TR-02102-2; no system roots, no resumption, no renegotiation, no compression.

use amtsbote_domain::digest::Digest;
use openssl::ssl::{
    SslAcceptor, SslConnector, SslContextBuilder, SslMethod, SslOptions, SslRef,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::store::{X509Store, X509StoreBuilder};

use crate::error::TrustError;
use crate::keystore::Identity;
use crate::pem::Certificate;

/// Longest chain of a peer, issuers without the root.
pub const MAX_CHAIN: u32 = 4;

const CIPHERS_TLS12: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                             ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
const CIPHERS_TLS13: &str = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
const GROUPS: &str = "P-256:P-384:P-521:X25519";
const SIGNATURES: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:\
                          RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No certificate, no connection.
    Required,
    /// One that is shown must be good.
    Optional,
}

/// The settings of a listener: our identity, and the authorities whose client certificates count.
pub fn acceptor(
    identity: &Identity,
    client_authorities: &[Certificate],
    client_certificate: ClientCertificate,
) -> Result<SslAcceptor, TrustError> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    common(&mut builder)?;
    builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_RENEGOTIATION);
    // A resumed session would not show its certificate again, and certificates are judged by
    // arrival (P10).
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_num_tickets(0)?;
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_cert_store(store(client_authorities)?);
    for authority in client_authorities {
        builder.add_client_ca(authority.x509())?;
    }
    builder.set_verify(match client_certificate {
        ClientCertificate::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        ClientCertificate::Optional => SslVerifyMode::PEER,
    });
    present(&mut builder, identity)?;
    Ok(builder.build())
}

/// The settings for a connection of ours: only these authorities are trusted, and the name of the
/// server is checked by whoever connects with `connect(name, ..)`.
pub fn connector(
    authorities: &[Certificate],
    identity: Option<&Identity>,
) -> Result<SslConnector, TrustError> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    common(&mut builder)?;
    // Replaces the roots of the system, which the builder has loaded.
    builder.set_cert_store(store(authorities)?);
    builder.set_verify(SslVerifyMode::PEER);
    if let Some(identity) = identity {
        present(&mut builder, identity)?;
    }
    Ok(builder.build())
}

/// SHA-256 over the certificate that the peer of a connection has shown.
pub fn peer_fingerprint(connection: &SslRef) -> Result<Option<Digest>, TrustError> {
    match connection.peer_certificate() {
        None => Ok(None),
        Some(certificate) => Ok(Some(Digest(openssl::sha::sha256(&certificate.to_der()?)))),
    }
}

fn common(builder: &mut SslContextBuilder) -> Result<(), TrustError> {
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(CIPHERS_TLS12)?;
    builder.set_ciphersuites(CIPHERS_TLS13)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_sigalgs_list(SIGNATURES)?;
    builder.set_options(SslOptions::NO_COMPRESSION);
    builder.set_verify_depth(MAX_CHAIN);
    Ok(())
}

fn store(authorities: &[Certificate]) -> Result<X509Store, TrustError> {
    let mut store = X509StoreBuilder::new()?;
    for authority in authorities {
        store.add_cert(authority.x509().to_owned())?;
    }
    Ok(store.build())
}

fn present(builder: &mut SslContextBuilder, identity: &Identity) -> Result<(), TrustError> {
    builder.set_certificate(identity.certificate().x509())?;
    builder.set_private_key(identity.key())?;
    for issuer in &identity.chain()[1..] {
        builder.add_extra_chain_cert(issuer.x509().to_owned())?;
    }
    builder.check_private_key()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testca::tests::{ca, issue};
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
        acceptor(
            issued.identity(),
            &[ca(KeyKind::EcP256).certificate().clone()],
            client_certificate,
        )
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
                assert_eq!(
                    meet(server(policy), client(authority, Some(identity)), "localhost"),
                    None
                );
            }
        }
        let good = issue("TEST client", Purpose::Client);
        let policy = ClientCertificate::Required;
        let trusting_another = client(&stranger, Some(good.identity()));
        assert_eq!(meet(server(policy), trusting_another, "localhost"), None);
        let other_name = client(authority, Some(good.identity()));
        assert_eq!(meet(server(policy), other_name, "hub.example.test"), None);
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
            b.set_cipher_list("AES128-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA")
                .expect("set");
        };
        assert_eq!(with(weak), None);
    }
}
