//! What people decide, with the shipped binary: cases of every cause in a real node, and clerks under
//! certificates of their own who list, take, decide alone and by two, from the command line and over
//! the operations API.

mod acts;
mod cases;
mod contest;
mod export;
mod hostile;
mod large;
mod partner;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::Timestamp;
use amtsbote_domain::identity::{HubId, ServiceUri};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::Clock as _;
use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use toml::Table;

use self::partner::{Manner, Partner};
use super::Settings;
use super::native::answer;
use crate::content::notice;
use crate::node::{Folder, Node, Offer};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, SERVICE, Town};

const LEMGO: &str = "05766044";
/// Its messages leave through the partner.
const DETMOLD: &str = "05766020";
/// The way to the partner.
const WAY: &str = "peer:far";
/// A service that loses its way.
const LOST_SERVICE: &str = "urn:amtsbote:service:geht-verloren";
/// A service of a test system.
const TEST_SERVICE: &str = "urn:amtsbote:service:probe";
/// Messages that are sent at the same time.
const SENDERS: usize = 8;
/// Longest that a delivery may take to reach a state.
const PATIENCE: Duration = Duration::from_secs(120);

/// The clerks. Carl's certificate is a second one of the person anna.
const CLERKS: [(&str, &str); 3] = [("anna", "anna"), ("berta", "berta"), ("carl", "anna")];
/// Clerks who work against each other, two and two.
const PAIRS: [(&str, &str); 4] =
    [("anna", "berta"), ("dora", "emil"), ("frieda", "gert"), ("hanna", "ingo")];

/// A node, its partner, its clerks.
struct World {
    folder: Folder,
    node: Node,
    partner: Partner,
    lemgo: Town,
    detmold: PartyId,
}

/// What a command did.
struct Said {
    code: i32,
    /// The objects on standard output.
    objects: Vec<Value>,
    /// Everything, for the text of a failure.
    text: String,
}

/// Runs all cases against one node, which is killed in between; then its archive is verified.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut world = World::start(settings, &scratch.path().join("node"))?;
    let mut broken = None;
    match cases::causes(&world).await {
        Ok(found) => {
            report.add("every-cause-in-a-real-node", Ok(String::new()));
            report.add("list-filters-and-pages", cases::list(&world, &found).await);
            report.add("changed-octets-are-not-opened", export::changed(&world, &found).await);
            report.add("take-note-release", cases::taken(&world, &found).await);
            report.add("resubmit-delivers-once", acts::resubmitted(&world, &found).await);
            report.add("no-way-until-the-directory-is-mended", acts::no_way(&world, &found).await);
            report.add("reroute-needs-two", acts::rerouted(&world, &found).await);
            report.add("reject-tells-the-author", acts::rejected(&world, &found).await);
            report.add("close-needs-two", acts::closed(&world, &found).await);
            broken = Some(found);
        }
        Err(error) => report.add("every-cause-in-a-real-node", Err(error)),
    }
    report.add("opened-with-a-reason", export::opened(&world).await);
    report.add("test-stays-test", acts::test_stays_test(&world).await);
    report.add("hold-release-cancel", acts::held(&world).await);
    report.add("selection-by-words", large::selected(&world).await);
    report.add("a-large-act-bit-by-bit", large::split(&world).await);
    let rounds = settings.rounds.clamp(12, 60);
    report.add("two-clerks-at-the-same-time", contest::clerks(&world, rounds).await);
    report.add("two-words-on-one-proposal", contest::words(&world, rounds.min(20)).await);
    report.add("bad-input-loses-nothing", hostile::input(&world).await);
    report.add("operators-only", hostile::strangers(&world).await);
    report.add("killed-while-it-carries-out", large::killed(&mut world).await);
    let World { folder, node, .. } = world;
    report.add("stops", tokio::task::block_in_place(|| node.stop()).map(|()| String::new()));
    if let Some(found) = broken {
        // What this suite itself has changed at rest is found, by its name, and nothing else.
        report.add("archive-names-what-was-broken", cases::named(&folder, &found));
        found.mend()?;
    }
    report.add("archive-holds-afterwards", folder.verify_archive().map(|found| found.to_string()));
    Ok(())
}

impl World {
    fn start(settings: &Settings, path: &Path) -> Result<Self> {
        let folder = Folder::init(&settings.shipped, path)?;
        let keys = path.join("keys");
        let partner = Partner::start(&keys.join("tls.cert.pem"), &keys.join("tls.key.pem"))?;
        let more = PAIRS[1..].iter().flat_map(|(one, other)| [(*one, *one), (*other, *other)]);
        let clerks: Vec<(&str, &str)> = CLERKS.into_iter().chain(more).collect();
        for (clerk, _) in &clerks {
            issue(path, clerk)?;
        }
        folder.edit("amtsbote.toml", |table| {
            let more: Table = toml::from_str(&format!(
                "[[peer]]\nname = \"far\"\nurl = \"https://127.0.0.1:{}\"\nauthority = \"ca.pem\"\n\
                 certificate = \"clients/{LEMGO}-tls.cert.pem\"\n\
                 key = \"clients/{LEMGO}-tls.key.pem\"\n\
                 [delivery]\nmax_attempts = 2\nfirst_wait_ms = 20\nlongest_wait_ms = 50\n\
                 idle_ms = 100\nlease_ms = 4000\nattempt_ms = 800\n",
                partner.port
            ))?;
            table.extend(more);
            let operators = table.entry("operator").or_insert(toml::Value::Array(vec![]));
            let operators = operators.as_array_mut().context("no operators")?;
            for (clerk, person) in &clerks {
                let mut entry = Table::new();
                entry.insert("name".into(), (*person).into());
                entry.insert("certificate".into(), format!("clients/{clerk}.cert.pem").into());
                operators.push(entry.into());
            }
            Ok(())
        })?;
        offer(&folder, &[(SERVICE, false), (LOST_SERVICE, false)])?;
        folder.permit(&[LOST_SERVICE, TEST_SERVICE])?;
        let node = folder.serve()?;
        let lemgo = Town::load(path, LEMGO, &node.native)?;
        let detmold = PartyId::parse(&format!("ags:{DETMOLD}"))?;
        Ok(Self { folder, node, partner, lemgo, detmold })
    }

    /// A clerk at the operations API.
    fn clerk(&self, name: &str) -> Result<Operator> {
        Operator::named(self.folder.path(), name, &self.node.operations)
    }

    /// A command of a clerk, with its answer in JSON.
    fn operate(&self, clerk: &str, arguments: &[&str]) -> Result<Said> {
        let mut command = self.folder.shipped().command(&["-o", "json"]);
        let client = self.folder.path().join(format!("clients/{clerk}.toml"));
        command
            .args(arguments)
            .env("AMTSBOTE_CLIENT", client)
            .env("AMTSBOTE_OPERATIONS_URL", &self.node.operations);
        let output = tokio::task::block_in_place(|| command.output())?;
        let objects = output
            .stdout
            .split(|octet| *octet == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| Ok(serde_json::from_slice(line)?))
            .collect::<Result<_>>()
            .with_context(|| format!("{arguments:?} printed something else than JSON"))?;
        let text =
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        Ok(Said { code: output.status.code().context("no exit code")?, objects, text })
    }

    /// The same, with the exit code that it must have.
    fn must(&self, clerk: &str, arguments: &[&str], code: i32) -> Result<Said> {
        let said = self.operate(clerk, arguments)?;
        ensure!(said.code == code, "{clerk} {arguments:?}: {} {}", said.code, said.text);
        Ok(said)
    }

    /// A refusal that names this code.
    fn refused(&self, clerk: &str, arguments: &[&str], code: &str) -> Result<Said> {
        let said = self.must(clerk, arguments, 1)?;
        ensure!(said.text.contains(code), "{arguments:?} without {code}: {}", said.text);
        Ok(said)
    }

    /// Has something done over the API: status and document.
    async fn post(&self, clerk: &Operator, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = clerk.request(Method::POST, path).body(body.to_string());
        let (status, _, octets) = answer(request).await?;
        Ok((status, serde_json::from_slice(&octets)?))
    }

    /// A good notice to Detmold.
    fn notice(&self) -> Result<(Metadata, Wired)> {
        self.lemgo.notice(&self.detmold)
    }

    async fn send(&self, wired: &Wired) -> Result<HubId> {
        match self.lemgo.post(wired).await? {
            Answer::Accepted { hub_id, .. } => Ok(HubId::parse(&hub_id)?),
            refused => bail!("{refused:?}"),
        }
    }

    /// A notice that must get into clearing while the partner is of this manner.
    async fn case(&self, manner: Manner) -> Result<Sent> {
        self.partner.is(manner);
        let (metadata, wired) = self.notice()?;
        let id = self.send(&wired).await?;
        self.becomes(&id, "in-clearing").await?;
        Ok(Sent { id, transport_id: metadata.transport_id.to_string() })
    }

    /// Many of them at once.
    async fn cases(&self, count: usize) -> Result<Vec<Sent>> {
        self.partner.is(Manner::Away);
        let send = async |_| -> Result<Sent> {
            let (metadata, wired) = self.notice()?;
            let id = self.send(&wired).await?;
            Ok(Sent { id, transport_id: metadata.transport_id.to_string() })
        };
        let sent = stream::iter(0..count).map(send).buffer_unordered(SENDERS);
        let sent: Vec<Sent> = sent.try_collect().await?;
        for one in &sent {
            self.becomes(&one.id, "in-clearing").await?;
        }
        Ok(sent)
    }

    /// A notice for later, with an attachment that does not fit into the database.
    async fn later(&self, service: &str, seconds: i64, attachment: bool) -> Result<HubId> {
        let mut metadata = self.lemgo.metadata(&self.detmold);
        metadata.service = ServiceUri::parse(service)?;
        metadata.test = service == TEST_SERVICE;
        metadata.not_before = Some(now() + jiff::SignedDuration::from_secs(seconds));
        let draft = Draft { metadata, content: &notice };
        let wired = match attachment {
            true => draft.sign_with("anlage.bin", vec![7; 300 << 10], &self.lemgo.signer)?,
            false => draft.sign(&self.lemgo.signer)?,
        };
        self.send(&wired).await
    }

    /// What the hub says about a message.
    async fn status(&self, id: &HubId) -> Result<Value> {
        let mut shown = self.clerk("anna")?.get(&format!("/ops/v1/messages/{id}")).await?;
        Ok(shown["messages"][0]["status"].take())
    }

    /// Waits until a message is in a state; says its detail.
    async fn becomes(&self, id: &HubId, state: &str) -> Result<String> {
        let begun = tokio::time::Instant::now();
        let anna = self.clerk("anna")?;
        loop {
            let shown = anna.get(&format!("/ops/v1/messages/{id}")).await?;
            let now = &shown["messages"][0]["status"];
            if now["state"] == state {
                return Ok(now["state_detail"].as_str().unwrap_or_default().to_owned());
            }
            ensure!(begun.elapsed() < PATIENCE, "still {} instead of {state}", now["state"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The changes in the history of a message that people made: the grounds of each.
    async fn grounds(&self, id: &HubId) -> Result<Vec<Value>> {
        let why = self.clerk("berta")?.get(&format!("/ops/v1/why/{id}")).await?;
        let timeline = why["messages"][0]["timeline"].as_array().context("no timeline")?;
        let grounds = timeline.iter().map(|entry| entry["evidence"]["grounds"].clone());
        Ok(grounds.filter(|grounds| !grounds.is_null()).collect())
    }

    /// A proposal that a command made: its id and digest.
    fn proposed(&self, said: &Said) -> Result<(String, String)> {
        let proposal = &said.objects.first().context("nothing printed")?["proposal"];
        let text = |name: &str| proposal[name].as_str().map(str::to_owned);
        let (id, digest) = (text("id"), text("digest"));
        Ok((id.context("no proposal")?, digest.context("no digest")?))
    }

    /// Waits until everything a granted proposal is about has been settled.
    async fn carried_out(&self, proposal: &str) -> Result<Value> {
        let begun = tokio::time::Instant::now();
        let berta = self.clerk("berta")?;
        loop {
            let shown = berta.get(&format!("/ops/v1/approvals/{proposal}?limit=1000")).await?;
            if shown["proposal"]["settled"] == shown["proposal"]["count"] {
                return Ok(shown);
            }
            ensure!(begun.elapsed() < PATIENCE, "still {}", shown["proposal"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A message that was sent.
struct Sent {
    id: HubId,
    transport_id: String,
}

/// Detmold offers these services through the partner, each as a test or not, and no others.
fn offer(folder: &Folder, services: &[(&str, bool)]) -> Result<()> {
    let offer = |&(uri, test)| Offer { uri, via: WAY, test, opaque: false };
    folder.offer(DETMOLD, &services.iter().map(offer).collect::<Vec<_>>())
}

/// A certificate of the node's own authority for a clerk, and a client configuration like the
/// operator's.
pub(super) fn issue(folder: &Path, clerk: &str) -> Result<()> {
    let clients = folder.join("clients");
    let file = |end: &str| clients.join(format!("{clerk}.{end}.pem"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", &format!("/C=DE/O=Amtsbote TEST/CN=TEST {clerk}"), "-days", "20"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "keyUsage=critical,digitalSignature"])
        .args(["-addext", "extendedKeyUsage=clientAuth"])
        .arg("-CA")
        .arg(folder.join("ca.pem"))
        .arg("-CAkey")
        .arg(folder.join("ca/ca.key.pem"))
        .arg("-keyout")
        .arg(file("key"))
        .arg("-out")
        .arg(file("cert"))
        .output()
        .context("the tool openssl is needed (Debian package openssl)")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file("key"), std::fs::Permissions::from_mode(0o600))?;
    let mut table: Table =
        std::fs::read_to_string(clients.join("operator.toml"))?.parse().context("operator.toml")?;
    table.insert("certificate".into(), format!("{clerk}.cert.pem").into());
    table.insert("key".into(), format!("{clerk}.key.pem").into());
    std::fs::write(clients.join(format!("{clerk}.toml")), toml::to_string(&table)?)?;
    Ok(())
}

fn now() -> Timestamp {
    amtsbote_broker::clock::SystemClock.now()
}

/// The ids of a list of cases.
fn ids(said: &Said) -> Vec<String> {
    let id = |case: &Value| case["status"]["id"].as_str().unwrap_or_default().to_owned();
    said.objects.iter().map(id).collect()
}

/// A body that asks for an act on these.
fn asking(act: &str, ids: &[&HubId], reason: &str) -> Value {
    json!({ "act": act, "ids": ids, "reason": reason })
}
