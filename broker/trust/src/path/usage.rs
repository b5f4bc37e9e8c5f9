//! What a key may be used for (RFC 5280, 4.2.1.3 and 4.2.1.12), by purpose.

use openssl::x509::X509PurposeId;

use super::fault::{Broken, Reason};
use super::profile;
use crate::der::certificate::{KeyUsage, Parsed};

/// What a certificate is asked for. Each purpose has anchors of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signatures of Authors over content.
    Content,
    /// Signatures and encryption of transport messages (OSCI, XTA).
    Transport,
    /// Encryption of content for a Reader.
    Encryption,
    /// A client in TLS.
    TlsClient,
    /// A server in TLS.
    TlsServer,
    /// An authority for time stamps (RFC 3161).
    TimeStamping,
}

/// What the key does in the case at hand, where the purpose leaves it open ([`Purpose::Transport`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// It signs: digitalSignature or nonRepudiation.
    Signature,
    /// It is encrypted for: keyEncipherment or keyAgreement.
    Encryption,
}

const SIGNS: &[KeyUsage] = &[KeyUsage::DIGITAL_SIGNATURE, KeyUsage::NON_REPUDIATION];
const DECRYPTS: &[KeyUsage] = &[KeyUsage::KEY_ENCIPHERMENT, KeyUsage::KEY_AGREEMENT];
/// RFC 8446, 4.4.2.2. Before TLS 1.3 other usages fit other cipher suites; ours need signatures.
const TLS: &[KeyUsage] = &[KeyUsage::DIGITAL_SIGNATURE];

/// id-kp-serverAuth.
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// id-kp-clientAuth.
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// id-kp-emailProtection.
const EMAIL_PROTECTION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
/// id-kp-timeStamping.
pub(crate) const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// id-kp-documentSigning (RFC 9336).
const DOCUMENT_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24];
/// anyExtendedKeyUsage.
const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [
        Self::Content,
        Self::Transport,
        Self::Encryption,
        Self::TlsClient,
        Self::TlsServer,
        Self::TimeStamping,
    ];

    /// The same to OpenSSL, which also looks at the extended usages of the issuers. It knows none for
    /// messages that are not S/MIME: those are judged here alone.
    pub(super) fn openssl(self) -> Option<X509PurposeId> {
        match self {
            Self::TlsClient => Some(X509PurposeId::SSL_CLIENT),
            Self::TlsServer => Some(X509PurposeId::SSL_SERVER),
            Self::Content | Self::Transport | Self::Encryption | Self::TimeStamping => None,
        }
    }

    /// The extended usages of which one must be there if there are any. A certificate without the
    /// extension is not restricted (RFC 5280, 4.2.1.12), for TLS neither; the certificates of the
    /// administration's PKI have none. For TLS `anyExtendedKeyUsage` is not enough, which the same
    /// clause leaves to the application and OpenSSL decides so.
    fn extended(self) -> &'static [&'static [u8]] {
        match self {
            Self::Content => &[EMAIL_PROTECTION, DOCUMENT_SIGNING, ANY],
            Self::Transport => &[EMAIL_PROTECTION, DOCUMENT_SIGNING, CLIENT_AUTH, ANY],
            Self::Encryption => &[EMAIL_PROTECTION, ANY],
            Self::TlsClient => &[CLIENT_AUTH],
            Self::TlsServer => &[SERVER_AUTH],
            Self::TimeStamping => &[TIME_STAMPING],
        }
    }

    /// The key usages of which one must be there if there are any.
    fn usages(self, key_use: Option<KeyUse>) -> &'static [KeyUsage] {
        const EITHER: &[KeyUsage] = &[
            KeyUsage::DIGITAL_SIGNATURE,
            KeyUsage::NON_REPUDIATION,
            KeyUsage::KEY_ENCIPHERMENT,
            KeyUsage::KEY_AGREEMENT,
        ];
        match (self, key_use) {
            (Self::TlsClient | Self::TlsServer, _) => TLS,
            (Self::Content | Self::TimeStamping, _)
            | (Self::Transport, Some(KeyUse::Signature)) => SIGNS,
            (Self::Encryption, _) | (Self::Transport, Some(KeyUse::Encryption)) => DECRYPTS,
            (Self::Transport, None) => EITHER,
        }
    }

    /// Judges what a leaf, or an issuer between leaf and anchor, is restricted to: who makes servers
    /// makes no signers. An anchor may serve every purpose for which it is trusted.
    pub(super) fn within(self, certificate: &Parsed<'_>) -> Result<(), Broken> {
        let extended = profile::extended_usage(certificate)?.unwrap_or_default();
        if !extended.is_empty() && !extended.iter().any(|oid| self.extended().contains(oid)) {
            return Err(Broken(Reason::ExtendedKeyUsage, profile::EXTENDED_KEY_USAGE));
        }
        Ok(())
    }

    /// Judges a leaf.
    pub(super) fn admits(self, leaf: &Parsed<'_>, key_use: Option<KeyUse>) -> Result<(), Broken> {
        let usage = leaf.key_usage().map_err(Broken::malformed(profile::KEY_USAGE))?;
        if usage.is_some_and(|usage| !usage.any(self.usages(key_use))) {
            return Err(Broken(Reason::KeyUsage, profile::KEY_USAGE));
        }
        self.within(leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::testing::{Authority, Shape};

    #[test]
    fn usages_fit_their_purposes() {
        use Purpose::{Content, Encryption, TimeStamping, TlsClient, TlsServer, Transport};
        let root = Authority::root("TEST root");
        let both = ["digitalSignature", "keyEncipherment"];
        for (usage, extended, fit) in [
            (
                &["digitalSignature"][..],
                &[][..],
                &[Content, Transport, TlsClient, TlsServer, TimeStamping][..],
            ),
            (&["nonRepudiation"], &[], &[Content, Transport, TimeStamping]),
            (&["keyEncipherment"], &[], &[Transport, Encryption]),
            (&["keyAgreement"], &[], &[Transport, Encryption]),
            (&["dataEncipherment"], &[], &[]),
            (&[], &[], &Purpose::ALL),
            (&both, &["emailProtection"], &[Content, Transport, Encryption]),
            (&both, &["clientAuth"], &[Transport, TlsClient]),
            (&both, &["serverAuth"], &[TlsServer]),
            (&both, &["1.3.6.1.5.5.7.3.36"], &[Content, Transport]),
            (&both, &["anyExtendedKeyUsage"], &[Content, Transport, Encryption]),
            (&both, &["serverAuth", "clientAuth"], &[Transport, TlsClient, TlsServer]),
            (&both, &["timeStamping"], &[TimeStamping]),
        ] {
            let shape = Shape::leaf("TEST a").usage(usage).extended(extended);
            let leaf = root.issue(&shape);
            let parsed = Parsed::read(leaf.certificate.der()).expect("read");
            for purpose in Purpose::ALL {
                let admitted = purpose.admits(&parsed, None).is_ok();
                assert_eq!(admitted, fit.contains(&purpose), "{usage:?} {extended:?} {purpose:?}");
            }
        }
    }

    #[test]
    fn a_transport_certificate_signs_or_is_encrypted_for() {
        let root = Authority::root("TEST root");
        for (usage, signs, decrypts) in
            [("nonRepudiation", true, false), ("keyAgreement", false, true)]
        {
            let leaf = root.issue(&Shape::leaf("TEST a").usage(&[usage]));
            let parsed = Parsed::read(leaf.certificate.der()).expect("read");
            let admits = |key_use| Purpose::Transport.admits(&parsed, Some(key_use)).is_ok();
            assert_eq!((admits(KeyUse::Signature), admits(KeyUse::Encryption)), (signs, decrypts));
        }
    }
}
