//! The report as a document: what `archive verify` prints and the operations API answers.

use serde::{Serialize, Serializer};
use serde_json::json;

use super::{Problem, VerifyReport};

impl Serialize for VerifyReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fault = self.log_fault().map(|fault| {
            let wording = fault.wording();
            json!({ "code": wording.code, "text_de": wording.de, "text_en": wording.en })
        });
        json!({
            "schema_version": 1,
            "holds": self.holds(),
            "leaves": self.log.leaves,
            "records": self.log.records,
            "erased": self.log.erased,
            "heads": self.log.heads,
            "outside_heads": self.log.outside,
            "root": self.log.root.to_string(),
            "receipts": self.receipts,
            "messages": self.messages,
            "parts": self.parts,
            "log_fault": fault,
            "problems": self.problems,
            "problem_count": self.problem_count,
        })
        .serialize(serializer)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.kind.text();
        let mut problem = json!({
            "kind": self.kind.as_str(), "place": self.place,
            "text_de": text.de, "text_en": text.en,
        });
        if let Some(rule) = self.kind.rule() {
            problem["rule"] = rule.into();
        }
        problem.serialize(serializer)
    }
}
