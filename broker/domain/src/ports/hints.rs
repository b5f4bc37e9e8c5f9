//! The port for hints between nodes.

use jiff::Timestamp;

use crate::party::PartyId;

/// Where another node may find something to do. It says where to look, and nothing of a message:
/// what there is to do stands in the store and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A delivery may be due: one node that looks is enough.
    Work,
    /// Something may lie in this Reader's inbox: wherever somebody waits for it, look.
    Inbox(PartyId),
    /// Hints may have been lost: every node looks everywhere.
    Everything,
}

/// Hints to the other nodes that share a store.
///
/// A hint that is lost, doubled, late, or made up by somebody else does no harm: who hears one asks
/// the store, and takes a lease as always. What no hint tells is found when the worker looks by
/// itself, and when a waiting inbox is looked at again.
pub trait Hints: Send + Sync + 'static {
    /// Tells the others, after the commit. It never waits: what cannot be passed on at once is
    /// counted, and replaced by [`Hint::Everything`] as soon as that is possible.
    fn announce(&self, hint: Hint);

    /// How it stands; nothing where there are no other nodes.
    fn report(&self) -> Option<HintReport>;
}

/// How hints fare, for `doctor` and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintReport {
    /// Since when hints can be passed on; nothing while they cannot.
    pub tells_since: Option<Timestamp>,
    /// Since when hints are heard; nothing while they are not.
    pub hears_since: Option<Timestamp>,
    /// Since when hints about work are heard as well; nothing while they are not.
    pub works_since: Option<Timestamp>,
    /// Passed on, and confirmed.
    pub sent: u64,
    /// Not passed on each for itself: no connection, no room, not taken.
    pub dropped: u64,
    /// Heard from other nodes.
    pub heard: u64,
    /// What came and was no hint for us: too large, malformed, of another log.
    pub ignored: u64,
    /// Connections that ended, or did not come about.
    pub failures: u64,
    /// The last of these, in the words of whoever noticed it.
    pub last_failure: Option<(Timestamp, String)>,
}

/// There is no other node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Hints for Alone {
    fn announce(&self, _: Hint) {}

    fn report(&self) -> Option<HintReport> {
        None
    }
}
