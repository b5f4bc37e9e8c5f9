//! What `doctor` and monitoring see of anchors and revocation.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::Code;

use super::health::{Check, Status, of_finding};
use crate::hub::Hub;
use crate::standing::{self, Surveyed};

/// Most names that one line lists.
const LISTED: usize = 10;

/// One line about anchors, one about the sources, one about the certificates of the tables.
pub(super) fn checks(hub: &Hub, now: Timestamp) -> Vec<Check> {
    let tables = hub.tables();
    let surveyed = tables.standings.survey(&tables, now);
    let anchors = standing::anchors(|purpose| tables.standings.has_anchors(purpose));
    vec![of_finding(anchors), sources(hub, now), certificates(&surveyed, now)]
}

fn sources(hub: &Hub, now: Timestamp) -> Check {
    let reports = hub.refresher.inventory();
    let failing: Vec<String> = reports
        .iter()
        .filter(|report| report.failures_in_a_row > 0)
        .map(|report| {
            let left = report.fresh_until.map(|until| (until.as_second() - now.as_second()) / 60);
            let left = left.map_or("-".to_owned(), |minutes| format!("{minutes} min"));
            format!("{} ({left})", report.issuer)
        })
        .collect();
    let total = reports.len();
    let (status, text_de, text_en) = if total == 0 {
        (
            Status::Ok,
            "keine Quelle der Sperrauskunft; Sperrungen werden nicht bemerkt".to_owned(),
            "no source of revocation; revocations are not noticed".to_owned(),
        )
    } else if failing.is_empty() {
        (
            Status::Ok,
            format!("Quellen der Sperrauskunft: {total}, keine gestört"),
            format!("sources of revocation: {total}, none failing"),
        )
    } else {
        let list = listed(&failing);
        (
            Status::Warning,
            format!(
                "Quellen der Sperrauskunft: {} von {total} gestört (Auskunft noch frisch für): {list}",
                failing.len()
            ),
            format!(
                "sources of revocation: {} of {total} failing (last word still fresh for): {list}",
                failing.len()
            ),
        )
    };
    Check { name: "revocation-sources", status, text_de, text_en }
}

fn certificates(surveyed: &[Surveyed], now: Timestamp) -> Check {
    let refused = |code: Code| -> Vec<String> {
        let hit = surveyed.iter().filter(|s| s.refused == Some(code));
        hit.map(|s| s.owner.clone()).collect()
    };
    let revoked = refused(Code::CertificateRevoked);
    let unknown = refused(Code::CertificateStatusUnknown);
    let weak = refused(Code::AlgorithmNotAllowed);
    let no_path: Vec<String> = surveyed
        .iter()
        .filter(|s| {
            s.refused.is_some_and(|code| {
                !matches!(
                    code,
                    Code::CertificateRevoked
                        | Code::CertificateStatusUnknown
                        | Code::AlgorithmNotAllowed
                )
            })
        })
        .map(|s| s.owner.clone())
        .collect();
    let graces = surveyed.iter().filter_map(|s| Some((s.owner.clone(), s.grace_ends?)));
    let grace: Vec<String> = graces
        .map(|(owner, ends)| {
            let minutes = (ends.as_second() - now.as_second()) / 60;
            format!("{owner} ({} h {:02} min)", minutes / 60, minutes % 60)
        })
        .collect();
    let refused = [&revoked, &unknown, &weak, &no_path];
    let status = match (refused.iter().all(|names| names.is_empty()), &*grace) {
        (false, _) => Status::Critical,
        (true, []) => Status::Ok,
        (true, _) => Status::Warning,
    };
    Check {
        name: "revocation",
        status,
        text_de: format!(
            "gesperrt: {}; ohne Auskunft abgewiesen: {}; nach der Richtlinie zu schwach: {}; ohne \
             Pfad zum Anker: {}; in der Übergangsfrist (Rest): {}",
            listed(&revoked),
            listed(&unknown),
            listed(&weak),
            listed(&no_path),
            listed(&grace)
        ),
        text_en: format!(
            "revoked: {}; refused, nothing known: {}; too weak for the policy: {}; no path to an \
             anchor: {}; under grace (time left): {}",
            listed(&revoked),
            listed(&unknown),
            listed(&weak),
            listed(&no_path),
            listed(&grace)
        ),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "-".to_owned();
    }
    let mut text = names[..names.len().min(LISTED)].join(", ");
    if names.len() > LISTED {
        // Writing into a String cannot fail.
        let _ok = write!(text, ", +{}", names.len() - LISTED);
    }
    text
}

/// Figures in the text format of Prometheus.
pub(super) fn metrics(hub: &Hub) -> String {
    let counters = hub.refresher.counters();
    let under_grace = hub.under_grace.load(Ordering::Relaxed);
    format!(
        "# HELP amtsbote_accepted_under_grace Messages accepted under grace.\n\
         # TYPE amtsbote_accepted_under_grace counter\n\
         amtsbote_accepted_under_grace {under_grace}\n\
         # HELP amtsbote_revocation_sources Sources of revocation.\n\
         # TYPE amtsbote_revocation_sources gauge\n\
         amtsbote_revocation_sources {}\n\
         # HELP amtsbote_revocation_sources_failing Sources whose last exchange failed.\n\
         # TYPE amtsbote_revocation_sources_failing gauge\n\
         amtsbote_revocation_sources_failing {}\n\
         # HELP amtsbote_revocation_exchanges Exchanges with sources of revocation.\n\
         # TYPE amtsbote_revocation_exchanges counter\n\
         amtsbote_revocation_exchanges{{ok=\"true\"}} {}\n\
         amtsbote_revocation_exchanges{{ok=\"false\"}} {}\n",
        counters.sources, counters.failing, counters.successes, counters.failures
    )
}
