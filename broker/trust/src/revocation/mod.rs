//! Whether a certificate was revoked: CRLs (RFC 5280) and OCSP (RFC 6960).
//!
//! [`Refresher`] fetches in the background what certificates and configuration name as sources;
//! [`Book`] keeps what it learnt, and answers from memory on the path of a message. [`crl`] and
//! [`ocsp`] read and verify, without clock and socket. Nothing counts that is not signed by the
//! issuer or a responder that the issuer has appointed.
//!
//! Certificates are named together with their issuer: finding paths is the work of
//! [`crate::path`].

pub mod book;
pub mod certificate;
pub mod crl;
mod error;
pub(crate) mod fetch;
mod folder;
pub mod ocsp;
pub mod refresher;
mod schedule;
pub(crate) mod signature;
mod sources;

pub use book::{Book, RevokedCertificate, Sizes, Taken};
pub use certificate::{CertificateId, IssuerId, Serial};
pub use error::Refused;
pub use fetch::Guard;
pub use folder::Folder;
pub use ocsp::{Nonce, Question};
pub use refresher::{Asked, Counters, Refresher};
pub use schedule::Rhythm;
pub use sources::{Kind, Override, Place, Report, Settings, Watched};

use amtsbote_domain::Timestamp;
use jiff::SignedDuration;

/// How far a source's clock may be ahead of ours.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why a certificate was revoked (RFC 5280, 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not said, or in a way that is not known here.
    Unspecified,
    /// The private key is in other hands, or may be.
    KeyCompromise,
    /// The same of the issuer.
    CaCompromise,
    /// Name or office have changed.
    AffiliationChanged,
    /// There is a newer one.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// For the time being; the only reason that can be taken back.
    CertificateHold,
    /// A right was withdrawn.
    PrivilegeWithdrawn,
    /// The authority for attributes is compromised.
    AaCompromise,
}

impl Reason {
    /// Its number on the wire. A number that means nothing still revokes.
    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            _ => Self::Unspecified,
        }
    }

    /// The number of the standard.
    pub fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The name that the standard gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }
}

/// The written policy of a partner for the time when a source cannot be reached: how long after
/// the last statement has run out a certificate still counts. It never helps a certificate that was
/// revoked, nor one about which nothing was ever obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(SignedDuration);

impl Grace {
    /// No grace.
    pub const NONE: Self = Self(SignedDuration::ZERO);
    /// The longest that can be written: 30 days.
    pub const MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

    /// A grace between zero and [`Grace::MAX`]; none for anything else.
    pub fn new(duration: SignedDuration) -> Option<Self> {
        (SignedDuration::ZERO..=Self::MAX).contains(&duration).then_some(Self(duration))
    }

    /// How long it is.
    pub fn duration(self) -> SignedDuration {
        self.0
    }
}

impl Default for Grace {
    /// 24 hours: an outage over one night and the morning after it stops nobody.
    fn default() -> Self {
        Self(SignedDuration::from_hours(24))
    }
}

/// Why nothing can be said about a certificate that has a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing was ever obtained about it.
    NeverObtained,
    /// What was obtained has run out, and grace as well.
    GraceOver {
        /// When it ran out.
        fresh_until: Timestamp,
    },
    /// The responder answers that it does not know the certificate.
    NotKnownToResponder,
    /// The certificate cannot be read here.
    Unreadable,
}

/// How a certificate stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not revoked.
    Good {
        /// As of when the source says so.
        as_of: Timestamp,
    },
    /// Not revoked as far as was known when the source could last be reached. A message accepted
    /// under it is recorded as such.
    Grace {
        /// Until when the last statement was fresh.
        fresh_until: Timestamp,
        /// First instant after the grace.
        ends: Timestamp,
    },
    /// Neither the certificate nor the configuration names a source.
    NoSource,
    /// Nothing can be said.
    Unknown(Unknown),
    /// Revoked.
    Revoked {
        /// When, as the issuer says.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
}

impl Standing {
    /// The worse it is, the larger.
    fn weight(&self) -> u8 {
        match self {
            Self::Good { .. } => 0,
            Self::Grace { .. } => 1,
            Self::NoSource => 2,
            Self::Unknown(_) => 3,
            Self::Revoked { .. } => 4,
        }
    }
}

/// How the links of a path stand, the leaf first; the anchor is no link, it is trusted by
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStanding {
    /// One standing per certificate below the anchor.
    pub links: Vec<Standing>,
}

impl PathStanding {
    /// The worst link: good, grace, no source, unknown, revoked, in that order. A path of an anchor
    /// alone has no source.
    pub fn worst(&self) -> Standing {
        let worst = self.links.iter().max_by_key(|link| link.weight());
        worst.copied().unwrap_or(Standing::NoSource)
    }

    /// Whether some link stands under grace: to be recorded with a message that is accepted.
    pub fn under_grace(&self) -> bool {
        self.links.iter().any(|link| matches!(link, Standing::Grace { .. }))
    }
}
