//! A certificate that is entered before it is valid, as people do before a change.

use std::time::Duration;

use amtsbote_broker::clock::SystemClock;
use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::Clock as _;
use anyhow::{Result, ensure};
use jiff::SignedDuration;
use toml::{Table, Value};

use super::authority::{Authority, NEW_KEY};
use super::sources::push;
use super::{LONG, MINDEN, Use, World};

/// How far ahead it becomes valid: long enough to be entered before.
const AHEAD: SignedDuration = SignedDuration::from_secs(6);

/// The first certificate of an authority: before its time it is refused; from its first second on it
/// counts, because its source was asked when it was entered.
pub(super) async fn early(world: &World) -> Result<String> {
    let path = world.folder.path();
    let fourth = Authority::new(&path.join("fourth"), "fourth authority")?;
    std::fs::copy(fourth.certificate(), path.join("fourth.pem"))?;
    std::fs::write(path.join("fourth.crl"), fourth.list(LONG)?)?;
    let files = ["amtsbote.toml", "directory.toml"];
    let before = files.map(|file| std::fs::read_to_string(path.join(file)));
    world.folder.edit("amtsbote.toml", |table| {
        push(table, "trust", "content_anchors", "fourth.pem".into())?;
        let mut source = Table::new();
        source.insert("issuer".into(), "fourth.pem".into());
        source.insert("crl".into(), vec![Value::from("fourth.crl")].into());
        push(table, "revocation", "source", source.into())
    })?;
    let from = SystemClock.now() + AHEAD;
    let time = |at: Timestamp| at.strftime("%Y%m%d%H%M%SZ").to_string();
    let (start, end) = (time(from), time(from + SignedDuration::from_hours(24)));
    let valid = ["-startdate", start.as_str(), "-enddate", end.as_str()];
    let clients = path.join("clients");
    let signer =
        fourth.issue_with(&clients, "minden-sig-early", Use::Signature, NEW_KEY, &valid)?;
    world.pin("party", MINDEN, &[&signer.certificate])?;
    world.must(&["reload"], 0)?;
    let town = world.town_with("minden-sig-early", MINDEN, None, Some(&signer))?;
    ensure!(SystemClock.now() < from, "it took too long to enter it");
    world.refused(&town, Code::CertificateNotValid).await?;

    let wait = from.duration_since(SystemClock.now()) + SignedDuration::from_millis(50);
    tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
    world.send(&town).await?;
    for (file, text) in files.into_iter().zip(before) {
        std::fs::write(path.join(file), text?)?;
    }
    world.must(&["reload"], 0)?;
    Ok(format!("from {from}"))
}
