//! One explicit dialogue as the supplier keeps it; implicit ones; and the recipient's part.

use amtsbote_domain::Timestamp;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::control::{Challenge, Control, ConversationId, Fresh};
use super::order::{Order, Where};
use super::outcome::{
    Effect, Ending, HandedOut, MAX_HANDED_OUT_BYTES, NotHandedOut, Refusal, RefusalCode, Stands,
    Step, Taken,
};
use super::sign_in::{BadSnapshot, SignIn};

/// Most deliveries of one dialogue whose reception the next order records.
pub const MAX_HANDED_OUT: usize = 16;
/// Longest snapshot of a dialogue in octets.
pub const MAX_SNAPSHOT_BYTES: usize = 128 * 1024;
/// What a dialogue takes besides its certificates, at most, in octets.
const OVERHEAD_BYTES: usize = MAX_HANDED_OUT * MAX_HANDED_OUT_BYTES + 1024;
/// The form of the snapshots.
const VERSION: u32 = 1;

/// How long dialogues last, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a dialogue stays open without an order.
    pub idle: SignedDuration,
    /// How long at all.
    pub longest: SignedDuration,
    /// After so many refused orders it is ended.
    pub failures: u32,
    /// Most open dialogues.
    pub open: usize,
    /// Most of one client; one more ends its oldest.
    pub of_client: usize,
    /// Most octets remembered of all open dialogues.
    pub octets: usize,
}

impl Default for Rules {
    /// Ten minutes, a day, 10 refusals; 10,000 dialogues, 32 of one client, 128 MiB.
    fn default() -> Self {
        Self {
            idle: SignedDuration::from_mins(10),
            longest: SignedDuration::from_hours(24),
            failures: 10,
            open: 10_000,
            of_client: 32,
            octets: 128 * 1024 * 1024,
        }
    }
}

/// One explicit dialogue between two orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    conversation: ConversationId,
    client: SignIn,
    /// What the next order must answer.
    challenge: Challenge,
    /// The number that it must have.
    sequence: u64,
    opened: Timestamp,
    /// When the last order was taken.
    last: Timestamp,
    /// Orders refused.
    failures: u32,
    /// The order taken last collects, so deliveries may be handed out.
    collecting: bool,
    handed_out: Vec<HandedOut>,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    version: u32,
    dialogue: Dialogue,
}

impl Dialogue {
    /// Opens one: the answer to an InitDialog with this challenge.
    pub(super) fn open(
        control: &Control,
        client: SignIn,
        fresh: Fresh,
        now: Timestamp,
    ) -> (Self, Taken) {
        let Fresh { conversation, challenge } = fresh;
        let answer = Control {
            response: control.challenge.clone(),
            challenge: Some(challenge.clone()),
            conversation: Some(conversation.clone()),
            sequence: None,
        };
        let taken = Taken { answer, stands: Stands::Open, client: client.clone() };
        let dialogue = Self {
            conversation,
            client,
            challenge,
            sequence: 0,
            opened: now,
            last: now,
            failures: 0,
            collecting: false,
            handed_out: Vec::new(),
            revision: 0,
        };
        (dialogue, taken)
    }

    /// Takes an InitDialog, outside of a [`Desk`](super::Desk): whether there is room was asked
    /// before.
    pub fn begin(
        control: &Control,
        client: SignIn,
        fresh: Fresh,
        now: Timestamp,
    ) -> Result<(Self, Taken), RefusalCode> {
        match super::place(Order::InitDialog, control)? {
            super::Placed::Opens => Ok(Self::open(control, client, fresh, now)),
            super::Placed::Implicit | super::Placed::Explicit(_) => Err(RefusalCode::OutOfTurn),
        }
    }

    /// Takes an order that names this dialogue. `client` are the certificates that the order
    /// carried, its signature verified; `challenge` is drawn anew.
    pub fn order(
        self,
        order: Order,
        control: &Control,
        client: SignIn,
        fresh: &Fresh,
        now: Timestamp,
        rules: &Rules,
    ) -> Step {
        if self.is_over(now, rules) {
            return self.end(Ending::TimedOut, Err(RefusalCode::OutOfTurn.into()));
        }
        if !self.fits(order, control, &client) {
            return self.refuse(rules);
        }
        let received = self.handed_out.clone();
        let mut effects = Vec::new();
        if !received.is_empty() {
            effects.push(Effect::Received(received));
        }
        let ends = order == Order::ExitDialog;
        let answer = Control {
            response: control.challenge.clone(),
            challenge: (!ends).then(|| fresh.challenge.clone()),
            conversation: Some(self.conversation.clone()),
            sequence: Some(self.sequence),
        };
        let client = self.client.for_order(client);
        if ends {
            effects.push(Effect::Ended(self.conversation, Ending::Exit));
            let taken = Taken { answer, stands: Stands::Ended, client };
            return Step { after: None, effects, outcome: Ok(taken) };
        }
        let after = Self {
            challenge: fresh.challenge.clone(),
            sequence: self.sequence + 1,
            // A clock that was set back makes no dialogue older than it was.
            last: self.last.max(now),
            collecting: order.collects(),
            handed_out: Vec::new(),
            revision: self.revision + 1,
            ..self
        };
        let taken = Taken { answer, stands: Stands::Open, client };
        Step { after: Some(after), effects, outcome: Ok(taken) }
    }

    /// Whether this is the order whose turn it is, from the client that signed in.
    fn fits(&self, order: Order, control: &Control, client: &SignIn) -> bool {
        let inside = matches!(order.place(), Where::Anywhere | Where::Inside);
        let responds = control.response.as_ref().is_some_and(|own| own.is(&self.challenge));
        inside
            && responds
            && control.challenge.is_some()
            && control.conversation.as_ref() == Some(&self.conversation)
            && control.sequence == Some(self.sequence)
            // There is always a next one.
            && self.sequence < u64::MAX
            && self.client.admits(client)
    }

    /// One more refused order. What was handed out stays unreceived.
    fn refuse(self, rules: &Rules) -> Step {
        let failures = self.failures + 1;
        if failures >= rules.failures {
            return self.end(Ending::Failures, Err(RefusalCode::OutOfTurn.into()));
        }
        let after = Self { failures, revision: self.revision + 1, ..self };
        let outcome = Err(RefusalCode::OutOfTurn.into());
        Step { after: Some(after), effects: Vec::new(), outcome }
    }

    fn end(self, why: Ending, outcome: Result<Taken, Refusal>) -> Step {
        Step { after: None, effects: vec![Effect::Ended(self.conversation, why)], outcome }
    }

    /// Enters a delivery that the answer to the order just taken carries. The next order of the
    /// dialogue says that it was received; if none comes, it was not.
    pub fn hand_out(&mut self, delivery: HandedOut) -> Result<(), NotHandedOut> {
        if !self.collecting {
            return Err(NotHandedOut::NotCollecting);
        }
        if self.handed_out.contains(&delivery) {
            return Ok(());
        }
        if self.handed_out.len() == MAX_HANDED_OUT {
            return Err(NotHandedOut::TooMany);
        }
        self.handed_out.push(delivery);
        self.revision += 1;
        Ok(())
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp, rules: &Rules) -> bool {
        now.duration_since(self.last) >= rules.idle
            || now.duration_since(self.opened) >= rules.longest
    }

    /// Its number.
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// Who opened it.
    pub fn client(&self) -> &SignIn {
        &self.client
    }

    /// When it was opened.
    pub fn opened(&self) -> Timestamp {
        self.opened
    }

    /// When its last order was taken.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// Whether an order followed InitDialog: who goes on could read our answer.
    pub fn is_used(&self) -> bool {
        self.sequence > 0
    }

    /// Grows with every change: of two steps from the same one only the first may be stored.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Octets that it takes at most.
    pub fn octets(&self) -> usize {
        self.client.octets() + OVERHEAD_BYTES
    }

    /// In the form in which it rests. It holds a challenge: it is as secret as a password for the
    /// time of the dialogue.
    pub fn snapshot(&self) -> Result<Vec<u8>, BadSnapshot> {
        let snapshot = Snapshot { version: VERSION, dialogue: self.clone() };
        let octets = serde_json::to_vec(&snapshot).map_err(|_| BadSnapshot)?;
        if octets.len() > MAX_SNAPSHOT_BYTES { Err(BadSnapshot) } else { Ok(octets) }
    }

    /// Takes up one that rested.
    pub fn restore(octets: &[u8]) -> Result<Self, BadSnapshot> {
        if octets.len() > MAX_SNAPSHOT_BYTES {
            return Err(BadSnapshot);
        }
        let snapshot: Snapshot = serde_json::from_slice(octets).map_err(|_| BadSnapshot)?;
        let dialogue = snapshot.dialogue;
        let own = dialogue.challenge.as_str().len() >= Challenge::MIN_OWN_BYTES;
        let few = dialogue.handed_out.len() <= MAX_HANDED_OUT;
        (snapshot.version == VERSION && own && few).then_some(dialogue).ok_or(BadSnapshot)
    }
}

/// The answer to an order that is a dialogue of its own.
pub fn implicit(control: &Control, client: SignIn, fresh: &Fresh) -> Taken {
    Taken { answer: alone(control, fresh), stands: Stands::Ended, client }
}

/// The refusal of an order that does not stand where it must: with feedback where the order itself
/// is refused (9802), else as a fault.
pub fn misplaced(code: RefusalCode, control: &Control, fresh: &Fresh) -> Refusal {
    let feedback = code == RefusalCode::NeedsDialogue;
    Refusal { code, answer: feedback.then(|| alone(control, fresh)) }
}

/// The control block of an answer outside of any explicit dialogue: all four, as recorded.
fn alone(control: &Control, fresh: &Fresh) -> Control {
    Control {
        response: control.challenge.clone(),
        challenge: Some(fresh.challenge.clone()),
        conversation: Some(fresh.conversation.clone()),
        sequence: Some(control.sequence.unwrap_or(0)),
    }
}

/// The control block with which a recipient answers an intermediary: its challenge, nothing else.
pub fn passive(order: Order, control: &Control) -> Result<Control, RefusalCode> {
    let Control { response, challenge, conversation, sequence } = control;
    if order.place() != Where::Alone || challenge.is_none() {
        return Err(RefusalCode::NoOrder);
    }
    if response.is_some() || conversation.is_some() || sequence.is_some() {
        return Err(RefusalCode::OutOfTurn);
    }
    Ok(Control { response: challenge.clone(), ..Control::default() })
}
