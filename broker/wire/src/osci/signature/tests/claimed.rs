//! From what came to what may be acted on: everything signed, or told apart, or refused.

use openssl::sha::sha256;

use super::authors::{
    ATTACHED, C14N, CONTENT, all, attached, author_signature, message, message_of, signature,
};
use super::*;
use crate::osci::{ContentKind, Enclosed, Message, MessageType, PackageItem};
use crate::testing::{OTHER, RSA};

fn code(result: Result<impl std::fmt::Debug, ClaimFault>) -> Code {
    result.expect_err("refused").feedback()
}

/// As one whom policy lets send unsigned.
fn permitted(document: &str, draft: &Draft) -> Result<Received, ClaimFault> {
    let (trusted, allowed) = ([EC.trusted()], Allowed::default());
    let means = Means { unsigned: IfUnsigned::Permit, ..means(&trusted, &allowed) };
    match receive_with(document.as_bytes(), draft.side, &draft.parts, &means)? {
        Checked::Unsigned(unsigned) => Ok(unsigned.into_received()),
        Checked::Verified(_) => panic!("signed"),
    }
}

fn claim(document: &str, side: Side) -> Result<Claimed, ClaimFault> {
    Claimed::read(document.as_bytes(), side, &osci::Limits::default(), &Allowed::default())
}

fn put_behind(document: &str, block: &str) -> String {
    document.replacen("</soap:Header>", &format!("{block}</soap:Header>"), 1)
}

#[test]
fn what_is_signed_is_received() {
    fn can_move_to_another_thread<T: Send>() {}
    can_move_to_another_thread::<Claimed>();
    can_move_to_another_thread::<Checked>();
    let draft = Draft::store_delivery(&EC);
    let document = draft.signed_by(&EC);
    let claimed = claim(&document, Side::Client).expect("read");
    assert_eq!(claimed.message_type(), MessageType::StoreDelivery);
    assert!(claimed.is_signed() && claimed.conversation_id().is_none());
    assert_eq!(claimed.certificates()[0].der, EC.der());
    assert_eq!(claimed.cipher_certificate(), None);
    assert_eq!(claimed.digests(), [DigestAlgorithm::Sha256]);
    let allowed = Allowed::default();
    let early = |trusted: &[TrustedCertificate]| claimed.signed_by(trusted, now(), &allowed);
    assert_eq!(early(&[EC.trusted()]).expect("the key of EC").der, EC.der());
    assert_eq!(code(early(&[OTHER.trusted()])), Code::ClientSigningCertificateNotGenuine);
    let verified = receive(&document, &draft, &EC).expect("it holds");
    assert_eq!(verified.signer(), EC.der());
    let received = verified.received();
    let Message::StoreDelivery(order) = &received.message else { panic!("another message") };
    assert_eq!(order.message_id.as_text(), Some("recht"));
    assert_eq!(received.root.0, sha256(document.as_bytes()));
    let attachments: Vec<_> = received
        .attachments
        .iter()
        .map(|attachment| (attachment.content_id.as_str(), attachment.encoded, attachment.octets))
        .collect();
    assert_eq!(attachments, [("one.bin", false, 5), ("zwei.txt", false, 7)]);
}

/// A block of somebody else is told apart by whether it is signed; it is never taken for signed.
#[test]
fn blocks_of_others_are_told_apart() {
    let mut draft = Draft::store_delivery(&EC);
    let block = format!("<x:a{NS} xmlns:x=\"urn:x\" Id=\"x\">1</x:a>");
    draft.blocks.push(("x".to_owned(), block.clone()));
    let document = put_behind(&draft.signed_by(&EC), "<y:b xmlns:y=\"urn:y\">2</y:b>");
    let verified = receive(&document, &draft, &EC).expect("it holds");
    let names = |blocks: &[osci::Verbatim]| {
        blocks.iter().map(|block| block.local.clone()).collect::<Vec<_>>()
    };
    let received = verified.received();
    assert_eq!(names(&received.custom), ["a"]);
    assert_eq!(names(&received.uncovered), ["b"]);
    // One that could be signed and is not.
    let less = Draft::store_delivery(&EC);
    let open = put_behind(&less.signed_by(&EC), &block);
    assert_eq!(code(receive(&open, &less, &EC)), Code::OrderNotFullySigned);
    // Without a signature nothing is covered.
    let received = permitted(&draft.with(""), &draft).expect("taken");
    assert!(received.custom.is_empty());
    assert_eq!(names(&received.uncovered), ["a"]);
}

#[test]
fn every_block_the_body_and_every_attachment_must_be_signed() {
    let draft = Draft::store_delivery(&EC);
    for n in 0..draft.blocks.len() {
        let mut fewer = draft.clone();
        let (id, _) = fewer.blocks.remove(n);
        let document = draft.with(&fewer.signature(&EC.signer()));
        assert_eq!(code(receive(&document, &draft, &EC)), Code::OrderNotFullySigned, "{id}");
    }
    let signature = draft.signature(&EC.signer());
    let from = signature.find("<ds:Reference URI=\"#body\">").expect("there");
    let end = "</ds:Reference>\n";
    let to = from + signature[from..].find(end).expect("its end") + end.len();
    let inner = signature.find("<ds:SignedInfo>").expect("there") + "<ds:SignedInfo>".len();
    let close = signature.find("</ds:SignedInfo>").expect("there");
    let shorter = format!("{}{}", &signature[inner..from], &signature[to..close]);
    let octets = format!("<ds:SignedInfo{NS}>{shorter}</ds:SignedInfo>");
    let value = STANDARD.encode(EC.signer().sign(octets.as_bytes()).expect("signed"));
    let rest = &signature[signature.find("</ds:SignatureValue>").expect("there")..];
    let bodiless =
        format!("{}{shorter}</ds:SignedInfo><ds:SignatureValue>{value}{rest}", &signature[..inner]);
    let refused = code(receive(&draft.with(&bodiless), &draft, &EC));
    assert_eq!(refused, Code::OrderNotFullySigned);
    let document = draft.with(&signature);
    let with = |parts: Vec<(String, Vec<u8>)>| {
        code(receive(&document, &Draft { parts, ..draft.clone() }, &EC))
    };
    assert_eq!(with(draft.parts[..1].to_vec()), Code::OrderSignatureWrong);
    let more = ("more".to_owned(), b"more".to_vec());
    assert_eq!(with([draft.parts.clone(), vec![more]].concat()), Code::OrderNotFullySigned);
    let twice = [draft.parts.clone(), draft.parts[..1].to_vec()].concat();
    assert_eq!(with(twice), Code::NotAnOsciMessage);
}

#[test]
fn unsigned_is_another_thing_and_only_where_policy_takes_it() {
    let draft = Draft::store_delivery(&EC);
    let unsigned = draft.with("");
    let (trusted, allowed) = ([EC.trusted()], Allowed::default());
    let means = means(&trusted, &allowed);
    let refused = receive_with(unsigned.as_bytes(), Side::Client, &draft.parts, &means);
    assert_eq!(code(refused), Code::OrderUnsigned);
    let claimed = claim(&unsigned, Side::Client).expect("read");
    assert!(!claimed.is_signed() && claimed.certificates().is_empty());
    assert_eq!(code(claimed.signed_by(&trusted, now(), &allowed)), Code::OrderUnsigned);
    assert_eq!(permitted(&unsigned, &draft).expect("taken").attachments.len(), 2);
    // Who bears a signature stands by it, whatever policy would take.
    let signed = draft.signed_by(&EC);
    let forged = signed.replace("cmVjaHQ=", "ZmFsc2No");
    assert_eq!(code(permitted(&forged, &draft)), Code::OrderSignatureWrong);
    let theirs = Draft::store_delivery(&OTHER).signed_by(&OTHER);
    assert_eq!(code(permitted(&theirs, &draft)), Code::ClientSigningCertificateNotGenuine);
    let empty = "<osci:ClientSignature Id=\"clientsignature\"></osci:ClientSignature>";
    assert_eq!(code(permitted(&draft.with(empty), &draft)), Code::OrderSignatureWrong);
}

#[test]
fn an_answer_is_no_order() {
    let draft = Draft::store_delivery(&EC);
    for document in [draft.signed_by(&EC), draft.with("")] {
        assert_eq!(code(claim(&document, Side::Supplier)), Code::NotAnOrder);
    }
    let supplier = Draft { side: Side::Supplier, ..draft.clone() }.signed_by(&EC);
    assert_eq!(code(claim(&supplier, Side::Client)), Code::NotAnOrder);
    // Nor does the signature of one side count on the other.
    let both = draft.signed_by(&EC).replace("ClientSignature", "SupplierSignature");
    assert_eq!(code(claim(&both, Side::Client)), Code::NotAnOrder);
    assert_eq!(code(claim("<a/>", Side::Client)), Code::NotAnOsciMessage);
    assert_eq!(code(claim("<a>", Side::Client)), Code::NotAnOsciMessage);
    // Two elements with one identifier are no valid order, signed or not.
    let twice = draft.with("").replace("Id=\"desiredlanguages\"", "Id=\"body\"");
    assert_eq!(code(claim(&twice, Side::Client)), Code::NotAnOrder);
}

#[test]
fn an_attachment_that_a_content_names_must_have_come() {
    let content = ATTACHED.replace("one.bin", "three.bin");
    let (draft, signed) = message(&content);
    assert_eq!(code(receive(&signed, &draft, &EC)), Code::NotAnOrder);
    assert_eq!(code(permitted(&draft.with(""), &draft)), Code::NotAnOrder);
    let (draft, signed) = message(ATTACHED);
    receive(&signed, &draft, &EC).expect("it came");
}

/// The signature need not be where the reference library has it, and digests need not be SHA-256; one
/// pass is enough all the same, but for what no client was seen to do.
#[test]
fn the_place_of_the_signature_and_its_digests_are_found_out_in_one_pass() {
    let last = |digest, more: usize| {
        let mut draft = Draft { digest, ..Draft::store_delivery(&EC) };
        for n in 0..more {
            let block = format!("<x:a{NS} xmlns:x=\"urn:x\" Id=\"x{n}\"></x:a>");
            draft.blocks.push((format!("x{n}"), block));
        }
        let signature = draft.signature(&EC.signer());
        let document = put_behind(&draft.with(""), &signature);
        receive(&document, &draft, &EC).map(|verified| verified.received().custom.len())
    };
    for digest in [
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512,
        DigestAlgorithm::Sha3_256,
        DigestAlgorithm::Sha3_512,
    ] {
        assert_eq!(last(digest, 2).expect("six blocks and two before the signature"), 2);
    }
    assert_eq!(last(DigestAlgorithm::Sha256, 20).expect("any number by SHA-256"), 20);
    assert_eq!(code(last(DigestAlgorithm::Sha512, 3)), Code::OrderSignatureWrong);
}

#[test]
fn authors_are_found_by_where_their_container_stands() {
    let signed = signature(&all(&attached()), &OTHER);
    let open = "<osci:Content><osci:Base64Content Id=\"content7\">QQ==</osci:Base64Content></osci:Content>";
    // Neither has an identifier, and the first one is signed by nobody.
    let (draft, document) = message_of(&format!(
        "<osci:ContentContainer{NS}>{open}</osci:ContentContainer>\
         <osci:ContentContainer{NS}>{signed}{CONTENT}{ATTACHED}{}</osci:ContentContainer>",
        open.replace("content7", "content8"),
    ));
    let verified = receive(&document, &draft, &EC).expect("it holds");
    let received = verified.received();
    let package = received.package.as_ref().expect("a package");
    let [first, second] = &package.containers[..] else { panic!("two containers") };
    assert!(received.container(first).expect("by its node").signatures.is_empty());
    let report = received.container(second).expect("by its node");
    let seal = report.signatures[0].outcome.as_ref().expect("it holds");
    assert!(!seal.is_whole());
    let covered: Vec<_> =
        second.contents.iter().map(|content| seal.covers_content(&content.element)).collect();
    assert_eq!(covered, [true, true, false]);
    assert!(!seal.covers_content(&first.contents[0].element));
    // They hold in an unsigned message as well: they are of other people.
    let received = permitted(&draft.with(""), &draft).expect("taken");
    assert!(received.containers[1].signatures[0].outcome.is_ok());
}

/// Containers within containers, eight signatures each over everything inside.
#[test]
fn only_so_many_digests_are_made_at_the_same_time() {
    let mut inner = "<osci:Base64Content Id=\"base\">QQ==</osci:Base64Content>".to_owned();
    for level in 0..4 {
        let content = format!("<osci:Content Id=\"level{level}\">{inner}</osci:Content>");
        let canonical = content.replacen(" Id", &format!("{NS} Id"), 1);
        let id = format!("#level{level}");
        let one = author_signature(&[(&id, C14N, canonical.as_bytes())], &OTHER);
        let signatures = one.repeat(MAX_SIGNATURES_EACH);
        inner = format!("<osci:ContentContainer>{signatures}{content}</osci:ContentContainer>");
    }
    let (draft, document) = message_of(&inner);
    let verified = receive(&document, &draft, &EC).expect("the message itself holds");
    let held: Vec<_> = verified
        .received()
        .containers
        .iter()
        .map(|report| report.signatures.iter().filter(|one| one.outcome.is_ok()).count())
        .collect();
    assert_eq!(held, [8, 8, 0, 0]);
}

/// What lies deeper than contents do, or behind the container, is not even digested.
#[test]
fn an_author_reaches_no_further_than_the_container() {
    let deep = "<osci:Content Id=\"c\"><a><b Id=\"deep\"></b></a></osci:Content>";
    let canonical = format!("<b{NS} Id=\"deep\"></b>");
    for (inner, id, octets) in [
        (deep.to_owned(), "#deep", canonical.as_bytes()),
        (deep.to_owned(), "#contentcontainer0", b"".as_slice()),
    ] {
        let signature = author_signature(&[(id, C14N, octets)], &OTHER);
        let (draft, document) = message(&format!("{signature}{inner}"));
        let verified = receive(&document, &draft, &EC).expect("the message itself holds");
        let outcome = &verified.received().containers[0].signatures[0].outcome;
        assert!(matches!(outcome, Err(SignatureFault::Invalid { .. })), "{outcome:?}");
    }
}

/// What an unsigned message may have, a signed one may have, and an Author may sign it.
#[test]
fn limits_are_the_same_with_and_without_signatures() {
    let parts: Vec<_> =
        (0..MAX_ATTACHMENTS).map(|n| (format!("part{n}"), n.to_string().into_bytes())).collect();
    let contents: Vec<_> = (0..parts.len())
        .map(|n| format!("<osci:Content Id=\"c{n}\" href=\"cid:part{n}\"></osci:Content>"))
        .collect();
    let mut references = Vec::new();
    for (n, (name, octets)) in parts.iter().enumerate() {
        references.push((format!("cid:{name}"), None, octets.clone()));
        let canonical = contents[n].replacen(" Id", &format!("{NS} Id"), 1);
        references.push((format!("#c{n}"), C14N, canonical.into_bytes()));
    }
    let references: Vec<_> = references
        .iter()
        .map(|(uri, how, octets)| (uri.as_str(), *how, octets.as_slice()))
        .collect();
    let author = author_signature(&references, &OTHER);
    let (mut draft, _) = message(&format!("{author}{}", contents.concat()));
    draft.parts = parts;
    permitted(&draft.with(""), &draft).expect("unsigned");
    let verified = receive(&draft.signed_by(&EC), &draft, &EC).expect("signed");
    let seal = verified.received().containers[0].signatures[0].outcome.as_ref();
    assert!(seal.expect("by the Author as well").is_whole());
}

/// Certificates are counted together, whatever they are for.
#[test]
fn certificates_of_a_block_are_counted_together() {
    let (_, document) = message(ATTACHED);
    let read = |certificates| {
        let limits = osci::Limits { certificates, ..osci::Limits::default() };
        Claimed::read(document.as_bytes(), Side::Client, &limits, &Allowed::default())
    };
    read(3).expect("Originator, Addressee and an Author");
    let fault = read(2).expect_err("one too many");
    assert!(matches!(&fault, ClaimFault::Message(osci::Refusal::Limit { .. })), "{fault:?}");
}

/// Whichever of the two readers meets a limit first.
#[test]
fn what_is_too_much_has_one_code() {
    let containers = |count: usize| {
        let one = |n| format!("<osci:ContentContainer Id=\"k{n}\"></osci:ContentContainer>");
        message_of(&(0..count).map(one).collect::<String>()).1
    };
    claim(&containers(MAX_CONTAINERS), Side::Client).expect("as many as may be");
    assert_eq!(code(claim(&containers(MAX_CONTAINERS + 1), Side::Client)), Code::NotAnOrder);
    let limits = osci::Limits { containers: 1, ..osci::Limits::default() };
    let document = containers(2);
    let refused = Claimed::read(document.as_bytes(), Side::Client, &limits, &Allowed::default());
    assert_eq!(code(refused), Code::NotAnOrder);
}

/// P4: comments are no part of what is signed, and belong to whoever wrote them. A delivery that is
/// handed out keeps them, under its Author's signature and under ours.
#[test]
fn comments_in_content_are_passed_on() {
    let inline = "<a xmlns=\"urn:a\">1<!-- one -->2<?p <!--?></a>";
    let content = format!("<osci:Content Id=\"c\">{inline}</osci:Content>");
    let canonical = content.replacen(" Id", &format!("{NS} Id"), 1).replace("<!-- one -->", "");
    let author = author_signature(&[("#c", C14N, canonical.as_bytes())], &OTHER);
    let (draft, document) = message(&format!("{author}{content}<!-- two -->"));
    let verified = receive(&document, &draft, &EC).expect("it holds");
    let (received, _) = verified.into_parts();
    let container = &received.package.as_ref().expect("a package").containers[0];
    let octets = container.element.canonical_of(document.as_bytes()).expect("its octets");
    let package = Some(vec![PackageItem::new(&octets).expect("an item")]);
    let enclosed = Enclosed { package, custom: Vec::new() };
    let relayed = received.message.write(&enclosed).expect("written");
    let digest = DigestAlgorithm::Sha256;
    let blocks: Result<Vec<_>, _> =
        relayed.blocks().map(|(id, octets)| SignedBlock::of(id, octets, digest)).collect();
    let digests: Vec<_> = draft.parts.iter().map(|(_, one)| digest_of(one, &[digest])).collect();
    let parts: Vec<_> = draft
        .parts
        .iter()
        .zip(&digests)
        .map(|((content_id, _), made)| SignedPart {
            content_id,
            digest: made.by(digest).expect("made"),
        })
        .collect();
    let blocks = blocks.expect("digests");
    let (side, role) = (Side::Client, "originator");
    let making = Making { side, role, digest, blocks: &blocks, parts: &parts };
    let block = signature_block(&making, &EC.signer()).expect("signed");
    let again = relayed.clone().finish(Some(block.as_bytes()));
    let again = String::from_utf8(again).expect("UTF-8");
    assert!(again.contains(inline) && again.contains("<!-- two --></osci:ContentContainer>"));
    let verified = receive(&again, &draft, &EC).expect("it holds");
    let seal = verified.received().containers[0].signatures[0].outcome.as_ref();
    assert!(seal.expect("the Author's as well").is_whole());
    let package = verified.received().package.as_ref().expect("a package");
    assert!(matches!(package.containers[0].contents[0].kind, ContentKind::Xml(_)));
}

/// Every seventh octet changed: what is received is what was signed.
#[test]
fn a_changed_copy_is_refused_or_says_the_same() {
    let draft = Draft::store_delivery(&EC);
    let document = draft.signed_by(&EC);
    let good = receive(&document, &draft, &EC).expect("it holds").into_parts().0.message;
    let (trusted, allowed) = ([EC.trusted()], Allowed::default());
    let means = means(&trusted, &allowed);
    let mut refused = 0;
    for at in (0..document.len()).step_by(7) {
        let mut copy = document.clone().into_bytes();
        copy[at] ^= 1 << (at % 7);
        match receive_with(&copy, Side::Client, &draft.parts, &means) {
            Err(fault) => {
                assert!(fault.feedback() != Code::SupplierError, "octet {at}: {fault:?}");
                refused += 1;
            }
            Ok(checked) => assert_eq!(checked.received().message, good, "octet {at}"),
        }
    }
    assert!(refused * 7 * 10 > document.len() * 8, "{refused}");
}

#[test]
fn of_references_by_an_rsa_key_with_sha_512_nothing_is_read_twice() {
    use crate::signature::{OpensslSigner, SignatureAlgorithm};
    let draft = Draft { digest: DigestAlgorithm::Sha512, ..Draft::store_delivery(&RSA) };
    let key = RSA.key.clone();
    let signer = OpensslSigner::with(key, &RSA.certificate, SignatureAlgorithm::RsaSha512);
    let document = draft.with(&draft.signature(&signer.expect("a signer")));
    let claimed = claim(&document, Side::Client).expect("read");
    assert_eq!(claimed.digests(), [DigestAlgorithm::Sha512]);
    let verified = receive(&document, &draft, &RSA).expect("it holds");
    assert_eq!(verified.facts().algorithm, SignatureAlgorithm::RsaSha512.uri());
}
