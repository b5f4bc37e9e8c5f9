//! What goes wrong below, in the words of the port.

use std::io;

use amtsbote_domain::ports::StoreError;
use openssl::error::ErrorStack;
use rusqlite::{Error, ErrorCode};

/// A database error. Its text comes from SQLite and names tables and columns, never values.
pub(crate) fn database_error(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt("the database".to_owned())
        }
        Some(code) => StoreError::Unavailable(format!("database: {code:?}")),
        None => match error {
            Error::QueryReturnedNoRows => StoreError::NotFound,
            // The texts of conversion errors would hold the value.
            _ => StoreError::Corrupt("a value in the database".to_owned()),
        },
    }
}

/// A file error.
pub(crate) fn file_error(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        io::ErrorKind::InvalidData => StoreError::Corrupt(error.to_string()),
        // One with a text of its own is ours.
        kind => StoreError::Unavailable(match error.get_ref() {
            Some(text) => text.to_string(),
            None => format!("file: {kind}"),
        }),
    }
}

/// An error of the cipher or the random source.
pub(crate) fn cipher_error(_: ErrorStack) -> StoreError {
    StoreError::Unavailable("the cipher failed".to_owned())
}

/// A caller broke the contract of the port.
pub(crate) fn misuse(what: &str) -> StoreError {
    StoreError::Unavailable(format!("wrong use of the store: {what}"))
}

/// A row that cannot be read.
pub(crate) fn unreadable(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
