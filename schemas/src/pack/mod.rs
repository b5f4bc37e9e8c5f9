//! Packs: one version of one standard each, with its schemas, code lists, messages and validity.
//!
//! A pack is a folder with a `pack.toml`; a new version of a standard is data, never code. A
//! [`PackSet`] holds all packs of a node, recognises a message by its root element, and judges it
//! in one pass.

pub mod import;
mod loaded;
mod manifest;
mod set;
mod validity;

pub use loaded::PackInfo;
pub use manifest::{DecidedBy, HeaderForm, ManifestError, MessageInfo};
pub use set::{PackError, PackFault, PackSet};
pub use validity::Days;
