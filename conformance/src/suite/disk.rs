//! A full disk refuses new messages with 507 and "later", keeps a reserve to settle what was
//! accepted, and loses nothing. On a small file system of its own; making one needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Retry};
use amtsbote_domain::identity::HubId;
use anyhow::{Context, Result, bail, ensure};

use super::Settings;
use super::native::answer;
use crate::history::{self, Content, Handed, Seen, Sent};
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, Town};
use crate::undo::{self, Pending};

/// Size of the file system.
const DISK: &str = "24m";
/// What the node keeps free for what it has accepted.
const RESERVE_BYTES: i64 = 6 << 20;
/// More messages than fit; bounds the case.
const TOO_MANY: usize = 4_000;
/// Messages collected and confirmed while the disk is full.
const SETTLED: usize = 20;

/// What was sent until the disk was full.
struct Filled {
    /// Hub id and payload of every message that was accepted.
    accepted: Vec<(HubId, Digest)>,
    /// All of them, the one that was refused included.
    sent: Vec<Sent>,
}

/// Fills a disk, settles on it, makes room, goes on.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = Folder::init(&settings.shipped, &scratch.path().join("node"))?;
    folder.edit("amtsbote.toml", |table| {
        let mut limits = toml::Table::new();
        limits.insert("reserve_bytes".into(), RESERVE_BYTES.into());
        table.insert("limits".into(), limits.into());
        Ok(())
    })?;
    let Some(disk) = SmallDisk::mount(&folder.path().join("data"))? else {
        report.skip("full-disk", "a small file system can be mounted by root only");
        return Ok(());
    };
    let node = folder.serve()?;
    let filled = fill(&folder, &node).await;
    let full = match filled {
        Ok(filled) => {
            let count = filled.accepted.len();
            report.add("refused-when-full", Ok(format!("after {count} messages")));
            filled
        }
        Err(error) => {
            report.add("refused-when-full", Err(error));
            return Ok(());
        }
    };
    report.add("not-ready-when-full", not_ready(&node).await);
    report.add("settles-when-full", settle(&folder, &node, &full.accepted).await);
    report.add("starts-and-lost-nothing", restart(&folder, node, &full).await);
    disk.unmount()
}

/// Sends until the hub says that it is full; what was accepted before.
async fn fill(folder: &Folder, node: &Node) -> Result<Filled> {
    let lemgo = Town::load(folder.path(), "05766044", &node.native)?;
    let reader = amtsbote_domain::party::PartyId::parse("ags:05766020")?;
    let (mut accepted, mut all) = (Vec::new(), Vec::new());
    for _ in 0..TOO_MANY {
        let (metadata, wired) = lemgo.notice(&reader)?;
        let digest = Digest(openssl::sha::sha256(&wired.parts[0].2));
        let mut sent = Sent {
            author: lemgo.party.to_string(),
            transport_id: metadata.transport_id.to_string(),
            content: Content::of(&[digest]),
            relayed: false,
            seen: Seen::Refused,
            cancelled: false,
        };
        match lemgo.post(&wired).await? {
            Answer::Accepted { hub_id, receipt, .. } => {
                accepted.push((HubId::parse(&hub_id)?, digest));
                let receipts = vec![Digest(openssl::sha::sha256(&receipt))];
                sent.seen = Seen::Accepted { hub_id, receipts };
                all.push(sent);
            }
            Answer::Refused(problem) => {
                ensure!(problem.code() == Some(Code::DiskFull), "{problem:?}");
                ensure!(problem.status == 507 && problem.retry == Retry::Later, "{problem:?}");
                ensure!(problem.retry_after.is_some(), "it does not say when to come again");
                ensure!(accepted.len() >= SETTLED, "full after {}", accepted.len());
                all.push(sent);
                return Ok(Filled { accepted, sent: all });
            }
        }
    }
    bail!("{TOO_MANY} messages fit on a disk of {DISK}")
}

async fn not_ready(node: &Node) -> Result<String> {
    let client =
        reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build()?;
    let ready = client.get(format!("{}/health/ready", node.operations)).send().await?;
    ensure!(ready.status() == 503, "{}", ready.status());
    let live = client.get(format!("{}/health/live", node.operations)).send().await?;
    ensure!(live.status() == 200, "{}", live.status());
    Ok(String::new())
}

async fn settle(folder: &Folder, node: &Node, accepted: &[(HubId, Digest)]) -> Result<String> {
    let detmold = Town::load(folder.path(), "05766020", &node.native)?;
    for (id, digest) in &accepted[..SETTLED] {
        let path = format!("/v1/inbox/{id}");
        let (status, _, payload) = answer(detmold.request(reqwest::Method::GET, &path)).await?;
        ensure!(status == 200, "{status} {}", String::from_utf8_lossy(&payload));
        ensure!(Digest(openssl::sha::sha256(&payload)) == *digest, "other octets (P4)");
        detmold.client.acknowledge(id, digest).await?;
    }
    Ok(format!("{SETTLED} messages"))
}

async fn restart(folder: &Folder, node: Node, filled: &Filled) -> Result<String> {
    node.kill()?;
    let node = folder.serve().context("on a full disk")?;
    let operator = Operator::load(folder.path(), &node.operations)?;
    let listed = operator.everything().await?;
    let handed = filled.accepted[..SETTLED].iter().map(|(id, payload)| Handed {
        hub_id: id.to_string(),
        payload: *payload,
        attachments: None,
        flagged: false,
        acknowledged: true,
    });
    let tally = history::check(&filled.sent, &handed.collect::<Vec<_>>(), &listed)
        .map_err(super::traffic::told)?;
    let settled = listed.iter().filter(|message| message.state == "acknowledged").count();
    ensure!(settled == SETTLED, "{settled} of {SETTLED} acknowledgements are kept");
    node.stop()?;
    folder.verify_archive()?;
    Ok(serde_json::to_string(&tally)?)
}

/// A file system in memory of its own size. It goes with this value.
struct SmallDisk {
    folder: PathBuf,
    undo: Pending,
}

impl SmallDisk {
    /// None where this process may not mount.
    fn mount(folder: &Path) -> Result<Option<Self>> {
        let option = format!("size={DISK},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &option, "amtsbote-test"])
            .arg(folder)
            .output()
            .context("mount does not start")?;
        Ok(mounted.status.success().then(|| {
            let folder = folder.to_owned();
            let mounted = folder.clone();
            // Lazily: after a failed case a process may still have files open.
            let undo = undo::later("a small disk", move || umount(&["-l"], &mounted));
            Self { folder, undo }
        }))
    }

    fn unmount(self) -> Result<()> {
        umount(&[], &self.folder)?;
        self.undo.done();
        Ok(())
    }
}

fn umount(options: &[&str], folder: &Path) -> Result<()> {
    let done = Command::new("umount").args(options).arg(folder).output()?;
    ensure!(done.status.success(), "umount: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}
