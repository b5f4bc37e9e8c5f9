//! What the store does, one operation a file; each runs inside a group of the writer.

pub(crate) mod accept;
pub(crate) mod apply;
pub(crate) mod change;
pub(crate) mod detour;
pub(crate) mod hand_out;
pub(crate) mod lease;
pub(crate) mod order;
pub(crate) mod record;
pub(crate) mod sweep;
