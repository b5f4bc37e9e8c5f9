//! Keys that wrap keys, in files below the key store: the master key, and under it one key per
//! tenant and month, which wraps the data keys of messages.
//!
//! ```text
//! keys/master.key                                   the master key
//! keys/master.next.key                              a new one, while it takes over
//! keys/master.old-<fingerprint>.key                 the one before, until it is retired
//! keys/wrapping/<tenant>/2026-11.1-<print>.key      a wrapping key, sealed by a master key
//! keys/wrapping/<tenant>/2026-11.1-<print>.destroyed   it is gone for good, since when
//! keys/wrapping/lock                                held by whoever may change anything here
//! ```
//!
//! Every file is written beside its place, synced, moved and synced with its folder, so a kill or
//! a power cut leaves the old one or the new one. A sealed key names the master key it is sealed
//! by; whoever reads takes that one, present, next or old. So a node works at every step of a
//! rotation, and a rotation that was broken off goes on where it was.

pub mod backup;
mod durable;
mod error;
mod folder;
mod layout;
mod masters;
pub mod record;
mod rotate;
mod sealed;
#[cfg(test)]
mod tests;

pub use error::WrappingError;
pub use folder::{KeyFile, WrappingFolder};
pub use masters::{MASTER_KEY, fingerprint_text};
pub use rotate::MasterRotation;
