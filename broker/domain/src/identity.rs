//! The three identities of a message (P3), and the names of accounts and services.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::party::PartyId;

/// A text that does not fit the identity it was read as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: 1 to {max} characters of {allowed}")]
pub struct BadIdentity {
    what: &'static str,
    max: usize,
    allowed: &'static str,
}

macro_rules! text_identity {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $allowed:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Longest text in bytes.
            pub const MAX_BYTES: usize = $max;

            /// Reads it, or says what would be allowed.
            pub fn parse(text: &str) -> Result<Self, BadIdentity> {
                let ok: fn(char) -> bool = $ok;
                if text.is_empty() || text.len() > $max || !text.chars().all(ok) {
                    return Err(BadIdentity { what: $what, max: $max, allowed: $allowed });
                }
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadIdentity;
            fn from_str(text: &str) -> Result<Self, BadIdentity> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadIdentity;
            fn try_from(text: String) -> Result<Self, BadIdentity> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

text_identity!(
    /// The id a sender gave its message. It is scoped to the authenticated account and the
    /// transport: two accounts may use the same one. What an account relays has a narrower [`Scope`].
    TransportId,
    "transport id",
    128,
    "letters, digits and - . _ ~ : @",
    |c| c.is_ascii_alphanumeric() || "-._~:@".contains(c)
);

text_identity!(
    /// The hub's own id of one acceptance; a UUID of version 7 in canonical form, so that ids
    /// sort by time of acceptance.
    HubId,
    "hub id",
    36,
    "hexadecimal digits and -",
    |c| c.is_ascii_hexdigit() || c == '-'
);

text_identity!(
    /// The sender account that a client certificate belongs to, as the configuration names it.
    AccountId,
    "account",
    64,
    "letters, digits and - . _",
    |c| c.is_ascii_alphanumeric() || "-._".contains(c)
);

text_identity!(
    /// What a message is for (Dienst, Dienste-URI); compared octet by octet.
    ServiceUri,
    "service",
    512,
    "visible ASCII without \" < > \\ ^ ` { | } *",
    |c| c.is_ascii_graphic() && !"\"<>\\^`{|}*".contains(c)
);

text_identity!(
    /// The type of a message inside its service, e.g. `0100`.
    MessageType,
    "message type",
    128,
    "letters, digits and - . _ :",
    |c| c.is_alphanumeric() || "-._:".contains(c)
);

text_identity!(
    /// The standard's own id of a message (`nachrichtenUUID`, RFC 4122), kept as written.
    MessageUuid,
    "business id",
    64,
    "letters, digits and - . _ :",
    |c| c.is_ascii_alphanumeric() || "-._:".contains(c)
);

text_identity!(
    /// A proposal that waits for, or had, a second person.
    ProposalId,
    "proposal",
    36,
    "letters, digits and -",
    |c| c.is_ascii_alphanumeric() || c == '-'
);

/// The business id: the author and the id its message carries in the standard's own header. A
/// pure re-send keeps it, a correction gets a new one; repeats are flagged, never dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BusinessId {
    /// Who wrote the content.
    pub author: PartyId,
    /// `nachrichtenUUID`.
    pub uuid: MessageUuid,
}

/// The way a message came in or goes out; part of the scope of a [`TransportId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Our own HTTP transport.
    Native,
    /// None: the hub itself wrote it, to tell an Author something.
    Hub,
    /// The one in which the hub is an Intermediary between mailboxes (OSCI-Transport).
    #[serde(rename = "osci")]
    Intermediary,
}

impl Transport {
    /// The word used in tables, evidence and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Hub => "hub",
            Self::Intermediary => "osci",
        }
    }
}

/// Within what a [`TransportId`] names one message (P3), beyond account and transport. Text in the
/// database and in evidence; the account alone is the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// The account alone: every system numbers its own messages.
    #[default]
    Account,
    /// The account is another hub and brings the messages of many, who chose their ids without
    /// knowing of each other.
    Relayed {
        /// Who wrote the message.
        author: PartyId,
        /// Within what the id was one at that hub, as it says itself; none from a hub that does not.
        sender: Option<Digest>,
    },
    /// One Reader of a message that names several: beside the delivery to its first Reader, or alone
    /// where another hub brings the message for that one only.
    OfReader {
        /// For whom it is.
        reader: PartyId,
        /// Within what the id of the message is one; never another [`Scope::OfReader`].
        within: Box<Self>,
    },
}

/// A text that is no [`Scope`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is empty, or author: and a party, or sender:, a digest, a colon and a party, each behind \
     reader:, a party and a space for one of several Readers"
)]
pub struct NotAScope;

impl Scope {
    /// Whether it is the account alone.
    pub fn is_account(&self) -> bool {
        *self == Self::Account
    }

    /// The same as far as the Author says it, without what the relaying hub said; none where it said
    /// nothing.
    pub fn coarser(&self) -> Option<Self> {
        match self {
            Self::Relayed { author, sender: Some(_) } => {
                Some(Self::Relayed { author: author.clone(), sender: None })
            }
            Self::OfReader { reader, within } => {
                within.coarser().map(|within| within.of_reader(reader.clone()))
            }
            _ => None,
        }
    }

    /// The same for one of several Readers.
    pub fn of_reader(self, reader: PartyId) -> Self {
        let within = match self {
            Self::OfReader { within, .. } => within,
            other => Box::new(other),
        };
        Self::OfReader { reader, within }
    }

    /// The one of several Readers for whom it is; none: for all of them, or there is one alone.
    pub fn reader(&self) -> Option<&PartyId> {
        match self {
            Self::OfReader { reader, .. } => Some(reader),
            _ => None,
        }
    }

    /// Within what the id of the message is one, whichever Reader this is for.
    pub fn of_message(&self) -> &Self {
        match self {
            Self::OfReader { within, .. } => within,
            other => other,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => Ok(()),
            Self::Relayed { author, sender: None } => write!(f, "author:{author}"),
            Self::Relayed { author, sender: Some(sender) } => write!(f, "sender:{sender}:{author}"),
            // No party holds a space.
            Self::OfReader { reader, within } => write!(f, "reader:{reader} {within}"),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = NotAScope;
    fn try_from(text: String) -> Result<Self, NotAScope> {
        let party = |text| PartyId::parse(text).map_err(|_| NotAScope);
        match text.split_once(':') {
            None if text.is_empty() => Ok(Self::Account),
            Some(("author", author)) => Ok(Self::Relayed { author: party(author)?, sender: None }),
            Some(("sender", rest)) => {
                let (sender, author) = rest.split_once(':').ok_or(NotAScope)?;
                let sender = Some(Digest::parse(sender).map_err(|_| NotAScope)?);
                Ok(Self::Relayed { author: party(author)?, sender })
            }
            Some(("reader", rest)) => {
                let (reader, within) = rest.split_once(' ').ok_or(NotAScope)?;
                if within.starts_with("reader:") {
                    return Err(NotAScope);
                }
                Ok(Self::try_from(within.to_owned())?.of_reader(party(reader)?))
            }
            _ => Err(NotAScope),
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_was_written() {
        let author = PartyId::parse("töj:05766044:x").expect("a party");
        let sender = Some(Digest([0xab; 32]));
        let relayed = |sender| Scope::Relayed { author: author.clone(), sender };
        let of_reader = |scope: Scope| scope.of_reader(author.clone());
        for scope in [Scope::Account, relayed(None), relayed(sender)] {
            assert_eq!(Scope::try_from(scope.to_string()), Ok(scope.clone()));
            let narrowed = of_reader(scope.clone());
            assert_eq!(Scope::try_from(narrowed.to_string()), Ok(narrowed.clone()));
            assert_eq!((narrowed.of_message(), scope.of_message()), (&scope, &scope));
            assert_eq!(of_reader(narrowed.clone()), narrowed, "one of them is not narrowed again");
            assert_eq!(narrowed.coarser(), scope.coarser().map(of_reader));
        }
        assert_eq!(relayed(sender).coarser(), Some(relayed(None)));
        assert_eq!((relayed(None).coarser(), Scope::Account.coarser()), (None, None));
        for bad in ["account", "author:", "author:lemgo", "sender:ab:ags:1", "sender:", "ags:1"]
            .into_iter()
            .chain(["reader:ags:1", "reader: ", "reader:ags:1 lage", "reader:ags:1 reader:ags:2 "])
        {
            assert_eq!(Scope::try_from(bad.to_owned()), Err(NotAScope), "{bad}");
        }
    }

    #[test]
    fn limits_hold_at_the_edge() {
        assert!(TransportId::parse(&"a".repeat(128)).is_ok());
        assert!(TransportId::parse(&"a".repeat(129)).is_err());
        assert!(TransportId::parse("").is_err());
        assert!(TransportId::parse("a/b").is_err());
        assert!(ServiceUri::parse("http://www.osci.de/xmeld243/xmeld243Rueckmeldung.wsdl").is_ok());
        assert!(ServiceUri::parse("urn:a b").is_err());
        assert!(ServiceUri::parse("urn:*").is_err());
    }

    #[test]
    fn a_refused_text_is_not_repeated_in_the_error() {
        let error = TransportId::parse("geheim geheim").expect_err("a space is not allowed");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
