//! Files with certificates and keys that a configuration names.

use std::path::Path;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::text::Language;
use amtsbote_trust::TrustError;
use amtsbote_trust::pem::{self, Certificate};
use amtsbote_trust::wrapping::WrappingError;
use toml::Spanned;

use super::table::Source;
use crate::outcome::{Exit, Failure};

/// The certificate, for content signatures of a party.
pub(crate) fn trusted(
    source: &Source,
    path: &Spanned<String>,
) -> Result<TrustedCertificate, Failure> {
    Ok(one(source, path)?.trusted())
}

/// SHA-256 over its DER.
pub(crate) fn fingerprint(source: &Source, path: &Spanned<String>) -> Result<Digest, Failure> {
    Ok(one(source, path)?.fingerprint())
}

/// The first certificate of a file; what follows are its issuers. A private key in it is refused.
pub(crate) fn one(source: &Source, path: &Spanned<String>) -> Result<Certificate, Failure> {
    let first = all(source, path)?.into_iter().next();
    first.ok_or_else(|| at(source, path, &TrustError::NoCertificate))
}

/// All certificates of a file.
pub(crate) fn all(source: &Source, path: &Spanned<String>) -> Result<Vec<Certificate>, Failure> {
    pem::load_certificates(&source.resolve(path.get_ref()))
        .map_err(|error| at(source, path, &error))
}

/// The octets of a file, at most 1 MiB.
pub(crate) fn octets(source: &Source, path: &Spanned<String>) -> Result<Vec<u8>, Failure> {
    const MAX_BYTES: u64 = 1 << 20;
    let file = source.resolve(path.get_ref());
    let read = || -> std::io::Result<Vec<u8>> {
        if std::fs::metadata(&file)?.len() > MAX_BYTES {
            return Err(std::io::Error::other("larger than 1 MiB"));
        }
        std::fs::read(&file)
    };
    read().map_err(|error| {
        let text = format!("{}: {error}", file.display());
        source.wrong(&path.span(), &text, &text)
    })
}

/// The octets of a file with a private key: only its owner may read it.
pub(crate) fn secret(source: &Source, path: &Spanned<String>) -> Result<Vec<u8>, Failure> {
    let file = source.resolve(path.get_ref());
    if is_open_to_others(&file) {
        return Err(at(source, path, &TrustError::OpenToOthers.about(&file)));
    }
    octets(source, path)
}

/// Whether others than the owner may read a file.
pub(crate) fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
}

/// What is wrong with keys and certificates, at the line that names them.
pub(super) fn at(source: &Source, path: &Spanned<String>, error: &TrustError) -> Failure {
    source.wrong(&path.span(), error.text(Language::De), error.text(Language::En))
}

/// What is wrong with keys at rest.
pub(crate) fn wrapping_failure(error: &WrappingError) -> Failure {
    use WrappingError as W;
    let exit = match error {
        W::Master(_)
        | W::NotABackup
        | W::WrongPassphrase
        | W::UnfitPassphrase
        | W::OtherMasterPresent
        | W::OpensNothing => Exit::Usage,
        _ => Exit::NotNow,
    };
    Failure::new(exit, error.text(Language::De), error.text(Language::En))
}

/// The same where no file of configuration names them.
pub(crate) fn failure(error: &TrustError) -> Failure {
    Failure::usage(error.text(Language::De), error.text(Language::En))
}
