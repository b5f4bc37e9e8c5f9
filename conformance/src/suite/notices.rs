//! What Authors are told, with the shipped binary: every bad ending of an accepted message becomes one
//! message in its Author's inbox, in the standard's own words where it has some; nothing becomes two, also
//! when the node is killed while it writes them.

mod endings;
mod once;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use amtsbote_adapters::probe::Draft;
use amtsbote_domain::Timestamp;
use amtsbote_domain::identity::{HubId, ServiceUri};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::Clock as _;
use amtsbote_wire::native::status::InboxEntry;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use toml::Table;

use super::Settings;
use super::clearing::issue;
use crate::content::notice;
use crate::node::{Folder, Node, Offer};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, SERVICE, Town};

const LEMGO: &str = "05766044";
/// Its messages leave through a partner that is never there.
const DETMOLD: &str = "05766020";
/// It has an inbox.
const MINDEN: &str = "05770024";
/// A service without a standard.
const FREE_SERVICE: &str = "urn:amtsbote:service:frei";
/// A service whose messages are warned about.
const WARNED_SERVICE: &str = "urn:amtsbote:service:bald";
/// A service of a test system.
const TEST_SERVICE: &str = "urn:amtsbote:service:probe";
/// Longest that something may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing must happen: many rounds of the worker.
const QUIET: Duration = Duration::from_millis(1_500);

/// The clerks.
const CLERKS: [&str; 2] = ["anna", "berta"];

/// A node and its people.
struct World {
    folder: Folder,
    node: Node,
    lemgo: Town,
    minden: PartyId,
    detmold: PartyId,
}

/// Runs all cases against one node, which is killed in the last; then its archive is verified.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut world = World::start(settings, &scratch.path().join("node"))?;
    report.add("doctor-says-who-writes", endings::doctor(&world));
    report.add("rejected-in-the-standards-words", endings::rejected(&world).await);
    report.add("rejected-by-two-clerks", endings::rejected_by_two(&world).await);
    report.add("expired-in-the-standards-words", endings::expired(&world).await);
    report.add("expired-without-a-standard", endings::expired_without_standard(&world).await);
    report.add("cancelled-by-the-operator", endings::cancelled(&world).await);
    report.add("expires-soon-once", endings::expires_soon(&world).await);
    report.add("test-stays-test", endings::test_stays_test(&world).await);
    report.add("nothing-about-a-notice", endings::nothing_about_a_notice(&world).await);
    report.add("without-a-party-it-waits", endings::without_a_party(&world).await);
    let rounds = settings.rounds.clamp(3, 12);
    report.add("killed-while-it-writes", once::killed(&mut world, settings.seed, rounds).await);
    let World { folder, node, .. } = world;
    report.add("stops", tokio::task::block_in_place(|| node.stop()).map(|()| String::new()));
    report.add("archive-holds-afterwards", folder.verify_archive().map(|found| found.to_string()));
    Ok(())
}

impl World {
    fn start(settings: &Settings, path: &Path) -> Result<Self> {
        let folder = Folder::init(&settings.shipped, path)?;
        for clerk in CLERKS {
            issue(path, clerk)?;
        }
        // A port where nobody listens.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        folder.edit("amtsbote.toml", |table| {
            let more: Table = toml::from_str(&format!(
                "[[peer]]\nname = \"far\"\nurl = \"https://127.0.0.1:{port}\"\nauthority = \"ca.pem\"\n\
                 certificate = \"clients/{LEMGO}-tls.cert.pem\"\n\
                 key = \"clients/{LEMGO}-tls.key.pem\"\n\
                 [delivery]\nrules = \"delivery.toml\"\nmax_attempts = 1\nfirst_wait_ms = 20\n\
                 longest_wait_ms = 50\nidle_ms = 100\nlease_ms = 8000\nattempt_ms = 4000\n"
            ))?;
            table.extend(more);
            let operators = table.entry("operator").or_insert(toml::Value::Array(vec![]));
            let operators = operators.as_array_mut().context("no operators")?;
            for clerk in CLERKS {
                let mut entry = Table::new();
                entry.insert("name".into(), clerk.into());
                entry.insert("certificate".into(), format!("clients/{clerk}.cert.pem").into());
                operators.push(entry.into());
            }
            Ok(())
        })?;
        let rules = format!("[[rule]]\nservice = \"{WARNED_SERVICE}\"\nnotice_before_hours = 1\n");
        std::fs::write(path.join("delivery.toml"), rules)?;
        offer(&folder, DETMOLD, &[(SERVICE, "peer:far", false)])?;
        offer(
            &folder,
            MINDEN,
            &[
                (SERVICE, "inbox", false),
                (FREE_SERVICE, "inbox", false),
                (WARNED_SERVICE, "inbox", false),
                (TEST_SERVICE, "inbox", true),
            ],
        )?;
        folder.permit(&[FREE_SERVICE, WARNED_SERVICE, TEST_SERVICE])?;
        let node = folder.serve()?;
        let lemgo = Town::load(path, LEMGO, &node.native)?;
        let [minden, detmold] = [MINDEN, DETMOLD].map(|key| PartyId::parse(&format!("ags:{key}")));
        Ok(Self { folder, node, lemgo, minden: minden?, detmold: detmold? })
    }

    /// What a message from Lemgo says about itself.
    fn metadata(&self, reader: &PartyId, service: &str) -> Result<Metadata> {
        let mut metadata = self.lemgo.metadata(reader);
        metadata.service = ServiceUri::parse(service)?;
        Ok(metadata)
    }

    /// Sends a good message, or one of no standard.
    async fn send(&self, metadata: Metadata) -> Result<HubId> {
        let free = |_: &Metadata| b"<frei xmlns=\"urn:example:frei\">TEST-WERT</frei>".to_vec();
        let content: &dyn Fn(&Metadata) -> Vec<u8> =
            if metadata.service.as_str() == SERVICE { &notice } else { &free };
        let wired = Draft { metadata, content }.sign(&self.lemgo.signer)?;
        match self.lemgo.post(&wired).await? {
            Answer::Accepted { hub_id, .. } => Ok(HubId::parse(&hub_id)?),
            refused => bail!("{refused:?}"),
        }
    }

    /// Sends one to Detmold that gets into clearing.
    async fn stuck(&self) -> Result<HubId> {
        let id = self.send(self.metadata(&self.detmold, SERVICE)?).await?;
        self.becomes(&id, "in-clearing").await?;
        Ok(id)
    }

    /// Sends one to Minden that nobody collects in time.
    async fn late(&self, service: &str, test: bool) -> Result<HubId> {
        let mut metadata = self.metadata(&self.minden, service)?;
        metadata.expires = Some(in_seconds(2));
        metadata.test = test;
        let id = self.send(metadata).await?;
        self.becomes(&id, "expired").await?;
        Ok(id)
    }

    /// Waits until a message is in a state.
    async fn becomes(&self, id: &HubId, state: &str) -> Result<()> {
        let anna = self.clerk("anna")?;
        let begun = tokio::time::Instant::now();
        loop {
            let shown = anna.get(&format!("/ops/v1/messages/{id}")).await?;
            let now = &shown["messages"][0]["status"]["state"];
            if now == state {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "still {now} instead of {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the Author's inbox holds about a message now: kinds and entries.
    async fn told(&self, about: &HubId) -> Result<Vec<(String, InboxEntry)>> {
        let entries = self.inbox().await?.into_iter().filter_map(|entry| {
            let notice = entry.about.clone().filter(|one| one.hub_id == *about)?;
            Some((notice.notice.as_str().to_owned(), entry))
        });
        Ok(entries.collect())
    }

    /// Everything that waits for Lemgo.
    async fn inbox(&self) -> Result<Vec<InboxEntry>> {
        let (mut entries, mut after) = (Vec::new(), None::<String>);
        loop {
            let page =
                self.lemgo.client.inbox_page(&self.lemgo.party, after.as_deref(), 500, 0).await?;
            entries.extend(page.entries);
            after = page.next;
            if after.is_none() {
                return Ok(entries);
            }
        }
    }

    /// Waits until the Author is told this of a message.
    async fn is_told(&self, about: &HubId, kind: &str) -> Result<InboxEntry> {
        let begun = tokio::time::Instant::now();
        loop {
            let told = self.told(about).await?;
            if let Some((_, entry)) = told.iter().find(|(word, _)| word == kind) {
                return Ok(entry.clone());
            }
            ensure!(begun.elapsed() < PATIENCE, "{about}: not told {kind}, only {told:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The Author's procedure system fetches it as people do: signature, digests and form verified. Says
    /// the payload and what the command printed.
    fn fetched(&self, entry: &InboxEntry) -> Result<(String, Value)> {
        let to = self.folder.path().join("fetched");
        let mut command = self.folder.shipped().command(&["-o", "json", "inbox", "fetch"]);
        command.arg(entry.id.as_str()).arg("--acknowledge").arg("--dir").arg(&to);
        let client = self.folder.path().join(format!("clients/{LEMGO}.toml"));
        command.env("AMTSBOTE_CLIENT", client).env("AMTSBOTE_URL", &self.node.native);
        let printed = must(&mut command)?;
        let kept = to.join(entry.id.as_str());
        let message: Value = serde_json::from_slice(&std::fs::read(kept.join("message.json"))?)?;
        let file = message["files"][0]["file"].as_str().context("no file is named")?;
        let payload = std::fs::read_to_string(kept.join(file))?;
        let mut command = self.folder.shipped().command(&["-o", "json", "schema", "check"]);
        command.arg("--packs").arg(self.folder.path().join("packs")).arg(kept.join(file));
        let checked = must(&mut command)?;
        ensure!(checked["verdict"] == "valid", "{checked} {payload}");
        Ok((payload, checked_with(printed, checked)))
    }

    /// A clerk at the operations API.
    fn clerk(&self, name: &str) -> Result<Operator> {
        Operator::named(self.folder.path(), name, &self.node.operations)
    }

    /// A command of a clerk that must end well: what it printed.
    fn operate(&self, clerk: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = self.folder.shipped().command(&["-o", "json"]);
        let client = self.folder.path().join(format!("clients/{clerk}.toml"));
        command.args(arguments).env("AMTSBOTE_CLIENT", client);
        command.env("AMTSBOTE_OPERATIONS_URL", &self.node.operations);
        must(&mut command)
    }

    /// What the history of a message says of telling its Author.
    async fn noticed(&self, id: &HubId) -> Result<Vec<Value>> {
        let shown = self.clerk("anna")?.get(&format!("/ops/v1/why/{id}")).await?;
        let timeline = shown["messages"][0]["timeline"].as_array().context("no timeline")?;
        let evidence = timeline.iter().map(|entry| entry["evidence"].clone());
        Ok(evidence.filter(|evidence| evidence["kind"] == "noticed").collect())
    }
}

/// Runs a command; its last object, with exit code 0.
fn must(command: &mut Command) -> Result<Value> {
    let output = tokio::task::block_in_place(|| command.output())?;
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    ensure!(output.status.success(), "{command:?}: {} {text}", output.status);
    let last = output.stdout.split(|octet| *octet == b'\n').rfind(|line| !line.is_empty());
    Ok(last.map(serde_json::from_slice).transpose()?.unwrap_or_default())
}

/// What was printed, with what the check of the payload said.
fn checked_with(mut printed: Value, checked: Value) -> Value {
    printed["checked"] = checked;
    printed
}

/// A party offers these services by these ways, each as a test or not, and no others.
fn offer(folder: &Folder, key: &str, services: &[(&str, &str, bool)]) -> Result<()> {
    let offer = |&(uri, via, test)| Offer { uri, via, test, opaque: uri != SERVICE };
    folder.offer(key, &services.iter().map(offer).collect::<Vec<_>>())
}

fn in_seconds(seconds: i64) -> Timestamp {
    amtsbote_broker::clock::SystemClock.now() + jiff::SignedDuration::from_secs(seconds)
}
