//! `signature sign`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use amtsbote_trust::pem;
use amtsbote_wire::c14n::Mode;
use amtsbote_wire::signature::{
    Allowed, DigestAlgorithm, OpensslSigner, PartTarget, Place, SignatureAlgorithm, Signing,
    Target, sign_with,
};
use clap::Args;
use openssl::pkey::PKey;

use super::{Files, part, stdin};
use crate::config::certificate;
use crate::outcome::{Context, Exit, Failure, Outcome};

/// Sign a document as a whole, or some of its elements
///
/// The signature becomes the last child of the root. The same document, key and options give the
/// same octets, unless the algorithm draws lots (ECDSA, RSA-PSS).
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    amtsbote signature sign document.xml --certificate me.pem --key me.key.pem > signed.xml\n  \
    amtsbote signature sign document.xml --certificate me.pem --key me.key.pem \
    --algorithm rsa-pss-sha256 --canonicalization inclusive --part annex.txt=annex.txt")]
pub(crate) struct Sign {
    /// The document; - is stdin
    file: PathBuf,
    /// The signer's certificate, PEM
    #[arg(long, value_name = "PEM")]
    certificate: PathBuf,
    /// Its key, PKCS#8 PEM, readable by its owner only
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// Sign the element with this identifier instead of the whole; may be repeated
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Sign this file as well, as cid:CID; may be repeated
    #[arg(long, value_name = "CID=FILE", value_parser = part)]
    part: Vec<(String, PathBuf)>,
    /// The algorithm [default: what the key is for, with SHA-256]
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    algorithm: Option<SignatureAlgorithm>,
    /// How the document becomes octets
    #[arg(long, value_name = "NAME", default_value = "exclusive", value_parser = canonicalization)]
    canonicalization: Mode,
    /// The digest of what is signed
    #[arg(long, value_name = "NAME", default_value = "sha256", value_parser = digest)]
    digest: DigestAlgorithm,
}

/// The name of an algorithm on the command line: `rsa-sha256`, `rsa-pss-sha256`, `ed25519`.
fn algorithm_name(algorithm: SignatureAlgorithm) -> String {
    let name = algorithm.uri().rsplit('#').next().unwrap_or_default();
    match name.strip_suffix("-rsa-MGF1") {
        Some(digest) => format!("rsa-pss-{digest}"),
        None => name.trim_start_matches("eddsa-").to_owned(),
    }
}

fn algorithm(text: &str) -> Result<SignatureAlgorithm, String> {
    let known = Allowed::default().signatures;
    named(text, &known, |algorithm| algorithm_name(*algorithm))
}

fn digest(text: &str) -> Result<DigestAlgorithm, String> {
    let known = Allowed::default().digests;
    named(text, &known, |digest| digest.uri().rsplit('#').next().unwrap_or_default().to_owned())
}

fn canonicalization(text: &str) -> Result<Mode, String> {
    named(text, Mode::ALL, |mode| {
        match mode {
            Mode::Exclusive => "exclusive",
            Mode::Inclusive => "inclusive",
            Mode::Inclusive11 => "inclusive-1.1",
        }
        .to_owned()
    })
}

/// The one of `known` that has this name.
fn named<T: Copy>(text: &str, known: &[T], name: impl Fn(&T) -> String) -> Result<T, String> {
    let found = known.iter().find(|one| name(one) == text).copied();
    found
        .ok_or_else(|| format!("one of: {}", known.iter().map(name).collect::<Vec<_>>().join(", ")))
}

impl Sign {
    pub(super) fn run(&self) -> Outcome {
        let document = if self.file.as_os_str() == "-" {
            stdin()?
        } else {
            fs::read(&self.file).or_usage_at(&self.file)?
        };
        let targets: Vec<Target> = if self.id.is_empty() {
            vec![Target::DOCUMENT]
        } else {
            let target = |id: &String| Target { id: Some(id.clone()), prefix_list: vec![] };
            self.id.iter().map(target).collect()
        };
        let part =
            |(cid, _): &(String, PathBuf)| PartTarget { uri: Files::uri(cid), base64: false };
        let part_targets: Vec<_> = self.part.iter().map(part).collect();
        let signing = Signing {
            canonicalization: self.canonicalization,
            digest: self.digest,
            part_targets: &part_targets,
            parts: &Files(&self.part),
            ..Signing::default()
        };
        for (_, file) in &self.part {
            File::open(file).or_usage_at(file)?;
        }
        let signed = sign_with(&document, &self.signer()?, &Place::LastInRoot, &targets, &signing)
            .or_usage("Die Signatur ist nicht möglich", "The signature cannot be made")?;
        io::stdout().lock().write_all(&signed).or_not_now("stdout", "stdout")?;
        Ok(Exit::Yes)
    }

    fn signer(&self) -> Result<OpensslSigner, Failure> {
        let chain = pem::load_certificates(&self.certificate)
            .map_err(|error| certificate::failure(&error))?;
        if certificate::is_open_to_others(&self.key) {
            let error = amtsbote_trust::TrustError::OpenToOthers.about(&self.key);
            return Err(certificate::failure(&error));
        }
        let pem = fs::read(&self.key).or_usage_at(&self.key)?;
        // Without a callback OpenSSL might ask the terminal for a passphrase.
        let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0)).or_usage_at(&self.key)?;
        let signer = chain.first().map(|first| match self.algorithm {
            Some(algorithm) => OpensslSigner::with(key, &first.x509().to_owned(), algorithm),
            None => OpensslSigner::new(key, &first.x509().to_owned()),
        });
        match signer {
            Some(signer) => signer.or_usage_at(&self.key),
            None => Err(certificate::failure(&amtsbote_trust::TrustError::NoCertificate)),
        }
    }
}
