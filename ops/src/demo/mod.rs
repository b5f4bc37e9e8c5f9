//! The demo: the example region at work in one process. A real hub, real TLS, a real store, real
//! signatures; only persons and contents are invented.

pub(crate) mod content;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod systems;
