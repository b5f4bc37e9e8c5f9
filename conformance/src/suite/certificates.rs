//! Certificates change and are revoked while the hub works: authorities of `openssl ca`, a responder
//! of `openssl ocsp`, lists from a file and from a small server.

mod authority;
mod calendar;
mod grace;
mod line;
mod listeners;
mod policy;
mod revoked;
mod rollover;
mod shelf;
mod sources;
mod tables;

use std::path::{Path, PathBuf};
use std::process::Output;

use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use toml::Table;

use self::authority::{Authority, Issued, Responder, Use};
use self::shelf::Server;
use super::Settings;
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, Town};

/// How long the lists of the first authority last, in seconds.
const LONG: u32 = 3600;
const LEMGO: &str = "05766044";
const DETMOLD: &str = "05766020";
const MINDEN: &str = "05770024";

/// A node, the authorities of its partners, and where their lists lie.
struct World {
    folder: Folder,
    node: Node,
    /// Has issued everything that `init --dev` made; a responder, and lists over HTTP.
    first: Authority,
    server: Server,
    /// Lists in a file.
    second: Authority,
    operator: Operator,
    detmold: PartyId,
    responder: Option<Responder>,
}

/// Runs all cases against one node, then stops it and verifies its archive.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut world = World::start(settings, scratch.path())?;
    report.add("good-is-recorded-without-grace", good(&world).await);
    report.add("signer-overlaps-and-changes", rollover::signer(&world).await);
    report.add("account-overlaps-and-changes", rollover::account(&world).await);
    report.add("revoked-signer", revoked::signer(&world).await);
    report.add("revoked-account-on-an-open-connection", revoked::account(&world).await);
    report.add("source-away", grace::away(&world).await);
    report.add("list-server-and-responder-away", grace::all_away(&mut world).await);
    report.add("tls-identity-changes-with-staple", listeners::identity(&world).await);
    report.add("weak-connection-is-refused-but-under-the-profile", policy::account(&world).await);
    report.add("sources-and-operators-by-reload", sources::operator(&world).await);
    report.add("entered-before-it-is-valid", calendar::early(&world).await);
    report.add("broken-directory-changes-nothing", tables::broken(&world).await);
    report.add("private-key-is-refused", tables::private_key(&world).await);
    let silent = sources::wait_for_a_silent_one(&world);
    let World { folder, node, .. } = world;
    report.add("stops-although-it-reads-again", sources::stop(node, silent));
    report.add("archive-holds-afterwards", folder.verify_archive().map(|found| found.to_string()));
    Ok(())
}

/// What is good is accepted, and the record names the certificates of signer and account.
async fn good(world: &World) -> Result<String> {
    let lemgo = world.town(LEMGO)?;
    let id = world.send(&lemgo).await?;
    let record = world.record(&id).await?;
    ensure!(record["under_grace"].is_null(), "under grace: {}", record["under_grace"]);
    for (value, file) in
        [(&record["signature"]["certificate"], "sig"), (&record["account_certificate"], "tls")]
    {
        let file = world.client_file(&format!("{LEMGO}-{file}.cert.pem"));
        let own = Issued { certificate: file.clone(), key: file };
        ensure!(*value == own.fingerprint()?.as_str(), "the record names {value}");
    }
    let why = text(&world.operate(&["why", id.as_str()])?);
    ensure!(why.contains("connected by certificate"), "{why}");
    let sources = world.check("revocation-sources").await?;
    ensure!(sources["status"] == "ok", "{sources}");
    Ok(sources["text_en"].to_string())
}

impl World {
    fn start(settings: &Settings, scratch: &Path) -> Result<Self> {
        let folder = Folder::init(&settings.shipped, &scratch.join("node"))?;
        let path = folder.path();
        let (ca, key) = (path.join("ca.pem"), path.join("ca/ca.key.pem"));
        let first = Authority::adopt(&scratch.join("first"), &ca, &key)?;
        let second = Authority::new(&scratch.join("second"), "second authority")?;
        std::fs::copy(second.certificate(), path.join("second.pem"))?;
        std::fs::write(path.join("second.crl"), second.list(LONG)?)?;
        let server = Server::start(first.list(LONG)?)?;
        let responder = first.responder(0)?;
        let (lists, answers) = (server.host(), format!("127.0.0.1:{}", responder.port));
        folder.edit("amtsbote.toml", |table| {
            let trust: Table = toml::from_str(&format!(
                "[trust]\ncontent_anchors = [\"ca.pem\", \"second.pem\"]\n\
                 tls_client_anchors = [\"ca.pem\"]\n\
                 [revocation]\nallowed_hosts = [\"{lists}\", \"{answers}\"]\nloopback = true\n\
                 timeout_ms = 5000\n\
                 [[revocation.source]]\nissuer = \"ca.pem\"\ncrl = [\"http://{lists}/first.crl\"]\n\
                 ocsp = [\"http://{answers}/\"]\n\
                 [[revocation.source]]\nissuer = \"second.pem\"\ncrl = [\"second.crl\"]\n",
            ))?;
            table.extend(trust);
            Ok(())
        })?;
        let node = folder.serve()?;
        let operator = Operator::load(folder.path(), &node.operations)?;
        let detmold = PartyId::parse(&format!("ags:{DETMOLD}"))?;
        let responder = Some(responder);
        Ok(Self { folder, node, first, server, second, operator, detmold, responder })
    }

    /// A file among those of the clients.
    fn client_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("clients").join(name)
    }

    /// A key and a certificate of an authority, among the files of the clients.
    fn issue(&self, authority: &Authority, name: &str, usage: Use) -> Result<Issued> {
        authority.issue(&self.folder.path().join("clients"), name, usage)
    }

    /// A town as `init --dev` made it.
    fn town(&self, ags: &str) -> Result<Town> {
        Town::load(self.folder.path(), ags, &self.node.native)
    }

    /// A town with other keys: `clients/NAME.toml` is written like its own.
    fn town_with(
        &self,
        name: &str,
        ags: &str,
        tls: Option<&Issued>,
        signer: Option<&Issued>,
    ) -> Result<Town> {
        let text = std::fs::read_to_string(self.client_file(&format!("{ags}.toml")))?;
        let mut table: Table = text.parse()?;
        for (issued, names) in
            [(tls, ["certificate", "key"]), (signer, ["signing_certificate", "signing_key"])]
        {
            let Some(Issued { certificate, key }) = issued else { continue };
            for (name, file) in names.into_iter().zip([certificate, key]) {
                table.insert(name.into(), file.display().to_string().into());
            }
        }
        std::fs::write(self.client_file(&format!("{name}.toml")), toml::to_string(&table)?)?;
        self.town(name)
    }

    /// Changes the entry of a party, or of the account of a town, in the directory.
    fn entry(&self, kind: &str, ags: &str, change: impl FnOnce(&mut Table)) -> Result<()> {
        let id = match kind {
            "party" => format!("ags:{ags}"),
            _ => format!("verfahren-{ags}"),
        };
        self.folder.edit("directory.toml", |table| {
            let entries = table.get_mut(kind).and_then(toml::Value::as_array_mut);
            let mut entries = entries.context("no entries")?.iter_mut();
            let entry = entries.find(|entry| entry["id"].as_str() == Some(&id));
            change(entry.and_then(toml::Value::as_table_mut).context("no such entry")?);
            Ok(())
        })
    }

    /// Sets the certificates of a party, or of the account of a town.
    fn pin(&self, kind: &str, ags: &str, certificates: &[&Path]) -> Result<()> {
        let files = certificates.iter().map(|file| file.display().to_string().into());
        let files: Vec<toml::Value> = files.collect();
        self.entry(kind, ags, |entry| {
            entry.insert("certificates".into(), files.into());
        })
    }

    /// A command of the operator.
    fn operate(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.folder.shipped().command(arguments);
        command
            .env("AMTSBOTE_CLIENT", self.client_file("operator.toml"))
            .env("AMTSBOTE_OPERATIONS_URL", &self.node.operations);
        tokio::task::block_in_place(|| Ok(command.output()?))
    }

    /// The same, with the exit code that it must have.
    fn must(&self, arguments: &[&str], code: i32) -> Result<Output> {
        let output = self.operate(arguments)?;
        ensure!(output.status.code() == Some(code), "{arguments:?}: {}", text(&output));
        Ok(output)
    }

    /// Everything that revokes is brought up to date, and the hub asks.
    fn refresh(&self) -> Result<()> {
        self.server.lay(self.first.list(LONG)?);
        self.must(&["cert", "refresh"], 0).map(drop)
    }

    /// A good notice to Detmold, which must be accepted.
    async fn send(&self, town: &Town) -> Result<HubId> {
        let (_, wired) = town.notice(&self.detmold)?;
        accepted(town.post(&wired).await?)
    }

    /// A good notice to Detmold, which must be refused with this code.
    async fn refused(&self, town: &Town, code: Code) -> Result<()> {
        let (_, wired) = town.notice(&self.detmold)?;
        let answer = town.post(&wired).await?;
        ensure!(answer.code() == Some(code), "{answer:?} instead of {code}");
        Ok(())
    }

    /// What was recorded when a message was accepted.
    async fn record(&self, id: &HubId) -> Result<Value> {
        let mut shown = self.operator.get(&format!("/ops/v1/messages/{id}")).await?;
        Ok(shown["messages"][0]["record"].take())
    }

    /// One line of `doctor`.
    async fn check(&self, name: &str) -> Result<Value> {
        let mut checks = self.operator.get("/ops/v1/checks").await?;
        let checks = checks["checks"].as_array_mut().context("no checks")?;
        let found = checks.iter_mut().find(|check| check["name"] == name);
        Ok(found.with_context(|| format!("no check {name}"))?.take())
    }

    /// A figure of the metrics.
    async fn metric(&self, name: &str) -> Result<u64> {
        let answer = self.operator.request(reqwest::Method::GET, "/metrics").send().await?;
        let text = body(answer).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no metric {name}"))?.parse()?)
    }
}

/// Most octets of an answer that is looked at.
const BODY: usize = 1 << 20;

/// The body of a small answer.
async fn body(mut answer: reqwest::Response) -> Result<String> {
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        octets.extend_from_slice(&chunk);
        ensure!(octets.len() <= BODY, "more than {BODY} octets");
    }
    Ok(String::from_utf8(octets)?)
}

fn accepted(answer: Answer) -> Result<HubId> {
    match answer {
        Answer::Accepted { hub_id, .. } => Ok(HubId::parse(&hub_id)?),
        refused => bail!("{refused:?}"),
    }
}

/// All that a command said.
fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The objects that a command printed.
fn objects(output: &Output) -> Result<Vec<Value>> {
    let lines = output.stdout.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
}
