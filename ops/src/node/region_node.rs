//! A node for the example region: test CA, parties, accounts, permissions, clients. For trying
//! things on and for the demo; every name in its certificates begins with TEST.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::party::PartyId;
use amtsbote_trust::TrustError;
use amtsbote_trust::keystore::{KeyStore, Passphrase};
use amtsbote_trust::testca::{Issued, KeyKind, Purpose, Span, TestCa};

use super::files;
use super::region::{Partner, Region, SERVICE};
use crate::config::certificate;
use crate::config::client::author_file;
use crate::config::node::PARTY_KEY;
use crate::outcome::{Context, Failure};
use crate::time;

/// The name of the example node.
pub(crate) const NAME: &str = "beispiel";
/// Fast to make, and good enough for tests.
const KIND: KeyKind = KeyKind::EcP256;
/// How long the certificates of a test region last.
const YEARS: i64 = 2;

/// The certificate that the node's own party signs with.
const HUB_CERTIFICATE: &str = "hub-sig.pem";

/// Where the node listens.
pub(crate) struct Addresses {
    /// Native transport.
    pub(crate) native: SocketAddr,
    /// Operations API.
    pub(crate) operations: SocketAddr,
}

/// A party with a system of its own: a town or a county.
struct Member {
    party: String,
    name: String,
    /// The name of its files: the official key.
    file: String,
}

struct Writer<'a> {
    dir: &'a Path,
    ca: TestCa,
    addresses: Addresses,
    verifier: VerifierKey,
}

/// Writes the node and the clients.
pub(crate) fn write(dir: &Path, addresses: Addresses) -> Result<(), Failure> {
    files::claim(dir)?;
    for name in ["keys", "data", "clients", "ca"] {
        files::private_folder(&dir.join(name))?;
    }
    files::folder(&dir.join("certs"))?;
    files::folder(&dir.join("authors"))?;
    files::packs(&dir.join("packs"))?;
    let verifier = files::node_keys(&dir.join("keys"), NAME)?;
    files::trial_backup(dir, NAME)?;
    let ca = TestCa::new("Beispielregion CA", KIND, span()?).map_err(trouble)?;
    let writer = Writer { dir, ca, addresses, verifier };
    writer.authority()?;
    let region = Region::read()?;
    writer.node(&region.hub.party)?;
    let members = members(&region);
    for member in &members {
        writer.member(member)?;
    }
    writer.operator()?;
    files::public(&dir.join("directory.toml"), directory(&region, &members).as_bytes())?;
    files::public(&dir.join("permissions.toml"), permissions(&region).as_bytes())
}

fn trouble(error: TrustError) -> Failure {
    certificate::failure(&error)
}

/// From yesterday, so that a clock that is a little late does not matter.
fn span() -> Result<Span, Failure> {
    const DAY: i64 = 24 * 3600;
    let second = time::now().as_second();
    let at = |second| amtsbote_domain::Timestamp::from_second(second).or_not_now("Uhr", "clock");
    Ok(Span { from: at(second - DAY)?, until: at(second + YEARS * 365 * DAY)? })
}

fn members(region: &Region) -> Vec<Member> {
    let towns = region.towns.iter().map(|town| Member {
        party: town.party(),
        name: town.name.clone(),
        file: town.ags.clone(),
    });
    let counties = region.counties.iter().map(|county| Member {
        party: county.party.clone(),
        name: county.name.clone(),
        file: county.key.clone(),
    });
    towns.chain(counties).collect()
}

impl Writer<'_> {
    fn issue(&self, name: &str, purpose: Purpose) -> Result<Issued, Failure> {
        self.ca.issue(name, purpose, KIND, self.ca.span()).map_err(trouble)
    }

    fn path(&self, folder: &str, file: &str) -> PathBuf {
        self.dir.join(folder).join(file)
    }

    fn authority(&self) -> Result<(), Failure> {
        let store = KeyStore::open(&self.dir.join("ca"), Passphrase::None).map_err(trouble)?;
        store.keep("ca", self.ca.identity()).map_err(trouble)?;
        let pem = self.ca.certificate().to_pem().map_err(trouble)?;
        files::public(&self.dir.join("ca.pem"), &pem)
    }

    /// `party`: in whose name the node writes.
    fn node(&self, party: &str) -> Result<(), Failure> {
        let hub = self.issue("Knoten", Purpose::local_hub())?;
        let store = KeyStore::open(&self.dir.join("keys"), Passphrase::None).map_err(trouble)?;
        store.keep("tls", hub.identity()).map_err(trouble)?;
        let own = self.issue(&format!("{party} sig"), Purpose::Signature)?;
        store.keep(PARTY_KEY, own.identity()).map_err(trouble)?;
        let certificate = own.certificate().to_pem().map_err(trouble)?;
        files::public(&self.path("certs", HUB_CERTIFICATE), &certificate)?;
        let party_id = PartyId::parse(party).or_not_now("Beispielregion", "example region")?;
        files::public(&self.path("authors", &author_file(&party_id)), &certificate)?;
        let Addresses { native, operations } = &self.addresses;
        let text = format!(
            "# The example region, for trying things on; never for real messages.\n\
             # Every key is explained in amtsbote.example.toml.\n\
             name = \"{NAME}\"\nparty = \"{party}\"\n\n\
             [listen]\nnative = \"{native}\"\noperations = \"{operations}\"\n\n\
             [tls]\nclient_authorities = [\"ca.pem\"]\n\n\
             [keys]\nstore = \"keys\"\n\n\
             [trust]\n\
             # A certificate counts when the directory names it and the test CA issued it.\n\
             content_anchors = [\"ca.pem\"]\ntls_client_anchors = [\"ca.pem\"]\n\n\
             [[operator]]\nname = \"erika.beispiel\"\ncertificate = \"certs/operator.pem\"\n"
        );
        files::public(&self.dir.join("amtsbote.toml"), text.as_bytes())
    }

    /// TLS and signature keys of a party's system, and its client configuration.
    fn member(&self, member: &Member) -> Result<(), Failure> {
        let Member { party, file, .. } = member;
        // The common name of a certificate has room for the key, not for every name.
        let tls = self.issue(&format!("{party} tls"), Purpose::Client)?;
        self.credentials(&tls, &format!("{file}-tls"))?;
        let signature = self.issue(&format!("{party} sig"), Purpose::Signature)?;
        self.credentials(&signature, &format!("{file}-sig"))?;
        let party_id = PartyId::parse(party).or_not_now("Beispielregion", "example region")?;
        let certificate = signature.certificate().to_pem().map_err(trouble)?;
        files::public(&self.path("authors", &author_file(&party_id)), &certificate)?;
        let text = format!(
            "{}signing_certificate = \"{file}-sig.cert.pem\"\nsigning_key = \"{file}-sig.key.pem\"\n\
             party = \"{party}\"\nverifier = \"{}\"\ntrusted_certificates = \"../authors\"\n",
            self.client("url", self.addresses.native, &format!("{file}-tls")),
            self.verifier
        );
        files::public(&self.path("clients", &format!("{file}.toml")), text.as_bytes())
    }

    fn operator(&self) -> Result<(), Failure> {
        let issued = self.issue("erika.beispiel", Purpose::Operator)?;
        self.credentials(&issued, "operator")?;
        let text = format!(
            "{}verifier = \"{}\"\n",
            self.client("operations_url", self.addresses.operations, "operator"),
            self.verifier
        );
        files::public(&self.path("clients", "operator.toml"), text.as_bytes())
    }

    /// The certificate for the node, certificate and key for the client.
    fn credentials(&self, issued: &Issued, name: &str) -> Result<(), Failure> {
        let certificate = issued.certificate().to_pem().map_err(trouble)?;
        files::public(&self.path("certs", &format!("{name}.pem")), &certificate)?;
        files::public(&self.path("clients", &format!("{name}.cert.pem")), &certificate)?;
        let key = issued.key_pem().map_err(trouble)?;
        files::private(&self.path("clients", &format!("{name}.key.pem")), &key)
    }

    fn client(&self, key: &str, address: SocketAddr, name: &str) -> String {
        format!(
            "# A client of the example region.\n{key} = \"https://{address}\"\nca = \"../ca.pem\"\n\
             certificate = \"{name}.cert.pem\"\nkey = \"{name}.key.pem\"\n"
        )
    }
}

fn directory(region: &Region, members: &[Member]) -> String {
    let mut text = String::from("# The example region: every party offers the example service.\n");
    for Member { party, name, file } in members {
        write!(
            text,
            "\n[[party]]\nid = \"{party}\"\nname = \"{name}\"\n\
             certificates = [\"certs/{file}-sig.pem\"]\n\
             [[party.service]]\nuri = \"{SERVICE}\"\nvia = \"inbox\"\n\
             [[account]]\nid = \"verfahren-{file}\"\ncertificates = [\"certs/{file}-tls.pem\"]\n\
             parties = [\"{party}\"]\n"
        )
        .expect("writing to a string");
    }
    let Partner { party, name } = &region.hub;
    write!(
        text,
        "\n# The node itself: in its name Authors are told what became of their messages.\n\
         [[party]]\nid = \"{party}\"\nname = \"{name}\"\ncertificates = [\"certs/{HUB_CERTIFICATE}\"]\n"
    )
    .expect("writing to a string");
    for partner in &region.partners {
        write!(
            text,
            "\n[[party]]\nid = \"{}\"\nname = \"{}\"\n\
             [[party.service]]\nuri = \"{SERVICE}\"\nvia = \"inbox\"\n",
            partner.party, partner.name
        )
        .expect("writing to a string");
    }
    text
}

fn permissions(region: &Region) -> String {
    let mut text = String::from("# The towns of the three counties may write to each other.\n");
    for from in &region.counties {
        for to in &region.counties {
            write!(
                text,
                "\n[[allow]]\nfrom = \"ags:{}*\"\nto = \"ags:{}*\"\nservice = \"{SERVICE}\"\n",
                from.key, to.key
            )
            .expect("writing to a string");
        }
    }
    text
}
