//! Transfer encodings undone while the octets come (RFC 2045, 6.7 and 6.8).

use super::headers::TransferEncoding;
use super::limits::MAX_QUOTED_SPACES;
use crate::encryption::base64_text::Base64Text;

/// Octets of encoded text that are decoded at once.
const PIECE: usize = 16 * 1024;

/// What does not follow its encoding.
pub(super) type Wrong = &'static str;

pub(super) enum Decoder {
    Identity,
    Base64(Base64Text),
    QuotedPrintable(QuotedPrintable),
}

impl Decoder {
    pub(super) fn new(encoding: TransferEncoding) -> Self {
        match encoding {
            TransferEncoding::Identity => Self::Identity,
            TransferEncoding::Base64 => Self::Base64(Base64Text::default()),
            TransferEncoding::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
        }
    }

    /// Most octets that should be given at once; none where any number may.
    pub(super) fn piece(&self) -> Option<usize> {
        (!matches!(self, Self::Identity)).then_some(PIECE)
    }

    /// Decodes a piece behind what is in `out`. Not asked where octets travel as they are.
    pub(super) fn text(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
        match self {
            Self::Identity => out.extend_from_slice(text),
            Self::Base64(base64) => base64.text(text, out).map_err(|_| NOT_BASE64)?,
            Self::QuotedPrintable(quoted) => {
                for octet in text {
                    quoted.octet(*octet, out)?;
                }
            }
        }
        Ok(())
    }

    /// The part has ended.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<(), Wrong> {
        match self {
            Self::Identity => Ok(()),
            Self::Base64(base64) => base64.finish(out).map_err(|_| NOT_BASE64),
            Self::QuotedPrintable(quoted) => quoted.finish(),
        }
    }
}

const NOT_BASE64: Wrong = "the part is not Base64";
const NOT_QUOTED: Wrong = "the part is not quoted-printable";

/// Quoted-printable. Line ends stay as they are, whichever they are: a digest counts them.
#[derive(Default)]
pub(super) struct QuotedPrintable {
    state: Quoted,
    /// Spaces and tabs that count only if something else follows in the line (rule 3).
    spaces: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum Quoted {
    #[default]
    Text,
    CarriageReturn,
    Equals,
    Digit(u8),
    /// Behind `=`: padding and a line end that do not count (rule 5).
    SoftBreak,
    SoftCarriageReturn,
}

impl QuotedPrintable {
    fn octet(&mut self, octet: u8, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
        self.state = match (self.state, octet) {
            (Quoted::Text, b' ' | b'\t') => {
                if self.spaces.len() == MAX_QUOTED_SPACES {
                    return Err("more than 998 spaces in a row");
                }
                self.spaces.push(octet);
                Quoted::Text
            }
            (Quoted::Text, b'\r') => Quoted::CarriageReturn,
            (Quoted::CarriageReturn, b'\n') => {
                self.spaces.clear();
                out.extend_from_slice(b"\r\n");
                Quoted::Text
            }
            (Quoted::Text, b'\n') => {
                self.spaces.clear();
                out.push(b'\n');
                Quoted::Text
            }
            (Quoted::Text, b'=') => {
                out.append(&mut self.spaces);
                Quoted::Equals
            }
            (Quoted::Text, b'!'..=b'~') => {
                out.append(&mut self.spaces);
                out.push(octet);
                Quoted::Text
            }
            (Quoted::Equals | Quoted::SoftBreak, b' ' | b'\t') => Quoted::SoftBreak,
            (Quoted::Equals | Quoted::SoftBreak, b'\r') => Quoted::SoftCarriageReturn,
            (Quoted::Equals | Quoted::SoftBreak | Quoted::SoftCarriageReturn, b'\n') => {
                Quoted::Text
            }
            (Quoted::Equals, octet) => Quoted::Digit(digit(octet).ok_or(NOT_QUOTED)?),
            (Quoted::Digit(high), octet) => {
                out.push(high << 4 | digit(octet).ok_or(NOT_QUOTED)?);
                Quoted::Text
            }
            _ => return Err(NOT_QUOTED),
        };
        Ok(())
    }

    fn finish(self) -> Result<(), Wrong> {
        match self.state {
            Quoted::Text => Ok(()),
            // `=` as the last octet of a part is a soft break whose line end the delimiter took.
            Quoted::Equals | Quoted::SoftBreak => Ok(()),
            Quoted::CarriageReturn | Quoted::Digit(_) | Quoted::SoftCarriageReturn => {
                Err(NOT_QUOTED)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Result<Vec<u8>, Wrong> {
        let mut decoder = Decoder::new(TransferEncoding::QuotedPrintable);
        let mut out = Vec::new();
        for octet in text.as_bytes() {
            decoder.text(&[*octet], &mut out)?;
        }
        decoder.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn quoted_printable_is_undone() {
        for (text, wanted) in [
            ("Gr=C3=BC=c3=9fe", "Grüße"),
            ("eins=\r\nzwei = \t\r\ndrei", "einszwei drei"),
            ("a  \t\r\nb \nc ", "a\r\nb\nc"),
            ("a =20\r\n", "a  \r\n"),
            ("a=", "a"),
            ("=0D=0A=3D", "\r\n="),
            ("", ""),
        ] {
            assert_eq!(decoded(text).as_deref(), Ok(wanted.as_bytes()), "{text:?}");
        }
        for wrong in ["=G0", "=0", "=0g", "ü", "a\rb", "a\r", "= x", "=\rx", "\u{1}", "=  0"] {
            assert!(decoded(wrong).is_err(), "{wrong:?}");
        }
        let spaces = " ".repeat(MAX_QUOTED_SPACES);
        assert!(decoded(&format!("{spaces}\n{spaces}x")).is_ok());
        assert!(decoded(&format!("{spaces} x")).is_err());
    }
}
