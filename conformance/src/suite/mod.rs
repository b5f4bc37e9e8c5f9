//! The suites.

mod certificates;
mod clearing;
mod corpus;
mod crash;
mod disk;
mod given;
mod interop;
mod mixup;
mod native;
mod nodes;
mod notices;
mod power;
mod prove;
mod relay;
mod simulation;
mod traffic;
mod wrapping;
mod x509;
mod xml;
mod xmldsig;
mod xmlenc;
mod xsd;

use std::path::PathBuf;
use std::str::FromStr;

use amtsbote_domain::text::Language;
use anyhow::Result;

use crate::report::{Report, Summary};
use crate::shipped::Shipped;

/// What all suites are told.
pub(crate) struct Settings {
    /// The binary under test.
    pub shipped: Shipped,
    /// Makes random choices repeatable.
    pub seed: u64,
    /// Rounds of suites that repeat themselves.
    pub rounds: u32,
    /// Messages of the suite that sends very many.
    pub messages: u64,
    /// Kills of the suite that proves; its own number when none is given.
    pub kill: Option<u32>,
    /// The language of what is told in words.
    pub language: Language,
    /// One JSON object per line instead of text.
    pub json: bool,
    /// Where reports are written.
    pub report: Option<PathBuf>,
}

/// One suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Every ending of a message.
    Native,
    /// SIGKILL under load.
    Crash,
    /// Power cuts, replayed.
    Power,
    /// A full disk.
    Disk,
    /// Two hubs.
    Relay,
    /// Real messages.
    Corpus,
    /// Well-formed and not.
    Xml,
    /// Valid and not.
    Xsd,
    /// Signatures of others.
    Xmldsig,
    /// Signatures tampered with.
    Wrapping,
    /// Both ways with other programs.
    Interop,
    /// Encryption of others.
    Xmlenc,
    /// Certificate paths.
    X509,
    /// Certificates that change and are revoked.
    Certificates,
    /// What people decide.
    Clearing,
    /// Very many messages, every octet compared.
    Mixup,
    /// Accidents to real hubs, and which promises held.
    Prove,
    /// What Authors are told.
    Notices,
    /// Two nodes on one database.
    Nodes,
    /// Seeds decide everything.
    Simulation,
}

impl Suite {
    /// Every suite.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Native,
        Self::Crash,
        Self::Power,
        Self::Disk,
        Self::Relay,
        Self::Corpus,
        Self::Xml,
        Self::Xsd,
        Self::Xmldsig,
        Self::Wrapping,
        Self::Interop,
        Self::Xmlenc,
        Self::X509,
        Self::Certificates,
        Self::Clearing,
        Self::Mixup,
        Self::Prove,
        Self::Notices,
        Self::Nodes,
        Self::Simulation,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Crash => "crash",
            Self::Power => "power",
            Self::Disk => "disk",
            Self::Relay => "relay",
            Self::Corpus => "corpus",
            Self::Xml => "xml",
            Self::Xsd => "xsd",
            Self::Xmldsig => "xmldsig",
            Self::Wrapping => "wrapping",
            Self::Interop => "interop",
            Self::Xmlenc => "xmlenc",
            Self::X509 => "x509",
            Self::Certificates => "certificates",
            Self::Clearing => "clearing",
            Self::Mixup => "mixup",
            Self::Prove => "prove",
            Self::Notices => "notices",
            Self::Nodes => "nodes",
            Self::Simulation => "simulation",
        }
    }

    /// What it shows.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Native => {
                "every ending of a message over the native transport, bad input included"
            }
            Self::Crash => {
                "SIGKILL at random moments under load; nothing accepted is lost or mixed up"
            }
            Self::Power => {
                "writes and syncs replayed with what was not synced dropped; nothing accepted is lost"
            }
            Self::Disk => "a full disk refuses, settles what was accepted, loses nothing",
            Self::Relay => "one hub forwards to another that goes away, refuses, is killed",
            Self::Corpus => "verdicts over real messages, and their way through a node",
            Self::Xml => "well-formedness: the XML conformance suite of the W3C",
            Self::Xsd => "schemas and validity: the XML Schema test suite of the W3C, XSD 1.0",
            Self::Xmldsig => "XML signatures: public test vectors and recorded messages",
            Self::Wrapping => {
                "signature wrapping and other attacks on every signed document at hand"
            }
            Self::Interop => {
                "signatures both ways with xmlsec1, Python xmlsec and Apache Santuario"
            }
            Self::Xmlenc => "XML encryption of other producers",
            Self::X509 => "certificate paths of the public test set x509-limbo",
            Self::Certificates => {
                "certificates overlap, change and are revoked while the hub works; sources go away"
            }
            Self::Clearing => {
                "every cause of clearing, and what clerks decide alone, by two, at the same time"
            }
            Self::Prove => {
                "kills, stops, lines cut, disks slow and full; then which promises held, in words"
            }
            Self::Mixup => {
                "very many distinct messages through two hubs at once, every octet compared"
            }
            Self::Notices => {
                "what Authors are told when accepted messages end badly: once, also across SIGKILL"
            }
            Self::Nodes => {
                "two nodes on one PostgreSQL are killed, stand still, lose the database; one history"
            }
            Self::Simulation => {
                "two hubs under a clock, a network and disks that a seed decides about"
            }
        }
    }

    /// Runs it.
    pub(crate) fn run(self, settings: &Settings) -> Result<Summary> {
        let mut report = Report::new(self.name(), settings.json);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Native => native::run(settings, &mut report).await,
                Self::Crash => crash::run(settings, &mut report).await,
                Self::Power => power::run(settings, &mut report).await,
                Self::Disk => disk::run(settings, &mut report).await,
                Self::Relay => relay::run(settings, &mut report).await,
                Self::Corpus => corpus::run(settings, &mut report).await,
                Self::Xml => xml::run(settings, &mut report).await,
                Self::Xsd => xsd::run(settings, &mut report).await,
                Self::Xmldsig => xmldsig::run(settings, &mut report).await,
                Self::Wrapping => wrapping::run(settings, &mut report).await,
                Self::Interop => interop::run(settings, &mut report).await,
                Self::Xmlenc => xmlenc::run(settings, &mut report).await,
                Self::X509 => x509::run(settings, &mut report).await,
                Self::Certificates => certificates::run(settings, &mut report).await,
                Self::Clearing => clearing::run(settings, &mut report).await,
                Self::Mixup => mixup::run(settings, &mut report).await,
                Self::Prove => prove::run(settings, &mut report).await,
                Self::Notices => notices::run(settings, &mut report).await,
                Self::Nodes => nodes::run(settings, &mut report).await,
                Self::Simulation => simulation::run(settings, &mut report).await,
            }
        })?;
        report.finish(settings.report.as_deref())
    }
}

impl FromStr for Suite {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|suite| suite.name() == name).ok_or(())
    }
}
