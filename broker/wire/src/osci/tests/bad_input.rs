//! Whatever comes in, there is an answer: never a panic, never more than the limits allow.

use proptest::prelude::*;

use super::content::answer;
use super::generate;
use crate::osci::*;

/// Reads and, where that works, does with the result what can be done.
fn treat(octets: &[u8], limits: &Limits) -> Result<(), Refusal> {
    let _ = identify(octets, limits);
    let part = read(octets, limits)?;
    let package = part.package.unwrap_or_default();
    for container in &package.containers {
        let _ = container.element.canonical_of(octets);
        for content in &container.contents {
            if let ContentKind::Base64(content) = &content.kind {
                content.decode_of(octets).expect("what was read can be taken out");
            }
        }
    }
    for element in package.encrypted.iter().chain(&part.custom) {
        element.canonical_of(octets).expect("what was read can be taken out");
    }
    // What other clients may leave out, or say otherwise, we do not write. What we do, says the same.
    let items = package.encrypted.iter().chain(package.containers.iter().map(|c| &c.element));
    let items: Vec<_> =
        items.filter_map(|item| PackageItem::new(&item.canonical_of(octets).ok()?).ok()).collect();
    let takes = part.message.message_type().content() != ContentRule::Never;
    let enclosed = Enclosed { package: takes.then_some(items), custom: Vec::new() };
    if let Ok(draft) = part.message.write(&enclosed) {
        let written = draft.finish(None);
        let again = read(written.as_slice(), &Limits::default()).expect("what we write is read");
        assert_eq!(again.message, part.message);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(treat(&octets, &Limits::default()).is_err());
    }

    #[test]
    fn a_message_that_ends_early(
        (message, enclosed, _) in generate::with_content(),
        cut in any::<prop::sample::Index>(),
    ) {
        let octets = message.write(&enclosed).expect("written").finish(None);
        let cut = cut.index(octets.len());
        prop_assert!(treat(&octets[..cut], &Limits::default()).is_err());
    }

    #[test]
    fn a_message_with_other_octets(
        (message, enclosed, _) in generate::with_content(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(&b"<>/&\"'= \n:ax1Z\xC3"[..])),
            1..4,
        ),
    ) {
        let mut octets = message.write(&enclosed).expect("written").finish(None);
        for (place, octet) in changes {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        let _ = treat(&octets, &Limits::default());
    }

    #[test]
    fn a_message_with_a_piece_twice_or_not_at_all(
        (message, enclosed, _) in generate::with_content(),
        which in any::<prop::sample::Index>(),
        is_twice in any::<bool>(),
    ) {
        let draft = message.write(&enclosed).expect("written");
        let blocks: Vec<Vec<u8>> = draft.blocks().map(|(_, block)| block.to_vec()).collect();
        let block = &blocks[which.index(blocks.len())];
        let octets = draft.finish(None);
        let start = octets.windows(block.len()).position(|w| w == block).expect("it is there");
        let mut changed = octets.clone();
        if is_twice {
            changed.splice(start..start, block.iter().copied());
            prop_assert!(treat(&changed, &Limits::default()).is_err());
        } else {
            changed.drain(start..start + block.len());
            // Certificates, features and time stamps may be left out.
            let _ = treat(&changed, &Limits::default());
        }
    }
}

#[test]
fn every_limit_is_kept() {
    let refused = |text: &str, limits: &Limits| {
        let refusal = read(text.as_bytes(), limits).expect_err("refused");
        assert_eq!(treat(text.as_bytes(), limits), Err(refusal.clone()));
        refusal.to_string()
    };
    let deep = format!("{}{}", "<a>".repeat(130), "</a>".repeat(130));
    let container = |inner: &str| format!("<osci:ContentContainer>{inner}</osci:ContentContainer>");
    let content = |n: u32| format!("<osci:Content Id='i{n}' href='cid:a'/>");
    let many: String = (0..2049).map(content).collect();
    let limits = Limits::default();
    assert!(refused(&answer(&container(&deep)), &limits).contains("Content"));
    let inline = format!("<osci:Content>{deep}</osci:Content>");
    assert!(refused(&answer(&container(&inline)), &limits).contains("deep"));
    assert!(refused(&answer(&container(&many)), &limits).contains("contents of a package"));
    let containers = container("").repeat(257);
    assert!(refused(&answer(&containers), &limits).contains("containers of a package"));
    let ids = Limits { ids: 3, ..Limits::default() };
    assert!(refused(&answer(&container(&content(1))), &ids).contains("identifiers"));
    let bytes = Limits { document_bytes: 500, ..Limits::default() };
    read(answer("").as_bytes(), &bytes).expect_err("too long");

    let text = answer("");
    let entry = "<osci:Entry><osci:Code>0801</osci:Code><osci:Text/></osci:Entry>";
    let entries =
        text.replacen("<osci:Feedback>", &format!("<osci:Feedback>{}", entry.repeat(64)), 1);
    assert!(refused(&entries, &limits).contains("entries of a feedback"));
    let long =
        text.replacen("<osci:Response>a", &format!("<osci:Response>{}", "a".repeat(4097)), 1);
    assert!(refused(&long, &limits).contains("bytes of a value"));
    let kept = Limits { kept_bytes: 1000, ..Limits::default() };
    assert!(refused(&text, &kept).contains("bytes kept"));
    let header = |n: usize| {
        let blocks: String = (0..n).map(|_| "<a xmlns='urn:a'/>").collect();
        text.replacen("<soap:Header>", &format!("<soap:Header>{blocks}"), 1)
    };
    assert!(read(header(32).as_bytes(), &limits).is_ok());
    assert!(refused(&header(33), &limits).contains("header blocks of others"));
    let few = Limits { header_blocks: 2, ..Limits::default() };
    assert!(refused(&header(1), &few).contains("header blocks"));
}

#[test]
fn what_is_said_once_is_not_kept_a_thousand_times() {
    // Long names and identifiers, declared or stated far outside of what is kept.
    let uri = format!("urn:{}", "u".repeat(100_000));
    let elements: String = (0..2000).map(|_| "<p:a/>").collect();
    let content = format!("<osci:Content xmlns:p='{uri}'>{elements}</osci:Content>");
    let octets = answer(&format!("<osci:ContentContainer>{content}</osci:ContentContainer>"));
    let refusal = read(octets.as_bytes(), &Limits::default()).expect_err("refused");
    assert!(refusal.to_string().contains("bytes kept"), "{refusal}");
    // Declared around, and taken along by each container anew.
    let container =
        "<osci:ContentContainer xmlns:q='urn:q'><osci:Content/></osci:ContentContainer>";
    let octets = answer(&container.repeat(200)).replacen(
        "<soap:Body",
        &format!("<soap:Body xmlns:p='{uri}'"),
        1,
    );
    let refusal = read(octets.as_bytes(), &Limits::default()).expect_err("refused");
    assert!(refusal.to_string().contains("bytes kept"), "{refusal}");
    let ids: String = (0..200).map(|n| format!("<a Id='{n}{}'/>", "i".repeat(60_000))).collect();
    let octets = answer(&format!("<xenc:EncryptedData>{ids}</xenc:EncryptedData>"));
    let refusal = read(octets.as_bytes(), &Limits::default()).expect_err("refused");
    assert!(refusal.to_string().contains("bytes kept"), "{refusal}");
}

#[test]
fn who_reads_along_sees_everything_and_may_end_it() {
    struct Counting(u32, u32);
    impl amtsbote_schemas::xml::EventSink for Counting {
        type Error = &'static str;

        fn event(&mut self, _: &amtsbote_schemas::xml::Event<'_>) -> Result<(), &'static str> {
            self.0 += 1;
            if self.0 > self.1 { Err("enough") } else { Ok(()) }
        }
    }
    let octets =
        answer("<osci:ContentContainer/><xenc:EncryptedData><a>b</a></xenc:EncryptedData>");
    let limits = Limits::default();
    let mut alone = Counting(0, 1000);
    amtsbote_schemas::xml::drive(octets.as_bytes(), &Default::default(), &mut alone).expect("read");
    let mut along = Counting(0, 1000);
    let part = read_beside(octets.as_bytes(), &limits, &mut along).expect("read");
    assert_eq!(Ok(part), read(octets.as_bytes(), &limits));
    assert_eq!(along.0, alone.0);
    for most in [0, 1, 20, alone.0 - 1] {
        let ended = read_beside(octets.as_bytes(), &limits, &mut Counting(0, most));
        assert_eq!(ended, Err(BesideFault::Sink("enough")));
    }
    let ended = read_beside(&octets.as_bytes()[..300], &limits, &mut Counting(0, 1000));
    assert!(matches!(ended, Err(BesideFault::Message(_))));
}

#[test]
fn a_large_content_costs_no_memory() {
    // 24 MiB of Base64 pass by; what is kept is where they stand.
    let text = "QUFB".repeat(6 << 20);
    let content =
        format!("<osci:Content><osci:Base64Content>{text}</osci:Base64Content></osci:Content>");
    let octets = answer(&format!("<osci:ContentContainer>{content}</osci:ContentContainer>"));
    let limits = Limits { kept_bytes: 16 << 10, ..Limits::default() };
    let part = read(octets.as_bytes(), &limits).expect("read");
    let package = part.package.expect("a package");
    let ContentKind::Base64(content) = &package.containers[0].contents[0].kind else { panic!() };
    assert_eq!(content.octets, 3 * (6 << 20));
    let mut count = Count(0);
    let range = content.text.start as usize..content.text.end as usize;
    content.decode(&octets.as_bytes()[range], &mut count).expect("decoded");
    assert_eq!(count.0, content.octets);
}

struct Count(u64);

impl std::io::Write for Count {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        // Pieces stay small however large the content is.
        assert!(octets.len() <= 256 << 10);
        self.0 += octets.len() as u64;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_holds_no_value_of_the_message() {
    let canary = "KANARIENVOGEL";
    for (from, to) in [
        ("ConversationId=\"1\"", format!("ConversationId=\"{canary}\"")),
        ("SequenceNumber=\"0\"", format!("SequenceNumber=\"{canary}\"")),
        ("<osci:Response>a", format!("<osci:Response>a<b>{canary}</b>")),
        (
            "<osci:fetchDelivery/>",
            format!("<osci:fetchDelivery a=\"{canary}\">{canary}</osci:fetchDelivery>"),
        ),
        ("Id=\"r\"", "Id=\"c\" KANARIENVOGEL=\"x\"".to_owned()),
        ("</osci:ContentPackage>", format!("{canary}</osci:ContentPackage>")),
    ] {
        let text = answer("").replacen(from, &to, 1);
        let refusal = read(text.as_bytes(), &Limits::default()).expect_err("refused");
        assert!(!refusal.to_string().contains(canary), "{refusal}");
        let fault = amtsbote_domain::fault::Fault::from(refusal);
        assert!(!format!("{fault:?}").contains(canary), "{fault:?}");
    }
}
