//! Which keys the database needs: what a change of the master key must not lose.

use std::path::Path;

use amtsbote_domain::wrapping::KeyId;
use amtsbote_store::{OpenError, VerifyError};

use crate::commands::serve::not_opened;
use crate::outcome::Failure;

/// The keys that the database needs, as it was asked; `there` is whether there is one. Where that cannot be known, no master key is
/// changed or removed: it could be the only one that opens them.
pub(super) fn named(
    data: &Path,
    there: bool,
    named: Result<Vec<KeyId>, VerifyError>,
) -> Result<Vec<KeyId>, Failure> {
    let shown = data.display();
    match named {
        Ok(_) if !there => Err(Failure::not_now(
            format!(
                "In {shown} liegt keine Datenbank; welche Schlüssel sie braucht, ist nicht bekannt. \
                 Nichts geändert. Den Ordner der Daten nennen (--data-dir) oder den Knoten zuerst \
                 einmal starten."
            ),
            format!(
                "There is no database in {shown}; which keys it needs is not known. Nothing was \
                 changed. Name the folder of the data (--data-dir), or start the node once before."
            ),
        )),
        Ok(named) => Ok(named),
        Err(VerifyError::Open(OpenError::OlderSchema { .. })) => Err(Failure::not_now(
            format!(
                "Die Datenbank in {shown} stammt von einer älteren Programmversion. Ihre Schlüssel \
                 liegen noch in ihr, unmittelbar unter dem jetzigen Hauptschlüssel; ohne ihn wären \
                 alle Inhalte verloren. Nichts geändert. Den Knoten mit dieser Version einmal \
                 starten (systemctl start amtsbote), anhalten, dann das Kommando wiederholen."
            ),
            format!(
                "The database in {shown} was written by an older version of the program. Its keys \
                 are still in it, right under the present master key; without that all content \
                 would be lost. Nothing was changed. Start the node with this version once \
                 (systemctl start amtsbote), stop it, then repeat the command."
            ),
        )),
        Err(VerifyError::Open(reason)) => Err(not_opened(&reason)),
        Err(VerifyError::Store(reason)) => Err(Failure::not_now(&reason, &reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;
    use amtsbote_domain::text::Language;

    #[test]
    fn a_database_whose_keys_are_not_known_stops_a_rotation() {
        let dir = tempfile::tempdir().expect("a folder");
        let refused = named(dir.path(), false, amtsbote_store::named_keys(dir.path()));
        let refused = refused.expect_err("there is none");
        assert_eq!(refused.exit, Exit::NotNow);
        assert!(refused.text(Language::De).contains("--data-dir"));
        let old = VerifyError::Open(OpenError::OlderSchema { found: 1, known: 2 });
        let refused = named(dir.path(), true, Err(old)).expect_err("it has its own");
        assert_eq!(refused.exit, Exit::NotNow);
        for (language, text) in [
            (Language::De, "einmal starten"),
            (Language::En, "Start the node with this version once"),
        ] {
            assert!(refused.text(language).contains(text), "{refused:?}");
        }
        let torn = VerifyError::Store("torn".to_owned());
        assert!(named(dir.path(), true, Err(torn)).is_err());
    }
}
