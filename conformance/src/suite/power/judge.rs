//! A node on the disk that a power cut left behind: does it start, and does it keep what was
//! promised before the cut?

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::disk::Image;
use super::load::{self, Known};
use super::replay::Spoken;
use crate::history::{self, Content, Handed, Seen, Sent, Tally};
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::shipped::Shipped;
use crate::suite::crash::Random;
use crate::town::{Answer, Town};

/// So many messages are fetched, and so many repeated, on each disk.
const SAMPLE: usize = 3;

/// What is to be judged.
pub(super) struct Case<'a> {
    pub(super) shipped: &'a Shipped,
    /// What clients know in the end.
    pub(super) known: &'a Known,
    pub(super) spoken: &'a Spoken,
    /// The step before which the power went.
    pub(super) cut: usize,
    pub(super) seed: u64,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Figures, if the history holds.
    pub(super) tally: Option<Tally>,
    /// Messages that had been promised.
    pub(super) promised: usize,
    /// Promises that were broken, in words.
    pub(super) breaches: Vec<String>,
}

impl Case<'_> {
    /// Writes the disk into a new folder and starts the node there. An error says that it could
    /// not be judged.
    pub(super) async fn judge(&self, image: &Image, path: &Path) -> Result<Verdict> {
        materialise(image, path)?;
        let folder = Folder::existing(self.shipped, path);
        let promised = self.known.messages.iter().filter(|m| self.knew(m.promise.at)).count();
        let mut verdict = Verdict { tally: None, promised, breaches: Vec::new() };
        match folder.serve() {
            Err(error) => verdict.breaches.push(format!("it does not start: {error:#}")),
            Ok(node) => {
                self.look(&folder, &node, &mut verdict).await?;
                node.kill()?;
                if let Err(error) = folder.verify_archive() {
                    verdict.breaches.push(format!("{error:#}"));
                }
            }
        }
        Ok(verdict)
    }

    /// Whether a client that knew something at `at` had been told before the cut.
    fn knew(&self, at: i64) -> bool {
        self.spoken.before(at).is_some_and(|step| step <= self.cut)
    }

    async fn look(&self, folder: &Folder, node: &Node, verdict: &mut Verdict) -> Result<()> {
        let listed = Operator::load(folder.path(), &node.operations)?.everything().await?;
        let (sent, handed) = self.history();
        match history::check(&sent, &handed, &listed) {
            Ok(tally) => verdict.tally = Some(tally),
            Err(mut breaches) => {
                let count = breaches.len();
                breaches.truncate(3);
                breaches.push(format!("{count} breaches in all"));
                verdict.breaches.append(&mut breaches);
            }
        }
        let towns = load::towns(folder.path(), &node.native)?;
        let open =
            |hub_id: &str| listed.iter().any(|l| l.hub_id == hub_id && l.state != "acknowledged");
        for message in self.sample(|message| open(&message.promise.hub_id)) {
            if let Err(error) = fetched(&towns, message).await {
                verdict.breaches.push(format!("{error:#} (P1, P4)"));
            }
        }
        for message in self.sample(|_| true) {
            if let Err(error) = repeated(&towns, message).await {
                verdict.breaches.push(format!("{error:#} (P3)"));
            }
        }
        Ok(())
    }

    /// The history as it had been told before the cut; the rest is unknown.
    fn history(&self) -> (Vec<Sent>, Vec<Handed>) {
        let sent = self.known.messages.iter().map(|message| Sent {
            author: message.author_party.clone(),
            transport_id: message.transport_id.clone(),
            content: Content::of(&[message.payload]),
            relayed: false,
            cancelled: false,
            seen: match self.knew(message.promise.at) {
                true => Seen::Accepted {
                    hub_id: message.promise.hub_id.clone(),
                    receipts: vec![load::digest(&message.promise.receipt)],
                },
                false => Seen::Unknown,
            },
        });
        let taken = self.known.taken.iter().filter(|taken| self.knew(taken.fetched));
        let handed = taken.map(|taken| Handed {
            hub_id: taken.hub_id.clone(),
            payload: taken.payload,
            attachments: None,
            flagged: false,
            acknowledged: taken.acknowledged.is_some_and(|at| self.knew(at)),
        });
        (sent.collect(), handed.collect())
    }

    /// Some promised messages, the last promised one among them, large ones first.
    fn sample(&self, admits: impl Fn(&load::Message) -> bool) -> Vec<&load::Message> {
        let admitted = |m: &&load::Message| self.knew(m.promise.at) && admits(m);
        let mut all: Vec<&load::Message> = self.known.messages.iter().filter(admitted).collect();
        let mut sample: Vec<&load::Message> = all.pop().into_iter().collect();
        sample.extend(all.iter().rposition(|message| message.large).map(|at| all.remove(at)));
        let mut random = Random(self.seed);
        while sample.len() < SAMPLE && !all.is_empty() {
            sample.push(all.remove(random.between(0..all.len() as u64) as usize));
        }
        sample
    }
}

/// Its reader gets the octets that were sent.
async fn fetched(towns: &[Town], message: &load::Message) -> Result<()> {
    let hub_id = &message.promise.hub_id;
    let reader = &towns[(message.author + 1) % towns.len()];
    let octets = load::fetch(reader, hub_id).await?;
    let digest = load::digest(&octets);
    (digest == message.payload).then_some(()).with_context(|| format!("{hub_id}: other octets"))
}

/// Its sender repeats it and gets the same receipt, byte for byte.
async fn repeated(towns: &[Town], message: &load::Message) -> Result<()> {
    let hub_id = &message.promise.hub_id;
    match towns[message.author].post(&message.wired).await? {
        Answer::Accepted { hub_id: again, receipt, repeated: true }
            if again == *hub_id && receipt == message.promise.receipt =>
        {
            Ok(())
        }
        Answer::Accepted { hub_id: again, repeated, .. } => {
            Err(anyhow!("{hub_id}: a repeat became {again}, repeat known: {repeated}"))
        }
        Answer::Refused(problem) => Err(anyhow!("{hub_id}: a repeat is refused: {}", problem.code)),
    }
}

/// Writes a disk into a new folder, for its owner only, as keys must be.
pub(super) fn materialise(image: &Image, folder: &Path) -> Result<()> {
    let mut owned = DirBuilder::new();
    owned.mode(0o700).create(folder)?;
    for (path, octets) in image {
        let path = folder.join(path);
        match octets {
            None => owned.create(&path),
            Some(octets) => {
                let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(octets))
            }
        }
        .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
