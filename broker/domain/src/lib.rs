//! The words of the hub: who, what, which state, and the ports to the world.
//!
//! No input, no output, no clock and no randomness in here; every function is a function of its
//! arguments. Protocol words stay in `wire` and `broker/transport`, tables in `store`.

pub mod clearing;
pub mod delivery;
pub mod digest;
pub mod directory;
pub mod evidence;
pub mod fault;
pub mod identity;
pub mod message;
pub mod notice;
pub mod party;
pub mod policy;
pub mod ports;
pub mod state;
pub mod text;
pub mod validity;
pub mod wrapping;

pub use jiff::Timestamp;
