//! Reads PKCS#12 files (RFC 7292), as trust centres hand out keys.

use std::sync::Mutex;

use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use openssl::provider::Provider;
use openssl::x509::X509;

use crate::error::TrustError;
use crate::files::Secret;
use crate::pem::{Certificate, MAX_CERTIFICATES};

use super::chain;

/// The key and its chain, leaf first; the chain is empty where the file holds no certificate.
pub(super) fn read(
    octets: &[u8],
    passphrase: Option<&Secret>,
) -> Result<(PKey<Private>, Vec<Certificate>), TrustError> {
    let file = Pkcs12::from_der(octets).map_err(|_| TrustError::Malformed)?;
    let parsed = parse(&file, text(passphrase)?)?;
    let key = parsed.pkey.ok_or(TrustError::NoKey)?;
    // OpenSSL finds the certificate that names the key; in some files none does.
    let others: Vec<X509> = parsed.ca.into_iter().flatten().collect();
    if others.len() > MAX_CERTIFICATES {
        return Err(TrustError::TooMany);
    }
    let others =
        others.into_iter().map(Certificate::new).collect::<Result<Vec<_>, TrustError>>()?;
    let leaf = match parsed.cert {
        Some(leaf) => Some(Certificate::new(leaf)?),
        None => others.iter().find(|other| belongs(other, &key)).cloned(),
    };
    let chain = leaf.map(|leaf| chain::in_order(leaf, &others)).transpose()?.unwrap_or_default();
    Ok((key, chain))
}

fn belongs(certificate: &Certificate, key: &PKey<Private>) -> bool {
    certificate.x509().public_key().is_ok_and(|public| public.public_eq(key))
}

/// OpenSSL wants text without NUL (and copies it, a copy that is not ours to overwrite); without a passphrase it tries both of the ways in which files
/// are made without one.
fn text(passphrase: Option<&Secret>) -> Result<&str, TrustError> {
    let Some(passphrase) = passphrase else { return Ok("") };
    let text = std::str::from_utf8(&passphrase.0).ok().filter(|text| !text.contains('\0'));
    text.ok_or(TrustError::Passphrase)
}

fn parse(file: &Pkcs12, passphrase: &str) -> Result<ParsedPkcs12_2, TrustError> {
    match file.parse2(passphrase) {
        Ok(parsed) => Ok(parsed),
        Err(error) if is_unsupported(&error) => parse_legacy(file, passphrase),
        // The code over the file does not fit: another passphrase, or another file.
        Err(_) => Err(TrustError::Passphrase),
    }
}

/// Many files in use are encrypted with RC2, which OpenSSL 3 has in its provider `legacy` only. It
/// is loaded to read one file and then unloaded, so that nothing else comes to its algorithms.
fn parse_legacy(file: &Pkcs12, passphrase: &str) -> Result<ParsedPkcs12_2, TrustError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A panic while it was held has left nothing behind that matters.
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let _provider =
        Provider::try_load(None, "legacy", true).map_err(|_| TrustError::LegacyPkcs12)?;
    file.parse2(passphrase).map_err(|error| match is_unsupported(&error) {
        true => TrustError::LegacyPkcs12,
        false => TrustError::Passphrase,
    })
}

fn is_unsupported(error: &ErrorStack) -> bool {
    // OpenSSL 3.0 says "unsupported" where it cannot fetch a cipher, and names the cipher later on.
    error.errors().iter().any(|error| {
        error.reason().is_some_and(|reason| {
            reason.contains("unsupported") || reason.contains("unknown cipher")
        })
    })
}
