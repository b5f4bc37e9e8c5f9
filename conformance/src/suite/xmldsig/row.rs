//! One line of the table of vectors: which file, what must come out, and what the verifier is told.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// One vector.
pub(super) struct Row {
    /// Its line in the table, from 2.
    pub(super) line: usize,
    /// Whether the signature must hold.
    pub(super) holds: bool,
    /// The file without its extension, relative to the folder of the vectors.
    pub(super) file: String,
    /// Words for what it uses.
    pub(super) uses: Vec<String>,
    /// What the verifier is told.
    pub(super) told: Told,
}

/// The options of the verifier that mean something here.
#[derive(Default)]
pub(super) struct Told {
    /// Files with trusted certificates.
    pub(super) trusted: Vec<PathBuf>,
    /// Files with certificates that are known.
    pub(super) untrusted: Vec<PathBuf>,
    /// Files with public keys or certificates that are pinned.
    pub(super) pinned: Vec<PathBuf>,
    /// The pinned ones must be verified like any other.
    pub(super) verify_pinned: bool,
    /// The kinds of `KeyInfo` that count; none for all.
    pub(super) kinds: Option<Vec<String>>,
    /// The time, if not now: RFC 3339.
    pub(super) at: Option<String>,
    /// Whoever signed is good enough.
    pub(super) insecure: bool,
    /// Validity does not count.
    pub(super) timeless: bool,
    /// Revocation lists decide.
    pub(super) revocation: bool,
    /// The newer of two versions of what is on the network.
    pub(super) newer: bool,
    /// ECDSA values in DER count.
    pub(super) der_values: bool,
}

impl Row {
    pub(super) fn read_all(table: &Path) -> Result<Vec<Self>> {
        let text = std::fs::read_to_string(table).context("reading the table of vectors")?;
        let lines = text.lines().enumerate().skip(1);
        lines.map(|(n, line)| Self::parse(n + 1, line)).collect()
    }

    fn parse(line: usize, text: &str) -> Result<Self> {
        let columns: Vec<&str> = text.split('\t').collect();
        ensure!(columns.len() >= 5, "line {line} of the table has too few columns");
        let folder = columns[1].trim();
        let file = match folder {
            "" => columns[2].to_owned(),
            folder => format!("{folder}/{}", columns[2]),
        };
        Ok(Self {
            line,
            holds: columns[0] == "success",
            uses: columns[3].split_whitespace().map(str::to_owned).collect(),
            told: Told::parse(columns.get(5).copied().unwrap_or_default(), Path::new(folder))?,
            file,
        })
    }

    pub(super) fn name(&self) -> String {
        format!("xmlsec/{}:{}", self.file, self.line)
    }

    pub(super) fn uses(&self, word: &str) -> bool {
        self.uses.iter().any(|own| own == word)
    }

    /// Whether one of the words begins so.
    pub(super) fn uses_any(&self, beginning: &str) -> bool {
        self.uses.iter().any(|own| own.starts_with(beginning))
    }
}

impl Told {
    fn parse(options: &str, folder: &Path) -> Result<Self> {
        let options = options
            .replace("$cert_format", "der")
            .replace("$pub_key_option", "--pubkey-pem")
            .replace("$pub_key_format", "pem")
            .replace("$rsa_pub_key_suffix", "");
        let mut told = Self::default();
        let mut words = options.split_whitespace();
        while let Some(word) = words.next() {
            let mut value = || words.next().context("an option without its value");
            // `--pubkey-pem:name` says what the key is called; that decides nothing here.
            match word.split(':').next().unwrap_or_default() {
                "--trusted-der" => told.trusted.push(folder.join(value()?)),
                "--untrusted-der" => told.untrusted.push(folder.join(value()?)),
                "--pubkey-pem" | "--pubkey-cert-der" => told.pinned.push(folder.join(value()?)),
                "--verify-keys" => told.verify_pinned = true,
                "--verify-crls" => told.revocation = true,
                "--crl-der" => drop(value()?),
                "--enabled-key-data" => {
                    told.kinds = Some(value()?.split(',').map(str::to_owned).collect());
                }
                "--verification-gmt-time" => {
                    told.at = Some(format!("{}Z", value()?.replace('+', "T")));
                }
                "$url_map_xml_stylesheet_2018" => told.newer = true,
                "--insecure" => told.insecure = true,
                "--X509-skip-time-checks" => told.timeless = true,
                "--enable-asn1-signatures-hack" => told.der_values = true,
                _ => {}
            }
        }
        Ok(told)
    }

    /// Whether keys that stand in the message count.
    pub(super) fn takes_key_values(&self) -> bool {
        let Some(kinds) = &self.kinds else { return false };
        let has = |kind: &str| kinds.iter().any(|own| own == kind);
        has("key-value")
            || has("der-encoded-key-value")
            || has("retrieval-method") && has("rsa")
            || has("key-info-reference") && has("rsa")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table() {
        let line = "fail\tf\tg/h\tsha256 rsa-sha256\trsa\t--trusted-$cert_format c/a.$cert_format \
                    --verification-gmt-time 2009-01-01+10:00:00 --enabled-key-data x509,rsa\tmore";
        let row = Row::parse(7, line).expect("a line");
        assert!(!row.holds && row.uses("sha256") && !row.uses("sha") && row.uses_any("rsa"));
        assert_eq!(row.name(), "xmlsec/f/g/h:7");
        assert_eq!(row.told.trusted, [Path::new("f/c/a.der")]);
        assert_eq!(row.told.at.as_deref(), Some("2009-01-01T10:00:00Z"));
        assert!(!row.told.takes_key_values());
        assert!(Row::parse(8, "success\tf").is_err());
    }
}
