//! Signature wrapping in the published shapes (XSW 1 to 9), carried over to a message: the signed
//! block or body goes somewhere else or gets company, and a forged one stands where it is read.

use super::*;
use crate::testing::OTHER;

/// The blocks that are worth forging, with what is forged in them.
fn targets(draft: &Draft) -> Vec<(String, String, String)> {
    let forge = |id: &str, block: &str| {
        let forged = match id {
            "controlblock" => block.replace("SequenceNumber=\"0\"", "SequenceNumber=\"7\""),
            "desiredlanguages" => block.replace("\"de\"", "\"en\""),
            "qualityoftimestamp_creation" | "qualityoftimestamp_reception" => {
                block.replace("\"plain\"", "\"cryptographic\"")
            }
            "storedelivery" => block.replace("cmVjaHQ=", "ZmFsc2No"),
            "body" => block.replace("<osci:ContentPackage>", "<osci:ContentPackage><x></x>"),
            _ => block.replace(&STANDARD.encode(EC.der()), &STANDARD.encode(OTHER.der())),
        };
        assert_ne!(forged, block, "{id}");
        (id.to_owned(), block.to_owned(), forged)
    };
    let body = ("body".to_owned(), draft.body.clone());
    draft.blocks.iter().chain([&body]).map(|(id, block)| forge(id, block)).collect()
}

/// The forged block with its Id, with another one, and with none.
fn identified(id: &str, forged: &str) -> [String; 4] {
    let own = format!(" Id=\"{id}\"");
    let wsu = format!(
        " xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/\
         oasis-200401-wss-wssecurity-utility-1.0.xsd\" wsu:Id=\"{id}\""
    );
    [
        forged.to_owned(),
        forged.replacen(&own, &format!(" Id=\"{id}-2\""), 1),
        forged.replacen(&own, "", 1),
        forged.replacen(&own, &wsu, 1),
    ]
}

/// Places for something more, each as what stands before it.
const PLACES: [&str; 12] = [
    "<soap:Header>",
    "</soap:Header>",
    "</soap:Body>",
    "</soap:Envelope>",
    "<osci:ContentPackage>",
    "</osci:ControlBlock>",
    "<osci:ClientSignature",
    "<ds:SignatureValue>",
    "<ds:KeyInfo>",
    "</ds:KeyInfo>",
    "</ds:Signature>",
    "</osci:ClientSignature>",
];

fn put(message: &str, place: &str, more: &str) -> String {
    let at = message.find(place).expect("the place");
    let at = if place == "<soap:Header>" { at + place.len() } else { at };
    format!("{}{more}{}", &message[..at], &message[at..])
}

#[test]
fn a_forged_block_never_passes() {
    let draft = Draft::store_delivery(&EC);
    let good = draft.signed_by(&EC);
    let mut tried = 0;
    let mut attack = |copy: String, what: &str| {
        tried += 1;
        if receive(&copy, &draft, &EC).is_ok() {
            panic!("received: {what}\n{copy}");
        }
        match judge(&copy, &draft, &EC) {
            Ok(_) => panic!("accepted: {what}\n{copy}"),
            Err(fault) => {
                let feedback = Code::from(&fault);
                assert_ne!(feedback, Code::SignatureCheckFailed, "{what}: {fault:?}");
            }
        }
    };
    for (id, block, forged) in targets(&draft) {
        attack(good.replacen(&block, &forged, 1), "in place");
        for evil in identified(&id, &forged) {
            let plain = good.replacen(&block, &evil, 1);
            for place in PLACES {
                // The original somewhere else, the forgery in its place.
                if plain.contains(place) {
                    for original in [
                        block.clone(),
                        format!("<w>{block}</w>"),
                        format!("<ds:Object>{block}</ds:Object>"),
                        format!("<osci:Extension Id=\"extension\">{block}</osci:Extension>"),
                    ] {
                        attack(put(&plain, place, &original), place);
                    }
                }
                // The original in its place, the forgery somewhere else where it has a meaning.
                let read = matches!(place, "<soap:Header>" | "</soap:Header>")
                    || (id == "body" && matches!(place, "</soap:Envelope>"));
                if read {
                    attack(put(&good, place, &evil), place);
                }
            }
            // Beside each other, in both orders, and one inside the other.
            attack(good.replacen(&block, &format!("{evil}{block}"), 1), "before");
            attack(good.replacen(&block, &format!("{block}{evil}"), 1), "behind");
            let end = evil.rfind("</").expect("its end");
            let around = format!("{}{block}{}", &evil[..end], &evil[end..]);
            attack(good.replacen(&block, &around, 1), "around");
        }
    }
    assert!(tried > 900, "{tried}");
}

#[test]
fn the_frame_of_a_message_leaves_no_room() {
    let draft = Draft::store_delivery(&EC);
    let signature = draft.signature(&EC.signer());
    let good = draft.with(&signature);
    let not_all = [
        // A second header or body, something beside both, a block of ours without an Id.
        put(&good, "<soap:Body", "<soap:Header></soap:Header>"),
        put(&good, "</soap:Envelope>", "<soap:Body></soap:Body>"),
        put(&good, "</soap:Envelope>", &format!("<soap:Body{NS} Id=\"b2\"></soap:Body>")),
        put(&good, "</soap:Envelope>", "<osci:storeDelivery></osci:storeDelivery>"),
        put(&good, "</soap:Header>", "<osci:storeDelivery></osci:storeDelivery>"),
        put(
            &good,
            "</soap:Header>",
            "<x:partialStoreDelivery \
            xmlns:x=\"http://xoev.de/transport/osci12/7\"></x:partialStoreDelivery>",
        ),
        put(&good, "</soap:Header>", "text"),
        put(&good, "</soap:Header>", "<x Id=\"custom\"></x>"),
        // More in the block of the signature than a signature.
        put(&good, "</osci:ClientSignature>", "<osci:storeDelivery></osci:storeDelivery>"),
        put(&good, "</osci:ClientSignature>", "text"),
        put(&good, "</ds:Signature>", "<ds:Object><x></x></ds:Object>"),
        put(&good, "</ds:KeyInfo>", "<osci:MessageId></osci:MessageId>"),
        put(&good, "</soap:Header>", "<osci:ClientSignature></osci:ClientSignature>"),
        put(&good, "</soap:Header>", "<osci:ClientSignature Id=\"c2\"></osci:ClientSignature>"),
    ];
    for copy in not_all {
        refused(judge(&copy, &draft, &EC), Code::OrderNotFullySigned);
    }
    // A header block of somebody else without an Id is nobody's business, and is not covered.
    let foreign = put(&good, "</soap:Header>", "<x:y xmlns:x=\"urn:x\"><x:z></x:z></x:y>");
    let verified = judge(&foreign, &draft, &EC).expect("it holds");
    assert_eq!(verified.verification().nodes().len(), draft.blocks.len() + 1);
    // Two signatures, none, and one that stands elsewhere.
    let second = signature.replace("Id=\"clientsignature\"", "Id=\"another\"");
    let empty = "<osci:ClientSignature Id=\"clientsignature\"></osci:ClientSignature>";
    let deeper = signature
        .replace("<ds:Signature>", "<x><ds:Signature>")
        .replace("</ds:Signature>", "</ds:Signature></x>");
    for copy in [
        put(&good, "</soap:Header>", &second),
        put(&good, "<osci:ClientSignature", &second),
        good.replace(&signature, empty),
        good.replace(&signature, &deeper),
    ] {
        refused(judge(&copy, &draft, &EC), Code::OrderSignatureWrong);
    }
    let twice = put(&good, "</soap:Header>", &signature);
    refused(judge(&twice, &draft, &EC), Code::OrderNotFullySigned);
    // The whole message inside another one is not signed.
    let inside = format!(
        "<soap:Envelope{NS}><soap:Header></soap:Header><soap:Body Id=\"b\">{}</soap:Body></soap:Envelope>",
        &good[good.find("<soap:Envelope").expect("there")..]
    );
    let read = read(inside.as_bytes(), Side::Client).expect("read");
    assert!(read.message.is_none());
    // Nor is one under another envelope.
    let soap12 = good.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope");
    let other = super::read(soap12.as_bytes(), Side::Client).expect("read");
    assert!(other.message.is_none());
}

/// A signature that covers something else than blocks, body and attachments, made by the signer.
#[test]
fn a_reference_too_many_or_too_few_is_refused_from_whomever() {
    let draft = Draft::store_delivery(&EC);
    let part = |octets: &[u8]| digest_of(octets, &[DigestAlgorithm::Sha256]);
    let digests: Vec<_> = draft.parts.iter().map(|(_, octets)| part(octets)).collect();
    let id = certificate_id("originator", CertificateUse::Signature, &EC.der());
    let sign = |blocks: &[(&str, &str)], cids: &[(&str, usize)]| {
        let blocks: Vec<_> = blocks
            .iter()
            .map(|(id, octets)| {
                SignedBlock::of(id, octets.as_bytes(), DigestAlgorithm::Sha256).expect("a digest")
            })
            .collect();
        let parts: Vec<_> = cids
            .iter()
            .map(|(content_id, n)| SignedPart {
                content_id,
                digest: digests[*n].by(DigestAlgorithm::Sha256).expect("made"),
            })
            .collect();
        let (side, role, digest) = (draft.side, draft.role, draft.digest);
        let making = Making { side, role, digest, blocks: &blocks, parts: &parts };
        draft.with(&signature_block(&making, &EC.signer()).expect("signed"))
    };
    let mut blocks: Vec<(&str, &str)> =
        draft.blocks.iter().map(|(id, octets)| (id.as_str(), octets.as_str())).collect();
    blocks.push(("body", &draft.body));
    let cids = [("one.bin", 0), ("zwei.txt", 1)];
    judge(&sign(&blocks, &cids), &draft, &EC).expect("as it should be");
    let not_all = |message: String| {
        refused(judge(&message, &draft, &EC), Code::OrderNotFullySigned);
    };
    for n in 0..blocks.len() {
        let mut fewer = blocks.clone();
        let one = fewer.remove(n);
        not_all(sign(&fewer, &cids));
        let mut more = blocks.clone();
        more.push(one);
        not_all(sign(&more, &cids));
    }
    not_all(sign(&blocks, &cids[..1]));
    not_all(sign(&blocks, &[]));
    not_all(sign(&blocks, &[cids[0], cids[1], cids[0]]));
    // Something inside a block, in the form in which it stands there.
    let element = certificate_element("originator", "SignatureCertificateOriginator", &EC);
    let element = element.replacen(" Id=", &format!("{NS} Id="), 1);
    let mut inside = blocks.clone();
    inside.push((&id, &element));
    refused(judge(&sign(&inside, &cids), &draft, &EC), Code::OrderSignatureWrong);
    // What is not there at all.
    let mut nothing = blocks.clone();
    nothing.push(("nothing", ""));
    refused(judge(&sign(&nothing, &cids), &draft, &EC), Code::OrderSignatureWrong);
    let unknown = sign(&blocks, &[cids[0], cids[1], ("three.txt", 0)]);
    refused(judge(&unknown, &draft, &EC), Code::OrderSignatureWrong);
}

/// The references of a signature do what this profile says, and nothing else that XML signatures
/// could do.
#[test]
fn other_algorithms_and_transforms_are_refused() {
    let draft = Draft::store_delivery(&EC);
    let c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let block = draft.signature(&EC.signer());
    let transform = format!("<ds:Transform Algorithm=\"{c14n}\"></ds:Transform>\n");
    let resigned = |edit: &dyn Fn(&str) -> String| {
        let from = block.find("<ds:SignedInfo>").expect("there") + "<ds:SignedInfo>".len();
        let to = block.find("</ds:SignedInfo>").expect("there");
        let inner = edit(&block[from..to]);
        let signed = format!("<ds:SignedInfo{NS}>{inner}</ds:SignedInfo>");
        let value = STANDARD.encode(EC.signer().sign(signed.as_bytes()).expect("signed"));
        let rest = &block[block.find("</ds:SignatureValue>").expect("there")..];
        draft.with(&format!(
            "{}{inner}</ds:SignedInfo><ds:SignatureValue>{value}{rest}",
            &block[..from]
        ))
    };
    judge(&resigned(&|inner| inner.to_owned()), &draft, &EC).expect("as it was");
    // Without a transform it is the same canonicalization, by the standard for signatures.
    let wrapped = format!("<ds:Transforms>\n{transform}</ds:Transforms>\n");
    judge(&resigned(&|inner| inner.replacen(&wrapped, "", 1)), &draft, &EC).expect("by default");
    for (from, to) in [
        (c14n, "http://www.w3.org/2001/10/xml-exc-c14n#"),
        (c14n, "http://www.w3.org/2006/12/xml-c14n11"),
        ("xmlenc#sha256", "xmlenc#ripemd160"),
        ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
    ] {
        for n in [1, 100] {
            let copy = resigned(&|inner| inner.replacen(from, to, n));
            refused(judge(&copy, &draft, &EC), Code::OrderSignatureWrong);
        }
    }
    for instead in [
        "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\n",
        "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"></ds:Transform>\n",
        "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>\
         not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>\n",
    ] {
        let copies = [
            resigned(&|inner| inner.replacen(&transform, instead, 1)),
            resigned(&|inner| inner.replacen(&transform, &format!("{instead}{transform}"), 1)),
        ];
        for copy in copies {
            judge(&copy, &draft, &EC).expect_err(instead);
        }
    }
    // Attachments are taken as they came.
    let cid = "<ds:Reference URI=\"cid:one.bin\">\n";
    for kind in [c14n, "http://www.w3.org/2000/09/xmldsig#base64"] {
        let more = format!(
            "{cid}<ds:Transforms>\n<ds:Transform Algorithm=\"{kind}\"></ds:Transform>\n</ds:Transforms>\n"
        );
        let copy = resigned(&|inner| inner.replacen(cid, &more, 1));
        refused(judge(&copy, &draft, &EC), Code::OrderSignatureWrong);
    }
    // The policy decides what is legacy.
    let strict = Allowed { digests: vec![DigestAlgorithm::Sha512], ..Allowed::default() };
    let trusted = [EC.trusted()];
    let good = draft.with(&block);
    let judged = judge_with(good.as_bytes(), draft.side, &draft.parts, &trusted, &strict);
    refused(judged, Code::OrderSignatureWrong);
}

/// SHA-1 is read under the legacy profile and under no other; nothing is made with it.
#[test]
fn old_messages_are_read_where_policy_says_so() {
    use openssl::hash::MessageDigest;
    use openssl::sign::Signer as OpensslSign;

    use crate::signature::SignatureAlgorithm;
    use crate::testing::RSA;

    let mut draft = Draft::store_delivery(&RSA);
    draft.parts.clear();
    let block = draft.signature(&RSA.signer());
    let from = block.find("<ds:SignedInfo>").expect("there") + "<ds:SignedInfo>".len();
    let to = block.find("</ds:SignedInfo>").expect("there");
    let mut inner = block[from..to]
        .replace(SignatureAlgorithm::RsaSha256.uri(), SignatureAlgorithm::RsaSha1.uri())
        .replace(DigestAlgorithm::Sha256.uri(), DigestAlgorithm::Sha1.uri());
    let body = ("body".to_owned(), draft.body.clone());
    for (id, octets) in draft.blocks.iter().chain([&body]) {
        let limits = Limits::default();
        let digest = |algorithm| {
            let block = SignedBlock::written(id, octets.as_bytes(), algorithm, &limits);
            STANDARD.encode(block.expect("a digest").digest)
        };
        let (new, old) = (digest(DigestAlgorithm::Sha256), digest(DigestAlgorithm::Sha1));
        inner = inner.replace(&new, &old);
    }
    let mut signer = OpensslSign::new(MessageDigest::sha1(), &RSA.key).expect("a signer");
    let signed = format!("<ds:SignedInfo{NS}>{inner}</ds:SignedInfo>");
    let value = STANDARD.encode(signer.sign_oneshot_to_vec(signed.as_bytes()).expect("signed"));
    let rest = &block[block.find("</ds:SignatureValue>").expect("there")..];
    let old = format!("{}{inner}</ds:SignedInfo><ds:SignatureValue>{value}{rest}", &block[..from]);
    let message = draft.with(&old);
    refused(judge(&message, &draft, &RSA), Code::OrderSignatureWrong);
    let trusted = [RSA.trusted()];
    let legacy = Allowed::legacy();
    let judged = judge_with(message.as_bytes(), Side::Client, &[], &trusted, &legacy);
    assert_eq!(judged.expect("it holds").verification().algorithm(), SignatureAlgorithm::RsaSha1);
}

#[test]
fn attachments_in_base64_are_signed_by_what_they_stand_for() {
    let draft = Draft::store_delivery(&EC);
    let message = draft.signed_by(&EC);
    let allowed = Allowed::default();
    let trusted = [EC.trusted()];
    let signatures = read(message.as_bytes(), Side::Client).expect("read");
    let mut parts = PartDigests::default();
    for (content_id, octets) in &draft.parts {
        let digest = digest_of(octets, &signatures.part_digests(&Allowed::default()));
        assert!(parts.add(content_id, true, digest.clone()));
        assert!(!parts.add(content_id, true, digest), "twice");
    }
    let claims = signatures.message.expect("signed");
    claims.verify(&means(&trusted, &allowed), &parts).expect("it holds");
}
