//! One explicit dialogue as the supplier keeps it.

use amtsbote_domain::Timestamp;
use jiff::SignedDuration;

use super::control::{Challenge, Control, ConversationId, Fresh};
use super::order::{Placed, Where, place};
use super::outcome::{
    Effect, Ending, HandedOut, MAX_HANDED_OUT_BYTES, NotHandedOut, NotTaken, Stands, Step, Taken,
};
use super::sign_in::{BadSnapshot, Caller, Certificate, Shown, SignIn, Travel};
use super::snapshot::{Fields, Rest};
use crate::osci::chunk_information::ChunkInformation;
use crate::osci::feedback::Code;
use crate::osci::message_type::MessageType;

/// Most deliveries of one dialogue whose reception the next order records.
pub const MAX_HANDED_OUT: usize = 16;
/// What a dialogue takes besides its certificates, at most, in octets.
const OVERHEAD_BYTES: usize = MAX_HANDED_OUT * MAX_HANDED_OUT_BYTES + 1024;

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

/// One explicit dialogue between two orders: what any node needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialogue {
    conversation: ConversationId,
    /// The cipher certificate of InitDialog, and the signature certificate that was shown first.
    client: SignIn,
    /// InitDialog was signed, so everything must be.
    must_sign: bool,
    /// What the next order must answer.
    challenge: Challenge,
    /// It left encrypted for the cipher certificate.
    sealed: bool,
    /// The number that it must have.
    sequence: u64,
    opened: Timestamp,
    /// When the last order was taken.
    last: Timestamp,
    /// Orders refused.
    failures: u32,
    /// What the order taken last collects, and so may be handed out.
    collecting: Collecting,
    handed_out: Vec<HandedOut>,
    /// An order behind InitDialog showed who it is.
    proven: bool,
    revision: u64,
}

/// What an order collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collecting {
    Nothing,
    Deliveries,
    Chunk,
}

impl Collecting {
    fn by(order: MessageType) -> Self {
        match order {
            MessageType::FetchDelivery => Self::Deliveries,
            MessageType::PartialFetchDelivery => Self::Chunk,
            _ => Self::Nothing,
        }
    }
}

impl Dialogue {
    /// Opens one: the answer to an InitDialog with this challenge.
    pub(super) fn open(
        control: &Control,
        caller: Caller,
        fresh: Fresh,
        now: Timestamp,
    ) -> Result<(Self, Taken), NotTaken> {
        let Fresh { conversation, challenge } = fresh;
        // Its answers are encrypted for it, and its mailbox is known by it.
        if caller.certificates.cipher.is_none() {
            return Err(Code::ClientCipherCertificateMissing.into());
        }
        let (seal, client) = (caller.seal(), caller.certificates);
        let is_signed = client.signature.is_some();
        let dialogue = Self {
            conversation: conversation.clone(),
            client: client.clone(),
            must_sign: is_signed,
            challenge: challenge.clone(),
            sealed: seal.is_some(),
            sequence: 0,
            opened: now,
            last: now,
            failures: 0,
            collecting: Collecting::Nothing,
            handed_out: Vec::new(),
            proven: false,
            revision: 0,
        };
        let answer = Control {
            response: control.challenge.clone(),
            challenge: Some(challenge),
            conversation: Some(conversation),
            sequence: None,
        };
        let shown = Shown::of(is_signed, false);
        Ok((dialogue, Taken { answer, seal, stands: Stands::Open, client, shown }))
    }

    /// Takes an InitDialog, outside of a [`Desk`](super::Desk): whether there is room was asked
    /// before.
    pub fn begin(
        control: &Control,
        caller: Caller,
        fresh: Fresh,
        now: Timestamp,
    ) -> Result<(Self, Taken), NotTaken> {
        match place(MessageType::InitDialog, control)? {
            Placed::Opens => Self::open(control, caller, fresh, now),
            Placed::Implicit | Placed::Explicit(_) => Err(Code::DialogueMismatch.into()),
        }
    }

    /// Takes an order that names this dialogue. `caller` is what the order came with, its signature
    /// verified; `challenge` is drawn anew.
    pub fn order(
        self,
        order: MessageType,
        control: &Control,
        caller: Caller,
        fresh: &Fresh,
        now: Timestamp,
        rules: &Rules,
    ) -> Step {
        if self.is_over(now, rules) {
            return self.end(Ending::TimedOut, Err(Code::DialogueMismatch.into()));
        }
        if !self.fits(order, control, &caller) {
            return self.refuse(rules);
        }
        let is_encrypted = caller.travel == Travel::Encrypted;
        let is_sealed = is_encrypted && self.sealed;
        let client = self.client.for_order(caller.certificates);
        let shown = Shown::of(client.signature.is_some(), is_sealed);
        let seal = client.cipher.clone().filter(|_| is_encrypted);
        let mut effects = Vec::new();
        // Whoever has shown nothing confirms nothing: what it was is fetched again.
        if !shown.is_claimed() && !self.handed_out.is_empty() {
            effects.push(Effect::Received(self.handed_out.clone()));
        }
        let ends = order == MessageType::ExitDialog;
        let answer = Control {
            response: control.challenge.clone(),
            challenge: (!ends).then(|| fresh.challenge.clone()),
            conversation: Some(self.conversation.clone()),
            sequence: Some(self.sequence),
        };
        if ends {
            effects.push(Effect::Ended(self.conversation, Ending::Exit));
            let taken = Taken { answer, seal, stands: Stands::Ended, client, shown };
            return Step { after: None, effects, outcome: Ok(taken) };
        }
        let is_refused = order.looks_into_a_mailbox() && shown.is_claimed();
        let signature = self.client.signature.or_else(|| client.signature.clone());
        let after = Self {
            client: SignIn { signature, cipher: self.client.cipher },
            challenge: fresh.challenge.clone(),
            sealed: seal.is_some(),
            sequence: self.sequence + 1,
            // A clock that was set back makes no dialogue older than it was.
            last: self.last.max(now),
            collecting: if is_refused { Collecting::Nothing } else { Collecting::by(order) },
            handed_out: Vec::new(),
            proven: self.proven || !shown.is_claimed(),
            revision: self.revision + 1,
            ..self
        };
        let outcome = if is_refused {
            Err(NotTaken { code: Code::OrderUnsigned, answer: Some(answer), seal })
        } else {
            Ok(Taken { answer, seal, stands: Stands::Open, client, shown })
        };
        Step { after: Some(after), effects, outcome }
    }

    /// Whether this is the order whose turn it is, from the client that signed in.
    fn fits(&self, order: MessageType, control: &Control, caller: &Caller) -> bool {
        let inside = matches!(order.in_dialogue(), Some(Where::Anywhere | Where::Inside));
        let responds = control.response.as_ref().is_some_and(|own| own.is(&self.challenge));
        inside
            && responds
            && control.challenge.is_some()
            && control.conversation.as_ref() == Some(&self.conversation)
            && control.sequence == Some(self.sequence)
            // There is always a next one.
            && self.sequence < u64::MAX
            && self.admits(caller)
    }

    /// Whether an order with these certificates can come from who signed in. What was opened under a
    /// signature goes on under the same one. A cipher certificate may be left out (a FetchDelivery in a
    /// dialogue has none); another one would be somebody else's mailbox. What answers a challenge that
    /// left encrypted comes encrypted: in clear anybody on the way could have changed it.
    fn admits(&self, caller: &Caller) -> bool {
        let SignIn { signature, cipher } = &caller.certificates;
        let signs = match (&self.client.signature, signature) {
            (Some(first), Some(this)) => first == this,
            (_, None) => !self.must_sign,
            (None, Some(_)) => true,
        };
        let same = cipher.is_none() || *cipher == self.client.cipher;
        signs && same && (caller.travel == Travel::Encrypted || !self.sealed)
    }

    /// One more refused order. What was handed out stays unreceived.
    fn refuse(self, rules: &Rules) -> Step {
        let failures = self.failures + 1;
        let outcome = Err(Code::DialogueMismatch.into());
        if failures >= rules.failures {
            return self.end(Ending::Failures, outcome);
        }
        let after = Self { failures, revision: self.revision + 1, ..self };
        Step { after: Some(after), effects: Vec::new(), outcome }
    }

    fn end(self, why: Ending, outcome: Result<Taken, NotTaken>) -> Step {
        Step { after: None, effects: vec![Effect::Ended(self.conversation, why)], outcome }
    }

    /// Enters a delivery that the answer to the FetchDelivery just taken carries. The next order of the
    /// dialogue says that it was received; if none comes, it was not.
    pub fn hand_out(&mut self, delivery: HandedOut) -> Result<(), NotHandedOut> {
        self.enter(delivery, Collecting::Deliveries)
    }

    /// The same for a chunk, of so many: the answer to the PartialFetchDelivery just taken, in which
    /// `order` stood, carries it. The delivery is entered, and `true` given, where the client says that
    /// it has all the others; else it stays unreceived, however often the client comes again.
    pub fn hand_out_chunk(
        &mut self,
        delivery: HandedOut,
        order: &ChunkInformation,
        total: u64,
    ) -> Result<bool, NotHandedOut> {
        if self.collecting != Collecting::Chunk {
            return Err(NotHandedOut::NotCollecting);
        }
        if !order.completes(total) {
            return Ok(false);
        }
        self.enter(delivery, Collecting::Chunk).map(|()| true)
    }

    fn enter(&mut self, delivery: HandedOut, what: Collecting) -> Result<(), NotHandedOut> {
        if self.collecting != what {
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

    /// When its time is over, if no order comes.
    pub fn ends(&self, rules: &Rules) -> Timestamp {
        let after = |at: Timestamp, span| at.checked_add(span).unwrap_or(Timestamp::MAX);
        after(self.last, rules.idle).min(after(self.opened, rules.longest))
    }

    /// Its number.
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// Who opened it, with the first signature that came.
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

    /// Whether an order behind InitDialog showed who it is. InitDialog itself does not count: it can
    /// be a repetition of an old one.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Grows with every change: of two steps from the same one only the first may be stored.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Octets that it takes at most.
    pub fn octets(&self) -> usize {
        self.client.octets() + OVERHEAD_BYTES
    }

    /// In the form in which it rests, at most [`MAX_SNAPSHOT_BYTES`](super::MAX_SNAPSHOT_BYTES). It
    /// holds a challenge: it is as secret as a password for the time of the dialogue.
    pub fn snapshot(&self) -> Result<Vec<u8>, BadSnapshot> {
        let mut fields = Fields::new();
        fields.octets(self.conversation.as_str().as_bytes());
        fields.optional(self.client.signature.as_ref().map(Certificate::der));
        fields.optional(self.client.cipher.as_ref().map(Certificate::der));
        fields.flag(self.must_sign);
        fields.octets(self.challenge.as_str().as_bytes());
        fields.flag(self.sealed);
        fields.number(self.sequence);
        fields.time(self.opened);
        fields.time(self.last);
        fields.number(self.failures.into());
        fields.small(match self.collecting {
            Collecting::Nothing => 0,
            Collecting::Deliveries => 1,
            Collecting::Chunk => 2,
        });
        fields.flag(self.proven);
        fields.number(self.revision);
        fields.number(self.handed_out.len() as u64);
        for delivery in &self.handed_out {
            fields.octets(delivery.as_str().as_bytes());
        }
        fields.finish()
    }

    /// Takes up one that rested.
    pub fn restore(octets: &[u8]) -> Result<Self, BadSnapshot> {
        let mut rest = Rest::of(octets)?;
        let certificate = |der: &[u8]| Certificate::new(der.to_vec());
        let own = |text: &str| {
            Challenge::parse(text).filter(|own| own.as_str().len() >= Challenge::MIN_OWN_BYTES)
        };
        let mut dialogue = Self {
            conversation: rest.text(ConversationId::parse)?,
            client: SignIn {
                signature: rest.optional(certificate)?,
                cipher: rest.parsed(certificate).map(Some)?,
            },
            must_sign: rest.flag()?,
            challenge: rest.text(own)?,
            sealed: rest.flag()?,
            sequence: rest.number()?,
            opened: rest.time()?,
            last: rest.time()?,
            failures: rest.number()?.try_into().map_err(|_| BadSnapshot)?,
            collecting: match rest.small()? {
                0 => Collecting::Nothing,
                1 => Collecting::Deliveries,
                2 => Collecting::Chunk,
                _ => return Err(BadSnapshot),
            },
            proven: rest.flag()?,
            revision: rest.number()?,
            handed_out: Vec::new(),
        };
        if dialogue.must_sign && dialogue.client.signature.is_none() {
            return Err(BadSnapshot);
        }
        let count = rest.number()?;
        if count > MAX_HANDED_OUT as u64 {
            return Err(BadSnapshot);
        }
        for _ in 0..count {
            dialogue.handed_out.push(rest.text(HandedOut::new)?);
        }
        rest.end().map(|()| dialogue)
    }
}
