//! Who is reachable, for what, how and until when (DVDV): a read-only view; files and their
//! formats are the business of whoever builds it.

mod partners;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::digest::Digest;
use crate::identity::{AccountId, ServiceUri};
use crate::message::Metadata;
use crate::party::PartyId;
use crate::validity::Validity;

use self::partners::Partners;
pub use self::partners::{Mailbox, Partner};

/// How a service of a party is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The party collects from its inbox at this hub.
    Inbox,
    /// Another hub speaking the native transport, by its name in the configuration.
    Peer(String),
}

impl Channel {
    /// The word of `via` in the directory file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Inbox => "inbox",
            Self::Peer(_) => "peer",
        }
    }
}

impl Channel {
    /// Reads what `Display` writes: `inbox`, or `peer:` and a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "inbox" => Some(Self::Inbox),
            Some(("peer", name)) if !name.is_empty() => Some(Self::Peer(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbox => f.write_str("inbox"),
            Self::Peer(name) => write!(f, "peer:{name}"),
        }
    }
}

/// One service that a party offers.
#[derive(Clone, Debug)]
pub struct Service {
    /// Which.
    pub uri: ServiceUri,
    /// How it is reached.
    pub channel: Channel,
    /// Since when, until when.
    pub validity: Validity,
    /// Content of no known standard is admitted.
    pub opaque: bool,
    /// The reader behind it is a test system: only messages marked as test go there, and those
    /// go nowhere else (P11).
    pub test: bool,
}

/// A certificate that policy trusts for the content signatures of a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedCertificate {
    /// SHA-256 over its DER.
    pub fingerprint: Digest,
    /// The DER.
    pub der: Vec<u8>,
    /// Its own validity.
    pub validity: Validity,
}

/// That algorithms which are otherwise refused are still read from a partner. Which ones is the
/// policy's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyProfile {
    /// First instant after; none means for ever.
    pub until: Option<Timestamp>,
}

impl LegacyProfile {
    /// Whether it is in force at `at`.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// One authority.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its key.
    pub id: PartyId,
    /// Its name in words.
    pub name: String,
    /// What it offers.
    pub services: Vec<Service>,
    /// What it signs with.
    pub certificates: Vec<TrustedCertificate>,
    /// Whether it is under the legacy profile; off by default.
    pub legacy: Option<LegacyProfile>,
    /// How long its certificates still count after the last word about their revocation has run
    /// out; none: as the node says.
    pub grace: Option<SignedDuration>,
}

impl Party {
    /// Whether the party is under the legacy profile at `at`.
    pub fn is_legacy(&self, at: Timestamp) -> bool {
        self.legacy.is_some_and(|profile| profile.holds(at))
    }
}

/// A system that may connect: known by its TLS client certificate, acting for some parties.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// The client certificates that identify it; old and new ones side by side.
    pub certificates: Vec<TrustedCertificate>,
    /// The parties for which it sends and collects.
    pub parties: Vec<PartyId>,
    /// The account is another hub: it relays messages of any author, who must have signed them.
    pub relay: bool,
    /// Whether the certificates it connects with, and what it signs on the transport, are under the
    /// legacy profile; off by default.
    pub legacy: Option<LegacyProfile>,
    /// As with parties.
    pub grace: Option<SignedDuration>,
}

impl Account {
    /// Whether the account is under the legacy profile at `at`.
    pub fn is_legacy(&self, at: Timestamp) -> bool {
        self.legacy.is_some_and(|profile| profile.holds(at))
    }

    /// Whether this client certificate identifies the account.
    pub fn is_known_by(&self, certificate: &Digest) -> bool {
        self.certificates.iter().any(|known| known.fingerprint == *certificate)
    }

    /// Whether the account may send what `author` wrote.
    pub fn may_send_for(&self, author: &PartyId) -> bool {
        self.relay || self.parties.contains(author)
    }

    /// Whether the account may collect what is for `reader`.
    pub fn may_collect_for(&self, reader: &PartyId) -> bool {
        self.parties.contains(reader)
    }
}

/// The whole directory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    parties: BTreeMap<PartyId, Party>,
    accounts: Vec<Account>,
    partners: Partners,
}

/// A directory that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// One key, two entries.
    #[error("party {0} is listed twice")]
    PartyTwice(PartyId),
    /// One name or certificate, two accounts.
    #[error("account {0}: its name or one of its certificates belongs to another account as well")]
    AccountTwice(AccountId),
    /// Something is said of an account that is not there.
    #[error("there is no account {0}")]
    NoAccount(AccountId),
    /// Something is said of a party that is not there.
    #[error("there is no party {0}")]
    NoParty(PartyId),
    /// One cipher certificate, two Readers.
    #[error("party {0}: one of its cipher certificates belongs to another party as well")]
    MailboxTwice(PartyId),
}

/// Where a message goes, decided from the directory alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The channel.
    pub channel: Channel,
    /// Content of no known standard is admitted.
    pub opaque: bool,
}

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// The directory does not know the reader.
    UnknownReader,
    /// The reader does not offer the service.
    ServiceNotOffered,
    /// It did or will, but not at this time.
    NotAtThisTime,
    /// A test message for a production reader, or the other way round (P11).
    TestAndProduction,
}

impl Directory {
    /// Puts it together and finds contradictions.
    pub fn new(parties: Vec<Party>, accounts: Vec<Account>) -> Result<Self, DirectoryError> {
        let mut by_id = BTreeMap::new();
        for party in parties {
            let id = party.id.clone();
            if by_id.insert(id.clone(), party).is_some() {
                return Err(DirectoryError::PartyTwice(id));
            }
        }
        for (n, account) in accounts.iter().enumerate() {
            let clash = accounts[..n].iter().any(|other| {
                other.id == account.id
                    || other.certificates.iter().any(|c| account.is_known_by(&c.fingerprint))
            });
            if clash {
                return Err(DirectoryError::AccountTwice(account.id.clone()));
            }
        }
        Ok(Self { parties: by_id, accounts, partners: Partners::default() })
    }

    /// The authority with this key.
    pub fn party(&self, id: &PartyId) -> Option<&Party> {
        self.parties.get(id)
    }

    /// All authorities, by key.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        self.parties.values()
    }

    /// Who is under the legacy profile at `at`: parties by key, then accounts; with the profile.
    pub fn legacy(&self, at: Timestamp) -> impl Iterator<Item = (&str, LegacyProfile)> {
        let parties = self.parties.values().map(|party| (party.id.as_str(), party.legacy));
        let accounts = self.accounts.iter().map(|account| (account.id.as_str(), account.legacy));
        parties.chain(accounts).filter_map(move |(name, profile)| {
            profile.filter(|profile| profile.holds(at)).map(|profile| (name, profile))
        })
    }

    /// All accounts.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account that this client certificate identifies.
    pub fn account(&self, certificate: &Digest) -> Option<&Account> {
        self.accounts.iter().find(|account| account.is_known_by(certificate))
    }

    /// The way for `metadata` at `at`.
    pub fn way(&self, metadata: &Metadata, at: Timestamp) -> Result<Way, NoWay> {
        self.way_to(&metadata.reader, &metadata.service, metadata.test, at)
    }

    /// The same for the bare facts: what `route explain` asks.
    pub fn way_to(
        &self,
        reader: &PartyId,
        service: &ServiceUri,
        test: bool,
        at: Timestamp,
    ) -> Result<Way, NoWay> {
        let party = self.party(reader).ok_or(NoWay::UnknownReader)?;
        let mut offered = party.services.iter().filter(|s| s.uri == *service).peekable();
        offered.peek().ok_or(NoWay::ServiceNotOffered)?;
        let mut open = offered.filter(|s| s.validity.holds(at)).peekable();
        open.peek().ok_or(NoWay::NotAtThisTime)?;
        open.find(|s| s.test == test)
            .map(|s| Way { channel: s.channel.clone(), opaque: s.opaque })
            .ok_or(NoWay::TestAndProduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(id: &str, services: Vec<Service>) -> Party {
        Party {
            id: PartyId::parse(id).expect("a party"),
            name: id.to_owned(),
            services,
            certificates: vec![],
            legacy: None,
            grace: None,
        }
    }

    fn service(uri: &str, test: bool, validity: Validity) -> Service {
        Service {
            uri: ServiceUri::parse(uri).expect("a service"),
            channel: Channel::Inbox,
            validity,
            opaque: false,
            test,
        }
    }

    #[test]
    fn every_reason_for_no_way_is_told_apart() {
        let later = Validity { from: Some(Timestamp::MAX), until: None };
        let directory = Directory::new(
            vec![party(
                "ags:05766044",
                vec![
                    service("urn:a", false, Validity::default()),
                    service("urn:b", false, later),
                    service("urn:c", true, Validity::default()),
                ],
            )],
            vec![],
        )
        .expect("consistent");
        let way = |reader: &str, uri: &str, test| {
            directory
                .way_to(
                    &PartyId::parse(reader).expect("a party"),
                    &ServiceUri::parse(uri).expect("a service"),
                    test,
                    Timestamp::UNIX_EPOCH,
                )
                .map(|way| way.channel)
        };
        assert_eq!(way("ags:05766044", "urn:a", false), Ok(Channel::Inbox));
        assert_eq!(way("ags:05766048", "urn:a", false), Err(NoWay::UnknownReader));
        assert_eq!(way("ags:05766044", "urn:x", false), Err(NoWay::ServiceNotOffered));
        assert_eq!(way("ags:05766044", "urn:b", false), Err(NoWay::NotAtThisTime));
        assert_eq!(way("ags:05766044", "urn:a", true), Err(NoWay::TestAndProduction));
        assert_eq!(way("ags:05766044", "urn:c", false), Err(NoWay::TestAndProduction));
        assert_eq!(way("ags:05766044", "urn:c", true), Ok(Channel::Inbox));
    }

    #[test]
    fn a_certificate_identifies_one_account() {
        let account = |id: &str| Account {
            id: AccountId::parse(id).expect("an account"),
            certificates: vec![TrustedCertificate {
                fingerprint: Digest([7; 32]),
                der: vec![],
                validity: Validity::default(),
            }],
            parties: vec![],
            relay: false,
            legacy: None,
            grace: None,
        };
        let clash = Directory::new(vec![], vec![account("a"), account("b")]);
        assert!(matches!(clash, Err(DirectoryError::AccountTwice(id)) if id.as_str() == "b"));
    }

    #[test]
    fn a_legacy_profile_ends_by_itself() {
        let second = SignedDuration::from_secs(1);
        let end = Timestamp::UNIX_EPOCH;
        let mut old = party("ags:05766044", vec![]);
        assert!(!old.is_legacy(end));
        old.legacy = Some(LegacyProfile { until: Some(end) });
        assert!(old.is_legacy(end - second) && !old.is_legacy(end));
        old.legacy = Some(LegacyProfile { until: None });
        assert!(old.is_legacy(Timestamp::MAX));
        let directory =
            Directory::new(vec![old, party("ags:05766020", vec![])], vec![]).expect("consistent");
        let under: Vec<&str> = directory.legacy(end).map(|(name, _)| name).collect();
        assert_eq!(under, ["ags:05766044"]);
    }
}
