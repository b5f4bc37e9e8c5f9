//! Is this document what the standard says?
//!
//! One hardened reader of XML ([`xml`]), packs of standards, identification, the XÖV header and
//! validation. The crate knows nobody else of ours: no broker word, no socket, no clock.

pub mod xml;
