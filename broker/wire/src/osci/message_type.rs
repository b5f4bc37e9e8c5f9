//! Which messages there are, and by what they are known.

use super::names::{OSCI, OSCI2017, SOAP, XENC};

/// Where the element stands that makes a message what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderPlace {
    /// A header block.
    Header,
    /// The one child of the body.
    Body,
}

/// Whether a body holds a `ContentPackage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRule {
    /// It never does.
    Never,
    /// It may.
    Optional,
    /// It must, though the package may be empty.
    Required,
}

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident $element:literal $namespace:ident $place:ident $content:ident;)*) => {
        /// A message of OSCI-Transport 1.2, named as in the standard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MessageType { $($(#[$doc])* $name,)* }

        impl MessageType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the standard, with which its schema file is named: `soap<name>.xsd`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What `xsi:schemaLocation` says. Clients tell messages apart by this very text, so it
            /// is written like this and not otherwise.
            pub fn schema_location(self) -> &'static str {
                match self { $(Self::$name => concat!(
                    "http://schemas.xmlsoap.org/soap/envelope/ soap", stringify!($name), ".xsd ",
                    "http://www.w3.org/2000/09/xmldsig# oscisig.xsd ",
                    "http://www.w3.org/2001/04/xmlenc# oscienc.xsd"
                ),)* }
            }

            /// Local name of the element that makes a message what it is.
            pub fn element(self) -> &'static str {
                match self { $(Self::$name => $element,)* }
            }

            /// The namespace of [`MessageType::element`].
            pub fn namespace(self) -> &'static str {
                match self { $(Self::$name => $namespace,)* }
            }

            /// Where [`MessageType::element`] stands.
            pub fn place(self) -> OrderPlace {
                match self { $(Self::$name => OrderPlace::$place,)* }
            }

            /// Whether the body holds a `ContentPackage`.
            pub fn content(self) -> ContentRule {
                match self { $(Self::$name => ContentRule::$content,)* }
            }
        }
    };
}

message_types! {
    /// Asks for an id for a delivery.
    GetMessageId "getMessageId" OSCI Body Never;
    /// The id.
    ResponseToGetMessageId "responseToGetMessageId" OSCI Body Never;
    /// Opens an explicit dialogue.
    InitDialog "initDialog" OSCI Body Never;
    /// It is open.
    ResponseToInitDialog "responseToInitDialog" OSCI Body Never;
    /// Ends an explicit dialogue.
    ExitDialog "exitDialog" OSCI Body Never;
    /// It has ended.
    ResponseToExitDialog "responseToExitDialog" OSCI Body Never;
    /// A delivery into the mailbox of the Addressee.
    StoreDelivery "storeDelivery" OSCI Header Required;
    /// What became of it.
    ResponseToStoreDelivery "responseToStoreDelivery" OSCI Header Never;
    /// Fetches a delivery from the mailbox.
    FetchDelivery "fetchDelivery" OSCI Header Never;
    /// The delivery.
    ResponseToFetchDelivery "responseToFetchDelivery" OSCI Header Optional;
    /// Fetches process cards.
    FetchProcessCard "fetchProcessCard" OSCI Body Never;
    /// The process cards.
    ResponseToFetchProcessCard "responseToFetchProcessCard" OSCI Body Never;
    /// A delivery that is to be passed on to a passive recipient.
    ForwardDelivery "forwardDelivery" OSCI Header Required;
    /// What became of it.
    ResponseToForwardDelivery "responseToForwardDelivery" OSCI Header Never;
    /// The intermediary passes it on.
    AcceptDelivery "acceptDelivery" OSCI Header Required;
    /// The passive recipient took it.
    ResponseToAcceptDelivery "responseToAcceptDelivery" OSCI Header Never;
    /// A delivery that a passive recipient is to answer at once.
    MediateDelivery "mediateDelivery" OSCI Header Required;
    /// The answer.
    ResponseToMediateDelivery "responseToMediateDelivery" OSCI Header Optional;
    /// The intermediary passes it on and waits for the answer.
    ProcessDelivery "processDelivery" OSCI Header Required;
    /// The answer of the passive recipient.
    ResponseToProcessDelivery "responseToProcessDelivery" OSCI Header Optional;
    /// A chunk of a delivery (`EFFI.xsd`).
    PartialStoreDelivery "partialStoreDelivery" OSCI2017 Header Required;
    /// What became of it.
    ResponseToPartialStoreDelivery "responseToPartialStoreDelivery" OSCI2017 Header Never;
    /// Fetches a chunk of a delivery.
    PartialFetchDelivery "partialFetchDelivery" OSCI2017 Header Never;
    /// The chunk.
    ResponseToPartialFetchDelivery "responseToPartialFetchDelivery" OSCI2017 Header Optional;
    /// Any of the others, encrypted; see `SOAPMessageEncrypted`.
    MessageEncrypted "EncryptedData" XENC Body Never;
    /// The message before was no message; see `SOAPMessageFault`.
    MessageFault "Fault" SOAP Body Never;
}

impl MessageType {
    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The type that this element makes at this place.
    pub(super) fn of_element(namespace: &str, local: &str, place: OrderPlace) -> Option<Self> {
        let fits = |kind: &Self| kind.place() == place && kind.element() == local;
        Self::ALL.iter().copied().find(|kind| fits(kind) && kind.namespace() == namespace)
    }

    /// Whether it answers another one.
    pub fn is_response(self) -> bool {
        self.name().starts_with("ResponseTo")
    }

    /// What answers it when it was executed; none for answers, faults and encrypted ones.
    pub fn response(self) -> Option<Self> {
        Self::from_name(&format!("ResponseTo{}", self.name()))
    }

    /// The fixed identifier of the header block that makes the message what it is: its name in
    /// small letters.
    pub(super) fn block_id(self) -> String {
        self.element().to_ascii_lowercase()
    }

    /// Whether the other side is a passive recipient, not an intermediary.
    pub(super) fn is_with_recipient(self) -> bool {
        matches!(
            self,
            Self::AcceptDelivery
                | Self::ResponseToAcceptDelivery
                | Self::ProcessDelivery
                | Self::ResponseToProcessDelivery
        )
    }

    /// What `xsi:schemaLocation` means, read leniently: the file of the schema for SOAP, wherever it
    /// lies and whatever else is listed. `Some(None)`: one of which we know nothing.
    pub(super) fn of_schema_location(text: &str) -> Option<Option<Self>> {
        let words: Vec<&str> = text.split_ascii_whitespace().take(64).collect();
        let file = words.chunks_exact(2).find(|pair| pair[0] == SOAP)?[1];
        let file = file.rsplit('/').next().unwrap_or(file);
        let name = file.strip_prefix("soap").and_then(|rest| rest.strip_suffix(".xsd"));
        Some(name.and_then(Self::from_name))
    }
}
