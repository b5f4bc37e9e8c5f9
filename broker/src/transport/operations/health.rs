//! Whether all is well: for load balancers, for monitoring, for the operator on call.

use std::fmt::Write as _;
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::{Figures, StoreError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::{hints, revocation};
use crate::hub::Hub;
use crate::keys::{Finding, Grade};
use crate::notice;
use crate::transport::refusal::Refusal;

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`: messages can be accepted now. A new intake is asked for, so a full disk
/// or a closed store says no.
pub(super) async fn ready(State(hub): State<Arc<Hub>>) -> (StatusCode, &'static str) {
    if hub.store.head().await.is_err() {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: the database does not answer\n")
    } else if hub.store.intake().is_err() {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: nothing can be stored\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// `GET /metrics`, in the text format of Prometheus. No label holds a value from a message.
pub(super) async fn metrics(State(hub): State<Arc<Hub>>) -> Result<Response, Refusal> {
    let figures = hub.store.figures().await?;
    let mut text = render(&figures, hub.noise.counted(), hub.clock.now());
    text.push_str(&revocation::metrics(&hub));
    text.push_str(&hints::metrics(hub.hints.report()));
    Ok(super::answer(StatusCode::OK, text.into_bytes(), "text/plain; version=0.0.4; charset=utf-8"))
}

fn render(figures: &Figures, strangers: u64, now: Timestamp) -> String {
    let mut text = String::from(
        "# HELP amtsbote_deliveries Deliveries by state.\n# TYPE amtsbote_deliveries gauge\n",
    );
    for (state, count) in &figures.deliveries {
        // Writing into a String cannot fail.
        let _ok = writeln!(text, "amtsbote_deliveries{{state=\"{state}\"}} {count}");
    }
    let oldest =
        figures.oldest_open.map_or(0, |since| (now.as_second() - since.as_second()).max(0));
    let _ok = write!(
        text,
        "# HELP amtsbote_strangers Failed handshakes and certificates of no account.\n\
         # TYPE amtsbote_strangers counter\namtsbote_strangers {strangers}\n\
         # HELP amtsbote_log_leaves Leaves of the evidence log.\n\
         # TYPE amtsbote_log_leaves counter\namtsbote_log_leaves {}\n\
         # HELP amtsbote_oldest_open_seconds Age of the oldest delivery that has not ended.\n\
         # TYPE amtsbote_oldest_open_seconds gauge\namtsbote_oldest_open_seconds {oldest}\n",
        figures.leaves
    );
    text
}

/// How a check ended.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    Warning,
    Critical,
}

#[derive(Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) status: Status,
    pub(super) text_de: String,
    pub(super) text_en: String,
}

pub(super) fn of_finding(finding: Finding) -> Check {
    let Finding { name, grade, de, en } = finding;
    let status = match grade {
        Grade::Good => Status::Ok,
        Grade::Look => Status::Warning,
        Grade::Grave => Status::Critical,
    };
    Check { name, status, text_de: de, text_en: en }
}

/// Days before the end of a certificate at which it is worth a warning.
const CERTIFICATE_DAYS: i64 = 30;

/// `GET /ops/v1/checks`: what `doctor` shows.
pub(super) async fn checks(State(hub): State<Arc<Hub>>) -> Result<Response, Refusal> {
    let now = hub.clock.now();
    let mut checks = vec![
        storage(&hub),
        worker(&hub, now),
        clearing(hub.store.figures().await),
        certificates(&hub, now),
        packs(&hub),
        table(&hub),
    ];
    checks.push(notices(&hub, now).await);
    checks.extend(revocation::checks(&hub, now));
    checks.extend(legacy(&hub, now));
    checks.extend(hub.keys.server().await.map(of_finding));
    checks.extend(hints::check(hub.hints.report(), now));
    checks.extend(hub.keys.findings(hub.data_dir.clone(), now).await.into_iter().map(of_finding));
    Ok(super::json(&json!({ "schema_version": 1, "checks": checks })))
}

fn storage(hub: &Hub) -> Check {
    match hub.store.intake() {
        Ok(_) => Check {
            name: "storage",
            status: Status::Ok,
            text_de: "Speicher nimmt an".into(),
            text_en: "storage accepts".into(),
        },
        Err(error) => Check {
            name: "storage",
            status: Status::Critical,
            text_de: "Speicher nimmt nichts an: Platz schaffen, dann erneut prüfen".into(),
            text_en: format!("storage accepts nothing ({error}): make room, then check again"),
        },
    }
}

/// Seconds without a sign of the worker that are worth waking somebody.
const WORKER_SILENCE: i64 = 90;

fn worker(hub: &Hub, now: Timestamp) -> Check {
    let silence = hub.pulse.silence(now);
    let status = if silence < WORKER_SILENCE { Status::Ok } else { Status::Critical };
    Check {
        name: "worker",
        status,
        text_de: format!("letzte Runde der Zustellung vor {silence} s"),
        text_en: format!("the worker last went round {silence} s ago"),
    }
}

fn clearing(figures: Result<Figures, StoreError>) -> Check {
    let figures = match figures {
        Ok(figures) => figures,
        // What is wrong beside it is still told.
        Err(error) => {
            return Check {
                name: "clearing",
                status: Status::Critical,
                text_de: format!("konnte nicht gefragt werden: {error}"),
                text_en: format!("could not be asked: {error}"),
            };
        }
    };
    let count = |word: &str| {
        figures.deliveries.iter().find(|(state, _)| state == word).map_or(0, |(_, count)| *count)
    };
    let (clearing, uncertain) = (count("in-clearing"), count("uncertain"));
    let status = if clearing + uncertain == 0 { Status::Ok } else { Status::Warning };
    Check {
        name: "clearing",
        status,
        text_de: format!("{clearing} in der Klärung, {uncertain} ungewiss"),
        text_en: format!("{clearing} in clearing, {uncertain} uncertain"),
    }
}

/// Whether Authors can be told, and what waits to be.
async fn notices(hub: &Hub, now: Timestamp) -> Check {
    let tables = hub.tables();
    let (own, directory) = (tables.writes_as.as_ref(), &tables.directory);
    match hub.store.notice_backlog().await {
        Ok(backlog) => of_finding(notice::finding(own, directory, Some(&backlog), now)),
        Err(error) => Check {
            name: "notices",
            status: Status::Critical,
            text_de: format!("konnte nicht gefragt werden: {error}"),
            text_en: format!("could not be asked: {error}"),
        },
    }
}

fn certificates(hub: &Hub, now: Timestamp) -> Check {
    let days = |until: Timestamp| (until.as_second() - now.as_second()).div_euclid(86_400);
    let tables = hub.tables();
    let ends = tables.directory.parties().flat_map(|party| {
        let ends = party.certificates.iter().filter_map(|certificate| certificate.validity.until);
        // The newest certificate counts: an old one may run out beside it.
        ends.max().map(|until| (party.id.clone(), days(until)))
    });
    let (mut ended, mut ending) = (Vec::new(), Vec::new());
    for (party, days) in ends {
        match days {
            ..0 => ended.push(party.to_string()),
            0..CERTIFICATE_DAYS => ending.push(party.to_string()),
            _ => {}
        }
    }
    let status = match (ended.is_empty(), ending.is_empty()) {
        (false, _) => Status::Critical,
        (true, false) => Status::Warning,
        (true, true) => Status::Ok,
    };
    let list = |parties: &[String]| {
        if parties.is_empty() { "-".to_owned() } else { parties.join(", ") }
    };
    Check {
        name: "certificates",
        status,
        text_de: format!(
            "abgelaufen: {}; in {CERTIFICATE_DAYS} Tagen: {}",
            list(&ended),
            list(&ending)
        ),
        text_en: format!(
            "ended: {}; within {CERTIFICATE_DAYS} days: {}",
            list(&ended),
            list(&ending)
        ),
    }
}

/// Partners from whom outdated algorithms are still read.
fn legacy(hub: &Hub, now: Timestamp) -> Option<Check> {
    let tables = hub.tables();
    let partners: Vec<String> = tables
        .directory
        .legacy(now)
        .map(|(who, profile)| match profile.until {
            Some(until) => format!("{who} (< {until})"),
            None => format!("{who} (-)"),
        })
        .collect();
    let list = partners.join(", ");
    (!partners.is_empty()).then(|| Check {
        name: "legacy-profile",
        status: Status::Warning,
        text_de: format!("dürfen veraltete Verfahren verwenden (Ende): {list}"),
        text_en: format!("may use outdated algorithms (end): {list}"),
    })
}

fn packs(hub: &Hub) -> Check {
    let count = hub.tables().packs.list().len();
    Check {
        name: "packs",
        status: if count == 0 { Status::Warning } else { Status::Ok },
        text_de: format!("{count} Pakete geladen"),
        text_en: format!("{count} packs loaded"),
    }
}

fn table(hub: &Hub) -> Check {
    let count = hub.tables().permissions.len();
    Check {
        name: "permissions",
        status: if count == 0 { Status::Warning } else { Status::Ok },
        text_de: format!("{count} Freigaben; was keine erlaubt, ist verboten"),
        text_en: format!("{count} permissions; what none allows is forbidden"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_readable_by_prometheus() {
        let figures = Figures {
            deliveries: vec![("waiting".into(), 3), ("acknowledged".into(), 4)],
            leaves: 12,
            oldest_open: Some(Timestamp::UNIX_EPOCH),
        };
        let text = render(&figures, 7, Timestamp::from_second(90).expect("an instant"));
        assert!(text.contains("amtsbote_deliveries{state=\"waiting\"} 3\n"), "{text}");
        assert!(text.contains("\namtsbote_log_leaves 12\n"), "{text}");
        assert!(text.contains("\namtsbote_strangers 7\n"), "{text}");
        assert!(text.ends_with("amtsbote_oldest_open_seconds 90\n"), "{text}");
    }
}
