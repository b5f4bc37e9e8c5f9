//! `signature verify`, `signature sign`: XML signatures, without a hub.

mod judge;
mod show;
mod sign;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::Limits;
use amtsbote_trust::pem::{self, Certificate};
use amtsbote_wire::native::envelope;
use amtsbote_wire::signature::{Allowed, DocumentReport, GeneralPolicy, Parts, verify_document};
use clap::{Args, Subcommand};
use serde_json::json;

use self::judge::Judge;
use self::show::Judged;
use crate::config::certificate;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// Verify and make XML signatures; needs no hub
#[derive(Debug, Subcommand)]
pub(crate) enum Signature {
    /// Say who signed, with what, and which nodes are covered
    Verify(Verify),
    /// Sign a document as a whole, or some of its elements
    Sign(sign::Sign),
}

/// Say who signed, with what, and which nodes and parts are covered
///
/// Without --trust it is only said under which certificate a signature holds. Nothing is fetched:
/// what a signature refers to outside the document must be given with --part. Exit code 0 when
/// every signature holds, every signer asked for is trusted and every part is covered, else 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote signature verify document.xml --trust ca.pem\n  \
                  amtsbote signature verify envelope.xml --part payload=payload.xml\n  \
                  amtsbote signature verify osci.xml --part annex.txt=annex.txt --trust ca.pem\n  \
                  amtsbote signature verify old.xml --legacy --at 2009-01-01T00:00:00Z")]
pub(crate) struct Verify {
    /// The document; - is stdin
    file: PathBuf,
    /// Certificates trusted as signers or issuers, PEM; may be repeated
    #[arg(long, value_name = "PEM")]
    trust: Vec<PathBuf>,
    /// A part that a signature refers to (cid:CID, or CID as its URI), or that a native envelope
    /// lists; may be repeated
    #[arg(long, value_name = "CID=FILE", value_parser = part)]
    part: Vec<(String, PathBuf)>,
    /// Also read what is out of date: SHA-1, short keys
    #[arg(long)]
    legacy: bool,
    /// When the certificates must be valid [default: now]
    #[arg(long, value_name = "TIME", value_parser = crate::time::instant)]
    at: Option<Timestamp>,
}

/// The files given for parts, as the verifier and the signer ask for them.
struct Files<'a>(&'a [(String, PathBuf)]);

impl Files<'_> {
    /// The URI that a reference to the part has, if it is not just its name.
    fn uri(cid: &str) -> String {
        format!("cid:{cid}")
    }
}

impl Parts for Files<'_> {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        let file = self.0.iter().find(|(cid, _)| cid == uri || Self::uri(cid) == uri);
        let Some((_, file)) = file else { return Ok(None) };
        Ok(Some(Box::new(BufReader::new(File::open(file)?))))
    }
}

fn part(text: &str) -> Result<(String, PathBuf), String> {
    let (cid, file) = text.split_once('=').ok_or("write CID=FILE")?;
    Ok((cid.to_owned(), file.into()))
}

impl Signature {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        match self {
            Self::Verify(verify) => verify.run(ui),
            Self::Sign(sign) => sign.run(),
        }
    }
}

/// Longest document from stdin: it must be read twice.
const MAX_STDIN: u64 = 256 << 20;

fn stdin() -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    io::stdin().lock().take(MAX_STDIN + 1).read_to_end(&mut octets).or_not_now("stdin", "stdin")?;
    if octets.len() as u64 > MAX_STDIN {
        return Err(Failure::usage("stdin: größer als 256 MiB", "stdin: larger than 256 MiB"));
    }
    Ok(octets)
}

impl Verify {
    fn run(&self, ui: &Ui) -> Outcome {
        let trusted = self.trusted()?;
        let judge = Judge::new(&trusted, self.legacy, self.at.unwrap_or_else(time::now))?;
        let policy = GeneralPolicy {
            candidates: trusted.iter().map(|c| c.der().to_vec()).collect(),
            allowed: judge.allowed(),
            limits: Limits::default(),
        };
        for (_, file) in &self.part {
            File::open(file).or_usage_at(file)?;
        }
        let from_stdin = if self.file.as_os_str() == "-" { Some(stdin()?) } else { None };
        let open = || -> io::Result<Box<dyn BufRead>> {
            Ok(match &from_stdin {
                Some(octets) => Box::new(io::Cursor::new(octets.clone())),
                None => Box::new(BufReader::new(File::open(&self.file)?)),
            })
        };
        open().or_usage_at(&self.file)?;
        let report = match verify_document(&open, &Files(&self.part), &policy) {
            Ok(report) => report,
            Err(fault) => {
                show::print_fault(ui, &self.name(), &fault);
                return Ok(Exit::No);
            }
        };
        let mut good = true;
        for signature in &report.signatures {
            let judged = Judged::new(&judge, signature);
            judged.print(ui, &self.name());
            good &= judged.is_good();
        }
        Ok(Exit::answer(good & self.compare_parts(ui, &report, &open, &judge)?))
    }

    fn trusted(&self) -> Result<Vec<Certificate>, Failure> {
        let mut certificates = Vec::new();
        for file in &self.trust {
            let read = pem::load_certificates(file);
            certificates.extend(read.map_err(|error| certificate::failure(&error))?);
        }
        Ok(certificates)
    }

    fn print_referred(&self, ui: &Ui, cid: &str, file: &Path) {
        if ui.is_json() {
            ui.json(&json!({ "file": file, "cid": cid, "ok": true, "referred_to": true }));
        } else {
            let word = ui.tint(Tone::Good, ui.t("wie signiert", "as signed"));
            ui.line(format!("{} {cid}, {}: {word}", ui.t("Teil", "part"), file.display()));
        }
    }

    fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }

    /// Says of each part whether a signature refers to it; compares the others with what a native
    /// envelope lists.
    fn compare_parts(
        &self,
        ui: &Ui,
        report: &DocumentReport,
        open: &dyn Fn() -> io::Result<Box<dyn BufRead>>,
        judge: &Judge,
    ) -> Result<bool, Failure> {
        let good = report.signatures.iter().filter_map(|s| s.outcome.as_ref().ok());
        let good: Vec<_> = good.collect();
        let referred = |cid: &str| {
            let covers = |uri: &str| good.iter().any(|c| c.verification.covers_part(uri));
            covers(cid) || covers(&Files::uri(cid))
        };
        let (referred, rest): (Vec<_>, Vec<_>) =
            self.part.iter().partition(|(cid, _)| referred(cid));
        for (cid, file) in referred {
            self.print_referred(ui, cid, file);
        }
        if rest.is_empty() {
            return Ok(true);
        }
        let is_envelope = report.signatures.iter().any(|s| s.path == "/Envelope/Signature");
        let listed = match is_envelope {
            true => listed_parts(report, open, judge.at(), &judge.allowed())?,
            false => HashMap::new(),
        };
        let mut all_same = true;
        for (cid, file) in rest {
            let found = digest_of(file)?;
            let same = listed.get(cid).is_some_and(|listed| *listed == found);
            all_same &= same;
            if ui.is_json() {
                ui.json(&json!({
                    "file": file, "cid": cid, "ok": same, "sha256": found.1.to_string(),
                    "listed": listed.contains_key(cid),
                }));
            } else {
                let word = match (same, listed.contains_key(cid)) {
                    (true, _) => ui.tint(Tone::Good, ui.t("wie signiert", "as signed")),
                    (false, true) => ui.tint(Tone::Bad, ui.t("verändert", "changed")),
                    (false, false) if is_envelope => ui.tint(
                        Tone::Bad,
                        ui.t("nicht im Umschlag genannt", "not listed in the envelope"),
                    ),
                    (false, false) => ui.tint(
                        Tone::Bad,
                        ui.t(
                            "von keiner gültigen Signatur abgedeckt",
                            "covered by no signature that holds",
                        ),
                    ),
                };
                ui.line(format!("{} {cid}, {}: {word}", ui.t("Teil", "part"), file.display()));
            }
        }
        Ok(all_same)
    }
}

/// Size and digest by Content-ID, from an envelope whose one signature covers all of it.
fn listed_parts(
    report: &DocumentReport,
    open: &dyn Fn() -> io::Result<Box<dyn BufRead>>,
    at: Timestamp,
    allowed: &Allowed,
) -> Result<HashMap<String, (u64, Digest)>, Failure> {
    let mut octets = Vec::new();
    let limit = envelope::MAX_BYTES as u64 + 1;
    open().and_then(|file| file.take(limit).read_to_end(&mut octets)).or_not_now("FILE", "FILE")?;
    let signers = report.signatures.iter().filter_map(|s| s.outcome.as_ref().ok());
    let signers: Vec<_> = signers
        .filter_map(|content| Certificate::from_der(&content.verification.signer().der).ok())
        .map(|certificate| certificate.trusted())
        .collect();
    let verified = envelope::read(&octets)
        .and_then(|read| Ok(read.verify(&octets, &signers, allowed, at)?))
        .map_err(|fault| {
            let code = fault.code();
            Failure::new(
                Exit::No,
                format!("--part: {} ({fault})", code.title().de),
                format!("--part: {} ({fault})", code.title().en),
            )
        })?;
    Ok(verified.parts().iter().map(|p| (p.cid.clone(), (p.size, p.sha256))).collect())
}

fn digest_of(path: &Path) -> Result<(u64, Digest), Failure> {
    let mut file = File::open(path).or_usage_at(path)?;
    let (mut hash, mut size) = (openssl::sha::Sha256::new(), 0u64);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).or_not_now_at(path)?;
        if count == 0 {
            return Ok((size, Digest(hash.finish())));
        }
        size += count as u64;
        hash.update(&buffer[..count]);
    }
}
