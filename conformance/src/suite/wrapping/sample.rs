//! A signed document, what its signatures prove while nobody has touched it, and the judgement of
//! every copy that somebody has.

use std::io::{self, BufRead};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use amtsbote_schemas::xml::Limits;
use amtsbote_wire::c14n::Mode;
use amtsbote_wire::signature::{
    Against, Allowed, DigestAlgorithm, Fixed, GeneralPolicy, Name, Over, Parts, Profile,
    SignedContent, Verification, verify_document, verify_stream,
};
use anyhow::{Result, bail, ensure};
use openssl::sha::sha256;

use super::ground::{Donor, Ground, Ids, Victim, victim};
use super::map::Map;

/// When the certificates are judged.
pub(super) const AT: &str = "2026-11-24T00:00:00Z";
/// Most covered elements of one signature that are attacked.
const MAX_TARGETS: usize = 2;

/// What came with a document: the URI by which it is named, and the octets.
#[derive(Clone, Default)]
pub(super) struct Came(pub(super) Vec<(String, Vec<u8>)>);

impl Parts for Came {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        let part = self.0.iter().find(|(own, _)| own == uri);
        Ok(part.map(|(_, octets)| Box::new(octets.as_slice()) as Box<dyn BufRead>))
    }
}

/// Opens a document for one pass.
pub(super) type Open<'a> = &'a dyn Fn() -> io::Result<&'a [u8]>;

/// A signed document.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) document: Vec<u8>,
    pub(super) parts: Came,
    /// Certificates that `KeyInfo` may mean.
    pub(super) candidates: Vec<Vec<u8>>,
    pub(super) allowed: Allowed,
    /// The local name of the element to forge, if it matters which.
    pub(super) wanted: Option<&'static str>,
    /// What shall come out instead of the value. It occurs nowhere in the original.
    pub(super) forged: String,
    /// Elements of which every child with an Id must be signed, as the entry point demands.
    pub(super) children: &'static [&'static [Name]],
    /// It is a native envelope, which has an entry point of its own.
    pub(super) native: bool,
    /// It is one of many that others made; some of them are enough.
    pub(super) recorded: bool,
    /// What is done to the identifiers of forged copies.
    pub(super) ids: &'static [Ids],
}

/// What of it is attacked: one signature, one element that it covers.
pub(super) struct Target {
    pub(super) signature: usize,
    pub(super) element: usize,
    pub(super) victim: Victim,
    /// The profiles under which the original holds; with or without knowing its form beforehand.
    pub(super) profiles: Vec<Held>,
    pub(super) trusted: Vec<TrustedCertificate>,
}

/// A profile that is fixed for a sample.
#[derive(Clone, Copy)]
pub(super) struct Held {
    signature: &'static [Name],
    must_cover: &'static [&'static [Name]],
    children: &'static [&'static [Name]],
    others: bool,
    fixed: Option<Fixed>,
}

impl Held {
    fn profile<'a>(&self, allowed: &'a Allowed) -> Profile<'a> {
        Profile {
            others: self.others,
            must_cover_children: self.children,
            fixed: self.fixed,
            ..Profile::new(self.signature, self.must_cover, allowed)
        }
    }
}

impl Sample {
    pub(super) fn new(name: impl Into<String>, document: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            document,
            parts: Came::default(),
            candidates: Vec::new(),
            allowed: Allowed::default(),
            wanted: None,
            forged: "Gefaelscht4711".to_owned(),
            children: &[],
            native: false,
            recorded: false,
            ids: Ids::ALL,
        }
    }

    pub(super) fn ground<'a>(
        &'a self,
        map: &'a Map,
        target: &Target,
        donor: Option<&'a Donor>,
    ) -> Ground<'a> {
        Ground {
            document: &self.document,
            map,
            signature: target.signature,
            target: target.element,
            victim: target.victim.clone(),
            forged: &self.forged,
            ids: self.ids,
            donor,
        }
    }

    /// The signatures that hold, in the order in which they end.
    pub(super) fn holding(&self, open: Open<'_>) -> Result<Vec<(usize, SignedContent)>> {
        let policy = GeneralPolicy {
            candidates: self.candidates.clone(),
            allowed: self.allowed.clone(),
            limits: Limits::default(),
        };
        let report = verify_document(open, &self.parts, &policy)?;
        let found = report.signatures.into_iter();
        Ok(found
            .filter_map(|one| Some((usize::try_from(one.position.offset).ok()?, one.outcome.ok()?)))
            .collect())
    }

    /// What can be attacked in it, and the certificates of its signers. Nothing where nothing
    /// holds, or where what holds covers no value.
    pub(super) fn targets(&self, map: &Map) -> Result<(Vec<Target>, Vec<Vec<u8>>)> {
        ensure!(
            !String::from_utf8_lossy(&self.document).contains(&self.forged),
            "the forged value occurs in the original"
        );
        let holding = self.holding(&|| Ok(&self.document))?;
        let signers: Vec<_> =
            holding.iter().map(|(_, content)| content.verification.signer().der.clone()).collect();
        let mut targets = Vec::new();
        for (offset, content) in &holding {
            let Some(signature) =
                map.signatures().find(|n| map.elements[*n].whole.start == *offset)
            else {
                bail!("a signature is not where it was said to be");
            };
            let nodes = content.verification.nodes().iter().filter(|node| !node.text_only);
            let mut elements: Vec<usize> = nodes
                .filter_map(|node| match node.path.as_str() {
                    "/" => Some(0),
                    _ => {
                        (0..map.elements.len()).find(|n| map.elements[*n].tag.node == node.nodes.0)
                    }
                })
                .collect();
            elements.dedup();
            let mut known = 0;
            for element in elements {
                let victim = victim(&self.document, map, element, self.wanted);
                let Some(victim) = victim.filter(|_| known < MAX_TARGETS) else { continue };
                known += 1;
                targets.push(self.target(map, signature, element, victim, content)?);
            }
        }
        Ok((targets, signers))
    }

    fn target(
        &self,
        map: &Map,
        signature: usize,
        element: usize,
        victim: Victim,
        content: &SignedContent,
    ) -> Result<Target> {
        let der = content.verification.signer().der.clone();
        let trusted = TrustedCertificate {
            fingerprint: Digest(sha256(&der)),
            der,
            validity: Validity::default(),
        };
        let mut target =
            Target { signature, element, victim, profiles: Vec::new(), trusted: vec![trusted] };
        let place = leaked(map, signature);
        let must_cover: &'static [&'static [Name]] = Box::leak(Box::new([leaked(map, element)]));
        // Whatever form it has: two passes, other signatures suffered, which helps an attacker.
        let loose = Held { signature: place, must_cover, children: &[], others: true, fixed: None };
        target.hold(self, loose);
        if !self.children.is_empty() {
            target.hold(self, Held { children: self.children, ..loose });
        }
        // One pass, for those of a form that can be fixed beforehand.
        for over in [Over::Document, Over::Elements] {
            for canonicalization in [Mode::Exclusive, Mode::Inclusive] {
                let digest = DigestAlgorithm::Sha256;
                let fixed = Some(Fixed { over, canonicalization, digest });
                target.hold(self, Held { fixed, ..loose });
            }
        }
        Ok(target)
    }

    pub(super) fn by(
        &self,
        held: &Held,
        trusted: &[TrustedCertificate],
        open: Open<'_>,
    ) -> Result<Verification> {
        let at: Timestamp = AT.parse()?;
        let against = Against { trusted, at, parts: &self.parts, limits: &Limits::default() };
        Ok(verify_stream(open, &held.profile(&self.allowed), &against)?)
    }

    /// Whether a document holds: by each profile, then in general.
    pub(super) fn verdicts(&self, target: &Target, open: Open<'_>) -> Vec<bool> {
        let by = |held: &Held| self.by(held, &target.trusted, open).is_ok();
        let mut verdicts: Vec<_> = target.profiles.iter().map(by).collect();
        verdicts.push(self.holding(open).is_ok_and(|holding| !holding.is_empty()));
        verdicts
    }
}

/// An absolute path as profiles have it. They are fixed for the life of a program, and so are these.
fn leaked(map: &Map, n: usize) -> &'static [Name] {
    let text = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let names = map.names(n).into_iter().map(|(space, local)| Name::new(text(space), text(local)));
    Box::leak(names.collect::<Vec<_>>().into_boxed_slice())
}

impl Target {
    /// Takes a profile in, if the original holds by it.
    fn hold(&mut self, sample: &Sample, held: Held) {
        if sample.by(&held, &self.trusted, &|| Ok(&sample.document)).is_ok() {
            self.profiles.push(held);
        }
    }

    /// Whether the original holds by a profile made for it.
    pub(super) fn has_profile(&self) -> bool {
        !self.profiles.is_empty()
    }
}
