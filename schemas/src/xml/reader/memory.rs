//! Memory of one reading, kept for the next: most messages are small, and would spend a sixth of
//! their time on asking for it.

use super::super::event::StartTag;
use super::super::namespaces::Namespaces;
use super::super::tag::Spare;
use super::{Reader, USUAL_DEPTH, USUAL_NAME_BYTES};

/// Memory beyond this is not kept. Bytes.
const KEPT_BYTES: usize = 128 * 1024;
/// Longest buffer of text that is kept. Bytes.
const KEPT_TEXT_BYTES: usize = 16 * 1024;
/// Start tags kept: so deep hardly any message is.
const KEPT_TAGS: usize = 32;

/// What a reader needs, and what remains of it: room, but nothing of what was in it. Only what a
/// buffer left behind when it grew and moved is out of reach.
#[derive(Default)]
pub(crate) struct Memory {
    pub(super) buffer: String,
    pub(super) open: Vec<StartTag>,
    pub(super) open_sizes: Vec<usize>,
    pub(super) names: String,
    pub(super) name_starts: Vec<usize>,
    pub(super) namespaces: Namespaces,
    pub(super) text: String,
    pub(super) target: String,
    pub(super) reference: String,
    pub(super) spare: Spare,
}

impl Memory {
    /// Room for most messages.
    pub(super) fn usual() -> Self {
        Self {
            open: Vec::with_capacity(USUAL_DEPTH),
            open_sizes: Vec::with_capacity(USUAL_DEPTH),
            names: String::with_capacity(USUAL_DEPTH * USUAL_NAME_BYTES),
            name_starts: Vec::with_capacity(USUAL_DEPTH),
            ..Self::default()
        }
    }

    /// Forgets what was read. Contents are overwritten, so that those of one message are not found
    /// in memory when another is read; names stand in the schemas, too.
    fn forget(&mut self) {
        for text in [&mut self.buffer, &mut self.text, &mut self.target, &mut self.reference] {
            wipe(text);
        }
        for tag in self.open.iter_mut().skip(KEPT_TAGS) {
            super::super::tag::forget(&mut tag.attributes, &tag.declarations);
        }
        self.open.truncate(KEPT_TAGS);
        self.open_sizes.truncate(KEPT_TAGS);
        self.names.clear();
        self.name_starts.clear();
        self.namespaces.leave(0);
        let mut bytes = self.names.capacity() + self.namespaces.bytes() + self.spare.forget();
        for tag in &mut self.open {
            bytes += tag.prefix.capacity() + tag.local.capacity() + tag.namespace.capacity();
            bytes += super::super::tag::forget(&mut tag.attributes, &tag.declarations);
        }
        if bytes > KEPT_BYTES {
            *self = Self::default();
        }
    }
}

/// Overwrites a text and makes it empty; a long one is given back.
pub(crate) fn wipe(text: &mut String) {
    let mut octets = std::mem::take(text).into_bytes();
    wipe_octets(&mut octets);
    // Nothing is text.
    *text = String::from_utf8(octets).unwrap_or_default();
}

/// The same for octets.
pub(crate) fn wipe_octets(octets: &mut Vec<u8>) {
    octets.clear();
    octets.resize(octets.capacity(), 0);
    // Nor is it left out where nobody reads the memory again.
    std::hint::black_box(octets.as_slice());
    octets.clear();
    if octets.capacity() > KEPT_TEXT_BYTES {
        *octets = Vec::new();
    }
}

impl<R> Reader<R> {
    /// The memory, for the next reader.
    pub(crate) fn into_memory(self) -> Memory {
        let mut memory = Memory {
            buffer: self.source.into_buffer(),
            open: self.open,
            open_sizes: self.open_sizes,
            names: self.names,
            name_starts: self.name_starts,
            namespaces: self.namespaces,
            text: self.text,
            target: self.target,
            reference: self.reference,
            spare: self.spare,
        };
        memory.forget();
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Event, Limits};

    fn read(document: &str, memory: Memory) -> (Vec<String>, Memory) {
        let mut reader = Reader::with(document.as_bytes(), Limits::default(), memory);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    events.push(format!("{event:?}"));
                    if event == Event::EndOfDocument {
                        break;
                    }
                }
                Err(error) => {
                    events.push(format!("{error:?}"));
                    break;
                }
            }
        }
        (events, reader.into_memory())
    }

    #[test]
    fn a_reader_with_used_memory_says_the_same() {
        let deep = |n: usize| format!("{}x{}", "<d a='1'>".repeat(n), "</d>".repeat(n));
        let many: String = (0..200).map(|n| format!(" a{n}='{n}' xmlns:n{n}='urn:{n}'")).collect();
        let documents = [
            "<a xmlns='urn:a' xmlns:p='urn:p' b='1' p:c='2'><p:d/>text &amp; more<!--c--></a>",
            "<a b='1'><c d='&lt;'>",
            "<a xmlns:q='urn:q'><b></a>",
            "<p:a/>",
            "\u{FEFF}<a>ä</a>",
            "<a><?target data?>]]</a>",
            &deep(100),
            &format!("<a{many}><b c='1'/></a>"),
            &format!("<a b='{0}'>{0}</a>", "x".repeat(100_000)),
            "<q:a/>",
        ];
        let mut memory = Memory::usual();
        for _ in 0..2 {
            for document in documents {
                let (expected, _) = read(document, Memory::usual());
                let (events, used) = read(document, memory);
                assert_eq!(events, expected);
                memory = used;
            }
        }
    }

    #[test]
    fn a_long_text_is_given_back() {
        for length in [0, 10, KEPT_TEXT_BYTES, KEPT_TEXT_BYTES + 1, 10 * KEPT_TEXT_BYTES] {
            let mut text = "x".repeat(length);
            wipe(&mut text);
            assert!(text.is_empty() && text.capacity() <= KEPT_TEXT_BYTES, "{length}");
        }
    }

    #[test]
    fn no_content_stays_in_memory_and_not_much_memory() {
        let secret = "CANARY";
        let document = format!(
            "<r x='{secret}1' y='{secret}2'><e z='{secret}long3'/><e z='4'/><e/>{secret}5&amp;\
             <!--{secret}6--><?p {secret}7?>&#65;</r>"
        );
        let (_, mut memory) = read(&document, Memory::usual());
        assert_eq!(memory.open.len(), 2, "there is something to look at");
        let values = memory.open.iter_mut().flat_map(|tag| &mut tag.attributes);
        let mut texts: Vec<&mut String> = values.map(|attribute| &mut attribute.value).collect();
        texts.extend(memory.spare.values());
        assert_eq!(texts.len(), 3);
        texts.extend([&mut memory.buffer, &mut memory.text, &mut memory.target]);
        for text in texts {
            assert!(text.is_empty());
        }
        let (_, memory) = read(&format!("<a b='{0}' c='{0}'/>", "x".repeat(90_000)), memory);
        let kept = memory.open.iter().flat_map(|tag| &tag.attributes);
        assert!(kept.map(|one| one.value.capacity()).sum::<usize>() <= KEPT_TEXT_BYTES);
        assert!(memory.buffer.capacity() <= KEPT_TEXT_BYTES);
    }
}
