//! SOAPMessageEncrypted: one message inside another, for the holder of one certificate.
//!
//! The outer message has two parts: an envelope whose body is one `EncryptedData`, and the octets it
//! refers to by `cid:osci_enc`: initialization vector, ciphertext, tag. The plaintext is a whole
//! message again, with its MIME headers. The transform `#base64` is always named and means nothing:
//! how the octets travel is said by the headers of their part.
//!
//! Reading ([`read`], [`Opener`]): the plaintext comes out of the spool only after its tag has
//! verified, and from the moment that the private key is used all failures are one
//! ([`crate::encryption`]). The length of the initialization vector is that of
//! `osci128:IvLength`, 12 or 16 octets; 16 where it is absent.
//!
//! Writing ([`Sealing`]): AES-256-GCM under RSA-OAEP with SHA-256, for the certificate that stands
//! inside, octet for octet as clients write it.
//!
//! # Old algorithms
//!
//! The schema also admits RSAES-PKCS1-v1_5, AES-CBC and Triple DES, and old clients use them. Here
//! they cannot be opened for a partner, whatever policy allows: they have no tag, so they need a
//! signature that was verified *before* ([`crate::encryption::Proof`]), and OSCI encrypts around the
//! signature. A hub that decrypts first and answers differently to what it finds inside decrypts
//! for everybody who asks often enough. Such a message is refused before the key is used, with
//! [`Code::Undecryptable`](super::feedback::Code::Undecryptable).
//! What is possible for an old partner:
//! - 16 octets of initialization vector, read and written ([`IvOctets::Sixteen`]);
//! - RSA-OAEP with other digests, where policy lists them;
//! - octets from an archive that vouches for them: [`Proof::TrustedByOtherMeans`], never for
//!   anything that came from a partner.
//!
//! [`Proof::TrustedByOtherMeans`]: crate::encryption::Proof::TrustedByOtherMeans

mod read;
mod write;

pub use read::{EncryptedFault, Opener, SoapMessageEncrypted, open_message, policy, read};
pub use write::{IvOctets, SealFault, Sealing, SealingWriter};

/// Content-ID of the part with the ciphertext, as written here. Read is any that the envelope names.
pub const CIPHERTEXT_CONTENT_ID: &str = "osci_enc";
/// `xsi:schemaLocation` of the envelope. Clients tell the kind of a message by this very text.
pub const SCHEMA_LOCATION: &str = "http://schemas.xmlsoap.org/soap/envelope/ \
     soapMessageEncrypted.xsd http://www.w3.org/2000/09/xmldsig# oscisig.xsd \
     http://www.w3.org/2001/04/xmlenc# oscienc.xsd";
/// Most octets of the envelope that are read: certificates and keys stand in it, no content.
pub const MAX_ENVELOPE_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
