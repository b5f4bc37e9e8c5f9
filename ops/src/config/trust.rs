//! Anchors and revocation: `[trust]` and `[revocation]` of `amtsbote.toml`.

use std::time::Duration;

use amtsbote_broker::standing::TrustRules;
use amtsbote_trust::path::{Anchors, Purpose};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::{Grace, Guard, Nonce, Override, Place, Rhythm, Settings};
use jiff::SignedDuration;
use toml::Spanned;

use super::certificate;
use super::raw::{RawRevocation, RawSource, RawTrust};
use super::table::Source;
use crate::outcome::Failure;

/// Anchors and what is demanded of certificates; with every certificate that was read for it.
pub(crate) fn rules(
    source: &Source,
    raw: &RawTrust,
) -> Result<(TrustRules, Vec<Certificate>), Failure> {
    let intermediates = certificates(source, &raw.intermediates)?;
    let mut all = intermediates.clone();
    let mut builder = Anchors::builder();
    for (purpose, files) in
        [(Purpose::Content, &raw.content_anchors), (Purpose::TlsClient, &raw.tls_client_anchors)]
    {
        let anchors = certificates(source, files)?;
        builder = builder.trust(purpose, &anchors).intermediates(purpose, &intermediates);
        all.extend(anchors);
    }
    let rules = TrustRules {
        anchors: builder.build().map_err(|error| certificate::failure(&error))?,
        grace: grace(source, raw.grace_hours.as_ref())?.unwrap_or_default(),
        require_source: raw.require_source,
    };
    Ok((rules, all))
}

fn certificates(source: &Source, files: &[Spanned<String>]) -> Result<Vec<Certificate>, Failure> {
    let mut all = Vec::new();
    for file in files {
        all.extend(certificate::all(source, file)?);
    }
    Ok(all)
}

/// A written grace, in hours.
pub(super) fn grace(
    source: &Source,
    hours: Option<&Spanned<u32>>,
) -> Result<Option<Grace>, Failure> {
    let Some(hours) = hours else { return Ok(None) };
    let grace = Grace::new(SignedDuration::from_hours((*hours.get_ref()).into()));
    let most = Grace::MAX.as_hours();
    let wrong = || {
        source.wrong(
            &hours.span(),
            format!("grace_hours ist höchstens {most}"),
            format!("grace_hours is at most {most}"),
        )
    };
    grace.map(Some).ok_or_else(wrong)
}

/// Where lists and answers come from.
pub(crate) fn revocation(source: &Source, raw: &RawRevocation) -> Result<Settings, Failure> {
    let own = Settings::default();
    let rhythm = Rhythm {
        longest: raw
            .refresh_minutes
            .map_or(own.rhythm.longest, |minutes| SignedDuration::from_mins(minutes.into())),
        ..own.rhythm
    };
    let rhythm = Rhythm { shortest: rhythm.shortest.min(rhythm.longest), ..rhythm };
    let overrides = raw.source.iter().map(|raw| source_of(source, raw));
    Ok(Settings {
        guard: Guard { allowed_hosts: raw.allowed_hosts.clone(), loopback: raw.loopback },
        timeout: raw.timeout_ms.map_or(own.timeout, Duration::from_millis),
        nonce: if raw.nonce { Nonce::Required } else { Nonce::Off },
        lists: raw.crl,
        ocsp: raw.ocsp,
        overrides: overrides.collect::<Result<_, _>>()?,
        rhythm,
        proxy: raw.proxy.clone(),
        ..own
    })
}

fn source_of(source: &Source, raw: &RawSource) -> Result<Override, Failure> {
    Ok(Override {
        issuer: certificate::fingerprint(source, &raw.issuer)?,
        lists: raw.crl.iter().map(|text| place(source, text)).collect(),
        ocsp: raw.ocsp.clone(),
    })
}

/// Addresses begin with their scheme; anything else is a file.
fn place(source: &Source, text: &str) -> Place {
    if text.starts_with("http://") || text.starts_with("https://") {
        Place::Url(text.to_owned())
    } else {
        Place::File(source.resolve(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawNode;
    use amtsbote_domain::text::Language;

    fn node(text: &str) -> RawNode {
        let base = "name = \"a\"\n[tls]\nclient_authorities = []\n[keys]\nstore = \"k\"\n";
        Source::from_text(&format!("{base}{text}")).parse().expect("parses")
    }

    #[test]
    fn without_a_word_nothing_is_asked_and_nothing_is_trusted_beyond_the_directory() {
        let raw = node("");
        let source = Source::from_text("");
        let (rules, read) = rules(&source, &raw.trust).expect("rules");
        assert!(read.is_empty());
        assert!(!rules.anchors.any(Purpose::Content) && !rules.require_source);
        let settings = revocation(&source, &raw.revocation).expect("settings");
        assert_eq!(settings.guard, Guard::default());
        assert!(settings.lists && settings.ocsp && settings.overrides.is_empty());
    }

    #[test]
    fn what_is_written_is_taken() {
        let raw = node(
            "[trust]\nrequire_source = true\ngrace_hours = 48\n[revocation]\n\
             allowed_hosts = [\"ocsp.example.test:8080\"]\nloopback = true\nocsp = false\n\
             nonce = true\ntimeout_ms = 500\nrefresh_minutes = 2\n",
        );
        let source = Source::from_text("");
        let (rules, _) = rules(&source, &raw.trust).expect("rules");
        assert_eq!(rules.grace.duration(), SignedDuration::from_hours(48));
        assert!(rules.require_source);
        let settings = revocation(&source, &raw.revocation).expect("settings");
        assert!(settings.guard.check("http://ocsp.example.test:8080/").is_ok());
        assert!(settings.lists && !settings.ocsp);
        assert_eq!(settings.timeout, Duration::from_millis(500));
        assert_eq!(settings.rhythm.longest, SignedDuration::from_mins(2));
        assert!(settings.rhythm.shortest <= settings.rhythm.longest);
    }

    #[test]
    fn a_grace_beyond_the_longest_is_refused_with_its_line() {
        let raw = node("[trust]\ngrace_hours = 9999\n");
        let failure = rules(&Source::from_text("x\n"), &raw.trust).expect_err("too long");
        assert!(failure.text(Language::En).contains("at most 720"));
    }

    #[test]
    fn what_has_no_scheme_is_a_file() {
        let places = |text: &str| place(&Source::from_text(""), text);
        let url = "http://crl.example.test/a.crl";
        assert_eq!(places(url), Place::Url(url.to_owned()));
        assert!(matches!(places("a.crl"), Place::File(path) if path.ends_with("a.crl")));
    }
}
