//! Validation against XML Schema 1.0.
//!
//! [`Schemas`] is a compiled set; it judges a message while our own reader reads it, in memory
//! that does not grow with the message but for its IDs, keys and the text of one element. The
//! engine below is the crate `xsd-schema`; its own reader, its drivers and its handling of
//! `xsi:schemaLocation` are not used: those attributes never load and never refuse anything.

mod amendment;
mod beside;
mod catalog;
mod engine;
mod finding;
mod loading;
mod pass;
mod schemas;
mod tables;
mod unions;
mod verdict;

pub use amendment::{Amendment, MAX_AMENDMENTS};
pub use catalog::{Catalog, CatalogError};
pub use finding::{Finding, Severity};
pub use loading::{MAX_SCHEMA_BYTES, MAX_SCHEMA_DOCUMENTS};
pub use schemas::{Facts, Schemas, SchemasError};
pub use tables::NotHarmless;
pub use unions::MAX_UNION_MEMBERS;
pub use verdict::{Checked, MAX_FINDINGS, Report, ReportedFinding, Verdict};

pub(crate) use beside::{Beside, Knowledge};
pub(crate) use pass::{Judge, Pass};
pub(crate) use tables::block;
pub(crate) use tables::date_time;
