//! A case of x509-limbo, and how it is put to the validator.

use amtsbote_domain::Timestamp;
use amtsbote_trust::TrustError;
use amtsbote_trust::path::{Anchors, Demands, KeyUse, Path, Purpose, ServerName};
use amtsbote_trust::pem::{self, Certificate};
use amtsbote_trust::revocation::{Book, Grace, Refused, Standing};
use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The instant for cases that have none: all their certificates are valid from 1970 to 2969.
const DEFAULT_TIME: &str = "2026-01-01T00:00:00Z";

/// The length of a path, or why there is none.
pub(super) type Verdict = Result<usize, String>;

/// The file.
#[derive(Deserialize)]
pub(super) struct Limbo {
    pub testcases: Vec<Case>,
}

/// What is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Expected {
    Success,
    Failure,
}

/// One case; what is not needed here is left out.
#[derive(Deserialize)]
pub(super) struct Case {
    pub id: String,
    pub expected_result: Expected,
    validation_kind: Kind,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<Timestamp>,
    signature_algorithms: Vec<String>,
    key_usage: Vec<String>,
    extended_key_usage: Vec<String>,
    expected_peer_name: Option<PeerName>,
    max_chain_depth: Option<usize>,
    crls: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Client,
    Server,
}

#[derive(Deserialize)]
struct PeerName {
    value: String,
}

impl Case {
    /// Puts the case to the validator. An error means that it could not be put.
    pub(super) fn verdict(&self) -> Result<Verdict> {
        let (purpose, usage) = match self.validation_kind {
            Kind::Server => (Purpose::TlsServer, "serverAuth"),
            Kind::Client => (Purpose::TlsClient, "clientAuth"),
        };
        // What a case demands beside its kind must be what the purpose stands for.
        if self.extended_key_usage.iter().any(|wanted| wanted != usage)
            || self.key_usage.iter().any(|wanted| wanted != "digitalSignature")
            || !self.signature_algorithms.is_empty()
        {
            bail!("the case demands a usage or an algorithm that cannot be asked for");
        }
        let at = self.validation_time.map_or_else(|| DEFAULT_TIME.parse(), Ok);
        let mut demands = Demands::new(purpose, at.context("a time")?);
        demands.key_use = Some(KeyUse::Signature);
        // A name that names no server is refused whatever the certificate. Where names are to be
        // refused because of a constraint, the name of the peer must not be what hides it.
        let name = self.expected_peer_name.as_ref().map(|name| name.value.parse::<ServerName>());
        let hides = self.id.contains("::nc::") && self.expected_result == Expected::Failure;
        demands.name = name.as_ref().and_then(|name| name.as_ref().ok()).filter(|_| !hides);
        if let Some(depth) = self.max_chain_depth {
            demands.max_intermediates = depth;
        }
        let certificates = || -> Result<_, TrustError> {
            let trusted = read_all(&self.trusted_certs)?;
            Ok((read(&self.peer_certificate)?, trusted, read_all(&self.untrusted_intermediates)?))
        };
        // A certificate that cannot even be read is refused as well.
        let (leaf, trusted, untrusted) = match certificates() {
            Ok(read) => read,
            Err(error) => return Ok(Err(format!("not read: {error}"))),
        };
        // The set trusts intermediates as well as roots.
        let anchors = Anchors::builder().trust(purpose, &trusted).partial(purpose).build()?;
        let path = match anchors.judge(&leaf, &untrusted, &demands) {
            Ok(path) => path,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        if let Some(Err(not_a_name)) = name {
            return Ok(Err(not_a_name.to_string()));
        }
        if let Err(why) = self.standing(&path, demands.at) {
            return Ok(Err(why));
        }
        Ok(Ok(path.certificates().len()))
    }
}

impl Case {
    /// Where the case has lists of revoked certificates, they must speak well of every certificate
    /// of the path.
    fn standing(&self, path: &Path, at: Timestamp) -> Result<(), String> {
        if self.crls.is_empty() {
            return Ok(());
        }
        let book = Book::new();
        for list in &self.crls {
            for (_, issuer) in path.links() {
                match book.take_list(list.as_bytes(), issuer, at) {
                    Ok(_) | Err(Refused::OtherIssuer) => {}
                    Err(refused) => return Err(format!("list not taken: {refused}")),
                }
            }
        }
        match book.path_standing(path.certificates(), at, &Grace::NONE).worst() {
            Standing::Good { .. } => Ok(()),
            standing => Err(format!("{standing:?}")),
        }
    }
}

fn read(text: &str) -> Result<Certificate, TrustError> {
    pem::read_certificate(text.as_bytes())
}

fn read_all(texts: &[String]) -> Result<Vec<Certificate>, TrustError> {
    texts.iter().map(|text| read(text)).collect()
}
