//! Decisions of people: cases, who has taken them, decisions, proposals.

pub(crate) mod alone;
pub(crate) mod cases;
pub(crate) mod decide;
pub(crate) mod proposals;

use amtsbote_domain::clearing::Person;
use amtsbote_domain::ports::StoreError;

use crate::rows::read_digest;

/// A person from its two columns.
fn person(name: String, certificate: &[u8]) -> Result<Person, StoreError> {
    Ok(Person { name, certificate: read_digest(certificate)? })
}
