//! Hints between nodes, carried by RabbitMQ (3.10 and later).
//!
//! The truth is in the store; nothing depends on what is carried here. What lapin can do to come
//! back after a loss is not used: [`supervisor`] connects, declares, notices and begins anew.
//!
//! | | kind | who hears it |
//! |---|---|---|
//! | `amtsbote.<hub>.hints` | direct exchange, durable | |
//! | `amtsbote.<hub>.work` | quorum queue, durable, shared | any one node: the work is leased by one, and all of them at once would only be in each other's way |
//! | `amtsbote.<hub>.bells.<number>` | classic queue, of one connection alone | its node: a bell must ring wherever somebody may be waiting |
//!
//! The bells are no quorum queue on purpose: one that outlives its node would only collect what
//! nobody will ever hear, and a bell that went through a disk is late. Who connects looks everywhere
//! first, so that nothing is missed by having been away.
//!
//! The shared queue drops its oldest hints when it is full: for whoever looks for work, one hint is as
//! good as a thousand. The queue of a node refuses the newest instead, for each bell is another one:
//! the sender is told, and sends one hint for all of them until it finds room.
//!
//! There is no second table for hints that wait to be sent: the deliveries themselves are the durable
//! outbox. What could not be told is told by one hint for all of it, "look everywhere"; whoever hears
//! it reads what is due from the store, page by page, as it does anyway.

mod form;
mod link;
mod listener;
mod pace;
mod supervisor;
mod teller;
mod topology;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::supervisor::Supervisor;

/// Hints that wait here to be passed on; more are dropped, and replaced by one for all.
const POST: usize = 1_024;
/// Hints passed on and not yet confirmed, at the same time.
const WINDOW: usize = 64;
/// Hints that a queue sends ahead of their acknowledgement, for each of the two.
const PREFETCH: u16 = 32;
/// Hints that a queue keeps.
const QUEUE_LENGTH: i32 = 1_000;
/// Octets that a queue keeps.
const QUEUE_BYTES: i32 = 1 << 20;
/// How often the same hint is handed out before the queue gives it up.
const DELIVERY_LIMIT: i32 = 5;
/// Seconds between two signs of life.
const HEARTBEAT: u16 = 10;
/// Octets of a frame: hints are small, and buffers are made for 64 of them.
const FRAME: u32 = 16 << 10;
/// Pause after bells were rung: however many hints come, nobody is woken more often.
const REST: Duration = Duration::from_millis(5);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// To connect and declare; one answer of the broker.
    pub(crate) answer: Duration,
    /// Until the broker confirms something of what was passed on.
    pub(crate) confirm: Duration,
    /// Pause after the first loss; doubles with every further one.
    pub(crate) first_pause: Duration,
    /// Longest pause.
    pub(crate) longest_pause: Duration,
    /// A connection that held so long was a good one: the next pause is the first again.
    pub(crate) steady: Duration,
    /// How often everything is declared again: a queue or a binding may have been deleted.
    pub(crate) renew: Duration,
    /// Shortest time between two hints to look everywhere.
    pub(crate) everything: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            confirm: Duration::from_secs(10),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            steady: Duration::from_secs(10),
            renew: Duration::from_secs(30),
            everything: Duration::from_secs(1),
        }
    }
}
