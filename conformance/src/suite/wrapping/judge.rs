//! The judgement of an attacked copy: what its profiles release, what holds in general, and whether
//! anything of that is forged.

use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_schemas::xml::NodeNumber;
use amtsbote_wire::c14n::Interval;
use amtsbote_wire::native::envelope;
use amtsbote_wire::signature::{Unverified, Verification};
use anyhow::{Result, bail, ensure};

use super::ground::Victim;
use super::map::Map;
use super::sample::{AT, Sample, Target};

/// What became of one attacked document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Judgements by a profile that were a refusal.
    pub(super) refused: usize,
    /// Judgements by a profile that released the original value and nothing else.
    pub(super) original: usize,
    /// The general judgement found no signature of the signer that holds.
    pub(super) none_holds: usize,
    /// It found one that holds, over nodes it names and without the forged value.
    pub(super) told: usize,
}

impl Judged {
    pub(super) fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.original += other.original;
        self.none_holds += other.none_holds;
        self.told += other.told;
    }
}

impl Sample {
    /// Judges an attacked copy in every way; an error is a hole. `map` is what our reader finds in
    /// it: nothing where it is not well-formed, and then it cannot hold.
    pub(super) fn judge(
        &self,
        original: &Map,
        target: &Target,
        signers: &[Vec<u8>],
        attacked: &[u8],
        map: Option<&Map>,
    ) -> Result<Judged> {
        let mut judged = Judged::default();
        for held in &target.profiles {
            match (self.by(held, &target.trusted, &|| Ok(attacked)), map) {
                (Err(_), _) => judged.refused += 1,
                (Ok(_), None) => bail!("it holds by a profile, but is not well-formed"),
                (Ok(verification), Some(map)) => {
                    self.released(original, target, map, &verification)?;
                    self.unforged(map, verification.covered())?;
                    judged.original += 1;
                }
            }
        }
        if self.native {
            match self.entered(attacked, &target.trusted)? {
                true => judged.original += 1,
                false => judged.refused += 1,
            }
        }
        let holding = self.holding(&|| Ok(attacked)).unwrap_or_default();
        let own = holding.iter().filter(|(_, c)| signers.contains(&c.verification.signer().der));
        let mut holds = false;
        for (_, content) in own {
            let Some(map) = map else { bail!("it holds, but is not well-formed") };
            holds = true;
            self.unforged(map, content.verification.covered())?;
            self.precise(map, &content.verification)?;
        }
        if holds {
            judged.told += 1
        } else {
            judged.none_holds += 1
        }
        Ok(judged)
    }

    /// By the way that an envelope takes into the hub; whether it got through, with the value that
    /// it had.
    fn entered(&self, attacked: &[u8], trusted: &[TrustedCertificate]) -> Result<bool> {
        let verified = envelope::read(attacked).map_err(|_| ()).and_then(|e| {
            e.verify(attacked, trusted, &self.allowed, AT.parse().map_err(drop)?).map_err(drop)
        });
        let Ok(verified) = verified else { return Ok(false) };
        ensure!(
            verified.metadata().reader.as_str() != self.forged,
            "the envelope says what was forged"
        );
        Ok(true)
    }

    /// Whoever reads the value by its absolute path, and believes only what is released, reads
    /// what was there.
    fn released(
        &self,
        original: &Map,
        target: &Target,
        map: &Map,
        verification: &Verification,
    ) -> Result<()> {
        let path = original.names(target.victim.element);
        let genuine = values(original, &path, &target.victim);
        for (value, nodes) in values(map, &path, &target.victim) {
            let Ok(fact) = verification.release(Unverified::spanning(value, nodes)) else {
                continue;
            };
            let known = genuine.iter().any(|(own, _)| own == &*fact);
            ensure!(known, "a value was released that was never signed");
        }
        Ok(())
    }

    /// Nothing that counts as signed says what was forged.
    fn unforged(&self, map: &Map, covered: &[Interval]) -> Result<()> {
        let signed =
            |node: NodeNumber| covered.iter().any(|(from, to)| *from <= node && node <= *to);
        for (node, text) in &map.texts {
            ensure!(
                !(signed(*node) && text.contains(&self.forged)),
                "a forged text counts as signed"
            );
        }
        for element in &map.elements {
            let whole =
                covered.iter().any(|(from, to)| *from <= element.tag.node && element.last <= *to);
            ensure!(
                !(whole && element.text.contains(&self.forged)),
                "a forged text in pieces counts as signed"
            );
            for own in &element.tag.attributes {
                let forged = signed(own.node) && own.value.contains(&self.forged);
                ensure!(!forged, "a forged attribute counts as signed");
            }
        }
        Ok(())
    }

    /// Path and interval of every covered node belong to one and the same element.
    fn precise(&self, map: &Map, verification: &Verification) -> Result<()> {
        for node in verification.nodes() {
            if node.path == "/" {
                ensure!(
                    node.nodes.0 <= map.elements[0].tag.node
                        && map.elements[0].last <= node.nodes.1,
                    "the document is said to be signed, but not its whole stretch"
                );
                continue;
            }
            let Some(n) =
                (0..map.elements.len()).find(|n| map.elements[*n].tag.node == node.nodes.0)
            else {
                bail!("a covered stretch begins with no element");
            };
            let names: String = map.names(n).iter().map(|(_, local)| format!("/{local}")).collect();
            ensure!(names == node.path, "the path of a covered node is that of another one");
            ensure!(map.elements[n].last == node.nodes.1, "a covered stretch ends elsewhere");
        }
        Ok(())
    }
}

/// The values at an absolute path, with the nodes they are read from.
fn values(map: &Map, path: &[(&str, &str)], victim: &Victim) -> Vec<(String, Interval)> {
    let at_path = (0..map.elements.len())
        .filter(|n| map.elements[*n].tag.depth as usize == path.len() && map.names(*n) == path);
    at_path
        .filter_map(|n| {
            let element = &map.elements[n];
            let Some((namespace, local)) = &victim.attribute else {
                return Some((element.text.clone(), (element.tag.node, element.last)));
            };
            let mut own = element.tag.attributes.iter();
            let own = own.find(|a| a.namespace == *namespace && a.local == *local)?;
            Some((own.value.clone(), (own.node, own.node)))
        })
        .collect()
}
