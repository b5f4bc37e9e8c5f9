//! One thing that is signed in one document, the value in it that an attacker wants to forge, and
//! the pieces of which attacks are made.

use std::ops::Range;

use super::map::{Edit, Map, attribute, edited};

/// The namespace of WS-Security's `Id`.
const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// What wraps a piece that is put where nothing of the kind belongs.
const WRAPPER: (&str, &str) = ("<x:Extension xmlns:x=\"urn:example:extension\">", "</x:Extension>");

/// Where an attack happens.
pub(super) struct Ground<'a> {
    pub(super) document: &'a [u8],
    pub(super) map: &'a Map,
    /// The signature.
    pub(super) signature: usize,
    /// The element that it covers.
    pub(super) target: usize,
    /// The octets of the value to forge, and the element or attribute that they belong to.
    pub(super) victim: Victim,
    /// What shall come out instead. No markup in it.
    pub(super) forged: &'a str,
    /// What is done to the identifiers of forged copies.
    pub(super) ids: &'static [Ids],
    /// A signature of the same signer from another document, if there is one.
    pub(super) donor: Option<&'a Donor>,
}

/// The value to forge.
#[derive(Clone)]
pub(super) struct Victim {
    pub(super) octets: Range<usize>,
    pub(super) element: usize,
    /// Namespace and local name, where it is the value of an attribute.
    pub(super) attribute: Option<(String, String)>,
}

/// The pieces of another signature, each with the declarations it needs.
#[derive(Clone)]
pub(super) struct Donor {
    pub(super) signature: Vec<u8>,
    pub(super) signed_info: Vec<u8>,
    pub(super) key_info: Option<Vec<u8>>,
}

impl Donor {
    pub(super) fn of(document: &[u8], map: &Map, signature: usize) -> Option<Self> {
        let piece = |n| with_declarations(document, map, n, Vec::new());
        Some(Self {
            signature: piece(signature)?,
            signed_info: piece(map.children(signature, "SignedInfo").next()?)?,
            key_info: map.children(signature, "KeyInfo").next().and_then(piece),
        })
    }
}

/// An element with what its ancestors declared, and with edits.
fn with_declarations(
    document: &[u8],
    map: &Map,
    n: usize,
    mut edits: Vec<Edit>,
) -> Option<Vec<u8>> {
    let element = &map.elements[n];
    let declared = map.inherited(n).into_iter().map(|(prefix, uri)| match prefix {
        "" => format!(" xmlns=\"{}\"", quoted(uri)),
        prefix => format!(" xmlns:{prefix}=\"{}\"", quoted(uri)),
    });
    edits.push(Edit::insert(element_name_end(document, element), declared.collect::<String>()));
    edited(document, element.whole.clone(), edits)
}

fn quoted(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Behind the name in the start tag.
fn element_name_end(document: &[u8], element: &super::map::Element) -> usize {
    let start = element.whole.start + 1;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
    start + document[start..].iter().position(ends).unwrap_or(0)
}

/// What becomes of the identifiers in the forged copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    Same,
    Other,
    Gone,
    /// The same value under another name.
    Named(&'static str),
}

impl Ids {
    pub(super) const ALL: &'static [Self] = &[
        Self::Same,
        Self::Other,
        Self::Gone,
        Self::Named("ID"),
        Self::Named("id"),
        Self::Named("xml:id"),
        Self::Named("u9:Id"),
    ];
    /// Those that differ most.
    pub(super) const FEW: &'static [Self] = &[Self::Same, Self::Other, Self::Named("ID")];
}

/// Where a piece is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// The last child of the signature.
    Signature,
    /// An `Object`, the last child of the signature.
    Object,
    /// Just before the signature, in an element of its own.
    WrappedBeforeSignature,
    /// Just before the signature.
    BeforeSignature,
    /// Just behind it.
    AfterSignature,
    /// The first child of the root, in an element of its own.
    WrappedFirst,
    /// The last child of the root, in an element of its own.
    WrappedLast,
    /// The last child of the root.
    Last,
    /// Just before the signed element.
    Before,
    /// Just behind the signed element.
    After,
    /// The first child of the signed element.
    FirstChild,
    /// The last child of the signed element.
    LastChild,
}

impl Ground<'_> {
    /// Whether the signature lies in what it signs.
    pub(super) fn enveloped(&self) -> bool {
        self.map.is_in(self.signature, self.target)
    }

    pub(super) fn signature_range(&self) -> &Range<usize> {
        &self.map.elements[self.signature].whole
    }

    pub(super) fn target_range(&self) -> &Range<usize> {
        &self.map.elements[self.target].whole
    }

    /// The whole document with edits.
    pub(super) fn with(&self, edits: Vec<Edit>) -> Option<Vec<u8>> {
        edited(self.document, 0..self.document.len(), edits)
    }

    /// The exchange of the value.
    pub(super) fn forgery(&self) -> Edit {
        Edit::replace(&self.victim.octets, self.forged)
    }

    /// The exchange of the identifiers of the signed element and of those in it; none if that
    /// says nothing new.
    pub(super) fn ids(&self, ids: Ids) -> Option<Vec<Edit>> {
        let mut edits = Vec::new();
        for n in self.map.within(self.target) {
            if self.map.is_in(n, self.signature) && n != self.target {
                continue;
            }
            for own in &self.map.elements[n].tag.attributes {
                if !own.local.eq_ignore_ascii_case("id") {
                    continue;
                }
                let (whole, value) = attribute(self.document, own)?;
                let text = &self.document[value.clone()];
                edits.extend(match ids {
                    Ids::Same => None,
                    Ids::Gone => Some(Edit::remove(&whole)),
                    Ids::Named(name) if n == self.target => {
                        let declared = match name.starts_with("u9:") {
                            true => format!("xmlns:u9=\"{WSU}\" "),
                            false => String::new(),
                        };
                        let text = String::from_utf8_lossy(text);
                        let renamed =
                            format!("{declared}{name}=\"{}\"", text.replace('"', "&quot;"));
                        Some(Edit::replace(&whole, renamed))
                    }
                    Ids::Other | Ids::Named(_) => Some(Edit::insert(value.end, "-2")),
                });
            }
        }
        (ids == Ids::Same || !edits.is_empty()).then_some(edits)
    }

    /// The signed element as it is, to be put elsewhere, with or without the signature in it.
    pub(super) fn original(&self, with_signature: bool) -> Option<Vec<u8>> {
        let drop = self.enveloped() && !with_signature;
        let edits = drop.then(|| Edit::remove(self.signature_range()));
        with_declarations(self.document, self.map, self.target, edits.into_iter().collect())
    }

    /// The signed element forged, to be put elsewhere, with or without the signature in it.
    pub(super) fn evil(&self, ids: Ids, with_signature: bool) -> Option<Vec<u8>> {
        let mut edits = self.ids(ids)?;
        edits.push(self.forgery());
        if self.enveloped() && !with_signature {
            edits.push(Edit::remove(self.signature_range()));
        }
        with_declarations(self.document, self.map, self.target, edits)
    }

    /// The signed element forged, with another namespace for its prefix.
    pub(super) fn evil_of_other_namespace(&self, uri: &str) -> Option<Vec<u8>> {
        let element = &self.map.elements[self.target];
        let prefix = element.tag.prefix.as_str();
        if element.tag.declarations.iter().any(|own| own.prefix == prefix) {
            return None;
        }
        let declared = match prefix {
            "" => format!(" xmlns=\"{uri}\""),
            _ if uri.is_empty() => return None,
            prefix => format!(" xmlns:{prefix}=\"{uri}\""),
        };
        let at = element_name_end(self.document, element);
        let mut edits = self.ids(Ids::Same)?;
        edits.extend([self.forgery(), Edit::insert(at, declared)]);
        if self.enveloped() {
            edits.push(Edit::remove(self.signature_range()));
        }
        edited(self.document, element.whole.clone(), edits)
    }

    /// Puts a piece somewhere; none where there is no such place.
    pub(super) fn put(&self, at: At, piece: &[u8]) -> Option<Edit> {
        let element = |n: usize| &self.map.elements[n];
        let wrapped = || [WRAPPER.0.as_bytes(), piece, WRAPPER.1.as_bytes()].concat();
        let in_root = |n: usize| (n != 0).then_some(n);
        let roomy = |n: usize| element(n).roomy.then(|| &element(n).inner);
        let (signature, target) = (self.signature_range(), self.target_range());
        Some(match at {
            At::Signature => Edit::insert(roomy(self.signature)?.end, piece),
            At::Object => {
                let prefix = &element(self.signature).tag.prefix;
                let name = match prefix.as_str() {
                    "" => "Object".to_owned(),
                    prefix => format!("{prefix}:Object"),
                };
                let open = format!("<{name}>").into_bytes();
                let object = [&open, piece, format!("</{name}>").as_bytes()].concat();
                Edit::insert(roomy(self.signature)?.end, object)
            }
            At::WrappedBeforeSignature if in_root(self.signature).is_some() => {
                Edit::insert(signature.start, wrapped())
            }
            At::BeforeSignature if in_root(self.signature).is_some() => {
                Edit::insert(signature.start, piece)
            }
            At::AfterSignature if in_root(self.signature).is_some() => {
                Edit::insert(signature.end, piece)
            }
            At::WrappedFirst => Edit::insert(roomy(0)?.start, wrapped()),
            At::WrappedLast => Edit::insert(roomy(0)?.end, wrapped()),
            At::Last => Edit::insert(roomy(0)?.end, piece),
            At::Before if in_root(self.target).is_some() => Edit::insert(target.start, piece),
            At::After if in_root(self.target).is_some() => Edit::insert(target.end, piece),
            At::FirstChild => Edit::insert(roomy(self.target)?.start, piece),
            At::LastChild => Edit::insert(roomy(self.target)?.end, piece),
            _ => return None,
        })
    }
}

/// The value to forge in a signed element: that of `wanted` (a local name) where there is one, else
/// the first text that stands alone, else the first attribute that is no identifier. Nothing in a
/// signature inside of it.
pub(super) fn victim(
    document: &[u8],
    map: &Map,
    target: usize,
    wanted: Option<&str>,
) -> Option<Victim> {
    let inner: Vec<usize> =
        map.signatures().filter(|n| *n != target && map.is_in(*n, target)).collect();
    let free = |n: &usize| !inner.iter().any(|signature| map.is_in(*n, *signature));
    let of_text = |n: usize| {
        let element = &map.elements[n];
        let meant = wanted.is_none_or(|local| element.tag.local == local);
        let plain = element.only_text && !element.text.trim().is_empty();
        (meant && plain && element.roomy).then(|| Victim {
            octets: element.inner.clone(),
            element: n,
            attribute: None,
        })
    };
    let of_attribute = |n: usize| {
        let mut own = map.elements[n].tag.attributes.iter();
        let own = own.find(|a| !a.local.to_ascii_lowercase().ends_with("id"))?;
        let (_, octets) = attribute(document, own)?;
        let attribute = Some((own.namespace.clone(), own.local.clone()));
        Some(Victim { octets, element: n, attribute })
    };
    let all = || map.within(target).filter(free);
    all().find_map(of_text).or_else(|| all().find_map(of_attribute))
}
