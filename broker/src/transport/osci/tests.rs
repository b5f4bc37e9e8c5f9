//! Orders to a hub on loopback, by a client of our own codec: what they are answered, and what is on
//! record afterwards.

mod client;
mod ground;
mod recorded;
#[path = "../../../../conformance/tests/support/skipped.rs"]
mod skipped;

use amtsbote_domain::evidence::{Evidence, SenderProof};
use amtsbote_domain::identity::Transport;
use amtsbote_domain::message::{ContentVerdict, OpaqueReason};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::ENVELOPE_CID;
use amtsbote_domain::state::State;
use amtsbote_wire::osci::{
    DateTime, DeliverySelection, Enclosed, Message, MessageId, PackageItem, ProcessCardCriteria,
    ProcessCardSelection, SelectionDate, SelectionRole,
};

use self::client::{Answered, Client, Manner, WHOLLY, package};
use self::ground::{AUTHOR, Ground, Keys, READER, SERVICE, Wish};
use crate::config::Limits;
use crate::transport::octets;

const CONTENT: &[u8] = b"<TEST>content</TEST>";

fn author(ground: &Ground) -> Client {
    Client::new(ground, &Keys::get().author, WHOLLY)
}

fn reader_certificate() -> &'static [u8] {
    Keys::get().reader.cipher.certificate().der()
}

/// Stores content with an attachment; says what came back.
async fn store(client: &mut Client, id: MessageId, content: &[u8]) -> client::Back {
    let order = client.store(id, reader_certificate());
    let enclosed = package(content, &["Anlage 1.txt"]);
    client.send(order.into(), &enclosed, &[("Anlage 1.txt", b"attached")]).await
}

/// The only message that was accepted.
async fn accepted(ground: &Ground) -> amtsbote_domain::ports::Delivery {
    let all =
        ground.hub.store.list(amtsbote_domain::ports::Query { limit: 10, ..Default::default() });
    let mut all = all.await.expect("a list");
    assert_eq!(all.len(), 1, "one message was accepted");
    all.remove(0)
}

async fn none_accepted(ground: &Ground) {
    let all =
        ground.hub.store.list(amtsbote_domain::ports::Query { limit: 10, ..Default::default() });
    assert_eq!(all.await.expect("a list").len(), 0);
}

fn text(id: &MessageId) -> &str {
    id.as_text().expect("ids of ours are text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_accepted_as_any_other_message() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let id = client.get_message_id().await;
    let answer = store(&mut client, id.clone(), CONTENT).await.answer();
    assert_eq!(answer.codes, ["0800"]);
    let Message::ResponseToStoreDelivery(stored) = &answer.received.message else {
        panic!("the answer to the order")
    };
    let card = stored.process_card.as_ref().expect("a process card");
    assert_eq!((&card.message_id, card.subject.as_deref()), (&id, Some("TEST")));
    assert!(card.creation.is_some() && card.reception.is_none());

    let delivery = accepted(&ground).await;
    let record = &delivery.record;
    let party = |text| PartyId::parse(text).expect("a party");
    assert_eq!(
        (&record.metadata.author, &record.metadata.reader),
        (&party(AUTHOR), &party(READER))
    );
    assert_eq!(record.metadata.service.as_str(), SERVICE);
    assert_eq!(record.metadata.transport_id.as_str(), text(&id));
    assert_eq!(record.transport(), Transport::Intermediary);
    let came_by = record.came_by.as_ref().expect("how it came");
    assert_eq!((came_by.sender, &came_by.author), (SenderProof::Signed, &None));
    assert_eq!(
        record.signature.certificate,
        Keys::get().author.signature.certificate().fingerprint()
    );
    let names: Vec<_> = record.parts.iter().map(|part| part.cid.as_str()).collect();
    assert_eq!(names, ["osci@message", "Anlage 1.txt"]);
    // What is kept is what came: the root part as it was decrypted, content and attachment decoded.
    let kept = async |cid: &str| {
        octets::whole(ground.hub.store.as_ref(), &record.hub_id, cid).await.expect("kept")
    };
    assert_eq!(kept("osci@message").await, CONTENT);
    assert_eq!(kept("Anlage 1.txt").await, b"attached");
    let root = kept(ENVELOPE_CID).await;
    assert!(root.starts_with(b"<?xml") && root.ends_with(b"</soap:Envelope>"));
    assert_eq!(record.envelope_sha256.0, openssl::sha::sha256(&root));
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_good_for_one_message() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let id = client.get_message_id().await;
    let first = store(&mut client, id.clone(), CONTENT).await.answer();
    assert_eq!(first.codes, ["0800"]);
    // Not even the same content.
    for content in [CONTENT, b"<other/>"] {
        let again = store(&mut client, id.clone(), content).await.answer();
        assert_eq!(again.codes, ["9801"]);
        assert!(!format!("{:?}", again.texts).contains(text(&id)), "{:?}", again.texts);
    }
    let foreign = MessageId::new("b5a7f0f4-1e0b-4c1c-9e0b-0f6a7a0d0001").expect("an id");
    let unknown = store(&mut client, foreign, CONTENT).await.answer();
    assert_eq!(unknown.codes, ["9801"]);
    // An id of one account is none of another.
    let mut other = Client::new(&ground, &Keys::get().reader, WHOLLY);
    let theirs = other.get_message_id().await;
    assert_eq!(store(&mut client, theirs, CONTENT).await.answer().codes, ["9801"]);
    accepted(&ground).await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_uses_up_no_id_and_says_why_in_the_languages_asked_for() {
    let ground = Ground::begin(Wish { permitted: false, ..Wish::default() }).await;
    let mut client = author(&ground);
    client.languages = "en de-DE fr";
    let id = client.get_message_id().await;
    let answer = store(&mut client, id, CONTENT).await.answer();
    assert_eq!(answer.codes, ["9811", "9811"]);
    let languages: Vec<_> = answer.texts.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(languages, ["en", "de"]);
    assert!(answer.texts[0].1.contains("AB3001") && answer.texts[0].1.contains("No rule"));
    none_accepted(&ground).await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whom_nobody_knows_is_refused() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let id = client.get_message_id().await;
    let order = client.store(id, Keys::get().stranger.cipher.certificate().der());
    let answer = client.send(order.into(), &package(CONTENT, &[]), &[]).await.answer();
    assert_eq!(answer.codes, ["9811"]);
    assert!(answer.texts[0].1.contains("AB3002"), "{:?}", answer.texts);
    none_accepted(&ground).await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_for_the_reader_alone_stays_closed() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let id = client.get_message_id().await;
    let order = client.store(id, reader_certificate());
    let sealed = PackageItem::new(
        b"<xenc:EncryptedData xmlns:xenc='http://www.w3.org/2001/04/xmlenc#' Id='encdata_1'>\
          <xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData>\
          </xenc:EncryptedData>",
    );
    let enclosed = Enclosed { package: Some(vec![sealed.expect("an item")]), custom: vec![] };
    assert_eq!(client.send(order.into(), &enclosed, &[]).await.answer().codes, ["0800"]);
    let record = accepted(&ground).await.record;
    assert_eq!(record.verdict, ContentVerdict::Opaque { reason: OpaqueReason::Encrypted });
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_leave_nothing_behind() {
    let ground = Ground::begin(Wish::default()).await;
    let leaves = || async { ground.hub.store.figures().await.expect("figures").leaves };
    let before = leaves().await;
    let mut stranger = Client::new(&ground, &Keys::get().stranger, WHOLLY);
    assert_eq!(stranger.init().await.fault(), "9700");
    // Who names the Author's certificate and signs with another key is nobody either.
    let mut thief = author(&ground);
    thief.keys.signature = Keys::get().stranger.signature.clone();
    assert_eq!(thief.init().await.fault(), "9700");
    for (manner, fault) in [
        (Manner { signed: false, encrypted: true }, "9600"),
        (Manner { signed: false, encrypted: false }, "9600"),
    ] {
        let mut client = Client::new(&ground, &Keys::get().author, manner);
        assert_eq!(client.init().await.fault(), fault);
    }
    assert_eq!(leaves().await, before);
    assert_eq!(ground.hub.noise.counted(), 4);
    // In clear it is the Author all the same: refused, and on record.
    let clear = Manner { signed: true, encrypted: false };
    let mut client = Client::new(&ground, &Keys::get().author, clear);
    client.init().await.fault();
    assert_eq!(leaves().await, before + 1);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_of_a_partner_admits_less() {
    let wish = Wish { signed: false, encrypted: false, ..Wish::default() };
    let ground = Ground::begin(wish).await;
    for (n, (signed, encrypted)) in
        [(false, false), (false, true), (true, false), (true, true)].into_iter().enumerate()
    {
        let mut client = Client::new(&ground, &Keys::get().author, Manner { signed, encrypted });
        let id = client.get_message_id().await;
        let order = client.store(id.clone(), reader_certificate());
        let answer = client.send(order.into(), &package(CONTENT, &[]), &[]).await.answer();
        assert_eq!(answer.codes, ["0800"], "signed {signed}, encrypted {encrypted}");
        let found = ground.hub.store.find(text(&id)).await.expect("found");
        let record = ground.hub.store.delivery(&found[0]).await.expect("a delivery").record;
        let proof = record.came_by.expect("how it came").sender;
        let wanted = if signed { SenderProof::Signed } else { SenderProof::Claimed };
        assert_eq!(proof, wanted, "{n}");
        assert_eq!(record.signature.algorithm == "none", !signed);
    }
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_fetched_and_the_next_order_confirms_it() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let mut ids = Vec::new();
    for content in [CONTENT, b"<second/>"] {
        let id = client.get_message_id().await;
        assert_eq!(store(&mut client, id.clone(), content).await.answer().codes, ["0800"]);
        ids.push(id);
    }
    let state = async |id: &MessageId| {
        let found = ground.hub.store.find(text(id)).await.expect("found");
        ground.hub.store.delivery(&found[0]).await.expect("a delivery").state
    };
    let mut reader = Client::new(&ground, &Keys::get().reader, WHOLLY);
    assert_eq!(reader.init().await.answer().codes, ["0801"]);
    let first = reader.fetch(None).await.answer();
    assert_eq!(first.codes, ["0801", "3800"]);
    let fetched = |answer: &Answered| match &answer.received.message {
        Message::ResponseToFetchDelivery(answer) => {
            answer.process_card.as_ref().expect("a card").message_id.clone()
        }
        other => panic!("{:?}", other.message_type()),
    };
    assert_eq!(fetched(&first), ids[0]);
    let package = first.received.package.as_ref().expect("a package");
    let content = &package.containers[0].contents[0];
    let amtsbote_wire::osci::ContentKind::Base64(content) = &content.kind else {
        panic!("the content as it was")
    };
    assert_eq!(content.decode_of(&first.root).expect("decoded"), CONTENT);
    assert_eq!(first.attachments, [("Anlage 1.txt".to_owned(), b"attached".to_vec())]);
    assert_ne!(state(&ids[0]).await, State::Acknowledged);

    // The next order of the same dialogue says that it has arrived.
    let second = reader.fetch(Some(DeliverySelection::MessageId(ids[1].clone()))).await.answer();
    assert_eq!(
        (second.codes.as_slice(), fetched(&second)),
        (&["0801".to_owned()][..], ids[1].clone())
    );
    assert_eq!(state(&ids[0]).await, State::Acknowledged);
    assert_ne!(state(&ids[1]).await, State::Acknowledged);
    assert_eq!(reader.exit().await.answer().codes, ["0800"]);
    assert_eq!(state(&ids[1]).await, State::Acknowledged);

    reader.init().await.answer();
    assert_eq!(reader.fetch(None).await.answer().codes, ["0801", "9803"]);
    let history = ground.hub.store.find(text(&ids[0])).await.expect("found");
    let history = ground.hub.store.timeline(&history[0]).await.expect("a timeline");
    let handed = |entry: &amtsbote_domain::ports::Entry| matches!(&entry.evidence, Evidence::HandedOut { account, .. } if account.as_str() == "reader");
    assert_eq!(history.iter().filter(|entry| handed(entry)).count(), 1);
    ground.end().await;
}

/// The cards of an answer: which deliveries, and whether each was forwarded and received.
fn cards(answer: &Answered) -> Vec<(MessageId, bool, bool)> {
    match &answer.received.message {
        Message::ResponseToFetchProcessCard(answer) => {
            let card = |card: &amtsbote_wire::osci::ProcessCardBundle| {
                assert!(card.creation.is_some());
                (card.message_id.clone(), card.forwarding.is_some(), card.reception.is_some())
            };
            answer.process_cards.iter().map(card).collect()
        }
        other => panic!("{:?}", other.message_type()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_cards_say_what_the_history_says() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let mut ids = Vec::new();
    for content in [CONTENT, b"<second/>"] {
        let id = client.get_message_id().await;
        store(&mut client, id.clone(), content).await.answer();
        ids.push(id);
    }
    let mut reader = Client::new(&ground, &Keys::get().reader, WHOLLY);
    reader.init().await.answer();
    reader.fetch(None).await.answer();
    reader.exit().await.answer();

    let all = ProcessCardCriteria::default;
    let these = |ids: &[MessageId]| ProcessCardCriteria {
        selection: Some(ProcessCardSelection::MessageIds(ids.to_vec())),
        limit: None,
    };
    let both = [(ids[1].clone(), false, false), (ids[0].clone(), true, true)];
    for client in [&mut client, &mut reader] {
        client.init().await.answer();
        let answer = client.cards(all()).await.answer();
        assert_eq!(answer.codes, ["0801"]);
        assert_eq!(cards(&answer), both);
        let answer = client.cards(these(&ids[..1])).await.answer();
        assert_eq!(cards(&answer), both[1..]);
        let answer = client.cards(ProcessCardCriteria { limit: Some(1), ..all() }).await.answer();
        assert_eq!(answer.codes, ["0801", "3801"]);
        assert_eq!(cards(&answer), both[..1]);
        let foreign = MessageId::new("b5a7f0f4-1e0b-4c1c-9e0b-0f6a7a0d0001").expect("an id");
        assert_eq!(client.cards(these(&[foreign])).await.answer().codes, ["0801", "9804"]);
    }
    let date = |role, no_reception| ProcessCardCriteria {
        selection: Some(ProcessCardSelection::ReceptionOfDelivery(SelectionDate {
            at: DateTime::parse("2026-01-01T00:00:00").expect("a time"),
            no_reception,
            role,
        })),
        limit: None,
    };
    let answer = client.cards(date(None, Some(true))).await.answer();
    assert_eq!(cards(&answer), both[..1]);
    let answer = client.cards(date(Some(SelectionRole::Addressee), None)).await.answer();
    assert_eq!(answer.codes, ["0801", "9804"]);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_fetches_what_is_for_others() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    let id = client.get_message_id().await;
    store(&mut client, id.clone(), CONTENT).await.answer();
    client.init().await.answer();
    for selection in [None, Some(DeliverySelection::MessageId(id))] {
        let answer = client.fetch(selection).await.answer();
        assert!(answer.codes.contains(&"9811".to_owned()), "{:?}", answer.codes);
        assert!(answer.attachments.is_empty() && answer.received.package.is_none());
    }
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_order_of_a_dialogue_is_out_of_turn() {
    let ground = Ground::begin(Wish::default()).await;
    let mut client = author(&ground);
    client.init().await.answer();
    let id = client.get_message_id().await;
    let order = client.store(id, reader_certificate());
    let letter = client.letter(&order.into(), &package(CONTENT, &[]), &[]);
    assert_eq!(client.post(letter.octets.clone()).await.answer().codes, ["0801"]);
    assert_eq!(client.post(letter.octets).await.fault(), "9400");
    accepted(&ground).await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_order_takes_no_effect() {
    let ground = Ground::begin(Wish { encrypted: false, ..Wish::default() }).await;
    let clear = Manner { signed: true, encrypted: false };
    let mut client = Client::new(&ground, &Keys::get().author, clear);
    let id = client.get_message_id().await;
    let order = client.store(id, reader_certificate());
    let letter =
        client.letter(&order.into(), &package(CONTENT, &["a"]), &[("a", b"attached")]).octets;
    let changed = |from: &[u8], to: &[u8]| {
        let at = letter.windows(from.len()).position(|window| window == from).expect("it is there");
        let mut octets = letter.clone();
        octets.splice(at..at + from.len(), to.iter().copied());
        octets
    };
    for (from, to) in [(&b"attached"[..], &b"detached"[..]), (b">TEST<", b">test<")] {
        let back = client.post(changed(from, to)).await;
        assert_eq!(back.fault(), "9601");
    }
    // Bad input of every kind is a fault, never a silence.
    for length in [0, 1, 40, 200, letter.len() / 2, letter.len() - 3] {
        client.post(letter[..length].to_vec()).await.fault();
    }
    none_accepted(&ground).await;
    assert_eq!(client.post(letter).await.answer().codes, ["0800"]);
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_the_limits_is_refused() {
    let limits = Limits { attachment_bytes: 4, ..Limits::default() };
    let ground = Ground::begin(Wish { limits, ..Wish::default() }).await;
    let mut client = author(&ground);
    let id = client.get_message_id().await;
    assert_eq!(store(&mut client, id, CONTENT).await.fault(), "9300");
    none_accepted(&ground).await;
    ground.end().await;
}
