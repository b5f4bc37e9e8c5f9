//! PartialStoreDelivery: one chunk of a large delivery (supplement on large amounts of data). The
//! chunk is an attachment; together they are a whole StoreDelivery.

use super::blocks::Blocks;
use super::chunk_information::{ChunkInformation, ChunkRule};
use super::feedback::{Code, Entry};
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::names::OSCI2017;
use super::process_card::{CardRule, ProcessCardBundle};
use super::quality_of_timestamp::QualityOfTimestamp;
use super::refusal::Refusal;
use super::values::{MessageId, subject};
use super::writing::Writing;

/// The order (`partialStoreDeliveryType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialStoreDelivery {
    /// What every order carries; features must be there.
    pub head: OrderHead,
    /// How times are to be stamped. The schema allows one of the two, so only one can be written.
    pub quality: QualityOfTimestamp,
    /// The id of the chunked message.
    pub message_id: MessageId,
    /// What it is about.
    pub subject: Option<String>,
    /// Which chunk it is; none asks only how far the message has come (`InfoOnly`).
    pub chunk: Option<ChunkInformation>,
}

const STORED_CHUNK: ChunkRule = ChunkRule {
    chunk_size: true,
    received_chunks: false,
    total_chunk_numbers: true,
    total_message_size: true,
};
const ANSWERED_CHUNK: ChunkRule = ChunkRule {
    chunk_size: false,
    received_chunks: true,
    total_chunk_numbers: true,
    total_message_size: false,
};

impl PartialStoreDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let quality = blocks.quality(1)?;
        let mut order = blocks.order()?;
        let id = order.optional("MessageId");
        let missing = || order.refusal_with("MessageId is missing", Code::MessageIdMissing);
        let message_id = MessageId::read(&id.ok_or_else(missing)?)?;
        let subject = subject(order.optional("Subject"), blocks.limits)?;
        let chunk = match order.optional_ns(OSCI2017, "InfoOnly") {
            // It is of any type; nothing that could stand in it means anything.
            Some(_) => None,
            None => Some(ChunkInformation::required(&mut order, STORED_CHUNK, blocks.limits)?),
        };
        order.end()?;
        Ok(Self { head, quality, message_id, subject, chunk })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        if self.quality.count() != 1 {
            out.refuse_form("QualityOfTimestamp", "exactly one");
        }
        self.quality.write(out);
        out.block("osci2017:partialStoreDelivery", &out.kind.block_id(), &[], |xml| {
            xml.base64("osci:MessageId", &[], self.message_id.as_octets());
            if let Some(subject) = &self.subject {
                xml.text("osci:Subject", subject);
            }
            match &self.chunk {
                Some(chunk) => chunk.write(xml, STORED_CHUNK),
                None => xml.empty("osci2017:InfoOnly", &[]),
            }
        });
        if self.head.certificates.is_none() || self.head.features.is_none() {
            let rule = "certificates and features must be there";
            out.refuse_form("PartialStoreDelivery", rule);
        }
        self.head.end(out);
    }
}

/// The answer (`responseToPartialStoreDeliveryType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToPartialStoreDelivery {
    /// What every answer carries; features must be there.
    pub head: ResponseHead,
    /// InsideFeedback: about the whole message, once it was put together and executed.
    pub inside_feedback: Vec<Entry>,
    /// What the intermediary says about the chunk.
    pub feedback: Vec<Entry>,
    /// The process card: its creation, and nothing later.
    ///
    /// The schema calls it `osci:procard`; the reference library writes and reads
    /// `osci:ProcessCardBundle` and overlooks the other. So that is written, though an answer with a
    /// card is then not valid against `ResponseToPartialStoreDelivery.xsd`; both are read.
    pub process_card: Option<ProcessCardBundle>,
    /// Which chunks have come.
    pub chunk: ChunkInformation,
}

impl ResponseToPartialStoreDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let mut order = blocks.order()?;
        let inside = order.optional_ns(OSCI2017, "InsideFeedback");
        let inside = inside.map(|found| feedback_entry::of(found, blocks.limits)).transpose()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let name = "ProcessCardBundle";
        let process_card = match ProcessCardBundle::optional(&mut order, name, blocks.limits)? {
            Some(card) => Some(card),
            None => ProcessCardBundle::optional(&mut order, "procard", blocks.limits)?,
        };
        let chunk = ChunkInformation::required(&mut order, ANSWERED_CHUNK, blocks.limits)?;
        order.end()?;
        let inside_feedback = inside.unwrap_or_default();
        Ok(Self { head, inside_feedback, feedback, process_card, chunk })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci2017:responseToPartialStoreDelivery", &out.kind.block_id(), &[], |xml| {
            if !self.inside_feedback.is_empty() {
                feedback_entry::write(xml, "osci2017:InsideFeedback", &self.inside_feedback);
            }
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            if let Some(card) = &self.process_card {
                card.write(xml, "osci:ProcessCardBundle", CardRule::STORED);
            }
            self.chunk.write(xml, ANSWERED_CHUNK);
        });
        if self.head.features.is_none() {
            out.refuse_form("ResponseToPartialStoreDelivery", "features must be there");
        }
        self.head.end(None, out);
    }
}
