//! Packs: one version of one standard each, with its schemas, code lists, messages and validity.
//!
//! A pack is a folder with a `pack.toml`; a new version of a standard is data, never code. A
//! [`PackSet`] holds all packs of a node, recognises a message by its root element and, where several
//! have it, by what stands near its beginning or by the date, and judges it in one pass.

mod choice;
pub mod import;
mod loaded;
mod manifest;
mod mark;
mod rejection;
mod set;
mod validity;
mod words;

pub use loaded::PackInfo;
pub use manifest::{DecidedBy, HeaderForm, ManifestError, MessageInfo};
pub use rejection::{
    Cause, MAX_REJECTION_BYTES, MAX_TEMPLATE_BYTES, NoRejection, Rejection, RejectionFault,
};
pub use set::{PackError, PackFault, PackSet};
pub use validity::Days;
pub use words::Reason;
