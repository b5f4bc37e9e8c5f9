//! The keys of the vectors: PKCS#12, PEM, DER, raw octets, and files of xmlsec's own.

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::xml::{Event, EventSink, Limits, drive};
use amtsbote_wire::encryption::{KeyOctets, KnownOriginator, OpensslDecryptor, SharedSecret};
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private, Public};
use openssl::x509::X509;

use crate::suite::xmldsig::keys::certificate;

/// What the options of a vector hand in.
#[derive(Default)]
pub(super) struct Handed {
    /// A private key with its name.
    pub(super) private: Vec<(Option<String>, PKey<Private>, X509)>,
    pub(super) secrets: Vec<SharedSecret>,
    pub(super) originators: Vec<KnownOriginator>,
    /// The key may be used under any name.
    pub(super) lax: bool,
    pub(super) no_retrieval: bool,
    pub(super) no_reference: bool,
}

impl Handed {
    /// Reads the options that xmlsec1 would be given.
    pub(super) fn parse(options: &str, tests: &Path) -> Result<Self> {
        let mut handed = Self::default();
        let words: Vec<&str> = options.split_whitespace().collect();
        let password = words.iter().skip_while(|word| **word != "--pwd").nth(1);
        let password = password.copied().unwrap_or_default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (option, name) = match word.split_once(':') {
                Some((option, name)) => (option, Some(name.to_owned())),
                None => (*word, None),
            };
            let mut file = || {
                let file = words.next().context("an option without its file")?;
                Ok::<_, anyhow::Error>(tests.join(file))
            };
            match option {
                "--lax-key-search" => handed.lax = true,
                "--enabled-retrieval-method-uris" => {
                    handed.no_retrieval = words.next() == Some(&"empty");
                }
                "--enabled-cipher-reference-uris" => {
                    handed.no_reference = words.next() == Some(&"empty");
                }
                "--pwd" | "--enabled-key-data" | "--verification-gmt-time" => {
                    words.next();
                }
                "--keys-file" => handed.secrets.extend(keys_file(&file()?)?),
                "--aeskey" | "--aes-key" | "--des-key" | "--concatkdf-key" | "--pbkdf2-key"
                | "--hkdf-key" | "--chacha20-key" | "--camellia-key" => {
                    let octets = KeyOctets::new(fs::read(file()?)?);
                    handed.secrets.push(SharedSecret { name, octets });
                }
                "$pub_key_option" => {
                    let key = public(&stem(&file()?))?;
                    let name = name.context("a public key without a name")?;
                    handed.originators.push(KnownOriginator { name, key });
                }
                option if option.ends_with("priv_key_option") || option == "--privkey-der" => {
                    let (key, certificate) = private(&stem(&file()?), password)?;
                    handed.private.push((name, key, certificate));
                }
                _ => return Err(anyhow!("an option that is not known here: {option}")),
            }
        }
        Ok(handed)
    }

    /// The private keys, all of them under `name` and with `other` where they are given.
    pub(super) fn decryptors(
        &self,
        name: Option<&str>,
        other: Option<&X509>,
    ) -> Result<Vec<OpensslDecryptor>> {
        let named = |(own, key, certificate): &(Option<String>, PKey<Private>, X509)| {
            let decryptor = OpensslDecryptor::new(key.clone(), other.unwrap_or(certificate))?;
            Ok(match name.or(own.as_deref()) {
                Some(name) => decryptor.named(name),
                None => decryptor,
            })
        };
        self.private.iter().map(named).collect()
    }

    /// The secrets, all of them under `name` where one is given.
    pub(super) fn secrets(&self, name: Option<&str>) -> Vec<SharedSecret> {
        let mut secrets = self.secrets.clone();
        for secret in &mut secrets {
            secret.name = name.map(str::to_owned).or(secret.name.take());
        }
        secrets
    }
}

/// The path without the form of the key, which is a variable in the table.
fn stem(file: &Path) -> PathBuf {
    let text = file.to_string_lossy();
    let text = text.replace("$priv_key_suffix", "");
    let end = text.rfind(".$").or(text.rfind('.')).unwrap_or(text.len());
    PathBuf::from(&text[..end])
}

fn with(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

fn private(stem: &Path, password: &str) -> Result<(PKey<Private>, X509)> {
    if let Ok(octets) = fs::read(with(stem, ".p12"))
        && let Ok(parsed) = Pkcs12::from_der(&octets)?.parse2(password)
        && let (Some(key), Some(certificate)) = (parsed.pkey, parsed.cert)
    {
        return Ok((key, certificate));
    }
    let octets = [".pem", ".der"].iter().find_map(|ending| fs::read(with(stem, ending)).ok());
    let octets = octets.with_context(|| format!("no key {}", stem.display()))?;
    let key = PKey::private_key_from_pem_passphrase(&octets, password.as_bytes());
    let key = key.or_else(|_| PKey::private_key_from_der(&octets))?;
    let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
    let certificate = certificate(&public)?;
    Ok((key, certificate))
}

fn public(stem: &Path) -> Result<PKey<Public>> {
    let octets = fs::read(with(stem, ".pem"))?;
    Ok(PKey::public_key_from_pem(&octets)?)
}

/// xmlsec's own form: `KeyInfo` elements with `KeyName` and the octets of a symmetric key.
fn keys_file(file: &Path) -> Result<Vec<SharedSecret>> {
    #[derive(Default)]
    struct Reading {
        name: String,
        text: String,
        found: Vec<SharedSecret>,
    }
    impl EventSink for Reading {
        type Error = base64::DecodeError;
        fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
            match event {
                Event::Start(_) => self.text.clear(),
                Event::Text(_, text, _) => self.text.push_str(text),
                Event::End(tag, _) if tag.local == "KeyName" => {
                    self.name = self.text.trim().to_owned();
                }
                Event::End(tag, _)
                    if ["AESKeyValue", "DESKeyValue"].contains(&tag.local.as_str()) =>
                {
                    let text: String = self.text.split_whitespace().collect();
                    let octets = KeyOctets::new(STANDARD.decode(text)?);
                    self.found.push(SharedSecret { name: Some(self.name.clone()), octets });
                }
                _ => {}
            }
            Ok(())
        }
    }
    let octets = fs::read(file).with_context(|| format!("{}", file.display()))?;
    let mut reading = Reading::default();
    let read = drive(&octets[..], &Limits::default(), &mut reading);
    read.map_err(|error| anyhow!("{}: {error}", file.display()))?;
    Ok(reading.found)
}
