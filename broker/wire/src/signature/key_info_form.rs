//! How a signature made here points at its certificate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::hash;
use openssl::x509::X509;

use super::algorithm::DigestAlgorithm;
use super::certificate::rfc4514;
use super::key_info::{DSIG11, WSSE};
use super::sign::{escaped, quoted};
use super::signer::SignError;

/// What stands in `KeyInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyInfoForm {
    /// The certificate itself.
    #[default]
    Certificate,
    /// Issuer and serial number of the certificate.
    IssuerSerial,
    /// Its subject key identifier, which it must have.
    KeyIdentifier,
    /// Its SHA-256 (`X509Digest` of XML Signature 1.1).
    Digest,
    /// The identifier of an element of the document that holds it, as `RetrievalMethod`.
    Retrieval(String),
    /// The identifier of a `BinarySecurityToken` of the document, as WS-Security writes it.
    TokenReference(String),
    /// No `KeyInfo` at all.
    Nothing,
}

impl KeyInfoForm {
    /// The element `KeyInfo` for a certificate.
    pub(super) fn element(&self, der: &[u8]) -> Result<String, SignError> {
        let inner = match self {
            Self::Nothing => return Ok(String::new()),
            Self::Retrieval(id) => {
                format!("<RetrievalMethod URI=\"#{}\"></RetrievalMethod>", quoted(id))
            }
            Self::TokenReference(id) => format!(
                "<SecurityTokenReference xmlns=\"{WSSE}\"><Reference URI=\"#{}\"></Reference>\
                 </SecurityTokenReference>",
                quoted(id)
            ),
            _ => format!("<X509Data>{}</X509Data>", self.x509_data(der)?),
        };
        Ok(format!("<KeyInfo>{inner}</KeyInfo>"))
    }

    fn x509_data(&self, der: &[u8]) -> Result<String, SignError> {
        let certificate = || X509::from_der(der);
        Ok(match self {
            Self::IssuerSerial => {
                let certificate = certificate()?;
                format!(
                    "<X509IssuerSerial><X509IssuerName>{}</X509IssuerName><X509SerialNumber>{}\
                     </X509SerialNumber></X509IssuerSerial>",
                    escaped(&rfc4514(certificate.issuer_name())),
                    certificate.serial_number().to_bn()?.to_dec_str()?,
                )
            }
            Self::KeyIdentifier => {
                let certificate = certificate()?;
                let identifier = certificate.subject_key_id().ok_or_else(|| {
                    SignError::Document("the certificate has no subject key identifier".to_owned())
                })?;
                format!("<X509SKI>{}</X509SKI>", STANDARD.encode(identifier.as_slice()))
            }
            Self::Digest => {
                let algorithm = DigestAlgorithm::Sha256;
                let digest = hash(algorithm.message_digest(), der)?;
                format!(
                    "<X509Digest xmlns=\"{DSIG11}\" Algorithm=\"{}\">{}</X509Digest>",
                    algorithm.uri(),
                    STANDARD.encode(digest)
                )
            }
            _ => format!("<X509Certificate>{}</X509Certificate>", STANDARD.encode(der)),
        })
    }
}
