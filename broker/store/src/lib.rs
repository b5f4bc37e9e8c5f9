//! Durability (P1 to P5): the hub's [`Store`](amtsbote_domain::ports::Store) over SQLite or, shared
//! by several nodes, PostgreSQL; sealed payloads in rows, files or objects, and the check of all of it. What
//! opens them lies elsewhere, behind the port
//! [`WrappingKeys`](amtsbote_domain::wrapping::WrappingKeys).
//!
//! One thread writes (`writer.rs`). It takes the operations that wait, runs them, appends their
//! leaves, signs one head, commits once and only then answers. Readers have connections of their
//! own (`reader.rs`). Nothing here knows a protocol; the tree and its proofs are the archive's,
//! the states the domain's.

mod clearing;
mod collecting;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod database;
mod error;
mod group;
mod intake;
mod issued;
mod keys;
mod migrate;
#[cfg(feature = "postgres")]
mod moving;
mod naming;
mod notices;
mod operation;
mod options;
mod parts;
#[cfg(feature = "postgres")]
mod postgres;
mod prior;
mod reader;
mod reserve;
mod rows;
mod seal;
mod secret;
mod server;
mod sessions;
#[cfg(feature = "simulation")]
mod simulated;
pub mod spool;
mod sql;
mod sqlite;
mod startup;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

#[cfg(feature = "postgres")]
pub use moving::{MoveError, Moved, abandon_move, move_store};
pub use options::{Database, LargeParts, OpenError, StoreOptions};
#[cfg(feature = "s3")]
pub use parts::objects::ObjectOptions;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, ServerAddress};
pub use server::{NodeFacts, ServerFacts, ServerFault};
#[cfg(feature = "simulation")]
pub use simulated::{DiskFault, SimulatedDisk};
pub use sqlite::SqliteStore;
pub use verify::{
    Breach, Problem, ProblemKind, VerifyError, VerifyReport, has_store, named_keys, verify_at,
    verify_offline,
};

/// Whether this build can work in a simulation. What ships cannot: cargo adds the features of all
/// packages that one command builds, so that a build of the whole workspace can.
pub const SIMULATED: bool = cfg!(feature = "simulation");
