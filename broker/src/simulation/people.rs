//! Who uses the hubs: senders, readers, clerks; and what shakes them.

use std::sync::Arc;

use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::clearing::{Act, Person, Reason};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Retry};
use amtsbote_domain::identity::{AccountId, HubId, ServiceUri, TransportId};
use amtsbote_domain::message::{Metadata, Part};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{CaseQuery, Query, StoreError};
use amtsbote_domain::state::{ClearingCause, Event, State, WaitingFor};
use amtsbote_wire::native::envelope::write_signed;
use openssl::sha::sha256;

use super::ground::{Ground, SERVICE};
use super::history::{Collected, Confirmed, Sent};
use super::network::{Message, Reached, Said, hand_in, whole};
use super::node::Node;
use super::partner::Partner;
use super::world::World;
use crate::clearing::{Done, Which, Wish, act, judge, plan};
use crate::hub::Hub;

/// The media type of every part: opaque, so that no standard is read.
const MEDIA_TYPE: &str = "application/octet-stream";

/// Who sends.
pub(super) struct Sender {
    pub(super) node: Arc<Node>,
    pub(super) account: AccountId,
    pub(super) author: PartyId,
    pub(super) readers: Vec<PartyId>,
    /// What its ids begin with; another sender may have the same.
    pub(super) ids: String,
    /// Its contents are numbered from here: they are those of no other.
    pub(super) from: u64,
}

impl Sender {
    /// Sends a message until it has an answer, or for as long as it likes.
    pub(super) async fn send(self: Arc<Self>, number: usize) {
        let world = self.node.world.clone();
        let late = if world.chance(300) { 600_000 } else { 60_000 };
        world.pause(0, late).await;
        let transport_id = format!("{}-{number}", self.ids);
        let content = self.from + number as u64;
        let reader = &self.readers[world.between(0, self.readers.len() as u64 - 1) as usize];
        let now = super::world::start() + world.elapsed();
        let later = |low, high| now + std::time::Duration::from_secs(world.between(low, high));
        let not_before = world.chance(150).then(|| later(1, 200));
        let expires = world.chance(250).then(|| later(60, 1500));
        let metadata = Metadata {
            author: self.author.clone(),
            reader: reader.clone(),
            other_readers: vec![],
            service: ServiceUri::parse(SERVICE).expect("a service"),
            message_type: None,
            transport_id: TransportId::parse(&transport_id).expect("an id"),
            business_id: None,
            created: now,
            not_before,
            expires,
            test: false,
        };
        let message = Arc::new(compose(&world, &metadata, content));
        let index = {
            let mut history = world.history();
            history.sent.push(Sent {
                hub: self.node.name.to_owned(),
                account: self.account.to_string(),
                transport_id: transport_id.clone(),
                payload: message.payload(),
                answers: Vec::new(),
                refused: None,
            });
            history.sent.len() - 1
        };
        let Some(hub_id) = self.hand_in(&message, index).await else { return };
        // Some send again what was answered, some another content under the same id.
        if world.chance(150) {
            world.pause(1, 60_000).await;
            self.hand_in(&message, index).await;
        }
        if world.chance(80) {
            let other = Arc::new(compose(&world, &metadata, content + 1000));
            let answer = hand_in(&world, &self.node, &self.account, None, &other).await;
            if matches!(answer, Reached::Answer(Ok(_))) {
                world.breach(format!(
                    "{transport_id}: other content was taken under the same id (P3)"
                ));
            }
        }
        if world.chance(60) {
            world.pause(1, 30_000).await;
            world.note(format!("{} cancels {transport_id}", self.account));
            let by = Some(format!("account:{}", self.account));
            let cancel = |hub: Arc<Hub>| async move {
                hub.store.apply(&hub_id, Event::Cancel, by, None).await.is_ok()
            };
            self.node.ask(cancel).await;
        }
    }

    /// Again and again under the same id, until there is an answer.
    async fn hand_in(&self, message: &Arc<Message>, index: usize) -> Option<HubId> {
        let world = &self.node.world;
        loop {
            match hand_in(world, &self.node, &self.account, None, message).await {
                Reached::Answer(Ok((hub_id, receipt))) => {
                    world.note(format!(
                        "{} has a receipt for {}",
                        self.account, message.transport_id
                    ));
                    let key = self.node.log_key().verifier();
                    let good =
                        Receipt::parse(&receipt).is_ok_and(|receipt| receipt.verify(key).is_ok());
                    if !good {
                        world.breach(format!(
                            "{}: its receipt does not verify (P5)",
                            message.transport_id
                        ));
                    }
                    world.history().sent[index].answers.push((hub_id.clone(), receipt));
                    return Some(hub_id);
                }
                Reached::Answer(Err(Said { code, after })) if code != Code::Internal => {
                    world.note(format!(
                        "{} is refused: {}, {code}",
                        self.account, message.transport_id
                    ));
                    if code.retry() != Retry::Later {
                        world.history().sent[index].refused = Some(code);
                        return None;
                    }
                    world.pause(1_000, 1_000 + 1_000 * u64::from(after.unwrap_or(5))).await;
                }
                Reached::Answer(Err(_)) | Reached::NothingLeft | Reached::Lost => {
                    world.pause(1_000, 15_000).await;
                }
            }
        }
    }
}

/// A message that no other is like: every part has octets and a length of its own.
fn compose(world: &World, metadata: &Metadata, number: u64) -> Message {
    let mut parts = Vec::new();
    for n in 0..=u64::from(world.chance(250)) {
        let large = world.chance(350);
        let most = if large { world.between(30, 140) } else { world.between(0, 9) };
        let length = most * 41 + (number * 2 + n) % 41 + 1;
        let mut octets = format!("{} {number} {n} ", metadata.transport_id).into_bytes();
        let mut fill = world.between(0, u64::MAX - 1);
        while (octets.len() as u64) < length {
            fill = fill.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            octets.push((fill >> 56) as u8);
        }
        let part = Part {
            cid: if n == 0 { "payload".to_owned() } else { format!("attachment-{n}") },
            media_type: MEDIA_TYPE.to_owned(),
            size: octets.len() as u64,
            sha256: Digest(sha256(&octets)),
        };
        parts.push((part, octets));
    }
    let described: Vec<Part> = parts.iter().map(|(part, _)| part.clone()).collect();
    let signer = Ground::get().identity.signer().expect("a key that signs");
    let envelope = write_signed(metadata, &described, &signer).expect("an envelope");
    Message { transport_id: metadata.transport_id.to_string(), envelope, parts }
}

/// Somebody who empties an inbox, not always as they should.
pub(super) async fn read_mail(node: Arc<Node>, account: AccountId, reader: PartyId) {
    let world = node.world.clone();
    loop {
        world.pause(2_000, 40_000).await;
        let (who, limit) = (reader.clone(), world.between(1, 12) as u32);
        let page =
            node.ask(|hub: Arc<Hub>| async move { hub.store.inbox(&who, None, limit).await }).await;
        let Some(Ok(page)) = page else { continue };
        for delivery in page.deliveries {
            if world.trouble(200) {
                continue;
            }
            let hub_id = delivery.record.hub_id.clone();
            let payload = delivery.record.parts[0].clone();
            collect(&world, &node, &account, &hub_id, &payload.cid).await;
            if world.trouble(150) {
                collect(&world, &node, &account, &hub_id, &payload.cid).await;
            }
            if world.trouble(150) {
                // Perhaps another day.
                continue;
            }
            world.pause(1, if world.trouble(100) { 400_000 } else { 2_000 }).await;
            let wrong = world.trouble(100);
            let digest = if wrong { Digest([9; 32]) } else { payload.sha256 };
            confirm(&world, &node, &account, hub_id, digest, !wrong).await;
        }
    }
}

/// As the inbox of the native transport does it: opened first, recorded, then handed out.
async fn collect(
    world: &Arc<World>,
    node: &Arc<Node>,
    account: &AccountId,
    hub_id: &HubId,
    cid: &str,
) {
    let (account, id, cid) = (account.clone(), hub_id.clone(), cid.to_owned());
    let octets = node.ask(|hub: Arc<Hub>| async move {
        let octets = match hub.store.open_part(&id, &cid).await.and_then(whole) {
            Ok(octets) => octets,
            Err(StoreError::Corrupt(_)) => {
                let _ = hub.store.apply(&id, Event::DigestMismatch, None, None).await;
                return None;
            }
            Err(_) => return None,
        };
        // As the inbox shows it to its reader.
        let state = hub.store.delivery(&id).await.ok()?.state;
        let flagged = matches!(
            state,
            State::Acknowledged | State::Waiting { on: WaitingFor::Acknowledgement }
        );
        hub.store.hand_out(&id, &account).await.ok().map(|()| (octets, flagged))
    });
    let Some(Some((octets, flagged))) = octets.await else { return };
    if world.trouble(80) {
        world.count(|figures| figures.lost += 1);
        return;
    }
    world.note(format!("{}: {hub_id} is collected", node.name));
    let (hub, payload) = (node.name.to_owned(), Digest(sha256(&octets)));
    let hub_id = hub_id.clone();
    world.history().collected.push(Collected { hub, hub_id, payload, flagged });
}

async fn confirm(
    world: &Arc<World>,
    node: &Arc<Node>,
    account: &AccountId,
    hub_id: HubId,
    digest: Digest,
    right: bool,
) {
    let hub = node.name.to_owned();
    let index = {
        let mut history = world.history();
        history.confirmed.push(Confirmed { hub, hub_id: hub_id.clone(), right, answered: false });
        history.confirmed.len() - 1
    };
    let (by, id) = (Some(format!("account:{account}")), hub_id.clone());
    let answer = node.ask(|hub: Arc<Hub>| async move {
        hub.store.apply(&id, Event::Acknowledge, by, Some(digest)).await.is_ok()
    });
    let taken = answer.await == Some(true);
    if taken && !world.trouble(80) {
        world.note(format!("{}: {hub_id} is confirmed", node.name));
        world.history().confirmed[index].answered = true;
    }
}

/// People who decide, two to a hub; they know what they ask a partner about.
pub(super) async fn decide(node: Arc<Node>, others: Vec<Arc<Node>>, partners: Vec<Arc<Partner>>) {
    let world = node.world.clone();
    loop {
        world.pause(15_000, 90_000).await;
        let query = CaseQuery { limit: 20, ..CaseQuery::default() };
        let cases = node.ask(|hub: Arc<Hub>| async move { hub.store.cases(query).await }).await;
        let Some(Ok(page)) = cases else { continue };
        for case in page.cases {
            if world.chance(400) {
                continue;
            }
            let record = &case.delivery.record;
            let State::InClearing { cause } = case.delivery.state else { continue };
            let (id, payload) = (record.metadata.transport_id.as_str(), record.parts[0].sha256);
            // Others may have used the id: only its content says that it is this message.
            let mut arrived = partners.iter().any(|partner| partner.has(id))
                && world
                    .history()
                    .arrived
                    .iter()
                    .any(|one| one.kept && (&*one.transport_id, one.payload) == (id, payload));
            for other in &others {
                let id = id.to_owned();
                let has =
                    other.ask(move |hub: Arc<Hub>| async move { has(&hub, &id, payload).await });
                arrived |= has.await == Some(true);
            }
            let wish = match cause {
                ClearingCause::DigestMismatch => Act::Reject,
                _ if arrived => Act::Close,
                _ if world.chance(600) => Act::Resubmit,
                _ if world.chance(500) => Act::Reject,
                _ => Act::Resubmit,
            };
            let (hub_id, first) = (record.hub_id.clone(), world.between(0, 1) as usize);
            if world.chance(400) {
                let id = hub_id.clone();
                let taken =
                    |hub: Arc<Hub>| async move { hub.store.take(&id, &person(first), None).await };
                node.ask(taken).await;
            }
            decide_one(&world, &node, wish, hub_id, first).await;
        }
    }
}

/// Whether a hub has this message.
async fn has(hub: &Hub, id: &str, payload: Digest) -> bool {
    for hub_id in hub.store.find(id).await.unwrap_or_default() {
        let found = hub.store.delivery(&hub_id).await;
        if found.is_ok_and(|found| found.record.parts[0].sha256 == payload) {
            return true;
        }
    }
    false
}

/// Plans, acts and, where it needs two, lets the other one judge; each in a request of its own.
async fn decide_one(world: &Arc<World>, node: &Arc<Node>, wish: Act, hub_id: HubId, first: usize) {
    let reason = || Reason::parse("simulated").expect("a reason");
    let id = hub_id.clone();
    let done = node.ask(|hub: Arc<Hub>| async move {
        let wish = Wish { act: wish, channel: None, which: Which::These(vec![id]) };
        let plan = plan(&hub, wish, &person(first)).await.ok()?;
        act(&hub, plan, person(first), reason()).await.ok()
    });
    let Some(Some(done)) = done.await else { return };
    world.count(|figures| figures.acts += 1);
    match done {
        Done::Now(done) => {
            world.note(format!(
                "{}: {wish} {hub_id}: {:?}",
                node.name,
                done.first().map(|one| &one.1)
            ));
        }
        Done::Proposed(proposal, _) => {
            world.note(format!("{}: {wish} {hub_id} is proposed", node.name));
            world.pause(1, 60_000).await;
            let granted = world.is_calm() || world.chance(800);
            // Whoever proposed must not grant; sometimes they try.
            let judged_by = if world.trouble(150) { first } else { 1 - first };
            let answer = node.ask(|hub: Arc<Hub>| async move {
                let person = person(judged_by);
                judge(&hub, &proposal.id, &person, granted, proposal.digest, &reason())
                    .await
                    .is_ok()
            });
            let answer = answer.await;
            if granted && judged_by == first && answer == Some(true) {
                world.breach(format!("{hub_id}: one person granted their own proposal"));
            }
            world.note(format!("{}: {wish} {hub_id} granted {granted}: {answer:?}", node.name));
        }
    }
}

/// Operators who stop, release and withdraw at random.
pub(super) async fn operate(node: Arc<Node>) {
    let world = node.world.clone();
    loop {
        world.pause(20_000, 120_000).await;
        let calm = world.is_calm();
        let query = Query { limit: 100, ..Query::default() };
        let list = node.ask(|hub: Arc<Hub>| async move { hub.store.list(query).await }).await;
        let Some(Ok(list)) = list else { continue };
        let held = |state| matches!(state, State::Waiting { on: WaitingFor::Release { .. } });
        for delivery in list {
            let wish = match delivery.state {
                state if held(state) && (calm || world.chance(500)) => Act::Release,
                state if calm || state.is_final() => continue,
                _ if world.chance(60) => Act::Hold,
                _ if world.chance(20) => Act::Cancel,
                _ => continue,
            };
            decide_one(&world, &node, wish, delivery.record.hub_id, 0).await;
        }
    }
}

/// A clock that jumps, a hub that goes down, files that rot; until all is healed.
pub(super) async fn shake(node: Arc<Node>) {
    let world = node.world.clone();
    let rots = world.chance(200);
    let jumps = world.chance(600);
    while !world.is_calm() {
        world.pause(10_000, 200_000).await;
        if jumps && world.trouble(500) {
            let by = world.between(0, 1_200_000) as i64 - 600_000;
            node.clock.jump(by);
            world.count(|figures| figures.jumps += 1);
            world.note(format!("{}: its clock jumps by {by} ms", node.name));
        }
        if rots && world.trouble(300) {
            node.rot();
        }
    }
}

/// Takes a hub down and up again until all is healed; then keeps it up.
pub(super) async fn supervise(node: Arc<Node>) {
    let world = node.world.clone();
    loop {
        match node.disk() {
            None => {
                if !world.is_calm() {
                    world.pause(0, 60_000).await;
                }
                if !node.open().await {
                    world.pause(5_000, 30_000).await;
                }
            }
            Some(disk) => {
                let time = std::time::Duration::from_millis(world.between(5_000, 400_000));
                // The first that is ready counts.
                let died = tokio::time::timeout(time, disk.died.notified()).await.is_ok();
                if died || world.trouble(700) {
                    node.crash().await;
                }
            }
        }
    }
}

/// One of two people.
fn person(number: usize) -> Person {
    let name = ["TEST Adler", "TEST Birke"][number].to_owned();
    Person { name, certificate: Digest([number as u8 + 1; 32]) }
}

/// It has ended, or waits for a person.
pub(super) fn is_quiet(state: State) -> bool {
    state.is_final() || matches!(state, State::InClearing { .. })
}
