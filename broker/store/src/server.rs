//! What a database server answers when it cannot be worked on, and what it says of itself.
//!
//! Its own texts could hold values, names or a password (P7): its codes are put into words here.

use amtsbote_domain::text::Text;
use jiff::Timestamp;

/// Why a server cannot be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// Nobody answers, or not in time.
    #[error("the server cannot be reached: {0}")]
    Away(String),
    /// No TLS, or nobody vouches for the server.
    #[error("TLS with the server failed: its certificate does not fit, or it speaks no TLS")]
    Tls,
    /// User or password are wrong, or the server lets nobody in from here.
    #[error("the server refused the login")]
    Login,
    /// There is no database of that name.
    #[error("the server has no such database")]
    NoDatabase,
    /// The tables in it are not those of a hub.
    #[error("the database holds something else")]
    Foreign,
    /// No hub has worked on it yet.
    #[error("the database is empty")]
    Empty,
    /// The user may not do what is needed.
    #[error("the user lacks a right in the database")]
    Rights,
    /// It is a standby, or set to read only.
    #[error("the server only reads")]
    ReadOnly,
    /// It would lose what it has confirmed.
    #[error("the server runs with {0} off")]
    Unsafe(&'static str),
    /// The folder of this node for large parts is not that of the others.
    #[error("the folder for parts is not the one that the nodes of this store share")]
    OtherFolder,
    /// No folder for large parts is named, and there are some in one, or no other place for them.
    #[error("no folder for parts is named")]
    NoFolder,
    /// It lacks what the store needs.
    #[error("the server is older than PostgreSQL 13")]
    Old,
}

impl ServerFault {
    /// What an operator reads and does, in both languages.
    pub fn text(&self) -> Text {
        match self {
            Self::Away(_) => Text {
                de: "Der Datenbankserver antwortet nicht. Prüfen, ob er läuft und ob host und port in [store] stimmen.",
                en: "The database server does not answer. See that it runs, and that host and port in [store] are right.",
            },
            Self::Tls => Text {
                de: "Mit dem Datenbankserver kommt kein TLS zustande. In [store] authority muss stehen, wer für ihn bürgt, und sein Zertifikat muss den Namen aus hosts tragen.",
                en: "TLS with the database server fails. In [store], authority must be who vouches for it, and its certificate must bear the name given in hosts.",
            },
            Self::Login => Text {
                de: "Der Datenbankserver weist die Anmeldung ab. user und Passwort in [store] prüfen, auf dem Server pg_hba.conf.",
                en: "The database server refuses the login. Check user and password in [store], and pg_hba.conf on the server.",
            },
            Self::NoDatabase => Text {
                de: "Diese Datenbank gibt es auf dem Server nicht. Sie anlegen (CREATE DATABASE … OWNER …) oder database in [store] berichtigen.",
                en: "The server has no such database. Make it (CREATE DATABASE … OWNER …), or put database in [store] right.",
            },
            Self::Foreign => Text {
                de: "In der Datenbank liegen Tabellen, die nicht von diesem Programm sind. Eine eigene, leere Datenbank verwenden.",
                en: "The database holds tables that are not of this program. Use an empty database of its own.",
            },
            Self::Empty => Text {
                de: "In der Datenbank hat noch kein Knoten gearbeitet. Den Knoten einmal starten, oder database in [store] berichtigen.",
                en: "No node has worked on this database yet. Start the node once, or put database in [store] right.",
            },
            Self::Rights => Text {
                de: "Dem Benutzer fehlt ein Recht in der Datenbank. Er muss darin Tabellen anlegen und ändern dürfen; am einfachsten gehört sie ihm (ALTER DATABASE … OWNER TO …).",
                en: "The user lacks a right in the database. It must be allowed to make and change tables there; easiest is to own it (ALTER DATABASE … OWNER TO …).",
            },
            Self::ReadOnly => Text {
                de: "Der Datenbankserver nimmt keine Änderungen an: Es ist ein Standby, oder er ist auf Lesen gestellt. In [store] hosts den schreibenden Server nennen, oder beide.",
                en: "The database server takes no changes: it is a standby, or set to read only. Name the writing server in [store] hosts, or both.",
            },
            Self::Unsafe(_) => Text {
                de: "Der Datenbankserver verlöre bei einem Stromausfall, was er bestätigt hat. fsync und full_page_writes müssen eingeschaltet sein.",
                en: "The database server would lose in a power cut what it has confirmed. fsync and full_page_writes must be on.",
            },
            Self::OtherFolder => Text {
                de: "Der Ordner für große Teile ist nicht der, den die anderen Knoten benutzen. parts_dir in [store] muss auf allen derselbe, eingehängte Ordner sein.",
                en: "The folder for large parts is not the one that the other nodes use. parts_dir in [store] must be the same, mounted folder on all of them.",
            },
            Self::NoFolder => Text {
                de: "Große Teile dieses Speichers liegen in einem Ordner, oder es ist kein anderer Platz für sie genannt. parts_dir in [store] muss diesen Ordner nennen.",
                en: "Large parts of this store lie in a folder, or no other place is named for them. parts_dir in [store] must name that folder.",
            },
            Self::Old => Text {
                de: "Der Datenbankserver ist älter als PostgreSQL 13. Einen neueren verwenden.",
                en: "The database server is older than PostgreSQL 13. Use a newer one.",
            },
        }
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version.
    pub version: String,
    /// What keeps commits through a power cut and is off; empty as it should be.
    pub off: Vec<&'static str>,
    /// What it does at a commit unless a session says otherwise; the store's sessions do.
    pub synchronous_commit: String,
    /// It waits for a standby at a commit.
    pub standby: bool,
    /// The nodes that work on the database, and those that did not long ago, by name.
    pub nodes: Vec<NodeFacts>,
}

/// What a server knows of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// It is connected now; whoever asks does not count.
    pub connected: bool,
    /// When it was started last.
    pub started: Timestamp,
}
