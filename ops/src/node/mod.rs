//! Writing nodes: an empty one for real use, or the example region, ready to send.

pub(crate) mod empty;
pub(crate) mod files;
pub(crate) mod region;
pub(crate) mod region_node;
