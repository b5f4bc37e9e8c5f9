//! OSCI-Transport 1.2: the messages, without sockets.
//!
//! One file per order, named as in the standard, with its answer. [`read`] takes the octets of a
//! root part and gives a [`RootPart`]: the [`Message`], its content left where it stands, and what a
//! signature must cover. [`Message::write`] gives a [`Draft`]: a document whose blocks are in
//! canonical form, to be digested as they are, with a place for the signature. What the reference
//! library reads and writes decides where the standard leaves room (`xsi:schemaLocation`, order of
//! blocks, identifiers); where others differ in form alone, they are read all the same.
//!
//! Whoever receives goes through [`signature::Claimed`], which reads no more than once and lets
//! nothing be acted on that no signature covers.
//!
//! Around them: [`mime`], transport encryption ([`encrypted`]), signatures ([`signature`]), the
//! [`dialogue`] as a machine, [`feedback`] codes and [`fault`]s.
//!
//! Not here: whether a message is right at this point of a dialogue, whose certificates they are, what
//! time it is, which ids were given out.

pub mod dialogue;
pub mod encrypted;
pub mod fault;
pub mod feedback;
pub mod mime;
pub mod signature;

mod accept_delivery;
mod blocks;
mod certificates;
mod chunk_information;
mod content_container;
mod content_package;
mod content_receiver;
mod control_block;
mod desired_languages;
mod element;
mod exit_dialog;
mod feature_description;
mod feedback_entry;
mod fetch_delivery;
mod fetch_process_card;
mod forward_delivery;
mod get_message_id;
mod head;
mod init_dialog;
mod inspection_report;
mod limits;
mod mediate_delivery;
mod message;
mod message_type;
mod names;
mod partial_fetch_delivery;
mod partial_store_delivery;
mod process_card;
mod process_delivery;
mod quality_of_timestamp;
mod reading;
mod refusal;
mod reserved;
mod root_part;
mod selection;
mod store_delivery;
mod values;
mod verbatim;
mod writing;

pub use accept_delivery::{AcceptDelivery, ResponseToAcceptDelivery};
pub use certificates::{Certificate, IntermediaryCertificates, NonIntermediaryCertificates};
pub use chunk_information::ChunkInformation;
pub use content_container::{CustomHeader, OwnContent, PackageItem, container};
pub use content_package::{
    Base64Content, Content, ContentContainer, ContentFault, ContentKind, ContentPackage,
};
pub use desired_languages::DesiredLanguages;
pub use dialogue::{Control, ConversationId};
pub use exit_dialog::{ExitDialog, ResponseToExitDialog};
pub use feature_description::{Feature, FeatureDescription};
pub use fetch_delivery::{FetchDelivery, ResponseToFetchDelivery};
pub use fetch_process_card::{FetchProcessCard, ResponseToFetchProcessCard};
pub use forward_delivery::{ForwardDelivery, ResponseToForwardDelivery};
pub use get_message_id::{GetMessageId, ResponseToGetMessageId};
pub use head::{OrderHead, RecipientHead, ResponseHead};
pub use init_dialog::{InitDialog, ResponseToInitDialog};
pub use inspection_report::{
    CertType, Inspection, MathResult, OfflineResult, OnlineResult, OnlineStatus,
};
pub use limits::Limits;
pub use mediate_delivery::{MediateDelivery, ResponseToMediateDelivery};
pub use message::{Enclosed, Message};
pub use message_type::{ContentRule, MessageType, OrderPlace};
pub use partial_fetch_delivery::{PartialFetchDelivery, ResponseToPartialFetchDelivery};
pub use partial_store_delivery::{PartialStoreDelivery, ResponseToPartialStoreDelivery};
pub use process_card::{ProcessCardBundle, Stamped};
pub use process_delivery::{ProcessDelivery, ResponseToProcessDelivery};
pub use quality_of_timestamp::{Quality, QualityOfTimestamp, Service};
pub use refusal::Refusal;
pub use root_part::{BesideFault, Block, RootPart, identify, read, read_beside};
pub use selection::{
    DeliverySelection, ProcessCardCriteria, ProcessCardSelection, SelectionDate, SelectionRole,
};
pub use store_delivery::{ResponseToStoreDelivery, StoreDelivery};
pub use values::{DateTime, Language, MessageId};
pub use verbatim::Verbatim;
pub use writing::{Draft, Unwritable};

#[cfg(test)]
mod tests;
