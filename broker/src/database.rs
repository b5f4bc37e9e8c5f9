//! The database server under the store: whether it keeps what it confirms. What `doctor` says of
//! it, on a running hub and without.

use amtsbote_store::{Database, ServerFacts, VerifyError};

use crate::keys::{Finding, Grade};

const NAME: &str = "database";

/// What there is to say about a server that was asked.
pub fn finding(facts: &ServerFacts) -> Finding {
    let nodes = facts.nodes.join(", ");
    let found = |grade, de: String, en: String| Finding { name: NAME, grade, de, en };
    if !facts.off.is_empty() {
        let off = facts.off.join(", ");
        return found(
            Grade::Grave,
            format!(
                "auf dem Datenbankserver ist ausgeschaltet: {off}; ein Stromausfall kostet \
                 angenommene Nachrichten. Einschalten und den Server neu starten"
            ),
            format!(
                "the database server runs without: {off}; a power cut costs accepted messages. \
                 Turn it on and restart the server"
            ),
        );
    }
    if facts.synchronous_commit == "off" {
        let set = &facts.synchronous_commit;
        return found(
            Grade::Grave,
            format!(
                "der Datenbankserver bestätigt vor dem Schreiben (synchronous_commit = {set}); der \
                 Knoten stellt das für sich auf on und verliert nichts, andere Werkzeuge schon. Auf \
                 on stellen"
            ),
            format!(
                "the database server confirms before it writes (synchronous_commit = {set}); the \
                 hub sets it to on for itself and loses nothing, other tools may. Set it to on"
            ),
        );
    }
    let version = &facts.version;
    if !facts.standby {
        return found(
            Grade::Look,
            format!(
                "PostgreSQL {version}, Knoten: {nodes}; der Server wartet auf keinen Standby \
                 (synchronous_standby_names ist leer): geht er verloren, ist verloren, was seit der \
                 letzten Sicherung angenommen wurde"
            ),
            format!(
                "PostgreSQL {version}, nodes: {nodes}; the server waits for no standby \
                 (synchronous_standby_names is empty): if it is lost, so is what was accepted since \
                 the last backup"
            ),
        );
    }
    found(
        Grade::Good,
        format!("PostgreSQL {version} mit synchronem Standby, Knoten: {nodes}"),
        format!("PostgreSQL {version} with a synchronous standby, nodes: {nodes}"),
    )
}

/// The same where nobody answers.
pub fn away(de: &str, en: &str) -> Finding {
    Finding {
        name: NAME,
        grade: Grade::Grave,
        de: format!("der Datenbankserver konnte nicht gefragt werden: {de}"),
        en: format!("the database server could not be asked: {en}"),
    }
}

/// The same for a node that does not run; none where there is no server. Waits for a network.
pub fn offline(database: &Database) -> Option<Finding> {
    match database.server_facts() {
        Ok(facts) => facts.as_ref().map(finding),
        Err(VerifyError::Open(error)) => {
            let text = error.text();
            Some(away(&format!("{} ({error})", text.de), &format!("{} ({error})", text.en)))
        }
        Err(error) => Some(away(&error.to_string(), &error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_lose_commits_is_grave() {
        let good = ServerFacts {
            version: "17.5".into(),
            off: vec![],
            synchronous_commit: "on".into(),
            standby: true,
            nodes: vec!["a".into(), "b".into()],
        };
        let found = finding(&good);
        assert_eq!(found.grade, Grade::Good);
        assert!(found.en.ends_with("nodes: a, b"), "{found:?}");
        let alone = ServerFacts { standby: false, ..good.clone() };
        assert_eq!(finding(&alone).grade, Grade::Look);
        let lazy = ServerFacts { synchronous_commit: "off".into(), ..good.clone() };
        assert_eq!(finding(&lazy).grade, Grade::Grave);
        let unsafe_one = ServerFacts { off: vec!["fsync"], ..good };
        let found = finding(&unsafe_one);
        assert!(found.grade == Grade::Grave && found.en.contains("fsync"), "{found:?}");
    }

    #[test]
    fn a_file_is_no_server() {
        assert!(offline(&Database::File).is_none());
    }
}
