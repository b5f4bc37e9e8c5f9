//! Any edit of a schema, and of a message for it: loading, compiling and judging come to an end, and
//! what the tables say is what the library says of the same set.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use amtsbote_fuzz::apply;
use amtsbote_schemas::validate::{Schemas, Verdict};
use amtsbote_schemas::xml::Limits;
use libfuzzer_sys::fuzz_target;

const SCHEMA: &[u8] = b"<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns='urn:m'
 targetNamespace='urn:m' elementFormDefault='qualified'>
 <xs:element name='m' type='M'><xs:key name='k'><xs:selector xpath='a|.//b'/><xs:field xpath='@id'/></xs:key>
 <xs:keyref name='r' refer='k'><xs:selector xpath='c'/><xs:field xpath='.'/></xs:keyref></xs:element>
 <xs:complexType name='M'><xs:sequence><xs:element name='a' type='A' maxOccurs='3'/>
 <xs:choice minOccurs='0' maxOccurs='unbounded'><xs:element ref='b'/><xs:element name='c' type='T'/></xs:choice>
 <xs:any namespace='##other' processContents='lax' minOccurs='0'/></xs:sequence></xs:complexType>
 <xs:complexType name='A'><xs:all><xs:element name='x' type='xs:date' minOccurs='0'/>
 <xs:element name='y' type='L' nillable='true'/></xs:all><xs:attribute name='id' type='T' use='required'/>
 <xs:anyAttribute namespace='##local' processContents='skip'/></xs:complexType>
 <xs:element name='b' type='xs:decimal' abstract='false'/><xs:element name='d' substitutionGroup='b' type='xs:int'/>
 <xs:simpleType name='T'><xs:restriction base='xs:token'><xs:pattern value='[a-z]{1,9}|\\d+'/>
 <xs:maxLength value='12'/></xs:restriction></xs:simpleType>
 <xs:simpleType name='L'><xs:list><xs:simpleType><xs:union memberTypes='xs:int xs:boolean T'/></xs:simpleType>
 </xs:list></xs:simpleType></xs:schema>";

const MESSAGE: &[u8] = b"<m xmlns='urn:m'><a id='one' z='1'><y>1 true x</y><x>2026-11-23</x></a>
<b>1.50</b><d>7</d><c>one</c><o xmlns='urn:o'/></m>";

/// Where the schema of this process lies: written anew for each input.
static FOLDER: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("amtsbote-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
});

fuzz_target!(|octets: &[u8]| {
    let Some((cut, rest)) = octets.split_first() else { return };
    let (schema, message) = rest.split_at(usize::from(*cut).min(rest.len()));
    let file = FOLDER.join("s.xsd");
    fs::write(&file, apply(SCHEMA, schema)).expect("written");
    let Ok(schemas) = Schemas::load_single(&file, None) else { return };
    let message = apply(MESSAGE, message);
    let ours = schemas.check(&message[..], &Limits::default(), &|| false);
    let theirs = schemas.check_by_library(&message[..], &Limits::default(), &|| false);
    if theirs.verdict != Verdict::Error && ours.verdict != theirs.verdict {
        let (ours, theirs) = (&ours.findings, &theirs.findings);
        panic!("the tables find {ours:?}, the library {theirs:?}");
    }
});
