//! By which way an Author is told.

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::directory::{Channel, NoWay, Way};
use amtsbote_domain::identity::ServiceUri;
use amtsbote_domain::party::PartyId;

use crate::tables::InForce;

/// The directory's way to the Author for this service. An Author who only sends offers none; where an
/// account collects for it here, its inbox is the way. Test is test there too (P11).
pub(super) fn to_author(
    tables: &InForce,
    author: &PartyId,
    service: &ServiceUri,
    test: bool,
    at: Timestamp,
) -> Result<(Way, Vec<Successor>), NoWay> {
    let named = tables.way_to(author, service, test, at);
    let Err(reason) = named else { return named };
    if reason == NoWay::TestAndProduction {
        return Err(reason);
    }
    let directory = &tables.directory;
    if !directory.accounts().iter().any(|account| account.may_collect_for(author)) {
        return Err(reason);
    }
    let services = directory.party(author).map(|party| party.services.as_slice());
    let services = services.unwrap_or_default();
    // Who offers nothing is no test system.
    let same = services.iter().any(|s| s.test == test) || (services.is_empty() && !test);
    match same {
        true => Ok((Way { channel: Channel::Inbox, opaque: true }, Vec::new())),
        false => Err(NoWay::TestAndProduction),
    }
}
