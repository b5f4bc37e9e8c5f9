//! Every rule of well-formedness the reader keeps, as one table: input, and the code of the
//! refusal or the events.

use std::fmt::Write as _;

use amtsbote_schemas::xml::{Event, Limits, Reader, XmlError};

/// What the reader says, in one line: `<p{ns}a @b{ns}='v' #xmlns:p='u'> "text" </a>`.
fn shown(bytes: &[u8], limits: &Limits) -> Result<String, XmlError> {
    let mut reader = Reader::new(bytes, limits.clone());
    let mut out = String::new();
    loop {
        match reader.next()? {
            Event::Start(tag) => {
                write!(out, "<{{{}}}{}", tag.namespace, tag.local).expect("written");
                for a in &tag.attributes {
                    write!(out, " {{{}}}{}={:?}", a.namespace, a.local, a.value).expect("written");
                }
                for d in &tag.declarations {
                    write!(out, " xmlns:{}={:?}", d.prefix, d.uri).expect("written");
                }
                out.push('>');
            }
            Event::End(tag, _) => write!(out, "</{}>", tag.local).expect("written"),
            Event::Text(_, text, _) => write!(out, "{text:?}").expect("written"),
            Event::Comment(_, text, _) => write!(out, "<!{text:?}>").expect("written"),
            Event::ProcessingInstruction(_, target, data, _) => {
                write!(out, "<?{target} {data:?}>").expect("written");
            }
            Event::EndOfDocument => return Ok(out),
        }
    }
}

fn check(table: &[(&str, Result<&str, &str>)]) {
    for (input, expected) in table {
        let found = shown(input.as_bytes(), &Limits::default());
        let found = found.as_ref().map(String::as_str).map_err(XmlError::code);
        assert_eq!(found, *expected, "{input:?}");
    }
}

/// Cases of which only the verdict matters.
fn check_bytes(table: &[(&[u8], Option<&str>)]) {
    for (input, expected) in table {
        let found = shown(input, &Limits::default());
        let code = found.as_ref().err().map(XmlError::code);
        assert_eq!(code, *expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn one_root_and_little_beside_it() {
    check(&[
        ("<a/>", Ok("<{}a></a>")),
        ("<a></a>", Ok("<{}a></a>")),
        (
            " \t\r\n<!--c--><?p d?><a/>\n<?q?> <!----> ",
            Ok("<!\"c\"><?p \"d\"><{}a></a><?q \"\"><!\"\">"),
        ),
        ("", Err("no-root")),
        (" \n", Err("no-root")),
        ("<!--only-->", Err("no-root")),
        ("<a/><b/>", Err("second-root")),
        ("<a></a><!-- --><a>", Err("second-root")),
        ("<a/>x", Err("content-outside-root")),
        ("x<a/>", Err("content-outside-root")),
        ("<a/>&#32;", Err("content-outside-root")),
        ("<a/>&amp;", Err("content-outside-root")),
        ("<![CDATA[ ]]><a/>", Err("content-outside-root")),
        ("<a/><![CDATA[]]>", Err("content-outside-root")),
        ("<a/>\u{c}", Err("content-outside-root")),
        ("\u{a0}<a/>", Err("content-outside-root")),
        ("<a/></a>", Err("unexpected-end-tag")),
        ("</a>", Err("unexpected-end-tag")),
    ]);
}

#[test]
fn tags_match_and_end() {
    check(&[
        ("<a><b></b ></a\r\n\t>", Ok("<{}a><{}b></b></a>")),
        ("<a><b></a></b>", Err("mismatched-end-tag")),
        ("<a></A>", Err("mismatched-end-tag")),
        ("<p:a xmlns:p='u'></a>", Err("mismatched-end-tag")),
        ("<p:a xmlns:p='u' xmlns:q='u'></q:a>", Err("mismatched-end-tag")),
        ("<ab></a>", Err("mismatched-end-tag")),
        ("<a>", Err("unclosed-element")),
        ("<a><b/>text", Err("unclosed-element")),
        ("<a", Err("unclosed-tag")),
        ("<", Err("unclosed-tag")),
        ("<a b='>", Err("unclosed-tag")),
        ("<a></a", Err("unclosed-tag")),
        ("<a></", Err("unclosed-tag")),
        ("<a></ a>", Err("bad-end-tag")),
        ("<a></>", Err("bad-end-tag")),
        ("<a></a b>", Err("bad-end-tag")),
        ("<a></a b='c'>", Err("bad-end-tag")),
        ("<a></a/>", Err("bad-end-tag")),
        ("<>", Err("bad-name")),
        ("</>", Err("unexpected-end-tag")),
        ("< a/>", Err("bad-name")),
        ("<a / >", Err("bad-name")),
        ("<a/ >", Err("bad-name")),
        ("<a//>", Err("bad-name")),
        ("<a <b/></a>", Err("bad-name")),
        ("<a<b/>", Err("bad-name")),
        ("<<a/>", Err("bad-name")),
    ]);
}

#[test]
fn names_are_names() {
    check(&[
        ("<ä-1.b_ Ünï='1'/>", Ok("<{}ä-1.b_ {}Ünï=\"1\"></ä-1.b_>")),
        ("<_/>", Ok("<{}_></_>")),
        ("<1a/>", Err("bad-name")),
        ("<-a/>", Err("bad-name")),
        ("<.a/>", Err("bad-name")),
        ("<a$/>", Err("bad-name")),
        ("<a\u{d7}/>", Err("bad-name")),
        ("<\u{300}a/>", Err("bad-name")),
        ("<a\u{300}/>", Ok("<{}a\u{300}></a\u{300}>")),
        ("<a 1b='c'/>", Err("bad-name")),
        ("<a ='c'/>", Err("bad-name")),
        ("<a 'c'/>", Err("bad-name")),
        ("<:a/>", Err("bad-qualified-name")),
        ("<a:/>", Err("bad-qualified-name")),
        ("<a:b:c/>", Err("bad-qualified-name")),
        ("<a:1/>", Err("bad-qualified-name")),
        ("<:/>", Err("bad-qualified-name")),
        ("<a :b='1'/>", Err("bad-qualified-name")),
        ("<a xmlns:='u'/>", Err("bad-qualified-name")),
        ("<a xmlns:p='u' p:b:c='1'/>", Err("bad-qualified-name")),
    ]);
}

#[test]
fn attributes_are_written_exactly() {
    check(&[
        ("<a b='1'\tc = \"2\"\r\n/>", Ok("<{}a {}b=\"1\" {}c=\"2\"></a>")),
        ("<a b='\"' c=\"'>\"/>", Ok("<{}a {}b=\"\\\"\" {}c=\"'>\"></a>")),
        ("<a b=''/>", Ok("<{}a {}b=\"\"></a>")),
        ("<a b='1'c='2'/>", Err("missing-space")),
        ("<a b='1'/c='2'>", Err("missing-space")),
        ("<a b/>", Err("missing-equals")),
        ("<a b c='1'/>", Err("missing-equals")),
        ("<a b=1/>", Err("unquoted-value")),
        ("<a b=/>", Err("unquoted-value")),
        ("<a b= >", Err("unquoted-value")),
        ("<a b='<'/>", Err("less-than-in-value")),
        ("<a b='&'/>", Err("bad-reference")),
        ("<a b='& '/>", Err("bad-reference")),
        ("<a b='&lt'/>", Err("bad-reference")),
        ("<a b='&nbsp;'/>", Err("undefined-entity")),
        ("<a b='&#0;'/>", Err("forbidden-character-reference")),
        ("<a b='\u{1}'/>", Err("forbidden-character")),
        ("<a b='\u{ffff}'/>", Err("forbidden-character")),
        ("<a b='\u{fffd}\u{7f}\u{85}'/>", Ok("<{}a {}b=\"\u{fffd}\\u{7f}\\u{85}\"></a>")),
        ("<a b='1' b='1'/>", Err("duplicate-attribute")),
        ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", Err("duplicate-attribute")),
        (
            "<a xmlns='u' xmlns:p='u' p:b='1' b='2'/>",
            Ok("<{u}a {u}b=\"1\" {}b=\"2\" xmlns:=\"u\" xmlns:p=\"u\"></a>"),
        ),
    ]);
}

#[test]
fn values_are_normalised_and_references_are_not() {
    check(&[
        ("<a b='1\t2\n3\r4\r\n5 6'/>", Ok("<{}a {}b=\"1 2 3 4 5 6\"></a>")),
        ("<a b='\r\n\n\r\r\n'/>", Ok("<{}a {}b=\"    \"></a>")),
        ("<a b='&#9;&#10;&#xD;&#32;'/>", Ok("<{}a {}b=\"\\t\\n\\r \"></a>")),
        ("<a b='&#13;\n'/>", Ok("<{}a {}b=\"\\r \"></a>")),
        ("<a b='&lt;&gt;&amp;&apos;&quot;&amp;lt;'/>", Ok("<{}a {}b=\"<>&'\\\"&lt;\"></a>")),
        ("<a b=' x  y '/>", Ok("<{}a {}b=\" x  y \"></a>")),
        ("<a b='ä&#xE4;&#x10FFFF;'/>", Ok("<{}a {}b=\"ää\\u{10ffff}\"></a>")),
    ]);
}

#[test]
fn text_is_normalised_and_checked() {
    check(&[
        ("<a>x\r\ny\rz\n\r\n</a>", Ok("<{}a>\"x\\ny\\nz\\n\\n\"</a>")),
        ("<a>1 &lt; 2 &amp;&#38; &#x26;amp;</a>", Ok("<{}a>\"1 < 2 && &amp;\"</a>")),
        ("<a>&#13;\n&#13;&#10;</a>", Ok("<{}a>\"\\r\\n\\r\\n\"</a>")),
        ("<a>\r&#10;</a>", Ok("<{}a>\"\\n\\n\"</a>")),
        ("<a>></a>", Ok("<{}a>\">\"</a>")),
        ("<a>]]&gt; ]] > ]></a>", Ok("<{}a>\"]]> ]] > ]>\"</a>")),
        ("<a>]&#93;></a>", Ok("<{}a>\"]]>\"</a>")),
        ("<a>]]></a>", Err("cdata-end-in-text")),
        ("<a>x]]]>y</a>", Err("cdata-end-in-text")),
        ("<a>&amp;]]></a>", Err("cdata-end-in-text")),
        ("<a>]<!---->]></a>", Ok("<{}a>\"]\"<!\"\">\"]>\"</a>")),
        ("<a>\u{0}</a>", Err("forbidden-character")),
        ("<a>\u{1}</a>", Err("forbidden-character")),
        ("<a>\u{b}</a>", Err("forbidden-character")),
        ("<a>\u{1f}</a>", Err("forbidden-character")),
        ("<a>\u{fffe}</a>", Err("forbidden-character")),
        ("<a>\u{ffff}</a>", Err("forbidden-character")),
        ("<a>\u{fffd}\u{feff}\u{7f}</a>", Ok("<{}a>\"\u{fffd}\\u{feff}\\u{7f}\"</a>")),
        ("<a>&</a>", Err("bad-reference")),
        ("<a>& </a>", Err("bad-reference")),
        ("<a>&;</a>", Err("bad-reference")),
        ("<a>&amp</a>", Err("bad-reference")),
        ("<a>&#;</a>", Err("bad-reference")),
        ("<a>&#X41;</a>", Err("bad-reference")),
        ("<a>&#x;</a>", Err("bad-reference")),
        ("<a>&a b;</a>", Err("bad-reference")),
        ("<a>&amp", Err("bad-reference")),
        ("<a>&uuml;</a>", Err("undefined-entity")),
        ("<a>&AMP;</a>", Err("undefined-entity")),
        ("<a>&#xD800;</a>", Err("forbidden-character-reference")),
        ("<a>&#1;</a>", Err("forbidden-character-reference")),
    ]);
}

#[test]
fn sections_comments_and_instructions_are_checked() {
    check(&[
        ("<a>x<![CDATA[<&\r\n]]]]>y</a>", Ok("<{}a>\"x\"\"<&\\n]]\"\"y\"</a>")),
        ("<a><![CDATA[]]></a>", Ok("<{}a></a>")),
        ("<a><![CDATA[]]]]><![CDATA[>]]></a>", Ok("<{}a>\"]]\"\">\"</a>")),
        ("<a><![CDATA[]]>]]></a>", Err("cdata-end-in-text")),
        ("<a><![CDATA[\u{1}]]></a>", Err("forbidden-character")),
        ("<a><![CDATA[x]]</a>", Err("unclosed-cdata")),
        ("<a><![cdata[x]]></a>", Err("unknown-markup")),
        ("<a><![CDATA [x]]></a>", Err("unknown-markup")),
        ("<a><!-- - -\r- --></a>", Ok("<{}a><!\" - -\\n- \"></a>")),
        ("<!--><a/>", Err("unclosed-comment")),
        ("<!---><a/>", Err("unclosed-comment")),
        ("<!--->--><a/>", Ok("<!\"->\"><{}a></a>")),
        ("<!-- -- --><a/>", Err("double-hyphen")),
        ("<!-- --->", Err("double-hyphen")),
        ("<!-- \u{1f} --><a/>", Err("forbidden-character")),
        ("<!-- <a/>", Err("unclosed-comment")),
        ("<!- --><a/>", Err("unknown-markup")),
        ("<! --><a/>", Err("unknown-markup")),
        ("<!", Err("unknown-markup")),
        ("<?p?><a/>", Ok("<?p \"\"><{}a></a>")),
        ("<?p  \r\n x\r\ny ? > ?><a/>", Ok("<?p \"x\\ny ? > \"><{}a></a>")),
        ("<?xml-stylesheet x?><a/>", Ok("<?xml-stylesheet \"x\"><{}a></a>")),
        ("<??><a/>", Err("bad-target")),
        ("<? p?><a/>", Err("bad-target")),
        ("<?1?><a/>", Err("bad-target")),
        ("<?p:q x?><a/>", Err("bad-target")),
        ("<?p+x?><a/>", Err("bad-target")),
        ("<?XML x?><a/>", Err("bad-target")),
        ("<a><?xMl?></a>", Err("bad-target")),
        ("<?p \u{2}?><a/>", Err("forbidden-character")),
        ("<?><a/>", Err("unclosed-processing-instruction")),
        ("<?p ", Err("unclosed-processing-instruction")),
        ("<?p >", Err("unclosed-processing-instruction")),
    ]);
}

#[test]
fn namespaces_are_resolved_and_their_constraints_kept() {
    const XML: &str = "http://www.w3.org/XML/1998/namespace";
    const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
    check(&[
        (
            "<p:a xmlns:p='u'><p:b xmlns:p='v'/><p:c/></p:a>",
            Ok("<{u}a xmlns:p=\"u\"><{v}b xmlns:p=\"v\"></b><{u}c></c></a>"),
        ),
        (
            "<a xmlns='u'><b xmlns=''><c/></b><d/></a>",
            Ok("<{u}a xmlns:=\"u\"><{}b xmlns:=\"\"><{}c></c></b><{u}d></d></a>"),
        ),
        ("<a p:b='1' xmlns:p='&#x75;'/>", Ok("<{}a {u}b=\"1\" xmlns:p=\"u\"></a>")),
        ("<a xml:lang='de'/>", Ok("<{}a {http://www.w3.org/XML/1998/namespace}lang=\"de\"></a>")),
        ("<p:a/>", Err("unbound-prefix")),
        ("<a p:b='1'/>", Err("unbound-prefix")),
        ("<a><p:b xmlns:p='u'/><p:c/></a>", Err("unbound-prefix")),
        ("<a xmlns:p=''/>", Err("empty-namespace")),
        ("<p:a xmlns:p='u'><b xmlns:p=''/></p:a>", Err("empty-namespace")),
        ("<a xmlns:p='u' xmlns:p='u'/>", Err("duplicate-declaration")),
        ("<a xmlns='u' xmlns='v'/>", Err("duplicate-declaration")),
        ("<a xmlns:xmlns='u'/>", Err("reserved-namespace")),
        ("<xmlns:a/>", Err("reserved-namespace")),
        ("<a xmlns:xml='u'/>", Err("reserved-namespace")),
    ]);
    let reserved = |declaration: String| {
        let document = format!("<a {declaration}/>");
        shown(document.as_bytes(), &Limits::default()).map_err(|error| error.code())
    };
    assert!(reserved(format!("xmlns:xml='{XML}'")).is_ok());
    for declaration in [
        format!("xmlns:p='{XML}'"),
        format!("xmlns='{XML}'"),
        format!("xmlns:p='{XMLNS}'"),
        format!("xmlns='{XMLNS}'"),
        format!("xmlns:xmlns='{XMLNS}'"),
    ] {
        assert_eq!(reserved(declaration.clone()), Err("reserved-namespace"), "{declaration}");
    }
}

#[test]
fn dtd_declaration_and_encodings() {
    check(&[
        ("<?xml version='1.0'?><a/>", Ok("<{}a></a>")),
        ("\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<a/>", Ok("<{}a></a>")),
        ("\u{feff}<a/>", Ok("<{}a></a>")),
        ("\u{feff}\u{feff}<a/>", Err("content-outside-root")),
        ("\u{feff}", Err("no-root")),
        (" <?xml version='1.0'?><a/>", Err("misplaced-declaration")),
        ("<!----><?xml version='1.0'?><a/>", Err("misplaced-declaration")),
        ("<?xml version='1.0'?><?xml version='1.0'?><a/>", Err("misplaced-declaration")),
        ("<a><?xml version='1.0'?></a>", Err("misplaced-declaration")),
        ("<a/><?xml version='1.0'?>", Err("misplaced-declaration")),
        ("<?xml version='1.1'?><a/>", Err("version")),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Err("encoding")),
        ("<?xml?><a/>", Err("bad-declaration")),
        ("<?xml encoding='UTF-8'?><a/>", Err("bad-declaration")),
        ("<!DOCTYPE a><a/>", Err("dtd")),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", Err("dtd")),
        ("<a><!DOCTYPE a></a>", Err("dtd")),
        ("<!DOCTYPE", Err("dtd")),
        ("<!doctype a><a/>", Err("unknown-markup")),
        ("<!ELEMENT a ANY><a/>", Err("unknown-markup")),
    ]);
    check_bytes(&[
        (b"\xfe\xff\0<\0a\0/\0>", Some("utf-16")),
        (b"\xff\xfe<\0a\0/\0>\0", Some("utf-16")),
        (b"\0<\0a\0/\0>", Some("utf-16")),
        (b"<\0a\0/\0>\0", Some("utf-16")),
        (b"\0\0\0<", Some("utf-16")),
        (b"\x4c\x6f\xa7\x94\x93", Some("encoding")),
        (b"<a>\xfc</a>", Some("not-utf-8")),
        (b"<a>\xc3</a>", Some("not-utf-8")),
        (b"<a>\xc3", Some("not-utf-8")),
        (b"<a>\xc0\x80</a>", Some("not-utf-8")),
        (b"<a>\xed\xa0\x80</a>", Some("not-utf-8")),
        (b"<a>\xf4\x90\x80\x80</a>", Some("not-utf-8")),
        (b"<a b='\xfc'/>", Some("not-utf-8")),
        (b"<\xfc/>", Some("not-utf-8")),
        (b"<a></a\xfc>", Some("not-utf-8")),
        (b"<!--\xfc--><a/>", Some("not-utf-8")),
        (b"<?p \xfc?><a/>", Some("not-utf-8")),
        (b"<a><![CDATA[\xfc]]></a>", Some("not-utf-8")),
        ("<a>\u{10ffff}</a>".as_bytes(), None),
    ]);
}

#[test]
fn limits_hold_to_the_last_one() {
    let small = Limits {
        document_bytes: 60,
        depth: 3,
        attributes: 2,
        declarations: 2,
        token_bytes: 30,
        open_tag_bytes: 26,
        name_bytes: 8,
        nodes: 7,
    };
    for (input, expected) in [
        ("<a><a><a/></a></a>", None),
        ("<a><a><a><a/></a></a></a>", Some("limit-depth")),
        ("<a b='1' c='2'/>", None),
        ("<a b='1' c='2' d='3'/>", Some("limit-attributes")),
        ("<a xmlns:b='1' xmlns='2'/>", None),
        ("<a xmlns='1' xmlns:b='2' xmlns:c='3'/>", Some("limit-token-bytes")),
        ("<a xmlns='1' xmlns:b='2' b:c=''/>", Some("limit-token-bytes")),
        ("<a xmlns='1' xmlns:b='2'/>", None),
        ("<a xmlns='' xmlns:b='' c=''  />", Some("limit-token-bytes")),
        ("<!--5678901234567890123456 --><a/>", None),
        ("<!--5678901234567890123456  --><a/>", Some("limit-token-bytes")),
        ("<a>123456789012345678901234567890123456789</a>", None),
        ("<a>&#0000000000000000000000000065;</a>", Some("limit-token-bytes")),
        ("<abcdefgh/>", None),
        ("<abcdefghi/>", Some("limit-name-bytes")),
        ("<a abcdefghi=''/>", Some("limit-name-bytes")),
        ("<?abcdefghi?><a/>", Some("limit-name-bytes")),
        ("<a b='1' c='2'><d e='3'/>f<g/></a>", None),
        ("<a b='1' c='2'><d e='3'/>f<g/>h</a>", Some("limit-nodes")),
        ("<a b='1' c='2'><d e='3' f='4'/>g</a>", None),
        ("<a b='1' c='2'><d e='3' f='4'/>g<h/></a>", Some("limit-nodes")),
        ("<a b='123456789'><a b='123456789'/></a>", Some("limit-open-tag-bytes")),
        ("<a b='123456'><a b='123456'/></a>", None),
        ("<a><b c='12345678901234'/><b c='12345678901234'/></a>", None),
        (
            "<a>1234567890123456789012345678901234567890123456789012345</a>",
            Some("limit-document-bytes"),
        ),
        ("<a>12345678901234567890123456789012345678901234567890123</a>", None),
        ("<a>1234567890123456789012345678901234567890123456789012</a>\n", None),
        (
            "<a>12345678901234567890123456789012345678901234567890123</a>\n",
            Some("limit-document-bytes"),
        ),
    ] {
        let found = shown(input.as_bytes(), &small);
        let error = found.as_ref().err();
        assert_eq!(error.map(XmlError::code), expected, "{input:?} ({} bytes)", input.len());
        assert_eq!(error.is_some_and(XmlError::is_limit), expected.is_some(), "{input:?}");
    }
    let declarations = Limits { declarations: 1, ..Limits::default() };
    let error = shown(b"<a xmlns='1' xmlns:b='2'/>", &declarations).expect_err("too many");
    assert_eq!(error.code(), "limit-declarations");
}

#[test]
fn errors_speak_two_languages_and_tell_no_values() {
    let canary = "Geheimrat";
    let long = "n".repeat(200);
    for input in [
        format!("<a b='{canary}' b='{canary}'/>"),
        format!("<a>{canary}&{canary};</a>"),
        format!("<a>{canary}]]>{canary}</a>"),
        format!("<!-- {canary} -- --><a/>"),
        format!("<a b={canary}/>"),
        format!("<a b='<{canary}'/>"),
        format!("<a xmlns:p='{canary}' xmlns:p='{canary}'/>"),
        format!("<a>{canary}"),
        format!("<?p:q {canary}?><a/>"),
        format!("{canary}<a/>"),
        format!("<?xml version='{canary}'?><a/>"),
        format!("<{long}>{canary}</b>"),
    ] {
        let error = shown(input.as_bytes(), &Limits::default()).expect_err("refused");
        for text in [error.english(), error.german(), error.to_string(), error.code().to_owned()] {
            assert!(!text.contains(canary), "{text}");
            assert!(text.chars().count() < 250, "{text}");
        }
        assert_ne!(error.english(), error.german());
    }
}
