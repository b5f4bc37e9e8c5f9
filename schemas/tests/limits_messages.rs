//! What a message may cost: each limit is met by a message that reaches it and by one that goes
//! beyond, and memory stays small whatever comes. All limits: `docs/limits.md`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufReader, Read};

use amtsbote_schemas::validate::{Checked, MAX_FINDINGS, Schemas, Verdict};
use amtsbote_schemas::xml::{Limits, Reader};

const XS: &str = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";
const XSI: &str = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";

fn schemas(body: &str) -> Schemas {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.xsd");
    fs::write(&file, format!("<xs:schema {XS}>{body}</xs:schema>")).expect("written");
    Schemas::load_single(&file, None).expect("compiles")
}

/// A root with this content.
fn content(model: &str) -> Schemas {
    let schemas = schemas(&format!(
        "<xs:element name='r'><xs:complexType>{model}</xs:complexType></xs:element>"
    ));
    assert_eq!(schemas.facts().by_library, None);
    schemas
}

fn check(schemas: &Schemas, message: impl Read) -> Checked {
    schemas.check(BufReader::new(message), &Limits::default(), &|| false)
}

#[track_caller]
fn answers(schemas: &Schemas, message: &str, expected: Result<(), &str>) {
    let checked = check(schemas, message.as_bytes());
    let found = match checked.verdict {
        Verdict::Valid => Ok(()),
        _ => Err(checked.findings[0].code),
    };
    assert_eq!(found, expected, "{} bytes", message.len());
    for finding in &checked.findings {
        let longest = finding.path.len().max(finding.message_de.len());
        assert!(longest < 4_000, "a finding of {longest} bytes");
    }
}

/// A document that is never whole in memory: what stands before, a piece again and again, the rest.
fn repeated(before: &str, piece: &str, count: u64, after: &str) -> impl Read + use<> {
    struct Again(Vec<u8>, u64, usize);
    impl Read for Again {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.1 == 0 {
                return Ok(0);
            }
            let read = (&self.0[self.2..]).read(into)?;
            self.2 += read;
            if self.2 == self.0.len() {
                (self.1, self.2) = (self.1 - 1, 0);
            }
            Ok(read)
        }
    }
    let middle = Again(piece.as_bytes().to_vec(), count, 0);
    io::Cursor::new(before.to_owned()).chain(middle).chain(io::Cursor::new(after.to_owned()))
}

/// The code of the error that reading ends with.
fn read(input: impl Read, limits: &Limits) -> Option<&'static str> {
    let mut reader = Reader::new(BufReader::with_capacity(1 << 16, input), limits.clone());
    loop {
        match reader.next() {
            Ok(amtsbote_schemas::xml::Event::EndOfDocument) => return None,
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_limit(), "{error}");
                return Some(error.code());
            }
        }
    }
}

#[test]
fn the_limits_of_the_reader_as_they_are_set() {
    let limits = Limits::default();
    let text = |document: String, code: Option<&str>| {
        assert_eq!(read(document.as_bytes(), &limits), code, "{} bytes", document.len());
    };
    let depth = limits.depth as usize;
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    text(nested(depth), None);
    text(nested(depth + 1), Some("limit-depth"));
    let many = |what: &str, count: usize| {
        let mut tag = String::from("<a");
        (0..count).for_each(|n| write!(tag, " {what}{n}='u'").expect("written"));
        tag + "/>"
    };
    text(many("b", limits.attributes), None);
    text(many("b", limits.attributes + 1), Some("limit-attributes"));
    text(many("xmlns:b", limits.declarations), None);
    text(many("xmlns:b", limits.declarations + 1), Some("limit-declarations"));
    for (open, close) in [("<", "/>"), ("<a ", "=''/>"), ("<?", "?><a/>"), ("<a xmlns:", "='u'/>")]
    {
        let over = if open.contains("xmlns:") { limits.name_bytes - 6 } else { limits.name_bytes };
        text(format!("{open}{}{close}", "n".repeat(over)), None);
        text(format!("{open}{}{close}", "n".repeat(over + 1)), Some("limit-name-bytes"));
    }
    // Prefix and colon belong to the name.
    let half = "p".repeat(limits.name_bytes / 2 - 6);
    let rest = "q".repeat(limits.name_bytes - half.len() - 1);
    text(format!("<{half}:{rest} xmlns:{half}='u'/>"), None);
    text(format!("<{half}:{rest}q xmlns:{half}='u'/>"), Some("limit-name-bytes"));
}

#[test]
fn long_tokens_and_long_documents() {
    // Smaller than they are set, for the time that reading takes without optimisation.
    let limits = Limits { token_bytes: 1 << 20, open_tag_bytes: 1 << 20, ..Limits::default() };
    let piece = "x".repeat(1 << 16);
    for (before, after) in [("<a b='", "'/>"), ("<!--", "--><a/>"), ("<a><![CDATA[", "]]></a>")] {
        let outside = before.len() + after.find('>').expect("an end") + 1;
        let outside = outside - if before.starts_with("<a>") { 3 } else { 0 };
        let full = (limits.token_bytes - outside) as u64;
        for (more, code) in [(0, None), (1, Some("limit-token-bytes"))] {
            let tail = "x".repeat((full % (1 << 16)) as usize + more) + after;
            let document = repeated(before, &piece, full >> 16, &tail);
            assert_eq!(read(document, &limits), code, "{before} and {more} more");
        }
    }
    // Tags of 64 KiB, opened within each other.
    let open = format!("<a b='{}'>", "x".repeat((1 << 16) - 9));
    let count = limits.open_tag_bytes as u64 >> 16;
    let all = |count: u64| repeated("", &open, count, &"</a>".repeat(count as usize));
    assert_eq!(read(all(count), &limits), None);
    assert_eq!(read(all(count + 1), &limits), Some("limit-open-tag-bytes"));
    let small = Limits { document_bytes: 2 << 20, ..limits };
    let document = |more: &str| {
        repeated("<a>", &piece, (2 << 4) - 1, &("x".repeat((1 << 16) - 7) + "</a>" + more))
    };
    assert_eq!(read(document(""), &small), None);
    assert_eq!(read(document("\n"), &small), Some("limit-document-bytes"));
    let nodes = Limits { nodes: 100_000, ..Limits::default() };
    assert_eq!(read(repeated("<a>", "<b/>", 99_999, "</a>"), &nodes), None);
    assert_eq!(read(repeated("<a>", "<b/>", 100_000, "</a>"), &nodes), Some("limit-nodes"));
}

#[test]
fn entities_are_never_declared_and_so_never_expand() {
    let any = content("<xs:sequence><xs:any minOccurs='0' processContents='skip'/></xs:sequence>");
    let mut laughs = String::from("<!DOCTYPE r [<!ENTITY a0 'ha'>");
    for n in 1..30 {
        let before = format!("&a{};", n - 1).repeat(10);
        write!(laughs, "<!ENTITY a{n} '{before}'>").expect("written");
    }
    answers(&any, &format!("{laughs}]><r>&a29;</r>"), Err("dtd"));
    answers(&any, "<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r/>", Err("dtd"));
    answers(&any, "<!DOCTYPE r [<!ENTITY % p SYSTEM 'http://localhost:9/'>%p;]><r/>", Err("dtd"));
    answers(&any, "<!DOCTYPE r [<!ATTLIST r a CDATA 'x'>]><r/>", Err("dtd"));
    answers(&any, "<r>&a;</r>", Err("undefined-entity"));
}

#[test]
fn counters_count_to_a_hundred_thousand() {
    let rows = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count));
    let a = "<xs:element name='a' ";
    let upper = content(&format!("<xs:sequence>{a} maxOccurs='100000'/></xs:sequence>"));
    answers(&upper, &rows(100_000), Ok(()));
    answers(&upper, &rows(100_001), Err("element-not-allowed"));
    let lower = content(&format!(
        "<xs:sequence>{a} minOccurs='100000' maxOccurs='unbounded'/></xs:sequence>"
    ));
    answers(&lower, &rows(99_999), Err("content-incomplete"));
    answers(&lower, &rows(100_000), Ok(()));
    // Numbers that no machine counts to cost nothing, and are no error.
    for most in ["4294967295", "4294967296", "99999999999999999999999"] {
        let huge = content(&format!("<xs:sequence>{a} maxOccurs='{most}'/></xs:sequence>"));
        answers(&huge, &rows(1_000), Ok(()));
    }
    let never = content(&format!(
        "<xs:sequence>{a} minOccurs='1000000000' maxOccurs='2000000000'/></xs:sequence>"
    ));
    answers(&never, &rows(1_000), Err("content-incomplete"));
}

#[test]
fn counters_within_counters() {
    let model = "<xs:sequence maxOccurs='100000'><xs:element name='x'/>\
                 <xs:element name='a' minOccurs='0' maxOccurs='100000'/></xs:sequence>";
    let schemas = content(model);
    let groups = |count: usize, each: usize| {
        format!("<r>{}</r>", format!("<x/>{}", "<a/>".repeat(each)).repeat(count))
    };
    answers(&schemas, &groups(1, 100_000), Ok(()));
    answers(&schemas, &groups(1, 100_001), Err("element-not-allowed"));
    answers(&schemas, &groups(100_001, 0), Err("element-not-allowed"));
    answers(&schemas, &groups(3, 2_000), Ok(()));
}

#[test]
fn findings_end_and_say_so() {
    let schemas = content(
        "<xs:sequence><xs:element name='a' type='xs:int' maxOccurs='unbounded'/></xs:sequence>",
    );
    let wrong = |count: usize| format!("<r>{}</r>", "<a>x</a>".repeat(count));
    for (count, found, truncated) in
        [(MAX_FINDINGS, MAX_FINDINGS, false), (MAX_FINDINGS + 1, MAX_FINDINGS, true)]
    {
        let checked = check(&schemas, wrong(count).as_bytes());
        assert_eq!((checked.findings.len(), checked.truncated), (found, truncated));
    }
    assert!(check(&schemas, repeated("<r>", "<a>x</a>", 10_000, "</r>")).truncated);
}

#[test]
fn long_names_of_types_and_prefixes() {
    let schemas =
        content("<xs:sequence><xs:element name='a' type='xs:QName' minOccurs='0'/></xs:sequence>");
    let long = "x".repeat(1 << 20);
    answers(&schemas, &format!("<r {XSI} xsi:type='{long}'/>"), Err("type-unknown"));
    let prefix = format!("<r {XSI} xsi:type='{long}:T'/>");
    assert_eq!(check(&schemas, prefix.as_bytes()).verdict, Verdict::Invalid);
    answers(&schemas, &format!("<r><a>{long}:x</a></r>"), Err("value-wrong-type"));
    answers(&schemas, &format!("<r {XSI} xsi:nil='{long}'/>"), Err("nil-not-allowed"));
    answers(&schemas, &format!("<r xmlns='urn:{long}'/>"), Err("element-unknown"));
}

#[test]
fn a_hundred_thousand_name_spaces() {
    let schemas = content(
        "<xs:sequence><xs:any namespace='##other' processContents='lax' minOccurs='0' \
         maxOccurs='unbounded'/></xs:sequence>",
    );
    let mut message = String::from("<r>");
    (0..100_000).for_each(|n| write!(message, "<a xmlns='urn:{n}'/>").expect("written"));
    message.push_str("</r>");
    answers(&schemas, &message, Ok(()));
    // As many as may be open at once.
    let mut open = String::from("<r>");
    let declared = |depth: usize| {
        (0..64).map(|n| format!(" xmlns:p{depth}-{n}='urn:{depth}-{n}'")).collect::<String>()
    };
    (1..256).for_each(|depth| {
        write!(open, "<p{depth}-63:a{}>", declared(depth)).expect("written");
    });
    (1..256).rev().for_each(|depth| write!(open, "</p{depth}-63:a>").expect("written"));
    answers(&schemas, &(open + "</r>"), Ok(()));
}

/// Peak memory of this process in KiB, counted anew from a call on.
fn peak(anew: bool) -> Option<u64> {
    if anew {
        fs::write("/proc/self/clear_refs", "5").ok()?;
    }
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn many_keys_and_identifiers() {
    let schemas = schemas(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='a' maxOccurs='unbounded'>
         <xs:complexType><xs:attribute name='k' type='xs:string'/><xs:attribute name='id' type='xs:ID'/>
         <xs:attribute name='to' type='xs:IDREF'/></xs:complexType></xs:element></xs:sequence>
         </xs:complexType><xs:unique name='u'><xs:selector xpath='a'/><xs:field xpath='@k'/></xs:unique>
         </xs:element>",
    );
    assert_eq!(schemas.facts().by_library, None);
    let rows = |attribute: &str, count: usize, length: usize| {
        let filler = "x".repeat(length);
        let mut rows = String::from("<r>");
        (0..count).for_each(|n| write!(rows, "<a {attribute}='{filler}{n}'/>").expect("written"));
        rows + "</r>"
    };
    // That 64 MiB are the end of it is proven with a smaller limit, beside the code.
    for attribute in ["k", "id"] {
        let before = peak(true);
        let message = rows(attribute, 30_000, 8);
        assert_eq!(check(&schemas, message.as_bytes()).verdict, Verdict::Valid);
        let twice = message.replace("29999'", "29998'");
        assert_eq!(check(&schemas, twice.as_bytes()).verdict, Verdict::Invalid);
        // Other tests of this process use memory meanwhile.
        if let (Some(before), Some(after)) = (before, peak(false)) {
            assert!(after < before + (200 << 10), "{before} KiB before, {after} at most");
        }
    }
}
