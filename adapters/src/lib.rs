//! Connectors to procedure systems, and the client of the native transport they all use.
//!
//! A procedure system is old and speaks its own way; a connector turns that into the port in
//! [`port`] and the client in [`client`] does the rest. Everything goes through the native
//! transport, so that a connector can promise no more than any other partner.

pub mod client;
pub mod error;
pub mod folder;
pub mod inbox;
pub mod outbox;
pub mod port;
pub mod probe;
pub mod raw;
pub mod receipt;
pub mod submit;

mod answer;
#[cfg(test)]
mod testing;

pub use client::{ClientOptions, NativeClient, Timeouts};
pub use error::ClientError;
