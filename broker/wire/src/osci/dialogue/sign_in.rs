//! Who opened a dialogue, and how dialogues rest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Longest certificate that a dialogue remembers, in octets.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// A certificate in DER.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Certificate(Vec<u8>);

impl Certificate {
    /// Takes one of at most [`MAX_CERTIFICATE_BYTES`].
    pub fn new(der: Vec<u8>) -> Option<Self> {
        (1..=MAX_CERTIFICATE_BYTES).contains(&der.len()).then_some(Self(der))
    }

    /// Its DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} octets)", self.0.len())
    }
}

impl TryFrom<String> for Certificate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let der = STANDARD.decode(text).map_err(|_| "a certificate is Base64")?;
        Self::new(der).ok_or("a certificate has 1 to 16384 octets")
    }
}

impl From<Certificate> for String {
    fn from(certificate: Certificate) -> Self {
        STANDARD.encode(certificate.0)
    }
}

/// The certificates of a client: those that its order carried, or those that count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Under which the order was signed, after its signature was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Certificate>,
    /// For which answers are encrypted: whose mailbox it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<Certificate>,
}

impl SignIn {
    /// Whether an order with these certificates can come from who signed in with `self`. What was
    /// opened under a signature goes on under the same one. A cipher certificate may be left out
    /// (a FetchDelivery in a dialogue has none); another one would be somebody else's mailbox.
    pub(super) fn admits(&self, order: &Self) -> bool {
        let signature = self.signature.is_none() || self.signature == order.signature;
        let cipher = self.cipher.is_none() || order.cipher.is_none() || self.cipher == order.cipher;
        signature && cipher
    }

    /// The certificates that count for an order: its own, else the remembered ones.
    pub(super) fn for_order(&self, order: Self) -> Self {
        Self {
            signature: order.signature.or_else(|| self.signature.clone()),
            cipher: order.cipher.or_else(|| self.cipher.clone()),
        }
    }

    /// By what a client is told from others where dialogues are counted.
    pub(super) fn key(&self) -> Option<&Certificate> {
        self.signature.as_ref().or(self.cipher.as_ref())
    }

    /// Octets that it takes.
    pub(super) fn octets(&self) -> usize {
        let one = |certificate: &Option<Certificate>| certificate.as_ref().map_or(0, |c| c.0.len());
        one(&self.signature) + one(&self.cipher)
    }
}

/// What rested is no dialogue, or one of another version of this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was stored is no dialogue of OSCI-Transport, or one in another form")]
pub struct BadSnapshot;
