//! `send FILE`: signs, submits, verifies the receipt, prints it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use amtsbote_adapters::ClientError;
use amtsbote_adapters::submit::{Content, Source, Submission, SubmitOutcome};
use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::BusinessRejection;
use amtsbote_domain::identity::{MessageType, MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::Language;
use amtsbote_wire::native::problem::Problem;
use clap::Args;
use serde_json::{Value, json};

use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::timeline;
use crate::ui::{Tone, Ui};

/// Sign a message, hand it in, verify and print the receipt
///
/// Exit code 0: accepted, and the receipt proves it. 1: refused. 4: unknown; repeat with the same
/// --id, which never sends twice.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote send message.xml --from ags:05766044 --to ags:05766020 \
                  --service urn:amtsbote:service:xummeldung --attachment form.pdf"
)]
pub(crate) struct Send {
    /// The payload; - is stdin
    file: PathBuf,
    /// Author
    #[arg(long, value_name = "PARTY")]
    from: PartyId,
    /// Reader; may be repeated: each gets a delivery of its own, all or none are accepted
    #[arg(long, value_name = "PARTY", required = true)]
    to: Vec<PartyId>,
    /// Service
    #[arg(long, value_name = "URI")]
    service: ServiceUri,
    /// Our id for the message; the same id never sends twice [default: a new one]
    #[arg(long)]
    id: Option<TransportId>,
    /// Message type inside the service
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<MessageType>,
    /// The content's own id, where the content does not say it readably
    #[arg(long, value_name = "ID")]
    business_id: Option<MessageUuid>,
    /// A file that goes with it; may be repeated
    #[arg(long, value_name = "FILE")]
    attachment: Vec<PathBuf>,
    /// Media type of the payload [default: by the file's name; XML for stdin]
    #[arg(long, value_name = "TYPE/SUBTYPE")]
    media_type: Option<String>,
    /// Not to be handed over before
    #[arg(long, value_name = "TIME", value_parser = crate::time::instant)]
    not_before: Option<Timestamp>,
    /// Of no use from then on
    #[arg(long, value_name = "TIME", value_parser = crate::time::instant)]
    expires: Option<Timestamp>,
    /// Mark as test: goes to test systems only
    #[arg(long)]
    test: bool,
    /// Keep the receipt in this file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Keep the standard's own rejection in this file, where a refused message gets one
    #[arg(long, value_name = "FILE")]
    rejection: Option<PathBuf>,
}

impl Send {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let config = super::client_config(config)?;
        let (client, signer) = (config.native(ui.language)?, config.signer()?);
        let metadata = self.metadata()?;
        let submission = Submission {
            metadata: &metadata,
            payload: self.payload()?,
            attachments: self.attachments()?,
            signer: &signer,
        };
        let id = &metadata.transport_id;
        ui.note(format!("{} {id}", ui.t("Kennung", "id")));
        let sent = super::block_on(async { Ok(client.submit(submission).await) })?;
        match sent {
            Ok(outcome) => {
                if let Some(path) = &self.receipt {
                    fs::write(path, &outcome.receipt).or_not_now_at(path)?;
                }
                print(ui, id, &outcome)?;
                Ok(Exit::Yes)
            }
            Err(ClientError::Refused(problem)) => {
                let exit = ClientError::Refused(problem.clone()).exit_code();
                if let (Some(path), Some(rejection)) =
                    (&self.rejection, &problem.business_rejection)
                {
                    fs::write(path, &rejection.content).or_not_now_at(path)?;
                }
                print_refusal(ui, id, &problem);
                Ok(exit_of(exit))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    fn metadata(&self) -> Result<Metadata, Failure> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => {
                TransportId::parse(&uuid::Uuid::new_v4().to_string()).or_not_now("Kennung", "id")?
            }
        };
        let (reader, others) = self.to.split_first().ok_or_else(|| {
            Failure::usage("--to: mindestens ein Leser", "--to: at least one Reader")
        })?;
        Ok(Metadata {
            author: self.from.clone(),
            reader: reader.clone(),
            other_readers: others.to_vec(),
            service: self.service.clone(),
            message_type: self.message_type.clone(),
            transport_id: id,
            business_id: self.business_id.clone(),
            created: time::now(),
            not_before: self.not_before,
            expires: self.expires,
            test: self.test,
        })
    }

    fn payload(&self) -> Result<Content, Failure> {
        /// Octets of a payload from stdin.
        const MAX_STDIN: u64 = 256 << 20;
        let from_stdin = self.file.as_os_str() == "-";
        let source = if from_stdin {
            let mut octets = Vec::new();
            let mut stdin = io::stdin().lock().take(MAX_STDIN + 1);
            stdin.read_to_end(&mut octets).or_not_now("stdin", "stdin")?;
            if octets.len() as u64 > MAX_STDIN {
                return Err(Failure::usage(
                    "stdin: größer als 256 MiB; als Datei angeben",
                    "stdin: larger than 256 MiB; give it as a file",
                ));
            }
            Source::Octets(octets.into())
        } else {
            file_source(&self.file)?
        };
        let guessed = if from_stdin { "application/xml" } else { media_type(&self.file) };
        let media_type = self.media_type.clone().unwrap_or_else(|| guessed.to_owned());
        Ok(Content { cid: "payload".to_owned(), media_type, source })
    }

    fn attachments(&self) -> Result<Vec<Content>, Failure> {
        let mut attachments: Vec<Content> = Vec::new();
        for (number, path) in self.attachment.iter().enumerate() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            let free = name.chars().all(plain)
                && !name.is_empty()
                && !["payload", amtsbote_domain::ports::ENVELOPE_CID].contains(&&*name)
                && attachments.iter().all(|other| other.cid != *name);
            let cid = if free { name.into_owned() } else { format!("attachment-{}", number + 1) };
            let media_type = media_type(path).to_owned();
            attachments.push(Content { cid, media_type, source: file_source(path)? });
        }
        Ok(attachments)
    }
}

fn file_source(path: &Path) -> Result<Source, Failure> {
    fs::metadata(path).or_usage_at(path)?;
    Ok(Source::File(path.to_owned()))
}

/// The media type by the end of a file's name.
fn media_type(path: &Path) -> &'static str {
    let end = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match end.as_str() {
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "json" => "application/json",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "tif" | "tiff" => "image/tiff",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

fn print(ui: &Ui, id: &TransportId, outcome: &SubmitOutcome) -> Result<(), Failure> {
    let receipt: Value = serde_json::from_slice(&outcome.receipt)
        .or_not_now("Die Quittung ist nicht lesbar", "The receipt cannot be read")?;
    if ui.is_json() {
        let mut document = json!({
            "id": outcome.hub_id, "transport_id": id, "accepted": true,
            "repeated": outcome.repeated, "verified": true, "receipt": receipt,
        });
        if !outcome.accepted.siblings.is_empty() {
            document["siblings"] = json!(outcome.accepted.siblings);
        }
        ui.json(&document);
        return Ok(());
    }
    let word = if outcome.repeated {
        ui.t("schon früher angenommen", "accepted before")
    } else {
        ui.t("angenommen", "accepted")
    };
    ui.line(format!("{} {}", ui.tint(Tone::Good, word), outcome.hub_id));
    ui.line(format!("  {} {}", ui.t("erlaubt durch", "allowed by"), outcome.accepted.rule));
    ui.line(format!("  {} {}", ui.t("Weg:", "way:"), outcome.accepted.channel));
    for line in timeline::other_readers(
        &outcome.accepted.metadata.other_readers,
        &outcome.accepted.siblings,
    ) {
        ui.line(format!("  {}: {line}", ui.t("weiterer Leser", "further Reader")));
    }
    ui.line(format!(
        "  {} {}",
        ui.t(
            "Quittung geprüft: diese Nachricht, unverändert, im Nachweisprotokoll an Stelle",
            "receipt verified: this message, unaltered, in the evidence log at index"
        ),
        receipt["index"]
    ));
    Ok(())
}

/// Prints why the hub refused: an answer, so it goes to stdout.
fn print_refusal(ui: &Ui, id: &TransportId, problem: &Problem) {
    if ui.is_json() {
        ui.json(&json!({
            "transport_id": id, "accepted": false, "code": problem.code, "title": problem.title,
            "detail": problem.detail, "place": problem.place, "rule": problem.rule,
            "advice": problem.advice, "findings": problem.findings,
            "error_id": problem.error_id, "retry": problem.retry,
            "business_rejection": problem.business_rejection,
        }));
        return;
    }
    let word = ui.tint(Tone::Bad, ui.t("abgelehnt", "refused"));
    ui.line(format!("{word} {}: {}", problem.code, problem.detail));
    for finding in &problem.findings {
        ui.line(format!("  {}:{}: {}", finding.line, finding.column, finding.message));
        ui.line(ui.tint(Tone::Dim, &format!("      {} {}", finding.code, finding.path)));
    }
    ui.line(format!("  {}", problem.advice));
    if let Some(BusinessRejection { standard, version, message_type, .. }) =
        &problem.business_rejection
    {
        let what = ui.t("Rückweisung im Standard", "rejection in the standard");
        ui.line(format!("  {what}: {standard} {version}, {message_type} (--rejection FILE)"));
    }
    ui.line(format!("  {} {}", ui.t("Fehlernummer", "error id"), problem.error_id));
}

/// What the client library says, as a failure of the command.
pub(crate) fn failure(error: &ClientError) -> Failure {
    Failure::new(exit_of(error.exit_code()), error.text(Language::De), error.text(Language::En))
}

fn exit_of(code: u8) -> Exit {
    match code {
        0 => Exit::Yes,
        1 => Exit::No,
        2 => Exit::Usage,
        3 => Exit::NotNow,
        _ => Exit::Unknown,
    }
}
