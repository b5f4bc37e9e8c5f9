//! TLS settings for the hub's listeners and for its own connections, after BSI TR-02102-2.
//!
//! | | set here | TR-02102-2 |
//! |---|---|---|
//! | versions | TLS 1.2 and 1.3 | 3.2: these two |
//! | suites of 1.2 | ECDHE with ECDSA or RSA, AES-GCM | 3.3: forward secrecy; CBC and CCM, which it also has, are left out: nobody needs them |
//! | suites of 1.3 | AES-GCM | 3.4: the same with CCM |
//! | groups | P-256, P-384, P-521, Brainpool (with 1.2 only in OpenSSL 3.0); X25519 last | 3.3, 3.4; X25519 is ours, for peers that have nothing else |
//! | signatures | ECDSA, RSA-PSS, and RSA-PKCS1, each with SHA-256, 384 or 512 | 3.3, 3.4; never SHA-1 or SHA-224; no Ed25519 |
//!
//! No system roots, no resumption, no renegotiation, no compression, no early data. The lengths of
//! keys in certificates are judged by policy, not here; OpenSSL refuses RSA below 2048 bits.
//!
//! Replacing an [`Acceptor`]'s settings is how a certificate is rolled over without a restart:
//! connections that stand keep what they were made with, the next one gets the new.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use amtsbote_domain::digest::Digest;
use openssl::ssl::{
    SslAcceptor, SslAcceptorBuilder, SslConnector, SslContextBuilder, SslMethod, SslOptions,
    SslRef, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::store::{X509Store, X509StoreBuilder};

use crate::error::TrustError;
use crate::keystore::Identity;
use crate::pem::Certificate;

/// Longest chain of a peer, issuers without the root.
pub const MAX_CHAIN: u32 = 4;
/// Longest OCSP response that is stapled, in bytes; it goes into every handshake.
pub const MAX_STAPLE_BYTES: usize = 16 * 1024;

const CIPHERS_TLS12: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                             ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
const CIPHERS_TLS13: &str = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
const GROUPS: &str = "P-256:P-384:P-521:brainpoolP256r1:brainpoolP384r1:brainpoolP512r1:X25519";
const SIGNATURES: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:\
                          RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No certificate, no connection.
    Required,
    /// One that is shown must be good.
    Optional,
    /// Nobody is asked for one.
    NotAsked,
}

/// What answers "which OCSP response goes with this certificate?" in every handshake in which the
/// client asks for one. It must answer at once, from a cache: the handshake waits.
pub type Staple = Arc<dyn Fn(&Certificate) -> Option<Vec<u8>> + Send + Sync>;

/// The settings of a listener, which can be replaced while it listens. Clones are the same
/// acceptor.
#[derive(Clone)]
pub struct Acceptor {
    current: Arc<RwLock<Arc<SslAcceptor>>>,
    client_certificate: ClientCertificate,
    staple: Option<Staple>,
}

impl Acceptor {
    /// Begins with this identity and these authorities; see [`acceptor`].
    pub fn new(
        identity: &Identity,
        client_authorities: &[Certificate],
        client_certificate: ClientCertificate,
        staple: Option<Staple>,
    ) -> Result<Self, TrustError> {
        let settings = build(identity, client_authorities, client_certificate, staple.as_ref())?;
        let current = Arc::new(RwLock::new(Arc::new(settings)));
        Ok(Self { current, client_certificate, staple })
    }

    /// For the next handshake.
    pub fn current(&self) -> Arc<SslAcceptor> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this identity is shown and these authorities count. On an error everything stays
    /// as it was.
    pub fn replace(
        &self,
        identity: &Identity,
        client_authorities: &[Certificate],
    ) -> Result<(), TrustError> {
        let settings =
            build(identity, client_authorities, self.client_certificate, self.staple.as_ref())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        Ok(())
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("client_certificate", &self.client_certificate)
            .finish_non_exhaustive()
    }
}

/// The settings of a listener that stay as they are: our identity, and the authorities whose client
/// certificates count.
pub fn acceptor(
    identity: &Identity,
    client_authorities: &[Certificate],
    client_certificate: ClientCertificate,
) -> Result<SslAcceptor, TrustError> {
    build(identity, client_authorities, client_certificate, None)
}

fn build(
    identity: &Identity,
    client_authorities: &[Certificate],
    client_certificate: ClientCertificate,
    staple: Option<&Staple>,
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
        ClientCertificate::NotAsked => SslVerifyMode::NONE,
    });
    present(&mut builder, identity)?;
    if let Some(staple) = staple {
        set_staple(&mut builder, identity.certificate().clone(), Arc::clone(staple))?;
    }
    Ok(builder.build())
}

fn set_staple(
    builder: &mut SslAcceptorBuilder,
    certificate: Certificate,
    staple: Staple,
) -> Result<(), TrustError> {
    builder.set_status_callback(move |connection| {
        // RFC 6066, 8: a server without a response sends none; the client decides what that means.
        let response = staple(&certificate)
            .filter(|response| !response.is_empty() && response.len() <= MAX_STAPLE_BYTES);
        match response {
            Some(response) => connection.set_ocsp_status(&response).map(|()| true),
            None => Ok(false),
        }
    })?;
    Ok(())
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
mod tests;
