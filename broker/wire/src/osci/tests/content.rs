//! Content: taken out as it was put in, kept where it stands, refused where it is ambiguous.

use super::canonical;
use crate::osci::feedback::Code;
use crate::osci::{
    Certificate, ContentFault, ContentKind, ContentPackage, CustomHeader, Enclosed, Limits,
    Message, MessageType, NonIntermediaryCertificates, OrderPlace, OwnContent, PackageItem,
    Refusal, ResponseToFetchDelivery, RootPart, container,
};

const NS: &str = "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
    xmlns:osci=\"http://www.osci.de/2002/04/osci\" \
    xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// An answer to a FetchDelivery with this package.
pub(super) fn answer(package: &str) -> String {
    answer_in(NS, package)
}

pub(super) fn answer_in(declared: &str, package: &str) -> String {
    format!(
        "<soap:Envelope {declared}><soap:Header>\
         <osci:ControlBlock Id=\"c\" ConversationId=\"1\" SequenceNumber=\"0\">\
         <osci:Response>a</osci:Response><osci:Challenge>b</osci:Challenge></osci:ControlBlock>\
         <osci:responseToFetchDelivery Id=\"r\"><osci:Feedback><osci:Entry><osci:Code>0801\
         </osci:Code><osci:Text/></osci:Entry></osci:Feedback><osci:fetchDelivery/>\
         </osci:responseToFetchDelivery></soap:Header><soap:Body Id=\"b\"><osci:ContentPackage>\
         {package}</osci:ContentPackage></soap:Body></soap:Envelope>"
    )
}

fn package_of(text: &str) -> ContentPackage {
    read(text.as_bytes()).package.expect("a package")
}

fn refused(inner: &str) -> Refusal {
    crate::osci::read(answer(inner).as_bytes(), &Limits::default()).expect_err("refused")
}

fn in_container(content: &str) -> String {
    format!("<osci:ContentContainer Id=\"k\">{content}</osci:ContentContainer>")
}

#[test]
fn base64_is_taken_out_whatever_it_is_written_like() {
    for text in [
        "QW10c2JvdGU=",
        " QW10\r\nc2Jv\tdGU= ",
        "<![CDATA[QW10c2JvdGU=]]>",
        "&#81;W10c2JvdGU&#x3D;",
    ] {
        let octets = answer(&in_container(&format!(
            "<osci:Content><osci:Base64Content Id=\"x\">{text}</osci:Base64Content></osci:Content>"
        )));
        let package = package_of(&octets);
        let [content] = &package.containers[0].contents[..] else { panic!("one content") };
        let ContentKind::Base64(content) = &content.kind else { panic!("Base64") };
        assert_eq!(content.decode_of(octets.as_bytes()).expect("decoded"), b"Amtsbote");
        assert_eq!((content.octets, content.id.as_deref()), (8, Some("x")));
        // Other octets at that place are noticed.
        let other = octets.replacen("W10", "WW0", 1);
        assert!(matches!(content.decode_of(other.as_bytes()), Err(ContentFault::Changed)));
        let cut = &octets.as_bytes()[..content.text.start as usize + 1];
        assert!(matches!(content.decode_of(cut), Err(ContentFault::Io(_))));
    }
    let empty =
        answer(&in_container("<osci:Content><osci:Base64Content Id=\"x\"/></osci:Content>"));
    let package = package_of(&empty);
    let ContentKind::Base64(content) = &package.containers[0].contents[0].kind else { panic!() };
    assert_eq!(content.decode_of(empty.as_bytes()).expect("decoded"), b"");
}

#[test]
fn what_is_no_content_is_refused() {
    for inner in [
        "<osci:Content><osci:Base64Content Id=\"x\">QQ=</osci:Base64Content></osci:Content>",
        "<osci:Content><osci:Base64Content Id=\"x\">Q<!-- -->Q==</osci:Base64Content></osci:Content>",
        "<osci:Content><osci:Base64Content Id=\"x\">QQ==<a/></osci:Base64Content></osci:Content>",
        "<osci:Content><osci:Base64Content Id=\"x\"/><osci:Base64Content Id=\"y\"/></osci:Content>",
        "<osci:Content>QQ==</osci:Content>",
        "<osci:Content Id=\"x\" href=\"file:a\"/>",
        "<osci:Content Id=\"x\" href=\"cid:\"/>",
        "<osci:Content Id=\"x\" href=\"cid:a\"><osci:Base64Content Id=\"y\"/></osci:Content>",
        "<osci:Content Id=\"x\" href=\"cid:a\"/><osci:Content Id=\"x\" href=\"cid:b\"/>",
        "<osci:Strange/>",
    ] {
        assert_eq!(refused(&in_container(inner)).feedback(), Code::NotAnOrder, "{inner}");
    }
    assert_eq!(refused("<osci:Strange/>").feedback(), Code::NotAnOrder);
}

#[test]
fn inline_xml_and_encrypted_containers_stay_as_they_are() {
    let encrypted = "<xenc:EncryptedData Id='e'  MimeType=\"a&quot;b\"><!-- c --><xenc:CipherData/>\
                     </xenc:EncryptedData>";
    let inline = "<a xmlns='urn:a' q='2' b=\"1\">1<b>&#228;</b></a>";
    let inner =
        format!("{encrypted}{}", in_container(&format!("<osci:Content>{inline}</osci:Content>")));
    let octets = answer(&inner);
    let package = package_of(&octets);
    let [found] = &package.encrypted[..] else { panic!("one encrypted container") };
    let range = found.octets.start as usize..found.octets.end as usize;
    assert_eq!(&octets[range], encrypted);
    assert_eq!((found.id.as_deref(), found.keeps_form), (Some("e"), true));
    let text = String::from_utf8(found.canonical_of(octets.as_bytes()).expect("canonical"));
    let text = text.expect("UTF-8");
    // Nobody signs the comment, and it is not ours to leave out.
    let signed = text.replacen("<!-- c -->", "", 1);
    assert_ne!(signed, text);
    assert_eq!(signed.as_bytes(), canonical(octets.as_bytes(), "e"));
    let ContentKind::Xml(elements) = &package.containers[0].contents[0].kind else { panic!("XML") };
    let [element] = &elements[..] else { panic!("one element") };
    let text = String::from_utf8(element.canonical_of(octets.as_bytes()).expect("canonical"));
    let text = text.expect("UTF-8");
    assert!(
        text.contains("b=\"1\" q=\"2\">1<b>ä</b></a>") && text.contains("xmlns:xenc="),
        "{text}"
    );
}

/// A content counts once, in whatever form; so do signatures.
#[test]
fn contents_are_counted_once() {
    let base64 = |n: usize| {
        format!(
            "<osci:Content><osci:Base64Content Id=\"b{n}\">QQ==</osci:Base64Content></osci:Content>"
        )
    };
    let limits = Limits { contents: 4, ..Limits::default() };
    let read = |inner: String| {
        let octets = answer(&in_container(&inner));
        crate::osci::read(octets.as_bytes(), &limits).map(|part| part.package.is_some())
    };
    let inner =
        format!("<ds:Signature/>{}<osci:Content Id=\"d\" href=\"cid:a\"/>{}", base64(1), base64(2));
    assert_eq!(read(inner.clone()), Ok(true));
    let refusal = read(format!("{inner}{}", base64(3))).expect_err("one too many");
    assert!(matches!(refusal, Refusal::Limit { limit: "contents of a package", .. }));
}

#[test]
fn encrypted_containers_come_first() {
    let encrypted = PackageItem::new(b"<xenc:EncryptedData Id='e'/>").expect("an item");
    let clear = container("k", &[], &[]).expect("written");
    assert!(encrypted.is_encrypted() && !clear.is_encrypted());
    let message = read(answer("").as_bytes()).message;
    let enclosed = Enclosed { package: Some(vec![clear, encrypted]), custom: Vec::new() };
    let written = message.write(&enclosed).expect("written").finish(None);
    let package = read(&written).package.expect("a package");
    let (first, second) = (&package.encrypted[0], &package.containers[0].element);
    assert!(first.octets.end <= second.octets.start);
}

#[test]
fn a_scope_that_our_envelope_would_widen_is_noticed() {
    let inner = in_container("<osci:Content Id=\"x\" href=\"cid:a\"/>");
    // Without xenc: our envelope declares it, and that enters the canonical form.
    let narrow = NS.replace("xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"", "");
    let octets = answer_in(&narrow, &inner);
    let package = package_of(&octets);
    assert!(!package.containers[0].element.keeps_form);
    // Bound otherwise, or with more beside it: it takes its own declarations along.
    for other in [
        NS.replace("http://www.w3.org/2001/04/xmlenc#", "urn:other"),
        format!("{NS} xmlns:more=\"urn:more\" xml:lang=\"de\""),
    ] {
        let octets = answer_in(&other, &inner);
        let package = package_of(&octets);
        let element = &package.containers[0].element;
        assert!(element.keeps_form);
        let item = PackageItem::new(&element.canonical_of(octets.as_bytes()).expect("canonical"));
        let message = read(octets.as_bytes()).message;
        let enclosed = Enclosed { package: Some(vec![item.expect("an item")]), custom: vec![] };
        let draft = message.write(&enclosed).expect("written");
        let written = draft.clone().finish(None);
        assert_eq!(canonical(&written, "k"), canonical(octets.as_bytes(), "k"));
        for (id, block) in draft.blocks() {
            assert_eq!(block, canonical(&written, id), "{id}");
        }
    }
}

#[test]
fn only_one_element_of_the_right_kind_is_an_item_or_a_header() {
    for wrong in [
        "",
        "text",
        "<osci:ContentContainer Id='a'/>text",
        "<osci:ContentContainer Id='a'/><osci:ContentContainer Id='b'/>",
        "<osci:ContentContainer Id='a'/></soap:Body><soap:Body>",
        "<osci:Content/>",
        "<!-- beside --><osci:ContentContainer Id='a'/>",
        "<osci:ContentContainer Id='a'/><!-- beside -->",
        "<osci:ContentContainer Id='a'>",
        "<x:ContentContainer Id='a'/>",
    ] {
        assert!(PackageItem::new(wrong.as_bytes()).is_err(), "{wrong}");
    }
    for wrong in ["", "<soap:a/>", "<a xmlns='urn:a'/><a xmlns='urn:a'/>", "<b/></soap:Header><a/>"]
    {
        assert!(CustomHeader::new(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let header = CustomHeader::new(b"<a xmlns='urn:a' Id='h'><b c=''/></a>").expect("a header");
    assert_eq!(header.id(), Some("h"));
    let octets = answer("");
    let message = read(octets.as_bytes()).message;
    let enclosed = Enclosed { package: None, custom: vec![header.clone()] };
    let draft = message.write(&enclosed).expect("written");
    let written = draft.clone().finish(None);
    assert_eq!(canonical(&written, "h"), header.as_str().as_bytes());
    assert!(draft.blocks().any(|(id, block)| id == "h" && block == header.as_str().as_bytes()));
    let again = read(&written);
    let [custom] = &again.custom[..] else { panic!("one header") };
    assert_eq!(custom.canonical_of(&written).expect("canonical"), header.as_str().as_bytes());
}

fn read(octets: &[u8]) -> RootPart {
    crate::osci::read(octets, &Limits::default()).expect("read")
}

#[test]
fn what_an_author_signs_is_what_stands_there() {
    let contents = [
        OwnContent::Base64 { id: "c0".to_owned(), octets: b"Amtsbote".to_vec() },
        OwnContent::Attachment { id: "c1".to_owned(), cid: "a&b.txt".to_owned() },
    ];
    let signature: &[u8] = b"<ds:Signature>1</ds:Signature>";
    let item = container("k", &[signature], &contents).expect("written");
    let octets = answer("");
    let message = read(octets.as_bytes()).message;
    let enclosed = Enclosed { package: Some(vec![item]), custom: Vec::new() };
    let written = message.write(&enclosed).expect("written").finish(None);
    assert_eq!(contents[0].signed().expect("signed"), ("c0", b"Amtsbote".to_vec()));
    assert_eq!(contents[1].signed().expect("signed"), ("c1", canonical(&written, "c1")));
    let package = read(&written).package.expect("a package");
    assert_eq!(package.containers[0].signatures.len(), 1);
}

/// What arrives is put beside blocks of ours when it leaves, under identifiers that they always have.
#[test]
fn what_could_be_taken_for_a_block_of_ours_is_refused() {
    let certificates = |name: &str, child: &str, id: &str| {
        format!(
            "<osci:{name} Id='n'><osci:{child} Id='{id}'><ds:X509Data><ds:X509Certificate>QUFB\
             </ds:X509Certificate></ds:X509Data></osci:{child}></osci:{name}>"
        )
    };
    let others = ("NonIntermediaryCertificates", "CipherCertificateOriginator");
    let ours = ("IntermediaryCertificates", "CipherCertificateIntermediary");
    let header =
        |block: &str| answer("").replacen("</soap:Header>", &format!("{block}</soap:Header>"), 1);
    let places = |id: &str| {
        let content = format!("<osci:Content Id='{id}' href='cid:a'/>");
        [
            answer(&format!("<osci:ContentContainer Id='{id}'/>")),
            answer(&in_container(&content)),
            answer(&in_container(&format!(
                "<osci:Content><a><b xml:id='{id}'/></a></osci:Content>"
            ))),
            answer(&format!("<xenc:EncryptedData Id='{id}'/>")),
            answer(&format!("<xenc:EncryptedData><a Id='{id}'/></xenc:EncryptedData>")),
            header(&format!("<a xmlns='urn:a' Id='{id}'/>")),
            header(&format!("<a xmlns='urn:a'><b Id='{id}'/></a>")),
            header(&certificates(others.0, others.1, id)),
        ]
    };
    let read = |text: &str| crate::osci::read(text.as_bytes(), &Limits::default());
    // Ours are those that we write, whatever the message.
    let mut reserved: Vec<String> = MessageType::ALL
        .iter()
        .filter(|kind| kind.place() == OrderPlace::Header)
        .map(|kind| kind.block_id())
        .collect();
    reserved.extend(
        [
            "controlblock",
            "clientsignature",
            "suppliersignature",
            "desiredlanguages",
            "qualityoftimestamp_creation",
            "qualityoftimestamp_reception",
            "nonintermediarycertificates",
            "intermediarycertificates",
            "intermed_cipher_00",
            "featuredescription",
            "body",
        ]
        .map(str::to_owned),
    );
    for id in reserved {
        for text in places(&id) {
            let refusal = read(&text).expect_err("refused");
            assert_eq!(refusal.feedback(), Code::NotAnOrder, "{id}: {text}");
        }
    }
    // Others stay free, and so do these at their own place.
    for id in ["k0", "ControlBlock", "body2", "intermed", "storedelivery_1", "getmessageid"] {
        for text in places(id) {
            assert!(read(&text).is_ok(), "{id}: {text}");
        }
    }
    let own =
        answer("").replace("Id=\"c\"", "Id=\"controlblock\"").replace("Id=\"b\"", "Id=\"body\"");
    assert!(read(&own).is_ok());
    assert!(read(&header(&certificates(ours.0, ours.1, "intermed_cipher_00"))).is_ok());
    assert!(read(&header(&certificates(ours.0, ours.1, "controlblock"))).is_err());
}

#[test]
fn every_identifier_is_written_once() {
    let message = read(answer("").as_bytes()).message;
    let item = |id: &str| container(id, &[], &[]).expect("written");
    let inside = |id: &str| {
        let content = OwnContent::Attachment { id: id.to_owned(), cid: "a".to_owned() };
        container("k", &[], &[content]).expect("written")
    };
    let custom = |id: &str| {
        let block = format!("<a xmlns='urn:a'><b Id='{id}'/></a>");
        CustomHeader::new(block.as_bytes()).expect("a block")
    };
    let write = |package: Vec<PackageItem>, custom: Vec<CustomHeader>| {
        message.write(&Enclosed { package: Some(package), custom })
    };
    assert!(write(vec![item("a"), inside("b")], vec![custom("c")]).is_ok());
    for (package, custom) in [
        (vec![item("a"), item("a")], vec![]),
        (vec![item("a"), inside("a")], vec![]),
        (vec![inside("k")], vec![]),
        (vec![item("a")], vec![custom("a")]),
        (vec![], vec![custom("a"), custom("a")]),
        (vec![item("controlblock")], vec![]),
        (vec![item("body")], vec![]),
        (vec![inside("responsetofetchdelivery")], vec![]),
        // The signature is put in later.
        (vec![inside("suppliersignature")], vec![]),
        (vec![], vec![custom("body")]),
    ] {
        write(package, custom).expect_err("refused");
    }
    let certificate = |id: &str| Some(Certificate { id: Some(id.to_owned()), der: vec![1] });
    let Message::ResponseToFetchDelivery(answer) = message else { panic!("another message") };
    let with = |a: &str, b: &str| {
        let certificates = NonIntermediaryCertificates {
            cipher_originator: certificate(a),
            cipher_addressee: certificate(b),
            ..Default::default()
        };
        let answer =
            ResponseToFetchDelivery { certificates: Some(certificates), ..*answer.clone() };
        Message::from(answer).write(&Enclosed::default())
    };
    assert!(with("a", "b").is_ok());
    assert!(with("a", "a").is_err() && with("a", "controlblock").is_err());
}
