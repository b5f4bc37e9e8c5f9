//! The database server under the store: whether it keeps what it confirms. What `doctor` says of
//! it, on a running hub and without.

use amtsbote_domain::Timestamp;
use amtsbote_store::{Database, NodeFacts, ServerFacts};

use crate::keys::{Finding, Grade};

const NAME: &str = "database";

/// What there is to say about a server that was asked.
pub fn finding(facts: &ServerFacts) -> Finding {
    let (de, en) = nodes(&facts.nodes);
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
                "PostgreSQL {version}, {de}; der Server wartet auf keinen Standby \
                 (synchronous_standby_names ist leer): geht er verloren, ist verloren, was seit der \
                 letzten Sicherung angenommen wurde"
            ),
            format!(
                "PostgreSQL {version}, {en}; the server waits for no standby \
                 (synchronous_standby_names is empty): if it is lost, so is what was accepted since \
                 the last backup"
            ),
        );
    }
    found(
        Grade::Good,
        format!("PostgreSQL {version} mit synchronem Standby, {de}"),
        format!("PostgreSQL {version} with a synchronous standby, {en}"),
    )
}

/// Which nodes are at work, and which are not and were not long ago. What was given up longer ago is
/// nobody's news.
fn nodes(all: &[NodeFacts]) -> (String, String) {
    let names = |connected: bool| {
        all.iter().filter(move |node| node.connected == connected).map(
            move |node| match connected {
                true => node.name.clone(),
                false => format!("{} ({})", node.name, day(node.started)),
            },
        )
    };
    let list = |names: Vec<String>| match names.is_empty() {
        true => "-".to_owned(),
        false => names.join(", "),
    };
    let (here, gone) = (list(names(true).collect()), names(false).collect::<Vec<_>>().join(", "));
    let (mut de, mut en) = (format!("Knoten: {here}"), format!("nodes: {here}"));
    if !gone.is_empty() {
        de.push_str(&format!("; nicht verbunden (zuletzt gestartet): {gone}"));
        en.push_str(&format!("; not connected (last started): {gone}"));
    }
    (de, en)
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
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
        Err(error) => {
            let (de, en) = error.told();
            Some(away(&de, &en))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, connected: bool) -> NodeFacts {
        NodeFacts { name: name.into(), connected, started: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_would_lose_commits_is_grave() {
        let good = ServerFacts {
            version: "17.5".into(),
            off: vec![],
            synchronous_commit: "on".into(),
            standby: true,
            nodes: vec![node("a", true), node("b", true)],
        };
        let found = finding(&good);
        assert_eq!(found.grade, Grade::Good);
        assert!(found.en.ends_with("nodes: a, b"), "{found:?}");
        // One that is away is not among those at work.
        let nodes = vec![node("a", true), node("b", false)];
        let found = finding(&ServerFacts { nodes, ..good.clone() });
        let wanted = "nodes: a; not connected (last started): b (1970-01-01)";
        assert!(found.en.ends_with(wanted), "{found:?}");
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
