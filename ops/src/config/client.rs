//! `client.toml`: where the hub is, who asks, and what a client checks answers with.

use std::path::{Path, PathBuf};

use amtsbote_adapters::inbox::TrustedSigners;
use amtsbote_adapters::{ClientOptions, NativeClient, Timeouts};
use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::Language;
use amtsbote_trust::pem::{self, Certificate};
use amtsbote_trust::policy::{AlgorithmPolicy, Purpose};
use amtsbote_wire::signature::{Allowed, OpensslSigner};
use openssl::pkey::PKey;
use openssl::x509::X509;
use toml::Spanned;

use super::raw::RawClient;
use super::table::Source;
use super::{certificate, parsed};
use crate::outcome::{Context, Failure};

/// What a client knows.
pub(crate) struct ClientConfig {
    file: PathBuf,
    /// Address of the native transport.
    url: Option<String>,
    /// Address of the operations API.
    operations_url: Option<String>,
    /// Authorities that issue the hub's server certificate, PEM.
    pub(crate) ca_pem: Vec<u8>,
    /// Our client certificate with its chain, PEM.
    pub(crate) certificate_pem: Vec<u8>,
    /// Its key, PKCS#8 PEM.
    pub(crate) key_pem: Vec<u8>,
    /// What the Author signs with.
    signing: Option<Signing>,
    /// The party to act for where the command names none.
    pub(crate) party: Option<PartyId>,
    verifier: Option<VerifierKey>,
    trusted: Option<PathBuf>,
    legacy_authors: Vec<PartyId>,
}

/// A signing certificate and its key.
#[derive(Clone)]
pub(crate) struct Signing {
    /// The certificate, PEM.
    pub(crate) certificate_pem: Vec<u8>,
    /// Its key, PKCS#8 PEM.
    pub(crate) key_pem: Vec<u8>,
}

/// Reads the file and the files it names.
pub(crate) fn read(path: &Path) -> Result<ClientConfig, Failure> {
    let source = Source::read(path)?;
    let raw: RawClient = source.parse()?;
    let verifier = raw.verifier.as_ref().map(|text| {
        VerifierKey::parse(text.get_ref())
            .map_err(|error| source.wrong(&text.span(), &error, &error))
    });
    Ok(ClientConfig {
        file: path.to_owned(),
        url: address(&source, environment("AMTSBOTE_URL").as_ref().or(raw.url.as_ref()))?,
        operations_url: address(
            &source,
            environment("AMTSBOTE_OPERATIONS_URL").as_ref().or(raw.operations_url.as_ref()),
        )?,
        ca_pem: pem_of(&source, &raw.ca)?,
        certificate_pem: pem_of(&source, &raw.certificate)?,
        key_pem: certificate::secret(&source, &raw.key)?,
        signing: signing(&source, &raw)?,
        party: raw.party.as_ref().map(|party| parsed(&source, party)).transpose()?,
        verifier: verifier.transpose()?,
        trusted: raw.trusted_certificates.as_ref().map(|folder| source.resolve(folder.get_ref())),
        legacy_authors: raw
            .legacy_authors
            .iter()
            .map(|party| parsed(&source, party))
            .collect::<Result<_, _>>()?,
    })
}

fn environment(name: &str) -> Option<Spanned<String>> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map(|value| Spanned::new(0..0, value))
}

/// Certificates as PEM, after they were read as such.
fn pem_of(source: &Source, path: &Spanned<String>) -> Result<Vec<u8>, Failure> {
    certificate::all(source, path)?;
    certificate::octets(source, path)
}

fn address(source: &Source, url: Option<&Spanned<String>>) -> Result<Option<String>, Failure> {
    url.map(|url| {
        let text = url.get_ref();
        let good = text.starts_with("https://") && text.parse::<reqwest::Url>().is_ok();
        if good {
            return Ok(text.trim_end_matches('/').to_owned());
        }
        Err(source.wrong(
            &url.span(),
            "eine Adresse beginnt mit https:// und nennt Rechner und Port",
            "an address begins with https:// and names host and port",
        ))
    })
    .transpose()
}

fn signing(source: &Source, raw: &RawClient) -> Result<Option<Signing>, Failure> {
    match (&raw.signing_certificate, &raw.signing_key) {
        (Some(certificate), Some(key)) => Ok(Some(Signing {
            certificate_pem: pem_of(source, certificate)?,
            key_pem: certificate::secret(source, key)?,
        })),
        (None, None) => Ok(None),
        (Some(one), None) | (None, Some(one)) => Err(source.wrong(
            &one.span(),
            "signing_certificate und signing_key gehören zusammen",
            "signing_certificate and signing_key belong together",
        )),
    }
}

impl ClientConfig {
    /// The same client for a hub at another address.
    pub(crate) fn at(self, url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..self }
    }

    /// The same client for an operations API at another address.
    pub(crate) fn operated_at(self, url: &str) -> Self {
        Self { operations_url: Some(url.to_owned()), ..self }
    }

    /// Where the native transport is.
    pub(crate) fn url(&self) -> Result<&str, Failure> {
        self.url.as_deref().ok_or_else(|| self.missing("url"))
    }

    /// Where the operations API is.
    pub(crate) fn operations_url(&self) -> Result<&str, Failure> {
        self.operations_url.as_deref().ok_or_else(|| {
            let file = self.file.display();
            Failure::usage(
                format!(
                    "{file}: operations_url fehlt. Dieser Befehl fragt die Betriebsschnittstelle \
                     und braucht die Konfiguration eines Betreibers (--config, AMTSBOTE_CLIENT)"
                ),
                format!(
                    "{file}: operations_url is missing. This command asks the operations API and \
                     needs an operator's configuration (--config, AMTSBOTE_CLIENT)"
                ),
            )
        })
    }

    /// What the Author signs with.
    pub(crate) fn signing(&self) -> Result<&Signing, Failure> {
        self.signing.as_ref().ok_or_else(|| self.missing("signing_certificate, signing_key"))
    }

    /// What receipts are verified with.
    pub(crate) fn verifier(&self) -> Result<&VerifierKey, Failure> {
        self.verifier.as_ref().ok_or_else(|| self.missing("verifier"))
    }

    /// The same, where it is known.
    pub(crate) fn known_verifier(&self) -> Option<&VerifierKey> {
        self.verifier.as_ref()
    }

    /// Whose signatures count.
    pub(crate) fn authors(&self) -> Result<Authors, Failure> {
        let folder = self.trusted.clone();
        let folder = folder.ok_or_else(|| self.missing("trusted_certificates"))?;
        if folder.is_dir() {
            let (policy, legacy) = (AlgorithmPolicy::built_in(), self.legacy_authors.clone());
            return Ok(Authors { folder, policy, legacy });
        }
        let shown = folder.display();
        Err(Failure::usage(
            format!("trusted_certificates: {shown} ist kein Ordner"),
            format!("trusted_certificates: {shown} is no folder"),
        ))
    }

    /// The client of the native transport.
    pub(crate) fn native(&self, language: Language) -> Result<NativeClient, Failure> {
        NativeClient::new(ClientOptions {
            base_url: self.url()?.to_owned(),
            ca_pem: self.ca_pem.clone(),
            certificate_pem: self.certificate_pem.clone(),
            key_pem: self.key_pem.clone(),
            hub_key: self.verifier()?.clone(),
            timeouts: Timeouts::default(),
            language,
        })
        .map_err(|error| Failure::usage(error.text(Language::De), error.text(Language::En)))
    }

    /// What signs for the Author.
    pub(crate) fn signer(&self) -> Result<OpensslSigner, Failure> {
        let Signing { certificate_pem, key_pem } = self.signing()?;
        let what = "signing_certificate, signing_key";
        // Without a callback OpenSSL might ask the terminal for a passphrase.
        let key = PKey::private_key_from_pem_callback(key_pem, |_| Ok(0)).or_usage(what, what)?;
        let certificate = X509::from_pem(certificate_pem).or_usage(what, what)?;
        OpensslSigner::new(key, &certificate).or_usage(what, what)
    }

    /// The party that the command or else the configuration names.
    pub(crate) fn acting_party(&self, named: Option<&PartyId>) -> Result<PartyId, Failure> {
        named.or(self.party.as_ref()).cloned().ok_or_else(|| {
            Failure::usage(
                "--as fehlt, und die Konfiguration nennt keine party",
                "--as is missing, and the configuration names no party",
            )
        })
    }

    fn missing(&self, keys: &str) -> Failure {
        let file = self.file.display();
        Failure::usage(
            format!("{file}: {keys} fehlt; dieser Befehl braucht es"),
            format!("{file}: {keys} is missing; this command needs it"),
        )
    }
}

/// By what signatures of authors are judged.
#[derive(Clone, Debug)]
pub(crate) struct Authors {
    /// One file for each author: the certificates of its content signatures.
    folder: PathBuf,
    policy: AlgorithmPolicy,
    /// Those under the legacy profile.
    legacy: Vec<PartyId>,
}

impl TrustedSigners for Authors {
    fn certificates(&self, author: &PartyId) -> Vec<TrustedCertificate> {
        let file = self.folder.join(author_file(author));
        match pem::load_certificates(&file) {
            Ok(certificates) => certificates.iter().map(Certificate::trusted).collect(),
            Err(error) => {
                // No certificate, no trust: the signature is then refused, and this says why.
                tracing::warn!(%error, "no certificates for the author");
                Vec::new()
            }
        }
    }

    fn allowed(&self, author: &PartyId, at: Timestamp) -> Allowed {
        let legacy = self.legacy.contains(author);
        if legacy {
            tracing::warn!(%author, "the signature is judged under the legacy profile");
        }
        self.policy.allowed(Purpose::ContentSignature, legacy, at)
    }
}

/// The name of the file for a party: `ags:05766044` has `ags_05766044.pem`. Letters, digits, `-`
/// and `.` stand for themselves, the first colon is `_`, all else is written `%` and its octets in
/// hexadecimal digits; so two parties never share a file, and none leaves the folder.
pub(crate) fn author_file(party: &PartyId) -> String {
    let (prefix, key) = party.as_str().split_once(':').unwrap_or_default();
    format!("{}_{}.pem", file_text(prefix), file_text(key))
}

fn file_text(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' => name.push(byte.into()),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_have_files_of_their_own_inside_the_folder() {
        let file = |text| author_file(&PartyId::parse(text).expect("a party"));
        assert_eq!(file("ags:05766044"), "ags_05766044.pem");
        assert_eq!(file("a:b_c"), "a_b%5Fc.pem");
        assert_eq!(file("a:b:c"), "a_b%3Ac.pem");
        assert_eq!(file("ags:../../x"), "ags_..%2F..%2Fx.pem");
        assert_eq!(file("töj:1"), "t%C3%B6j_1.pem");
    }
}
