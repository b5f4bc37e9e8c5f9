//! Keys and certificates of the hub: reading certificates, keeping keys, TLS settings, and a test
//! CA for development.
//!
//! Private keys stay inside [`keystore`]; what leaves it are handles that sign or that TLS uses.
//! No clock: whoever judges a certificate brings the instant.

pub mod error;
pub mod keystore;
pub mod master;
pub mod path;
pub mod pem;
pub mod policy;
pub mod revocation;
pub mod testca;
pub mod timestamp;
pub mod tls;
pub mod validity;
pub mod wrapping;

mod der;
mod files;

pub use error::TrustError;
