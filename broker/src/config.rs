//! What a node is told before it starts: everything read, parsed and free of contradiction.
//!
//! Files and their formats are the business of whoever builds a [`NodeConfig`]; nothing below
//! this line sees a path of a configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_archive::note::LogKey;
use amtsbote_domain::clearing::{ALONE_HOURS, ALONE_HOURS_ALLOWED};
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_store::{Database, LargeParts};
use amtsbote_trust::keystore::Identity;
use amtsbote_trust::pem::Certificate;

use crate::tables::{Reread, Tables};

/// One node.
pub struct NodeConfig {
    /// Its name; part of the log's origin. Letters, digits, `-` and `.`.
    pub name: String,
    /// Where its data lie.
    pub data_dir: PathBuf,
    /// The database of the store; on a server several nodes share the work.
    pub database: Database,
    /// Address of the native transport; port 0 lets the system choose.
    pub native_address: SocketAddr,
    /// Address of the operations API and the health checks.
    pub operations_address: SocketAddr,
    /// Address at which the hub is an Intermediary, where it is one.
    pub intermediary_address: Option<SocketAddr>,
    /// What people may change while the node runs.
    pub tables: Tables,
    /// Reads the tables again when somebody asks for it.
    pub reread: Option<Arc<dyn Reread>>,
    /// The key that signs the heads of the evidence log.
    pub log_key: LogKey,
    /// Folder of the key store: there lie the keys that wrap all keys of data at rest.
    pub key_store: PathBuf,
    /// Where parts above the limit for rows are kept.
    pub large_parts: LargeParts,
    /// Bounds.
    pub limits: Limits,
    /// How the worker works.
    pub delivery: DeliveryPolicy,
    /// How hints reach the other nodes of the store; nothing where there are none.
    pub hints: Option<HintSettings>,
}

/// The broker by which nodes give each other hints (RabbitMQ).
#[derive(Clone)]
pub struct HintSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The virtual host.
    pub virtual_host: String,
    /// As whom we log in.
    pub user: String,
    /// The password.
    pub password: String,
    /// The authorities of its certificate, and our identity if it wants one; without them the
    /// connection is not encrypted, which is for this machine only.
    pub tls: Option<(Vec<Certificate>, Option<Identity>)>,
}

/// A person with a certificate of their own.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The name as evidence and logs show it.
    pub name: String,
    /// The certificate.
    pub certificate: TrustedCertificate,
}

/// Another hub.
#[derive(Clone)]
pub struct PeerConfig {
    /// The name that the directory uses.
    pub name: String,
    /// Its base address, `https://host:port`.
    pub url: String,
    /// The authority that issued its server certificate, PEM.
    pub authority_pem: Vec<u8>,
    /// Our client certificate with its chain, and its key, both PEM.
    pub identity_pem: (Vec<u8>, Vec<u8>),
}

/// Bounds of a node; every one has a unit. `GET /v1/limits` shows them to partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Octets of a whole request body.
    pub request_bytes: u64,
    /// Octets of an envelope.
    pub envelope_bytes: u64,
    /// Octets of a payload that is validated.
    pub payload_bytes: u64,
    /// Octets of one attachment.
    pub attachment_bytes: u64,
    /// Parts of a message, the payload included.
    pub parts: usize,
    /// Messages of one account that may be on their way in at the same time.
    pub account_concurrency: usize,
    /// Messages that one account may begin to send in a minute; after so many refusals in a minute
    /// each further one takes a second.
    pub account_messages_per_minute: u32,
    /// Connections that may be served at the same time; one certificate gets a quarter of them, and
    /// as many again may be in their handshake.
    pub connections: usize,
    /// Time for the TLS handshake, in milliseconds.
    pub handshake_ms: u64,
    /// Time for the head of a request, in milliseconds.
    pub request_head_ms: u64,
    /// Longest silence while a body is received, or while an answer is not taken, in milliseconds.
    pub body_idle_ms: u64,
    /// Slowest body that is put up with, in octets per second, over the whole body; the first
    /// ten seconds are free.
    pub body_bytes_per_second: u64,
    /// Time that validation of one payload may take, in milliseconds.
    pub validation_ms: u64,
    /// Octets of storage kept free for what was accepted before; below it nothing is taken in.
    pub reserve_bytes: u64,
    /// Hours over which what one person decides alone is summed up, so that a large act needs two people
    /// bit by bit as well.
    pub alone_hours: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 2 << 30,
            envelope_bytes: 256 << 10,
            payload_bytes: 256 << 20,
            attachment_bytes: 2 << 30,
            parts: 100,
            account_concurrency: 64,
            account_messages_per_minute: 60_000,
            connections: 1_024,
            handshake_ms: 10_000,
            request_head_ms: 10_000,
            body_idle_ms: 30_000,
            body_bytes_per_second: 4 << 10,
            validation_ms: 60_000,
            reserve_bytes: 64 << 20,
            alone_hours: ALONE_HOURS,
        }
    }
}

impl Limits {
    /// What of it cannot work.
    pub(crate) fn contradiction(&self) -> Option<Contradiction> {
        [
            ("limits.parts", self.parts == 0),
            ("limits.account_concurrency", self.account_concurrency == 0),
            ("limits.account_messages_per_minute", self.account_messages_per_minute == 0),
            ("limits.connections", self.connections == 0),
            ("limits.handshake_ms", self.handshake_ms == 0),
            ("limits.request_head_ms", self.request_head_ms == 0),
            ("limits.body_idle_ms", self.body_idle_ms == 0),
            ("limits.validation_ms", self.validation_ms == 0),
        ]
        .into_iter()
        .find_map(|(name, zero)| zero.then_some(Contradiction::Zero(name)))
        .or((!ALONE_HOURS_ALLOWED.contains(&self.alone_hours)).then_some(Contradiction::AloneHours))
    }
}

/// Settings that cannot work, alone or together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// With nought nothing would ever happen, or the hub would never rest.
    #[error("{0} must be more than 0")]
    Zero(&'static str),
    /// A lease that ends before an attempt must end would let two attempts overlap.
    #[error("delivery.lease_ms must be longer than delivery.attempt_ms")]
    LeaseWithinAttempt,
    /// A span so short that a person could wait for its end, or so long that the store does not know.
    #[error("limits.alone_hours must be {} to {}", ALONE_HOURS_ALLOWED.start(), ALONE_HOURS_ALLOWED.end())]
    AloneHours,
}

/// How the worker works. How a message is treated is a matter of the tables.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPolicy {
    /// How long a worker may hold a delivery; longer than any attempt may take.
    pub lease: Duration,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// Deliveries under way at the same time.
    pub parallel: u32,
    /// How often the worker looks for what is due when nobody wakes it.
    pub idle: Duration,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(300),
            attempt: Duration::from_secs(240),
            parallel: 16,
            idle: Duration::from_secs(1),
        }
    }
}

impl DeliveryPolicy {
    /// What of it cannot work.
    pub(crate) fn contradiction(&self) -> Option<Contradiction> {
        let zero = [
            ("delivery.attempt_ms", self.attempt.is_zero()),
            ("delivery.parallel", self.parallel == 0),
            ("delivery.idle_ms", self.idle.is_zero()),
        ]
        .into_iter()
        .find_map(|(name, zero)| zero.then_some(Contradiction::Zero(name)));
        zero.or((self.lease <= self.attempt).then_some(Contradiction::LeaseWithinAttempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_found() {
        assert_eq!(Limits::default().contradiction(), None);
        assert_eq!(DeliveryPolicy::default().contradiction(), None);
        let none = Limits { connections: 0, ..Limits::default() };
        assert_eq!(none.contradiction(), Some(Contradiction::Zero("limits.connections")));
        for (hours, found) in [
            (0, Some(Contradiction::AloneHours)),
            (1, None),
            (168, None),
            (169, Some(Contradiction::AloneHours)),
        ] {
            let limits = Limits { alone_hours: hours, ..Limits::default() };
            assert_eq!(limits.contradiction(), found, "{hours}");
        }
        let restless = DeliveryPolicy { idle: Duration::ZERO, ..DeliveryPolicy::default() };
        assert_eq!(restless.contradiction(), Some(Contradiction::Zero("delivery.idle_ms")));
        let attempt = DeliveryPolicy::default().lease;
        let overlapping = DeliveryPolicy { attempt, ..DeliveryPolicy::default() };
        assert_eq!(overlapping.contradiction(), Some(Contradiction::LeaseWithinAttempt));
    }
}
