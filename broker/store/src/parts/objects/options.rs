//! How an object store is named.

use std::fmt;

use super::http::Patience;
use crate::options::OpenError;

/// Longest prefix of the objects of one store, in octets.
const PREFIX: usize = 128;

/// A bucket of an S3-compatible object store, and the key that opens it.
#[derive(Clone)]
pub struct ObjectOptions {
    pub(super) url: String,
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) path_style: bool,
    pub(super) key_id: String,
    pub(super) secret: String,
    pub(super) authority: Option<Vec<u8>>,
    pub(super) prefix: String,
    pub(super) patience: Patience,
}

impl ObjectOptions {
    /// The service at a URL of scheme, host and port, and a bucket there that exists. The secret comes
    /// from wherever secrets are kept, never from an argument. Without TLS only on this machine.
    ///
    /// Region `us-east-1`, the bucket in the path, certificates vouched for by the system's
    /// authorities, objects below `amtsbote/`.
    pub fn new(url: &str, bucket: &str, key_id: &str, secret: &str) -> Result<Self, OpenError> {
        let url = url.trim_end_matches('/');
        let parsed: reqwest::Url =
            url.parse().map_err(|_| refuse("its url is not scheme://host:port"))?;
        let bare = parsed.path() == "/" && parsed.query().is_none() && parsed.fragment().is_none();
        if !bare || !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refuse("its url is not scheme://host:port"));
        }
        let here = ["127.0.0.1", "localhost", "[::1]"];
        match (parsed.scheme(), parsed.host_str()) {
            ("https", Some(_)) => {}
            ("http", Some(host)) if here.contains(&host) => {}
            ("http", _) => return Err(refuse("without TLS it may only be on this machine")),
            _ => return Err(refuse("its url is not scheme://host:port")),
        }
        let plain =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) {
            return Err(refuse("the bucket is not named by 3 to 63 of a-z, 0-9, - and ."));
        }
        if key_id.is_empty() || secret.is_empty() {
            return Err(refuse("key id or secret is empty"));
        }
        Ok(Self {
            url: url.to_owned(),
            bucket: bucket.to_owned(),
            region: "us-east-1".to_owned(),
            path_style: true,
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
            authority: None,
            prefix: "amtsbote/".to_owned(),
            patience: Patience::default(),
        })
    }

    /// The region that requests are signed for.
    pub fn region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    /// The bucket in the host's name instead of in the path.
    pub fn in_host(mut self) -> Self {
        self.path_style = false;
        self
    }

    /// PEM with those who may vouch for the service, and nobody else.
    pub fn authority(mut self, pem: &[u8]) -> Self {
        self.authority = Some(pem.to_owned());
        self
    }

    /// How long something may arrive late, for tests.
    #[cfg(test)]
    pub(crate) fn quiet(mut self, quiet: std::time::Duration) -> Self {
        self.patience.quiet = quiet;
        self
    }

    /// Waits less long, for tests.
    #[cfg(test)]
    pub(crate) fn impatient(mut self, silence: Option<std::time::Duration>) -> Self {
        self.patience = Patience::little(silence);
        self
    }

    /// What the keys of all objects of this store begin with. Stores that share a bucket have one
    /// each.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, OpenError> {
        let prefix = prefix.trim_matches('/');
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'/');
        if prefix.len() > PREFIX || !prefix.bytes().all(plain) || prefix.contains("//") {
            return Err(refuse("the prefix is not of at most 128 letters, digits, - _ /"));
        }
        self.prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(self)
    }
}

impl fmt::Debug for ObjectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the secret.
        write!(f, "ObjectOptions({}/{}/{})", self.url, self.bucket, self.prefix)
    }
}

pub(super) fn refuse(what: &str) -> OpenError {
    OpenError::Objects(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str, bucket: &str) -> Result<ObjectOptions, OpenError> {
        ObjectOptions::new(url, bucket, "key", "canary-secret")
    }

    #[test]
    fn without_tls_only_on_this_machine() {
        for good in ["https://s3.example", "https://s3.example:9000/", "http://127.0.0.1:9000"] {
            options(good, "bucket").expect(good);
        }
        for bad in [
            "http://s3.example",
            "ftp://127.0.0.1",
            "s3.example",
            "https://s3.example/bucket",
            "https://key:canary-secret@s3.example",
            "https://s3.example?x=y",
        ] {
            let refused = options(bad, "bucket").expect_err(bad).to_string();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }

    #[test]
    fn buckets_and_prefixes_are_plain() {
        for bad in ["", "ab", "Bucket", "a/b", "a b", &"a".repeat(64)] {
            options("https://s3.example", bad).expect_err(bad);
        }
        let prefixed =
            |prefix| options("https://s3.example", "bucket").expect("good").prefix(prefix);
        assert_eq!(prefixed("/hub/one/").expect("good").prefix, "hub/one/");
        assert_eq!(prefixed("").expect("good").prefix, "");
        for bad in ["a b", "ä", "..", "a//b", &"a".repeat(129)] {
            prefixed(bad).expect_err(bad);
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let options = options("https://s3.example", "bucket").expect("good");
        assert!(!format!("{options:?}").contains("canary"));
    }
}
