//! Where validators are known to differ from ours, and why: each entry as narrow as it can be, each
//! with its reason. What no entry explains is a fault, and so is an entry that explains nothing.

use amtsbote_schemas::validate::Finding;

use super::Over;

/// Who judges beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// libxml2, by its program.
    Libxml2,
    /// `xsd-schema`, as it is.
    Library,
    /// `xsd-schema`, as we use it where the tables do not hold a set.
    Engine,
}

/// What a judge does that we do not.
pub(crate) enum Does {
    /// It does not see a mistake of this rule; the function tells from the finding and the message
    /// whether that mistake is meant.
    Overlooks(&'static str, fn(&Finding, &str) -> bool),
    /// It refuses; the function tells from its text and the message whether that is meant.
    Refuses(fn(&str, &str) -> bool),
}

/// A difference that is known.
pub(crate) struct Known {
    /// Who differs.
    pub(crate) judges: &'static [Judge],
    /// Where every full run must come upon it.
    pub(crate) seen: &'static [Over],
    /// What it does.
    pub(crate) does: Does,
    /// Why it is wrong, or may do so.
    pub(crate) why: &'static str,
}

const LIBXML2: &[Judge] = &[Judge::Libxml2];
const LIBRARY: &[Judge] = &[Judge::Library];
const CORPUS: &[Over] = &[Over::Corpus];
const BOTH: &[Over] = &[Over::Corpus, Over::Packs];

/// The value that libxml2 names in its text.
fn value(error: &str) -> Option<&str> {
    Some(error.split_once("': '")?.1.rsplit_once("' is not a valid value of the ")?.0)
}

fn only(text: &str, of: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || of.contains(c))
}

/// All that are known.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        judges: LIBXML2,
        seen: BOTH,
        does: Does::Overlooks("cvc-id.1", |_, _| true),
        why: "it checks no xs:IDREF (Structures 3.15.4, cvc-id, clause 1)",
    },
    Known {
        judges: LIBXML2,
        seen: BOTH,
        does: Does::Refuses(|error, text| {
            error.contains("Character content other than whitespace is not allowed")
                && (text.contains("<![CDATA[ ]]>") || text.contains("<![CDATA[]]>"))
        }),
        why: "a CDATA section that holds white space, or nothing, is no text: the information set \
              knows characters only (Structures 3.4.4, cvc-complex-type, clause 2.3)",
    },
    Known {
        judges: LIBXML2,
        seen: CORPUS,
        does: Does::Refuses(|error, text| {
            error.contains("}type': The QName value ' ") && text.contains(":type=\" ")
        }),
        why: "white space around the name in xsi:type does not count (Structures 3.2.7; Datatypes \
              4.3.6: whiteSpace of xs:QName is collapse)",
    },
    Known {
        judges: LIBXML2,
        seen: CORPUS,
        does: Does::Refuses(|error, _| {
            value(error).is_some_and(|value| value.trim() != value && only(value.trim(), "-:+.TZ"))
        }),
        why: "white space around a date or time does not count (Datatypes 4.3.6: whiteSpace of all \
              of them is collapse)",
    },
    Known {
        judges: LIBXML2,
        seen: CORPUS,
        does: Does::Refuses(|error, _| {
            let digits = |value: &str| value.bytes().filter(u8::is_ascii_digit).count();
            value(error).is_some_and(|value| only(value, "+-.") && digits(value) > 24)
        }),
        why: "it knows decimals of at most 24 digits, which a processor may (Datatypes 3.2.3: at \
              least 18); ours has no such limit",
    },
    Known {
        judges: LIBXML2,
        seen: CORPUS,
        does: Does::Refuses(|error, _| error.ends_with("atomic type 'xs:anyURI'.")),
        why: "it judges the form of an xs:anyURI, which a processor need not (Datatypes 3.2.17, in \
              a note: such rules are no part of type validity)",
    },
    Known {
        judges: LIBXML2,
        seen: CORPUS,
        does: Does::Overlooks("cvc-datatype-valid", |finding, _| {
            finding.message_en.ends_with("Expected: xs:base64Binary.")
        }),
        why: "it passes over characters that are not of the alphabet in an xs:base64Binary, where \
              only spaces may stand (Datatypes 3.2.16)",
    },
    Known {
        judges: LIBRARY,
        seen: BOTH,
        does: Does::Refuses(|error, text| {
            error.starts_with("cvc-schema-location: ")
                && error.contains("even number of URI tokens")
                && text.contains(":schemaLocation=")
        }),
        why: "an xsi:schemaLocation with an odd number of tokens is a hint that nobody needs to \
              follow (Structures 4.3.2)",
    },
    Known {
        judges: LIBRARY,
        seen: BOTH,
        does: Does::Refuses(|error, text| {
            error.starts_with("sch-late-component: ")
                && text.contains(":noNamespaceSchemaLocation=")
        }),
        why: "a hint that comes late adds nothing where no hint is followed, and that it comes late \
              breaks none of the rules of validity (Structures 4.3.2)",
    },
    Known {
        judges: LIBRARY,
        seen: BOTH,
        does: Does::Overlooks("cvc-complex-type.3.2.1", |finding, text| {
            finding.path.ends_with("/@other") && text.contains(" i9:other=")
        }),
        why: "an element of simple type may have no attribute but four of xsi (Structures 3.3.4, \
              cvc-type, clause 3.1.1)",
    },
    Known {
        judges: LIBRARY,
        seen: BOTH,
        does: Does::Overlooks("cvc-complex-type.2.3", |_, text| text.contains('\u{a0}')),
        why: "U+00A0 is no white space (XML 1.0, production 3; Structures 3.4.4, cvc-complex-type, \
              clause 2.3)",
    },
];
