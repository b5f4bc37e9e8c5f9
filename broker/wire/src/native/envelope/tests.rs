//! Round trip, the schema as a peer, bad envelopes, wrapped signatures.

use std::fs;
use std::path::PathBuf;

use amtsbote_domain::identity::{MessageType, MessageUuid, ServiceUri};
use amtsbote_domain::message::MAX_READERS;
use amtsbote_domain::ports::ENVELOPE_CID;
use proptest::prelude::*;

use super::*;
use crate::signature::{
    Allowed, OpensslSigner, Place, Signer, Signing, Target, sign_enveloped, sign_with,
};
use crate::testing::{EC, Identity, OTHER, RSA, now, run};

fn metadata() -> Metadata {
    Metadata {
        author: PartyId::parse("ags:05766044").expect("a party"),
        reader: PartyId::parse("t\u{f6}j:a:<&>\"'").expect("a party"),
        other_readers: vec![],
        service: ServiceUri::parse("urn:example:ummeldung?a=1&b='2'").expect("a service"),
        message_type: Some(MessageType::parse("0100").expect("a type")),
        transport_id: TransportId::parse("probe-1@lemgo").expect("an id"),
        business_id: Some(MessageUuid::parse("5f0c:1").expect("an id")),
        created: "2026-11-23T11:59:59.123456789Z".parse().expect("a time"),
        not_before: Some("2026-11-24T00:00:00Z".parse().expect("a time")),
        expires: Some("2027-01-01T00:00:00.5Z".parse().expect("a time")),
        test: true,
    }
}

fn part(cid: &str) -> Part {
    Part {
        cid: cid.to_owned(),
        media_type: "text/xml; charset=\"utf-8\"&<".to_owned(),
        size: 8192,
        sha256: Digest([0xab; 32]),
    }
}

fn verified(octets: &[u8], signer: &Identity) -> Result<VerifiedEnvelope, Fault> {
    let envelope = read(octets)?;
    Ok(envelope.verify(octets, &[signer.trusted()], &Allowed::default(), now())?)
}

fn good() -> String {
    let octets = write_signed(&metadata(), &[part("a"), part("b&\"'")], &EC.signer());
    String::from_utf8(octets.expect("written")).expect("UTF-8")
}

#[track_caller]
fn refused(document: &str, code: Code) {
    match verified(document.as_bytes(), &EC) {
        Ok(_) => panic!("accepted: {document}"),
        Err(fault) => {
            assert_eq!(fault.code, code, "{fault}: {document}");
            // P7: nothing of the message in what the partner sees.
            let text = format!("{fault:?}");
            for canary in ["05766044", "probe-1", "ummeldung", "5f0c", "canary"] {
                assert!(!text.contains(canary), "{text}");
            }
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for identity in [&*EC, &*RSA] {
        let parts = [part("a"), part("b")];
        let octets = write_signed(&metadata(), &parts, &identity.signer()).expect("written");
        let unverified = read(&octets).expect("read");
        assert_eq!(unverified.claimed_author(), &metadata().author);
        assert_eq!(unverified.claimed_transport_id(), &metadata().transport_id);
        let envelope = unverified
            .verify(&octets, &[identity.trusted()], &Allowed::default(), now())
            .expect("it holds");
        assert_eq!(envelope.metadata(), &metadata());
        assert_eq!(envelope.parts(), parts);
        assert_eq!(envelope.signature().certificate, identity.trusted().fingerprint);
        assert_eq!(envelope.signature().algorithm, identity.signer().algorithm().uri());
        assert_eq!(envelope.sha256(), Digest(sha256(&octets)));
    }
}

fn parties(count: usize) -> Vec<PartyId> {
    (0..count).map(|n| PartyId::parse(&format!("ags:{n}")).expect("a party")).collect()
}

/// Several Readers are read in their order; one too many, or one twice, is neither written nor read, and
/// the schema says so too.
#[test]
fn a_message_has_up_to_so_many_readers() {
    for count in [1, 2, MAX_READERS - 1] {
        let several = Metadata { other_readers: parties(count), ..metadata() };
        let octets = write_signed(&several, &[part("a")], &EC.signer()).expect("written");
        assert_eq!(verified(&octets, &EC).expect("it holds").metadata(), &several);
        assert!(schema_accepts(&octets));
    }
    let reader = metadata().reader;
    let mut twice = parties(3);
    twice[2] = twice[0].clone();
    for bad in [parties(MAX_READERS), vec![reader.clone()], twice] {
        let bad = Metadata { other_readers: bad, ..metadata() };
        let written = write_signed(&bad, &[part("a")], &EC.signer());
        assert!(matches!(written, Err(Unwritable::Readers)));
    }
    let with = |others: &str| good().replacen("<Service>", &format!("{others}<Service>"), 1);
    let other = |party: &str| format!("<OtherReader>{party}</OtherReader>");
    let most: String = parties(MAX_READERS).iter().map(|party| other(party.as_str())).collect();
    let escaped = reader.as_str().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for (bad, rule) in [
        (with(&most), "OtherReader: at most 64 Readers in all"),
        (with(&other(&escaped)), "OtherReader: no Reader is named twice"),
        (with(&[other("ags:1"), other("ags:1")].concat()), "OtherReader: no Reader is named twice"),
    ] {
        let fault = Fault::from(read(bad.as_bytes()).expect_err("is refused"));
        assert_eq!((fault.code, fault.detail.as_deref()), (Code::EnvelopeInvalid, Some(rule)));
        assert!(!schema_accepts(bad.as_bytes()), "{rule}");
    }
}

#[test]
fn the_text_is_its_own_canonical_form() {
    // The other way to sign parses and canonicalises; it must come to the same digest.
    let good = good();
    let (from, to) = signature_of(&good);
    let unsigned = format!("{}{}", &good[..from], &good[to..]);
    let place = Place::LastInRoot;
    let again = sign_enveloped(unsigned.as_bytes(), &EC.signer(), &place).expect("signed");
    verified(&again, &EC).expect("it holds");
    let digest = |text: &str| {
        let from = text.find("<DigestValue>").expect("there");
        text[from..].split('<').nth(1).map(str::to_owned)
    };
    assert_eq!(digest(&String::from_utf8(again).expect("UTF-8")), digest(&good));
}

/// Whatever was digested on speculation is thrown away where the signature is built otherwise.
#[test]
fn a_signature_with_another_digest_takes_a_second_pass() {
    let good = good();
    let (from, to) = signature_of(&good);
    let unsigned = format!("{}{}", &good[..from], &good[to..]);
    for digest in Allowed::default().digests {
        let signing = Signing { digest, ..Signing::default() };
        let (targets, place) = ([Target::DOCUMENT], Place::LastInRoot);
        let signed = sign_with(unsigned.as_bytes(), &EC.signer(), &place, &targets, &signing);
        let signed = signed.expect("signed");
        verified(&signed, &EC).expect("it holds");
        let changed = String::from_utf8(signed).expect("UTF-8").replacen("probe-1", "probe-2", 1);
        let fault = verified(changed.as_bytes(), &EC).expect_err("changed");
        assert_eq!(fault.code, Code::SignatureInvalid);
    }
    let inclusive = Signing { canonicalization: Mode::Inclusive, ..Signing::default() };
    let (targets, place) = ([Target::DOCUMENT], Place::LastInRoot);
    let signed = sign_with(unsigned.as_bytes(), &EC.signer(), &place, &targets, &inclusive);
    let fault = verified(&signed.expect("signed"), &EC).expect_err("not for envelopes");
    assert_eq!(fault.code, Code::AlgorithmNotAllowed);
}

fn signature_of(document: &str) -> (usize, usize) {
    let from = document.find("<Signature ").expect("there");
    let end = "</Signature>";
    (from, document.find(end).expect("there") + end.len())
}

fn schema_says(documents: &[(String, Vec<u8>)]) -> Vec<bool> {
    let schema = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/envelope.xsd");
    let folder = tempfile::tempdir().expect("a folder");
    documents
        .iter()
        .map(|(name, octets)| {
            let file = folder.path().join(name);
            fs::write(&file, octets).expect("written");
            let (schema, file) = (schema.display().to_string(), file.display().to_string());
            let arguments = ["--noout", "--nonet", "--schema", &schema, &file];
            let output = run("xmllint", "libxml2-utils", &arguments);
            let says = [" validates\n", " fails to validate\n"];
            assert!(says.iter().any(|s| output.stderr.ends_with(s)), "{}", output.stderr);
            output.yes
        })
        .collect()
}

fn schema_accepts(document: &[u8]) -> bool {
    schema_says(&[("envelope.xml".to_owned(), document.to_vec())])[0]
}

/// Edits that the schema and this codec refuse alike.
fn bad_forms() -> Vec<(&'static str, &'static str)> {
    vec![
        ("<Metadata>", "<Metadata><Extra></Extra>"),
        ("<Metadata>", "<Metadata a=\"\">"),
        ("<Metadata>", "<Metadata>canary"),
        ("<Parts>", "<Parts>canary"),
        ("<Parts>", "<Extra></Extra><Parts>"),
        ("<Author>ags:05766044</Author>", ""),
        ("<Author>ags:05766044</Author>", "<Author></Author>"),
        ("<Author>ags:05766044</Author>", "<Author>ags</Author>"),
        ("<Author>ags:05766044</Author>", "<Author>ags:1</Author><Author>ags:1</Author>"),
        ("<Author>ags:05766044", "<Author>ags: 05766044"),
        ("<Author>ags:05766044", "<Author> ags:05766044"),
        ("<Author>ags:05766044", "<Author>ags:05766044\u{a0}"),
        ("<Author>ags:05766044", "<Author><b></b>ags:05766044"),
        ("<Author>ags:05766044", "<Author xml:lang=\"de\">ags:05766044"),
        ("<Author>ags:05766044", "<Author>ags:0576*"),
        ("<Reader>", "<OtherReader>ags:1</OtherReader><Reader>"),
        ("<MessageType>", "<OtherReader>ags:1</OtherReader><MessageType>"),
        ("<Service>", "<OtherReader></OtherReader><Service>"),
        ("<Service>", "<OtherReader>ags</OtherReader><Service>"),
        ("<Service>", "<OtherReader a=\"\">ags:1</OtherReader><Service>"),
        ("<Service>", "<OtherReader>ags:1</OtherReader><OtherReader>ags:1</OtherReader><Service>"),
        ("urn:example:", "urn:example: "),
        ("urn:example:", "urn:{example}:"),
        ("<MessageType>0100", "<MessageType>01/00"),
        ("<TransportId>probe-1@lemgo", "<TransportId>"),
        ("<TransportId>probe-1@lemgo", "<TransportId>\u{e4}"),
        ("<TransportId>probe-1@lemgo</TransportId>", ""),
        ("<Created>2026-11-23T11:59:59", "<Created>2026-11-23 11:59:59"),
        ("<Created>2026-11-23T11:59:59", "<Created>2026-02-30T11:59:59"),
        ("<Created>2026-11-23T11:59:59", "<Created>2026-11-23T24:00:00"),
        ("<Created>2026-11-23T11:59:59", "<Created>2026-11-23T11:59:60"),
        ("<Created>2026-11-23T11:59:59", "<Created>0000-11-23T11:59:59"),
        ("<Created>2026-11-23T11:59:59", "<Created>-2026-11-23T11:59:59"),
        (".123456789Z", ".1234567890Z"),
        (".123456789Z", ".Z"),
        (".123456789Z", "+01:00"),
        (".123456789Z", ""),
        ("<Test>true", "<Test>1"),
        ("<Test>true", "<Test>TRUE"),
        ("<Test>true</Test>", ""),
        ("<Test>true</Test>", "<Test>true</Test><Test>false</Test>"),
        (" cid=\"a\"", ""),
        (" cid=\"a\"", " cid=\"\""),
        (" cid=\"a\"", " cid=\"a b\""),
        (" cid=\"a\"", " cid=\"b&amp;&quot;'\""),
        (" cid=\"a\"", " cid=\"a\" more=\"\""),
        (" size=\"8192\"", " size=\"08192\""),
        (" size=\"8192\"", " size=\"-1\""),
        (" size=\"8192\"", " size=\"+1\""),
        (" size=\"8192\"", " size=\"18446744073709551616\""),
        (" size=\"8192\"", ""),
        ("mediaType=\"text/xml", "mediaType=\"textxml"),
        ("mediaType=\"text/xml", "mediaType=\" text/xml"),
        ("mediaType=\"text/xml", "mediaType=\"/xml"),
        ("sha256=\"abab", "sha256=\"ABab"),
        ("sha256=\"abab", "sha256=\"abab0"),
        ("></Part>", "> </Part>"),
        ("></Part>", "><x></x></Part>"),
        ("</Envelope>", "<Extra></Extra></Envelope>"),
        ("</Envelope>", "canary</Envelope>"),
        ("urn:amtsbote:envelope:1", "urn:amtsbote:envelope:2"),
    ]
}

#[test]
fn bad_forms_are_refused_here_and_by_the_schema() {
    let good = good();
    assert!(schema_accepts(good.as_bytes()));
    let mut documents = Vec::new();
    for (n, (from, to)) in bad_forms().into_iter().enumerate() {
        assert!(good.contains(from), "{from}");
        let document = good.replacen(from, to, 1);
        match read(document.as_bytes()) {
            Ok(_) => panic!("accepted: {to}"),
            Err(fault) => {
                // With the namespace changed there is no signature at its place either.
                let expected = [Code::EnvelopeInvalid, Code::SignatureMissing];
                assert!(expected.contains(&fault.code()), "{to}: {fault:?}");
                let text = format!("{}", Fault::from(fault));
                assert!(!text.contains("canary") && !text.contains("05766044"), "{text}");
            }
        }
        documents.push((format!("{n}.xml"), document.into_bytes()));
    }
    let says = schema_says(&documents);
    for (n, (_, to)) in bad_forms().into_iter().enumerate() {
        assert!(!says[n], "the schema accepts {to}");
    }
}

#[test]
fn what_the_schema_cannot_say_is_refused_here() {
    let good = good();
    for (from, to) in [
        ("<Metadata>", "<!-- canary --><Metadata>"),
        ("ags:05766044", "ags:0576<!-- -->6044"),
        ("<Metadata>", "<?canary?><Metadata>"),
        ("<Envelope ", "<!-- canary --><Envelope "),
        (
            "<Envelope ",
            "<Envelope xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" \
             i:schemaLocation=\"urn:x canary\" ",
        ),
        ("cid=\"a\"", "cid=\"envelope.xml\""),
    ] {
        assert!(good.contains(from), "{from}");
        refused(&good.replacen(from, to, 1), Code::EnvelopeInvalid);
    }
    assert_eq!(ENVELOPE_CID, "envelope.xml");
    // Bytes, not characters: 130 times two.
    let long = format!("ags:{}", "\u{e4}".repeat(130));
    refused(&good.replace("ags:05766044", &long), Code::EnvelopeInvalid);
    refused(&good.replace("ags:05766044", &"canary".repeat(500)), Code::EnvelopeInvalid);
}

#[test]
fn other_faults_have_their_own_codes() {
    let good = good();
    refused(&good[..good.len() - 3], Code::EnvelopeNotWellFormed);
    refused("", Code::EnvelopeNotWellFormed);
    refused(&good.replace("<Envelope ", "<!DOCTYPE Envelope><Envelope "), Code::XmlLimit);
    refused(&format!("{good}{}", " ".repeat(MAX_BYTES)), Code::TooLarge);
    refused(&good.replace("<KeyInfo>", &format!("<KeyInfo>{}", "<x>".repeat(30))), Code::XmlLimit);
    let (from, to) = signature_of(&good);
    let (before, signature, after) = (&good[..from], &good[from..to], &good[to..]);
    refused(&format!("{before}{after}"), Code::SignatureMissing);
    refused(&format!("{before}{signature}{signature}{after}"), Code::EnvelopeInvalid);
    let object = format!("<Object>{signature}</Object></Signature>");
    let nested = signature.replace("</Signature>", &object);
    refused(&format!("{before}{nested}{after}"), Code::EnvelopeInvalid);
    // Nobody has signed what stands in the signature; a careless reader might take it for content.
    let forged = before.split_once('\n').expect("a declaration").1;
    for smuggled in [
        signature.replace("</Signature>", &format!("<Object>{forged}{after}</Object></Signature>")),
        signature.replace("</KeyInfo>", &format!("{forged}{after}</KeyInfo>")),
        signature.replace("</KeyInfo>", &format!("<Object>{forged}{after}</Object></KeyInfo>")),
    ] {
        refused(&format!("{before}{smuggled}{after}"), Code::EnvelopeInvalid);
    }
    let early =
        good.replace(signature, "").replace("<Metadata>", &format!("{signature}<Metadata>"));
    refused(&early, Code::EnvelopeInvalid);
    let fault = verified(good.as_bytes(), &OTHER).expect_err("somebody else is trusted");
    assert_eq!(fault.code, Code::SignerNotTrusted);
}

#[test]
fn the_octets_verified_are_the_octets_read() {
    let good = good();
    let other = good.replace("<Test>true", "<Test>false");
    let fault = read(good.as_bytes())
        .expect("read")
        .verify(other.as_bytes(), &[EC.trusted()], &Allowed::default(), now())
        .expect_err("other octets");
    assert_eq!(fault.code(), Code::SignatureInvalid);
    let spaces = format!("{good} ");
    let fault = read(good.as_bytes())
        .expect("read")
        .verify(spaces.as_bytes(), &[EC.trusted()], &Allowed::default(), now())
        .expect_err("other octets");
    assert!(matches!(fault, SignatureFault::DocumentChanged), "{fault:?}");
}

#[test]
fn every_value_is_signed() {
    let good = good();
    for (from, to) in [
        ("<Author>ags:05766044", "<Author>ags:05766048"),
        ("<Reader>t\u{f6}j", "<Reader>toj"),
        ("urn:example", "urn:beispiel"),
        ("<MessageType>0100", "<MessageType>0101"),
        ("<MessageType>0100</MessageType>", ""),
        ("probe-1", "probe-2"),
        ("5f0c:1", "5f0c:2"),
        (".123456789Z", ".123456788Z"),
        ("2026-11-24T", "2026-11-25T"),
        ("2027-01-01T", "2028-01-01T"),
        ("<Test>true", "<Test>false"),
        ("cid=\"a\"", "cid=\"c\""),
        ("text/xml", "text/xsl"),
        ("size=\"8192\"", "size=\"8193\""),
        ("sha256=\"ab", "sha256=\"aa"),
    ] {
        assert!(good.contains(from), "{from}");
        refused(&good.replacen(from, to, 1), Code::SignatureInvalid);
    }
}

#[test]
fn other_ways_to_write_the_same_are_the_same() {
    let good = good();
    for (from, to) in [
        ("<Author>ags:0576", "<Author ><![CDATA[ags:]]>0&#53;76"),
        ("cid=\"a\"", "  cid = '&#97;' "),
        ("></Part>", "/>"),
        ("<SignatureValue>", "<SignatureValue>\n  "),
        ("</X509Certificate>", "\r\n</X509Certificate>"),
        ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ""),
    ] {
        assert!(good.contains(from), "{from}");
        let envelope = verified(good.replacen(from, to, 1).as_bytes(), &EC).expect(to);
        assert_eq!(envelope.metadata(), &metadata());
        assert_eq!(envelope.parts(), [part("a"), part("b&\"'")]);
    }
}

#[test]
fn a_signed_envelope_inside_another_proves_nothing() {
    let good = good();
    let inner = good.split_once('\n').expect("a declaration").1;
    let (from, to) = signature_of(inner);
    let signature = &inner[from..to];
    let evil = inner.replace("<Author>ags:05766044", "<Author>ags:05766048").replace(signature, "");
    let object = format!("<Object>{}</Object></Signature>", inner.replace(signature, ""));
    let wrapped = signature.replace("</Signature>", &object);
    let with =
        |signature: &str| evil.replace("\n</Envelope>", &format!("{signature}\n</Envelope>"));
    refused(&with(&wrapped), Code::EnvelopeInvalid);
    refused(&with(signature), Code::SignatureInvalid);
    let inside = format!("<Object>{inner}</Object></Signature>");
    refused(&with(&signature.replace("</Signature>", &inside)), Code::EnvelopeInvalid);
}

#[test]
fn values_that_cannot_be_written_are_refused() {
    let write = |metadata: &Metadata, parts: &[Part]| write_signed(metadata, parts, &EC.signer());
    assert!(matches!(write(&metadata(), &[]), Err(Unwritable::Parts)));
    let many: Vec<Part> = (0..101).map(|n| part(&format!("p{n}"))).collect();
    assert!(matches!(write(&metadata(), &many), Err(Unwritable::Parts)));
    write(&metadata(), &many[..100]).expect("a hundred parts");
    assert!(matches!(write(&metadata(), &[part("a"), part("a")]), Err(Unwritable::PartTwice)));
    for cid in ["", "a b", "<a>", "\u{e4}", ENVELOPE_CID] {
        assert!(matches!(write(&metadata(), &[part(cid)]), Err(Unwritable::Value("cid"))), "{cid}");
    }
    for media_type in ["", "text", "text/", "/xml", "a/b\r\nX: y", "a/b ", "\u{e4}/b"] {
        let part = Part { media_type: media_type.to_owned(), ..part("a") };
        assert!(matches!(write(&metadata(), &[part]), Err(Unwritable::Value("mediaType"))));
    }
    let far = Metadata { created: Timestamp::MIN, ..metadata() };
    assert!(matches!(write(&far, &[part("a")]), Err(Unwritable::Value("Created"))));
    let noncharacter = PartyId::parse("ags:\u{FFFE}").expect("a party");
    let strange = Metadata { reader: noncharacter, ..metadata() };
    assert!(matches!(write(&strange, &[part("a")]), Err(Unwritable::Value("Reader"))));
}

#[test]
fn the_largest_envelope_fits() {
    let mut largest = metadata();
    largest.author = PartyId::parse(&format!("ags:{}", "&".repeat(251))).expect("a party");
    largest.reader = largest.author.clone();
    largest.service = ServiceUri::parse(&"&".repeat(512)).expect("a service");
    let parts: Vec<Part> = (0..MAX_PARTS)
        .map(|n| Part {
            cid: format!("{}{n:03}", "&".repeat(252)),
            media_type: format!("&/{}", "&".repeat(253)),
            size: 9_999_999_999_999_999_999,
            ..part("")
        })
        .collect();
    let octets = write_signed(&largest, &parts, &RSA.signer());
    // Ampersands are written as five octets; nobody has such Content-IDs, and the limit holds.
    assert!(matches!(octets, Err(Unwritable::TooLarge)));
    let parts: Vec<Part> = (0..MAX_PARTS)
        .map(|n| Part {
            cid: format!("{}{n:03}", "c".repeat(252)),
            media_type: format!("a/{}", "b".repeat(253)),
            ..part("")
        })
        .collect();
    let octets = write_signed(&largest, &parts, &RSA.signer()).expect("written");
    verified(&octets, &RSA).expect("it holds");
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (-62_000_000_000i64..253_000_000_000, prop_oneof![Just(0i32), 0..1_000_000_000])
        .prop_map(|(s, n)| Timestamp::new(s, n).expect("in range"))
}

prop_compose! {
    fn any_metadata()(
        author in "[a-z\u{e4}\u{f6}A-Z&<>\"']{1,9}:[0-9a-z:\u{df}&<>\"']{1,20}",
        reader in "[a-z]{1,9}:[!-)+-~]{1,20}",
        others in prop::collection::btree_set("[A-Z]{1,9}:[!-)+-~]{1,20}", 0..5),
        service in "[!#-)+-;=?-\\[\\]_a-z~]{1,60}",
        message_type in prop::option::of("[0-9A-Za-z\u{e4}\u{416}\u{661}._:-]{1,20}"),
        transport_id in "[A-Za-z0-9._~:@-]{1,128}",
        business_id in prop::option::of("[A-Za-z0-9._:-]{1,64}"),
        created in instant(),
        not_before in prop::option::of(instant()),
        expires in prop::option::of(instant()),
        test: bool,
    ) -> Metadata {
        Metadata {
            author: PartyId::parse(&author).expect("a party"),
            reader: PartyId::parse(&reader).expect("a party"),
            other_readers: others.iter().map(|o| PartyId::parse(o).expect("a party")).collect(),
            service: ServiceUri::parse(&service).expect("a service"),
            message_type: message_type.map(|t| MessageType::parse(&t).expect("a type")),
            transport_id: TransportId::parse(&transport_id).expect("an id"),
            business_id: business_id.map(|b| MessageUuid::parse(&b).expect("an id")),
            created,
            not_before,
            expires,
            test,
        }
    }
}

prop_compose! {
    fn any_parts()(
        cids in prop::collection::btree_set("[!-;=?-~]{1,40}", 1..6),
        media_type in "[a-z0-9!#&'.+_`|~^-]{1,10}/[a-z0-9.+-]{1,20}( ?;[ -~]{0,20}[!-~])?",
        size in 0u64..10_000_000_000_000_000_000,
        sha256: [u8; 32],
    ) -> Vec<Part> {
        cids.into_iter()
            .map(|cid| Part { cid, media_type: media_type.clone(), size, sha256: Digest(sha256) })
            .collect()
    }
}

fn signer() -> OpensslSigner {
    EC.signer()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn writing_then_reading_is_the_identity(metadata in any_metadata(), parts in any_parts()) {
        prop_assume!(parts.iter().all(|part| part.cid != ENVELOPE_CID));
        let octets = write_signed(&metadata, &parts, &signer()).expect("written");
        let envelope = verified(&octets, &EC).expect("it holds");
        prop_assert_eq!(envelope.metadata(), &metadata);
        prop_assert_eq!(envelope.parts(), parts);
        prop_assert!(schema_accepts(&octets), "{}", String::from_utf8_lossy(&octets));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_octets_are_answered(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&octets).is_err());
    }

    /// Whatever happens to the octets on the way: no other facts come out.
    #[test]
    fn mutations_never_verify_to_other_facts(edits in prop::collection::vec(edit(), 1..3)) {
        let mut octets = good().into_bytes();
        for edit in edits {
            edit.apply(&mut octets);
        }
        if let Ok(envelope) = verified(&octets, &EC) {
            prop_assert_eq!(envelope.metadata(), &metadata());
            prop_assert_eq!(envelope.parts(), [part("a"), part("b&\"'")]);
        }
    }
}

/// Something done to the octets of an envelope.
#[derive(Clone, Debug)]
enum Edit {
    /// One octet of the part before the signature becomes another letter or digit: most such
    /// envelopes still have the right form.
    Letter(prop::sample::Index, u8),
    /// Some octets are replaced by others, after a copy of a piece from elsewhere.
    Splice {
        at: prop::sample::Index,
        length: usize,
        copy: Option<(prop::sample::Index, usize)>,
        with: Vec<u8>,
    },
}

fn edit() -> impl Strategy<Value = Edit> {
    let letters = prop::sample::select(b"0123456789abcdefTtZ".to_vec());
    let with = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::collection::vec(prop::sample::select(b"<>/=\"' \n&;#!-?tT1".to_vec()), 0..8),
        prop::sample::select(vec![
            b"<!-- -->".to_vec(),
            b"&#97;".to_vec(),
            b" ".to_vec(),
            b"<x/>".to_vec(),
            b"<![CDATA[a]]>".to_vec(),
            b" xmlns=\"\"".to_vec(),
            b"\r\n".to_vec(),
        ]),
    ];
    let copy = prop::option::of((any::<prop::sample::Index>(), 0usize..200));
    prop_oneof![
        (any::<prop::sample::Index>(), letters).prop_map(|(at, letter)| Edit::Letter(at, letter)),
        (any::<prop::sample::Index>(), 0usize..60, copy, with)
            .prop_map(|(at, length, copy, with)| Edit::Splice { at, length, copy, with }),
    ]
}

impl Edit {
    fn apply(self, octets: &mut Vec<u8>) {
        match self {
            Self::Letter(at, letter) => {
                let signature = octets.windows(10).position(|piece| piece == b"<Signature");
                let values: Vec<usize> = (0..signature.unwrap_or(octets.len()))
                    .filter(|&n| octets[n].is_ascii_alphanumeric())
                    .collect();
                if !values.is_empty() {
                    octets[*at.get(&values)] = letter;
                }
            }
            Self::Splice { at, length, copy, with } => {
                if octets.is_empty() {
                    return;
                }
                let at = at.index(octets.len());
                let end = (at + length).min(octets.len());
                let mut piece = Vec::new();
                if let Some((from, copied)) = copy {
                    let from = from.index(octets.len());
                    piece.extend_from_slice(&octets[from..(from + copied).min(octets.len())]);
                }
                piece.extend(with);
                octets.splice(at..end, piece);
            }
        }
    }
}
