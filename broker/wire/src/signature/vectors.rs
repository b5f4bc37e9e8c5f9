//! Public test vectors (xmlsec), where they lie beside the checkout.

use std::fs;
use std::path::Path;

use super::*;
use crate::testing::{material, now, run};

fn unpacked(suites: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = suites.join("xmlsec-vectors.tar.xz");
    let arguments = ["xf".as_ref(), archive.as_os_str(), "-C".as_ref(), folder.path().as_os_str()];
    let output = run("tar", "tar and xz-utils", &arguments);
    assert!(output.yes, "tar: {}", output.stderr);
    folder
}

/// The vectors that use nothing but what is allowed here and bring a certificate. The others use
/// SHA-1, HMAC, XPath, bare key values and the like.
const HOLD: [&str; 6] = [
    "aleksey-xmldsig-01/enveloping-sha256-rsa-sha256",
    "aleksey-xmldsig-01/enveloping-sha384-rsa-sha384",
    "aleksey-xmldsig-01/enveloping-sha512-rsa-sha512",
    "aleksey-xmldsig-01/enveloping-sha256-ecdsa-sha256",
    "aleksey-xmldsig-01/enveloping-sha384-ecdsa-sha384",
    "aleksey-xmldsig-01/enveloping-sha512-ecdsa-sha512",
];

#[test]
fn vectors_of_xmlsec_hold_where_their_algorithms_are_allowed() {
    let Some(suites) = material("AMTSBOTE_SUITES", "shared/suites") else { return };
    let folder = unpacked(&suites);
    let cases = fs::read_to_string(suites.join("xmlsec-dsig-cases.tsv")).expect("cases");
    let (mut holding, mut seen) = (std::collections::BTreeSet::new(), 0);
    for case in cases.lines().skip(1) {
        let fields: Vec<&str> = case.split('\t').collect();
        let name = [fields[1], fields[2]].join("/").trim_start_matches('/').to_owned();
        let file = folder.path().join(format!("xmlsec/tests/{name}.xml"));
        let open = || -> std::io::Result<Box<dyn std::io::BufRead>> {
            Ok(Box::new(std::io::BufReader::new(fs::File::open(&file)?)))
        };
        let policy = GeneralPolicy { trust: vec![], at: now(), limits: Limits::default() };
        seen += usize::from(file.is_file());
        if let Ok(report) = verify_document(&open, &policy)
            && report.signatures.iter().any(|signature| signature.outcome.is_ok())
        {
            holding.insert(name);
        }
    }
    assert!(seen > 200, "only {seen} of the vectors were found");
    assert_eq!(holding, HOLD.map(str::to_owned).into());
}
