//! OSCI-Transport 1.2: messages of the dialogue between client, intermediary and recipient. No
//! socket, no clock, no random source.

pub mod dialogue;
pub mod signature;
