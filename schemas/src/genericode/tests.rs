//! What is a code list, and what is none.

use super::*;

fn document(annotation: &str, columns: &str, rows: &str) -> String {
    format!(
        "<gc:CodeList xmlns:gc='{NAMESPACE}' xmlns:x3='http://xoev.de/schemata/genericode/3'
         xmlns:x4='http://xoev.de/schemata/genericode/4'>{annotation}
         <Identification><ShortName>Probe</ShortName>
         <Version>2</Version><CanonicalUri>urn:probe</CanonicalUri>
         <CanonicalVersionUri>urn:probe_2</CanonicalVersionUri></Identification>
         <ColumnSet>{columns}</ColumnSet><SimpleCodeList>{rows}</SimpleCodeList></gc:CodeList>"
    )
}

fn list(columns: &str, rows: &str) -> Result<CodeList, CodeListError> {
    CodeList::read(document("", columns, rows).as_bytes())
}

/// A row with values of the columns a, b and c.
fn row(values: [&str; 3]) -> String {
    let values = values.map(|value| format!("<Value><SimpleValue>{value}</SimpleValue></Value>"));
    format!("<Row>{}</Row>", values.concat())
}

const COLUMNS: &str = "<Column Id='a'/><Column Id='b'/><Column Id='c'/>";

fn with_keys(keys: &str) -> String {
    format!("{COLUMNS}{keys}")
}

#[test]
fn rows_columns_and_keys_are_read() {
    let list = list(
        &with_keys(
            "<Key Id='k3'><ColumnRef Ref='b'/><ColumnRef Ref='c'/></Key>
             <Key Id='k1'><Annotation><AppInfo><x4:recommendedKeyColumn/></AppInfo></Annotation>
             <ColumnRef Ref='a'/></Key>",
        ),
        "<Row><Value ColumnRef='a'><SimpleValue>1</SimpleValue></Value>
              <Value><SimpleValue>eins</SimpleValue></Value><Value><SimpleValue>x</SimpleValue>
              </Value></Row>
         <Row><Value ColumnRef='c'><SimpleValue>y</SimpleValue></Value>
              <Value ColumnRef='b'><SimpleValue>eins</SimpleValue></Value>
              <Value ColumnRef='a'><SimpleValue>2</SimpleValue></Value></Row>",
    )
    .expect("a list");
    assert_eq!(list.short_name, "Probe");
    assert_eq!(list.canonical_version_uri, "urn:probe_2");
    let key = |id: &str, columns: &[&str]| Key {
        id: id.to_owned(),
        columns: columns.iter().map(|id| (*id).to_owned()).collect(),
        names: false,
    };
    assert_eq!(list.keys, [key("k1", &["a"]), key("k3", &["b", "c"])], "the recommended first");
    assert_eq!(list.codes().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(list.column("b").expect("there").collect::<Vec<_>>(), ["eins", "eins"]);
    assert_eq!(list.code_columns(), ["a"]);
    assert!(list.column("d").is_none());
}

#[test]
fn every_edition_of_the_handbook_marks_the_key_recommended() {
    for mark in ["x3:empfohleneCodeSpalte", "x4:recommendedKeyColumn", "x3:xoev-code"] {
        let keys = format!(
            "<Key Id='k2'><ColumnRef Ref='b'/></Key><Key Id='k1'><Annotation><AppInfo><{mark}/>\
             </AppInfo></Annotation><ColumnRef Ref='a'/></Key>"
        );
        let list = list(&with_keys(&keys), &row(["1", "2", "3"])).expect(mark);
        assert_eq!(list.codes().collect::<Vec<_>>(), ["1"], "{mark}");
        assert_eq!(list.code_columns(), ["a", "b"], "{mark}");
    }
}

#[test]
fn a_key_of_names_holds_no_codes() {
    let names = "<Key Id='n'><Annotation><AppInfo><x3:xoev-codename/></AppInfo></Annotation>\
                 <ColumnRef Ref='b'/></Key>";
    let one = row(["1", "2", "3"]);
    let read = list(&with_keys(&format!("{names}<Key Id='k'><ColumnRef Ref='a'/></Key>")), &one);
    assert_eq!(read.expect("a list").code_columns(), ["a"]);
    assert_eq!(list(&with_keys(names), &one).expect("a list").code_columns(), ["b"], "but alone");
}

#[test]
fn a_key_over_several_columns_tells_rows_apart_by_all_of_them() {
    let keys = with_keys("<Key Id='k'><ColumnRef Ref='a'/><ColumnRef Ref='b'/></Key>");
    let rows = [row(["1", "1", ""]), row(["1", "2", ""])].concat();
    let read = list(&keys, &rows).expect("different in b");
    assert_eq!(read.code_columns(), ["a", "b"]);
    assert_eq!(read.codes().count(), 0, "no key is a code by itself");
    let same = [row(["1", "1", "x"]), row(["1", "1", "y"])].concat();
    assert!(list(&keys, &same).expect_err("same").to_string().contains("the same code"));
    let lacking = row(["1", " ", "x"]);
    assert!(list(&keys, &lacking).expect_err("lacks b").to_string().contains("no value"));
}

#[test]
fn the_first_day_is_read_in_every_edition() {
    let day = |annotation: &str| {
        let rows = row(["1", "2", "3"]);
        let text = document(annotation, &with_keys("<Key><ColumnRef Ref='a'/></Key>"), &rows);
        CodeList::read(text.as_bytes()).expect("a list").first_day()
    };
    let annotated = |tag: &str, text: &str| {
        format!("<Annotation><Description><{tag}>{text}</{tag}></Description></Annotation>")
    };
    let may = Some(jiff::civil::date(2026, 5, 1));
    for tag in ["x4:validFrom", "x3:datumGueltigkeitAb", "x3:datumgueltigkeitab"] {
        assert_eq!(day(&annotated(tag, " 2026-05-01\n")).expect(tag), may);
    }
    assert_eq!(day(&annotated("x4:validFrom", "2026-05-01+02:00")).expect("a zone"), may);
    assert_eq!(day(&annotated("x4:validFrom", "")).expect("nothing said"), None);
    assert_eq!(day(&annotated("validFrom", "2026-05-01")).expect("not of XÖV"), None);
    assert_eq!(day("").expect("nothing said"), None);
    assert_eq!(day(&annotated("x4:validFrom", "2026-05-01T00:00:00Z")).expect("a time"), may);
    for wrong in ["01.05.2026", "2026-13-01", "bald", "2026-05-011", "2026-05-01 bis morgen"] {
        let error = day(&annotated("x4:validFrom", wrong)).expect_err(wrong);
        assert!(error.to_string().contains("valid_from in pack.toml"), "{error}");
    }
}

#[test]
fn what_is_no_code_list_is_refused() {
    let a = with_keys("<Key Id='k'><ColumnRef Ref='a'/></Key>");
    let one = row(["1", "2", "3"]);
    for (columns, rows, what) in [
        ("<Column/>", one.clone(), "without Id"),
        ("<Column Id='a'/><Column Id='a'/>", one.clone(), "same Id"),
        (&a, format!("{one}{one}"), "two rows"),
        (&a, "<Row/>".to_owned(), "no value"),
        (&a, String::new(), "no rows"),
        (&a, "<Row><Value ColumnRef='z'/></Row>".to_owned(), "does not exist"),
        (&a, row(["1", "2", "3</SimpleValue></Value><Value><SimpleValue>4"]), "does not exist"),
        (&with_keys("<Key Id='k'><ColumnRef Ref='z'/></Key>"), one.clone(), "does not exist"),
        (&with_keys("<Key Id='k'/>"), one.clone(), "without columns"),
        (&with_keys("<KeyRef Id='k' ExternalRef='k'/>"), one.clone(), "another file"),
        (&format!("<ColumnRef Id='a' ExternalRef='a'/>{a}"), one.clone(), "another file"),
    ] {
        let error = list(columns, &rows).expect_err(what);
        assert!(matches!(error, CodeListError::Shape { .. }), "{what}: {error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    let cut = format!("<gc:CodeList xmlns:gc='{NAMESPACE}'><Identification>");
    assert!(matches!(CodeList::read(cut.as_bytes()), Err(CodeListError::Xml(_))));
}

#[test]
fn limits_hold_at_their_edge() {
    let code = |bytes: usize| row([&"1".repeat(bytes), "2", "3"]);
    let name = |bytes: usize| row(["1", &"2".repeat(bytes), "3"]);
    let key = "<Key Id='k'><ColumnRef Ref='a'/></Key>";
    let keys = |count: usize| with_keys(&key.repeat(count));
    let columns = |count: usize| {
        (0..count).map(|n| format!("<Column Id='c{n}'/>")).collect::<String>()
            + "<Key Id='k'><ColumnRef Ref='c0'/></Key>"
    };
    let one = row(["1", "2", "3"]);
    let rows = |count: usize| {
        (0..count)
            .map(|n| format!("<Row><Value><SimpleValue>{n}</SimpleValue></Value></Row>"))
            .collect::<String>()
    };
    let values = MAX_VALUES / MAX_COLUMNS;
    for (good, bad, what) in [
        ((keys(1), code(MAX_CODE_BYTES)), (keys(1), code(MAX_CODE_BYTES + 1)), "4096 bytes"),
        ((keys(1), name(MAX_VALUE_BYTES)), (keys(1), name(MAX_VALUE_BYTES + 1)), "100000 bytes"),
        ((keys(MAX_KEYS), one.clone()), (keys(MAX_KEYS + 1), one.clone()), "50 keys"),
        ((columns(MAX_COLUMNS), rows(1)), (columns(MAX_COLUMNS + 1), rows(1)), "100 columns"),
        ((columns(1), rows(MAX_ROWS)), (columns(1), rows(MAX_ROWS + 1)), "200000 rows"),
        (
            (columns(MAX_COLUMNS), rows(values)),
            (columns(MAX_COLUMNS), rows(values + 1)),
            "2000000 values",
        ),
    ] {
        list(&good.0, &good.1).expect(what);
        let error = list(&bad.0, &bad.1).expect_err(what).to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
    let text = document("", &keys(1), &one);
    let length = text.len() as u64;
    read::read(text.as_bytes(), length).expect("as long as may be");
    let error = read::read(text.as_bytes(), length - 1).expect_err("a byte too long");
    assert!(matches!(error, CodeListError::Xml(_)), "{error}");
}

#[test]
fn strangers_are_told_what_they_are() {
    let schema = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'/>";
    let set = format!("<gc:CodeListSet xmlns:gc='{NAMESPACE}'/>");
    let xhtml = "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body/></html>";
    let utf16: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let fault = "<s:Envelope xmlns:s='urn:example:envelope'/>";
    for (page, found, advice) in [
        (&b""[..], "an empty file", "fetch the list again"),
        (b" \n\xef\xbb\xbf", "text without XML", "fetch"),
        (b"\xef\xbb\xbf \n", "an empty file", "fetch"),
        (b"<!DOCTYPE html><html><body><br></body></html>", "a web page (HTML)", "fetch"),
        (b"\n<HTML><body>404<br></body></HTML>", "a web page (HTML)", "fetch"),
        (xhtml.as_bytes(), "a web page (XHTML)", "fetch"),
        (b"{\"status\":404}", "JSON", "fetch"),
        (b"Not Found", "text without XML", "fetch"),
        (b"<a/>", "the root <a>", "fetch"),
        (b"<CodeList/>", "the root <CodeList>", "fetch"),
        (fault.as_bytes(), "the root <Envelope>", "fetch"),
        (b"<!DOCTYPE CodeList><CodeList/>", "cannot be read", "fetch"),
        (b"<?xml version='1.0' encoding='iso-8859-1'?><CodeList/>", "cannot be read", "fetch"),
        (schema.as_bytes(), "an XML schema", "entry"),
        (set.as_bytes(), "a genericode CodeListSet", "themselves"),
        (b"PK\x03\x04\x14\0", "a zip archive", "unpack"),
        (b"\x1f\x8b\x08\0", "gzip", "unpack"),
        (b"%PDF-1.7", "a PDF", "genericode"),
        (&utf16, "UTF-16", "UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "no text at all", "name the file"),
    ] {
        let page_text = String::from_utf8_lossy(page);
        let error = CodeList::read(page).expect_err(found);
        assert!(matches!(error, CodeListError::NoCodeList { .. }), "{page_text}: {error}");
        let text = error.to_string();
        assert!(text.contains(found) && text.contains(advice), "{page_text}: {text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = CodeList::read(&bytes[..]);
    }

    #[test]
    fn any_rows_are_answered(inner in "(<|>|/|Row|Value|Key|Column|Ref|Id|'|=|a|b| ){0,40}") {
        let _ = list(&inner, &inner);
        let _ = list(&with_keys("<Key><ColumnRef Ref='a'/></Key>"), &inner);
    }
}
