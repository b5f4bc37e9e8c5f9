//! Evidence that can be checked by others: an append-only hash tree, signed heads, receipts.
//!
//! The package knows nobody and does no work of its own: no clock, no socket, no randomness, no
//! database. The store feeds it leaves and keeps the nodes; whoever holds a receipt or a dossier
//! checks it here without a hub and without a network (P5).
//!
//! From the leaf outwards:
//!
//! ```text
//! record -> canonical JSON -> salted commitment (32 octets) = leaf      record
//! leaves -> hash tree, proofs                                            tree, tile
//! root   -> head (C2SP checkpoint) -> signed note                        checkpoint, note, origin
//! record + salt + index + proof + head = receipt                         receipt
//! receipts + envelope + parts + anchor = dossier                         dossier
//! the whole log, read again from its leaves                              log
//! the last released head, outside the database                           guard
//! ```

pub mod checkpoint;
pub mod dossier;
pub mod guard;
mod hash;
mod json;
mod key;
pub mod log;
pub mod note;
pub mod origin;
pub mod receipt;
pub mod record;
pub mod tile;
pub mod tree;
mod wording;

pub use hash::{Hash, NotAHash};
pub use json::JsonError;
pub use wording::Wording;
