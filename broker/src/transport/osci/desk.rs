//! An order that was judged: its place in its dialogue, its execution, its answer.

use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::{HubId, Transport, TransportId};
use amtsbote_domain::ports::{Closing, Remember, SessionId, SessionKey, StoreError, Turn};
use amtsbote_domain::text::Language;
use amtsbote_wire::osci::dialogue::{
    self, Caller, Control, ConversationId, Dialogue, Effect, Fresh, NotTaken, Placed, Rules, Taken,
    implicit, misplaced, place,
};
use amtsbote_wire::osci::feedback::{self, Code as Said};
use amtsbote_wire::osci::signature::{Received, Seal};
use amtsbote_wire::osci::{
    DateTime, Enclosed, Message, MessageId, MessageType, ProcessCardBundle, ProcessCardCriteria,
    ResponseHead, ResponseToExitDialog, ResponseToFetchDelivery, ResponseToFetchProcessCard,
    ResponseToGetMessageId, ResponseToInitDialog, ResponseToStoreDelivery, Stamped, StoreDelivery,
};
use openssl::sha::sha256;
use uuid::Uuid;

use super::answer::{Answer, Cover, Enclosure, ours};
use super::cards::{self, Cards};
use super::delivery::Delivery;
use super::fetching::{self, Fetched};
use super::judging::Came;
use super::says::{self, Refusal};
use super::visitor::{Claimant, fresh};
use crate::hub::Hub;
use crate::pipeline;
use crate::step::received::Door;
use crate::step::refused::{Refused, Seen, refuse, store_fault};
use crate::tables::InForce;

/// How long an id that was given out can be used.
const ID_LASTS: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest time for which a store remembers a dialogue.
const SHORTEST: Duration = Duration::from_secs(1);

/// One order whose sender is known.
pub(super) struct Work<'a> {
    pub(super) hub: &'a Hub,
    pub(super) tables: &'a InForce,
    pub(super) who: Claimant<'a>,
    pub(super) arrival: Timestamp,
    pub(super) cover: Cover<'a>,
    pub(super) languages: Vec<Language>,
}

/// What became of an order besides its codes.
#[derive(Default)]
struct Done {
    message_id: Option<MessageId>,
    card: Option<ProcessCardBundle>,
    fetched: Option<Fetched>,
    cards: Option<Cards>,
}

/// What is said in an answer, with what became of the order.
type Outcome = Result<(Vec<Said>, Done), Refused>;

/// A step of an explicit dialogue that is still to be stored.
struct Step {
    key: SessionKey,
    revision: u64,
    after: Option<Dialogue>,
}

impl Work<'_> {
    /// Takes the order and writes its answer.
    pub(super) async fn answer(&mut self, came: Came, caller: Caller) -> Result<Answer, Refusal> {
        let kind = came.received.message.message_type();
        let control = came.received.message.control().clone();
        let fresh = fresh(&self.who.account.id);
        let fresh = fresh.ok_or_else(|| Refusal::fault(Said::SupplierError))?;
        let (taken, step) = match self.step(kind, &control, caller, fresh).await? {
            Ok(taken) => taken,
            Err(not_taken) => return self.not_taken(kind, not_taken).await,
        };
        self.cover.seal = taken.seal.clone();
        let (outcome, step) = self.work(came, &taken, step).await?;
        if let Some(step) = step {
            self.store(step).await?;
        }
        let (feedback, done) = match outcome {
            Ok((codes, done)) => {
                let all: Vec<_> = std::iter::once(taken.stands.code()).chain(codes).collect();
                (says::plain(&all, &self.languages), done)
            }
            Err(Refused { fault, error_id }) => {
                // What is told of a message, not of an order, goes as a fault: troubles of the hub first.
                if matches!(says::code(&fault).level(), feedback::Level::Message(_)) {
                    return Err(fault.into());
                }
                (says::refused(&fault, &error_id, &self.languages), Done::default())
            }
        };
        self.write(kind, taken.answer, feedback, done)
    }

    /// Puts the order where it belongs in its dialogue.
    async fn step(
        &self,
        kind: MessageType,
        control: &Control,
        caller: Caller,
        fresh: Fresh,
    ) -> Result<Result<(Taken, Option<Step>), NotTaken>, Refusal> {
        let (now, rules) = (self.hub.clock.now(), Rules::default());
        match place(kind, control) {
            Err(code) => Ok(Err(misplaced(kind, code, control, &caller, &fresh))),
            Ok(Placed::Implicit) => {
                Ok(implicit(control, caller, &fresh).map(|taken| (taken, None)))
            }
            Ok(Placed::Opens) => match Dialogue::begin(control, caller, fresh, now) {
                Err(not_taken) => Ok(Err(not_taken)),
                Ok((dialogue, taken)) => {
                    let key = self.key(dialogue.conversation())?;
                    let remember = remember(&dialogue, now, &rules)?;
                    self.hub.store.open_session(&key, remember).await.map_err(trouble)?;
                    Ok(Ok((taken, None)))
                }
            },
            Ok(Placed::Explicit(conversation)) => {
                let out_of_turn = || Refusal::fault(Said::DialogueMismatch);
                let key = self.key(&conversation)?;
                let session = self.hub.store.session(&key).await.map_err(trouble)?;
                let session = session.ok_or_else(out_of_turn)?;
                let dialogue = Dialogue::restore(&session.octets).map_err(|_| out_of_turn())?;
                let step = dialogue.order(kind, control, caller, &fresh, now, &rules);
                for effect in &step.effects {
                    if let Effect::Received(deliveries) = effect {
                        self.confirm(deliveries).await?;
                    }
                }
                let stored = Step { key, revision: session.revision, after: step.after };
                match step.outcome {
                    Ok(taken) => Ok(Ok((taken, Some(stored)))),
                    Err(not_taken) => {
                        self.store(stored).await?;
                        Ok(Err(not_taken))
                    }
                }
            }
        }
    }

    fn key(&self, conversation: &ConversationId) -> Result<SessionKey, Refusal> {
        let id = SessionId::new(conversation.as_str().as_bytes());
        let id = id.map_err(|_| Refusal::fault(Said::DialogueMismatch))?;
        let account = self.who.account.id.clone();
        Ok(SessionKey { account, transport: Transport::Intermediary, id })
    }

    /// The next order of the dialogue says that these were received.
    async fn confirm(&self, deliveries: &[dialogue::HandedOut]) -> Result<(), Refusal> {
        for delivery in deliveries {
            let Ok(hub_id) = HubId::parse(delivery.as_str()) else { continue };
            let confirmed = self.hub.store.confirm(&hub_id, &self.who.account.id).await;
            match confirmed {
                // It ended otherwise meanwhile; what the Reader has, it has.
                Ok(_) | Err(StoreError::NotApplicable(_) | StoreError::NotFound) => {}
                Err(error) => return Err(trouble(error)),
            }
        }
        Ok(())
    }

    /// Stores a step; of two from the same revision only the first one counts.
    async fn store(&self, step: Step) -> Result<(), Refusal> {
        let Step { key, revision, after } = step;
        let (now, rules) = (self.hub.clock.now(), Rules::default());
        let store = &self.hub.store;
        let counts = match after {
            Some(dialogue) => {
                let remember = remember(&dialogue, now, &rules)?;
                let turned = store.turn_session(&key, revision, remember).await;
                matches!(turned.map_err(trouble)?, Turn::Turned(_))
            }
            None => {
                let closed = store.end_session(&key, revision).await;
                matches!(closed.map_err(trouble)?, Closing::Closed)
            }
        };
        if counts { Ok(()) } else { Err(Refusal::fault(Said::DialogueMismatch)) }
    }

    async fn not_taken(
        &mut self,
        kind: MessageType,
        not_taken: NotTaken,
    ) -> Result<Answer, Refusal> {
        let NotTaken { code, answer, seal } = not_taken;
        if self.cover.signed {
            let fault = Fault::new(Code::StateForbids).because(code.as_str());
            refuse(self.hub, Seen::of(&self.who.account.id, None), fault).await;
        }
        let control = answer.ok_or_else(|| Refusal::fault(code))?;
        self.cover.seal = seal;
        let feedback = says::plain(&[code], &self.languages);
        self.write(kind, control, feedback, Done::default())
    }

    /// Carries the order out. What fetches is stored with its dialogue afterwards, everything else
    /// before: an order is carried out once.
    async fn work(
        &self,
        came: Came,
        taken: &Taken,
        step: Option<Step>,
    ) -> Result<(Outcome, Option<Step>), Refusal> {
        if let Message::FetchDelivery(order) = &came.received.message {
            let mut step = step.ok_or_else(|| Refusal::fault(Said::ExplicitDialogueRequired))?;
            let fetched = fetching::fetch(self.hub, self.tables, &self.who, taken, order).await;
            let outcome = match fetched {
                Err(fault) => Err(self.refused(fault).await),
                Ok(None) => Ok((vec![Said::NoDelivery], Done::default())),
                Ok(Some(fetched)) => {
                    if let Some(dialogue) = &mut step.after {
                        let name = dialogue::HandedOut::new(fetched.hub_id.as_str());
                        let entered = name.map(|name| dialogue.hand_out(name));
                        entered.transpose().map_err(ours)?;
                    }
                    let codes = fetched.more.then_some(Said::MoreDeliveries);
                    let done = Done { fetched: Some(fetched), ..Done::default() };
                    Ok((codes.into_iter().collect(), done))
                }
            };
            return Ok((outcome, Some(step)));
        }
        if let Some(step) = step {
            self.store(step).await?;
        }
        let Came { root, received, seal, attachments } = came;
        let outcome = match &received.message {
            Message::GetMessageId(_) => self.issue().await,
            Message::FetchProcessCard(order) => self.cards(taken, &order.criteria).await,
            Message::StoreDelivery(order) => {
                let order = (**order).clone();
                let judged = (&received, seal.as_ref());
                match Delivery::new(root, order, judged, taken.shown, attachments) {
                    Ok(delivery) => self.take_in(delivery, &received, seal.as_ref()).await,
                    Err(fault) => Err(self.refused(fault).await),
                }
            }
            // Opening and ending is all of it.
            _ => Ok((Vec::new(), Done::default())),
        };
        Ok((outcome, None))
    }

    async fn refused(&self, fault: Fault) -> Refused {
        refuse(self.hub, Seen::of(&self.who.account.id, None), fault).await
    }

    /// What the history of deliveries says.
    async fn cards(&self, taken: &Taken, criteria: &ProcessCardCriteria) -> Outcome {
        let found = cards::fetch(self.hub, self.tables, &self.who, taken, criteria).await;
        match found {
            Err(fault) => Err(self.refused(fault).await),
            Ok(cards) => {
                let code = match (cards.bundles.is_empty(), cards.more) {
                    (true, _) => Some(Said::NoProcessCard),
                    (false, more) => more.then_some(Said::MoreProcessCards),
                };
                let done = Done { cards: Some(cards), ..Done::default() };
                Ok((code.into_iter().collect(), done))
            }
        }
    }

    /// Gives out an id.
    async fn issue(&self) -> Outcome {
        let text = Uuid::new_v4().to_string();
        let both = TransportId::parse(&text).ok().zip(MessageId::new(text));
        let Some((id, message_id)) = both else {
            return Err(self.refused(Fault::new(Code::Internal)).await);
        };
        let (account, transport) = (&self.who.account.id, Transport::Intermediary);
        match self.hub.store.issue_id(account, transport, &id, ID_LASTS).await {
            Ok(_) => Ok((Vec::new(), Done { message_id: Some(message_id), ..Done::default() })),
            Err(error) => Err(self.refused(store_fault(&error)).await),
        }
    }

    /// Has a delivery taken in like any other message.
    async fn take_in(
        &self,
        mut delivery: Delivery,
        received: &Received,
        seal: Option<&Seal>,
    ) -> Outcome {
        let (message_id, subject) = {
            let StoreDelivery { message_id, subject, .. } = delivery.order();
            (message_id.clone(), subject.clone())
        };
        let stated = received.message.certificates();
        let cipher = stated.and_then(|all| all.cipher_originator.as_ref());
        let known_by = seal.map(Seal::signer).or(cipher.map(|cipher| &cipher.der[..]));
        let door = Door {
            account: self.who.account,
            certificate: Digest(sha256(known_by.unwrap_or_default())),
            under_grace: None,
            transport: Transport::Intermediary,
            arrival: self.arrival,
            inbound: &mut delivery,
        };
        let accepted = pipeline::ingest(self.hub, door).await?;
        let accepted = self.hub.store.delivery(accepted.hub_id()).await;
        // It is safe; only the card is missing where that cannot be said.
        let at = accepted.ok().and_then(|accepted| DateTime::of(accepted.accepted_at));
        let card = at.map(|at| ProcessCardBundle {
            message_id,
            recent_modification: at.clone(),
            creation: Some(Stamped::Plain(at)),
            forwarding: None,
            reception: None,
            subject,
            inspections: Vec::new(),
        });
        Ok((Vec::new(), Done { card, ..Done::default() }))
    }

    fn write(
        &self,
        kind: MessageType,
        control: Control,
        feedback: Vec<feedback::Entry>,
        done: Done,
    ) -> Result<Answer, Refusal> {
        let head = self.cover.head(control);
        let reply = reply(kind, head, feedback, done);
        let (message, enclosed, attachments) =
            reply.ok_or_else(|| Refusal::fault(Said::NotAnOrder))?;
        let written =
            tokio::task::block_in_place(|| self.cover.write(&message, &enclosed, &attachments));
        written.map_err(Refusal::from)
    }
}

/// The answer to an order of this type.
fn reply(
    kind: MessageType,
    head: ResponseHead,
    feedback: Vec<feedback::Entry>,
    done: Done,
) -> Option<(Message, Enclosed, Vec<Enclosure>)> {
    use MessageType as T;
    let Done { message_id, card: process_card, fetched, cards } = done;
    let message: Message = match kind {
        T::GetMessageId => ResponseToGetMessageId { head, feedback, message_id }.into(),
        T::InitDialog => ResponseToInitDialog { head, feedback }.into(),
        T::ExitDialog => ResponseToExitDialog { head, feedback }.into(),
        T::StoreDelivery => ResponseToStoreDelivery { head, feedback, process_card }.into(),
        T::FetchDelivery => {
            let Fetched { selection, card, certificates, enclosed, attachments, .. } =
                fetched.unwrap_or_default();
            let process_card = card;
            let answer =
                ResponseToFetchDelivery { head, feedback, selection, process_card, certificates };
            return Some((answer.into(), enclosed, attachments));
        }
        T::FetchProcessCard => {
            let Cards { criteria, bundles: process_cards, .. } = cards.unwrap_or_default();
            ResponseToFetchProcessCard { head, feedback, criteria, process_cards }.into()
        }
        _ => return None,
    };
    Some((message, Enclosed::default(), Vec::new()))
}

/// What the store remembers of a dialogue, and for how long.
fn remember(dialogue: &Dialogue, now: Timestamp, rules: &Rules) -> Result<Remember, Refusal> {
    let octets = dialogue.snapshot().map_err(ours)?;
    let left = dialogue.ends(rules).duration_since(now);
    let lasts = Duration::try_from(left).unwrap_or(SHORTEST).max(SHORTEST);
    Ok(Remember { octets, lasts })
}

fn trouble(error: StoreError) -> Refusal {
    store_fault(&error).into()
}
