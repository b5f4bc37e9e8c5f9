//! The content containers of a message: what stands in them at which place, and the signatures of
//! Authors. What is encrypted is passed over.

use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, StartTag};

use super::{BODY, DSIG, OSCI, XENC};
use crate::signature::SignatureFault;

/// Most content containers in one message, those inside others included.
pub const MAX_CONTAINERS: usize = 256;
/// Most contents of all containers of one message together.
pub const MAX_CONTENTS: usize = 2_048;
/// Most signatures in one container.
pub const MAX_SIGNATURES_EACH: usize = 8;
/// Longest identifier or reference of a content in octets; a longer one is none.
const MAX_NAME_BYTES: usize = 1_024;

/// A container and what a signature in it may refer to.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) node: NodeNumber,
    pub(super) id: Option<String>,
    pub(super) contents: Vec<Content>,
    /// Where its signatures begin.
    pub(super) signatures: Vec<NodeNumber>,
}

/// One `Content` or `EncryptedData` in a container.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) node: NodeNumber,
    pub(super) id: Option<String>,
    /// The attachment that stands for it.
    pub(super) href: Option<String>,
    /// The identifiers of the elements `Base64Content` in it.
    pub(super) base64: Vec<Option<String>>,
    /// There is more in it than that.
    pub(super) other: bool,
}

/// Looks at the containers while the message is read.
#[derive(Default)]
pub(super) struct ContainerScan {
    depth: u32,
    in_body: bool,
    /// `ContentPackage` is open, as the child of the body.
    in_package: bool,
    /// The open containers, outer ones first.
    open: Vec<Open>,
    contents: usize,
    containers: Vec<Container>,
}

struct Open {
    index: usize,
    depth: u32,
    /// `Content` is open, as its child.
    in_content: bool,
}

impl ContainerScan {
    pub(super) fn finish(self) -> Vec<Container> {
        self.containers
    }

    /// The depth of the open container of which this is a signature.
    pub(super) fn open_holder(&self, signature: NodeNumber) -> Option<u32> {
        let open = self.open.last()?;
        let container = self.containers.get(open.index)?;
        container.signatures.contains(&signature).then_some(open.depth)
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        self.depth = tag.depth;
        match tag.depth {
            2 => self.in_body = BODY[0].last().is_some_and(|n| tag.is(n.namespace, n.local)),
            3 => self.in_package = self.in_body && tag.is(OSCI, "ContentPackage"),
            _ if !self.in_package => {}
            4 if tag.is(OSCI, "ContentContainer") => self.container(tag)?,
            _ => self.inside(tag)?,
        }
        Ok(())
    }

    fn container(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        if self.containers.len() == MAX_CONTAINERS {
            let limit = "content containers in a message";
            return Err(SignatureFault::Limit { place: tag.position, limit });
        }
        let index = self.containers.len();
        self.open.push(Open { index, depth: tag.depth, in_content: false });
        let (node, id, contents, signatures) = (tag.node, name(tag, "Id"), Vec::new(), Vec::new());
        self.containers.push(Container { node, id, contents, signatures });
        Ok(())
    }

    fn inside(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let Some(container) = self.containers.get_mut(open.index) else { return Ok(()) };
        let limit = |limit| Err(SignatureFault::Limit { place: tag.position, limit });
        if tag.depth == open.depth + 1 {
            if tag.is(DSIG, "Signature") {
                if container.signatures.len() == MAX_SIGNATURES_EACH {
                    return limit("signatures in a content container");
                }
                container.signatures.push(tag.node);
                return Ok(());
            }
            if self.contents == MAX_CONTENTS {
                return limit("contents in a message");
            }
            self.contents += 1;
            open.in_content = tag.is(OSCI, "Content");
            // Encrypted content may be signed as it is; whatever else stands here may as well.
            let other = tag.is(XENC, "EncryptedData") || !open.in_content;
            let href = if open.in_content { name(tag, "href") } else { None };
            let (node, id) = (tag.node, name(tag, "Id"));
            let content = Content { node, id, href, base64: Vec::new(), other };
            container.contents.push(content);
        } else if tag.depth == open.depth + 2 && open.in_content {
            let Some(content) = container.contents.last_mut() else { return Ok(()) };
            if tag.is(OSCI, "Base64Content") {
                content.base64.push(name(tag, "Id"));
            } else {
                content.other = true;
                if tag.is(OSCI, "ContentContainer") {
                    return self.container(tag);
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let Some(open) = self.open.last() else { return };
        let blank = text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        if self.depth == open.depth + 1
            && open.in_content
            && !blank
            && let Some(container) = self.containers.get_mut(open.index)
            && let Some(content) = container.contents.last_mut()
        {
            content.other = true;
        }
    }

    fn end(&mut self, tag: &StartTag) {
        self.depth = tag.depth.saturating_sub(1);
        if let Some(open) = self.open.last_mut() {
            if tag.depth == open.depth + 1 {
                open.in_content = false;
            } else if tag.depth == open.depth {
                self.open.pop();
            }
        }
        match tag.depth {
            2 => self.in_body = false,
            3 => self.in_package = false,
            _ => {}
        }
    }
}

fn name(tag: &StartTag, attribute: &str) -> Option<String> {
    let value = tag.attribute(attribute)?;
    (value.len() <= MAX_NAME_BYTES).then(|| value.to_owned())
}

impl EventSink for ContainerScan {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        match *event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag, _) => self.end(tag),
            Event::Text(_, text, _) => self.text(text),
            Event::Comment(..) | Event::ProcessingInstruction(..) | Event::EndOfDocument => {}
        }
        Ok(())
    }
}
