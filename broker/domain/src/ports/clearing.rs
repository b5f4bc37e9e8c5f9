//! The port for decisions of people.

use jiff::Timestamp;

use super::{Delivery, Pending, StoreError};
use crate::clearing::{Act, Alone, Decided, Decision, Person, Proposal, Reason, Target};
use crate::digest::Digest;
use crate::identity::{HubId, ProposalId};
use crate::party::PartyId;
use crate::state::ClearingCause;

/// A delivery in clearing.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The delivery.
    pub delivery: Delivery,
    /// Who has taken it.
    pub taken: Option<Taken>,
}

/// That a person has taken a case: nobody else acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Who.
    pub by: Person,
    /// Since when.
    pub at: Timestamp,
}

/// Which cases. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct CaseQuery {
    /// Why it is in clearing.
    pub cause: Option<ClearingCause>,
    /// Author or Reader.
    pub party: Option<PartyId>,
    /// The service.
    pub service: Option<String>,
    /// The way it was on: `inbox`, or `peer:` and a name.
    pub channel: Option<String>,
    /// In clearing at or after.
    pub since: Option<Timestamp>,
    /// Taken by this person.
    pub taken_by: Option<Digest>,
    /// Continue after this cursor.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// One page of cases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CasePage {
    /// Those that wait longest first.
    pub cases: Vec<Case>,
    /// Continue after this; none when nothing followed.
    pub next: Option<String>,
}

/// What a proposal is about, one delivery after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedTarget {
    /// The delivery as it was seen.
    pub target: Target,
    /// What became of it; none before the grant.
    pub decided: Option<Decided>,
}

/// Decisions of people (P2), each with its evidence in one transaction.
pub trait Clearing: Send + Sync + 'static {
    /// What waits for a person.
    fn cases(&self, query: CaseQuery) -> Pending<'_, Result<CasePage, StoreError>>;

    /// One case; a delivery that is not in clearing is none.
    fn case<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Case, StoreError>>;

    /// Takes a case. One that another person has is refused unless `over` is set: then it changes
    /// hands, on record. Taking it again changes nothing.
    fn take<'a>(
        &'a self,
        hub_id: &'a HubId,
        person: &'a Person,
        over: Option<&'a Reason>,
    ) -> Pending<'a, Result<Case, StoreError>>;

    /// Gives a case back to everybody.
    fn hand_back<'a>(
        &'a self,
        hub_id: &'a HubId,
        person: &'a Person,
    ) -> Pending<'a, Result<Case, StoreError>>;

    /// For how many deliveries this person did this act alone within the span that the store was opened
    /// with, up to now.
    fn alone<'a>(&'a self, person: &'a Person, act: Act) -> Pending<'a, Result<Alone, StoreError>>;

    /// Carries a decision out, at most [`MAX_AT_ONCE`] targets: all in one transaction, each for
    /// itself. Says what became of each, in their order. One that is too much for one person, with
    /// [`Clearing::alone`], is not begun ([`Objection::Sum`](crate::clearing::Objection::Sum)).
    fn decide(&self, decision: Decision) -> Pending<'_, Result<Vec<Decided>, StoreError>>;

    /// Keeps a decision until another person grants it.
    fn propose(
        &self,
        id: ProposalId,
        decision: Decision,
        digest: Digest,
    ) -> Pending<'_, Result<Proposal, StoreError>>;

    /// Grants or denies an open proposal. To grant, it must be another person, and the digest that
    /// of the proposal; who proposed may deny it, which takes it back. What was granted is carried
    /// out by [`Clearing::carry_out`].
    fn judge<'a>(
        &'a self,
        id: &'a ProposalId,
        person: &'a Person,
        granted: bool,
        digest: Digest,
        reason: &'a Reason,
    ) -> Pending<'a, Result<Proposal, StoreError>>;

    /// Goes on with what was granted, and ends what nobody decided in time; says whether there is
    /// more. To be repeated until there is none, and by the worker: a grant outlives a crash.
    fn carry_out(&self) -> Pending<'_, Result<bool, StoreError>>;

    /// Proposals, newest first: the open ones, or all.
    fn proposals(&self, open: bool, limit: u32) -> Pending<'_, Result<Vec<Proposal>, StoreError>>;

    /// A proposal, and what it is about from a position on, at most `limit`.
    fn proposal<'a>(
        &'a self,
        id: &'a ProposalId,
        from: u32,
        limit: u32,
    ) -> Pending<'a, Result<(Proposal, Vec<ProposedTarget>), StoreError>>;
}

/// Most deliveries that are changed in one transaction: a larger one would keep acceptance waiting.
pub const MAX_AT_ONCE: usize = 200;
