//! What `doctor` and monitoring see of hints between nodes.

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::HintReport;

use super::health::{Check, Status};

/// One line, where there are other nodes. Without hints nothing is wrong, only later: so it is never
/// critical.
pub(super) fn check(report: Option<HintReport>, now: Timestamp) -> Option<Check> {
    let report = report?;
    let since = |at: Option<Timestamp>| match at {
        Some(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => "-".to_owned(),
    };
    let since = [report.tells_since, report.hears_since, report.works_since].map(since);
    let connected = since.iter().all(|since| since != "-");
    let [tells, hears, works] = since;
    let HintReport { sent, dropped, heard, ignored, .. } = report;
    let (mut text_de, mut text_en) = (
        format!(
            "sendet anderen Knoten Hinweise seit {tells}, hört seit {hears}, gemeinsame Schlange \
             seit {works}; {sent} gesendet, {dropped} verworfen, {heard} gehört, {ignored} nicht für \
             uns"
        ),
        format!(
            "tells other nodes since {tells}, hears since {hears}, shared queue since \
             {works}; {sent} sent, {dropped} dropped, {heard} heard, {ignored} not for us"
        ),
    );
    if !connected {
        text_de.push_str("; ohne sie schaut jeder Knoten selbst nach (delivery.idle_ms)");
        text_en.push_str("; without them each node looks by itself (delivery.idle_ms)");
    }
    if let Some((at, reason)) = &report.last_failure {
        let ago = now.as_second().saturating_sub(at.as_second()).max(0);
        text_de.push_str(&format!("; letzte Störung vor {ago} s: {reason}"));
        text_en.push_str(&format!("; last failure {ago} s ago: {reason}"));
    }
    let status = if connected { Status::Ok } else { Status::Warning };
    Some(Check { name: "hints", status, text_de, text_en })
}

/// Figures in the text format of Prometheus; none where there are no other nodes.
pub(super) fn metrics(report: Option<HintReport>) -> String {
    let Some(report) = report else { return String::new() };
    let HintReport { sent, dropped, heard, ignored, failures, .. } = report;
    let since = [report.tells_since, report.hears_since, report.works_since];
    let [tells, hears, works] = since.map(|since| u8::from(since.is_some()));
    format!(
        "# HELP amtsbote_hints_connected Whether hints between nodes can be told and heard.\n\
         # TYPE amtsbote_hints_connected gauge\n\
         amtsbote_hints_connected{{role=\"tells\"}} {tells}\n\
         amtsbote_hints_connected{{role=\"hears\"}} {hears}\n\
         amtsbote_hints_connected{{role=\"works\"}} {works}\n\
         # HELP amtsbote_hints Hints between nodes, by what became of them.\n\
         # TYPE amtsbote_hints counter\n\
         amtsbote_hints{{fate=\"sent\"}} {sent}\n\
         amtsbote_hints{{fate=\"dropped\"}} {dropped}\n\
         amtsbote_hints{{fate=\"heard\"}} {heard}\n\
         amtsbote_hints{{fate=\"ignored\"}} {ignored}\n\
         # HELP amtsbote_hints_failures Connections for hints that ended or did not come about.\n\
         # TYPE amtsbote_hints_failures counter\n\
         amtsbote_hints_failures {failures}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn a_node_alone_says_nothing_of_hints() {
        assert!(check(None, at(0)).is_none());
        assert!(metrics(None).is_empty());
    }

    #[test]
    fn whether_hints_work_is_seen() {
        let up = HintReport {
            tells_since: Some(at(0)),
            hears_since: Some(at(60)),
            works_since: Some(at(61)),
            sent: 3,
            ..HintReport::default()
        };
        let line = check(Some(up.clone()), at(100)).expect("a line");
        assert!(matches!(line.status, Status::Ok));
        let told = "tells other nodes since 1970-01-01T00:00:00Z, hears since 1970-01-01T00:01:00Z, shared \
                    queue since 1970-01-01T00:01:01Z; 3 sent";
        assert!(line.text_en.contains(told), "{}", line.text_en);
        assert!(metrics(Some(up.clone())).contains("amtsbote_hints{fate=\"sent\"} 3\n"));
        let down = HintReport {
            hears_since: None,
            last_failure: Some((at(90), "refused".to_owned())),
            ..up
        };
        let line = check(Some(down.clone()), at(100)).expect("a line");
        assert!(matches!(line.status, Status::Warning));
        assert!(line.text_de.ends_with("letzte Störung vor 10 s: refused"), "{}", line.text_de);
        assert!(metrics(Some(down)).contains("amtsbote_hints_connected{role=\"hears\"} 0\n"));
    }
}
