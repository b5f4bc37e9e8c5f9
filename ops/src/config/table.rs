//! Tables of a configuration file: read whole or refused with file, line and the nearest name.

use std::fmt::Display;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::outcome::Failure;

/// The keys of a table, and the tables below them.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Name, and the shape of the table or of the array of tables under it.
    pub(crate) keys: &'static [(&'static str, Option<&'static Shape>)],
}

/// A table that knows its keys.
pub(crate) trait Table: DeserializeOwned {
    /// They.
    const SHAPE: Shape;
}

/// Defines a table once, for serde and for the search for the nearest name. `=> Child` after a
/// type names the table that lies under the key.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$field_meta:meta])* $field:ident : $type:ty $(=> $child:ident)?,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        impl $crate::config::table::Table for $name {
            const SHAPE: $crate::config::table::Shape = $crate::config::table::Shape {
                keys: &[$((
                    stringify!($field),
                    $crate::config::table::table!(@child $($child)?),
                ),)*],
            };
        }
    };
    (@child) => { None };
    (@child $child:ident) => {
        Some(&<$child as $crate::config::table::Table>::SHAPE)
    };
}
pub(crate) use table;

/// Largest configuration file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A configuration file as it was read: what errors point into.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Reads a file of at most 16 MiB.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let too_large = fs::metadata(path).is_ok_and(|data| data.len() > MAX_BYTES);
        if too_large {
            return Err(Failure::usage(
                format!("{shown}: größer als 16 MiB"),
                format!("{shown}: larger than 16 MiB"),
            ));
        }
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::usage(
                format!("{shown}: nicht lesbar: {error}"),
                format!("{shown}: cannot be read: {error}"),
            )
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The same file as if it had another text.
    pub(crate) fn with_text(&self, text: String) -> Self {
        Self { path: self.path.clone(), text }
    }

    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Self {
        Self { path: PathBuf::from("test.toml"), text: text.to_owned() }
    }

    /// The text as it was read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The folder that relative paths in the file start from.
    pub(crate) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name without its folder.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// A path of the file, from the file's folder.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.folder().join(path)
    }

    /// The line, from 1, of a place in the file.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        1 + self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
    }

    /// Wrong use, at a place in the file.
    pub(crate) fn wrong(&self, span: &Range<usize>, de: impl Display, en: impl Display) -> Failure {
        let (path, line) = (self.path.display(), self.line(span));
        Failure::usage(format!("{path}, Zeile {line}: {de}"), format!("{path}, line {line}: {en}"))
    }

    /// Reads it as a table; unknown keys are refused with the nearest known name.
    pub(crate) fn parse<T: Table>(&self) -> Result<T, Failure> {
        self.check(&T::SHAPE)?;
        toml::from_str(&self.text).map_err(|error| self.syntax(&error))
    }

    /// Refuses unknown keys and nothing else: for a table that another package reads.
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Failure> {
        let document = DeTable::parse(&self.text).map_err(|error| self.syntax(&error))?;
        self.known_keys(document.get_ref(), shape)
    }

    fn syntax(&self, error: &toml::de::Error) -> Failure {
        self.wrong(&error.span().unwrap_or_default(), error.message(), error.message())
    }

    fn known_keys(&self, table: &DeTable<'_>, shape: &Shape) -> Result<(), Failure> {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let Some((_, child)) = shape.keys.iter().find(|(known, _)| *known == name) else {
                return Err(self.unknown_key(&key.span(), name, shape));
            };
            let Some(child) = child else { continue };
            match value.get_ref() {
                DeValue::Table(inner) => self.known_keys(inner, child)?,
                DeValue::Array(items) => {
                    for item in items.iter().filter_map(|item| item.get_ref().as_table()) {
                        self.known_keys(item, child)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn unknown_key(&self, span: &Range<usize>, name: &str, shape: &Shape) -> Failure {
        let known = shape.keys.iter().map(|(known, _)| *known);
        match nearest(name, known.clone()) {
            Some(near) => self.wrong(
                span,
                format!("unbekannter Schlüssel \"{name}\"; gemeint ist vielleicht \"{near}\""),
                format!("unknown key \"{name}\"; did you mean \"{near}\"?"),
            ),
            None => {
                let known = known.collect::<Vec<_>>().join(", ");
                self.wrong(
                    span,
                    format!("unbekannter Schlüssel \"{name}\"; bekannt sind: {known}"),
                    format!("unknown key \"{name}\"; known are: {known}"),
                )
            }
        }
    }
}

/// The known name nearest to `name`, unless all are far away.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known)).min()?;
    let longest = name.chars().count().max(near.1.chars().count());
    (near.0 <= (longest / 3).max(1)).then_some(near.1)
}

/// How many characters must be put in, left out, changed or swapped with their neighbour
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().take(100).collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;
    use amtsbote_domain::text::Language;

    table! {
        Inner { depth: u32, }
    }
    table! {
        Outer { name: String, inner: Vec<Inner> => Inner, }
    }

    fn refused(text: &str) -> Failure {
        let failure = Source::from_text(text).parse::<Outer>().expect_err("it is wrong");
        assert_eq!(failure.exit, Exit::Usage);
        failure
    }

    #[test]
    fn a_right_file_is_read() {
        let text = "name = \"a\"\n[[inner]]\ndepth = 1\n[[inner]]\ndepth = 2\n";
        let outer: Outer = Source::from_text(text).parse().expect("it is right");
        assert_eq!((outer.name.as_str(), outer.inner[1].depth), ("a", 2));
    }

    #[test]
    fn an_unknown_key_is_refused_with_line_and_nearest_name() {
        let failure = refused("name = \"a\"\n\n[[inner]]\ndpeth = 1\n");
        assert_eq!(
            failure.text(Language::En),
            "test.toml, line 4: unknown key \"dpeth\"; did you mean \"depth\"?"
        );
        assert_eq!(
            failure.text(Language::De),
            "test.toml, Zeile 4: unbekannter Schlüssel \"dpeth\"; gemeint ist vielleicht \"depth\""
        );
        let far = refused("name = \"a\"\nquite_other = 1\n");
        assert!(far.text(Language::En).ends_with("known are: name, inner"), "{far:?}");
    }

    #[test]
    fn wrong_syntax_and_wrong_types_name_the_line() {
        for (text, line) in
            [("name = \"a\"\ninner = [\n", "line"), ("\nname = 1\ninner = []\n", "line 2")]
        {
            let failure = refused(text);
            assert!(failure.text(Language::En).contains(line), "{failure:?}");
        }
    }

    #[test]
    fn nearness_has_a_limit() {
        let known = ["listen", "limits", "name"];
        assert_eq!(nearest("lisen", known.into_iter()), Some("listen"));
        assert_eq!(nearest("limit", known.into_iter()), Some("limits"));
        assert_eq!(nearest("Name", known.into_iter()), Some("name"));
        assert_eq!(nearest("zzzz", known.into_iter()), None);
        assert_eq!(nearest("", [].into_iter()), None);
    }
}
