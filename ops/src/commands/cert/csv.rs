//! The inventory as CSV (RFC 4180), safe to open in a spreadsheet.

use amtsbote_domain::Timestamp;

use super::inventory::Line;

const COLUMNS: [&str; 28] = [
    "purpose",
    "owner",
    "owner_name",
    "subject",
    "issuer",
    "serial",
    "sha256",
    "algorithm",
    "bits",
    "curve",
    "signed_with",
    "valid_from",
    "valid_until",
    "days_left",
    "place",
    "key_here",
    "software",
    "judgement",
    "rule",
    "rule_since",
    "clause",
    "reason_de",
    "reason_en",
    "legacy",
    "legacy_until",
    "replaced",
    "problem",
    "pending",
];

/// The line with the names of the columns, without its LF.
pub(super) fn head() -> String {
    joined(COLUMNS.iter().map(|column| text(column)))
}

/// One line, without its LF.
pub(super) fn row(line: &Line) -> String {
    let instant = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    let cells: [String; COLUMNS.len()] = [
        text(line.purpose),
        text(&line.owner),
        text(&line.owner_name),
        text(&line.subject),
        text(&line.issuer),
        text(&line.serial),
        text(&line.sha256),
        text(&line.algorithm),
        line.bits.map_or_else(String::new, |bits| bits.to_string()),
        text(&line.curve),
        text(&line.signed_with),
        instant(line.valid_from),
        instant(line.valid_until),
        line.days_left.map_or_else(String::new, |days| days.to_string()),
        text(&line.place),
        line.key_here.to_string(),
        text(&line.software),
        text(line.judgement),
        text(&line.rule),
        instant(line.rule_since),
        text(&line.clause),
        text(&line.reason_de),
        text(&line.reason_en),
        line.legacy.to_string(),
        instant(line.legacy_until),
        line.replaced.to_string(),
        text(&line.problem),
        line.pending.to_string(),
    ];
    joined(cells.into_iter())
}

fn joined(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push('\r');
    line
}

/// A text in quotes (RFC 4180, 2.7). What a spreadsheet would take for a formula gets an apostrophe
/// in front: subjects are written by partners.
fn text(value: &str) -> String {
    let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", value.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_lines_stay_inside_their_cell() {
        assert_eq!(text("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\"");
        assert_eq!(text(""), "\"\"");
        let line = Line { subject: "CN=a,O=\"b\"".to_owned(), ..Line::default() };
        assert!(row(&line).contains(",\"CN=a,O=\"\"b\"\"\","));
    }

    #[test]
    fn a_formula_is_a_text() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(text(bad), format!("\"'{bad}\""));
        }
        assert_eq!(text("CN=x"), "\"CN=x\"");
        let line = Line { owner_name: "=cmd|' /C calc'!A0".to_owned(), ..Line::default() };
        assert!(row(&line).contains(",\"'=cmd|"));
        // A number is no text: nothing of it is written by anybody else.
        assert!(row(&Line { days_left: Some(-3), ..Line::default() }).contains(",-3,"));
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        let cells = |line: &str| line.matches(',').count();
        assert_eq!(cells(&head()), cells(&row(&Line::default())));
        assert!(head().ends_with("\"pending\"\r") && row(&Line::default()).ends_with(",false\r"));
        let fields = serde_json::to_value(Line::default()).expect("JSON");
        let fields = fields.as_object().expect("an object");
        for column in COLUMNS {
            assert!(fields.contains_key(column), "{column}");
        }
        assert_eq!(fields.len(), COLUMNS.len());
    }
}
