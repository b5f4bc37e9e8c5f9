//! Sockets, TLS, time-outs and sizes. What the octets mean is said in `wire`; what happens with a
//! message, in the pipeline.

mod linger;
pub(crate) mod listener;
pub(crate) mod native;
mod octets;
pub(crate) mod operations;
mod osci;
mod patient;
mod places;
#[cfg(feature = "rabbitmq")]
pub(crate) mod rabbitmq;
mod refusal;

pub(crate) use osci::router as mailboxes;
