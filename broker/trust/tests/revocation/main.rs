//! Revocation against real peers: `openssl ca` and `openssl ocsp`, and a server on loopback.

mod book;
mod ocsp;
mod peer;
mod refresher;
mod server;
