//! Any message, and how it is written.

use super::accept_delivery::{AcceptDelivery, ResponseToAcceptDelivery};
use super::blocks::Blocks;
use super::certificates::{IntermediaryCertificates, NonIntermediaryCertificates};
use super::content_container::{CustomHeader, PackageItem};
use super::dialogue::Control;
use super::exit_dialog::{ExitDialog, ResponseToExitDialog};
use super::feature_description::FeatureDescription;
use super::feedback::Entry;
use super::fetch_delivery::{FetchDelivery, ResponseToFetchDelivery};
use super::fetch_process_card::{FetchProcessCard, ResponseToFetchProcessCard};
use super::forward_delivery::{ForwardDelivery, ResponseToForwardDelivery};
use super::get_message_id::{GetMessageId, ResponseToGetMessageId};
use super::head::Head;
use super::init_dialog::{InitDialog, ResponseToInitDialog};
use super::mediate_delivery::{MediateDelivery, ResponseToMediateDelivery};
use super::message_type::{ContentRule, MessageType, OrderPlace};
use super::partial_fetch_delivery::{PartialFetchDelivery, ResponseToPartialFetchDelivery};
use super::partial_store_delivery::{PartialStoreDelivery, ResponseToPartialStoreDelivery};
use super::process_delivery::{ProcessDelivery, ResponseToProcessDelivery};
use super::refusal::Refusal;
use super::store_delivery::{ResponseToStoreDelivery, StoreDelivery};
use super::writing::{Draft, Unwritable, Writing, Xml};

macro_rules! messages {
    (header { $($header:ident)* } body { $($body:ident)* }) => {
        /// A message other than an encrypted one or a fault, without its content.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(#[doc = concat!("See [`", stringify!($header), "`].")] $header(Box<$header>),)*
            $(#[doc = concat!("See [`", stringify!($body), "`].")] $body(Box<$body>),)*
        }

        impl Message {
            /// Which one it is.
            pub fn message_type(&self) -> MessageType {
                match self {
                    $(Self::$header(_) => MessageType::$header,)*
                    $(Self::$body(_) => MessageType::$body,)*
                }
            }

            fn head(&self) -> &dyn Head {
                match self {
                    $(Self::$header(message) => &message.head,)*
                    $(Self::$body(message) => &message.head,)*
                }
            }

            /// Puts a message together from its blocks.
            pub(super) fn read(mut blocks: Blocks<'_>) -> Result<Self, Refusal> {
                let message = match blocks.kind {
                    $(MessageType::$header => $header::read(&mut blocks)?.into(),)*
                    $(MessageType::$body => $body::read(&mut blocks)?.into(),)*
                    MessageType::MessageEncrypted | MessageType::MessageFault => {
                        let rule = "an encrypted message is opened first, and a fault is no order";
                        return Err(Refusal::order(blocks.place, "Body", rule));
                    }
                };
                blocks.end()?;
                Ok(message)
            }

            fn header(&self, out: &mut Writing) {
                match self {
                    $(Self::$header(message) => message.header(out),)*
                    $(Self::$body(message) => message.header(out),)*
                }
            }

            /// The order, where it stands in the body.
            fn body(&self, xml: &mut Xml) {
                match self {
                    $(Self::$header(_) => {})*
                    $(Self::$body(message) => message.body(xml),)*
                }
            }
        }

        $(impl From<$header> for Message {
            fn from(message: $header) -> Self {
                Self::$header(Box::new(message))
            }
        })*
        $(impl From<$body> for Message {
            fn from(message: $body) -> Self {
                Self::$body(Box::new(message))
            }
        })*
    };
}

messages! {
    header {
        StoreDelivery ResponseToStoreDelivery
        FetchDelivery ResponseToFetchDelivery
        ForwardDelivery ResponseToForwardDelivery
        AcceptDelivery ResponseToAcceptDelivery
        MediateDelivery ResponseToMediateDelivery
        ProcessDelivery ResponseToProcessDelivery
        PartialStoreDelivery ResponseToPartialStoreDelivery
        PartialFetchDelivery ResponseToPartialFetchDelivery
    }
    body {
        GetMessageId ResponseToGetMessageId
        InitDialog ResponseToInitDialog
        ExitDialog ResponseToExitDialog
        FetchProcessCard ResponseToFetchProcessCard
    }
}

impl Message {
    /// Where it stands in its dialogue.
    pub fn control(&self) -> &Control {
        self.head().control()
    }

    /// The certificates of the intermediary.
    pub fn intermediary(&self) -> Option<&IntermediaryCertificates> {
        self.head().intermediary()
    }

    /// The certificates of everybody else.
    pub fn certificates(&self) -> Option<&NonIntermediaryCertificates> {
        match self {
            Self::ResponseToFetchDelivery(answer) => answer.certificates.as_ref(),
            Self::ResponseToMediateDelivery(answer) => answer.certificates.as_ref(),
            Self::ResponseToPartialFetchDelivery(answer) => answer.certificates.as_ref(),
            _ => self.head().certificates(),
        }
    }

    /// What the other side can do, if it says so.
    pub fn features(&self) -> Option<&FeatureDescription> {
        self.head().features()
    }

    /// What an answer says; nothing in orders.
    pub fn feedback(&self) -> &[Entry] {
        match self {
            Self::ResponseToGetMessageId(answer) => &answer.feedback,
            Self::ResponseToInitDialog(answer) => &answer.feedback,
            Self::ResponseToExitDialog(answer) => &answer.feedback,
            Self::ResponseToStoreDelivery(answer) => &answer.feedback,
            Self::ResponseToFetchDelivery(answer) => &answer.feedback,
            Self::ResponseToFetchProcessCard(answer) => &answer.feedback,
            Self::ResponseToForwardDelivery(answer) => &answer.feedback,
            Self::ResponseToAcceptDelivery(answer) => &answer.feedback,
            Self::ResponseToMediateDelivery(answer) => &answer.feedback,
            Self::ResponseToProcessDelivery(answer) => &answer.feedback,
            Self::ResponseToPartialStoreDelivery(answer) => &answer.feedback,
            Self::ResponseToPartialFetchDelivery(answer) => &answer.feedback,
            Self::GetMessageId(_)
            | Self::InitDialog(_)
            | Self::ExitDialog(_)
            | Self::StoreDelivery(_)
            | Self::FetchDelivery(_)
            | Self::FetchProcessCard(_)
            | Self::ForwardDelivery(_)
            | Self::AcceptDelivery(_)
            | Self::MediateDelivery(_)
            | Self::ProcessDelivery(_)
            | Self::PartialStoreDelivery(_)
            | Self::PartialFetchDelivery(_) => &[],
        }
    }
}

/// What goes with a message and is not of its making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enclosed {
    /// What stands in the `ContentPackage`; none where there is no package. Encrypted containers
    /// are put first, as the schema has it.
    pub package: Option<Vec<PackageItem>>,
    /// Header blocks of others, behind all of ours.
    pub custom: Vec<CustomHeader>,
}

impl Message {
    /// Writes the message, but for its signature. Clients take it for what it is by its
    /// `xsi:schemaLocation`; identifiers and the order of blocks are those that they expect.
    pub fn write(&self, enclosed: &Enclosed) -> Result<Draft, Unwritable> {
        let kind = self.message_type();
        let mut out = Writing::new(kind);
        self.header(&mut out);
        for header in &enclosed.custom {
            header.ids().for_each(|id| out.claim(id));
            out.foreign(header.id(), header.as_str());
        }
        match (kind.content(), &enclosed.package) {
            (ContentRule::Never, Some(_)) => {
                out.refuse_form("ContentPackage", "this message carries none");
            }
            (ContentRule::Required, None) => {
                out.refuse_form("ContentPackage", "this message carries one");
            }
            _ => {}
        }
        for item in enclosed.package.iter().flatten() {
            item.ids().for_each(|id| out.claim(id));
        }
        let items = enclosed.package.iter().flatten();
        let body_bytes = items.map(|item| item.as_str().len()).sum();
        out.finish(body_bytes, |xml| {
            if kind.place() == OrderPlace::Body {
                self.body(xml);
            } else if let Some(items) = &enclosed.package {
                xml.element("osci:ContentPackage", &[], |xml| {
                    let (encrypted, clear): (Vec<_>, Vec<_>) =
                        items.iter().partition(|item| item.is_encrypted());
                    for item in encrypted.into_iter().chain(clear) {
                        xml.raw(item.as_str());
                    }
                });
            }
        })
    }
}
