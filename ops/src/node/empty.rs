//! A node for real use: keys of its own, nobody let in yet.

use std::path::Path;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509Name};

use super::files;
use crate::outcome::{Context, Failure};

/// How long the first TLS certificate lasts.
const DAYS: u32 = 90;

/// Writes it.
pub(crate) fn write(dir: &Path, name: &str, hosts: &[String]) -> Result<(), Failure> {
    files::claim(dir)?;
    let keys = dir.join("keys");
    files::private_folder(&keys)?;
    files::private_folder(&dir.join("data"))?;
    files::packs(&dir.join("packs"))?;
    let verifier = files::node_keys(&keys, name)?;
    let what = ("TLS-Zertifikat", "TLS certificate");
    let (certificate, key) = self_signed(hosts).or_not_now(what.0, what.1)?;
    files::private(&keys.join("tls.key.pem"), &key)?;
    files::public(&keys.join("tls.cert.pem"), &certificate)?;
    files::public(&dir.join("amtsbote.toml"), configuration(name).as_bytes())?;
    files::public(&dir.join("directory.toml"), DIRECTORY.as_bytes())?;
    files::public(&dir.join("permissions.toml"), PERMISSIONS.as_bytes())?;
    files::public(&dir.join("verifier.txt"), format!("{verifier}\n").as_bytes())
}

fn configuration(name: &str) -> String {
    format!(
        r#"# Every key is explained in amtsbote.example.toml.
name = "{name}"
# In whose name Authors are told that a message was not delivered: a party of directory.toml, with a key
# "party" in the key store. Without it they are not told, and amtsbote doctor warns.
# party = "kop:..."

[listen]
native = "0.0.0.0:8443"
operations = "127.0.0.1:9443"

[tls]
# The authorities that issue your partners' and operators' client certificates.
client_authorities = []
# The key of the key store that partners see. "tls" has signed its certificate itself, for {DAYS} days:
# enough to begin with. Get one from your authority:
#   amtsbote cert request tls-1 --kind p-256 --for server --dns hub.example.org \
#     --subject "CN=hub.example.org" --to tls-1.csr.pem
#   amtsbote cert accept tls-1 ISSUED.pem
# Then write the new name here; a running hub takes it with: amtsbote reload
identity = "tls"

[keys]
# For its owner only. Back up master.key and verify the backup where it is kept:
#   amtsbote key backup --to FILE
#   amtsbote key backup --verify FILE
# The folder "wrapping" belongs into the ordinary backup, apart from the data.
store = "keys"

[trust]
# Anchors: the authorities to which the certificates of Authors, and those of accounts and operators,
# must have a path, besides being named one by one. While a list is empty, the named certificate
# alone counts, nobody notices when it is revoked, and amtsbote doctor warns.
# content_anchors = ["certs/content-ca.pem"]
# tls_client_anchors = ["certs/tls-ca.pem"]

[revocation]
# The hosts that these authorities' certificates name for lists (CRL) and answers (OCSP). Only those
# that stand here are asked.
# allowed_hosts = ["crl.example.org", "ocsp.example.org"]

# People who may use the operations API, each under a certificate of their own.
# [[operator]]
# name = "erika.beispiel"
# certificate = "certs/erika-beispiel.pem"
"#
    )
}

const DIRECTORY: &str = "\
# Who is reachable, and which systems may connect. See amtsbote.example.toml.
# A new certificate beside the old one: amtsbote cert import NEW.pem --party ags:05766044
";
const PERMISSIONS: &str =
    "# Who may send which service to whom. What no line allows is forbidden.\n";

/// A certificate for TLS that nobody but its own key vouches for: enough to start with.
fn self_signed(hosts: &[String]) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", hosts.first().map_or("amtsbote", String::as_str))?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(DAYS)?)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
    let mut names = SubjectAlternativeName::new();
    for host in hosts {
        match host.parse::<std::net::IpAddr>() {
            Ok(_) => names.ip(host),
            Err(_) => names.dns(host),
        };
    }
    let names = names.build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    use crate::cli::Cli;
    use crate::config::node::{NodeFile, Overrides};

    /// A node written to a folder.
    fn node(uncomment: &[&str]) -> (tempfile::TempDir, NodeFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        write(&dir, "rz", &["localhost".to_owned()]).expect("written");
        let file = dir.join("amtsbote.toml");
        let mut text = std::fs::read_to_string(&file).expect("there");
        for line in uncomment {
            assert!(text.contains(&format!("\n# {line}")), "{line}");
            text = text.replace(&format!("\n# {line}"), &format!("\n{line}"));
        }
        std::fs::write(&file, text).expect("written");
        let read = NodeFile::read(&file).expect("it reads");
        (folder, read)
    }

    #[test]
    fn what_is_written_is_a_node() {
        node(&[]).1.build(Overrides::default()).expect("complete");
    }

    #[test]
    fn what_is_proposed_needs_only_its_comment_sign_removed() {
        let keys = ["content_anchors", "tls_client_anchors", "allowed_hosts"];
        let (folder, read) = node(&[&keys[..], &["[[operator]]", "name", "certificate"]].concat());
        // All that is missing are the certificates.
        let certs = folder.path().join("node/certs");
        std::fs::create_dir(&certs).expect("made");
        let tls = std::fs::read(folder.path().join("node/keys/tls.cert.pem")).expect("there");
        for name in ["content-ca.pem", "tls-ca.pem", "erika-beispiel.pem"] {
            std::fs::write(certs.join(name), &tls).expect("written");
        }
        read.build(Overrides::default()).expect("complete");
    }

    #[test]
    fn the_commands_in_its_comments_exist() {
        let text = configuration("rz").replace("\\\n#", "");
        let commands: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
        assert_eq!(commands.len(), 4);
        let import = DIRECTORY.split_once("old one: ").expect("a command").1;
        for command in commands.into_iter().chain([import]) {
            let words = command.split_whitespace().map(|word| word.trim_matches('"'));
            Cli::try_parse_from(words).expect(command);
        }
    }
}
