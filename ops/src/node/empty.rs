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
        "# Every key is explained in amtsbote.example.toml.\n\
         name = \"{name}\"\n\n\
         [listen]\n\
         native = \"0.0.0.0:8443\"\n\
         operations = \"127.0.0.1:9443\"\n\n\
         [tls]\n\
         # The authorities that issue your partners' and operators' client certificates.\n\
         client_authorities = []\n\n\
         [keys]\n\
         # tls.cert.pem is signed by its own key; replace tls.key.pem and tls.cert.pem with those\n\
         # of your authority. Back up master.key: amtsbote key backup --to FILE.\n\
         store = \"keys\"\n\n\
         # [[operator]]\n\
         # name = \"erika.beispiel\"\n\
         # certificate = \"certs/erika-beispiel.pem\"\n"
    )
}

const DIRECTORY: &str =
    "# Who is reachable, and which systems may connect. See amtsbote.example.toml.\n";
const PERMISSIONS: &str =
    "# Who may send which service to whom. What no line allows is forbidden.\n";

/// A certificate for TLS that nobody but its own key vouches for: enough to start with.
fn self_signed(hosts: &[String]) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    const DAYS: u32 = 90;
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
