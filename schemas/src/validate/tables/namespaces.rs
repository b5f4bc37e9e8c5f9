//! Sets of namespaces, and what attribute wildcards make of them (Structures 3.10.6).

use xsd_schema::SchemaSet;
use xsd_schema::ids::NameId;
use xsd_schema::parser::frames::{ProcessContents, WildcardNamespace, WildcardResult};
use xsd_schema::types::complex as library;

use super::{NamespaceSet, Process, Wildcard};

impl Wildcard {
    /// As a schema document writes it, `target` being that document's namespace.
    pub(super) fn written(set: &SchemaSet, written: &WildcardResult, target: &str) -> Self {
        let text = |id: Option<NameId>| id.map(|id| set.name_table.resolve(id)).unwrap_or_default();
        let namespaces = match &written.namespace {
            WildcardNamespace::Any => NamespaceSet::Any,
            WildcardNamespace::Other => NamespaceSet::not([target.to_owned(), String::new()]),
            WildcardNamespace::TargetNamespace => NamespaceSet::these([target.to_owned()]),
            WildcardNamespace::Local => NamespaceSet::these([String::new()]),
            WildcardNamespace::List(tokens) => {
                use xsd_schema::parser::frames::NamespaceToken::{Local, TargetNamespace, Uri};
                NamespaceSet::these(tokens.iter().map(|token| match token {
                    Uri(id) => text(Some(*id)),
                    Local => String::new(),
                    TargetNamespace => target.to_owned(),
                }))
            }
        };
        let process = match written.process_contents {
            ProcessContents::Strict => Process::Strict,
            ProcessContents::Lax => Process::Lax,
            ProcessContents::Skip => Process::Skip,
        };
        Self { namespaces, process }
    }

    /// Both must admit a name; the first says what becomes of it.
    pub(super) fn intersect(self, other: &Self) -> Self {
        Self { namespaces: self.namespaces.intersect(&other.namespaces), ..self }
    }

    /// One of both must admit a name; the first says what becomes of it.
    pub(super) fn unite(self, other: &Self) -> Self {
        Self { namespaces: self.namespaces.unite(&other.namespaces), ..self }
    }
}

impl From<library::ProcessContents> for Process {
    fn from(process: library::ProcessContents) -> Self {
        match process {
            library::ProcessContents::Strict => Self::Strict,
            library::ProcessContents::Lax => Self::Lax,
            library::ProcessContents::Skip => Self::Skip,
        }
    }
}

impl NamespaceSet {
    pub(super) fn these(names: impl IntoIterator<Item = String>) -> Self {
        Self::These(sorted(names))
    }

    pub(super) fn not(names: impl IntoIterator<Item = String>) -> Self {
        Self::Not(sorted(names))
    }

    fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, set) | (set, Self::Any) => set.clone(),
            (Self::These(a), Self::These(b)) => Self::These(both(a, b)),
            (Self::These(these), Self::Not(not)) | (Self::Not(not), Self::These(these)) => {
                Self::These(without(these, not))
            }
            (Self::Not(a), Self::Not(b)) => Self::Not(either(a, b)),
        }
    }

    fn unite(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::These(a), Self::These(b)) => Self::These(either(a, b)),
            (Self::These(these), Self::Not(not)) | (Self::Not(not), Self::These(these)) => {
                Self::Not(without(not, these))
            }
            (Self::Not(a), Self::Not(b)) => Self::Not(both(a, b)),
        }
    }
}

type Names = Box<[Box<str>]>;

fn sorted(names: impl IntoIterator<Item = String>) -> Names {
    let mut names: Vec<Box<str>> = names.into_iter().map(String::into_boxed_str).collect();
    names.sort();
    names.dedup();
    names.into()
}

fn both(a: &Names, b: &Names) -> Names {
    a.iter().filter(|name| b.contains(name)).cloned().collect()
}

fn without(a: &Names, b: &Names) -> Names {
    a.iter().filter(|name| !b.contains(name)).cloned().collect()
}

fn either(a: &Names, b: &Names) -> Names {
    sorted(a.iter().chain(b.iter()).map(|name| name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(names: &[&str]) -> NamespaceSet {
        NamespaceSet::these(names.iter().map(|name| name.to_string()))
    }

    fn not(names: &[&str]) -> NamespaceSet {
        NamespaceSet::not(names.iter().map(|name| name.to_string()))
    }

    /// Every pair of sets against every name: set theory, not a table of cases.
    #[test]
    fn intersection_and_union_are_what_their_names_say() {
        let all = [
            NamespaceSet::Any,
            these(&[]),
            these(&[""]),
            these(&["a", "b"]),
            these(&["b", "c", ""]),
            not(&[]),
            not(&["a", ""]),
            not(&["b"]),
            not(&["a", "b", "c", ""]),
        ];
        let admits = |namespaces: &NamespaceSet, name: &str| {
            Wildcard { namespaces: namespaces.clone(), process: Process::Lax }.allows(name)
        };
        for a in &all {
            for b in &all {
                let (intersection, union) = (a.intersect(b), a.unite(b));
                for name in ["", "a", "b", "c", "d"] {
                    let (in_a, in_b) = (admits(a, name), admits(b, name));
                    assert_eq!(admits(&intersection, name), in_a && in_b, "{a:?} {b:?} {name}");
                    assert_eq!(admits(&union, name), in_a || in_b, "{a:?} {b:?} {name}");
                }
            }
        }
    }
}
