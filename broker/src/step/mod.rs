//! The steps before acceptance. Each file defines the one type that its step leaves behind, and is
//! the only place that can make it.

pub(crate) mod accepted;
pub(crate) mod addressed;
pub(crate) mod authenticated;
pub(crate) mod form;
pub(crate) mod received;
pub(crate) mod refused;
pub(crate) mod repeat;
pub(crate) mod routed;
mod taking;
pub(crate) mod validated;
