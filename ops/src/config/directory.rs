//! `directory.toml`: who is reachable, for what, how and until when; and which accounts there are.

use amtsbote_domain::directory::{
    Account, Channel, Directory, LegacyProfile, Mailbox, Partner, Party, Service,
    TrustedCertificate,
};
use amtsbote_domain::identity::{AccountId, ServiceUri};
use amtsbote_domain::party::PartyId;
use amtsbote_trust::revocation::Grace;
use toml::Spanned;
use toml::value::Datetime;

use super::raw::{RawAccount, RawDirectory, RawPartner, RawParty, RawService};
use super::table::{Source, nearest};
use super::trust::grace;
use super::{certificate, parsed, validity};
use crate::outcome::Failure;

/// Reads the directory; `peers` are the hubs that the configuration knows.
pub(crate) fn read(source: &Source, peers: &[&str]) -> Result<Directory, Failure> {
    let raw: RawDirectory = source.parse()?;
    let parties =
        raw.party.iter().map(|raw| party(source, raw, peers)).collect::<Result<Vec<_>, _>>()?;
    let accounts =
        raw.account.iter().map(|raw| account(source, raw)).collect::<Result<Vec<_>, _>>()?;
    let partners = raw
        .account
        .iter()
        .filter_map(|raw| raw.osci.as_ref().map(|partner_raw| partner(source, raw, partner_raw)));
    let partners = partners.collect::<Result<Vec<_>, _>>()?;
    let with = |raw: &&RawParty| !raw.cipher_certificates.is_empty();
    let mailboxes = raw.party.iter().filter(with).map(|raw| mailbox(source, raw));
    let mailboxes = mailboxes.collect::<Result<Vec<_>, _>>()?;
    let directory = Directory::new(parties, accounts);
    let directory = directory.and_then(|directory| directory.with_partners(partners, mailboxes));
    directory.map_err(|error| {
        let name = source.name();
        Failure::usage(format!("{name}: {error}"), format!("{name}: {error}"))
    })
}

fn party(source: &Source, raw: &RawParty, peers: &[&str]) -> Result<Party, Failure> {
    let mut certificates = trusted(source, &raw.certificates)?;
    let mut services = Vec::with_capacity(raw.service.len());
    for service_raw in &raw.service {
        services.push(service(source, service_raw, peers)?);
        for certificate in trusted(source, &service_raw.certificates)? {
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
    }
    Ok(Party {
        id: parsed(source, &raw.id)?,
        name: raw.name.clone(),
        services,
        certificates,
        legacy: legacy(source, raw.legacy, raw.legacy_until.as_ref())?,
        grace: grace(source, raw.grace_hours.as_ref())?.map(Grace::duration),
    })
}

fn trusted(source: &Source, paths: &[Spanned<String>]) -> Result<Vec<TrustedCertificate>, Failure> {
    paths.iter().map(|path| certificate::trusted(source, path)).collect()
}

fn service(source: &Source, raw: &RawService, peers: &[&str]) -> Result<Service, Failure> {
    Ok(Service {
        uri: parsed::<ServiceUri>(source, &raw.uri)?,
        channel: channel(source, &raw.via, peers)?,
        validity: validity(source, raw.valid_from.as_ref(), raw.valid_until.as_ref())?,
        opaque: raw.opaque,
        test: raw.test,
    })
}

fn channel(source: &Source, via: &Spanned<String>, peers: &[&str]) -> Result<Channel, Failure> {
    let name = match via.get_ref().as_str() {
        "inbox" => return Ok(Channel::Inbox),
        other => other.strip_prefix("peer:").ok_or_else(|| {
            source.wrong(
                &via.span(),
                "via ist \"inbox\" oder \"peer:NAME\"",
                "via is \"inbox\" or \"peer:NAME\"",
            )
        })?,
    };
    if peers.contains(&name) {
        return Ok(Channel::Peer(name.to_owned()));
    }
    let hint = |de| match nearest(name, peers.iter().copied()) {
        Some(near) if de => format!("; gemeint ist vielleicht \"{near}\""),
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => String::new(),
    };
    Err(source.wrong(
        &via.span(),
        format!("kein [[peer]] in amtsbote.toml heißt \"{name}\"{}", hint(true)),
        format!("no [[peer]] in amtsbote.toml is called \"{name}\"{}", hint(false)),
    ))
}

fn account(source: &Source, raw: &RawAccount) -> Result<Account, Failure> {
    Ok(Account {
        id: parsed::<AccountId>(source, &raw.id)?,
        certificates: raw
            .certificates
            .iter()
            .map(|path| certificate::trusted(source, path))
            .collect::<Result<_, _>>()?,
        parties: raw
            .parties
            .iter()
            .map(|party| parsed::<PartyId>(source, party))
            .collect::<Result<_, _>>()?,
        relay: raw.relay,
        legacy: legacy(source, raw.legacy, raw.legacy_until.as_ref())?,
        grace: grace(source, raw.grace_hours.as_ref())?.map(Grace::duration),
    })
}

/// How an account is known by its messages.
fn partner(source: &Source, raw: &RawAccount, partner: &RawPartner) -> Result<Partner, Failure> {
    let (signature, cipher) =
        (trusted(source, &partner.signature)?, trusted(source, &partner.cipher)?);
    let wrong = |de: &str, en: &str| Err(source.wrong(&raw.id.span(), de, en));
    if partner.signed && signature.is_empty() {
        return wrong(
            "osci.signature fehlt; ohne Signatur nur mit osci.signed = false",
            "osci.signature is missing; without a signature only with osci.signed = false",
        );
    }
    if cipher.is_empty() {
        return wrong("osci.cipher fehlt", "osci.cipher is missing");
    }
    Ok(Partner {
        account: parsed::<AccountId>(source, &raw.id)?,
        signature,
        cipher,
        signed: partner.signed,
        encrypted: partner.encrypted,
    })
}

/// For whom is what is encrypted for these certificates.
fn mailbox(source: &Source, raw: &RawParty) -> Result<Mailbox, Failure> {
    let party = parsed(source, &raw.id)?;
    Ok(Mailbox { party, certificates: trusted(source, &raw.cipher_certificates)? })
}

/// The legacy profile, and the last day of it. A day without the profile would look as if there
/// were one.
pub(super) fn legacy(
    source: &Source,
    on: bool,
    until: Option<&Spanned<Datetime>>,
) -> Result<Option<LegacyProfile>, Failure> {
    let end = validity(source, None, until)?.until;
    match (on, until) {
        (true, _) => Ok(Some(LegacyProfile { until: end })),
        (false, None) => Ok(None),
        (false, Some(until)) => Err(source.wrong(
            &until.span(),
            "legacy_until ohne legacy = true",
            "legacy_until without legacy = true",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;
    use amtsbote_domain::text::Language;

    fn refused(text: &str) -> String {
        let failure = read(&Source::from_text(text), &["schwester-1"]).expect_err("it is wrong");
        assert_eq!(failure.exit, Exit::Usage);
        failure.text(Language::En).to_owned()
    }

    const PARTY: &str = "[[party]]\nid = \"ags:05766044\"\nname = \"Stadt Lemgo\"\n";

    #[test]
    fn parties_and_their_services_are_read() {
        let text = format!(
            "{PARTY}[[party.service]]\nuri = \"urn:a\"\nvia = \"inbox\"\nvalid_from = 2026-01-01\n\
             [[party.service]]\nuri = \"urn:b\"\nvia = \"peer:schwester-1\"\ntest = true\n\
             [[account]]\nid = \"hub\"\ncertificates = []\nrelay = true\n"
        );
        let directory = read(&Source::from_text(&text), &["schwester-1"]).expect("a directory");
        let party = directory.parties().next().expect("one party");
        assert_eq!(party.name, "Stadt Lemgo");
        assert_eq!(party.services[1].channel, Channel::Peer("schwester-1".into()));
        assert!(party.services[1].test && !party.services[0].test);
        assert!(directory.accounts()[0].relay);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let service =
            |via: &str| format!("{PARTY}[[party.service]]\nuri = \"urn:a\"\nvia = \"{via}\"\n");
        let near = refused(&service("peer:schwester1"));
        assert!(
            near.contains("line 6") && near.contains("did you mean \"schwester-1\"?"),
            "{near}"
        );
        assert!(refused(&service("post")).contains("via is \"inbox\""));
        assert!(refused(&PARTY.replace("ags:", "ags")).contains("line 2"));
        assert!(refused(&format!("{PARTY}{PARTY}")).contains("listed twice"));
        assert!(
            refused("[[party]]\nid = \"a:b\"\nnmae = \"c\"\n").contains("did you mean \"name\"?")
        );
        let missing = format!("{PARTY}certificates = [\"not-there.pem\"]\n");
        assert!(refused(&missing).contains("line 4"));
    }

    #[test]
    fn a_partner_has_the_certificates_that_its_policy_needs() {
        let account = "[[account]]\nid = \"a\"\ncertificates = []\n";
        let text = refused(&format!("{account}[account.osci]\n"));
        assert!(text.contains("line 2") && text.contains("osci.signature"), "{text}");
        let text = refused(&format!("{account}[account.osci]\nsigned = false\n"));
        assert!(text.contains("osci.cipher"), "{text}");
        let text = refused(&format!("{account}[account.osci]\nsigend = false\n"));
        assert!(text.contains("did you mean \"signed\"?"), "{text}");
    }

    #[test]
    fn the_legacy_profile_is_switched_on_with_its_last_day() {
        let with = |more: &str| format!("{PARTY}{more}");
        let profile = |more: &str| {
            let directory = read(&Source::from_text(&with(more)), &[]).expect("a directory");
            directory.parties().next().expect("one party").legacy
        };
        assert_eq!(profile(""), None);
        assert_eq!(profile("legacy = false\n"), None);
        assert_eq!(profile("legacy = true\n"), Some(LegacyProfile { until: None }));
        let until = "2027-06-30T22:00:00Z".parse().expect("an instant");
        let ending = profile("legacy = true\nlegacy_until = 2027-06-30\n");
        assert_eq!(ending, Some(LegacyProfile { until: Some(until) }));
        let refused = refused(&with("legacy_until = 2027-06-30\n"));
        assert!(refused.contains("line 4") && refused.contains("legacy = true"), "{refused}");
        let account = "[[account]]\nid = \"a\"\ncertificates = []\nlegacy = true\n";
        let directory = read(&Source::from_text(account), &[]).expect("a directory");
        assert!(directory.accounts()[0].legacy.is_some());
    }
}
