//! `amtsbote.toml`: from the raw tables to what the hub takes, everything read and parsed.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amtsbote_archive::note::LogKey;
use amtsbote_archive::origin::Origin;
use amtsbote_broker::config::{
    DeliveryPolicy, HintSettings, Limits, NodeConfig, Operator, PeerConfig,
};
use amtsbote_broker::notice::OwnParty;
use amtsbote_broker::tables::{Intermediary, NotReread, Reread, Tables};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::text::Language;
use amtsbote_schemas::pack::PackSet;
use amtsbote_store::{Database, LargeParts};
use amtsbote_trust::TrustError;
use amtsbote_trust::keystore::{Identity, KeyStore, Keys, Passphrase};
use amtsbote_trust::master::MasterKey;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::AlgorithmPolicy;
pub(crate) use amtsbote_trust::wrapping::MASTER_KEY;
use amtsbote_trust::wrapping::WrappingFolder;
use openssl::sha::Sha256;
use toml::Spanned;

use super::raw::{RawDelivery, RawLimits, RawNode, RawPeer};
use super::table::Source;
use super::{
    certificate, delivery as rules, directory, hints, objects, parsed, permissions, policy, store,
    trust,
};
use crate::outcome::{Context, Failure};

/// The name of the TLS identity in the key store, unless tls.identity says another.
const TLS_KEY: &str = "tls";
/// The name of the key that the hub signs with in its own name, unless keys.party says another.
pub(crate) const PARTY_KEY: &str = "party";
/// The file of the log's key in the key store.
pub(crate) const LOG_KEY: &str = "log.key.pem";
/// The first epoch of a log; a restore opens the next.
pub(crate) const FIRST_EPOCH: u32 = 1;

/// What flags and environment say instead of the file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// Address of the native transport.
    pub(crate) native: Option<SocketAddr>,
    /// Address of the operations API.
    pub(crate) operations: Option<SocketAddr>,
    /// Folder of the data.
    pub(crate) data_dir: Option<PathBuf>,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    /// The form.
    pub(crate) format: LogFormat,
    /// A filter as tracing-subscriber reads it, e.g. `info`.
    pub(crate) level: String,
}

/// The raw tables with the file they came from.
pub(crate) struct NodeFile {
    pub(super) source: Source,
    pub(super) raw: RawNode,
}

impl NodeFile {
    /// Reads and checks names and types; nothing else is touched.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let source = Source::read(path)?;
        let raw = source.parse()?;
        Ok(Self { source, raw })
    }

    /// What to log.
    pub(crate) fn logging(&self) -> Result<Logging, Failure> {
        let format = match &self.raw.log.format {
            None => LogFormat::Text,
            Some(word) => match word.get_ref().as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => {
                    return Err(self.source.wrong(
                        &word.span(),
                        "format ist \"text\" oder \"json\"",
                        "format is \"text\" or \"json\"",
                    ));
                }
            },
        };
        let level = self.raw.log.level.as_ref();
        if let Some(word) = level
            && let Err(error) = word.get_ref().parse::<tracing_subscriber::EnvFilter>()
        {
            return Err(self.source.wrong(&word.span(), &error, &error));
        }
        Ok(Logging { format, level: level.map_or("info", |w| w.get_ref().as_str()).to_owned() })
    }

    /// Where the data lie.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.source.resolve(&self.raw.data_dir)
    }

    /// The database of the store.
    pub(crate) fn database(&self) -> Result<Database, Failure> {
        store::database(&self.source, &self.raw.store)
    }

    /// Bounds.
    #[cfg(feature = "postgres")]
    pub(crate) fn limits(&self) -> Limits {
        limits(&self.raw.limits)
    }

    /// Where the packs lie.
    pub(crate) fn packs_dir(&self) -> PathBuf {
        self.source.resolve(&self.raw.packs)
    }

    /// Which algorithms and keys may be used.
    pub(crate) fn policy(&self) -> Result<AlgorithmPolicy, Failure> {
        read_policy(self.policy_source()?.as_ref())
    }

    /// The file of the policy, unless it is the built-in one.
    fn policy_source(&self) -> Result<Option<Source>, Failure> {
        let file = self.raw.policy.file.as_ref();
        file.map(|file| Source::read(&self.source.resolve(file.get_ref()))).transpose()
    }

    /// The file of the rules about deliveries, where there is one.
    fn rules_source(&self) -> Result<Option<Source>, Failure> {
        let file = self.raw.delivery.rules.as_ref();
        file.map(|file| Source::read(&self.source.resolve(file.get_ref()))).transpose()
    }

    /// The log's key under the log's name.
    pub(crate) fn log_key(&self) -> Result<LogKey, Failure> {
        let span = self.raw.name.span();
        let origin = Origin::new(self.raw.name.get_ref(), FIRST_EPOCH)
            .map_err(|error| self.source.wrong(&span, error, error))?;
        let store = &self.raw.keys.store;
        let file = Spanned::new(store.span(), format!("{}/{LOG_KEY}", store.get_ref()));
        let pem = certificate::secret(&self.source, &file)?;
        LogKey::from_pkcs8_pem(&origin.to_string(), &pem)
            .map_err(|error| self.source.wrong(&store.span(), &error, &error))
    }

    /// Where parts above the limit for rows are kept.
    pub(crate) fn large_parts(&self) -> Result<LargeParts, Failure> {
        objects::large_parts(&self.source, self.raw.store.objects.as_ref())
    }

    /// The node's name.
    pub(crate) fn name(&self) -> &str {
        self.raw.name.get_ref()
    }

    /// The folder of the key store.
    pub(crate) fn key_store_dir(&self) -> PathBuf {
        self.source.resolve(self.raw.keys.store.get_ref())
    }

    /// The wrapping keys, for reading: a node may be at work.
    pub(crate) fn wrapping(&self) -> Result<WrappingFolder, Failure> {
        WrappingFolder::read(&self.key_store_dir())
            .map_err(|error| certificate::wrapping_failure(&error))
    }

    /// Sees that there is a master key and that it can be read; it stays where it is.
    fn checked_key_store(&self) -> Result<PathBuf, Failure> {
        let folder = self.key_store_dir();
        MasterKey::load(&folder.join(MASTER_KEY)).map_err(|error| certificate::failure(&error))?;
        Ok(folder)
    }

    /// Reads every file that is named, and finds contradictions.
    pub(crate) fn build(&self, overrides: Overrides) -> Result<NodeConfig, Failure> {
        let (source, raw) = (&self.source, &self.raw);
        Ok(NodeConfig {
            name: raw.name.get_ref().clone(),
            data_dir: overrides.data_dir.unwrap_or_else(|| self.data_dir()),
            native_address: self.address(overrides.native, raw.listen.native.as_ref(), NATIVE)?,
            operations_address: self.address(
                overrides.operations,
                raw.listen.operations.as_ref(),
                OPERATIONS,
            )?,
            intermediary_address: self.intermediary_address()?,
            database: self.database()?,
            tables: self.tables()?,
            reread: Some(Arc::new(Files(source.path().to_owned()))),
            log_key: self.log_key()?,
            key_store: self.checked_key_store()?,
            large_parts: self.large_parts()?,
            limits: limits(&raw.limits),
            delivery: delivery(&raw.delivery),
            hints: self.hints()?,
        })
    }

    /// How nodes tell each other where to look.
    fn hints(&self) -> Result<Option<HintSettings>, Failure> {
        let identity = |name: &Spanned<String>| {
            let read = self.key_store()?.tls(name.get_ref());
            read.map_err(|error| certificate::at(&self.source, name, &error))
        };
        let raw = self.raw.hints.as_ref();
        raw.map(|raw| hints::read(&self.source, raw, identity)).transpose()
    }

    /// What can be read again while the node runs.
    pub(crate) fn tables(&self) -> Result<Tables, Failure> {
        let (source, raw) = (&self.source, &self.raw);
        let peer_names: Vec<&str> = raw.peer.iter().map(|p| p.name.get_ref().as_str()).collect();
        let directory_source = Source::read(&source.resolve(&raw.directory))?;
        let permissions_source = Source::read(&source.resolve(&raw.permissions))?;
        let policy_source = self.policy_source()?;
        let policy = read_policy(policy_source.as_ref())?;
        let rules_source = self.rules_source()?;
        let base = rules::base(&raw.delivery, delivery(&raw.delivery).lease);
        let delivery = match &rules_source {
            Some(rules) => rules::read(rules, source, base, &peer_names)?,
            None => rules::without_file(source, base)?,
        };
        let (trust, anchors) = trust::rules(source, &raw.trust)?;
        let mut tables = Tables {
            trust,
            revocation: trust::revocation(source, &raw.revocation)?,
            policy: Arc::new(policy),
            directory: directory::read(&directory_source, &peer_names)?,
            identity: self.identity()?,
            client_authorities: self.client_authorities()?,
            operators: self.operators()?,
            permissions: permissions::read(&permissions_source)?,
            delivery: Arc::new(delivery),
            packs: Arc::new(load_packs(&self.packs_dir())?),
            writes_as: self.own_party()?,
            intermediary: self.intermediary()?,
            peers: raw.peer.iter().map(|peer| self.peer(peer)).collect::<Result<_, _>>()?,
            digest: Digest([0; 32]),
        };
        let files = [Some(source), Some(&directory_source), Some(&permissions_source)];
        let files = files.into_iter().chain([policy_source.as_ref(), rules_source.as_ref()]);
        tables.digest = digest(files.map(|file| file.map_or("", Source::text)), &anchors, &tables);
        Ok(tables)
    }

    fn address(
        &self,
        flag: Option<SocketAddr>,
        file: Option<&Spanned<String>>,
        default: &str,
    ) -> Result<SocketAddr, Failure> {
        if let Some(address) = flag {
            return Ok(address);
        }
        let default = Spanned::new(0..0, default.to_owned());
        parsed(&self.source, file.unwrap_or(&default))
    }

    /// The name of the TLS identity in the key store.
    pub(crate) fn tls_identity(&self) -> &str {
        self.raw.tls.identity.as_ref().map_or(TLS_KEY, |name| name.get_ref())
    }

    fn identity(&self) -> Result<Identity, Failure> {
        let read = self.key_store()?.tls(self.tls_identity());
        read.map_err(|error| match &self.raw.tls.identity {
            Some(name) => certificate::at(&self.source, name, &error),
            None => certificate::failure(&error),
        })
    }

    /// In whose name the hub writes, with the key it signs with.
    fn own_party(&self) -> Result<Option<OwnParty>, Failure> {
        let Some(party) = &self.raw.party else { return Ok(None) };
        let id = parsed(&self.source, party)?;
        let named = self.raw.keys.party.as_ref();
        let key = named.map_or(PARTY_KEY, |name| name.get_ref());
        let at = |error| certificate::at(&self.source, named.unwrap_or(party), &error);
        let store = self.key_store()?;
        let signer = store.signer(key).map_err(at)?;
        let entry = store.entry(key).map_err(at)?;
        let certificate = entry.chain.into_iter().next();
        let certificate = certificate.ok_or_else(|| at(TrustError::CertificatePending))?;
        Ok(Some(OwnParty { id, signer: signer.into(), certificate }))
    }

    /// Where the hub listens as an Intermediary.
    fn intermediary_address(&self) -> Result<Option<SocketAddr>, Failure> {
        let osci = self.raw.osci.as_ref();
        osci.map(|osci| parsed(&self.source, &osci.listen)).transpose()
    }

    /// By which keys partners know it then.
    fn intermediary(&self) -> Result<Option<Intermediary>, Failure> {
        let Some(osci) = &self.raw.osci else { return Ok(None) };
        let store = self.key_store()?;
        let certificate = |name: &Spanned<String>| {
            let entry = store.entry(name.get_ref());
            let entry = entry.map_err(|error| certificate::at(&self.source, name, &error))?;
            let pending = TrustError::CertificatePending;
            let own = entry.chain.into_iter().next();
            own.ok_or_else(|| certificate::at(&self.source, name, &pending))
        };
        let at = |name: &Spanned<String>, error| certificate::at(&self.source, name, &error);
        let decryptor = store.decryptor(osci.cipher.get_ref());
        let signer = store.signer(osci.signature.get_ref());
        Ok(Some(Intermediary {
            decryptor: Arc::new(decryptor.map_err(|error| at(&osci.cipher, error))?),
            cipher: certificate(&osci.cipher)?,
            signer: Arc::new(signer.map_err(|error| at(&osci.signature, error))?),
            signature: certificate(&osci.signature)?,
        }))
    }

    pub(crate) fn key_store(&self) -> Result<KeyStore, Failure> {
        let keys = &self.raw.keys;
        let passphrase = match (&keys.passphrase_file, &keys.passphrase_credential) {
            (Some(file), _) => Passphrase::File(self.source.resolve(file.get_ref())),
            (None, Some(name)) => Passphrase::Credential(name.get_ref().clone()),
            (None, None) if std::env::var_os(PASSPHRASE).is_some() => {
                Passphrase::Environment(PASSPHRASE.to_owned())
            }
            (None, None) => Passphrase::None,
        };
        KeyStore::open(&self.source.resolve(keys.store.get_ref()), passphrase)
            .map_err(|error| certificate::failure(&error))
    }

    fn client_authorities(&self) -> Result<Vec<Certificate>, Failure> {
        let mut authorities = Vec::new();
        for file in &self.raw.tls.client_authorities {
            authorities.extend(certificate::all(&self.source, file)?);
        }
        Ok(authorities)
    }

    fn operators(&self) -> Result<Vec<Operator>, Failure> {
        let operator = |raw: &super::raw::RawOperator| {
            Ok(Operator {
                name: raw.name.clone(),
                certificate: certificate::trusted(&self.source, &raw.certificate)?,
            })
        };
        self.raw.operator.iter().map(operator).collect()
    }

    fn peer(&self, raw: &RawPeer) -> Result<PeerConfig, Failure> {
        let source = &self.source;
        certificate::all(source, &raw.authority)?;
        certificate::all(source, &raw.certificate)?;
        Ok(PeerConfig {
            name: raw.name.get_ref().clone(),
            url: raw.url.get_ref().clone(),
            authority_pem: certificate::octets(source, &raw.authority)?,
            identity_pem: (
                certificate::octets(source, &raw.certificate)?,
                certificate::secret(source, &raw.key)?,
            ),
        })
    }
}

fn read_policy(source: Option<&Source>) -> Result<AlgorithmPolicy, Failure> {
    source.map_or_else(|| Ok(AlgorithmPolicy::built_in()), policy::read)
}

/// SHA-256 over what tables were read from: each file with tables, every certificate, what the packs
/// say of themselves. No private key goes into it.
fn digest<'a>(
    files: impl Iterator<Item = &'a str>,
    anchors: &[Certificate],
    tables: &Tables,
) -> Digest {
    let mut hash = Sha256::new();
    // The length in front tells where a part ends.
    let mut part = |octets: &[u8]| {
        hash.update(&(octets.len() as u64).to_be_bytes());
        hash.update(octets);
    };
    files.for_each(|text| part(text.as_bytes()));
    let given = tables.identity.chain().iter().chain(&tables.client_authorities).chain(anchors);
    given.for_each(|certificate| part(certificate.der()));
    let directory = &tables.directory;
    let parties = directory.parties().flat_map(|party| &party.certificates);
    let accounts = directory.accounts().iter().flat_map(|account| &account.certificates);
    let operators = tables.operators.iter().map(|operator| &operator.certificate);
    parties.chain(accounts).chain(operators).for_each(|certificate| part(&certificate.der));
    let mailboxes = directory.mailboxes().iter().flat_map(|mailbox| &mailbox.certificates);
    let partners = directory.partners().iter();
    let partners = partners.flat_map(|partner| partner.signature.iter().chain(&partner.cipher));
    mailboxes.chain(partners).for_each(|certificate| part(&certificate.der));
    if let Some(own) = &tables.intermediary {
        part(own.cipher.der());
        part(own.signature.der());
    }
    tables.writes_as.iter().for_each(|own| part(own.certificate.der()));
    tables.revocation.overrides.iter().for_each(|own| part(&own.issuer.0));
    for peer in &tables.peers {
        part(&peer.authority_pem);
        part(&peer.identity_pem.0);
    }
    for pack in tables.packs.list() {
        // A description that cannot be written stands for nothing.
        part(&serde_json::to_vec(&pack).unwrap_or_default());
    }
    Digest(hash.finish())
}

/// The file that a running node reads again.
struct Files(PathBuf);

impl Reread for Files {
    fn reread(&self) -> Result<Tables, NotReread> {
        let tables = NodeFile::read(&self.0).and_then(|file| file.tables());
        tables.map_err(|failure| NotReread {
            de: failure.text(Language::De).to_owned(),
            en: failure.text(Language::En).to_owned(),
        })
    }
}

const NATIVE: &str = "0.0.0.0:8443";
const OPERATIONS: &str = "127.0.0.1:9443";
/// The variable with the passphrase of encrypted keys.
const PASSPHRASE: &str = "AMTSBOTE_KEY_PASSPHRASE";

/// Loads all packs of a folder. Schemas that do not compile are no matter of usage.
pub(crate) fn load_packs(folder: &Path) -> Result<PackSet, Failure> {
    let shown = folder.display();
    fs::metadata(folder)
        .or_usage(format!("Ordner der Pakete {shown}"), format!("folder of packs {shown}"))?;
    PackSet::load(folder).map_err(|error| {
        Failure::not_now(
            format!("Pakete in {shown}: {}", error.german()),
            format!("packs in {shown}: {error}"),
        )
    })
}

fn limits(raw: &RawLimits) -> Limits {
    let d = Limits::default();
    Limits {
        request_bytes: raw.request_bytes.unwrap_or(d.request_bytes),
        envelope_bytes: raw.envelope_bytes.unwrap_or(d.envelope_bytes),
        payload_bytes: raw.payload_bytes.unwrap_or(d.payload_bytes),
        attachment_bytes: raw.attachment_bytes.unwrap_or(d.attachment_bytes),
        parts: raw.parts.unwrap_or(d.parts),
        account_concurrency: raw.account_concurrency.unwrap_or(d.account_concurrency),
        account_messages_per_minute: raw
            .account_messages_per_minute
            .unwrap_or(d.account_messages_per_minute),
        connections: raw.connections.unwrap_or(d.connections),
        handshake_ms: raw.handshake_ms.unwrap_or(d.handshake_ms),
        request_head_ms: raw.request_head_ms.unwrap_or(d.request_head_ms),
        body_idle_ms: raw.body_idle_ms.unwrap_or(d.body_idle_ms),
        body_bytes_per_second: raw.body_bytes_per_second.unwrap_or(d.body_bytes_per_second),
        validation_ms: raw.validation_ms.unwrap_or(d.validation_ms),
        reserve_bytes: raw.reserve_bytes.unwrap_or(d.reserve_bytes),
        alone_hours: raw.alone_hours.unwrap_or(d.alone_hours),
    }
}

fn delivery(raw: &RawDelivery) -> DeliveryPolicy {
    let d = DeliveryPolicy::default();
    let wait = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
    DeliveryPolicy {
        lease: wait(raw.lease_ms, d.lease),
        attempt: wait(raw.attempt_ms, d.attempt),
        parallel: raw.parallel.unwrap_or(d.parallel),
        idle: wait(raw.idle_ms, d.idle),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::{RawClient, RawDirectory, RawPermissions, RawRules};
    use crate::config::table::{Shape, Table};
    use amtsbote_domain::delivery::policy::Policy;

    const LEASE: Duration = Duration::from_secs(300);
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../amtsbote.example.toml");

    /// The example holds all five files, each after a line `#: name`; the last four commented
    /// out with `# `.
    fn section(name: &str) -> String {
        let text = fs::read_to_string(EXAMPLE).expect("amtsbote.example.toml is there");
        let mut lines = text.lines().skip_while(|line| *line != format!("#: {name}")).skip(1);
        let mut own = String::new();
        for line in lines.by_ref().take_while(|line| !line.starts_with("#: ")) {
            let line = if name == "amtsbote.toml" {
                line
            } else {
                line.strip_prefix("#").map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest))
            };
            own.push_str(line);
            own.push('\n');
        }
        assert!(!own.is_empty(), "the example has a section for {name}");
        own
    }

    /// Every key of the shape is in the text, set or as a comment with its default.
    fn shows_every_key(text: &str, shape: &Shape) {
        for (key, child) in shape.keys {
            let shown = text.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                line.split_once('=').is_some_and(|(name, _)| name.trim() == *key)
                    || line.trim_matches(['[', ']']).rsplit('.').next() == Some(key)
            });
            assert!(shown, "amtsbote.example.toml does not show {key}");
            if let Some(child) = child {
                shows_every_key(text, child);
            }
        }
    }

    fn check<T: Table>(name: &str) -> T {
        let text = section(name);
        shows_every_key(&text, &T::SHAPE);
        Source::from_text(&text).parse().unwrap_or_else(|failure| panic!("{name}: {failure:?}"))
    }

    #[test]
    fn the_example_parses_and_shows_every_key() {
        let node: RawNode = check("amtsbote.toml");
        assert_eq!(node.data_dir, "data");
        check::<RawDirectory>("directory.toml");
        check::<RawPermissions>("permissions.toml");
        let rules: RawRules = check("delivery.toml");
        let peers: Vec<&str> = node.peer.iter().map(|p| p.name.get_ref().as_str()).collect();
        let (text, base) = (section("delivery.toml"), rules::base(&node.delivery, LEASE));
        let source = Source::from_text(&text);
        rules::read(&source, &source, base, &peers).expect("the rules of the example work");
        assert_eq!(rules.rule.len(), 1);
        check::<RawClient>("client.toml");
    }

    #[test]
    fn the_example_names_the_defaults() {
        let node: RawNode = check("amtsbote.toml");
        assert_eq!(limits(&node.limits), Limits::default());
        let (named, own) = (delivery(&node.delivery), DeliveryPolicy::default());
        assert_eq!(format!("{named:?}"), format!("{own:?}"));
        assert_eq!(rules::base(&node.delivery, LEASE).0, Policy::default());
        let listen = |value: Option<Spanned<String>>| value.map(Spanned::into_inner);
        assert_eq!(listen(node.listen.native).as_deref(), Some(NATIVE));
        assert_eq!(listen(node.listen.operations).as_deref(), Some(OPERATIONS));
        assert_eq!(node.tls.identity.map(Spanned::into_inner).as_deref(), Some(TLS_KEY));
    }
}
