//! Every recorded message is opened with its key, and its envelope written again octet for octet.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::pkey::PKey;
use openssl::x509::X509;

use super::super::write::envelope;
use super::*;
use crate::testing::material;

/// All keys of a folder. Some PKCS #12 there need what OpenSSL calls legacy, so its tool reads them.
fn keys(folder: &Path, names: &[&str]) -> Vec<OpensslDecryptor> {
    let key = |name: &&str| {
        let path = folder.join(format!("{name}.p12"));
        let path = path.to_str().expect("UTF-8");
        let arguments = ["pkcs12", "-legacy", "-in", path, "-passin", "pass:123456", "-nodes"];
        let output = run("openssl", "openssl", &arguments);
        assert!(output.yes, "{path}: {}", output.stderr);
        let key = PKey::private_key_from_pem(&output.stdout).expect("a key");
        let certificates = X509::stack_from_pem(&output.stdout).expect("certificates");
        let own = certificates.iter().find(|c| c.public_key().is_ok_and(|own| own.public_eq(&key)));
        OpensslDecryptor::new(key.clone(), own.expect("its certificate")).expect("a decryptor")
    };
    names.iter().map(key).collect()
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let ends = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(end));
    let mut paths: Vec<_> = paths.filter(ends).collect();
    paths.sort();
    paths
}

fn open(body: &[u8], keys: &[OpensslDecryptor]) -> Result<Vec<u8>, EncryptedFault> {
    let decryptors: Vec<&dyn Decryptor> = keys.iter().map(|key| key as &dyn Decryptor).collect();
    let (limits, keys) = (mime::Limits::default(), Keys::of(&decryptors));
    let opened = open_message(body, &limits, keys, &policy(), &mut Counted(1), Vec::new())?;
    Ok(opened.into_inner())
}

/// The same envelope from its certificate and its wrapped key.
#[track_caller]
fn written_again(body: &[u8]) {
    let recorded = String::from_utf8(parts(body)[0].clone()).expect("UTF-8");
    let certificate = inside(&recorded, "ds:X509Certificate");
    let wrapped = inside(&recorded, "xenc:CipherValue");
    let again = envelope(&certificate, &wrapped, IvOctets::Twelve);
    assert!(again == recorded, "written in another way");
    assert_eq!(between(&recorded, "xsi:schemaLocation=\"", "\""), SCHEMA_LOCATION);
}

#[test]
fn every_recorded_message_is_opened() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let golden = corpus.join("osci-transport/golden");
    let names = ["intermed_enc", "originator_enc", "addressee_enc", "reader_enc"];
    let own = keys(&golden.join("certs"), &names);
    let (mut requests, mut answers) = (0, 0);
    for path in files(&golden.join("sig+enc"), ".mime") {
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let body = fs::read(&path).expect("a file");
        if name == "20-FetchDelivery.rsp.mime" {
            // A fault is never encrypted.
            let fault = open(&body, &own).expect_err("a fault");
            assert!(matches!(fault, EncryptedFault::Structure(_)), "{fault:?}");
            continue;
        }
        let inner = golden.join("opened").join(name.replace(".mime", ".inner.mime"));
        let wanted = fs::read(inner).expect("what is inside");
        let opened = open(&body, &own).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(opened == wanted, "{name}: something else is inside");
        assert!(!parts(&opened).is_empty(), "{name}: a message again");
        written_again(&body);
        let fault = open(&body, &own[3..]).expect_err("not for this key");
        assert_eq!(fault.feedback(), Code::NoPrivateKey, "{name}");
        *(if name.ends_with(".req.mime") { &mut requests } else { &mut answers }) += 1;
    }
    assert_eq!((requests, answers), (20, 19));
}

#[test]
fn every_message_of_the_reference_library_is_opened() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let folder = corpus.join("osci-transport");
    let own = keys(&folder.join("demo-pki"), &["osci_manager_cipher_4096"]);
    let mut count = 0;
    for path in files(&folder.join("wire"), ".enc.unsigned.http-body") {
        let name = path.display();
        let body = fs::read(&path).expect("a file");
        let opened = open(&body, &own).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(parts(&opened)[0].starts_with(b"<?xml"), "{name}: a message again");
        written_again(&body);
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn the_envelope_is_valid() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let schemas = corpus.join("osci-transport/1.2");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    // The catalogue of the corpus knows name spaces; the schemas name some files by other addresses.
    let uri = |name: &str, file: &str| {
        format!("<uri name=\"{name}\" uri=\"file://{}\"/>", schemas.join(file).display())
    };
    let catalog = [
        "<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">".to_owned(),
        uri("http://schemas.xmlsoap.org/soap/envelope/", "extern/soap-envelope.xsd"),
        uri("http://www.w3.org/TR/xmlenc-core/xenc-schema.xsd", "extern/xenc-schema.xsd"),
        uri(
            "https://www.w3.org/2008/xmlsec/Drafts/xmlenc-core-11/xenc-schema-11.xsd",
            "extern/xenc-schema-11.xsd",
        ),
        uri(
            "http://www.w3.org/TR/2001/CR-xmldsig-core-20010419/xmldsig-core-schema.xsd",
            "extern/xmldsig-core-schema.xsd",
        ),
        "</catalog>".to_owned(),
    ];
    fs::write(path("catalog.xml"), catalog.concat()).expect("written");
    let catalog = format!("XML_CATALOG_FILES={}", path("catalog.xml"));
    let schema = schemas.join("soapMessageEncrypted.xsd").to_str().expect("UTF-8").to_owned();
    let valid = |octets: &[u8]| {
        let file = path("message.xml");
        fs::write(&file, octets).expect("written");
        let arguments =
            [&catalog, "xmllint", "--nonet", "--noout", "--schema", schema.as_str(), file.as_str()];
        run("env", "libxml2-utils", &arguments)
    };
    for iv in [IvOctets::Twelve, IvOctets::Sixteen] {
        let envelope = parts(&sealed(b"x", iv, 1))[0].clone();
        let output = valid(&envelope);
        assert!(output.yes, "{}", output.stderr);
        let wrong = String::from_utf8(envelope).expect("UTF-8").replace("aes256-gcm", "aes-gcm");
        assert!(!valid(wrong.as_bytes()).yes, "the schema refuses something else");
    }
}
