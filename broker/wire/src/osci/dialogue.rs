//! The dialogue of OSCI-Transport 1.2: which order may come when, and what its answer must carry.
//!
//! Machines without socket, clock or random source: what is new in a dialogue ([`Fresh`]) and the
//! time come in as arguments. A [`Dialogue`] is one explicit dialogue as the supplier keeps it; it
//! can rest in a store between two orders ([`Dialogue::snapshot`]) and go on at another node, where
//! the store lets only one of two steps from the same [`Dialogue::revision`] win. A [`Desk`] keeps
//! many, bounded. A [`ClientDialogue`] is the other side. [`passive`] answers as a recipient whom an
//! intermediary calls.
//!
//! An implicit dialogue is one order and its answer; nothing of it is remembered. What guards an
//! explicit one is the challenge: each order answers the last one that the supplier gave, once. A
//! repeated order is refused like any other that comes out of turn (9400), and a refusal changes
//! nothing but the count of refusals.
//!
//! Who the client is says its signature, or its cipher certificate; the dialogue says how that was shown
//! ([`Shown`]), and lets nobody into a mailbox who has shown nothing.
//!
//! Not here: which orders a client may give, and what they do.

mod alone;
mod client;
mod control;
mod desk;
mod order;
mod outcome;
mod sign_in;
mod snapshot;
mod supplier;

pub use alone::{implicit, misplaced, passive};
pub use client::{AnswerFault, ClientDialogue, Misuse};
pub use control::{Challenge, Control, ConversationId, Demand, Demands, Fresh};
pub use desk::{Desk, Room};
pub use order::{Placed, Where, place};
pub use outcome::{
    Effect, Ending, HandedOut, MAX_HANDED_OUT_BYTES, NotHandedOut, NotTaken, Stands, Step, Taken,
};
pub use sign_in::{
    BadSnapshot, Caller, Certificate, MAX_CERTIFICATE_BYTES, Mailbox, Shown, SignIn, Travel,
};
pub use snapshot::MAX_SNAPSHOT_BYTES;
pub use supplier::{Dialogue, MAX_HANDED_OUT, Rules};

#[cfg(test)]
mod tests;
