//! Signed notes (C2SP signed-note): a text, an empty line, signature lines. Ed25519 only.
//!
//! Signatures of unknown keys are passed over, as C2SP demands, so that witnesses may add theirs;
//! a signature that claims to be ours and is not spoils the note.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;

pub use crate::key::{KeyError, LogKey, MAX_NAME, VerifierKey};

/// Longest note, in octets: sixteen signatures of 5 KB and some text.
pub const MAX_NOTE: usize = 128 * 1024;

/// Most signature lines of a note.
pub const MAX_SIGNATURES: usize = 32;

/// Em dash and space begin every signature line.
const MARK: &str = "\u{2014} ";

/// Why a text is no signed note, or not one of this key.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Over [`MAX_NOTE`] octets or [`MAX_SIGNATURES`] signatures.
    #[error("the note is too long: at most {MAX_NOTE} octets and {MAX_SIGNATURES} signatures")]
    TooLarge,
    /// The text is empty, does not end in a newline, or holds control characters.
    #[error("the text of a note is one or more lines, each ended, without control characters")]
    Text,
    /// No empty line between text and signatures, or no signature after it.
    #[error("the note has no signatures after an empty line")]
    NoSignatures,
    /// A signature line is not `— name base64`.
    #[error("signature line {0} of the note is malformed")]
    SignatureLine(usize),
    /// No signature is by this key.
    #[error("the note bears no signature of the expected key")]
    UnknownKey,
    /// A signature in this key's name is not by it.
    #[error("the signature of the note is false")]
    BadSignature,
    /// OpenSSL failed.
    #[error("the signature could not be made or checked")]
    Crypto(#[from] ErrorStack),
}

/// Signs a text that ends in a newline; returns the whole note.
pub fn sign(text: &str, key: &LogKey) -> Result<String, NoteError> {
    check_text(text)?;
    let mut blob = key.verifier().id().to_vec();
    blob.extend(key.sign(text.as_bytes())?);
    let note = format!("{text}\n{MARK}{} {}\n", key.name(), STANDARD.encode(blob));
    if note.len() > MAX_NOTE { Err(NoteError::TooLarge) } else { Ok(note) }
}

/// Checks a note and returns its text. Every signature in the key's name and id must be good, and
/// there must be one.
pub fn verify<'a>(note: &'a str, key: &VerifierKey) -> Result<&'a str, NoteError> {
    let (text, lines) = split(note)?;
    let mut found = false;
    for (number, line) in lines.enumerate() {
        if number == MAX_SIGNATURES {
            return Err(NoteError::TooLarge);
        }
        let (name, id, signature) =
            signature_line(line).ok_or(NoteError::SignatureLine(number + 1))?;
        if name == key.name() && id == key.id() {
            if !key.verify(text.as_bytes(), &signature)? {
                return Err(NoteError::BadSignature);
            }
            found = true;
        }
    }
    if found { Ok(text) } else { Err(NoteError::UnknownKey) }
}

/// The text of a note whose signatures nobody looked at. Good for finding out which key to ask for,
/// never for believing.
pub fn unverified_text(note: &str) -> Result<&str, NoteError> {
    split(note).map(|(text, _)| text)
}

/// Text and signature lines. The last empty line divides them.
fn split(note: &str) -> Result<(&str, std::str::Split<'_, char>), NoteError> {
    if note.len() > MAX_NOTE {
        return Err(NoteError::TooLarge);
    }
    let gap = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
    let (text, rest) = (&note[..gap + 1], &note[gap + 2..]);
    check_text(text)?;
    let lines = rest.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
    Ok((text, lines.split('\n')))
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let control = |c: char| c < ' ' && c != '\n';
    if text.len() > MAX_NOTE {
        Err(NoteError::TooLarge)
    } else if !text.ends_with('\n') || text.contains(control) {
        Err(NoteError::Text)
    } else {
        Ok(())
    }
}

/// Name, key id and signature of one line.
fn signature_line(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, blob) = line.strip_prefix(MARK)?.split_once(' ')?;
    crate::key::check_name(name).ok()?;
    let octets = STANDARD.decode(blob).ok()?;
    let (id, signature) = octets.split_first_chunk::<4>()?;
    if signature.is_empty() {
        return None;
    }
    Some((name, *id, signature.to_vec()))
}
