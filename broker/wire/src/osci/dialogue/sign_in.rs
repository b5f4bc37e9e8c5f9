//! Who is at the other end of a dialogue, and how that was shown.

/// Longest certificate that a dialogue remembers, in octets.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// A certificate in DER.
#[derive(Clone, PartialEq, Eq)]
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

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// As it is.
    Clear,
    /// Inside of a SOAPMessageEncrypted, whose tag has verified.
    Encrypted,
}

/// What an order came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The certificates that it carried.
    pub certificates: SignIn,
    /// How it came.
    pub travel: Travel,
}

impl Caller {
    /// The certificate for which an answer must be encrypted: an order that came encrypted is not
    /// answered in clear.
    pub(super) fn seal(&self) -> Option<Certificate> {
        self.certificates.cipher.clone().filter(|_| self.travel == Travel::Encrypted)
    }

    /// Whether an answer could not be encrypted that must be.
    pub(super) fn lacks_cipher(&self) -> bool {
        self.travel == Travel::Encrypted && self.certificates.cipher.is_none()
    }
}

/// How it was shown who is at the other end. Whom a certificate belongs to is not asked here.
///
/// | shown | what an order may do |
/// |---|---|
/// | claimed | what policy lets anybody do who is not signed in: ask for an id, open and end a dialogue, deliver. It never looks into a mailbox and confirms nothing |
/// | sealed | the same, and look into the mailbox of this cipher certificate |
/// | signed | everything; into the mailbox of the cipher certificate that it states only if that belongs to the signer, or if it is sealed as well |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It was not: a cipher certificate is only stated. That an order is encrypted for us shows
    /// nothing either, for anybody can do that.
    Claimed,
    /// The encrypted order answers a challenge that left encrypted for the cipher certificate, so its
    /// key is there.
    Sealed,
    /// The order is signed.
    Signed {
        /// The same is true of the cipher certificate.
        sealed: bool,
    },
}

impl Shown {
    pub(super) fn of(signed: bool, sealed: bool) -> Self {
        match (signed, sealed) {
            (true, sealed) => Self::Signed { sealed },
            (false, true) => Self::Sealed,
            (false, false) => Self::Claimed,
        }
    }

    /// Whether nothing was shown.
    pub fn is_claimed(self) -> bool {
        self == Self::Claimed
    }

    /// Whether the order is signed.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Signed { .. })
    }

    /// Whether the key of the cipher certificate was shown.
    pub fn is_sealed(self) -> bool {
        matches!(self, Self::Sealed | Self::Signed { sealed: true })
    }

    /// In a word, for the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Sealed => "sealed",
            Self::Signed { sealed: false } => "signed",
            Self::Signed { sealed: true } => "signed and sealed",
        }
    }
}

/// The mailbox into which an order may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailbox<'a> {
    /// That of this cipher certificate, whose key was shown.
    Of(&'a Certificate),
    /// That of this cipher certificate, if it belongs to whom the signature certificate names. That is
    /// for the directory to say.
    IfSigners {
        /// As the order or the dialogue states it.
        cipher: &'a Certificate,
        /// Under which the order is signed.
        signature: &'a Certificate,
    },
}

/// The certificates of a client: those that its order carried, or those that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Under which the order was signed, after its signature was verified.
    pub signature: Option<Certificate>,
    /// For which answers are encrypted: whose mailbox it is.
    pub cipher: Option<Certificate>,
}

impl SignIn {
    /// The certificates that count for an order: its own signature, and its own cipher certificate or
    /// else the remembered one.
    pub(super) fn for_order(&self, order: Self) -> Self {
        Self { signature: order.signature, cipher: order.cipher.or_else(|| self.cipher.clone()) }
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
