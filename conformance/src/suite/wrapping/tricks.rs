//! Attacks on what stands in a signature and in what is signed: comments, entities, names, copies,
//! exchanged pieces. Some change nothing that is signed; then what comes out must be the original.

use super::ground::{At, Ground, Ids};
use super::inside;
use super::map::{Edit, attribute};
use super::remade::{self, KeyInfo};
use super::shapes::{Make, Shape};

/// A namespace that nobody uses.
const OTHER: &str = "urn:example:other";

/// All of them.
pub(super) fn all() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut add = |name: &str, well_formed: bool, make: Make| {
        let name = name.to_owned();
        shapes.push(Shape { name, well_formed, wrapping: false, make });
    };
    add("value-forged", true, one(|g| g.with(vec![g.forgery()])));
    add("namespace-same-prefix-other-name", true, Box::new(|g| other_namespace(g, OTHER)));
    add("namespace-default-undeclared", true, Box::new(|g| other_namespace(g, "")));
    add("comment-in-the-value", true, Box::new(comments));
    add("comment-in-an-id", false, one(comment_in_id));
    add("comment-in-the-signature", true, Box::new(|g| inside::in_signature(g, "<!-- c -->")));
    add("instruction-in-the-signature", true, Box::new(|g| inside::in_signature(g, "<?p i?>")));
    add("cdata", true, Box::new(cdata));
    add("references-to-characters", true, one(character_reference));
    add("entity", false, Box::new(entities));
    add("attributes-in-other-order", true, one(attribute_order));
    add("attribute-twice", false, Box::new(attribute_twice));
    add("signature-copied", true, Box::new(signature_copied));
    add("signature-of-another-document", true, Box::new(signature_transplanted));
    add("signed-info-of-another", true, Box::new(signed_info));
    add("key-info-changed", true, Box::new(inside::key_info));
    add("transforms-widened", true, Box::new(inside::transforms));
    add("references-shortened-or-more", true, Box::new(inside::references));
    add("reference-by-other-means", true, Box::new(inside::uris));
    add("algorithm-downgraded", true, Box::new(inside::downgrades));
    add("value-of-the-signature-cut", true, Box::new(inside::values));
    add("digest-made-anew", true, one(remade::digests));
    for (name, form) in [
        ("signed-by-another", KeyInfo::Own),
        ("signed-by-another-naming-the-signer", KeyInfo::Kept),
        ("signed-by-another-naming-both", KeyInfo::OwnFirst),
        ("signed-by-another-naming-both-the-signer-first", KeyInfo::OwnLast),
        ("signed-by-another-under-the-signers-serial-number", KeyInfo::SerialOfTheSigner),
    ] {
        add(name, true, one(move |g| remade::by_another(g, form)));
    }
    add("hmac-by-the-public-key", true, one(remade::hmac));
    shapes
}

fn one(make: impl Fn(&Ground<'_>) -> Option<Vec<u8>> + 'static) -> Make {
    Box::new(move |ground| make(ground).into_iter().collect())
}

/// The same edits alone and together with the forged value.
pub(super) fn with_and_without(ground: &Ground<'_>, edits: Vec<Edit>) -> Vec<Vec<u8>> {
    let mut forged = edits.clone();
    forged.push(ground.forgery());
    [ground.with(edits), ground.with(forged)].into_iter().flatten().collect()
}

fn other_namespace(ground: &Ground<'_>, uri: &str) -> Vec<Vec<u8>> {
    let Some(evil) = ground.evil_of_other_namespace(uri) else { return Vec::new() };
    let mut made: Vec<_> = [At::Before, At::After, At::WrappedFirst, At::Last]
        .into_iter()
        .filter_map(|at| ground.with(vec![ground.put(at, &evil)?]))
        .collect();
    // The signed one goes away, the other stands in its place.
    let original = ground.original(false);
    made.extend(original.and_then(|original| {
        let edits = vec![
            Edit::replace(ground.target_range(), evil),
            ground.put(At::WrappedLast, &original)?,
        ];
        ground.with(edits)
    }));
    made
}

fn comments(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    if ground.victim.attribute.is_some() {
        return Vec::new();
    }
    let octets = &ground.victim.octets;
    let old = String::from_utf8_lossy(&ground.document[octets.clone()]).into_owned();
    let forged = ground.forged;
    [
        format!("<!-- c -->{old}"),
        format!("{old}<!-- {forged} -->"),
        format!("{forged}<!-- {old} -->"),
        format!("<!-- {old} -->{forged}"),
        format!("{old}<!---->{forged}"),
        format!("{old}<?p {forged}?>"),
        format!("{forged}<?p i?>{old}"),
    ]
    .into_iter()
    .filter_map(|text| ground.with(vec![Edit::replace(octets, text)]))
    .collect()
}

fn comment_in_id(ground: &Ground<'_>) -> Option<Vec<u8>> {
    let tag = &ground.map.elements[ground.target].tag;
    let own = tag.attributes.iter().find(|a| a.local.eq_ignore_ascii_case("id"))?;
    let (_, value) = attribute(ground.document, own)?;
    ground.with(vec![Edit::insert(value.end, "<!-- c -->"), ground.forgery()])
}

fn cdata(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let octets = &ground.victim.octets;
    let old = String::from_utf8_lossy(&ground.document[octets.clone()]).into_owned();
    if ground.victim.attribute.is_some() || old.contains(['&', '<', ']', '\r']) {
        return Vec::new();
    }
    let half = old.char_indices().nth(old.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, last) = old.split_at(half);
    let forged = ground.forged;
    [
        format!("<![CDATA[{old}]]>"),
        format!("<![CDATA[{first}]]>{last}"),
        format!("<![CDATA[{first}]]><![CDATA[{last}]]>"),
        format!("{old}<![CDATA[]]>"),
        format!("<![CDATA[{forged}]]>"),
        format!("{forged}<![CDATA[]]>"),
        format!("{old}<![CDATA[<x>{forged}</x>]]>"),
    ]
    .into_iter()
    .filter_map(|text| ground.with(vec![Edit::replace(octets, text)]))
    .collect()
}

fn character_reference(ground: &Ground<'_>) -> Option<Vec<u8>> {
    let octets = &ground.victim.octets;
    let old = std::str::from_utf8(&ground.document[octets.clone()]).ok()?;
    let first = old.chars().next().filter(|c| c.is_alphanumeric())?;
    let new = format!("&#x{:x};{}", u32::from(first), &old[first.len_utf8()..]);
    ground.with(vec![Edit::replace(octets, new)])
}

fn entities(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let root = &ground.map.elements[0];
    let name = match root.tag.prefix.as_str() {
        "" => root.tag.local.clone(),
        prefix => format!("{prefix}:{}", root.tag.local),
    };
    let forged = ground.forged;
    let dtd = |inner: &str| Edit::insert(root.whole.start, format!("<!DOCTYPE {name}{inner}>"));
    let value = |text: &str| Edit::replace(&ground.victim.octets, text);
    let evil = ground.evil(Ids::Named("ID"), false);
    let with_ids = evil.and_then(|evil| {
        let ids = dtd(" [<!ATTLIST x ID ID #IMPLIED>]");
        ground.with(vec![ids, ground.put(At::WrappedFirst, &evil)?])
    });
    [
        ground.with(vec![dtd(&format!(" [<!ENTITY e \"{forged}\">]")), value("&e;")]),
        ground.with(vec![dtd(" [<!ENTITY e SYSTEM \"file:///etc/hostname\">]"), value("&e;")]),
        ground.with(vec![dtd(""), ground.forgery()]),
        ground.with(vec![value("&e;")]),
        with_ids,
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn attribute_order(ground: &Ground<'_>) -> Option<Vec<u8>> {
    let with_two = ground.map.within(ground.target).find(|n| {
        ground.map.elements[*n].tag.attributes.len() >= 2 && !ground.map.is_in(*n, ground.signature)
    })?;
    let own = &ground.map.elements[with_two].tag.attributes;
    let place = |n: usize| attribute(ground.document, &own[n]).map(|(whole, _)| whole);
    let (first, second) = (place(0)?, place(1)?);
    let octets = |range: &std::ops::Range<usize>| ground.document[range.clone()].to_vec();
    let edits =
        vec![Edit::replace(&first, octets(&second)), Edit::replace(&second, octets(&first))];
    ground.with(edits)
}

fn attribute_twice(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let tag = &ground.map.elements[ground.target].tag;
    let Some(own) = tag.attributes.first() else { return Vec::new() };
    let Some((whole, _)) = attribute(ground.document, own) else { return Vec::new() };
    let again = String::from_utf8_lossy(&ground.document[whole.clone()]).into_owned();
    let two = "xmlns:p7=\"urn:example:7\" xmlns:q7=\"urn:example:7\" p7:Id=\"a\" q7:Id=\"b\"";
    [format!("{again} "), format!("{two} ")]
        .into_iter()
        .filter_map(|more| ground.with(vec![Edit::insert(whole.start, more), ground.forgery()]))
        .collect()
}

fn signature_copied(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let range = ground.signature_range().clone();
    let copy = ground.document[range].to_vec();
    let places = [
        At::BeforeSignature,
        At::AfterSignature,
        At::WrappedBeforeSignature,
        At::Object,
        At::WrappedFirst,
        At::WrappedLast,
        At::Last,
    ];
    places
        .into_iter()
        .filter_map(|at| ground.put(at, &copy))
        .flat_map(|edit| with_and_without(ground, vec![edit]))
        .collect()
}

fn signature_transplanted(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let Some(donor) = ground.donor else { return Vec::new() };
    let instead = Edit::replace(ground.signature_range(), donor.signature.clone());
    let mut made = with_and_without_apart(ground, vec![instead]);
    let beside = ground.put(At::AfterSignature, &donor.signature);
    made.extend(beside.into_iter().flat_map(|edit| with_and_without(ground, vec![edit])));
    made
}

/// Like [`with_and_without`], where the value may lie in what is exchanged.
fn with_and_without_apart(ground: &Ground<'_>, edits: Vec<Edit>) -> Vec<Vec<u8>> {
    let inside = |range: &std::ops::Range<usize>| {
        range.start <= ground.victim.octets.start && ground.victim.octets.end <= range.end
    };
    if edits.iter().any(|Edit(range, _)| inside(range)) {
        return ground.with(edits).into_iter().collect();
    }
    with_and_without(ground, edits)
}

fn signed_info(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let own = ground.map.children(ground.signature, "SignedInfo").next();
    let (Some(donor), Some(own)) = (ground.donor, own) else { return Vec::new() };
    let own = &ground.map.elements[own].whole;
    let other = || donor.signed_info.clone();
    [Edit::replace(own, other()), Edit::insert(own.start, other()), Edit::insert(own.end, other())]
        .into_iter()
        .flat_map(|edit| with_and_without(ground, vec![edit]))
        .collect()
}
