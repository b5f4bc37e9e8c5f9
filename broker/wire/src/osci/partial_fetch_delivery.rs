//! PartialFetchDelivery: a client takes a large delivery out of its mailbox chunk by chunk
//! (supplement on large amounts of data).

use super::blocks::Blocks;
use super::certificates::NonIntermediaryCertificates;
use super::chunk_information::{ChunkInformation, ChunkRule};
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::refusal::Refusal;
use super::selection::DeliverySelection;
use super::values::MessageId;
use super::writing::Writing;

const FETCHED_CHUNK: ChunkRule = ChunkRule {
    chunk_size: true,
    received_chunks: true,
    total_chunk_numbers: false,
    total_message_size: false,
};
const ANSWERED_CHUNK: ChunkRule = ChunkRule {
    chunk_size: false,
    received_chunks: false,
    total_chunk_numbers: true,
    total_message_size: true,
};

/// The order (`partialFetchDeliveryType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialFetchDelivery {
    /// What every order carries; features must be there.
    pub head: OrderHead,
    /// Which delivery is meant.
    pub selection: Option<DeliverySelection>,
    /// Which chunk of it, and how large.
    pub chunk: ChunkInformation,
}

impl PartialFetchDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let mut order = blocks.order()?;
        let selection = DeliverySelection::optional(&mut order, blocks.limits)?;
        let chunk = ChunkInformation::required(&mut order, FETCHED_CHUNK, blocks.limits)?;
        order.end()?;
        Ok(Self { head, selection, chunk })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci2017:partialFetchDelivery", &out.kind.block_id(), &[], |xml| {
            DeliverySelection::write(self.selection.as_ref(), xml);
            self.chunk.write(xml, FETCHED_CHUNK);
        });
        if self.head.features.is_none() {
            out.refuse_form("PartialFetchDelivery", "features must be there");
        }
        self.head.end(out);
    }
}

/// The answer (`responseToPartialFetchDeliveryType`). The chunk stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToPartialFetchDelivery {
    /// What every answer carries; features must be there.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
    /// Which delivery was asked for. The schema demands that something be repeated here, so without
    /// a rule the answer is not valid against it.
    pub selection: Option<DeliverySelection>,
    /// Which chunk it is.
    pub chunk: ChunkInformation,
    /// The id of the delivery.
    pub message_id: MessageId,
    /// Certificates; the schema allows them.
    pub certificates: Option<NonIntermediaryCertificates>,
}

impl ResponseToPartialFetchDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let certificates = blocks.non_intermediary()?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let request = order.required("fetchDelivery", "fetchDelivery is missing")?;
        let mut request = request.into_children("fetchDelivery")?;
        let selection = DeliverySelection::optional(&mut request, blocks.limits)?;
        request.end()?;
        let chunk = ChunkInformation::required(&mut order, ANSWERED_CHUNK, blocks.limits)?;
        let id = order.required("MessageId", "MessageId is missing")?;
        let message_id = MessageId::read(&id)?;
        order.end()?;
        Ok(Self { head, feedback, selection, chunk, message_id, certificates })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci2017:responseToPartialFetchDelivery", &out.kind.block_id(), &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            xml.element("osci:fetchDelivery", &[], |xml| {
                DeliverySelection::write(self.selection.as_ref(), xml);
            });
            self.chunk.write(xml, ANSWERED_CHUNK);
            xml.base64("osci:MessageId", &[], self.message_id.as_octets());
        });
        if self.head.features.is_none() {
            out.refuse_form("ResponseToPartialFetchDelivery", "features must be there");
        }
        self.head.end(self.certificates.as_ref(), out);
    }
}
