//! Exchange and queues, and what they are called.

use amtsbote_domain::ports::Hint;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

use super::{DELIVERY_LIMIT, QUEUE_BYTES, QUEUE_LENGTH};

/// By which a hint finds the shared queue.
const WORK: &str = "work";
/// By which a hint finds every node.
const BELLS: &str = "bells";

/// The names, which begin with that of the hub: several hubs may share a virtual host.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    pub(super) exchange: String,
    pub(super) work: String,
    bells: String,
}

impl Topology {
    /// Of the hub with this name, at most 64 characters.
    pub(super) fn new(hub: &str) -> Self {
        Self {
            exchange: format!("amtsbote.{hub}.hints"),
            work: format!("amtsbote.{hub}.work"),
            bells: format!("amtsbote.{hub}.bells"),
        }
    }

    /// A name for the queue of one connection, never used before: after a loss the broker may hold
    /// the old one for some seconds more.
    pub(super) fn new_bells(&self) -> String {
        format!("{}.{}", self.bells, Uuid::new_v4().simple())
    }

    /// The key under which a hint is sent.
    pub(super) fn key(hint: &Hint) -> &'static str {
        match hint {
            Hint::Work => WORK,
            Hint::Inbox(_) | Hint::Everything => BELLS,
        }
    }

    /// Declares the exchange; what is there already stays.
    pub(super) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchange = name(&self.exchange);
        let direct = ExchangeKind::Direct;
        channel.exchange_declare(exchange, direct, durable, FieldTable::default()).await
    }

    /// Declares the queue that all nodes share.
    pub(super) async fn declare_work(&self, channel: &Channel) -> lapin::Result<()> {
        self.declare(channel).await?;
        let mut arguments = bounded("drop-head");
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name(&self.work), durable, arguments).await?;
        self.bind(channel, &self.work, WORK).await
    }

    /// Declares the queue of this connection.
    pub(super) async fn declare_bells(&self, channel: &Channel, bells: &str) -> lapin::Result<()> {
        self.declare(channel).await?;
        let ours = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        channel.queue_declare(name(bells), ours, bounded("reject-publish")).await?;
        self.bind(channel, bells, BELLS).await
    }

    async fn bind(&self, channel: &Channel, queue: &str, key: &str) -> lapin::Result<()> {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(name(queue), name(&self.exchange), key.into(), options, none).await
    }
}

/// Names here are at most 150 octets long; the protocol has room for 255.
pub(super) fn name(text: &str) -> ShortString {
    text.into()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// A queue that never grows beyond its bounds; and what becomes of hints that have no room.
fn bounded(overflow: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(QUEUE_LENGTH));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongInt(QUEUE_BYTES));
    arguments.insert("x-overflow".into(), text(overflow));
    arguments
}
