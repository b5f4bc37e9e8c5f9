//! Heads of a log (C2SP tlog-checkpoint): origin, size and root as the text of a signed note.

use crate::hash::{Hash, NotAHash};
use crate::note::{self, LogKey, NoteError, VerifierKey};
use crate::tree::MAX_SIZE;

/// The head of a log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: see [`crate::origin`]. Also the name of the key that signs.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// Why a text is no head of this log.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The signed note around it is bad.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not three lines.
    #[error("a head has three lines: origin, size, root")]
    Lines,
    /// The origin is no name of a key.
    #[error("the origin of the head is not a name of a log")]
    Origin,
    /// The size is no plain decimal number, or over [`MAX_SIZE`].
    #[error("the size of the head is not a decimal number up to {MAX_SIZE}")]
    Size,
    /// The root is no hash.
    #[error("the root of the head: {0}")]
    Root(#[from] NotAHash),
    /// The key belongs to another log than the head names.
    #[error("the head names another log than the key")]
    OtherLog,
}

impl Checkpoint {
    /// The three lines that are signed.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads the three lines. Extension lines, which C2SP allows and discourages, are refused: ours
    /// never writes any, and what nobody understands should not be signed for.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        crate::key::check_name(origin).map_err(|_| CheckpointError::Origin)?;
        Ok(Self { origin: origin.to_owned(), size: parse_size(size)?, root: Hash::parse(root)? })
    }

    /// Reads a head whose signature nobody looked at: to find out which key to ask for.
    pub fn unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::parse(note::unverified_text(note)?)
    }
}

/// Signs a head with the key of its log; returns the note to release.
pub fn sign(checkpoint: &Checkpoint, key: &LogKey) -> Result<String, CheckpointError> {
    if checkpoint.origin != key.name() {
        return Err(CheckpointError::OtherLog);
    }
    if checkpoint.size > MAX_SIZE {
        return Err(CheckpointError::Size);
    }
    Ok(note::sign(&checkpoint.to_text(), key)?)
}

/// Checks a released head: the signature, the form, and that key and origin belong together.
pub fn verify(note: &str, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
    let checkpoint = Checkpoint::parse(note::verify(note, key)?)?;
    if checkpoint.origin != key.name() {
        return Err(CheckpointError::OtherLog);
    }
    Ok(checkpoint)
}

fn parse_size(text: &str) -> Result<u64, CheckpointError> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let size = text.parse().ok().filter(|&size| plain && size <= MAX_SIZE);
    size.ok_or(CheckpointError::Size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(size: u64) -> Checkpoint {
        Checkpoint { origin: "amtsbote/hub/1".into(), size, root: Hash([7; 32]) }
    }

    #[test]
    fn signed_and_verified() {
        let key = LogKey::generate("amtsbote/hub/1").expect("key");
        let note = sign(&head(42), &key).expect("signed");
        assert_eq!(verify(&note, key.verifier()).expect("verified"), head(42));
        assert_eq!(Checkpoint::unverified(&note).expect("read"), head(42));
    }

    #[test]
    fn a_key_signs_and_vouches_for_its_own_log_only() {
        let key = LogKey::generate("amtsbote/hub/2").expect("key");
        assert!(matches!(sign(&head(1), &key), Err(CheckpointError::OtherLog)));
        let note = note::sign(&head(1).to_text(), &key).expect("a note about another log");
        assert!(matches!(verify(&note, key.verifier()), Err(CheckpointError::OtherLog)));
    }

    #[test]
    fn the_published_form_is_read() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let head = Checkpoint::parse(text).expect("example of C2SP");
        assert_eq!((head.size, head.to_text().as_str()), (20_852_163, text));
    }

    #[test]
    fn malformed_heads_are_refused() {
        let root = Hash([0; 32]).to_string();
        for size in ["", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "9007199254740992", "٣"] {
            let text = format!("log\n{size}\n{root}\n");
            assert!(matches!(Checkpoint::parse(&text), Err(CheckpointError::Size)), "{size:?}");
        }
        for text in [
            "".to_owned(),
            "\n".into(),
            "log\n1\n".into(),
            format!("log\n1\n{root}"),
            format!("log\n1\n{root}\nextension\n"),
            format!("log\n1\n{root}\n\n"),
            format!("\n1\n{root}\n"),
            format!("a log\n1\n{root}\n"),
            format!("log\r\n1\n{root}\n"),
            format!("log\n1\n{root} \n"),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(?s).{0,200}") {
            let _ = Checkpoint::parse(&text);
            let _ = Checkpoint::unverified(&text);
        }

        #[test]
        fn what_is_read_is_written_the_same(size in 0..=MAX_SIZE, root: [u8; 32]) {
            let head = Checkpoint { origin: "l".into(), size, root: Hash(root) };
            prop_assert_eq!(Checkpoint::parse(&head.to_text()).expect("ours"), head);
        }
    }
}
