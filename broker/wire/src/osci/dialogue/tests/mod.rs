//! Dialogues: every order in every state, recorded ones, bounds, and any sequence of orders.

mod bounds;
mod client;
mod recorded;
mod shown;
mod table;
mod walk;

use amtsbote_domain::Timestamp;
use jiff::SignedDuration;

use super::*;
use crate::osci::MessageType;
use crate::osci::feedback::Code;

fn at(seconds: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
    begin + SignedDuration::from_secs(seconds)
}

fn conversation(n: u64) -> ConversationId {
    ConversationId::parse(&format!("4711{n}")).expect("digits")
}

fn challenge(n: u64) -> Challenge {
    Challenge::parse(&format!("challenge-{n:08}")).expect("short")
}

/// The n-th draw: number and challenge of the supplier.
fn fresh(n: u64) -> Fresh {
    Fresh::new(conversation(n), challenge(n)).expect("long enough")
}

/// A challenge of the client.
fn theirs(n: u64) -> Challenge {
    Challenge::parse(&format!("their-{n}")).expect("short")
}

fn certificate(name: &str) -> Certificate {
    Certificate::new(name.as_bytes().to_vec()).expect("octets")
}

/// A client by its certificates.
fn who(n: u64) -> SignIn {
    SignIn {
        signature: Some(certificate(&format!("signature {n}"))),
        cipher: Some(certificate(&format!("cipher {n}"))),
    }
}

/// It signs and sends in clear.
fn clear(certificates: SignIn) -> Caller {
    Caller { certificates, travel: Travel::Clear }
}

/// It encrypts.
fn encrypted(certificates: SignIn) -> Caller {
    Caller { certificates, travel: Travel::Encrypted }
}

/// An order that a client signs, in clear.
fn client(n: u64) -> Caller {
    clear(who(n))
}

/// The same within a dialogue: its cipher certificate is not sent again.
fn inside(n: u64) -> Caller {
    clear(SignIn { cipher: None, ..who(n) })
}

/// Every order.
fn orders() -> impl Iterator<Item = MessageType> {
    MessageType::ALL.iter().copied().filter(|kind| kind.in_dialogue().is_some())
}

/// Where an order may come.
fn stands(order: MessageType) -> Where {
    order.in_dialogue().expect("an order")
}

/// What the answer to an order carries.
fn demands(order: MessageType) -> Demands {
    order.response().expect("an order").control()
}

fn init(n: u64) -> Control {
    Control { challenge: Some(theirs(n)), ..Control::default() }
}

fn explicit(conversation: &ConversationId, response: &Challenge, sequence: u64) -> Control {
    Control {
        response: Some(response.clone()),
        challenge: Some(theirs(1_000 + sequence)),
        conversation: Some(conversation.clone()),
        sequence: Some(sequence),
    }
}

/// A dialogue of client 0, opened by the draw 0, with so many orders taken since; draw n for each.
fn opened(orders: u64) -> Dialogue {
    let begun = Dialogue::begin(&init(0), client(0), fresh(0), at(0));
    let (mut dialogue, _) = begun.expect("opened");
    for n in 0..orders {
        let control = explicit(&conversation(0), &challenge(n), n);
        let (order, rules) = (MessageType::FetchProcessCard, Rules::default());
        let step = dialogue.order(order, &control, inside(0), &fresh(n + 1), at(0), &rules);
        step.outcome.expect("taken");
        dialogue = step.after.expect("open");
    }
    dialogue
}
