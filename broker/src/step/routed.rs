//! Step four: where it goes.

use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::directory::{NoWay, Way};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::{ContentVerdict, OpaqueReason};

use crate::hub::Hub;
use crate::step::authenticated::Authenticated;
use crate::step::validated::{Content, ContentFacts};

/// A message that is permitted, read as far as it may be, and has a way.
pub(crate) struct Routed {
    pub(super) message: Authenticated,
    pub(super) facts: ContentFacts,
    pub(super) verdict: ContentVerdict,
    pub(super) way: Way,
    /// Why it goes to another authority than the one that it names.
    pub(super) successors: Vec<Successor>,
    pub(super) test: bool,
}

/// Finds the way in the directory at the time of arrival (P10), to whoever has taken the Reader's
/// place by then; permission was judged for the Reader that the message names. A message marked as test, outside
/// or inside, goes to test readers only (P11).
pub(crate) fn route(hub: &Hub, content: Content) -> Result<Routed, Fault> {
    let (message, verdict, facts) = match content {
        Content::Checked(checked) => {
            let (message, verdict, facts) = checked.into_parts();
            (message, verdict, facts)
        }
        Content::Opaque(opaque) => {
            let (message, reason) = opaque.into_parts();
            (message, ContentVerdict::Opaque { reason }, ContentFacts::default())
        }
    };
    let test = message.metadata.test || facts.test;
    let (way, successors) = hub
        .tables()
        .way_to(&message.metadata.reader, &message.metadata.service, test, message.arrival)
        .map_err(no_way)?;
    if let ContentVerdict::Opaque { reason } = &verdict
        && !way.opaque
    {
        return Err(match reason {
            OpaqueReason::NoStandard | OpaqueReason::Encrypted => Fault::new(Code::UnknownStandard),
        });
    }
    Ok(Routed { message, facts, verdict, way, successors, test })
}

/// What a partner is told when there is no way.
pub(crate) fn no_way(reason: NoWay) -> Fault {
    Fault::new(match reason {
        NoWay::UnknownReader => Code::UnknownReader,
        NoWay::ServiceNotOffered => Code::ServiceNotOffered,
        NoWay::NotAtThisTime => Code::ServiceNotNow,
        NoWay::TestAndProduction => Code::TestAndProduction,
    })
}
