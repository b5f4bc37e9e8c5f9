//! What is read leniently, and what is not.

use super::content::answer;
use crate::osci::dialogue::Challenge;
use crate::osci::*;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const OSCI: &str = "http://www.osci.de/2002/04/osci";

/// A GetMessageId as another client might write it: other prefixes, other order, other quotes.
fn strange(headers: &str, body: &str, location: &str) -> String {
    format!(
        "<S:Envelope xmlns:S='{SOAP}'{location}>\n  <S:Header>\n\
         <o:DesiredLanguages xmlns:o='{OSCI}' LanguagesList=' de  en' Id='l'/>\n\
         <!-- a comment -->\n\
         <ControlBlock xmlns='{OSCI}' SequenceNumber=' 0 ' Id='c'><Challenge>x</Challenge>\
         </ControlBlock>{headers}\n  </S:Header>\n  <S:Body Id='b'>\n{body}\n</S:Body></S:Envelope>\n"
    )
}

const ORDER: &str = "<o:getMessageId xmlns:o='http://www.osci.de/2002/04/osci'/>";

fn try_read(text: &str) -> Result<RootPart, Refusal> {
    read(text.as_bytes(), &Limits::default())
}

fn refused(text: &str) -> u16 {
    let refusal = try_read(text).expect_err("refused");
    let code = refusal.feedback();
    assert_eq!(code.class(), feedback::Class::NotExecuted);
    code.number().get()
}

#[test]
fn another_form_is_the_same_message() {
    let part = try_read(&strange("", ORDER, "")).expect("read");
    let Message::GetMessageId(order) = &part.message else { panic!("another message") };
    let control = &order.head.control;
    let challenge = control.challenge.as_ref().map(Challenge::as_str);
    assert_eq!((challenge, control.sequence), (Some("x"), Some(0)));
    assert_eq!(control.response, None);
    let languages: Vec<_> = order.head.languages.iter().map(Language::as_str).collect();
    assert_eq!(languages, ["de", "en"]);
    assert!(order.head.features.is_none() && order.head.certificates.is_none());
    let blocks: Vec<_> = part.blocks.iter().map(|block| block.id.as_deref()).collect();
    assert_eq!(blocks, [Some("l"), Some("c"), Some("b")]);
}

#[test]
fn schema_location_and_element_must_agree() {
    let xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation=";
    let with = |location: &str| strange("", ORDER, &format!(" {xsi}'{location}'"));
    for good in [
        MessageType::GetMessageId.schema_location(),
        "http://schemas.xmlsoap.org/soap/envelope/ soapGetMessageId.xsd",
        "urn:other a.xsd  http://schemas.xmlsoap.org/soap/envelope/\n ../x/soapGetMessageId.xsd",
        "urn:other a.xsd",
        "",
    ] {
        assert!(try_read(&with(good)).is_ok(), "{good}");
        let found = identify(with(good).as_bytes(), &Limits::default());
        assert_eq!(found, Ok(MessageType::GetMessageId));
    }
    for bad in [
        MessageType::InitDialog.schema_location(),
        MessageType::MessageEncrypted.schema_location(),
        "http://schemas.xmlsoap.org/soap/envelope/ soapNothing.xsd",
        "http://schemas.xmlsoap.org/soap/envelope/ other",
    ] {
        assert_eq!(refused(&with(bad)), 9100, "{bad}");
        let found = identify(with(bad).as_bytes(), &Limits::default());
        assert_eq!(found.expect_err("refused").feedback(), feedback::Code::NotAnOsciMessage);
    }
}

#[test]
fn blocks_of_others_are_kept_unless_we_must_understand_them() {
    let soap = format!("xmlns:S='{SOAP}' xmlns:x='urn:x'");
    let none = "http://www.w3.org/2001/12/soap-envelope/actor/none";
    for kept in [
        "<x:a Id='x'><x:b/></x:a>".to_owned(),
        "<x:a S:mustUnderstand='0'/>".to_owned(),
        format!("<x:a S:mustUnderstand='1' S:actor='{none}'/>"),
        "<o:unknown xmlns:o='http://www.osci.de/2002/04/osci'/>".to_owned(),
    ] {
        let block = kept.replacen("<x:a", &format!("<x:a {soap}"), 1);
        let text = strange(&block, ORDER, "");
        let part = try_read(&text).expect("read");
        let [custom] = &part.custom[..] else { panic!("one block") };
        let range = custom.octets.start as usize..custom.octets.end as usize;
        assert_eq!(&text[range], block);
        assert_eq!(part.blocks.len(), 4);
    }
    let next = "http://schemas.xmlsoap.org/soap/actor/next";
    for refused_block in [
        format!("<x:a {soap} S:mustUnderstand='1'/>"),
        format!("<x:a {soap} S:mustUnderstand='true' S:actor=''/>"),
        format!("<x:a {soap} S:mustUnderstand='1' S:actor='{next}'/>"),
        format!("<S:a {soap}/>"),
    ] {
        assert_eq!(refused(&strange(&refused_block, ORDER, "")), 9100, "{refused_block}");
    }
}

#[test]
fn what_means_two_things_is_refused() {
    let o = format!("xmlns='{OSCI}'");
    let control = format!("<ControlBlock {o} SequenceNumber='0'><Challenge/></ControlBlock>");
    let fetch = format!("<fetchDelivery {o}/>");
    let quality = format!("<QualityOfTimestamp {o} Service='creation' Quality='plain'/>");
    let signature = |name: &str| format!("<{name} {o}/>");
    for (headers, body, code) in [
        (control.as_str(), ORDER, 9300),
        (fetch.as_str(), ORDER, 9300),
        (quality.as_str(), ORDER, 9300),
        ("", "", 9100),
        ("", "<a/>", 9300),
        ("", "text", 9300),
        (signature("SupplierSignature").as_str(), ORDER, 9300),
        (&format!("{}{}", signature("ClientSignature"), signature("ClientSignature")), ORDER, 9300),
        ("<a xmlns='urn:a' Id='c'/>", ORDER, 9300),
    ] {
        assert_eq!(refused(&strange(headers, body, "")), code, "{headers} {body}");
    }
    assert_eq!(refused(&strange("", &format!("{ORDER}{ORDER}"), "")), 9300);
    let filled = "<getMessageId xmlns='http://www.osci.de/2002/04/osci'><a/></getMessageId>";
    assert_eq!(refused(&strange("", filled, "")), 9300);
    let package = "<ContentPackage xmlns='http://www.osci.de/2002/04/osci'/>";
    assert_eq!(refused(&strange("", &format!("{ORDER}{package}"), "")), 9300);
    assert_eq!(refused("<a/>"), 9100);
    assert_eq!(refused(&format!("<a:Envelope xmlns:a='{SOAP}'/>")), 9100);
}

#[test]
fn each_place_in_a_dialogue_has_its_code() {
    let text = answer("");
    assert!(try_read(&text).is_ok());
    for (from, to, code) in [
        (" ConversationId=\"1\"", "", 9400),
        ("ConversationId=\"1\"", "ConversationId=\"1a\"", 9400),
        ("ConversationId=\"1\"", "ConversationId=\"\"", 9400),
        ("SequenceNumber=\"0\"", "SequenceNumber=\"-1\"", 9400),
        ("<osci:Response>a</osci:Response>", "", 9400),
        ("<osci:Challenge>b</osci:Challenge>", "", 9400),
        ("<osci:fetchDelivery/>", "", 9300),
        ("0801", "08<!-- -->01", 9300),
        ("0801", "08<?p i?>01", 9300),
        ("<osci:Text/>", "<osci:Text/><osci:Text/>", 9300),
        ("<osci:Response>a", "<osci:Response>a<a/>", 9300),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(refused(&changed), code, "{from} -> {to}");
    }
}

#[test]
fn an_order_outside_of_the_dialogue_that_it_needs_reaches_it_and_is_answered_there() {
    let o = format!("xmlns='{OSCI}'");
    let inside = |name: &str| match name {
        "fetchDelivery" => (format!("<{name} {o}/>"), String::new()),
        "mediateDelivery" => {
            let receiver = format!("<{name} {o}><ContentReceiver/></{name}>");
            (receiver, format!("<ContentPackage {o}/>"))
        }
        _ => (String::new(), format!("<{name} {o}/>")),
    };
    for name in ["exitDialog", "fetchDelivery", "fetchProcessCard", "mediateDelivery"] {
        let (header, body) = inside(name);
        for control in ["", " SequenceNumber=' 0 '"] {
            let text = strange(&header, &body, "").replace(" SequenceNumber=' 0 '", control);
            let message = try_read(&text).expect("read").message;
            let placed = dialogue::place(message.message_type(), message.control());
            assert_eq!(placed, Err(feedback::Code::ExplicitDialogueRequired), "{name}");
            // We write none like this.
            message.write(&Enclosed::default()).expect_err("refused");
        }
        // No order is without a challenge.
        let text = strange(&header, &body, "").replace("<Challenge>x</Challenge>", "");
        assert_eq!(refused(&text), 9400);
    }
}

#[test]
fn the_answer_to_a_forward_delivery_says_its_number_when_we_write_it() {
    let text = answer("")
        .replace("responseToFetchDelivery", "responseToForwardDelivery")
        .replace("<osci:fetchDelivery/>", "")
        .replace("<osci:ContentPackage></osci:ContentPackage>", "");
    let read = |text: &str| try_read(text).expect("read").message;
    let written = |message: &Message| message.write(&Enclosed::default());
    assert!(written(&read(&text)).is_ok());
    // Others may leave it out; the reference library as a client does not take ours without.
    assert!(written(&read(&text.replacen(" SequenceNumber=\"0\"", "", 1))).is_err());
}

#[test]
fn a_challenge_is_read_up_to_its_length_and_never_shown() {
    for (long, is_read) in [(Challenge::MAX_BYTES, true), (Challenge::MAX_BYTES + 1, false)] {
        let text = strange("", ORDER, "").replace(">x<", &format!(">{}<", "x".repeat(long)));
        if is_read {
            assert!(try_read(&text).is_ok());
        } else {
            assert_eq!(refused(&text), 9400);
        }
    }
    // P7: whoever logs a message tells no secret.
    let canary = "KANARIENVOGEL";
    let text = strange("", ORDER, "").replace(">x<", &format!(">{canary}<"));
    let part = try_read(&text).expect("read");
    assert_eq!(part.message.control().challenge, Challenge::parse(canary));
    let draft = part.message.write(&Enclosed::default()).expect("written");
    assert!(!format!("{part:?} {draft:?} {:#?}", part.message.control()).contains(canary));
    let text = answer("").replacen("<osci:Response>a", &format!("<osci:Response>{canary}"), 1);
    let part = try_read(&text).expect("read");
    assert!(!format!("{part:?} {:#?}", part.message).contains(canary));
}

/// What the intermediary reads in our feedback decides nothing, so it cannot spoil an answer.
#[test]
fn strange_feedback_is_kept_and_long_feedback_is_cut() {
    let text = answer("");
    for (code, number) in [
        ("0801", Some(801)),
        (" 9999 ", Some(9999)),
        ("801", None),
        ("08011", None),
        ("ERR-7", None),
        ("", None),
        ("\u{661}\u{662}\u{663}\u{664}", None),
    ] {
        let text = text.replacen("0801", code, 1);
        let message = try_read(&text).expect(code).message;
        let [entry] = message.feedback() else { panic!("one entry") };
        assert_eq!(entry.code.map(feedback::Number::get), number, "{code}");
        assert_eq!(feedback::outcome(message.feedback()).is_some(), number.is_some(), "{code}");
        // We write four digits.
        let package = Some(Vec::new());
        let written = message.write(&Enclosed { package, custom: Vec::new() });
        assert_eq!(written.is_ok(), number.is_some());
    }
    for (length, kept) in [(4096, 4096), (4097, 4096), (60_000, 4096)] {
        let text = text.replacen(
            "<osci:Text/>",
            &format!("<osci:Text>{}</osci:Text>", "a".repeat(length)),
            1,
        );
        let message = try_read(&text).expect("read").message;
        assert_eq!(message.feedback()[0].text.len(), kept);
    }
    // In whole characters.
    let text =
        text.replacen("<osci:Text/>", &format!("<osci:Text>{}</osci:Text>", "aä".repeat(2000)), 1);
    let message = try_read(&text).expect("read").message;
    assert_eq!(message.feedback()[0].text.chars().count(), 2 * 1365 + 1);
    let long_code = answer("").replacen("0801", &"1".repeat(4097), 1);
    let message = try_read(&long_code).expect("read").message;
    assert_eq!(message.feedback()[0].code, None);
}

#[test]
fn a_dialogue_without_a_cipher_certificate_and_a_delivery_without_an_id_have_their_codes() {
    let init = ORDER.replace("getMessageId", "initDialog");
    let text = strange("", &init, "").replace(" SequenceNumber=' 0 '", "");
    assert_eq!(refused(&text), 9500);
    let o = format!("xmlns='{OSCI}'");
    let store = format!(
        "<QualityOfTimestamp {o} Service='creation' Quality='plain'/>\
         <QualityOfTimestamp {o} Service='reception' Quality='cryptographic'/>\
         <NonIntermediaryCertificates {o}><CipherCertificateAddressee><X509Data \
         xmlns='http://www.w3.org/2000/09/xmldsig#'><X509Certificate>QUFB</X509Certificate>\
         </X509Data></CipherCertificateAddressee></NonIntermediaryCertificates>\
         <storeDelivery {o}><MessageId>QQ==</MessageId></storeDelivery>"
    );
    let package = format!("<ContentPackage {o}/>");
    let part = try_read(&strange(&store, &package, "")).expect("read");
    let Message::StoreDelivery(order) = part.message else { panic!("another message") };
    assert_eq!(order.message_id.as_text(), Some("A"));
    assert_eq!(order.quality.reception, Some(Quality::Cryptographic));
    let without = store.replace("<MessageId>QQ==</MessageId>", "");
    assert_eq!(refused(&strange(&without, &package, "")), 9800);
    let twice = store.replace("'reception'", "'creation'");
    assert_eq!(refused(&strange(&twice, &package, "")), 9300);
    let nobody = store.replace("CipherCertificateAddressee", "CipherCertificateOriginator");
    assert_eq!(refused(&strange(&nobody, &package, "")), 9300);
    assert_eq!(refused(&strange(&store, "", "")), 9300);
}

#[test]
fn times_are_kept_as_written_and_understood() {
    let berlin = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
    for (text, instant) in [
        ("2026-11-23T03:33:58Z", "2026-11-23T03:33:58Z"),
        ("2026-11-23T03:33:58.1234567891+01:00", "2026-11-23T02:33:58.123456789Z"),
        ("2026-11-23T03:33:58-14:00", "2026-11-23T17:33:58Z"),
        ("2026-07-23T03:33:58", "2026-07-23T01:33:58Z"),
    ] {
        let time = DateTime::parse(text).expect("a time");
        assert_eq!(time.as_str(), text);
        assert_eq!(time.instant(&berlin), Some(instant.parse().expect("an instant")), "{text}");
    }
    for wrong in [
        "",
        "2026-11-23",
        "2026-11-23 03:33:58Z",
        "2026-02-29T03:33:58Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T03:33:60Z",
        "2026-11-23T03:33:58.Z",
        "2026-11-23T03:33:58z",
        "2026-11-23T03:33:58+15:00",
        "2026-11-23T03:33:58+1:00",
        "0000-11-23T03:33:58Z",
        "-2026-11-23T03:33:58Z",
        "2026-11-23T03:33:58Zü",
    ] {
        assert_eq!(DateTime::parse(wrong), None, "{wrong}");
    }
    let now = crate::testing::now();
    assert_eq!(DateTime::of(now).expect("a time").instant(&berlin), Some(now));
}

#[test]
fn what_the_schema_forbids_is_not_written() {
    let part = try_read(&strange("", ORDER, "")).expect("read");
    let Message::GetMessageId(order) = part.message else { panic!("another message") };
    let write = |change: &dyn Fn(&mut GetMessageId)| {
        let mut order = order.clone();
        change(&mut order);
        Message::from(*order).write(&Enclosed::default())
    };
    assert!(write(&|_| {}).is_ok());
    assert!(write(&|order| order.head.control.challenge = None).is_err());
    assert!(write(&|order| order.head.control.challenge = Challenge::parse("\u{1}")).is_err());
    assert!(write(&|order| order.head.features = Some(FeatureDescription::default())).is_err());
    assert!(write(&|order| order.head.intermediary = Some(Default::default())).is_err());
    let addressee = Certificate { id: None, der: vec![1] };
    let addressee =
        NonIntermediaryCertificates { cipher_addressee: Some(addressee), ..Default::default() };
    assert!(write(&|order| order.head.certificates = Some(addressee.clone())).is_err());
    let package = Enclosed { package: Some(Vec::new()), custom: Vec::new() };
    assert!(Message::from(*order.clone()).write(&package).is_err());
}
