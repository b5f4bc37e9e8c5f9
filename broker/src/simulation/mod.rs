//! Hubs under a clock, a network and a disk that one seed decides about.
//!
//! Two hubs that relay to each other, partners of all manners, senders, readers, clerks and
//! operators live through a quarter of an hour of trouble in one thread: time is the runtime's own
//! and jumps when everybody waits. Pipeline, worker, clearing, store, states and evidence are the
//! hub's; what is not is said in `docs/proof.md`. Then all is healed and everything comes to rest;
//! whoever ran it has the [`history`] and judges it. The same seed leads to the same course of events,
//! to the last of them.

mod disk;
mod ground;
pub mod history;
mod network;
mod node;
mod partner;
mod people;
mod random;
#[cfg(test)]
mod tests;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::ports::Query;
use amtsbote_store::{ProblemKind, verify_offline};
use tokio::task::JoinSet;

use self::ground::{BUENDE, LEMGO, PARTNERS, SECOND_SYSTEM, account_id, directory, party};
use self::history::{History, Listed};
use self::network::Target;
use self::node::Node;
use self::partner::{Manner, Partner};
use self::people::{Sender, decide, is_quiet, operate, read_mail, shake, supervise};
use self::world::World;
use crate::hub::Hub;

pub use self::world::Figures;

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(900);
/// How long everything may take to come to rest once all is healed.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_secs(30);
/// Most messages of one account.
const MESSAGES: u64 = 12;

/// How a run ended.
pub struct Ended {
    /// Its seed.
    pub seed: u64,
    /// SHA-256 over all that happened, in words.
    pub digest: [u8; 32],
    /// What it was made of.
    pub figures: Figures,
    /// Simulated time.
    pub took: Duration,
    /// What was seen, and what the hubs say.
    pub history: History,
    /// The last events, in words.
    pub last: Vec<String>,
}

/// Runs one seed in an empty folder. Blocks; not to be called from a task.
pub fn run(seed: u64, dir: &Path) -> std::io::Result<Ended> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(live(seed, dir)))
}

async fn live(seed: u64, dir: &Path) -> Ended {
    let world = World::new(seed);
    let partners: Vec<Arc<Partner>> = (0..3)
        .map(|n| {
            let manner = Manner::any(&world);
            world.note(format!("partner-{n} is {manner:?}"));
            Partner::new(&format!("partner-{n}"), manner)
        })
        .collect();
    let lippe = Node::new(&world, "lippe", dir, || directory(true));
    let herford = Node::new(&world, "herford", dir, || directory(false));
    let to_partner =
        |partner: &Arc<Partner>| (partner.name.clone(), Target::Partner(partner.clone()));
    let to_hub = |node: &Arc<Node>, from: &str| {
        (node.name.to_owned(), Target::Hub(Arc::downgrade(node), account_id(from)))
    };
    lippe.connect(partners.iter().map(to_partner).chain([to_hub(&herford, "hub-lippe")]).collect());
    herford.connect(vec![to_hub(&lippe, "hub-herford")]);
    let nodes = [lippe.clone(), herford.clone()];
    for node in &nodes {
        if !node.open().await {
            world.breach(format!("{}: does not open although all is well", node.name));
        }
    }

    world.set_calm(false);
    let mut senders = JoinSet::new();
    let mut others = JoinSet::new();
    for (node, account, author) in
        [(&lippe, "fach-lemgo", LEMGO), (&herford, "fach-buende", BUENDE)]
    {
        let readers = [LEMGO, BUENDE].iter().chain(&PARTNERS).map(|name| party(name)).collect();
        let (account, author) = (account_id(account), party(author));
        let reader = (node.clone(), account.clone(), author.clone());
        let ids = account.to_string();
        let sender = Sender { node: node.clone(), account, author, readers, ids, from: 0 };
        let sender = Arc::new(sender);
        for number in 0..world.between(3, MESSAGES) as usize {
            senders.spawn(sender.clone().send(number));
        }
        let (node, account, author) = reader;
        others.spawn(read_mail(node, account, author));
    }
    // Another system of one of them uses the same ids. It writes to those behind hubs alone: of partners
    // nobody says that they tell the two apart.
    let second = Arc::new(Sender {
        node: lippe.clone(),
        account: account_id(SECOND_SYSTEM),
        author: party(LEMGO),
        readers: vec![party(LEMGO), party(BUENDE)],
        ids: "fach-lemgo".to_owned(),
        from: 2_000,
    });
    for number in 0..world.between(1, MESSAGES / 2) as usize {
        senders.spawn(second.clone().send(number));
    }
    for node in &nodes {
        let far: Vec<Arc<Node>> =
            nodes.iter().filter(|other| other.name != node.name).cloned().collect();
        others.spawn(supervise(node.clone()));
        others.spawn(shake(node.clone()));
        others.spawn(decide(node.clone(), far, partners.clone()));
        others.spawn(operate(node.clone()));
    }
    tokio::time::sleep(TROUBLE).await;

    world.set_calm(true);
    for node in &nodes {
        node.clock.heal();
    }
    rest(&world, &nodes, &mut senders).await;
    others.abort_all();
    while let Some(ended) = others.join_next().await {
        if ended.is_err_and(|error| error.is_panic()) {
            world.breach("one of the people ended in a panic".to_owned());
        }
    }
    for node in &nodes {
        look_at(node).await;
        node.stop().await;
        verify(node);
    }
    let history = std::mem::take(&mut *world.history());
    let (digest, last) = world.told();
    Ended { seed, digest, figures: world.figures(), took: world.elapsed(), history, last }
}

/// Until every sender has an answer and every delivery has ended or waits for a person.
async fn rest(world: &Arc<World>, nodes: &[Arc<Node>], senders: &mut JoinSet<()>) {
    let end = world.elapsed() + PATIENCE;
    loop {
        tokio::time::sleep(LOOK).await;
        while let Some(ended) = senders.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                world.breach("a sender ended in a panic".to_owned());
            }
        }
        let mut open = senders.len();
        for node in nodes {
            open += node.ask(|hub: Arc<Hub>| open_at(hub)).await.unwrap_or(1);
        }
        if !world.history().seen.is_empty() {
            return;
        }
        if open == 0 {
            world.note("everything has come to rest");
            return;
        }
        if world.elapsed() > end {
            world.breach(format!("{open} do not come to rest"));
            return;
        }
    }
}

/// How many are neither at their end nor waiting for a person.
async fn open_at(hub: Arc<Hub>) -> usize {
    let list = hub.store.list(Query { limit: 1000, ..Query::default() }).await;
    list.map_or(1, |list| list.iter().filter(|one| !is_quiet(one.state)).count())
}

/// Remembers what a hub says of its messages.
async fn look_at(node: &Arc<Node>) {
    let world = &node.world;
    let name = node.name.to_owned();
    let listed = node.ask(|hub: Arc<Hub>| async move {
        let mut listed = Vec::new();
        for delivery in hub.store.list(Query { limit: 1000, ..Query::default() }).await.ok()? {
            let record = &delivery.record;
            listed.push(Listed {
                hub: name.clone(),
                hub_id: record.hub_id.clone(),
                account: record.account.to_string(),
                relayed: record.account.as_str().starts_with("hub-"),
                transport_id: record.metadata.transport_id.to_string(),
                scope: record.scope.to_string(),
                payload: record.parts[0].sha256,
                state: delivery.state,
                receipt: hub.store.receipt(&record.hub_id, "accepted").await.ok()?,
                timeline: hub.store.timeline(&record.hub_id).await.ok()?,
            });
        }
        Some(listed)
    });
    let Some(Some(listed)) = listed.await else {
        return world.breach(format!("{}: does not say what it has", node.name));
    };
    for one in &listed {
        let acts = one.timeline.len();
        world.note(format!("{}: {} {:?}, {acts} acts", one.hub, one.transport_id, one.state));
    }
    world.history().listed.extend(listed);
}

/// The log, every receipt, every row and every sealed octet, from the files alone.
fn verify(node: &Node) {
    let keys = node.keys();
    let verifier = node.log_key().verifier();
    let report = match verify_offline(&node.data(), verifier, Some(keys)) {
        Ok(report) => report,
        Err(error) => {
            return node.world.breach(format!("{}: cannot be verified: {error}", node.name));
        }
    };
    if let Some(fault) = report.log_fault() {
        node.world.breach(format!("{}: its log does not hold: {fault:?}", node.name));
    }
    let rotten = node.world.history().rotten.contains(node.name);
    for problem in &report.problems {
        if !(rotten && problem.kind == ProblemKind::Octets) {
            let (kind, place) = (problem.kind.as_str(), &problem.place);
            node.world.breach(format!("{}: {kind} at {place}", node.name));
        }
    }
}
