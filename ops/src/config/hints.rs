//! `[hints]` of `amtsbote.toml`: RabbitMQ, by which several nodes tell each other where to look.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use amtsbote_broker::config::HintSettings;
use amtsbote_trust::keystore::Identity;
use reqwest::Url;
use toml::Spanned;

use super::certificate;
use super::raw::RawHints;
use super::table::Source;
use crate::outcome::Failure;

/// The variable with the password.
const PASSWORD: &str = "AMTSBOTE_HINTS_PASSWORD";
/// Where systemd puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Longest password, in octets.
const MAX_PASSWORD: usize = 1_024;
/// Ports of AMQP, plain and over TLS.
const PORTS: [u16; 2] = [5_672, 5_671];

/// What the table says; `identity` gets a key from the key store.
pub(crate) fn read(
    source: &Source,
    raw: &RawHints,
    identity: impl FnOnce(&Spanned<String>) -> Result<Identity, Failure>,
) -> Result<HintSettings, Failure> {
    let (encrypted, host, port) = address(source, &raw.url)?;
    let tls = match (&raw.authority, &raw.identity, encrypted) {
        (Some(authority), name, true) => {
            let authorities = certificate::all(source, authority)?;
            Some((authorities, name.as_ref().map(identity).transpose()?))
        }
        (None, _, true) => {
            return Err(source.wrong(
                &raw.url.span(),
                "amqps:// verlangt authority: die Stelle, die das Zertifikat ausgestellt hat",
                "amqps:// needs authority: who issued the certificate",
            ));
        }
        (None, None, false) => None,
        (_, _, false) => {
            return Err(source.wrong(
                &raw.url.span(),
                "authority und identity gelten nur für amqps://",
                "authority and identity are for amqps:// only",
            ));
        }
    };
    Ok(HintSettings {
        host,
        port,
        virtual_host: raw.vhost.clone(),
        user: raw.user.clone(),
        password: password(source, raw)?,
        tls,
    })
}

/// Whether it is encrypted, host and port.
fn address(source: &Source, text: &Spanned<String>) -> Result<(bool, String, u16), Failure> {
    let wrong = |de: &str, en: &str| Err(source.wrong(&text.span(), de, en));
    let form = || {
        wrong(
            "url ist amqps://rechner:port oder amqp://localhost:port; vhost, user und Kennwort sind \
             eigene Schlüssel",
            "url is amqps://host:port or amqp://localhost:port; vhost, user and password are keys of \
             their own",
        )
    };
    let Ok(url) = Url::parse(text.get_ref()) else { return form() };
    let encrypted = match url.scheme() {
        "amqp" => false,
        "amqps" => true,
        _ => return form(),
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if !bare || host.is_empty() {
        return form();
    }
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if !encrypted && !here {
        return wrong(
            "amqp:// ist unverschlüsselt und nur für diesen Rechner selbst; sonst amqps://",
            "amqp:// is not encrypted and for this machine alone; else amqps://",
        );
    }
    Ok((encrypted, host.to_owned(), url.port().unwrap_or(PORTS[usize::from(encrypted)])))
}

/// From a file, a credential or the environment: never from the configuration itself.
fn password(source: &Source, raw: &RawHints) -> Result<String, Failure> {
    let (octets, span) = match (&raw.password_file, &raw.password_credential) {
        (Some(file), _) => (certificate::secret(source, file)?, file.span()),
        (None, Some(name)) => {
            let folder = std::env::var_os(CREDENTIALS).map(PathBuf::from);
            let Some(file) = folder.and_then(|folder| credential(&folder, name.get_ref())) else {
                return Err(source.wrong(
                    &name.span(),
                    format!("kein Name einer Datei in {CREDENTIALS} (LoadCredential)"),
                    format!("not the name of a file in {CREDENTIALS} (LoadCredential)"),
                ));
            };
            let file = Spanned::new(name.span(), file.to_string_lossy().into_owned());
            // systemd makes it readable for the service alone, by an access list.
            (certificate::octets(source, &file)?, name.span())
        }
        (None, None) => match std::env::var(PASSWORD) {
            Ok(password) => (password.into_bytes(), raw.url.span()),
            Err(_) => {
                return Err(source.wrong(
                    &raw.url.span(),
                    format!(
                        "das Kennwort fehlt: password_file, password_credential oder {PASSWORD}"
                    ),
                    format!(
                        "the password is missing: password_file, password_credential or {PASSWORD}"
                    ),
                ));
            }
        },
    };
    let line = octets.split(|c| matches!(c, b'\n' | b'\r')).next().unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(password) if (1..=MAX_PASSWORD).contains(&line.len()) => Ok(password.to_owned()),
        _ => Err(source.wrong(
            &span,
            format!("das Kennwort ist die erste Zeile: 1 bis {MAX_PASSWORD} Zeichen in UTF-8"),
            format!("the password is the first line: 1 to {MAX_PASSWORD} octets in UTF-8"),
        )),
    }
}

/// The file of a credential; its name is one name and no way.
fn credential(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut parts = Path::new(name).components();
    let one = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    one.then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    use std::os::unix::fs::PermissionsExt as _;

    fn settings(folder: &Path, table: &str) -> Result<HintSettings, Failure> {
        let file = folder.join("amtsbote.toml");
        std::fs::write(&file, table).expect("writes");
        let source = Source::read(&file)?;
        let raw: RawHints = source.parse()?;
        read(&source, &raw, |_| Err(Failure::usage("keine", "none")))
    }

    /// A folder with a password that only its owner may read.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "geheim\nzweite Zeile\n").expect("writes");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("sets");
        folder
    }

    #[test]
    fn a_broker_on_this_machine_needs_no_tls() {
        let folder = folder();
        for (url, host, port) in [
            ("amqp://localhost", "localhost", 5_672),
            ("amqp://127.0.0.1:5/", "127.0.0.1", 5),
            ("amqp://[::1]", "::1", 5_672),
        ] {
            let table = format!("url = \"{url}\"\npassword_file = \"password\"\n");
            let settings = settings(folder.path(), &table).expect(url);
            assert_eq!((settings.host.as_str(), settings.port), (host, port));
            assert_eq!((settings.virtual_host.as_str(), settings.user.as_str()), ("/", "amtsbote"));
            assert_eq!(settings.password, "geheim");
            assert!(settings.tls.is_none());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_its_line() {
        let folder = folder();
        let with = |keys: &str| format!("password_file = \"password\"\n{keys}\n");
        for (table, reason) in [
            (with("url = \"http://localhost\""), "url is amqps://host:port"),
            (with("url = \"amqp://amtsbote:geheim@localhost\""), "url is amqps://host:port"),
            (with("url = \"amqp://localhost/vhost\""), "url is amqps://host:port"),
            (with("url = \"amqp:localhost\""), "url is amqps://host:port"),
            (with("url = \"amqp://mq.example.test\""), "is not encrypted"),
            (with("url = \"amqp://10.0.0.1\""), "is not encrypted"),
            (with("url = \"amqps://mq.example.test\""), "needs authority"),
            (with("url = \"amqp://localhost\"\nauthority = \"ca.pem\""), "for amqps:// only"),
            (with("url = \"amqp://localhost\"\nidentity = \"tls\""), "for amqps:// only"),
            ("\nurl = \"amqp://localhost\"\n".to_owned(), "the password is missing"),
            ("\nurl = \"amqp://localhost\"\npassword_file = \"none\"\n".to_owned(), "none"),
        ] {
            let failure = settings(folder.path(), &table).err().expect(&table);
            let text = failure.text(Language::En);
            let line = text.contains("line 2") || text.contains("line 3");
            assert!(text.contains(reason) && line, "{table}: {text}");
            assert!(!text.contains("geheim"), "{text}");
        }
    }

    #[test]
    fn a_password_that_others_can_read_is_refused() {
        let folder = folder();
        let file = folder.path().join("password");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("sets");
        let table = "url = \"amqp://localhost\"\npassword_file = \"password\"\n";
        assert!(settings(folder.path(), table).is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("sets");
        std::fs::write(&file, "\n").expect("writes");
        assert!(settings(folder.path(), table).is_err(), "an empty one");
    }

    #[test]
    fn a_credential_is_a_name_and_no_way() {
        let folder = Path::new("/run/credentials");
        assert_eq!(credential(folder, "mq"), Some(folder.join("mq")));
        for name in ["", ".", "..", "../mq", "/etc/passwd", "a/b"] {
            assert_eq!(credential(folder, name), None, "{name}");
        }
    }
}
