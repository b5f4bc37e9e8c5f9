//! How many messages a second become durable: 8 KiB each, with 1 and with 32 submitters.
//!
//! `cargo run --release -p amtsbote-store --features contract --example accept_rate [FOLDER]
//! [SECONDS] [ADDRESS]`. The folder decides which disk is measured; without one, a temporary folder
//! is used. With the address of a PostgreSQL server (`postgres://…`), that is the database; each
//! run needs an empty one.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amtsbote_archive::note::LogKey;
use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::{AccountId, HubId, Scope, ServiceUri, Transport, TransportId};
use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Acceptance, Clock, ENVELOPE_CID, Store};
use amtsbote_domain::state::{State, WaitingFor};
use amtsbote_store::contract::keys::DerivedKeys;
use amtsbote_store::{Database, SqliteStore, StoreOptions};

type Failed = Box<dyn Error + Send + Sync>;

/// Counts from a fixed day: the measurement needs a clock that goes, not the time of day.
struct BenchClock(Instant);

impl Clock for BenchClock {
    fn now(&self) -> Timestamp {
        let gone = i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_microsecond(DAY + gone).unwrap_or(Timestamp::MAX)
    }
}

/// 23 November 2026 in microseconds.
const DAY: i64 = 1_795_392_000_000_000;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let address = arguments.next();
    // One store has one clock and one key; on a server both runs are on the same store.
    let (key, clock) =
        (LogKey::generate("amtsbote/bench/1")?, Arc::new(BenchClock(Instant::now())));
    let shared = tempfile::tempdir_in(&folder)?;
    let numbers = Arc::new(AtomicU64::new(0));
    for submitters in [1, 32] {
        let dir = tempfile::tempdir_in(&folder)?;
        let keys = DerivedKeys::new([1; 32]);
        let mut options = StoreOptions::new(dir.path(), keys, key.clone(), clock.clone());
        if let Some(address) = &address {
            options.database = server(address, shared.path())?;
        }
        let store = Arc::new(SqliteStore::open(options)?);
        let (count, slowest, took) =
            measure(&store, &numbers, submitters, Duration::from_secs(seconds)).await?;
        let rate = count as f64 / took.as_secs_f64();
        writeln!(
            std::io::stdout(),
            "{submitters} submitters: {rate:.0} durable accepts/s ({count} in {took:.1?}, slowest \
             {slowest:.1?})"
        )?;
    }
    Ok(())
}

/// A server as the database.
#[cfg(feature = "postgres")]
fn server(address: &str, shared: &std::path::Path) -> Result<Database, Failed> {
    let server = amtsbote_store::PostgresOptions::new(address, "bench", shared, None)?;
    Ok(Database::Postgres(Box::new(server.clock_of_the_store())))
}

#[cfg(not(feature = "postgres"))]
fn server(_: &str, _: &std::path::Path) -> Result<Database, Failed> {
    Err("built without the feature postgres".into())
}

/// How many were accepted, the longest wait for one, and how long all took.
async fn measure(
    store: &Arc<SqliteStore>,
    numbers: &Arc<AtomicU64>,
    submitters: u32,
    length: Duration,
) -> Result<(u64, Duration, Duration), Failed> {
    let before = numbers.load(Ordering::Relaxed);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..submitters)
        .map(|_| {
            let (store, numbers) = (Arc::clone(store), Arc::clone(numbers));
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                while begun.elapsed() < length {
                    let one = Instant::now();
                    accept(&store, numbers.fetch_add(1, Ordering::Relaxed)).await?;
                    slowest = slowest.max(one.elapsed());
                }
                Ok::<_, Failed>(slowest)
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await??);
    }
    Ok((numbers.load(Ordering::Relaxed) - before, slowest, begun.elapsed()))
}

async fn accept(store: &SqliteStore, number: u64) -> Result<(), Failed> {
    let envelope = vec![b'e'; 3 * 1024];
    let payload = vec![(number % 251) as u8; 8 * 1024];
    let mut intake = store.intake()?;
    intake.begin(ENVELOPE_CID, "application/xml")?;
    intake.write(&envelope)?;
    let envelope = intake.end()?;
    intake.begin("payload", "application/xml")?;
    intake.write(&payload)?;
    let payload = intake.end()?;
    let author = PartyId::parse("ags:05766048")?;
    let record = Accepted {
        hub_id: HubId::parse(&format!("019f0000-0000-7000-8000-{number:012x}"))?,
        account: AccountId::parse("lage")?,
        account_certificate: None,
        scope: Scope::Account,
        metadata: Metadata {
            author,
            reader: PartyId::parse("ags:05766044")?,
            other_readers: vec![],
            service: ServiceUri::parse("urn:example:ummeldung")?,
            message_type: None,
            transport_id: TransportId::parse(&format!("id-{number}"))?,
            business_id: None,
            created: Timestamp::from_microsecond(DAY)?,
            not_before: None,
            expires: None,
            test: false,
        },
        business_id: None,
        content_digest: payload.sha256,
        envelope_sha256: envelope.sha256,
        parts: vec![payload],
        signature: SignatureFacts {
            certificate: Digest([5; 32]),
            subject: "CN=Stadt Lage,O=Stadt Lage,C=DE".to_owned(),
            algorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256".to_owned(),
        },
        verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
        rule: "1".to_owned(),
        channel: "inbox".to_owned(),
        test: false,
        applied: vec![],
        under_grace: vec![],
        same_business_id: Vec::new(),
        siblings: vec![],
        about: None,
        came_by: None,
    };
    let state = State::Waiting { on: WaitingFor::Collection };
    let transport = Transport::Native;
    let (lane, conversation) = (None, None);
    let acceptance = Acceptance {
        record,
        transport,
        intake,
        state,
        due: None,
        lane,
        conversation,
        warn: None,
        issued: false,
        others: vec![],
    };
    store.accept(acceptance).await?;
    Ok(())
}
