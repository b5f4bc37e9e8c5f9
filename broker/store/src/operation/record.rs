//! Acts that change no delivery: refusals, operator acts, the start of the hub.

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::StoreError;

use crate::error::misuse;
use crate::group::Group;
use crate::rows::seq_of;

/// Records the act. Says the index of its leaf.
pub(crate) fn record(group: &mut Group<'_>, evidence: &Evidence) -> Result<u64, StoreError> {
    let message = match evidence {
        Evidence::Started { .. } => None,
        Evidence::Refused(refused) => about(group, refused.hub_id.as_ref())?,
        Evidence::Operator { hub_id, .. } => about(group, hub_id.as_ref())?,
        Evidence::Accepted(_)
        | Evidence::Proposed { .. }
        | Evidence::Judged { .. }
        | Evidence::Attempt { .. }
        | Evidence::Changed { .. }
        | Evidence::HandedOut { .. }
        | Evidence::Noticed { .. } => {
            return Err(misuse("this evidence is recorded with the change it proves"));
        }
    };
    group.append_answered(evidence, message)
}

/// The message it is about, where there is one of that id.
fn about(group: &Group<'_>, hub_id: Option<&HubId>) -> Result<Option<i64>, StoreError> {
    hub_id.map_or(Ok(None), |hub_id| seq_of(group.db, hub_id))
}
