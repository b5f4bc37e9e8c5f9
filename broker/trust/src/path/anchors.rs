//! Anchors by purpose, what is demanded of a path to one of them, and the path itself.

use std::collections::HashMap;
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::validity::Validity;

use super::build::Search;
use super::fault::{Broken, PathFault, Reason};
use super::names::ServerName;
use super::profile::{self, Role};
use super::strength::Floors;
use super::usage::{KeyUse, Purpose};
use super::{MAX_ANCHORS, MAX_PATH, MAX_UNTRUSTED, build};
use crate::error::TrustError;
use crate::pem::Certificate;

/// What is demanded of a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// What it is asked for.
    pub purpose: Purpose,
    /// When every certificate of the path must be valid.
    pub at: Timestamp,
    /// How strong keys and signatures must be.
    pub floors: Floors,
    /// For whom it must be, for servers.
    pub name: Option<&'a ServerName>,
    /// What its key does, where the purpose leaves it open.
    pub key_use: Option<KeyUse>,
    /// Most certificates between leaf and anchor; those issued by themselves (RFC 5280, 3.2) do not
    /// count, as with pathLenConstraint. [`MAX_PATH`] bounds all.
    pub max_intermediates: usize,
}

impl Demands<'_> {
    /// The usual ones.
    pub fn new(purpose: Purpose, at: Timestamp) -> Self {
        let (name, key_use) = (None, None);
        let floors = Floors::default();
        Self { purpose, at, floors, name, key_use, max_intermediates: MAX_PATH }
    }
}

/// Collects anchors.
#[derive(Clone, Debug, Default)]
pub struct AnchorsBuilder {
    sets: [Set; Purpose::ALL.len()],
}

impl AnchorsBuilder {
    /// Trusts these for a purpose. One that is no root (that has another issuer) is not enough to
    /// end a path, unless [`AnchorsBuilder::partial`] says so.
    pub fn trust(mut self, purpose: Purpose, anchors: &[Certificate]) -> Self {
        self.sets[purpose as usize].anchors.extend(anchors);
        self
    }

    /// Keeps these at hand to find paths; they are not trusted for being here.
    pub fn intermediates(mut self, purpose: Purpose, certificates: &[Certificate]) -> Self {
        self.sets[purpose as usize].intermediates.extend(certificates);
        self
    }

    /// Lets paths for a purpose end at any certificate that is trusted, an intermediate authority or
    /// the leaf itself: whoever pins these need not trust their issuers.
    pub fn partial(mut self, purpose: Purpose) -> Self {
        self.sets[purpose as usize].partial = true;
        self
    }

    /// Done: at most [`MAX_ANCHORS`] anchors and as many intermediates for each purpose.
    pub fn build(self) -> Result<Arc<Anchors>, TrustError> {
        let full = |index: &Index| index.count > MAX_ANCHORS;
        if self.sets.iter().any(|set| full(&set.anchors) || full(&set.intermediates)) {
            return Err(TrustError::TooMany);
        }
        Ok(Arc::new(Anchors { sets: self.sets }))
    }
}

/// Whom the hub trusts, by purpose. Built once and shared; new anchors are a new value, and whoever
/// holds the old one goes on with it to the end of the message.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    sets: [Set; Purpose::ALL.len()],
}

impl Anchors {
    /// Collects anchors.
    pub fn builder() -> AnchorsBuilder {
        AnchorsBuilder::default()
    }

    /// Whether there is an anchor for a purpose.
    pub fn any(&self, purpose: Purpose) -> bool {
        self.sets[purpose as usize].anchors.count > 0
    }

    /// Finds a path from a certificate to an anchor for this purpose, every certificate of which is
    /// valid at `at`, under the usual demands. `untrusted` are certificates that came along, at most
    /// [`MAX_UNTRUSTED`].
    pub fn validate(
        &self,
        leaf: &Certificate,
        untrusted: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Path, PathFault> {
        self.judge(leaf, untrusted, &Demands::new(purpose, at))
    }

    /// The same under demands of the caller's. How strong keys and signatures must be depends on the
    /// partner and the hour, so floors are no matter of the anchors.
    pub fn judge(
        &self,
        leaf: &Certificate,
        untrusted: &[Certificate],
        demands: &Demands<'_>,
    ) -> Result<Path, PathFault> {
        let alone = || -> Result<(), Broken> {
            if untrusted.len() > MAX_UNTRUSTED {
                return Err(Broken(Reason::TooManyCertificates, "certificates that came along"));
            }
            let parsed = profile::read(leaf.der())?;
            build::certificate(leaf, &parsed, Role::Leaf, demands)?;
            demands.purpose.admits(&parsed, demands.key_use)
        };
        alone().map_err(|broken| broken.at(0, leaf))?;
        let set = &self.sets[demands.purpose as usize];
        let certificates = Search::new(set, untrusted, demands).run(leaf)?;
        Ok(Path { certificates: certificates.into_iter().cloned().collect() })
    }
}

/// The anchors for one purpose.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    pub anchors: Index,
    pub intermediates: Index,
    pub partial: bool,
}

/// Certificates by a hash of their subject.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_subject: HashMap<u32, Vec<Certificate>>,
    count: usize,
}

impl Index {
    fn extend(&mut self, certificates: &[Certificate]) {
        for certificate in certificates {
            let known = self.by_subject.entry(certificate.x509().subject_name_hash()).or_default();
            if !known.contains(certificate) {
                known.push(certificate.clone());
                self.count += 1;
            }
        }
    }

    /// Those whose subject may have this hash.
    pub(super) fn with_subject(&self, hash: u32) -> &[Certificate] {
        self.by_subject.get(&hash).map_or(&[], Vec::as_slice)
    }

    pub(super) fn holds(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.x509().subject_name_hash()).contains(certificate)
    }
}

/// A path that holds, from the leaf to the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    certificates: Vec<Certificate>,
}

impl Path {
    /// Leaf first, anchor last; both are one where the leaf itself is trusted. At most [`MAX_PATH`].
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The certificate that was judged.
    pub fn leaf(&self) -> &Certificate {
        &self.certificates[0]
    }

    /// The certificate that is trusted.
    pub fn anchor(&self) -> &Certificate {
        &self.certificates[self.certificates.len() - 1]
    }

    /// Each certificate with its issuer, the leaf first; the anchor has none here. These are the
    /// pairs about which lists of revoked certificates and OCSP are asked.
    pub fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.certificates.iter().zip(self.certificates.iter().skip(1))
    }

    /// When all of them are valid.
    pub fn validity(&self) -> Validity {
        let each = || self.certificates.iter().map(Certificate::validity);
        Validity {
            from: each().filter_map(|validity| validity.from).max(),
            until: each().filter_map(|validity| validity.until).min(),
        }
    }
}
