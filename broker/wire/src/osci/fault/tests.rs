//! Tests of faults.

use proptest::prelude::*;

use super::super::mime;
use super::*;
use crate::testing::{material, run};

/// The envelope inside a whole message.
fn root(message: &[u8]) -> Vec<u8> {
    let (mut reader, mut root) = (mime::Reader::new(mime::Limits::default()), Vec::new());
    let mut input = message;
    while let Some(event) = reader.next_event(&mut input).expect("a message") {
        if let mime::Event::Data(octets) = event {
            root.extend_from_slice(octets);
        }
    }
    reader.finish().expect("whole");
    root
}

#[test]
fn every_fault_is_written_and_read() {
    for code in Code::ALL {
        for language in [Language::De, Language::En] {
            let fault = SoapMessageFault::new(*code, language);
            let message = fault.message().expect("written");
            assert_eq!(SoapMessageFault::read(&root(&message)), Ok(fault));
        }
    }
    let fault = |code| SoapMessageFault::new(code, Language::De).side;
    assert_eq!(fault(Code::SupplierError), Side::Server);
    assert_eq!(fault(Code::DialogueMismatch), Side::Client);
    assert_eq!(fault(Code::NoDelivery), Side::Client);
}

#[test]
fn a_fault_is_written_as_it_was_recorded() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    for folder in ["sig", "sig+enc"] {
        let path = format!("osci-transport/golden/{folder}/20-FetchDelivery.rsp.mime");
        let recorded = std::fs::read(corpus.join(path)).expect("a file");
        let fault = SoapMessageFault::read(&root(&recorded)).expect("a fault");
        assert_eq!((fault.side, fault.code), (Side::Client, Some(Code::DialogueMismatch.into())));
        assert_eq!(fault.message().expect("written"), recorded);
    }
}

#[test]
fn faults_are_valid() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let schemas = corpus.join("osci-transport/1.2");
    let folder = tempfile::tempdir().expect("a folder");
    let schema = schemas.join("soapMessageFault.xsd");
    let mut files = Vec::new();
    for code in Code::ALL {
        for (n, language) in [Language::De, Language::En].into_iter().enumerate() {
            let mut fault = SoapMessageFault::new(*code, language);
            if n == 1 {
                fault.code = None;
                fault.text = "a < b & c > ]]> \r".to_owned();
            }
            let file = folder.path().join(format!("{code}-{n}.xml"));
            std::fs::write(&file, fault.envelope()).expect("written");
            files.push(file.into_os_string());
        }
    }
    let catalog = format!("XML_CATALOG_FILES={}", schemas.join("catalog.xml").display());
    let mut arguments: Vec<std::ffi::OsString> =
        [&catalog, "xmllint", "--nonet", "--noout", "--schema"].map(Into::into).into();
    arguments.push(schema.into_os_string());
    let wrong = folder.path().join("wrong.xml");
    std::fs::write(&wrong, "<a/>").expect("written");
    let refused = run("env", "libxml2-utils", &[&arguments[..], &[wrong.into()]].concat());
    assert!(!refused.yes, "the schema refuses something else");
    arguments.extend(files);
    let output = run("env", "libxml2-utils", &arguments);
    assert!(output.yes, "{}", output.stderr);
}

fn with(inner: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:o=\"{OSCI}\"><s:Body><s:Fault>{inner}</s:Fault>\
         </s:Body></s:Envelope>"
    )
}

#[test]
fn faults_of_others_are_read() {
    let read = |inner: &str| SoapMessageFault::read(with(inner).as_bytes());
    let fault = read(
        "<faultcode>s:Server.Busy</faultcode><faultstring xml:lang='de'>Später</faultstring>\
         <faultactor>a</faultactor><detail><x/><o:Code> 9000 </o:Code><y><o:Code>1</o:Code></y>\
         </detail>",
    );
    let wanted = SoapMessageFault {
        side: Side::Server,
        code: Some(Code::SupplierError.into()),
        text: "Später".to_owned(),
    };
    assert_eq!(fault, Ok(wanted));
    let bare = read("<faultcode>Client</faultcode>").expect("a fault");
    assert_eq!((bare.side, bare.code, bare.text.as_str()), (Side::Client, None, ""));
    let odd = read("<faultcode>s:Client</faultcode><detail><o:Code>x</o:Code></detail>");
    assert_eq!(odd.expect("a fault").code, None);
    let long =
        format!("<faultcode>s:Client</faultcode><faultstring>{}</faultstring>", "ä".repeat(999));
    assert_eq!(read(&long).expect("a fault").text.len(), MAX_TEXT_BYTES);
    for wrong in [
        "",
        "<faultcode>s:Other</faultcode>",
        "<faultcode>s:Client</faultcode><faultcode>s:Server</faultcode>",
        "<s:faultcode>s:Client</s:faultcode>",
        "<faultcode>s:Client</faultcode><detail><o:Code>9000</o:Code><o:Code>9100</o:Code></detail>",
        "<faultcode>s:Client</faultcode></s:Fault><s:Fault>",
        "<faultcode>s:Client</faultcode></s:Fault><a/><s:Fault>",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert!(SoapMessageFault::read(b"<a/>").is_err());
    let body = format!("<s:Envelope xmlns:s=\"{SOAP}\"><s:Body/></s:Envelope>");
    assert!(SoapMessageFault::read(body.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "[\\PC\t\n<&>\"]{0,80}", server: bool) {
        let side = if server { Side::Server } else { Side::Client };
        let fault = SoapMessageFault { side, code: None, text };
        prop_assert_eq!(SoapMessageFault::read(fault.envelope().as_bytes()), Ok(fault));
    }

    #[test]
    fn a_changed_fault_is_answered(at: prop::sample::Index, octet: u8) {
        let mut octets = SoapMessageFault::new(Code::Undecryptable, Language::De)
            .envelope()
            .into_bytes();
        let at = at.index(octets.len());
        octets[at] = octet;
        let _ = SoapMessageFault::read(&octets);
    }
}
