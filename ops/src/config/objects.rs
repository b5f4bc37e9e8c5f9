//! `[store.objects]`: the object store for large parts.

#![cfg_attr(not(feature = "s3"), allow(dead_code, reason = "the keys are known all the same"))]

use amtsbote_store::LargeParts;
use toml::Spanned;

use super::table::{Source, table};
use crate::outcome::Failure;

table! {
    RawObjects {
        url: Spanned<String>,
        bucket: Spanned<String>,
        region: Option<Spanned<String>>,
        path_style: Option<bool>,
        key_id: Spanned<String>,
        secret_file: Option<Spanned<String>>,
        secret_credential: Option<Spanned<String>>,
        authority: Option<Spanned<String>>,
        prefix: Option<Spanned<String>>,
    }
}

/// Where large parts go: where no table says so, into a folder.
#[cfg(not(feature = "s3"))]
pub(super) fn large_parts(
    source: &Source,
    raw: Option<&RawObjects>,
) -> Result<LargeParts, Failure> {
    match raw {
        None => Ok(LargeParts::Folder),
        Some(raw) => Err(source.wrong(
            &raw.url.span(),
            "dieses Programm wurde ohne Objektspeicher gebaut (Feature s3)",
            "this program was built without object stores (feature s3)",
        )),
    }
}

#[cfg(feature = "s3")]
pub(super) use named::large_parts;

#[cfg(feature = "s3")]
mod named {
    use amtsbote_store::{ObjectOptions, OpenError};
    use amtsbote_trust::keystore::Passphrase;

    use super::super::certificate;
    use super::*;

    /// The variable with the secret.
    pub(super) const SECRET: &str = "AMTSBOTE_STORE_OBJECTS_SECRET";
    /// Longest name of a region, in octets.
    const REGION: usize = 64;

    /// Where large parts go: where no table says so, into a folder.
    pub(crate) fn large_parts(
        source: &Source,
        raw: Option<&RawObjects>,
    ) -> Result<LargeParts, Failure> {
        let Some(raw) = raw else { return Ok(LargeParts::Folder) };
        let wrong = |span: std::ops::Range<usize>, error: &OpenError| {
            let (de, en) = error.told();
            source.wrong(&span, de, en)
        };
        let secret = secret(source, raw)?;
        let (url, bucket, key) = (raw.url.get_ref(), raw.bucket.get_ref(), raw.key_id.get_ref());
        let mut options = ObjectOptions::new(url, bucket, key, &secret)
            .map_err(|error| wrong(raw.url.span(), &error))?;
        if let Some(region) = &raw.region {
            options = options.region(checked_region(source, region)?);
        }
        if raw.path_style == Some(false) {
            options = options.in_host();
        }
        if let Some(file) = &raw.authority {
            certificate::all(source, file)?;
            options = options.authority(&certificate::octets(source, file)?);
        }
        if let Some(prefix) = &raw.prefix {
            let prefixed = options.prefix(prefix.get_ref());
            options = prefixed.map_err(|error| wrong(prefix.span(), &error))?;
        }
        Ok(LargeParts::Objects(Box::new(options)))
    }

    fn checked_region<'r>(
        source: &Source,
        region: &'r Spanned<String>,
    ) -> Result<&'r str, Failure> {
        let text = region.get_ref().as_str();
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if !text.is_empty() && text.len() <= REGION && text.bytes().all(plain) {
            return Ok(text);
        }
        Err(source.wrong(
            &region.span(),
            "eine Region besteht aus höchstens 64 Buchstaben, Ziffern, - _ .",
            "a region is of at most 64 letters, digits, - _ .",
        ))
    }

    /// From a file, a credential, or the environment; never from an argument or this file.
    fn secret(source: &Source, raw: &RawObjects) -> Result<String, Failure> {
        let (secret, named) = match (&raw.secret_file, &raw.secret_credential) {
            (Some(file), _) => (Passphrase::File(source.resolve(file.get_ref())), Some(file)),
            (None, Some(name)) => (Passphrase::Credential(name.get_ref().clone()), Some(name)),
            (None, None) => (Passphrase::Environment(SECRET.to_owned()), None),
        };
        let missing = || {
            source.wrong(
                &raw.key_id.span(),
                format!("das Geheimnis zum Schlüssel fehlt: secret_file, secret_credential oder {SECRET}"),
                format!("the key has no secret: secret_file, secret_credential or {SECRET}"),
            )
        };
        let octets = match (secret.reveal(), named) {
            (Ok(Some(octets)), _) => octets,
            (Err(error), Some(place)) => return Err(certificate::at(source, place, &error)),
            (Ok(None) | Err(_), _) => return Err(missing()),
        };
        String::from_utf8(octets).map_err(|_| missing())
    }
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::raw::RawNode;
    use amtsbote_domain::text::Language;

    const GOOD: &str = "[store.objects]\nurl = \"https://objects.example.test:9000\"\n\
                        bucket = \"amtsbote\"\nkey_id = \"hub\"\n";

    /// The table behind five lines of others, with a secret in a file.
    fn read(text: &str) -> Result<LargeParts, Failure> {
        let dir = tempfile::tempdir().expect("a folder");
        let secret = dir.path().join("secret");
        fs::write(&secret, "canary-of-the-secret\n").expect("writes");
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("restricts");
        let open = dir.path().join("open");
        fs::write(&open, "canary-of-the-secret\n").expect("writes");
        fs::set_permissions(&open, Permissions::from_mode(0o644)).expect("opens");
        let base = "name = \"a\"\n[tls]\nclient_authorities = []\n[keys]\nstore = \"k\"\n";
        let file = dir.path().join("amtsbote.toml");
        fs::write(&file, format!("{base}{text}")).expect("writes");
        let source = Source::read(&file)?;
        let raw: RawNode = source.parse()?;
        large_parts(&source, raw.store.objects.as_ref())
    }

    fn with_secret(text: &str) -> String {
        format!("{text}secret_file = \"secret\"\n")
    }

    #[test]
    fn without_a_word_large_parts_lie_in_a_folder() {
        assert!(matches!(read("").expect("reads"), LargeParts::Folder));
        assert!(matches!(read("[store]\n").expect("reads"), LargeParts::Folder));
    }

    #[test]
    fn what_is_written_is_taken() {
        let all = "region = \"eu-1\"\npath_style = false\nprefix = \"hub/one\"\n";
        let taken = read(&with_secret(&format!("{GOOD}{all}"))).expect("reads");
        let shown = format!("{taken:?}");
        assert!(shown.contains("objects.example.test:9000/amtsbote/hub/one/"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, wanted) in [
            (GOOD.to_owned(), "line 9: the key has no secret"),
            (format!("{GOOD}secret_file = \"nowhere\"\n"), "line 10: "),
            (format!("{GOOD}secret_file = \"open\"\n"), "line 10: "),
            (with_secret(&GOOD.replace("https", "http")), "line 7: "),
            (with_secret(&GOOD.replace("9000", "9000/path")), "line 7: "),
            (with_secret(&GOOD.replace("\"amtsbote\"", "\"Amtsbote\"")), "bucket is not named"),
            (with_secret(&format!("{GOOD}region = \"a b\"\n")), "line 10: a region"),
            (with_secret(&format!("{GOOD}prefix = \"a b\"\n")), "line 10: "),
            (with_secret(&format!("{GOOD}authority = \"nowhere\"\n")), "line 10: "),
            (with_secret(&format!("{GOOD}secret = \"canary\"\n")), "unknown key \"secret\""),
            (with_secret(&format!("{GOOD}buckt = \"x\"\n")), "did you mean \"bucket\""),
            (with_secret(&GOOD.replace("bucket = \"amtsbote\"\n", "")), "bucket"),
        ] {
            let refused = read(&text).expect_err(&text).text(Language::En).to_owned();
            assert!(refused.contains(wanted), "{text}: {refused}");
            assert!(!refused.contains("canary-of"), "{refused}");
        }
    }
}
