//! What every message of a run is, from its number and a seed alone: nothing of it has to be kept to
//! be compared later.

use amtsbote_adapters::probe::{PAYLOAD_CID, Wired};
use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::{Metadata, Part};
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::envelope::write_signed;
use amtsbote_wire::signature::Signer;
use anyhow::Result;
use openssl::sha::sha256;
use openssl::symm::{Cipher, encrypt};
use uuid::Uuid;

use crate::history::At;
use crate::suite::crash::Random;
use crate::town::SERVICE;

/// Services that admit any content.
pub(super) const FREE: [&str; 2] = ["urn:amtsbote:service:frei-a", "urn:amtsbote:service:frei-b"];
/// The longest part, in octets.
pub(super) const LONGEST: u64 = 200 * 1024;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Makes it repeatable.
    pub(super) seed: u64,
    /// When it began: every message says that it was made then.
    pub(super) begun: Timestamp,
    /// Who writes.
    pub(super) authors: Vec<PartyId>,
    /// Who reads, and where.
    pub(super) readers: Vec<(At, PartyId)>,
}

/// One message of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Which.
    pub(super) number: u64,
    /// Number of its author.
    pub(super) author: usize,
    /// It goes through another account that may act for the author.
    pub(super) other_account: bool,
    /// Number of its reader.
    pub(super) reader: usize,
    /// Its content is a notice of a standard; otherwise one of the free services.
    pub(super) notice: bool,
    /// The message whose transport id it has: itself, or the one before, of another account.
    pub(super) id_of: u64,
    /// The message whose content it has: itself, or the one before.
    pub(super) content_of: u64,
    /// Octets of its parts, payload first.
    pub(super) sizes: Vec<u64>,
    /// How often it is handed in at the same time.
    pub(super) posts: usize,
    /// Its sender tries to withdraw it.
    pub(super) cancel: bool,
    /// Its reader fetches it twice before it confirms.
    pub(super) twice: bool,
}

impl Script {
    /// What message `number` is.
    pub(super) fn plan(&self, number: u64) -> Plan {
        let own = self.own(number);
        let Some(before) = number.checked_sub(1).map(|before| self.own(before)) else { return own };
        match number % 26 {
            // The same id from another author, and from the same author by another account.
            13 => sharing(own, &before, (before.author + 1) % self.authors.len(), false),
            25 => sharing(own, &before, before.author, true),
            // The same content under another id.
            7 if !before.notice && !own.notice => {
                Plan { content_of: before.number, sizes: before.sizes, ..own }
            }
            _ => own,
        }
    }

    /// Without a look at its neighbours.
    fn own(&self, number: u64) -> Plan {
        let mut random = self.random(&["plan", &number.to_string()]);
        let mut chance = |of: u64| random.between(0..of);
        let author = chance(self.authors.len() as u64) as usize;
        let notice = chance(8) == 0;
        let reader = chance(self.readers.len() as u64) as usize;
        let attachments = if chance(8) == 0 { 1 + chance(3) } else { 0 };
        let mut sizes = Vec::new();
        for _ in 0..=attachments {
            let longest = match chance(100) {
                0..60 => 1 << 10,
                60..90 => 8 << 10,
                90..99 => 64 << 10,
                _ => LONGEST,
            };
            sizes.push(1 + chance(longest));
        }
        // Those before ones that share their id are of the first author: it has two accounts.
        let author = if number % 26 == 24 { 0 } else { author };
        Plan {
            number,
            author,
            other_account: false,
            reader,
            notice,
            id_of: number,
            content_of: number,
            sizes,
            posts: if chance(9) == 0 { 2 + chance(2) as usize } else { 1 },
            cancel: chance(12) == 0,
            twice: chance(19) == 0,
        }
    }

    /// The messages that may have this author and id: one, or two that share it.
    pub(super) fn under(&self, author: &PartyId, transport_id: &str) -> Vec<Plan> {
        let number = transport_id.rsplit('-').next().and_then(|text| text.parse::<u64>().ok());
        let Some(number) = number.filter(|number| self.id(*number) == transport_id) else {
            return Vec::new();
        };
        let plans = [number, number + 1].map(|number| self.plan(number));
        let fits = |plan: &Plan| plan.id_of == number && self.authors[plan.author] == *author;
        plans.into_iter().filter(fits).collect()
    }

    fn id(&self, number: u64) -> String {
        format!("mixup-{}-{number}", self.seed)
    }

    /// What a message says about itself.
    pub(super) fn metadata(&self, plan: &Plan) -> Metadata {
        let service = match plan.notice {
            true => SERVICE,
            false => FREE[(plan.number % FREE.len() as u64) as usize],
        };
        let uuid = self.hash(&["uuid", &plan.number.to_string()]);
        let mut octets = [0; 16];
        octets.copy_from_slice(&uuid[..16]);
        let uuid = uuid::Builder::from_random_bytes(octets).into_uuid();
        Metadata {
            author: self.authors[plan.author].clone(),
            reader: self.readers[plan.reader].1.clone(),
            other_readers: vec![],
            service: ServiceUri::parse(service).expect("the constants are services"),
            message_type: None,
            transport_id: TransportId::parse(&self.id(plan.id_of)).expect("letters and digits"),
            business_id: plan.notice.then(|| business_id(uuid)),
            created: self.begun,
            not_before: None,
            expires: None,
            test: false,
        }
    }

    /// Its parts: content-id, media type, octets.
    pub(super) fn parts(&self, plan: &Plan) -> Vec<(String, String, Vec<u8>)> {
        let part = |(place, size): (usize, &u64)| {
            let kind = "application/octet-stream".to_owned();
            match place {
                0 if plan.notice => {
                    let mut notice = crate::content::notice(&self.metadata(plan));
                    notice.extend_from_slice(format!("<!-- {} -->", plan.number).as_bytes());
                    (PAYLOAD_CID.to_owned(), "application/xml".to_owned(), notice)
                }
                0 => ("inhalt.bin".to_owned(), kind, self.octets(plan.content_of, 0, *size)),
                _ => {
                    let octets = self.octets(plan.content_of, place, *size);
                    (format!("anlage-{place}.bin"), kind, octets)
                }
            }
        };
        plan.sizes.iter().enumerate().map(part).collect()
    }

    /// Octets that look like chance and say in front whose they are, where they have room.
    fn octets(&self, number: u64, place: usize, size: u64) -> Vec<u8> {
        let key = self.hash(&["octets", &number.to_string(), &place.to_string()]);
        let zeros = vec![0; size as usize];
        let mut octets = encrypt(Cipher::aes_256_ctr(), &key, Some(&[0; 16]), &zeros)
            .expect("a stream cipher takes any length");
        let label = format!("{number}/{place};");
        if octets.len() > label.len() {
            octets[..label.len()].copy_from_slice(label.as_bytes());
        }
        octets
    }

    /// The message as it goes over the wire.
    pub(super) fn wired(&self, plan: &Plan, signer: &dyn Signer) -> Result<Wired> {
        let (metadata, parts) = (self.metadata(plan), self.parts(plan));
        let listed = parts.iter().map(|(cid, media_type, octets)| Part {
            cid: cid.clone(),
            media_type: media_type.clone(),
            size: octets.len() as u64,
            sha256: Digest(sha256(octets)),
        });
        let envelope = write_signed(&metadata, &listed.collect::<Vec<_>>(), signer)?;
        Ok(Wired { envelope, parts })
    }

    fn hash(&self, what: &[&str]) -> [u8; 32] {
        sha256(format!("{}/{}", self.seed, what.join("/")).as_bytes())
    }

    fn random(&self, what: &[&str]) -> Random {
        let mut octets = [0; 8];
        octets.copy_from_slice(&self.hash(what)[..8]);
        Random(u64::from_be_bytes(octets))
    }
}

/// Ids are shared between accounts of one hub, whose messages come by one account to the next.
fn sharing(own: Plan, before: &Plan, author: usize, other_account: bool) -> Plan {
    Plan { id_of: before.number, author, other_account, ..own }
}

fn business_id(uuid: Uuid) -> MessageUuid {
    MessageUuid::parse(&uuid.to_string()).expect("a UUID is a business id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn script() -> Script {
        let party = |text| PartyId::parse(text).expect("a party");
        Script {
            seed: 7,
            begun: "2026-11-23T09:00:00Z".parse().expect("an instant"),
            authors: vec![party("ags:05766044"), party("ags:05766020"), party("ags:05758012")],
            readers: vec![
                (At::First, party("ags:05766044")),
                (At::First, party("ags:05770032")),
                (At::Next, party("ags:05766020")),
            ],
        }
    }

    #[test]
    fn every_message_is_found_again_by_what_it_says() {
        let script = script();
        for number in 0..2_000 {
            let plan = script.plan(number);
            let said = script.metadata(&plan);
            let found = script.under(&said.author, said.transport_id.as_str());
            assert!(found.contains(&plan), "{number}: {found:?}");
            assert_eq!(script.parts(&plan), script.parts(&script.plan(number)));
            assert!(script.under(&said.author, "mixup-8-1").is_empty());
        }
    }

    #[test]
    fn a_run_has_everything_in_it() {
        let script = script();
        let plans: Vec<Plan> = (0..5_000).map(|number| script.plan(number)).collect();
        let shared: Vec<&Plan> = plans.iter().filter(|plan| plan.id_of != plan.number).collect();
        let there = |plan: &Plan| script.readers[plan.reader].0 == At::Next;
        for other_account in [true, false] {
            let of_it = || shared.iter().filter(|plan| plan.other_account == other_account);
            assert!(of_it().any(|plan| !there(plan)));
            // Both come to the next hub.
            assert!(of_it().any(|plan| there(plan) && there(&plans[plan.id_of as usize])));
        }
        for plan in &shared {
            let before = &plans[plan.id_of as usize];
            let account = |plan: &Plan| (plan.author, plan.other_account);
            assert_ne!(account(plan), account(before), "{plan:?}");
            assert_eq!(plan.other_account, plan.author == before.author);
        }
        assert!(plans.iter().any(|plan| plan.content_of != plan.number));
        for wanted in [
            |plan: &Plan| plan.notice,
            |plan: &Plan| plan.sizes.len() > 2,
            |plan: &Plan| plan.posts > 2,
            |plan: &Plan| plan.cancel,
            |plan: &Plan| plan.twice,
            |plan: &Plan| plan.sizes[0] > 100_000,
            |plan: &Plan| plan.sizes[0] < 10,
        ] {
            assert!(plans.iter().any(wanted));
        }
        assert!(plans.iter().all(|plan| plan.sizes.iter().all(|size| *size <= LONGEST)));
    }

    #[test]
    fn contents_differ_unless_they_are_meant_to_be_the_same() {
        let script = script();
        let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for number in 0..500 {
            let plan = script.plan(number);
            let payload = script.parts(&plan).swap_remove(0).2;
            // A few octets may be the same by chance.
            if payload.len() >= 16
                && let Some(other) = seen.insert(payload, plan.content_of)
            {
                assert_eq!(other, plan.content_of);
            }
            let said = script.metadata(&plan);
            let account = plan.other_account;
            assert!(ids.insert((said.author, said.transport_id.to_string(), account)));
        }
    }
}
