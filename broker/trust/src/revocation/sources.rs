//! Which sources there are for the certificates that are watched.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;

use super::certificate::{CertificateId, Facts, IssuerId};
use super::error::Refused;
use super::fetch::Guard;
use super::ocsp::Nonce;
use super::schedule::Rhythm;
use crate::pem::Certificate;

/// Where something is fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An address of the network.
    Url(String),
    /// A file of this machine with a CRL in DER or PEM, which somebody else keeps up to date.
    File(PathBuf),
}

impl Place {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Sources of an issuer that the configuration names; they replace what certificates name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// SHA-256 over the DER of the issuer's certificate.
    pub issuer: Digest,
    /// Where its CRL lies; any one of them will do, the first is asked first.
    pub lists: Vec<Place>,
    /// Addresses of its responder, likewise.
    pub ocsp: Vec<String>,
}

/// How the refresher works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which hosts may be asked.
    pub guard: Guard,
    /// Time for a whole exchange.
    pub timeout: Duration,
    /// Longest CRL, in bytes; at most [`super::crl::MAX_CRL_BYTES`].
    pub max_list_bytes: usize,
    /// Most exchanges at once, 1 to 64.
    pub concurrent: usize,
    /// Whether questions carry a nonce.
    pub nonce: Nonce,
    /// Whether CRLs are fetched.
    pub lists: bool,
    /// Whether responders are asked.
    pub ocsp: bool,
    /// Sources that the configuration names.
    pub overrides: Vec<Override>,
    /// How often.
    pub rhythm: Rhythm,
    /// The address of a proxy, e.g. `http://proxy.example.test:3128`.
    pub proxy: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guard: Guard::default(),
            timeout: Duration::from_secs(30),
            max_list_bytes: super::crl::MAX_CRL_BYTES,
            concurrent: 8,
            nonce: Nonce::Off,
            lists: true,
            ocsp: true,
            overrides: Vec::new(),
            rhythm: Rhythm::default(),
            proxy: None,
        }
    }
}

/// A certificate to watch, with its issuer.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The certificate.
    pub certificate: Certificate,
    /// Its issuer; that it is, the caller has verified.
    pub issuer: Certificate,
    /// It is our own server's: its answers are asked for without nonce, so that they can be stapled.
    pub staple: bool,
}

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A list of an issuer.
    Crl,
    /// A responder, asked about one certificate.
    Ocsp,
}

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The kind.
    pub kind: Kind,
    /// The name of the issuer.
    pub issuer: String,
    /// The name of the certificate that a responder is asked about.
    pub subject: Option<String>,
    /// Addresses and files, in the order in which they are tried.
    pub places: Vec<String>,
    /// How many watched certificates rely on it.
    pub certificates: usize,
    /// What it last brought: as of when, until when it is fresh, how many entries.
    pub as_of: Option<Timestamp>,
    /// Until when that is fresh.
    pub fresh_until: Option<Timestamp>,
    /// Entries of the list.
    pub entries: usize,
    /// When it last succeeded since the start.
    pub last_success: Option<Timestamp>,
    /// When it last failed since the start, and why.
    pub last_failure: Option<(Timestamp, Refused)>,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Successes since the start.
    pub successes: u64,
    /// Failures since the start.
    pub failures: u64,
    /// When it is asked next.
    pub next: Timestamp,
}

/// What makes a source the same one after the watched certificates have changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) issuer: IssuerId,
    /// The certificate that a responder is asked about.
    pub(crate) about: Option<CertificateId>,
    pub(crate) places: Vec<Place>,
}

/// What is asked, and about what.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Certificate,
    pub(crate) nonce: Nonce,
    pub(crate) certificates: usize,
}

/// The sources of the watched certificates. Certificates that cannot be read have none.
pub(crate) fn of(watched: &[Watched], settings: &Settings) -> BTreeMap<Key, Task> {
    let mut tasks = BTreeMap::new();
    for Watched { certificate, issuer, staple } in watched {
        let (Ok(facts), Ok(id)) =
            (Facts::read(certificate), CertificateId::of(certificate, issuer))
        else {
            continue;
        };
        let mut add = |kind, about, places: Vec<Place>| {
            let key = Key { kind, issuer: id.issuer, about, places };
            let nonce = if *staple { Nonce::Off } else { settings.nonce };
            let task = || Task {
                certificate: certificate.clone(),
                issuer: issuer.clone(),
                nonce,
                certificates: 0,
            };
            tasks.entry(key).or_insert_with(task).certificates += 1;
        };
        let (lists, ocsp) = places(&facts, issuer, settings);
        if settings.lists {
            lists.into_iter().for_each(|places| add(Kind::Crl, None, places));
        }
        if settings.ocsp && !ocsp.is_empty() {
            add(Kind::Ocsp, Some(id), ocsp.into_iter().map(Place::Url).collect());
        }
    }
    tasks
}

fn places(
    facts: &Facts<'_>,
    issuer: &Certificate,
    settings: &Settings,
) -> (Vec<Vec<Place>>, Vec<String>) {
    let issuer = issuer.fingerprint();
    if let Some(own) = settings.overrides.iter().find(|own| own.issuer == issuer) {
        let lists = (!own.lists.is_empty()).then(|| own.lists.clone());
        return (lists.into_iter().collect(), own.ocsp.clone());
    }
    let named = facts.places().unwrap_or_default();
    let urls = |list: Vec<String>| list.into_iter().map(Place::Url).collect();
    (named.lists.into_iter().map(urls).collect(), named.ocsp)
}
