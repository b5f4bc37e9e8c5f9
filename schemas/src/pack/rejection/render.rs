//! A template filled with values.

use std::borrow::Cow;

use super::MAX_REJECTION_BYTES;
use super::fault::NoRejection;
use super::template::{Hole, Piece, Template, When, escape};
use super::values::{Values, cut};

impl Template {
    /// The document; whether it is valid, its caller finds out.
    pub(super) fn render(&self, values: &Values) -> Result<String, NoRejection> {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        write(&self.pieces, values, None, &mut out)?;
        out.push('\n');
        Ok(out)
    }
}

/// As deep as elements of a template under conditions lie in each other.
fn write(
    pieces: &[Piece],
    values: &Values,
    finding: Option<usize>,
    out: &mut String,
) -> Result<(), NoRejection> {
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Value(hole) => {
                let first = hole.names.first().map_or("", |name| name.as_str());
                let value = value(hole, values, finding).ok_or(NoRejection::Missing(first))?;
                escape(out, &value, false);
            }
            Piece::Attribute(pieces) => attribute(pieces, values, finding, out),
            Piece::Element(When::If(names), inner) => {
                if names.iter().any(|name| values.has(*name, finding)) {
                    write(inner, values, finding, out)?;
                }
            }
            Piece::Element(When::Each, inner) => {
                for at in 0..values.findings() {
                    write(inner, values, Some(at), out)?;
                }
            }
        }
        if out.len() > MAX_REJECTION_BYTES {
            return Err(NoRejection::TooLarge);
        }
    }
    Ok(())
}

/// Writes an attribute, or nothing where one of its values is absent.
fn attribute(pieces: &[Piece], values: &Values, finding: Option<usize>, out: &mut String) {
    let before = out.len();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Value(hole) => match value(hole, values, finding) {
                Some(value) => escape(out, &value, true),
                None => return out.truncate(before),
            },
            Piece::Attribute(_) | Piece::Element(..) => {}
        }
    }
}

fn value<'a>(hole: &'a Hole, values: &'a Values, finding: Option<usize>) -> Option<Cow<'a, str>> {
    let mut there = hole.names.iter().filter_map(|name| Some((name, values.get(*name, finding)?)));
    match there.next() {
        Some((name, value)) if name.is_text() => Some(cut(value, hole.most).into()),
        Some((_, value)) => Some(value.into()),
        None => hole.otherwise.as_deref().map(Cow::from),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::RejectionFault;
    use super::super::values::Slot;
    use super::*;
    use crate::validate::{Checked, Finding, Verdict};
    use proptest::prelude::*;

    fn compile(text: &str) -> Result<Template, RejectionFault> {
        Template::compile(text.as_bytes())
    }

    fn rendered(text: &str, values: &Values) -> Result<String, NoRejection> {
        let whole = compile(text).expect("a template").render(values)?;
        let (declaration, rest) = whole.split_once('\n').expect("two lines");
        assert_eq!(declaration, r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        Ok(rest.trim_end().to_owned())
    }

    fn some() -> Values {
        let mut values = Values::default();
        values.set(Slot::Id, Some("<&>\"'"));
        values.set(Slot::Standard, Some("S"));
        values
    }

    fn with_findings(count: usize) -> Values {
        let finding = |at| Finding::error("code", "rule", &format!("Text {at}."), "text");
        let checked = Checked {
            verdict: Verdict::Invalid,
            standard: None,
            version: None,
            message_type: None,
            header: None,
            findings: (0..count).map(finding).collect(),
            truncated: false,
        };
        let mut values = some();
        values.cause(super::super::Cause::Invalid, &checked);
        values
    }

    #[test]
    fn values_stand_where_they_belong_and_are_escaped() {
        let out = rendered("<a b='x{id}y'>1<?amtsbote id?>2<!-- gone --></a>", &some());
        let wanted = r#"<a b="x&lt;&amp;&gt;&quot;'y">1&lt;&amp;&gt;"'2</a>"#;
        assert_eq!(out.as_deref(), Ok(wanted));
    }

    #[test]
    fn what_stands_in_the_template_stays_as_it_is() {
        let text =
            "<p:a xmlns:p=\"urn:p\" xmlns=\"urn:d\" p:b=\"&lt;&#10;{{}}\">&amp;<c></c>\n</p:a>";
        assert_eq!(rendered(text, &some()), Ok(text.replace("{{}}", "{}")));
    }

    #[test]
    fn absent_values() {
        let out = |text| rendered(text, &some());
        assert_eq!(out("<a><?amtsbote test?></a>"), Err(NoRejection::Missing("test")));
        assert_eq!(out("<a b='{test}' c='{standard}{test}'/>").as_deref(), Ok("<a></a>"));
        let text = "<a b='{test \"&lt;x>\"}' c='{standard \"x\"}'><?amtsbote test '' ?></a>";
        assert_eq!(out(text).as_deref(), Ok("<a b=\"&lt;x&gt;\" c=\"S\"></a>"));
        assert_eq!(out("<a><?amtsbote test standard?></a>").as_deref(), Ok("<a>S</a>"));
        let two =
            "<a><b> <?amtsbote if test?><?amtsbote test?></b><c><?amtsbote if test id?>1</c></a>";
        assert_eq!(out(two).as_deref(), Ok("<a><c>1</c></a>"));
    }

    #[test]
    fn an_element_for_each_finding() {
        let text = "<a><b c='{finding-rule}'><?amtsbote each finding?><?amtsbote finding-text 5?></b>\
                    <d><?amtsbote if finding?>!</d></a>";
        assert_eq!(rendered(text, &with_findings(0)).as_deref(), Ok("<a></a>"));
        let two = r#"<a><b c="rule">Te...</b><b c="rule">Te...</b><d>!</d></a>"#;
        assert_eq!(rendered(text, &with_findings(2)).as_deref(), Ok(two));
    }

    #[test]
    fn only_the_first_findings_are_told() {
        let text = "<a><b><?amtsbote each finding?>x</b></a>";
        let out = rendered(text, &with_findings(50)).expect("rendered");
        assert_eq!(out.matches("<b>").count(), super::super::values::MAX_TOLD);
        let out = rendered("<a><?amtsbote cause-text?></a>", &with_findings(50)).expect("rendered");
        assert!(out.contains("Text 2. (Regel rule) Weitere Befunde: 47."), "{out}");
    }

    #[test]
    fn a_text_is_cut() {
        let out = rendered("<a><?amtsbote cause-text 12?></a>", &with_findings(1));
        assert_eq!(out.as_deref(), Ok("<a>Die Nachr...</a>"));
    }

    #[test]
    fn what_a_template_cannot_say_is_refused_with_its_line() {
        for (text, part) in [
            ("<a>\n<?amtsbote nonsense?></a>", "line 2: unknown value 'nonsense'"),
            ("<a><?amtsbote?></a>", "names no value"),
            ("<a><?amtsbote if?></a>", "names no value"),
            ("<a><?amtsbote 200?></a>", "names no value"),
            ("<a><?other id?></a>", "only <?amtsbote …?> is known"),
            ("<?amtsbote id?><a/>", "belongs into an element"),
            ("<?amtsbote if id?><a/>", "not in the root element"),
            ("<a><?amtsbote if id?></a>", "not in the root element"),
            ("<a><b>x<?amtsbote if id?></b></a>", "must be the first"),
            ("<a><b><c/><?amtsbote if id?></b></a>", "must be the first"),
            ("<a><b><?amtsbote if id?><?amtsbote each finding?></b></a>", "must be the first"),
            ("<a><b><?amtsbote each id?></b></a>", "only 'each finding'"),
            ("<a><?amtsbote finding-rule?></a>", "only inside 'each finding'"),
            ("<a>\n<b c='{finding-rule}'>\n</b></a>", "line 2: an attribute asks"),
            ("<a><b><?amtsbote each finding?><c><?amtsbote each finding?></c></b></a>", "inside"),
            ("<a><?amtsbote original-id 20?></a>", "no text that may be cut"),
            ("<a><?amtsbote cause-text 0?></a>", "1 to 4000"),
            ("<a><?amtsbote cause-text 4001?></a>", "1 to 4000"),
            ("<a><?amtsbote 'x'?></a>", "names no value"),
            ("<a><?amtsbote id 'x?></a>", "text in quotes"),
            ("<a><?amtsbote id 'x' id?></a>", "text in quotes"),
            ("<a><?amtsbote id '?></a>", "text in quotes"),
            ("<a b='{id'/>", "single brace"),
            ("<a b='id}'/>", "single brace"),
            ("<a b='{}'/>", "names no value"),
            ("<a><b></a>", ""),
            ("<!DOCTYPE a><a/>", ""),
        ] {
            let error = compile(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        assert!(matches!(compile(&deep), Err(RejectionFault::Xml(_))));
        let long = format!("<a>{}</a>", "x".repeat(super::super::MAX_TEMPLATE_BYTES));
        assert!(matches!(compile(&long), Err(RejectionFault::Xml(_))));
    }

    #[test]
    fn a_rejection_is_bounded() {
        let one = "<?amtsbote cause-text?>".repeat(800);
        let text = format!("<a><b><?amtsbote each finding?>{one}</b></a>");
        let out = rendered(&text, &with_findings(50));
        assert_eq!(out, Err(NoRejection::TooLarge));
    }

    proptest! {
        /// What goes in as a value comes out of a reader as it was.
        #[test]
        fn a_value_comes_back(value in "[ -~äß\u{301}\t\n\r]{1,40}") {
            let mut values = Values::default();
            values.set(Slot::Id, Some(&value));
            let text = rendered("<a b='{id}'><?amtsbote id?></a>", &values).expect("rendered");
            struct Back(String, String);
            impl crate::xml::EventSink for Back {
                type Error = std::convert::Infallible;
                fn event(&mut self, event: &crate::xml::Event<'_>) -> Result<(), Self::Error> {
                    match event {
                        crate::xml::Event::Start(tag) => self.0 = tag.attributes[0].value.clone(),
                        crate::xml::Event::Text(_, piece, _) => self.1.push_str(piece),
                        _ => {}
                    }
                    Ok(())
                }
            }
            let mut back = Back(String::new(), String::new());
            crate::xml::drive(text.as_bytes(), &Default::default(), &mut back).expect("well-formed");
            prop_assert_eq!((&back.0, &back.1), (&value, &value));
        }

        #[test]
        fn any_template_is_answered(text in "(<a>|</a>|<\\?amtsbote (if|each|id|finding| 3|'|\")*\\?>|x| b='\\{id\\}'|\\{|\\}){0,20}") {
            let _ = compile(&text);
            let _ = compile(&format!("<r>{text}</r>")).map(|template| template.render(&with_findings(2)));
        }
    }
}
