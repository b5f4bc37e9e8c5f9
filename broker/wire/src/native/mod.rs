//! The native transport: envelope, multipart body, JSON documents.

pub mod digest;
pub mod envelope;
pub mod hop;
pub mod multipart;
pub mod notice;
pub mod problem;
pub mod status;
