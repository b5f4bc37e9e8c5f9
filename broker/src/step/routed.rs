//! Step four: where it goes.

use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::directory::{NoWay, Way};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason};

use crate::hub::Hub;
use crate::step::addressed::{Addressed, at_reader};
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
    /// The same for every other Reader.
    pub(super) others: Vec<RoutedTo>,
    pub(super) test: bool,
}

/// One of the other Readers of a message, and the way there.
pub(crate) struct RoutedTo {
    pub(super) to: Addressed,
    pub(super) way: Way,
    pub(super) successors: Vec<Successor>,
}

/// Finds the way in the directory at the time of arrival (P10), to whoever has taken the Reader's
/// place by then; permission was judged for the Reader that the message names. A message marked as test, outside
/// or inside, goes to test readers only (P11). Of several Readers each must have a way.
pub(crate) fn route(hub: &Hub, content: Content) -> Result<Routed, Fault> {
    let (mut message, verdict, facts) = match content {
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
    let tables = hub.tables();
    let find = |metadata: &Metadata| {
        let (reader, service) = (&metadata.reader, &metadata.service);
        let found = tables.way_to(reader, service, test, message.arrival).map_err(no_way);
        let found = found.and_then(|(way, successors)| match &verdict {
            ContentVerdict::Opaque { reason } if !way.opaque => Err(match reason {
                OpaqueReason::NoStandard | OpaqueReason::Encrypted => {
                    Fault::new(Code::UnknownStandard)
                }
            }),
            _ => Ok((way, successors)),
        });
        // Brought for one alone, it is clear which one.
        found.map_err(|fault| match message.others.is_empty() {
            true => fault,
            false => at_reader(fault, &message.metadata, metadata),
        })
    };
    let (way, successors) = find(&message.metadata)?;
    let ways = message.others.iter().map(|other| find(&other.metadata));
    let ways = ways.collect::<Result<Vec<_>, _>>()?;
    let others = std::mem::take(&mut message.others).into_iter().zip(ways);
    let others = others.map(|(to, (way, successors))| RoutedTo { to, way, successors }).collect();
    Ok(Routed { message, facts, verdict, way, successors, others, test })
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
