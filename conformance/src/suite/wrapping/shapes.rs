//! The published shapes of wrapping, and their variants: which copy stands where.
//!
//! XSW 1 to 8 are those of Somorovsky and others (USENIX Security 2012) as tools number them, carried
//! over from assertions to any signed element; 9 is the same with an extension in between. Each
//! shape comes with every way to treat the identifiers of the forged copy.

use super::ground::{At, Ground, Ids};
use super::map::Edit;

/// A kind of attack.
pub(super) struct Shape {
    pub(super) name: String,
    /// Whether the documents must be well-formed. The others are meant not to be.
    pub(super) well_formed: bool,
    /// Whether a careless verifier is expected to be taken in.
    pub(super) wrapping: bool,
    pub(super) make: Make,
}

/// All documents of one shape for one ground.
pub(super) type Make = Box<dyn Fn(&Ground<'_>) -> Vec<Vec<u8>>>;

/// Moved originals: name, where the original goes, and whether the signature goes with it.
const MOVED: [(&str, At, bool); 22] = [
    ("xsw1-original-in-the-signature", At::Signature, false),
    ("xsw2-original-beside-the-signature", At::BeforeSignature, false),
    ("original-behind-the-signature", At::AfterSignature, false),
    ("xsw3-signed-original-behind", At::After, true),
    ("signed-original-before", At::Before, true),
    ("xsw4-signed-original-inside", At::LastChild, true),
    ("signed-original-inside-first", At::FirstChild, true),
    ("xsw5-original-at-the-end", At::Last, false),
    ("original-behind", At::After, false),
    ("original-before", At::Before, false),
    ("original-inside-first", At::FirstChild, false),
    ("original-inside-last", At::LastChild, false),
    ("xsw8-original-in-an-object", At::Object, false),
    ("xsw9-original-in-an-extension-at-the-end", At::WrappedLast, false),
    ("original-in-an-extension-at-the-beginning", At::WrappedFirst, false),
    ("original-in-an-extension-beside-the-signature", At::WrappedBeforeSignature, false),
    ("signed-original-in-an-extension-at-the-end", At::WrappedLast, true),
    ("signed-original-in-an-extension-at-the-beginning", At::WrappedFirst, true),
    ("signed-original-at-the-end", At::Last, true),
    ("doubly-signed-original-in-an-object", At::Object, true),
    ("doubly-signed-original-in-the-signature", At::Signature, true),
    ("doubly-signed-original-beside-the-signature", At::BeforeSignature, true),
];

/// Forged copies put elsewhere while the original stays: name, where, and whether the copy has a
/// signature of its own.
const ADDED: [(&str, At, bool); 15] = [
    ("xsw7-forgery-in-an-extension-at-the-beginning", At::WrappedFirst, false),
    ("forgery-in-an-extension-at-the-end", At::WrappedLast, false),
    ("forgery-in-an-extension-beside-the-signature", At::WrappedBeforeSignature, false),
    ("xsw6-forgery-in-the-signature", At::Signature, false),
    ("forgery-in-an-object", At::Object, false),
    ("forgery-before", At::Before, false),
    ("forgery-behind", At::After, false),
    ("forgery-at-the-end", At::Last, false),
    ("forgery-beside-the-signature", At::BeforeSignature, false),
    ("forgery-behind-the-signature", At::AfterSignature, false),
    ("forgery-inside-first", At::FirstChild, false),
    ("forgery-inside-last", At::LastChild, false),
    ("forgery-with-the-signature-before", At::Before, true),
    ("forgery-with-the-signature-behind", At::After, true),
    ("forgery-with-the-signature-in-an-object", At::Object, true),
];

/// The shapes of wrapping.
pub(super) fn all() -> Vec<Shape> {
    let shape = |name: &str, make: Make| Shape {
        name: name.to_owned(),
        well_formed: true,
        wrapping: true,
        make,
    };
    let moved = MOVED.into_iter().map(|(name, at, with_signature)| {
        shape(name, Box::new(move |g| each_id(g, |ids| moved(g, at, ids, with_signature))))
    });
    let added = ADDED.into_iter().map(|(name, at, with_signature)| {
        shape(name, Box::new(move |g| each_id(g, |ids| added(g, at, ids, with_signature))))
    });
    moved.chain(added).collect()
}

fn each_id(ground: &Ground<'_>, make: impl Fn(Ids) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
    ground.ids.iter().copied().filter_map(make).collect()
}

/// The forgery at the place of the original, the original elsewhere.
fn moved(ground: &Ground<'_>, at: At, ids: Ids, with_signature: bool) -> Option<Vec<u8>> {
    let original = ground.original(with_signature)?;
    let mut edits = ground.ids(ids)?;
    edits.extend([ground.forgery(), ground.put(at, &original)?]);
    // A signature that went away with the original is no longer at its old place; one inside which
    // the original shall stand must stay.
    let stays = matches!(at, At::Signature | At::Object | At::BeforeSignature);
    if with_signature {
        if !ground.enveloped() {
            return None;
        }
        if !stays {
            edits.push(Edit::remove(ground.signature_range()));
        }
    }
    ground.with(edits)
}

/// The original at its place, the forgery elsewhere.
fn added(ground: &Ground<'_>, at: At, ids: Ids, with_signature: bool) -> Option<Vec<u8>> {
    if with_signature && !ground.enveloped() {
        return None;
    }
    let evil = ground.evil(ids, with_signature)?;
    ground.with(vec![ground.put(at, &evil)?])
}
