//! Signatures that are meant to cost time or memory. Each is answered after two passes at most, and
//! memory stays within a bound.

use std::cell::Cell;
use std::fs;

use anyhow::{Context, Result, anyhow, ensure};

use super::Prepared;
use super::map::{DSIG, Edit};
use super::samples;
use crate::report::Report;

/// Most memory that one judgement may add to what the process had at its highest, in KiB.
const MAX_GROWTH_KIB: u64 = 64 * 1024;
/// How often something is repeated.
const MANY: usize = 10_000;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let sample = samples::ours()?.into_iter().find(|one| one.name.ends_with("/part"));
    let one = Prepared::of(sample.context("no part is signed")?)?;
    for (name, document) in bombs(&one).context("the sample is not as it was")? {
        report.add(format!("bomb/{name}"), judged(&one, &document));
    }
    Ok(())
}

fn bombs(one: &Prepared) -> Option<Vec<(&'static str, Vec<u8>)>> {
    let target = one.targets.first()?;
    let ground = one.sample.ground(&one.map, target, None);
    let (map, document) = (&one.map, ground.document);
    let signed_info = map.children(target.signature, "SignedInfo").next()?;
    let reference = map.children(signed_info, "Reference").next()?;
    let transforms = &map.elements[map.children(reference, "Transforms").next()?].inner;
    let reference = &map.elements[reference].whole;
    let signature = ground.signature_range();
    let target = ground.target_range();
    let insert = |at, what: String| ground.with(vec![Edit::insert(at, what)]);
    let copies = |range: &std::ops::Range<usize>, at| {
        let copy = String::from_utf8_lossy(&document[range.clone()]).into_owned();
        insert(at, copy.repeat(MANY))
    };
    let list = "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">\
                <InclusiveNamespaces xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" \
                PrefixList=\"LIST\"/></Transform>";
    let xslt = "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\">\
                <x/></Transform>";
    let with = |text: &str, list: &str| text.replace("DSIG", DSIG).replace("LIST", list);
    let nested = "<a>".repeat(MANY) + &"</a>".repeat(MANY);
    let attributes: String = (0..MANY).map(|n| format!(" a{n}=\"\"")).collect();
    let namespaces: String = (0..MANY).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect();
    let manifold = "<x Id=\"ID\"/>";
    let ids: String = (0..MANY).map(|n| manifold.replace("ID", &format!("i{n}"))).collect();
    let object = |inner: String| format!("<Object xmlns=\"{DSIG}\">{inner}</Object>");
    let in_signature = map.elements[ground.signature].inner.end;
    Some(vec![
        ("many-references", copies(reference, reference.end)?),
        ("many-signatures", copies(signature, signature.end)?),
        ("many-signed-elements-of-one-id", copies(target, target.end)?),
        ("many-ids", insert(target.end, ids)?),
        ("many-transforms", insert(transforms.start, with(list, "").repeat(MANY))?),
        ("many-style-sheets", insert(transforms.start, with(xslt, "").repeat(MANY))?),
        ("long-prefix-list", insert(transforms.start, with(list, &"p ".repeat(MANY)))?),
        ("many-objects", insert(in_signature, object(String::new()).repeat(MANY))?),
        ("deep-nesting", insert(target.end, nested.clone())?),
        ("deep-nesting-in-the-signature", insert(in_signature, object(nested))?),
        ("many-attributes", insert(target.end, format!("<x{attributes}/>"))?),
        ("many-namespaces", insert(target.end, format!("<x{namespaces}/>"))?),
        ("signature-in-signature", {
            let from = format!("<Signature xmlns=\"{DSIG}\"><Object>");
            insert(target.end, from.repeat(MANY) + &"</Object></Signature>".repeat(MANY))?
        }),
        ("long-value", {
            let value = map.children(ground.signature, "SignatureValue").next()?;
            insert(map.elements[value].inner.start, "AAAA".repeat(100 * MANY))?
        }),
    ])
}

/// By every profile and in general: what it took.
fn judged(one: &Prepared, document: &[u8]) -> Result<String> {
    let target = one.targets.first().context("nothing is signed")?;
    // Linux then counts from what is in use now; where it may not, from the highest so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = highest_kib()?;
    let opened = Cell::new(0);
    let verdicts = one.sample.verdicts(target, &|| {
        opened.set(opened.get() + 1);
        Ok(document)
    });
    let judgements = verdicts.len();
    ensure!(judgements > 1, "nothing was judged");
    let passes = opened.get();
    ensure!(passes <= 2 * judgements, "{passes} passes for {judgements} judgements");
    let growth = highest_kib()?.saturating_sub(before);
    ensure!(growth <= MAX_GROWTH_KIB, "{growth} KiB more memory");
    let held = verdicts.iter().filter(|holds| **holds).count();
    Ok(format!(
        "{} octets, {judgements} judgements in {passes} passes, {growth} KiB more; {held} hold",
        document.len()
    ))
}

/// The most memory that the process had since it was told to forget.
fn highest_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.and_then(|figure| figure.parse().ok()).ok_or_else(|| anyhow!("no VmHWM"))
}
