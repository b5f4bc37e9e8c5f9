//! What goes into a statement, and what comes out of a row.

use amtsbote_domain::ports::StoreError;

use crate::error::{database_error, unreadable};

/// A value, borrowed from whoever has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    Null,
    Integer(i64),
    Text(&'v str),
    Octets(&'v [u8]),
}

/// The values of a statement, in their order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::AsValue::as_value(&$value)),*] };
}
pub(crate) use params;

/// What can be bound.
pub(crate) trait AsValue {
    /// Lends the value.
    fn as_value(&self) -> Value<'_>;
}

/// Numbers that fit.
macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl AsValue for $number {
            fn as_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        })*
    };
}
numbers!(i64, u32, u8, bool);

/// Text and octets, however they are held.
macro_rules! borrowed {
    ($($kind:ident: $held:ty),*) => {
        $(impl AsValue for $held {
            fn as_value(&self) -> Value<'_> {
                Value::$kind(&self[..])
            }
        })*
    };
}
borrowed!(Text: &str, Text: String, Octets: &[u8], Octets: Vec<u8>, Octets: [u8; 32]);

impl<T: AsValue> AsValue for Option<T> {
    fn as_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, T::as_value)
    }
}

/// A row while it is looked at.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The column at this position. Another kind of value than expected is
    /// [`StoreError::Corrupt`].
    pub(crate) fn get<T: Column>(&self, column: usize) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => sqlite_value(row.get_ref(column)),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => T::read(row.try_get(column).map_err(|_| other_kind())?),
        }
    }

    /// The column of this name.
    pub(crate) fn named<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => sqlite_value(row.get_ref(column)),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => T::read(row.try_get(column).map_err(|_| other_kind())?),
        }
    }
}

fn sqlite_value<T: Column>(
    found: rusqlite::Result<rusqlite::types::ValueRef<'_>>,
) -> Result<T, StoreError> {
    use rusqlite::types::ValueRef;
    let value = match found.map_err(database_error)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).map_err(|_| other_kind())?),
        ValueRef::Blob(octets) => Value::Octets(octets),
        ValueRef::Real(_) => return Err(other_kind()),
    };
    T::read(value)
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    /// Takes the value, if it is of this kind.
    fn read(value: Value<'_>) -> Result<Self, StoreError>;
}

/// The text of an error must not hold the value (P7).
fn other_kind() -> StoreError {
    unreadable("a value in the database")
}

impl Column for i64 {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Integer(number) => Ok(number),
            _ => Err(other_kind()),
        }
    }
}

impl Column for u32 {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        i64::read(value)?.try_into().map_err(|_| other_kind())
    }
}

impl Column for bool {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        i64::read(value).map(|number| number != 0)
    }
}

impl Column for String {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Text(text) => Ok(text.to_owned()),
            _ => Err(other_kind()),
        }
    }
}

impl Column for Vec<u8> {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Octets(octets) => Ok(octets.to_owned()),
            _ => Err(other_kind()),
        }
    }
}

impl Column for [u8; 32] {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Octets(octets) => octets.try_into().map_err(|_| other_kind()),
            _ => Err(other_kind()),
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }
}
