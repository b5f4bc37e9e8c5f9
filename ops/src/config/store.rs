//! `[store]`: the database that holds state, order, leases and evidence.

use amtsbote_store::Database;

use super::raw::RawStore;
use super::table::Source;
use crate::outcome::Failure;

/// The variable with the password of the database's user.
#[cfg(feature = "postgres")]
const PASSWORD: &str = "AMTSBOTE_STORE_PASSWORD";
/// Where PostgreSQL listens unless somebody says otherwise.
#[cfg(feature = "postgres")]
const PORT: u16 = 5432;

/// The database that the table names.
pub(super) fn database(source: &Source, raw: &RawStore) -> Result<Database, Failure> {
    match raw.kind.as_ref().map_or("sqlite", |kind| kind.get_ref()) {
        "sqlite" => {
            let server_only = [
                raw.node.as_ref(),
                raw.database.as_ref(),
                raw.user.as_ref(),
                raw.password_file.as_ref(),
                raw.password_credential.as_ref(),
                raw.authority.as_ref(),
                raw.parts_dir.as_ref(),
            ];
            let spans = server_only.into_iter().flatten().map(toml::Spanned::span);
            let hosts = raw.hosts.iter().map(toml::Spanned::span);
            let tls = raw.tls.iter().map(toml::Spanned::span);
            let port = raw.port.iter().map(toml::Spanned::span);
            match spans.chain(hosts).chain(tls).chain(port).next() {
                Some(span) => Err(source.wrong(
                    &span,
                    "das gilt nur mit kind = \"postgres\"",
                    "this is for kind = \"postgres\" only",
                )),
                None => Ok(Database::File),
            }
        }
        #[cfg(feature = "postgres")]
        "postgres" => postgres::server(source, raw),
        _ => {
            let span = raw.kind.as_ref().map(toml::Spanned::span).unwrap_or_default();
            Err(source.wrong(
                &span,
                "kind ist \"sqlite\" oder \"postgres\"",
                "kind is \"sqlite\" or \"postgres\"",
            ))
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use amtsbote_store::{Database, PostgresOptions, ServerAddress};
    use amtsbote_trust::keystore::Passphrase;
    use toml::Spanned;

    use super::super::certificate;
    use super::super::raw::RawStore;
    use super::super::table::Source;
    use super::{PASSWORD, PORT};
    use crate::outcome::Failure;

    pub(super) fn server(source: &Source, raw: &RawStore) -> Result<Database, Failure> {
        let (hosts, database) =
            (&raw.hosts, needed(source, raw, raw.database.as_ref(), "database")?);
        let user = needed(source, raw, raw.user.as_ref(), "user")?;
        let node = needed(source, raw, raw.node.as_ref(), "node")?;
        // With an object store, only where large parts lie in a folder from before.
        let parts = match (&raw.parts_dir, &raw.objects) {
            (None, Some(_)) => None,
            (parts, _) => Some(needed(source, raw, parts.as_ref(), "parts_dir")?),
        };
        let parts = parts.map(|parts| source.resolve(parts.get_ref()));
        if hosts.is_empty() {
            return Err(missing(source, raw, "hosts"));
        }
        let default = raw.port.as_ref().map_or(PORT, |port| *port.get_ref());
        let address = ServerAddress {
            hosts: hosts
                .iter()
                .map(|written| host(source, written, default))
                .collect::<Result<_, _>>()?,
            database: database.get_ref().clone(),
            user: user.get_ref().clone(),
            tls: raw.tls.as_ref().is_none_or(|tls| *tls.get_ref()),
            authority: raw.authority.as_ref().map(|file| source.resolve(file.get_ref())),
        };
        if let Some(tls) = raw.tls.as_ref().filter(|_| !address.tls)
            && !address.is_on_this_machine()
        {
            return Err(source.wrong(
                &tls.span(),
                "ohne TLS nur zu diesem Rechner: 127.0.0.1, ::1, localhost oder der Ordner eines \
                 Sockets",
                "without TLS to this machine only: 127.0.0.1, ::1, localhost, or the folder of a \
                 socket",
            ));
        }
        if let Some(file) = &raw.authority {
            certificate::all(source, file)?;
        }
        let options = PostgresOptions::at(&address, node.get_ref(), parts)
            .map_err(|error| source.wrong(&node.span(), &error, &error))?;
        let options = match password(source, raw)? {
            Some(password) => options.password(password),
            None => options,
        };
        Ok(Database::Postgres(Box::new(options)))
    }

    /// `name`, `name:port`, an address, `[::1]:port`, or the folder of a socket.
    fn host(
        source: &Source,
        written: &Spanned<String>,
        default: u16,
    ) -> Result<(String, u16), Failure> {
        let text = written.get_ref().as_str();
        let plain = |text: &str| (text.to_owned(), default);
        let with_port =
            |host: &str, port: &str| port.parse().ok().map(|port| (host.to_owned(), port));
        let bad = text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '@');
        let read = match text.rsplit_once(':') {
            _ if bad => None,
            _ if text.starts_with('/') => Some(plain(text)),
            Some((host, port)) if host.starts_with('[') => {
                let inner = host.trim_start_matches('[').strip_suffix(']');
                inner.and_then(|host| with_port(host, port))
            }
            // An address of version 6 is full of colons.
            Some((host, _)) if host.contains(':') => Some(plain(text)),
            Some((host, port)) => with_port(host, port),
            None => Some(plain(text)),
        };
        read.ok_or_else(|| {
            source.wrong(
                &written.span(),
                "hier steht ein Rechner: \"db.example\", \"db.example:5432\" oder \"/run/postgresql\"",
                "a host belongs here: \"db.example\", \"db.example:5432\" or \"/run/postgresql\"",
            )
        })
    }

    /// From a file, a credential, or the environment; never from an argument or this file.
    fn password(source: &Source, raw: &RawStore) -> Result<Option<Vec<u8>>, Failure> {
        let (secret, named) = match (&raw.password_file, &raw.password_credential) {
            (Some(file), _) => (Passphrase::File(source.resolve(file.get_ref())), Some(file)),
            (None, Some(name)) => (Passphrase::Credential(name.get_ref().clone()), Some(name)),
            (None, None) if std::env::var_os(PASSWORD).is_some() => {
                (Passphrase::Environment(PASSWORD.to_owned()), None)
            }
            // The server may know its user by other means.
            (None, None) => return Ok(None),
        };
        secret.reveal().map_err(|error| match named {
            Some(place) => certificate::at(source, place, &error),
            None => certificate::failure(&error),
        })
    }

    fn needed<'r>(
        source: &Source,
        raw: &RawStore,
        value: Option<&'r Spanned<String>>,
        name: &str,
    ) -> Result<&'r Spanned<String>, Failure> {
        value.ok_or_else(|| missing(source, raw, name))
    }

    fn missing(source: &Source, raw: &RawStore, name: &str) -> Failure {
        let span = raw.kind.as_ref().map(Spanned::span).unwrap_or_default();
        source.wrong(
            &span,
            format!("mit kind = \"postgres\" fehlt in [store]: {name}"),
            format!("with kind = \"postgres\", [store] lacks: {name}"),
        )
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    const GOOD: &str = "kind = \"postgres\"\nnode = \"a\"\nhosts = [\"db.example\"]\n\
                        database = \"hub\"\nuser = \"hub\"\nparts_dir = \"/srv/parts\"\n";

    fn read(text: &str) -> Result<Database, Failure> {
        let source = Source::from_text(text);
        database(&source, &source.parse()?)
    }

    fn refusal(text: &str) -> String {
        read(text).err().expect(text).text(Language::En).to_owned()
    }

    #[test]
    fn the_default_is_a_file() {
        assert!(matches!(read("").expect("reads"), Database::File));
        assert!(matches!(read("kind = \"sqlite\"\n").expect("reads"), Database::File));
        assert!(matches!(read(GOOD).expect("reads"), Database::Postgres(_)));
    }

    /// With an object store, parts need no folder.
    #[test]
    fn a_folder_for_parts_is_asked_for_only_without_a_bucket() {
        let without = GOOD.replace("parts_dir = \"/srv/parts\"\n", "");
        assert!(refusal(&without).contains("lacks: parts_dir"));
        let bucket =
            "[objects]\nurl = \"https://s3.example\"\nbucket = \"parts\"\nkey_id = \"hub\"\n";
        let read = read(&format!("{without}{bucket}"));
        assert!(matches!(read.expect("reads"), Database::Postgres(_)));
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_with_its_line() {
        for (text, wanted) in [
            ("kind = \"oracle\"\n".to_owned(), "line 1: kind is"),
            ("\nhosts = [\"a\"]\n".to_owned(), "line 2: this is for kind"),
            (GOOD.replace("node = \"a\"\n", ""), "lacks: node"),
            (GOOD.replace("node = \"a\"", "node = \"a b\""), "line 2: "),
            (GOOD.replace("hosts = [\"db.example\"]\n", ""), "lacks: hosts"),
            (GOOD.replace("db.example", "db.example:x"), "line 3: a host belongs here"),
            (GOOD.replace("db.example", "hub:canary@db"), "line 3: a host belongs here"),
            (format!("{GOOD}tls = false\n"), "line 7: without TLS to this machine only"),
            (format!("{GOOD}password = \"x\"\n"), "unknown key \"password\""),
            (format!("{GOOD}parts_dri = \"x\"\n"), "did you mean \"parts_dir\""),
            (format!("{GOOD}password_file = \"/nowhere/at/all\"\n"), "line 7: "),
        ] {
            let refused = refusal(&text);
            assert!(refused.contains(wanted), "{text}: {refused}");
        }
    }

    #[test]
    fn without_tls_to_this_machine_only() {
        for host in ["127.0.0.1:5433", "[::1]:5433", "::1", "localhost", "/run/postgresql"] {
            let text = format!("{}tls = false\n", GOOD.replace("db.example", host));
            read(&text).unwrap_or_else(|failure| panic!("{host}: {failure:?}"));
        }
    }
}
