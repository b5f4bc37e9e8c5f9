//! Name constraints (RFC 5280, 4.2.1.10). OpenSSL applies them; here stands what it lets through:
//! constraints that are not written as they must be, and names with an asterisk, of which OpenSSL
//! sees the asterisk and not the names that it stands for.

use super::fault::{Broken, Reason};
use super::names::{alternative_names, general, is_dns_name, is_mailbox};
use super::{MAX_NAME_COMPARISONS, MAX_NAMES};
use crate::der::certificate::{Parsed, oid};
use crate::der::{Malformed, Reader, SEQUENCE, Value, constructed};

const RULE: &str = "RFC 5280, 4.2.1.10: nameConstraints";

/// The subtrees of a nameConstraints.
#[derive(Clone, Debug, Default)]
pub(super) struct Constraints<'a> {
    permitted: Vec<Value<'a>>,
    excluded: Vec<Value<'a>>,
}

/// Reads the constraints of a certificate; none where there are none.
pub(super) fn read<'a>(parsed: &Parsed<'a>) -> Result<Option<Constraints<'a>>, Broken> {
    let Some(extension) = parsed.extension(oid::NAME_CONSTRAINTS) else { return Ok(None) };
    let malformed = Broken::malformed(RULE);
    let mut fields = Reader::only(extension.value, SEQUENCE).map_err(malformed)?;
    let permitted = fields.optional(constructed(0)).map_err(malformed)?;
    let excluded = fields.optional(constructed(1)).map_err(malformed)?;
    fields.end().map_err(malformed)?;
    if permitted.is_none() && excluded.is_none() {
        return Err(malformed(Malformed));
    }
    let read = |list: Option<&'a [u8]>| list.map_or(Ok(Vec::new()), subtrees);
    Ok(Some(Constraints { permitted: read(permitted)?, excluded: read(excluded)? }))
}

fn subtrees(content: &[u8]) -> Result<Vec<Value<'_>>, Broken> {
    let malformed = Broken::malformed(RULE);
    let mut reader = Reader::new(content);
    let mut bases = Vec::new();
    while !reader.is_empty() {
        if bases.len() == MAX_NAMES {
            return Err(Broken(Reason::TooLarge, RULE));
        }
        let mut subtree = reader.inside(SEQUENCE).map_err(malformed)?;
        let base = subtree.any().map_err(malformed)?;
        // In this profile there is no minimum but 0, which DER leaves out, and no maximum.
        if subtree.end().is_err() || !is_well_formed(&base) {
            return Err(malformed(Malformed));
        }
        bases.push(base);
    }
    if bases.is_empty() { Err(malformed(Malformed)) } else { Ok(bases) }
}

fn is_well_formed(base: &Value<'_>) -> bool {
    let content = base.content;
    let host = content.strip_prefix(b".").unwrap_or(content);
    match base.tag {
        general::DNS => content.is_empty() || is_dns_name(content),
        general::EMAIL if content.contains(&b'@') => is_mailbox(content),
        general::EMAIL | general::URI => is_dns_name(host),
        general::IP => matches!(content.len(), 8 | 32) && is_mask(&content[content.len() / 2..]),
        general::DIRECTORY => Reader::only(content, SEQUENCE).is_ok(),
        general::OTHER | general::X400 | general::EDI | general::REGISTERED => true,
        _ => false,
    }
}

/// RFC 4632: ones, then zeros.
fn is_mask(octets: &[u8]) -> bool {
    let ones: u32 = octets.iter().map(|octet| octet.leading_ones()).sum();
    let set: u32 = octets.iter().map(|octet| octet.count_ones()).sum();
    let end = octets.iter().position(|octet| *octet != 0xff).unwrap_or(octets.len());
    ones == set && octets.iter().skip(end + 1).all(|octet| *octet == 0)
}

/// Names with an asterisk against all constraints above them. Every name that `*.example.test` could
/// be matched with must be permitted, and none excluded. All names together are compared with at
/// most so many subtrees, which limits what OpenSSL has to do as well.
pub(super) fn judge(path: &[Parsed<'_>]) -> Result<(), Broken> {
    let mut comparisons = 0;
    for (depth, issuer) in path.iter().enumerate().skip(1) {
        let Some(constraints) = read(issuer)? else { continue };
        for (below, certificate) in path[..depth].iter().enumerate() {
            // RFC 5280, 6.1.3 (b): self-issued ones are left out unless they end the path.
            if below > 0 && certificate.is_self_issued() {
                continue;
            }
            let Some(names) = certificate.extension(oid::SUBJECT_NAMES) else { continue };
            let names = alternative_names(names.value)?;
            comparisons += names.len() * constraints.count();
            if comparisons > MAX_NAME_COMPARISONS {
                return Err(Broken(Reason::TooLarge, RULE));
            }
            for name in names {
                let parent = name.content.strip_prefix(b"*.");
                if let (general::DNS, Some(parent)) = (name.tag, parent) {
                    constraints.judge_all_below(parent)?;
                }
            }
        }
    }
    Ok(())
}

impl Constraints<'_> {
    fn count(&self) -> usize {
        self.permitted.len() + self.excluded.len()
    }

    fn judge_all_below(&self, parent: &[u8]) -> Result<(), Broken> {
        let dns = |base: &&Value<'_>| base.tag == general::DNS;
        let mut permitted = self.permitted.iter().filter(dns).peekable();
        let free = permitted.peek().is_none();
        let allowed = free || permitted.any(|base| is_within(parent, base.content));
        let overlaps =
            |base: &Value<'_>| is_within(parent, base.content) || is_child_of(base.content, parent);
        if !allowed || self.excluded.iter().filter(dns).any(overlaps) {
            return Err(Broken(Reason::NameConstraint, RULE));
        }
        Ok(())
    }
}

fn is_within(name: &[u8], base: &[u8]) -> bool {
    base.is_empty() || name.eq_ignore_ascii_case(base) || labels_before(name, base).is_some()
}

/// Whether it is one label longer, as names are that an asterisk stands for.
fn is_child_of(name: &[u8], parent: &[u8]) -> bool {
    labels_before(name, parent).is_some_and(|labels| !labels.contains(&b'.'))
}

fn labels_before<'a>(name: &'a [u8], base: &[u8]) -> Option<&'a [u8]> {
    let (before, end) = name.split_at_checked(name.len().checked_sub(base.len())?)?;
    if end.eq_ignore_ascii_case(base) { before.strip_suffix(b".") } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraints(permitted: &[&'static str], excluded: &[&'static str]) -> Constraints<'static> {
        let element =
            |name: &&'static str| Value { tag: general::DNS, content: name.as_bytes(), whole: &[] };
        Constraints {
            permitted: permitted.iter().map(element).collect(),
            excluded: excluded.iter().map(element).collect(),
        }
    }

    #[test]
    fn an_asterisk_stands_for_every_name() {
        let judged = |permitted: &[&'static str], excluded: &[&'static str]| {
            constraints(permitted, excluded).judge_all_below(b"example.test").is_ok()
        };
        assert!(judged(&[], &[]) && judged(&["Example.TEST"], &[]) && judged(&["test"], &[]));
        assert!(judged(&[""], &[]) && judged(&["other.test", "example.test"], &[]));
        assert!(!judged(&["a.example.test"], &[]) && !judged(&["xample.test"], &[]));
        assert!(!judged(&[], &["a.example.test"]) && !judged(&[], &["example.test"]));
        assert!(!judged(&[], &["test"]) && !judged(&["test"], &["A.example.test"]));
        assert!(judged(&[], &["b.a.example.test"]), "the asterisk stands for one label");
        assert!(judged(&[], &["anexample.test"]) && judged(&[], &["other.test"]));
    }

    #[test]
    fn masks_are_ones_then_zeros() {
        for good in [[0, 0, 0, 0], [255, 255, 255, 255], [255, 128, 0, 0], [254, 0, 0, 0]] {
            assert!(is_mask(&good), "{good:?}");
        }
        for bad in
            [[0, 0, 0, 1], [255, 0, 255, 0], [255, 0, 128, 0], [127, 0, 0, 0], [253, 0, 0, 0]]
        {
            assert!(!is_mask(&bad), "{bad:?}");
        }
    }
}
