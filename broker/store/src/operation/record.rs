//! Acts that change no delivery: refusals, operator acts, the start of the hub.

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::StoreError;

use crate::error::misuse;
use crate::group::Group;
use crate::rows::seq_of;

/// Records the act. Says the index of its leaf.
pub(crate) fn record(group: &mut Group<'_>, evidence: &Evidence) -> Result<u64, StoreError> {
    let message = match evidence {
        Evidence::Refused(_) | Evidence::Started { .. } => None,
        Evidence::Operator { hub_id, .. } => match hub_id {
            Some(hub_id) => seq_of(group.db, hub_id)?,
            None => None,
        },
        Evidence::Accepted(_)
        | Evidence::Attempt { .. }
        | Evidence::Changed { .. }
        | Evidence::HandedOut { .. } => {
            return Err(misuse("this evidence is recorded with the change it proves"));
        }
    };
    group.append_answered(evidence, message)
}
