//! Refusals on the wire: `application/problem+json` (RFC 9457) in one language, written by the hub
//! and read by its clients.

use amtsbote_domain::fault::{BusinessRejection, Code, Fault, Finding, Retry};
use amtsbote_domain::text::Language;
use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Longest document that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A problem document. Clients read unknown members without complaint: `/v1` only gains fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:amtsbote:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wrong, in general.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this case: the title with place and rule.
    #[serde(default)]
    pub detail: String,
    /// The refusal code, e.g. `AB4002`. A newer hub may send one that this client does not know;
    /// see [`Problem::code`].
    pub code: String,
    /// Where: part, line, path, or the name of a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Which clause, limit or algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What to do.
    #[serde(default)]
    pub advice: String,
    /// What validation found.
    #[serde(default)]
    pub findings: Vec<ProblemFinding>,
    /// What links this answer with the hub's log and evidence.
    #[serde(default)]
    pub error_id: String,
    /// Whether sending again can help.
    pub retry: Retry,
    /// For `retry: later`: after how many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The answer in the Author's standard, where it has one: for the system that made the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_rejection: Option<BusinessRejection>,
}

/// One finding, in the language of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemFinding {
    /// The code of the finding.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// Names of the elements from the root to the place.
    pub path: String,
    /// The clause or rule that was broken.
    pub rule: String,
    /// What is wrong, in words.
    pub message: String,
}

/// Octets that are no problem document.
#[derive(Debug, thiserror::Error)]
pub enum NotAProblem {
    /// More than [`MAX_BYTES`].
    #[error("the problem document is larger than 1 MiB")]
    TooLarge,
    /// No JSON, or members are missing.
    #[error("not a problem document (line {line}, column {column})")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

impl Problem {
    /// The document for a refusal.
    pub fn new(fault: &Fault, language: Language, error_id: &str) -> Self {
        let title = fault.code.title().get(language);
        Self {
            kind: format!("urn:amtsbote:problem:{}", fault.code),
            title: title.to_owned(),
            status: fault.code.status(),
            detail: detail(title, fault, language),
            code: fault.code.to_string(),
            place: fault.place.clone(),
            rule: fault.detail.clone(),
            advice: fault.code.advice().get(language).to_owned(),
            findings: fault.findings.iter().map(|f| ProblemFinding::new(f, language)).collect(),
            error_id: error_id.to_owned(),
            retry: fault.code.retry(),
            retry_after: fault.retry_after,
            business_rejection: fault.rejection.as_deref().cloned(),
        }
    }

    /// Reads a document of at most [`MAX_BYTES`].
    pub fn parse(octets: &[u8]) -> Result<Self, NotAProblem> {
        if octets.len() > MAX_BYTES {
            return Err(NotAProblem::TooLarge);
        }
        serde_json::from_slice(octets)
            .map_err(|error| NotAProblem::Malformed { line: error.line(), column: error.column() })
    }

    /// The document as JSON, one line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut octets =
            serde_json::to_vec(self).expect("strings, numbers and lists can always be written");
        octets.push(b'\n');
        octets
    }

    /// The code, when this version knows it.
    pub fn code(&self) -> Option<Code> {
        self.code.parse().ok()
    }
}

impl ProblemFinding {
    fn new(finding: &Finding, language: Language) -> Self {
        let message = match language {
            Language::De => &finding.message_de,
            Language::En => &finding.message_en,
        };
        Self {
            code: finding.code.clone(),
            severity: finding.severity.clone(),
            line: finding.line,
            column: finding.column,
            path: finding.path.clone(),
            rule: finding.rule.clone(),
            message: message.clone(),
        }
    }
}

fn detail(title: &str, fault: &Fault, language: Language) -> String {
    let (place, rule) = match language {
        Language::De => ("Stelle", "Regel"),
        Language::En => ("Place", "Rule"),
    };
    let mut text = title.to_owned();
    for (word, value) in [(place, &fault.place), (rule, &fault.detail)] {
        if let Some(value) = value {
            text.push_str(&format!(" {word}: {value}."));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault() -> Fault {
        let finding = Finding {
            code: "cvc-datatype-valid".to_owned(),
            severity: "error".to_owned(),
            line: 4,
            column: 7,
            path: "/ummeldung/person".to_owned(),
            rule: "XSD 1.0 Part 2".to_owned(),
            message_de: "Der Wert passt nicht.".to_owned(),
            message_en: "The value does not fit.".to_owned(),
        };
        Fault::new(Code::ContentInvalid)
            .at("payload:4:7")
            .because("cvc-datatype-valid")
            .with(vec![finding])
            .after(30)
    }

    #[test]
    fn it_speaks_one_language_at_a_time() {
        let german = Problem::new(&fault(), Language::De, "e-1");
        assert_eq!(german.kind, "urn:amtsbote:problem:AB4002");
        assert_eq!(german.status, 422);
        assert_eq!(german.findings[0].message, "Der Wert passt nicht.");
        assert_eq!(
            german.detail,
            "Der Inhalt entspricht nicht dem Schema seines Standards. Stelle: payload:4:7. \
             Regel: cvc-datatype-valid."
        );
        let english = Problem::new(&fault(), Language::En, "e-1");
        assert_eq!(english.findings[0].message, "The value does not fit.");
        assert_ne!(english.advice, german.advice);
    }

    #[test]
    fn what_is_written_is_read() {
        for code in Code::ALL {
            for language in [Language::De, Language::En] {
                let problem = Problem::new(&Fault { code: *code, ..fault() }, language, "e-1");
                let read = Problem::parse(&problem.to_bytes()).expect("reads back");
                assert_eq!(read, problem);
                assert_eq!(read.code(), Some(*code));
            }
        }
    }

    #[test]
    fn the_members_have_the_names_of_the_contract() {
        let octets = Problem::new(&fault(), Language::En, "e-1").to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&octets).expect("JSON");
        assert_eq!(value["retry"], "never");
        assert_eq!(value["retry_after"], 30);
        assert_eq!(value["rule"], "cvc-datatype-valid");
        let mut names: Vec<&String> = value.as_object().expect("an object").keys().collect();
        names.sort_unstable();
        let wanted = [
            "advice",
            "code",
            "detail",
            "error_id",
            "findings",
            "place",
            "retry",
            "retry_after",
            "rule",
            "status",
            "title",
            "type",
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_newer_hub_is_understood() {
        let text =
            br#"{"type":"x","title":"t","status":499,"code":"AB9999","retry":"later","new":1}"#;
        let problem = Problem::parse(text).expect("reads");
        assert_eq!((problem.code(), problem.retry), (None, Retry::Later));
    }

    #[test]
    fn too_much_is_not_read() {
        let long = vec![b' '; MAX_BYTES + 1];
        assert!(matches!(Problem::parse(&long), Err(NotAProblem::TooLarge)));
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Problem::parse(&octets);
        }
    }
}
