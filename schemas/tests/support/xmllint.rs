//! libxml2 as a judge: its program `xmllint`, many messages per process.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What libxml2 says of one message.
#[derive(Clone, Debug)]
pub(crate) struct Opinion {
    /// Whether the message is valid.
    pub(crate) valid: bool,
    /// What is wrong, a text for each mistake.
    pub(crate) errors: Vec<String>,
}

/// Asks about files, all against one schema. None for a file that it gives no verdict on.
pub(crate) fn ask(
    schema: &Path,
    catalog: Option<&Path>,
    files: &[PathBuf],
) -> Vec<Option<Opinion>> {
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .args(files)
        // Without a catalog it would look for the system's own.
        .env("XML_CATALOG_FILES", catalog.map_or_else(OsString::new, Into::into))
        .output()
        .expect("xmllint is missing: install the Debian package libxml2-utils");
    let said = String::from_utf8_lossy(&output.stderr);
    let names: HashMap<String, usize> =
        files.iter().enumerate().map(|(n, file)| (file.display().to_string(), n)).collect();
    let mut verdicts = vec![None; files.len()];
    let mut errors = vec![Vec::<String>::new(); files.len()];
    let mut current = None;
    for line in said.lines() {
        // Verdicts are `FILE validates`, `FILE fails to validate`; mistakes `FILE:LINE: TEXT`.
        let verdict = line.split_once(' ').and_then(|(file, word)| Some((*names.get(file)?, word)));
        if let Some((n, word)) = verdict {
            verdicts[n] = match word {
                "validates" => Some(true),
                "fails to validate" => Some(false),
                _ => None,
            };
            current = None;
            continue;
        }
        let mistake = line.split_once(": ").and_then(|(place, text)| {
            let (file, _) = place.rsplit_once(':')?;
            Some((*names.get(file)?, text))
        });
        match (mistake, current) {
            (Some((n, text)), _) => {
                errors[n].push(text.to_owned());
                current = Some(n);
            }
            // A value with line ends goes on here.
            (None, Some(n)) => {
                if let Some(last) = errors[n].last_mut() {
                    last.push('\n');
                    last.push_str(line);
                }
            }
            (None, None) => {}
        }
    }
    let opinions = verdicts.into_iter().zip(errors);
    opinions.map(|(valid, errors)| valid.map(|valid| Opinion { valid, errors })).collect()
}
