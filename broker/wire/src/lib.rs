//! Protocols without sockets: bytes in, bytes out. No clock, no randomness, no I/O.

pub mod c14n;
pub mod encryption;
pub mod native;
pub mod osci;
pub mod signature;

#[cfg(test)]
mod testing;
