//! Real messages through a node that has packs for two of their standards: what is valid and has
//! a way arrives octet for octet, everything else is refused with the code that says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::{HubId, MessageUuid, ServiceUri};
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::digest::sha256;
use amtsbote_wire::native::problem::Problem;
use amtsbote_wire::native::status::InboxEntry;
use anyhow::{Context, Result, anyhow, bail, ensure};

use super::directory::{
    PLANNING, Parties, RECIPIENT, SENDER, STANDARDS, Standard, WATER, WATER_IN_PRODUCTION,
    permit_all,
};
use super::verdicts::tells_nothing_of;
use super::{Corpus, Message, packs};
use crate::node::{Folder, Node};
use crate::report::Report;
use crate::suite::Settings;
use crate::suite::native::answer;
use crate::town::{Answer, Town};

/// A node whose directory admits the parties of the messages.
struct World {
    folder: Folder,
    node: Node,
    sender: Town,
    recipient: Town,
}

/// What goes over the wire, under a fresh transport id.
struct Outgoing<'a> {
    message: &'a Message<'a>,
    author: PartyId,
    reader: PartyId,
    service: &'a str,
}

/// What the hub has accepted.
struct Sent<'a> {
    message: &'a Message<'a>,
    test: bool,
    author: PartyId,
    reader: PartyId,
    hub_id: HubId,
    wired: Wired,
}

/// What waits for each reader.
type Inboxes = BTreeMap<PartyId, Vec<InboxEntry>>;

/// Sends everything, then collects.
pub(super) async fn run(settings: &Settings, corpus: &Corpus, report: &mut Report) -> Result<()> {
    let water = corpus.messages(WATER.folder)?;
    let planning = corpus.messages(PLANNING.folder)?;
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("node");
    let world = match World::start(settings, corpus, [&water, &planning], &path) {
        Ok((world, note)) => {
            report.add("node-with-packs", Ok(note));
            world
        }
        Err(error) => {
            report.add("node-with-packs", Err(error));
            return Ok(());
        }
    };
    let mut sent = Vec::new();
    for (standard, messages) in [(&WATER, &water), (&PLANNING, &planning)] {
        for message in messages.iter().filter(|message| message.is_valid()) {
            world.send_valid(standard, message, &mut sent, report).await?;
        }
    }
    for message in water.iter().chain(&planning).filter(|message| !message.is_valid()) {
        report.add(format!("refused/{}", message.row.name()), world.invalid(message).await);
    }
    report.add("test-never-reaches-production", world.production(&sent).await);
    world.other_standards(corpus, &planning, report).await?;
    world.collect(&sent, report).await?;
    report.add("log-tells-no-values", world.log(corpus));
    report.add("archive-holds-afterwards", world.end());
    Ok(())
}

impl World {
    fn start(
        settings: &Settings,
        corpus: &Corpus,
        messages: [&[Message<'_>]; 2],
        path: &Path,
    ) -> Result<(Self, String)> {
        let folder = Folder::init(&settings.shipped, path)?;
        let mut note = Vec::new();
        let mut parties = Parties::default();
        for (standard, messages) in STANDARDS.iter().zip(messages) {
            let pack = path.join("packs").join(standard.folder);
            std::fs::create_dir_all(&pack)?;
            let written = packs::write(corpus, messages, &pack)?;
            note.push(format!("{}: {written}", standard.folder));
            parties.admit(standard, messages)?;
        }
        folder.edit("directory.toml", |table| parties.enter(table))?;
        folder.edit("permissions.toml", permit_all)?;
        let node = folder.serve()?;
        let sender = Town::load(path, SENDER, &node.native)?;
        let recipient = Town::load(path, RECIPIENT, &node.native)?;
        Ok((Self { folder, node, sender, recipient }, note.join(", ")))
    }

    fn wire(&self, outgoing: &Outgoing<'_>) -> Result<Wired> {
        let mut metadata = self.sender.metadata(&outgoing.reader);
        metadata.author = outgoing.author.clone();
        metadata.service = ServiceUri::parse(outgoing.service)?;
        metadata.business_id =
            outgoing.message.facts.message_uuid.as_deref().map(MessageUuid::parse).transpose()?;
        // That it is a test the content alone says: the harder way for P11.
        metadata.test = false;
        let content = |_: &_| outgoing.message.octets.clone();
        Ok(Draft { metadata, content: &content }.sign(&self.sender.signer)?)
    }

    /// The parties that the header names, else those of the two towns.
    fn outgoing<'a>(&self, message: &'a Message<'a>, service: &'a str) -> Result<Outgoing<'a>> {
        let invented = || (self.sender.party.clone(), self.recipient.party.clone());
        let (author, reader) = message.parties()?.unwrap_or_else(invented);
        Ok(Outgoing { message, author, reader, service })
    }

    /// A valid message whose header names its parties is accepted. One that names nobody has a
    /// reader in its envelope only, and that one does not offer the service.
    async fn send_valid<'a>(
        &self,
        standard: &'static Standard,
        message: &'a Message<'a>,
        sent: &mut Vec<Sent<'a>>,
        report: &mut Report,
    ) -> Result<()> {
        let outgoing = self.outgoing(message, standard.service)?;
        let name = message.row.name();
        if message.parties()?.is_none() {
            let ended = self.refused(&outgoing, Code::ServiceNotOffered).await;
            report.add(format!("refused/{name}"), ended.map(|problem| problem.code));
            return Ok(());
        }
        let wired = self.wire(&outgoing)?;
        match self.accepted(&wired).await {
            Ok(hub_id) => {
                let Outgoing { author, reader, .. } = outgoing;
                sent.push(Sent { message, test: standard.test, author, reader, hub_id, wired });
                report.add(format!("accepted/{name}"), Ok(String::new()));
            }
            Err(error) => report.add(format!("accepted/{name}"), Err(error)),
        }
        Ok(())
    }

    async fn accepted(&self, wired: &Wired) -> Result<HubId> {
        match self.sender.post(wired).await? {
            Answer::Accepted { hub_id, repeated: false, .. } => Ok(HubId::parse(&hub_id)?),
            Answer::Accepted { .. } => bail!("taken for a repeat, under a fresh transport id"),
            Answer::Refused(problem) => bail!("{} {}", problem.code, problem.detail),
        }
    }

    async fn refused(&self, outgoing: &Outgoing<'_>, code: Code) -> Result<Problem> {
        match self.sender.post(&self.wire(outgoing)?).await? {
            Answer::Refused(problem) if problem.code() == Some(code) => Ok(*problem),
            Answer::Refused(problem) => {
                bail!("{} instead of {code}: {}", problem.code, problem.detail)
            }
            Answer::Accepted { .. } => bail!("accepted instead of {code}"),
        }
    }

    async fn invalid(&self, message: &Message<'_>) -> Result<String> {
        let standard = STANDARDS.iter().find(|s| s.folder == message.row.standard());
        let outgoing = self.outgoing(message, standard.context("no pack")?.service)?;
        let problem = self.refused(&outgoing, Code::ContentInvalid).await?;
        let finding = problem.findings.first().context("no finding")?;
        ensure!(finding.line > 0 && finding.column > 0, "a finding without a place");
        tells_nothing_of(message.row, &format!("{problem:?}"))?;
        Ok(format!("{} {}", problem.code, finding.code))
    }

    /// What was accepted for a test reader is refused for a production one (P11).
    async fn production(&self, sent: &[Sent<'_>]) -> Result<String> {
        let tests: Vec<&Sent<'_>> = sent.iter().filter(|sent| sent.test).collect();
        ensure!(!tests.is_empty(), "no test message was accepted before");
        for sent in &tests {
            let outgoing = self.outgoing(sent.message, WATER_IN_PRODUCTION)?;
            let refused = self.refused(&outgoing, Code::TestAndProduction).await;
            refused.with_context(|| sent.message.row.name().to_owned())?;
        }
        Ok(format!("{} messages", tests.len()))
    }

    /// Messages of standards without a pack here, to a reader that is there and may be written to.
    async fn other_standards(
        &self,
        corpus: &Corpus,
        planning: &[Message<'_>],
        report: &mut Report,
    ) -> Result<()> {
        let parties = planning.iter().find_map(|message| message.parties().transpose());
        let (_, reader) = parties.context("no message names its parties")??;
        let known = STANDARDS.map(|standard| standard.folder);
        let all: BTreeSet<&str> = corpus.rows.iter().map(|row| row.standard()).collect();
        for standard in all.into_iter().filter(|standard| !known.contains(standard)) {
            let ended = self.without_pack(corpus, standard, &reader).await;
            report.add(format!("refused/without-pack/{standard}"), ended);
        }
        Ok(())
    }

    async fn without_pack(
        &self,
        corpus: &Corpus,
        standard: &str,
        reader: &PartyId,
    ) -> Result<String> {
        let messages = corpus.messages(standard)?;
        for message in &messages {
            let (author, reader) = (self.sender.party.clone(), reader.clone());
            let outgoing = Outgoing { message, author, reader, service: PLANNING.service };
            let refused = self.refused(&outgoing, Code::UnknownStandard).await;
            refused.with_context(|| message.row.file.clone())?;
        }
        Ok(format!("{} {} messages", Code::UnknownStandard, messages.len()))
    }

    async fn collect(&self, sent: &[Sent<'_>], report: &mut Report) -> Result<()> {
        let inboxes = self.inboxes(sent).await?;
        let (waiting, accepted) = (inboxes.values().map(Vec::len).sum::<usize>(), sent.len());
        let nothing_else = if waiting == accepted {
            Ok(format!("{waiting} wait"))
        } else {
            Err(anyhow!("{waiting} wait, {accepted} were accepted"))
        };
        report.add("nothing-else-waits", nothing_else);
        for (n, one) in sent.iter().enumerate() {
            let ended = self.arrives(one, &sent[..n], &inboxes).await;
            report.add(format!("arrives/{}", one.message.row.name()), ended);
        }
        let left = self.inboxes(sent).await?.values().map(Vec::len).sum::<usize>();
        let empty = if left == 0 { Ok(String::new()) } else { Err(anyhow!("{left} still wait")) };
        report.add("inboxes-empty-afterwards", empty);
        Ok(())
    }

    async fn inboxes(&self, sent: &[Sent<'_>]) -> Result<Inboxes> {
        let mut inboxes = Inboxes::new();
        for reader in sent.iter().map(|sent| &sent.reader) {
            if !inboxes.contains_key(reader) {
                let page = self.recipient.client.inbox_page(reader, None, 1_000, 0).await?;
                inboxes.insert(reader.clone(), page.entries);
            }
        }
        Ok(inboxes)
    }

    async fn arrives(
        &self,
        sent: &Sent<'_>,
        before: &[Sent<'_>],
        inboxes: &Inboxes,
    ) -> Result<String> {
        let mine = inboxes.get(&sent.reader).into_iter().flatten();
        let entry =
            mine.into_iter().find(|entry| entry.id == sent.hub_id).context("not in the inbox")?;
        ensure!((&entry.author, &entry.reader) == (&sent.author, &sent.reader), "other parties");
        ensure!(entry.test == sent.test, "test is {}", entry.test);
        let uuid = sent.message.facts.message_uuid.as_deref();
        ensure!(entry.business_id.as_ref().map(MessageUuid::as_str) == uuid, "another business id");
        let same = |other: &&Sent<'_>| {
            uuid.is_some()
                && other.author == sent.author
                && other.message.facts.message_uuid.as_deref() == uuid
        };
        let wanted: BTreeSet<&HubId> = before.iter().filter(same).map(|s| &s.hub_id).collect();
        let flagged: BTreeSet<&HubId> = entry.same_business_id.iter().collect();
        ensure!(flagged == wanted, "flagged with {} others, not {}", flagged.len(), wanted.len());
        self.fetch(sent).await?;
        Ok(match flagged.len() {
            0 => String::new(),
            n => format!("flagged: the business id of {n} before"),
        })
    }

    /// Octet for octet, then acknowledged.
    async fn fetch(&self, sent: &Sent<'_>) -> Result<()> {
        let client = &self.recipient.client;
        let envelope = client.fetch_envelope(&sent.hub_id).await?;
        ensure!(envelope == sent.wired.envelope, "the envelope was altered (P4)");
        let path = format!("/v1/inbox/{}", sent.hub_id);
        let request = self.recipient.request(reqwest::Method::GET, &path);
        let (status, _, octets) = answer(request).await?;
        ensure!(status == 200, "{status}");
        ensure!(octets == sent.message.octets, "the payload was altered (P4)");
        client.acknowledge(&sent.hub_id, &sha256(&octets)).await?;
        let state = self.sender.client.status(&sent.hub_id).await?.state;
        ensure!(state == "acknowledged", "{state} after the acknowledgement");
        Ok(())
    }

    /// What a message refers to in vain stands in no log (P7).
    fn log(&self, corpus: &Corpus) -> Result<String> {
        let log = std::fs::read_to_string(self.folder.log())?;
        ensure!(log.contains(Code::ContentInvalid.as_str()), "the refusals are not in the log");
        for row in &corpus.rows {
            tells_nothing_of(row, &log).with_context(|| row.file.clone())?;
        }
        Ok(String::new())
    }

    fn end(self) -> Result<String> {
        self.node.stop()?;
        Ok(self.folder.verify_archive()?.to_string())
    }
}
