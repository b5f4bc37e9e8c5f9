//! Certificate paths: from a certificate to an anchor that is trusted for a purpose.
//!
//! Candidates for a path are looked for here, within limits; OpenSSL judges each of them by RFC 5280
//! in its strict mode, and what OpenSSL lets through that RFC 5280 or this hub does not is judged by
//! rules of our own. No clock and no network: the instant comes in, and nothing is fetched. Whether a
//! certificate was revoked is asked elsewhere ([`crate::revocation`]).
//!
//! A certificate of a message is never an anchor. It helps to find the way, no more.

mod anchors;
mod build;
mod constraints;
mod engine;
mod fault;
mod names;
mod profile;
mod strength;
mod usage;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use crate::der::certificate::{MAX_CERTIFICATE_BYTES, MAX_EXTENSIONS};
pub use anchors::{Anchors, AnchorsBuilder, Demands, Path};
pub use fault::{PathFault, Reason};
pub use names::{NotAName, ServerName};
pub(crate) use profile::UNDERSTOOD;
pub use strength::Floors;
pub(crate) use usage::TIME_STAMPING;
pub use usage::{KeyUse, Purpose};

/// Most certificates in a path, leaf and anchor included.
pub const MAX_PATH: usize = 10;
/// Most anchors for one purpose, and most intermediates beside them.
pub const MAX_ANCHORS: usize = 1024;
/// Most certificates that a message or a connection may bring along to find a path.
pub const MAX_UNTRUSTED: usize = 128;
/// Most names, subtrees of names or uses in one extension.
pub const MAX_NAMES: usize = 1024;
/// Most comparisons of a name with a subtree, along one candidate for a path.
pub const MAX_NAME_COMPARISONS: usize = 1 << 18;
/// Most signatures that are checked to find candidates for a path.
pub const MAX_SIGNATURE_CHECKS: usize = 128;
/// Most certificates that are looked at as next on a path, whatever branch they are on.
pub const MAX_STEPS: usize = 1024;
/// Most candidates for a path that are judged whole.
pub const MAX_CANDIDATES: usize = 16;
