//! The way between nodes: what is lost, late, doubled or overtaken.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Weak};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault, Retry};
use amtsbote_domain::identity::{AccountId, HubId, Transport};
use amtsbote_domain::message::Part;
use amtsbote_domain::ports::{ENVELOPE_CID, Pending, StoreError};
use amtsbote_store::SimulatedDisk;
use amtsbote_wire::native::hop;
use bytes::Bytes;
use openssl::sha::sha256;

use super::disk::Disk;
use super::history::{Carried, Heard, Peer};
use super::node::Node;
use super::partner::{Manner, Partner, Reply};
use super::world::World;
use crate::hub::Hub;
use crate::outlet::{Outcome, Outlet, Parcel};
use crate::pipeline;
use crate::step::form::Form;
use crate::step::received::{Door, Inbound, PartHead};
use crate::transport::native::form::Signed;

/// Octets that come at a time.
const CHUNK: usize = 900;

/// A message on its way.
pub(super) struct Message {
    pub(super) transport_id: String,
    pub(super) envelope: Vec<u8>,
    /// The payload first.
    pub(super) parts: Vec<(Part, Vec<u8>)>,
}

impl Message {
    pub(super) fn payload(&self) -> Digest {
        Digest(sha256(&self.parts[0].1))
    }
}

/// What a hub says to whoever hands it a message.
pub(super) type Answered = Result<(HubId, Vec<u8>), Said>;

/// A refusal.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) code: Code,
    pub(super) after: Option<u32>,
}

/// What came of handing a message to a hub.
pub(super) enum Reached {
    /// No connection.
    NothingLeft,
    /// No answer.
    Lost,
    /// An answer.
    Answer(Answered),
}

/// Hands a message to a hub over a network that loses, delays, doubles and reorders.
pub(super) async fn hand_in(
    world: &Arc<World>,
    to: &Arc<Node>,
    account: &AccountId,
    sender: Option<Digest>,
    message: &Arc<Message>,
) -> Reached {
    if !to.is_up() || world.trouble(30) {
        world.pause(1, 500).await;
        return Reached::NothingLeft;
    }
    world.pause(1, if world.trouble(60) { 25_000 } else { 200 }).await;
    let ingest = || {
        let (account, message) = (account.clone(), message.clone());
        move |hub: Arc<Hub>| ingest(hub, account, sender, message)
    };
    if world.trouble(40) {
        world.count(|figures| figures.lost += 1);
        // The connection breaks: before the hub begins, or somewhere in the middle.
        if world.chance(600)
            && let Some((abort, _)) = to.begin(ingest())
        {
            world.pause(0, 60).await;
            abort.abort();
        }
        world.pause(10, 40_000).await;
        return Reached::Lost;
    }
    if world.trouble(60) {
        world.count(|figures| figures.doubled += 1);
        let (world, to, work) = (world.clone(), to.clone(), ingest());
        tokio::spawn(async move {
            world.pause(0, 90_000).await;
            to.ask(work).await;
        });
    }
    let Some(answer) = to.ask(ingest()).await else {
        world.pause(1, 10_000).await;
        return Reached::Lost;
    };
    world.pause(1, if world.trouble(60) { 25_000 } else { 200 }).await;
    if world.trouble(60) {
        world.count(|figures| figures.lost += 1);
        return Reached::Lost;
    }
    Reached::Answer(answer)
}

async fn ingest(
    hub: Arc<Hub>,
    account: AccountId,
    sender: Option<Digest>,
    message: Arc<Message>,
) -> Answered {
    let tables = hub.tables();
    let known = tables.directory.accounts().iter().find(|known| known.id == account);
    let account = known.expect("every account is in the directory");
    let mut inbound = Inside { message, part: 0, from: 0, form: Signed::relayed(sender, None) };
    let door = Door {
        account,
        certificate: Digest([7; 32]),
        under_grace: None,
        transport: Transport::Native,
        arrival: hub.clock.now(),
        inbound: &mut inbound,
    };
    match pipeline::ingest(&hub, door).await {
        Ok(answer) => Ok((answer.hub_id().clone(), answer.into_receipt())),
        Err(refused) => Err(Said { code: refused.fault.code, after: refused.fault.retry_after }),
    }
}

/// A message as the hub reads it.
struct Inside {
    message: Arc<Message>,
    /// Parts begun.
    part: usize,
    /// Octets taken of the last of them.
    from: usize,
    form: Signed,
}

impl Inbound for Inside {
    fn envelope(&mut self, _limit: u64) -> Pending<'_, Result<Vec<u8>, Fault>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(self.message.envelope.clone())
        })
    }

    fn next_part(&mut self) -> Pending<'_, Result<Option<PartHead>, Fault>> {
        Box::pin(async {
            let part = self.message.parts.get(self.part).map(|(part, _)| part);
            (self.part, self.from) = (self.part + 1, 0);
            Ok(part.map(|part| PartHead {
                cid: part.cid.clone(),
                media_type: part.media_type.clone(),
            }))
        })
    }

    fn chunk(&mut self) -> Pending<'_, Result<Option<Bytes>, Fault>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            let (_, octets) = &self.message.parts[self.part - 1];
            let until = octets.len().min(self.from + CHUNK);
            let chunk = Bytes::copy_from_slice(&octets[self.from..until]);
            self.from = until;
            Ok((!chunk.is_empty()).then_some(chunk))
        })
    }

    fn announced(&self) -> Option<u64> {
        None
    }

    fn form(&mut self) -> &mut dyn Form {
        &mut self.form
    }
}

/// Where a way leads.
#[derive(Clone)]
pub(super) enum Target {
    /// To another hub, where this account is ours.
    Hub(Weak<Node>, AccountId),
    /// To a partner.
    Partner(Arc<Partner>),
}

/// A way out of one life of a hub.
pub(super) struct Way {
    pub(super) world: Arc<World>,
    pub(super) from: &'static str,
    pub(super) disk: Arc<Disk>,
    pub(super) name: String,
    pub(super) to: Target,
}

impl Way {
    fn peer(&self) -> Peer {
        let (is_hub, lies) = match &self.to {
            Target::Hub(..) => (true, false),
            Target::Partner(partner) => (false, partner.manner == Manner::Lies),
        };
        Peer { name: self.name.clone(), is_hub, idempotent: self.is_idempotent(), lies }
    }

    /// From here on octets leave. Says under which number it is remembered.
    fn leaves(&self, parcel: &Parcel, message: &Message) -> usize {
        let again = if parcel.repeated { " again" } else { "" };
        self.world
            .note(format!("{} sends {} to {}{again}", self.from, message.transport_id, self.name));
        let mut history = self.world.history();
        history.carried.push(Carried {
            hub: self.from.to_owned(),
            hub_id: parcel.record.hub_id.clone(),
            transport_id: message.transport_id.clone(),
            peer: self.peer(),
            payload: message.payload(),
            repeated: parcel.repeated,
            heard: Heard::Nothing,
        });
        history.carried.len() - 1
    }

    async fn send(&self, parcel: &Parcel) -> Outcome {
        if self.disk.is_off() {
            // There is nobody any more who could send.
            std::future::pending::<()>().await;
        }
        let message = match read(parcel).await {
            Ok(message) => Arc::new(message),
            Err(StoreError::Corrupt(_)) => return Outcome::Corrupt,
            Err(_) => return Outcome::NotNow(None),
        };
        if self.world.trouble(40) {
            return Outcome::NotNow(None);
        }
        match &self.to {
            Target::Hub(node, account) => {
                let Some(node) = node.upgrade() else { return Outcome::NotNow(None) };
                if !node.is_up() {
                    return Outcome::NotNow(None);
                }
                let number = self.leaves(parcel, &message);
                let sender = Some(hop::sender(&parcel.record));
                let outcome = match hand_in(&self.world, &node, account, sender, &message).await {
                    Reached::NothingLeft => Outcome::NotNow(None),
                    Reached::Lost => Outcome::Lost,
                    Reached::Answer(answer) => judged(answer),
                };
                self.heard(number, outcome)
            }
            Target::Partner(partner) => {
                let number = self.leaves(parcel, &message);
                let outcome = self.send_to(partner, &message).await;
                self.heard(number, outcome)
            }
        }
    }

    async fn send_to(&self, partner: &Arc<Partner>, message: &Arc<Message>) -> Outcome {
        let world = &self.world;
        world.pause(1, if world.trouble(60) { 25_000 } else { 200 }).await;
        if world.trouble(50) {
            world.count(|figures| figures.lost += 1);
            return Outcome::Lost;
        }
        if world.trouble(50) {
            world.count(|figures| figures.doubled += 1);
            let (world, partner, message) = (world.clone(), partner.clone(), message.clone());
            tokio::spawn(async move {
                world.pause(0, 60_000).await;
                partner.take(&world, &message.transport_id, message.payload()).await;
            });
        }
        let reply = partner.take(world, &message.transport_id, message.payload()).await;
        world.pause(1, if world.trouble(60) { 25_000 } else { 200 }).await;
        if world.trouble(80) {
            world.count(|figures| figures.lost += 1);
            return Outcome::Lost;
        }
        match reply {
            Reply::Has(said) => Outcome::Confirmed(Digest(sha256(&said))),
            Reply::Later(seconds) => Outcome::NotNow(seconds),
            Reply::Refuses(code) => Outcome::Refused(code),
            Reply::Breaks => Outcome::Lost,
        }
    }

    /// Remembers what the hub hears.
    fn heard(&self, number: usize, outcome: Outcome) -> Outcome {
        let heard = match &outcome {
            Outcome::Confirmed(digest) => Heard::Confirmed(*digest),
            Outcome::NotNow(_) | Outcome::Refused(_) | Outcome::Corrupt => Heard::NotKept,
            Outcome::Lost => Heard::Nothing,
        };
        if !self.disk.is_off() {
            self.world.history().carried[number].heard = heard;
        }
        outcome
    }
}

impl Outlet for Way {
    fn deliver<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Outcome> {
        Box::pin(self.send(parcel))
    }

    fn is_idempotent(&self) -> bool {
        !matches!(&self.to, Target::Partner(partner) if partner.manner == Manner::Plain)
    }
}

/// What a hub's answer means, as the native transport reads it.
fn judged(answer: Answered) -> Outcome {
    match answer {
        Ok((_, receipt)) => Outcome::Confirmed(Digest(sha256(&receipt))),
        Err(Said { code: Code::Internal, .. }) => Outcome::Lost,
        Err(Said { code, after }) => match code.retry() {
            Retry::Later => Outcome::NotNow(after),
            Retry::Never | Retry::AfterFix => Outcome::Refused(Some(code)),
        },
    }
}

/// The octets of a message as they leave the store.
async fn read(parcel: &Parcel) -> Result<Message, StoreError> {
    let Parcel { record, store, .. } = parcel;
    let part = async |cid: &str| -> Result<Vec<u8>, StoreError> {
        whole(store.open_part(&record.hub_id, cid).await?)
    };
    let envelope = part(ENVELOPE_CID).await?;
    let mut parts = Vec::new();
    for one in &record.parts {
        parts.push((one.clone(), part(&one.cid).await?));
    }
    Ok(Message { transport_id: record.metadata.transport_id.to_string(), envelope, parts })
}

/// The octets of a part; those that were changed at rest are an error (P4).
pub(super) fn whole(mut reader: Box<dyn Read + Send>) -> Result<Vec<u8>, StoreError> {
    let mut octets = Vec::new();
    match reader.read_to_end(&mut octets) {
        Ok(_) => Ok(octets),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(StoreError::Corrupt(error.to_string()))
        }
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}
