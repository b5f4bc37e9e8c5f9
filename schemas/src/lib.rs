//! Is this document what the standard says?
//!
//! One hardened reader of XML ([`xml`]), packs of standards ([`pack`]), identification, the XÖV
//! header and validation ([`validate`]). The crate knows nobody else of ours: no broker word, no
//! socket, no clock.

pub mod characters;
mod codelist;
pub mod genericode;
pub mod header;
pub mod pack;
pub mod rules;
pub mod validate;
pub mod xml;
