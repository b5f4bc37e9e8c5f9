//! The hub: the pipeline, the transports, the worker and the server that ties them together.
//!
//! Start reading at [`pipeline`]: the life of a message on one page. Words live in
//! `amtsbote-domain`, durability in `amtsbote-store`, protocols without sockets in
//! `amtsbote-wire`; what owns a socket is in [`transport`].

mod clearing;
pub mod clock;
pub mod config;
pub mod database;
mod doors;
mod hints;
pub mod hub;
pub mod keys;
pub mod notice;
mod outlet;
pub mod pipeline;
mod quota;
pub mod reload;
pub mod server;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod standing;
mod step;
mod stop;
pub mod tables;
#[cfg(test)]
mod testing;
mod transport;
mod worker;
