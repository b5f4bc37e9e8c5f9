//! Durability (P1 to P5): the hub's [`Store`](amtsbote_domain::ports::Store) over SQLite or, shared
//! by several nodes, PostgreSQL; sealed payloads in rows and files, and the check of all of it. What
//! opens them lies elsewhere, behind the port
//! [`WrappingKeys`](amtsbote_domain::wrapping::WrappingKeys).
//!
//! One thread writes (`writer.rs`). It takes the operations that wait, runs them, appends their
//! leaves, signs one head, commits once and only then answers. Readers have connections of their
//! own (`reader.rs`). Nothing here knows a protocol; the tree and its proofs are the archive's,
//! the states the domain's.

mod clearing;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
mod files;
mod group;
mod intake;
mod keys;
mod migrate;
mod naming;
mod operation;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod reader;
mod reserve;
mod rows;
mod seal;
mod secret;
pub mod spool;
mod sql;
mod sqlite;
mod startup;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use options::{Database, OpenError, StoreOptions};
#[cfg(feature = "postgres")]
pub use postgres::PostgresOptions;
pub use sqlite::SqliteStore;
#[cfg(feature = "postgres")]
pub use verify::verify_server;
pub use verify::{
    Problem, ProblemKind, VerifyError, VerifyReport, has_store, named_keys, verify_offline,
};
