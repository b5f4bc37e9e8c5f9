//! Many dialogues, bounded.

use std::collections::BTreeMap;

use amtsbote_domain::Timestamp;

use super::alone::{implicit, misplaced};
use super::control::{Control, ConversationId, Fresh};
use super::order::{Placed, place};
use super::outcome::{Effect, Ending, NotTaken, Taken};
use super::sign_in::{BadSnapshot, Caller};
use super::supplier::{Dialogue, Rules};
use crate::osci::feedback::Code;
use crate::osci::message_type::MessageType;

/// The open dialogues of a supplier, in memory. A store that keeps them by itself asks
/// [`Room::of`] and moves each on its own.
#[derive(Clone, Debug)]
pub struct Desk {
    rules: Rules,
    dialogues: BTreeMap<ConversationId, Dialogue>,
    octets: usize,
}

/// Whether there is room for one more dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Free,
    /// Once the client's oldest one has ended.
    InsteadOfOldest,
    /// There is none.
    None,
}

impl Room {
    /// Judges by how many dialogues are open, how many octets are remembered of them, and how many
    /// of them are the client's. `more` is what the new one takes in octets.
    pub fn of(rules: &Rules, open: usize, octets: usize, of_client: usize, more: usize) -> Self {
        if of_client > 0 && of_client >= rules.of_client {
            return Self::InsteadOfOldest;
        }
        let fits = open < rules.open && octets.saturating_add(more) <= rules.octets;
        if fits && rules.of_client > 0 { Self::Free } else { Self::None }
    }
}

impl Desk {
    /// Without any dialogue.
    pub fn new(rules: Rules) -> Self {
        Self { rules, dialogues: BTreeMap::new(), octets: 0 }
    }

    /// Takes any order but those to a recipient: what must be recorded, and the answer. A refused
    /// order has ended its dialogue at most.
    pub fn order(
        &mut self,
        order: MessageType,
        control: &Control,
        caller: Caller,
        fresh: Fresh,
        now: Timestamp,
    ) -> (Vec<Effect>, Result<Taken, NotTaken>) {
        match place(order, control) {
            Err(code) => (Vec::new(), Err(misplaced(order, code, control, &caller, &fresh))),
            Ok(Placed::Implicit) => (Vec::new(), implicit(control, caller, &fresh)),
            Ok(Placed::Opens) => self.open(control, caller, fresh, now),
            Ok(Placed::Explicit(conversation)) => {
                let Some(dialogue) = self.remove(&conversation) else {
                    return (Vec::new(), Err(Code::DialogueMismatch.into()));
                };
                let step = dialogue.order(order, control, caller, &fresh, now, &self.rules);
                if let Some(after) = step.after {
                    self.insert(after);
                }
                (step.effects, step.outcome)
            }
        }
    }

    fn open(
        &mut self,
        control: &Control,
        caller: Caller,
        fresh: Fresh,
        now: Timestamp,
    ) -> (Vec<Effect>, Result<Taken, NotTaken>) {
        let mut effects = self.expire(now);
        let (dialogue, taken) = match Dialogue::open(control, caller, fresh, now) {
            Ok(opened) => opened,
            Err(refusal) => return (effects, Err(refusal)),
        };
        let conversation = dialogue.conversation().clone();
        if self.dialogues.contains_key(&conversation) {
            return (effects, Err(Code::SupplierError.into()));
        }
        let own = self.dialogues.values();
        let own: Vec<_> = own.filter(|d| d.client().key() == dialogue.client().key()).collect();
        let room =
            Room::of(&self.rules, self.dialogues.len(), self.octets, own.len(), dialogue.octets());
        match room {
            Room::None => return (effects, Err(Code::SupplierError.into())),
            Room::Free => {}
            Room::InsteadOfOldest => {
                // Who only claims to be this client cannot push out what the client goes on with.
                let oldest = own.iter().min_by_key(|d| (d.is_proven(), d.last(), d.opened()));
                if let Some(oldest) = oldest.map(|d| d.conversation().clone()) {
                    self.remove(&oldest);
                    effects.push(Effect::Ended(oldest, Ending::Replaced));
                }
                // Its certificates may be longer than those of the one that went.
                if self.octets.saturating_add(dialogue.octets()) > self.rules.octets {
                    return (effects, Err(Code::SupplierError.into()));
                }
            }
        }
        effects.push(Effect::Opened(conversation));
        self.insert(dialogue);
        (effects, Ok(taken))
    }

    /// Ends every dialogue whose time is over.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Effect> {
        let over = self.dialogues.values().filter(|dialogue| dialogue.is_over(now, &self.rules));
        let over: Vec<_> = over.map(|dialogue| dialogue.conversation().clone()).collect();
        let mut effects = Vec::with_capacity(over.len());
        for conversation in over {
            self.remove(&conversation);
            effects.push(Effect::Ended(conversation, Ending::TimedOut));
        }
        effects
    }

    /// The dialogue with this number, to enter what is handed out.
    pub fn dialogue(&mut self, conversation: &ConversationId) -> Option<&mut Dialogue> {
        self.dialogues.get_mut(conversation)
    }

    /// How many are open, those included whose time is over and which nobody has ended yet.
    pub fn len(&self) -> usize {
        self.dialogues.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.dialogues.is_empty()
    }

    /// Octets remembered of all of them, at most.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// All of them in the form in which they rest.
    pub fn snapshots(&self) -> Result<Vec<Vec<u8>>, BadSnapshot> {
        self.dialogues.values().map(Dialogue::snapshot).collect()
    }

    /// Takes up those that rested. One that does not fit into the rules any more is let go.
    pub fn restore<'a>(
        rules: Rules,
        snapshots: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, BadSnapshot> {
        let mut desk = Self::new(rules);
        for snapshot in snapshots {
            let dialogue = Dialogue::restore(snapshot)?;
            let fits = desk.octets.saturating_add(dialogue.octets()) <= rules.octets;
            if fits && desk.dialogues.len() < rules.open {
                desk.insert(dialogue);
            }
        }
        Ok(desk)
    }

    fn insert(&mut self, dialogue: Dialogue) {
        self.octets += dialogue.octets();
        if let Some(before) = self.dialogues.insert(dialogue.conversation().clone(), dialogue) {
            self.octets -= before.octets();
        }
    }

    fn remove(&mut self, conversation: &ConversationId) -> Option<Dialogue> {
        let dialogue = self.dialogues.remove(conversation)?;
        self.octets -= dialogue.octets();
        Some(dialogue)
    }
}
