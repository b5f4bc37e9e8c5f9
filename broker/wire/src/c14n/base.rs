//! What several `xml:base` around an element come to (Canonical XML 1.1, 2.4).

/// Octets of all the values together up to which they are joined. URIs are far shorter.
const MAX_OCTETS: usize = 8 * 1024;

/// The values of an element and of those around it, the innermost first, as one. `None` where
/// nothing is left.
///
/// Values longer than [`MAX_OCTETS`] together are not joined but written one beside the other: that
/// is no URI, so nobody's digest fits, and it costs no more than reading them did.
pub(super) fn joined<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let values: Vec<&str> = values.collect();
    if values.iter().map(|value| value.len()).sum::<usize>() > MAX_OCTETS {
        return Some(values.join(" "));
    }
    let mut values = values.into_iter();
    let innermost = values.next()?.to_owned();
    let joined = values.fold(innermost, |reference, base| join(base, &reference));
    (!joined.is_empty()).then_some(joined)
}

/// RFC 3986, 5.2, as changed by Canonical XML 1.1, 2.4: the base needs no scheme, the fragment of
/// the reference is of no account.
fn join(base: &str, reference: &str) -> String {
    let base = Uri::parse(base);
    let reference = Uri::parse(reference);
    if reference.scheme.is_some() {
        let path = without_dots(reference.path);
        return written(reference.scheme, reference.authority, &path, reference.query);
    }
    if reference.authority.is_some() {
        let path = without_dots(reference.path);
        return written(base.scheme, reference.authority, &path, reference.query);
    }
    if reference.path.is_empty() {
        return written(base.scheme, base.authority, base.path, reference.query.or(base.query));
    }
    let path = if reference.path.starts_with('/') {
        without_dots(reference.path)
    } else {
        without_dots(&(folder(&base) + reference.path))
    };
    written(base.scheme, base.authority, &path, reference.query)
}

/// The path of the base up to its last slash (RFC 3986, 5.2.3). A last segment `..` is a folder.
fn folder(base: &Uri<'_>) -> String {
    match base.path {
        "" if base.authority.is_some() => "/".to_owned(),
        ".." => "../".to_owned(),
        path if path.ends_with("/..") => format!("{path}/"),
        path => path.rfind('/').map_or("", |slash| &path[..=slash]).to_owned(),
    }
}

/// A path without the segments `.` and `..`, but for those `..` at the beginning that lead out of
/// it, with single slashes only (RFC 3986, 5.2.4, as changed).
fn without_dots(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let mut folder = false;
    for segment in path.split('/') {
        folder = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => drop(kept.pop()),
            ".." if absolute => {}
            segment => kept.push(segment),
        }
    }
    let mut written = if absolute { "/".to_owned() } else { String::new() };
    written.push_str(&kept.join("/"));
    if folder && !kept.is_empty() {
        written.push('/');
    }
    written
}

/// The parts of a URI reference but for the fragment (RFC 3986, appendix B).
struct Uri<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Uri<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (text, query) = match text.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (text, None),
        };
        let (scheme, text) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (authority, path) = match text.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, text),
        };
        Self { scheme, authority, path, query }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn written(
    scheme: Option<&str>,
    authority: Option<&str>,
    path: &str,
    query: Option<&str>,
) -> String {
    let mut uri = String::new();
    if let Some(scheme) = scheme {
        uri.push_str(scheme);
        uri.push(':');
    }
    if let Some(authority) = authority {
        uri.push_str("//");
        uri.push_str(authority);
    }
    uri.push_str(path);
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(query);
    }
    uri
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_lose_their_dots() {
        for (path, expected) in [
            ("", ""),
            (".", ""),
            ("./", ""),
            ("..", "../"),
            ("../..", "../../"),
            ("a/..", ""),
            ("a/../", ""),
            ("a/../..", "../"),
            ("../../a/../..", "../../../"),
            ("a/.././/b//c.xml", "b/c.xml"),
            ("a/b//..//.///c", "a/c"),
            ("a/../b/c/..", "b/"),
            ("..a/..b/../c..", "..a/c.."),
            ("/a/b/./../../c", "/c"),
            ("/a/../", "/"),
            ("//a/..", "/"),
            ("/../a", "/a"),
        ] {
            assert_eq!(without_dots(path), expected, "{path:?}");
        }
    }

    #[test]
    fn references_are_joined_with_what_is_around_them() {
        for (base, reference, expected) in [
            ("abc/", "../", ""),
            ("../", "../", "../../"),
            ("..", "..", "../../"),
            ("a/b", "c", "a/c"),
            ("a/b/", "c", "a/b/c"),
            ("a/..", "c", "c"),
            ("", "c", "c"),
            ("a/b", "", "a/b"),
            ("a/b?x", "", "a/b?x"),
            ("a/b?x", "?y", "a/b?y"),
            ("a/b?x", "c#f", "a/c"),
            ("http://h/a/b", "c/../d", "http://h/a/d"),
            ("http://h/a/b", "/c", "http://h/c"),
            ("http://h/a/b", "//i/c", "http://i/c"),
            ("http://h", "c", "http://h/c"),
            ("http://h/a?x#f", "#g", "http://h/a?x"),
            ("http://h/a", "https://i/./b?y", "https://i/b?y"),
            ("//h/a", "b", "//h/b"),
            ("a/b", "1:c", "a/1:c"),
        ] {
            assert_eq!(join(base, reference), expected, "{base:?} and {reference:?}");
        }
    }

    #[test]
    fn the_innermost_comes_last() {
        let outer_first = ["http://h/a/", "b/", "../c/", "d"];
        let joined_all = joined(outer_first.into_iter().rev());
        assert_eq!(joined_all.as_deref(), Some("http://h/a/c/d"));
        assert_eq!(joined(["x/../y"].into_iter()).as_deref(), Some("x/../y"), "one stays as it is");
        assert_eq!(joined(["../", "a/"].into_iter()), None);
        let long = "a/".repeat(MAX_OCTETS / 2);
        assert_eq!(joined(["b", &long].into_iter()), Some(format!("b {long}")));
    }

    proptest! {
        #[test]
        fn any_values_are_joined(values in prop::collection::vec("[ab:/?#.\u{e4}]{0,12}", 0..6)) {
            let _ = joined(values.iter().map(String::as_str));
        }

        #[test]
        fn once_without_dots_is_enough(path in "([ab.]{0,3}/){0,6}[ab.]{0,3}") {
            let once = without_dots(&path);
            prop_assert_eq!(without_dots(&once), once);
        }
    }
}
