//! The demo at work: all towns send and collect at the same time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use amtsbote_adapters::ClientError;
use amtsbote_adapters::probe::{Draft, Flaw, Wired};
use amtsbote_adapters::raw::RawOutcome;
use amtsbote_adapters::submit::{Content, Source, Submission, SubmitOutcome};
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Metadata;
use amtsbote_wire::native::envelope::Unwritable;
use amtsbote_wire::signature::OpensslSigner;
use tokio::task::JoinSet;

use super::plan::{ATTACHMENT, Case, Ending, Planned};
use super::systems::{Collector, System};
use crate::node::region::Town;
use crate::outcome::{Context, Failure};

/// How one message went.
#[derive(Debug)]
pub(crate) struct Went {
    /// What was planned.
    pub(crate) planned: Planned,
    /// The hub's id, once it was accepted; of the first message where the case sends two.
    pub(crate) hub_id: Option<HubId>,
    /// How it ended: a state's word or a code.
    pub(crate) ended: String,
    /// The error id of a refusal: links the answer with the hub's log and evidence.
    pub(crate) error_id: Option<String>,
    /// Receipts that were verified on the way.
    pub(crate) receipts: usize,
    /// What else went wrong.
    pub(crate) trouble: Option<String>,
}

impl Went {
    /// Whether it ended as it must.
    pub(crate) fn is_ok(&self) -> bool {
        self.trouble.is_none() && self.ended == self.planned.case.expected().as_str()
    }
}

/// All that happened.
pub(crate) struct Happened {
    /// Every message, in the order of the plan.
    pub(crate) messages: Vec<Went>,
    /// Receipts over acknowledgements that readers verified.
    pub(crate) acknowledgements: usize,
    /// What readers could not take.
    pub(crate) failed: Vec<(HubId, String)>,
}

/// How far it is.
#[derive(Default)]
pub(crate) struct Progress {
    /// Messages sent.
    pub(crate) sent: AtomicUsize,
    /// Messages collected.
    pub(crate) collected: AtomicUsize,
    all_sent: AtomicBool,
}

/// Lets every town send its part of the plan, and collect what comes.
pub(crate) async fn run(
    dir: &Path,
    towns: &[Town],
    native: &str,
    plan: Vec<Planned>,
    progress: Arc<Progress>,
) -> Result<Happened, Failure> {
    let open = |town| System::open(dir, town, native);
    let systems: Arc<Vec<System>> = Arc::new(towns.iter().map(open).collect::<Result<_, _>>()?);

    let mut readers = JoinSet::new();
    for system in systems.iter() {
        readers.spawn(collect(system.collect()?, progress.clone()));
    }
    let mut senders = JoinSet::new();
    for town in 0..systems.len() {
        let own = plan.iter().filter(|planned| planned.author == town).cloned().collect();
        senders.spawn(send_all(town, systems.clone(), own, progress.clone()));
    }

    let mut messages = Vec::with_capacity(plan.len());
    while let Some(sent) = senders.join_next().await {
        messages.extend(sent.or_not_now("Absender", "sender")?);
    }
    progress.all_sent.store(true, Ordering::Relaxed);
    let (mut acknowledgements, mut failed) = (0, Vec::new());
    while let Some(read) = readers.join_next().await {
        let collector = read.or_not_now("Abholer", "collector")??;
        acknowledgements += collector.acknowledged.len();
        failed.extend(collector.failed);
    }
    for went in &mut messages {
        ask_for_state(&systems, went).await;
    }
    messages.sort_by_key(|went| went.planned.number);
    Ok(Happened { messages, acknowledgements, failed })
}

/// Collects until everything was sent and nothing more comes.
async fn collect(mut collector: Collector, progress: Arc<Progress>) -> Result<Collector, Failure> {
    const WAIT_SECONDS: u32 = 1;
    loop {
        let last = progress.all_sent.load(Ordering::Relaxed);
        let wait = if last { 0 } else { WAIT_SECONDS };
        let taken = collector.pass(wait).await?;
        progress.collected.fetch_add(taken, Ordering::Relaxed);
        if last && taken == 0 {
            return Ok(collector);
        }
        if !collector.failed.is_empty() {
            // It stays in the inbox, so the hub answers at once: do not ask without a pause.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

async fn send_all(
    town: usize,
    systems: Arc<Vec<System>>,
    plan: Vec<Planned>,
    progress: Arc<Progress>,
) -> Vec<Went> {
    let mut all = Vec::with_capacity(plan.len());
    for planned in plan {
        let other = &systems[planned.other];
        all.push(send(&systems[town], other, planned).await);
        progress.sent.fetch_add(1, Ordering::Relaxed);
    }
    all
}

/// What the hub said to a message, or to the second where the case sends two.
struct Said {
    hub_id: Option<HubId>,
    refused: Option<(String, String)>,
    receipts: usize,
    trouble: Option<String>,
}

impl Said {
    fn accepted(hub_id: HubId) -> Self {
        Self { hub_id: Some(hub_id), refused: None, receipts: 1, trouble: None }
    }

    fn failed(error: ClientError) -> Self {
        let nothing = Self { hub_id: None, refused: None, receipts: 0, trouble: None };
        match error {
            ClientError::Refused(problem) => {
                Self { refused: Some((problem.code, problem.error_id)), ..nothing }
            }
            other => Self { trouble: Some(other.to_string()), ..nothing },
        }
    }
}

impl From<Result<SubmitOutcome, ClientError>> for Said {
    fn from(result: Result<SubmitOutcome, ClientError>) -> Self {
        result.map_or_else(Self::failed, |outcome| Self::accepted(outcome.hub_id))
    }
}

impl From<Result<RawOutcome, ClientError>> for Said {
    fn from(result: Result<RawOutcome, ClientError>) -> Self {
        match result {
            Ok(outcome) => match outcome.receipt.evidence {
                Evidence::Accepted(accepted) => Self::accepted(accepted.hub_id),
                _ => Self::failed(ClientError::Message("a receipt about another act".into())),
            },
            Err(error) => Self::failed(error),
        }
    }
}

async fn send(own: &System, other: &System, planned: Planned) -> Went {
    let said = match planned.case {
        Case::Notice | Case::Answer | Case::Attachment | Case::NotBefore => {
            Said::from(submit(own, &planned).await)
        }
        Case::Repeat => repeat(own, &planned).await,
        Case::Cancelled => cancel(own, &planned).await,
        Case::OtherContent => other_content(own, &planned).await,
        Case::ForeignKey => wired(own, &planned, None, &other.signer).await,
        Case::ForeignAccount => wired(other, &planned, None, &own.signer).await,
        Case::TestMark => wired(own, &planned, None, &own.signer).await,
        Case::Flawed(flaw) => wired(own, &planned, Some(flaw), &own.signer).await,
    };
    let Said { hub_id, refused, receipts, trouble } = said;
    let (ended, error_id) = refused.unzip();
    Went { planned, hub_id, ended: ended.unwrap_or_default(), error_id, receipts, trouble }
}

/// As any procedure system sends.
async fn submit(own: &System, planned: &Planned) -> Result<SubmitOutcome, ClientError> {
    let octets = planned.story.xml(&planned.metadata).into();
    let content = |cid: &str, media_type: &str, octets| Content {
        cid: cid.to_owned(),
        media_type: media_type.to_owned(),
        source: Source::Octets(octets),
    };
    let attachments = planned.story.attachment.iter();
    own.client
        .submit(Submission {
            metadata: &planned.metadata,
            payload: content("payload.xml", "application/xml", octets),
            attachments: attachments
                .map(|(name, _)| {
                    content(name, "text/plain; charset=utf-8", ATTACHMENT.1.to_vec().into())
                })
                .collect(),
            signer: own.signer.as_ref(),
        })
        .await
}

/// The same message twice must be accepted once, with one and the same receipt.
async fn repeat(own: &System, planned: &Planned) -> Said {
    let first = match submit(own, planned).await {
        Ok(first) => first,
        Err(error) => return Said::failed(error),
    };
    match submit(own, planned).await {
        Ok(second) if second.repeated && second.receipt == first.receipt => {
            Said { receipts: 2, ..Said::accepted(second.hub_id) }
        }
        Ok(_) => Said {
            trouble: Some("the repeat was not answered with the same receipt".into()),
            ..Said::accepted(first.hub_id)
        },
        Err(error) => Said::failed(error),
    }
}

async fn cancel(own: &System, planned: &Planned) -> Said {
    let sent = match submit(own, planned).await {
        Ok(sent) => sent,
        Err(error) => return Said::failed(error),
    };
    match own.client.cancel(&sent.hub_id).await {
        Ok(_) => Said::accepted(sent.hub_id),
        Err(error) => Said::failed(error),
    }
}

/// A second message under the id of a first must be refused; the first must not suffer.
async fn other_content(own: &System, planned: &Planned) -> Said {
    let first = match submit(own, planned).await {
        Ok(first) => first,
        Err(error) => return Said::failed(error),
    };
    let mut second = planned.clone();
    second.story.number += 1;
    let said = Said::from(submit(own, &second).await);
    match said.refused {
        Some(_) => Said { hub_id: Some(first.hub_id), receipts: 1, ..said },
        None => said,
    }
}

/// Octets as an attacker, a broken system or a broken line would send them.
async fn wired(
    through: &System,
    planned: &Planned,
    flaw: Option<Flaw>,
    signer: &OpensslSigner,
) -> Said {
    match spoiled(planned, flaw, signer) {
        Ok(message) => through.client.submit_wired(&message).await.into(),
        Err(error) => Said::failed(ClientError::Message(error.to_string())),
    }
}

fn spoiled(
    planned: &Planned,
    flaw: Option<Flaw>,
    signer: &OpensslSigner,
) -> Result<Wired, Unwritable> {
    let content = |metadata: &Metadata| planned.story.xml(metadata);
    let draft = Draft { metadata: planned.metadata.clone(), content: &content };
    match flaw {
        Some(flaw) => flaw.apply(draft, signer),
        None => draft.sign(signer),
    }
}

/// Asks, as its sender, what became of an accepted message.
async fn ask_for_state(systems: &[System], went: &mut Went) {
    let Some(id) = &went.hub_id else { return };
    let state = match systems[went.planned.author].client.status(id).await {
        Ok(status) => status.state,
        Err(error) => {
            went.trouble = Some(error.to_string());
            return;
        }
    };
    if went.ended.is_empty() {
        went.ended = state;
    } else if state != "acknowledged" {
        // The refused second message must leave the first alone.
        went.trouble = Some(format!("the first message ended {state}"));
    }
}

/// Whether a case ends in a refusal.
pub(crate) fn is_refusal(case: Case) -> bool {
    matches!(case.expected(), Ending::Refused(_))
}
