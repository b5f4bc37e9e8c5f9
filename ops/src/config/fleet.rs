//! Every key and certificate that the files of a node name: the data of the inventory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::LegacyProfile;
use amtsbote_trust::TrustError;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::{Key, Purpose};
use openssl::x509::X509Req;
use toml::Spanned;

use super::certificate;
use super::directory::legacy;
use super::node::{LOG_KEY, NodeFile};
use super::raw::RawDirectory;
use super::table::Source;
use crate::outcome::{Context, Failure};

/// What a key or a certificate is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// The TLS identity of both listeners.
    OwnTls,
    /// Another key of the key store.
    OwnKey,
    /// Signs the heads of the evidence log.
    Log,
    /// Wraps the wrapping keys.
    Master,
    /// Wraps the keys of data at rest of one tenant and month.
    Wrapping,
    /// Content signatures of a party.
    Content,
    /// TLS client of an account.
    Account,
    /// TLS client of a person who operates the node.
    Operator,
    /// The authority of another hub's server certificate.
    PeerAuthority,
    /// What this node shows to another hub.
    PeerClient,
    /// An authority whose client certificates are let in.
    ClientAuthority,
    /// Where paths of certificates must end.
    Anchor,
    /// Stands between a certificate and its anchor.
    Intermediate,
}

impl Use {
    /// Its name in the inventory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OwnTls => "tls-identity",
            Self::OwnKey => "key-store",
            Self::Log => "evidence-log",
            Self::Master => "master-key",
            Self::Wrapping => "wrapping-key",
            Self::Content => "content-signature",
            Self::Account => "tls-client",
            Self::Operator => "operator",
            Self::PeerAuthority => "peer-authority",
            Self::PeerClient => "peer-client",
            Self::ClientAuthority => "client-authority",
            Self::Anchor => "anchor",
            Self::Intermediate => "intermediate",
        }
    }

    /// Its name for people.
    pub(crate) fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::OwnTls => ("TLS-Identität des Knotens", "TLS identity of the node"),
            Self::OwnKey => ("weiterer Schlüssel des Knotens", "another key of the node"),
            Self::Log => ("Nachweisprotokoll", "evidence log"),
            Self::Master => ("Hauptschlüssel", "master key"),
            Self::Wrapping => ("Monatsschlüssel", "wrapping key of a month"),
            Self::Content => ("Inhaltssignatur", "content signature"),
            Self::Account => ("TLS-Client", "TLS client"),
            Self::Operator => ("Betreiberzertifikat", "operator"),
            Self::PeerAuthority => ("Aussteller eines anderen Knotens", "authority of a peer"),
            Self::PeerClient => ("TLS-Client bei anderem Knoten", "TLS client at a peer"),
            Self::ClientAuthority => ("Aussteller der Client-Zertifikate", "client authority"),
            Self::Anchor => ("Vertrauensanker", "anchor"),
            Self::Intermediate => ("Zwischenaussteller", "intermediate authority"),
        }
    }

    /// The purpose by which policy judges it.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::Content | Self::Log | Self::OwnKey => Purpose::ContentSignature,
            Self::Master | Self::Wrapping => Purpose::DataEncryption,
            Self::PeerAuthority | Self::ClientAuthority | Self::Anchor | Self::Intermediate => {
                Purpose::CertificateSignature
            }
            Self::OwnTls | Self::Account | Self::Operator | Self::PeerClient => Purpose::Tls,
        }
    }

    /// Several of them stand beside each other without one taking the other's place.
    pub(crate) fn is_authority(self) -> bool {
        self.purpose() == Purpose::CertificateSignature
    }
}

/// What there is of it.
#[derive(Clone, Debug)]
pub(crate) enum Material {
    /// A certificate, with or without its key.
    Certificate(Box<Certificate>),
    /// A key that waits for its certificate.
    Pending(Key),
    /// A key pair without a certificate: Ed25519.
    Ed25519,
    /// A symmetric key of so many bits.
    Symmetric(u32),
    /// A key whose certificate is not there or cannot be read, and why.
    Unknown(Arc<TrustError>),
}

/// One key or certificate.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What it is there for.
    pub(crate) purpose: Use,
    /// Whose it is: a party, an account, a person, a peer, or the node.
    pub(crate) owner: String,
    /// How the owner is called in words, where that is known; of the node's own keys which.
    pub(crate) name: String,
    /// What there is.
    pub(crate) material: Material,
    /// The file.
    pub(crate) place: PathBuf,
    /// Whether the private or secret key lies with this node.
    pub(crate) key_here: bool,
    /// The legacy profile of its owner.
    pub(crate) legacy: Option<LegacyProfile>,
}

impl Item {
    /// The certificate, if it is one.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        match &self.material {
            Material::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }
}

/// A partner under the legacy profile.
pub(crate) struct Legacy {
    /// Its key or its name.
    pub(crate) owner: String,
    /// Its name in words.
    pub(crate) name: String,
    /// The profile.
    pub(crate) profile: LegacyProfile,
}

impl NodeFile {
    /// Everything the files name, sorted by what it is for and whose it is.
    pub(crate) fn fleet(&self) -> Result<Vec<Item>, Failure> {
        let mut items = self.own()?;
        let directory = self.directory_source()?;
        items.extend(partners(&directory, &directory.parse()?)?);
        items.extend(self.named_here()?);
        items.sort_by(|a, b| (a.purpose, &a.owner, &a.place).cmp(&(b.purpose, &b.owner, &b.place)));
        Ok(items)
    }

    /// The partners under the legacy profile at `at`.
    pub(crate) fn legacy_partners(&self, at: Timestamp) -> Result<Vec<Legacy>, Failure> {
        let source = self.directory_source()?;
        let raw: RawDirectory = source.parse()?;
        let mut found = Vec::new();
        let mut add = |owner: &Spanned<String>, name: &str, profile: Option<LegacyProfile>| {
            let owner = owner.get_ref().clone();
            let profile = profile.filter(|profile| profile.holds(at));
            found.extend(profile.map(|profile| Legacy { owner, name: name.to_owned(), profile }));
        };
        for party in &raw.party {
            let profile = legacy(&source, party.legacy, party.legacy_until.as_ref())?;
            add(&party.id, &party.name, profile);
        }
        for account in &raw.account {
            let profile = legacy(&source, account.legacy, account.legacy_until.as_ref())?;
            add(&account.id, "", profile);
        }
        Ok(found)
    }

    /// The folder of the configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.source.folder()
    }

    /// The directory as it was read.
    pub(crate) fn directory_source(&self) -> Result<Source, Failure> {
        Source::read(&self.source.resolve(&self.raw.directory))
    }

    /// The names of the peers.
    pub(crate) fn peers(&self) -> Vec<&str> {
        self.raw.peer.iter().map(|peer| peer.name.get_ref().as_str()).collect()
    }

    /// The file with the authorities of a peer.
    pub(crate) fn peer_authority(&self, name: &str) -> Option<PathBuf> {
        let peer = self.raw.peer.iter().find(|peer| peer.name.get_ref() == name)?;
        Some(self.source.resolve(peer.authority.get_ref()))
    }

    /// The key store.
    fn own(&self) -> Result<Vec<Item>, Failure> {
        let folder = self.source.resolve(self.raw.keys.store.get_ref());
        let item = |purpose, material, place| Item {
            purpose,
            owner: self.raw.name.get_ref().clone(),
            name: String::new(),
            material,
            place,
            key_here: true,
            legacy: None,
        };
        let mut items = Vec::new();
        let log = folder.join(LOG_KEY);
        if log.exists() {
            items.push(item(Use::Log, Material::Ed25519, log));
        }
        for place in
            files_named(&folder, |name| name.starts_with("master.") && name.ends_with(".key"))?
        {
            items.push(item(Use::Master, Material::Symmetric(SYMMETRIC_BITS), place));
        }
        for tenant in folders(&folder.join("wrapping"))? {
            let owner = tenant.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for place in files_named(&tenant, |name| name.ends_with(".key"))? {
                let material = Material::Symmetric(SYMMETRIC_BITS);
                let owner = owner.clone();
                items.push(Item { owner, ..item(Use::Wrapping, material, place) });
            }
        }
        for name in key_names(&folder)? {
            let purpose = if name == self.tls_identity() { Use::OwnTls } else { Use::OwnKey };
            let (place, read) = self.own_certificate(&folder, &name);
            let material = match read {
                Ok(certificate) => Material::Certificate(Box::new(certificate)),
                Err(error) => match self.pending(&name, &error) {
                    Some(key) if purpose == Use::OwnKey => Material::Pending(key),
                    _ => Material::Unknown(Arc::new(error)),
                },
            };
            items.push(Item { name, ..item(purpose, material, place) });
        }
        Ok(items)
    }

    /// The certificate of a key: the file beside it, which needs no passphrase, else what the key
    /// store says.
    fn own_certificate(
        &self,
        folder: &Path,
        name: &str,
    ) -> (PathBuf, Result<Certificate, TrustError>) {
        let beside = folder.join(format!("{name}{CERTIFICATE_SUFFIX}"));
        if beside.exists() {
            let read = amtsbote_trust::pem::load_certificates(&beside);
            let first =
                read.and_then(|all| all.into_iter().next().ok_or(TrustError::NoCertificate));
            return (beside, first);
        }
        let read = self
            .key_store()
            .map_err(|_| TrustError::Malformed)
            .and_then(|store| store.identity(name))
            .map(|identity| identity.certificate().clone());
        let files = KEY_SUFFIXES.map(|suffix| folder.join(format!("{name}{suffix}")));
        let place = files.into_iter().find(|file| file.exists());
        (place.unwrap_or_else(|| folder.join(name)), read)
    }

    /// The key that waits for its certificate, as its request shows it, which needs no passphrase:
    /// `cert request` has made both, and nothing uses them yet.
    fn pending(&self, name: &str, error: &TrustError) -> Option<Key> {
        let waits =
            matches!(error.reason(), TrustError::CertificatePending | TrustError::Passphrase);
        let request = self.key_store_dir().join(format!("{name}{REQUEST_SUFFIX}"));
        let small = waits && fs::metadata(&request).is_ok_and(|file| file.len() <= MAX_REQUEST);
        let request = small.then(|| fs::read(request).ok()).flatten()?;
        let key = X509Req::from_pem(&request).and_then(|request| request.public_key()).ok()?;
        Some(Key::of(&key))
    }

    /// What `amtsbote.toml` itself names.
    fn named_here(&self) -> Result<Vec<Item>, Failure> {
        let (source, raw) = (&self.source, &self.raw);
        let mut items = Vec::new();
        for operator in &raw.operator {
            let certificate = certificate::one(source, &operator.certificate)?;
            let place = source.resolve(operator.certificate.get_ref());
            items.push(of_partner(Use::Operator, &operator.name, "", certificate, place));
        }
        for peer in &raw.peer {
            let name = peer.name.get_ref();
            let place = source.resolve(peer.authority.get_ref());
            for authority in certificate::all(source, &peer.authority)? {
                items.push(of_partner(Use::PeerAuthority, name, "", authority, place.clone()));
            }
            let own = certificate::one(source, &peer.certificate)?;
            let place = source.resolve(peer.certificate.get_ref());
            let item = of_partner(Use::PeerClient, name, "", own, place);
            items.push(Item { key_here: true, ..item });
        }
        for (purpose, name, files) in [
            (Use::ClientAuthority, "", &raw.tls.client_authorities),
            (Use::Anchor, "content", &raw.trust.content_anchors),
            (Use::Anchor, "tls-client", &raw.trust.tls_client_anchors),
            (Use::Intermediate, "", &raw.trust.intermediates),
        ] {
            for file in files {
                let (node, place) = (raw.name.get_ref(), source.resolve(file.get_ref()));
                for authority in certificate::all(source, file)? {
                    items.push(of_partner(purpose, node, name, authority, place.clone()));
                }
            }
        }
        Ok(items)
    }
}

const KEY_SUFFIXES: [&str; 3] = [".key.pem", ".p12", ".pfx"];
const CERTIFICATE_SUFFIX: &str = ".cert.pem";
const REQUEST_SUFFIX: &str = ".csr.pem";
/// Longest request that is read, in bytes.
const MAX_REQUEST: u64 = 64 * 1024;
/// Most keys in a folder; what is more is no key store.
const MAX_KEYS: usize = 4096;

/// Bits of every symmetric key here.
const SYMMETRIC_BITS: u32 = 256;

/// The names of the keys in the folder, sorted, but for that of the log.
fn key_names(folder: &Path) -> Result<BTreeSet<String>, Failure> {
    let stem = |name: &str| {
        let stem = KEY_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        stem.filter(|_| name != LOG_KEY).map(str::to_owned)
    };
    let files = files_named(folder, |name| stem(name).is_some())?;
    Ok(files.iter().filter_map(|file| stem(file.file_name()?.to_str()?)).collect())
}

/// The files of a folder whose names fit, sorted; none where there is no folder.
fn files_named(folder: &Path, fits: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Failure> {
    entries(folder, |entry| entry.file_name().to_str().is_some_and(&fits))
}

/// The folders in a folder, sorted; none where there is no folder.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    entries(folder, |entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

fn entries(folder: &Path, fits: impl Fn(&fs::DirEntry) -> bool) -> Result<Vec<PathBuf>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).or_usage_at(folder)? {
        let entry = entry.or_usage_at(folder)?;
        if fits(&entry) {
            found.insert(entry.path());
        }
        if found.len() > MAX_KEYS {
            let shown = folder.display();
            return Err(Failure::usage(
                format!("{shown}: mehr als {MAX_KEYS} Schlüssel"),
                format!("{shown}: more than {MAX_KEYS} keys"),
            ));
        }
    }
    Ok(found.into_iter().collect())
}

fn of_partner(
    purpose: Use,
    owner: &str,
    name: &str,
    certificate: Certificate,
    place: PathBuf,
) -> Item {
    Item {
        purpose,
        owner: owner.to_owned(),
        name: name.to_owned(),
        material: Material::Certificate(Box::new(certificate)),
        place,
        key_here: false,
        legacy: None,
    }
}

/// What the directory names; a certificate named twice for one partner is one.
fn partners(source: &Source, raw: &RawDirectory) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for party in &raw.party {
        let profile = legacy(source, party.legacy, party.legacy_until.as_ref())?;
        let files = party.service.iter().flat_map(|service| &service.certificates);
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        for file in party.certificates.iter().chain(files) {
            let certificate = certificate::one(source, file)?;
            if seen.insert(certificate.fingerprint()) {
                let (owner, place) = (party.id.get_ref(), source.resolve(file.get_ref()));
                let item = of_partner(Use::Content, owner, &party.name, certificate, place);
                items.push(Item { legacy: profile, ..item });
            }
        }
    }
    for account in &raw.account {
        let profile = legacy(source, account.legacy, account.legacy_until.as_ref())?;
        for file in &account.certificates {
            let certificate = certificate::one(source, file)?;
            let (owner, place) = (account.id.get_ref(), source.resolve(file.get_ref()));
            let item = of_partner(Use::Account, owner, "", certificate, place);
            items.push(Item { legacy: profile, ..item });
        }
    }
    Ok(items)
}
