//! A partner that is no hub, and its manners.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Code;

use super::history::Arrived;
use super::world::{World, locked};

/// How a partner behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should.
    Good,
    /// It takes its time, sometimes more than anybody waits.
    Slow,
    /// It refuses at random, for now and for good, and sometimes breaks.
    Moody,
    /// It refuses everything for good.
    Refuses,
    /// It says that it has what it has not kept.
    Lies,
    /// It keeps whatever comes, as often as it comes: no repetition may go to it unasked.
    Plain,
}

impl Manner {
    const ALL: [Self; 6] =
        [Self::Good, Self::Slow, Self::Moody, Self::Refuses, Self::Lies, Self::Plain];

    pub(super) fn any(world: &World) -> Self {
        Self::ALL[world.between(0, Self::ALL.len() as u64 - 1) as usize]
    }
}

/// A partner that is no hub.
pub(super) struct Partner {
    pub(super) name: String,
    pub(super) manner: Manner,
    /// By transport id: what it said the first time.
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// What it says.
pub(super) enum Reply {
    Has(Vec<u8>),
    Later(Option<u32>),
    Refuses(Option<Code>),
    Breaks,
}

impl Partner {
    pub(super) fn new(name: &str, manner: Manner) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), manner, kept: Mutex::default() })
    }

    /// Whether it has a message, for clerks who ask by telephone.
    pub(super) fn has(&self, transport_id: &str) -> bool {
        locked(&self.kept).contains_key(transport_id)
    }

    /// A message arrives.
    pub(super) async fn take(&self, world: &World, transport_id: &str, payload: Digest) -> Reply {
        if self.manner == Manner::Slow {
            world.pause(1, if world.trouble(300) { 60_000 } else { 5_000 }).await;
        }
        let reply = self.judge(world, transport_id);
        let says = match &reply {
            Reply::Has(_) => "has",
            Reply::Later(_) => "says later to",
            Reply::Refuses(_) => "refuses",
            Reply::Breaks => "breaks over",
        };
        let kept = self.has(transport_id);
        let lies = matches!(reply, Reply::Has(_)) && !kept;
        world.note(format!(
            "{} {says} {transport_id}{}",
            self.name,
            if lies { " and lies" } else { "" }
        ));
        if lies {
            world.count(|figures| figures.lies += 1);
        }
        let (partner, transport_id) = (self.name.clone(), transport_id.to_owned());
        world.history().arrived.push(Arrived { partner, transport_id, payload, kept });
        reply
    }

    fn judge(&self, world: &World, transport_id: &str) -> Reply {
        if let Some(said) =
            locked(&self.kept).get(transport_id).filter(|_| self.manner != Manner::Plain)
        {
            return Reply::Has(said.clone());
        }
        match self.manner {
            Manner::Refuses => return Reply::Refuses(Some(Code::NotPermitted)),
            Manner::Moody if world.trouble(600) => {
                return match world.between(0, 3) {
                    0 => Reply::Refuses(None),
                    1 => Reply::Breaks,
                    2 => Reply::Later(Some(world.between(1, 120) as u32)),
                    _ => Reply::Later(None),
                };
            }
            Manner::Lies if world.chance(500) => {
                return Reply::Has(format!("{} has {transport_id}", self.name).into_bytes());
            }
            _ => {}
        }
        let copies = world.between(0, u64::MAX - 1);
        let said = format!("{} keeps {transport_id} {copies}", self.name).into_bytes();
        locked(&self.kept).insert(transport_id.to_owned(), said.clone());
        Reply::Has(said)
    }
}
