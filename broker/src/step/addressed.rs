//! For whom a message is: each of its Readers by itself, or the one that another hub brings it for.

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::{Permissions, RoutePermit};

/// A message as it is for one of its Readers, who may be written to.
pub(crate) struct Addressed {
    pub(super) metadata: Metadata,
    pub(super) permit: RoutePermit,
}

/// A message as it is for each Reader who gets a delivery of it here: the first, and the others. All of them
/// must be permitted.
pub(super) fn addressed(
    permissions: &Permissions,
    whole: &Metadata,
    alone: Option<&PartyId>,
    arrival: Timestamp,
) -> Result<(Addressed, Vec<Addressed>), Fault> {
    let permitted = |metadata: Metadata| match permissions.permit(&metadata, arrival) {
        Some(permit) => Ok(Addressed { metadata, permit }),
        None => Err(at_reader(Fault::new(Code::NotPermitted), whole, &metadata)),
    };
    let of = |reader| whole.for_reader(reader).ok_or_else(|| Fault::new(Code::Internal));
    if let Some(reader) = alone {
        return Ok((permitted(of(reader)?)?, Vec::new()));
    }
    let first = permitted(whole.clone())?;
    let others = whole.other_readers.iter().map(|reader| permitted(of(reader)?));
    Ok((first, others.collect::<Result<_, _>>()?))
}

/// Where in the envelope a fault about one of several Readers lies; of one alone nothing need be said.
pub(super) fn at_reader(fault: Fault, message: &Metadata, of: &Metadata) -> Fault {
    let place = message.readers().position(|reader| *reader == of.reader);
    match place.filter(|_| !message.other_readers.is_empty()) {
        Some(place) => fault.at(format!("Reader {}", place + 1)),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::policy::{Pattern, Rule};
    use amtsbote_domain::validity::Validity;

    /// The message of the tests as it is for these Readers.
    fn to(readers: &[&str]) -> Metadata {
        let party = |text: &&str| PartyId::parse(text).expect("a party");
        Metadata {
            reader: party(&readers[0]),
            other_readers: readers[1..].iter().map(party).collect(),
            ..crate::testing::metadata()
        }
    }

    #[test]
    fn a_fault_says_which_of_several_readers_it_is_about() {
        let place = |message: &Metadata, of: &Metadata| {
            at_reader(Fault::new(Code::NotPermitted), message, of).place
        };
        let all = to(&["ags:1", "ags:2", "ags:3"]);
        for (n, reader) in (1..).zip(all.readers()) {
            let of = all.for_reader(reader).expect("a Reader");
            assert_eq!(place(&all, &of), Some(format!("Reader {n}")));
        }
        assert_eq!(place(&to(&["ags:1"]), &to(&["ags:1"])), None);
    }

    /// One who may not be written to stands against all; alone, each stands for itself.
    #[test]
    fn every_reader_must_be_permitted() {
        let pattern = |text| Pattern::parse(text).expect("a pattern");
        let permissions = Permissions::new(vec![Rule {
            name: "permissions.toml:1".to_owned(),
            from: pattern("*"),
            to: pattern("ags:*"),
            service: pattern("*"),
            types: None,
            validity: Validity::default(),
        }]);
        let at = Timestamp::UNIX_EPOCH;
        let judged = |whole: &Metadata, alone: Option<&PartyId>| {
            let (first, others) = addressed(&permissions, whole, alone, at)?;
            let all = std::iter::once(first).chain(others).map(|one| one.metadata);
            Ok::<Vec<Metadata>, Fault>(all.collect())
        };
        let good = to(&["ags:1", "ags:2"]);
        let wanted = [good.clone(), to(&["ags:2", "ags:1"])];
        assert_eq!(judged(&good, None).expect("permitted"), wanted);
        let bad = to(&["ags:1", "zzz:2"]);
        let fault = judged(&bad, None).expect_err("one is not");
        assert_eq!((fault.code, fault.place.as_deref()), (Code::NotPermitted, Some("Reader 2")));
        assert_eq!(judged(&bad, Some(&bad.reader)).expect("permitted"), std::slice::from_ref(&bad));
        let fault = judged(&bad, Some(&bad.other_readers[0])).expect_err("is not");
        assert_eq!((fault.code, fault.place.as_deref()), (Code::NotPermitted, Some("Reader 2")));
    }
}
