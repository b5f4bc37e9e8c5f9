//! What a look-up in a code list costs: `cargo run --release -p amtsbote-schemas --example
//! codelists`. A message of as many codes as the list has rows is judged by a pack with the list
//! and by the same pack without it, in turn; the difference of the medians counts.

#![expect(clippy::print_stdout, reason = "it says what it measured")]

use std::fmt::Write;
use std::fs;
use std::time::Instant;

use amtsbote_schemas::genericode::CodeList;
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::xml::Limits;

/// Rounds of each measurement.
const ROUNDS: usize = 21;
/// Rows of the lists: one as long as that of all municipalities, and one of a handful.
const ROWS: [usize; 3] = [10, 1_000, 12_000];
/// Codes of the message.
const CODES: usize = 12_000;

const SCHEMA: &str =
    "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:p'
    xmlns:p='urn:p'><xs:complexType name='Ags'><xs:sequence><xs:element name='code'
    type='xs:token'/></xs:sequence><xs:attribute name='listURI' fixed='urn:list:ags'/>
    <xs:attribute name='listVersionID' fixed='1'/></xs:complexType><xs:element name='m'>
    <xs:complexType><xs:sequence><xs:element name='ags' type='p:Ags' maxOccurs='unbounded'/>
    </xs:sequence></xs:complexType></xs:element></xs:schema>";

fn manifest(lists: &str) -> String {
    format!(
        "standard = 'P'\nversion = '1'\nvalid_from = 2026-01-01\ndecided_by = 'arrived'\n\
         header = 'none'\nentry = ['p.xsd']\nnamespace = 'urn:p'\ncode_lists = [{lists}]\n\
         [[message]]\nroot = 'm'\ntype = '1'\nname = 'M'\n"
    )
}

fn list(rows: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        "<g:CodeList xmlns:g='http://docs.oasis-open.org/codelist/ns/genericode/1.0/'>
         <Identification><ShortName>AGS</ShortName><Version>1</Version>
         <CanonicalUri>urn:list:ags</CanonicalUri></Identification><ColumnSet><Column Id='k'/>
         <Column Id='n'/><Key Id='kKey'><ColumnRef Ref='k'/></Key></ColumnSet><SimpleCodeList>",
    );
    for n in 0..rows {
        write!(
            text,
            "<Row><Value><SimpleValue>{n:08}</SimpleValue></Value>\
             <Value><SimpleValue>Ort {n}</SimpleValue></Value></Row>"
        )?;
    }
    Ok(text + "</SimpleCodeList></g:CodeList>")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arrival = "2026-11-23T00:00:00Z".parse()?;
    for rows in ROWS {
        let (with, without) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for (folder, lists) in [(&with, "'l.xml'"), (&without, "")] {
            let folder = folder.path().join("p");
            fs::create_dir(&folder)?;
            fs::write(folder.join("pack.toml"), manifest(lists))?;
            fs::write(folder.join("p.xsd"), SCHEMA)?;
            fs::write(folder.join("l.xml"), list(rows)?)?;
        }
        let begun = Instant::now();
        CodeList::load(&with.path().join("p/l.xml"))?;
        let loaded = begun.elapsed();
        let packs = [PackSet::load(with.path())?, PackSet::load(without.path())?];
        let mut message = String::from("<p:m xmlns:p='urn:p'>");
        for n in 0..CODES {
            // Not in the order of the list: memory is reached as it is in life.
            write!(message, "<ags><code>{:08}</code></ags>", n * 7919 % rows)?;
        }
        message += "</p:m>";
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (packs, times) in packs.iter().zip(&mut times) {
                let begun = Instant::now();
                let limits = Limits::default();
                let checked = packs.check(message.as_bytes(), arrival, &limits, &|| false);
                times.push(begun.elapsed().as_secs_f64() * 1e9 / CODES as f64);
                if let Some(finding) = checked.findings.first() {
                    return Err(finding.message_en.clone().into());
                }
            }
        }
        let [with, without] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        });
        println!(
            "{rows:6} rows: read in {:.1} ms; {:.0} ns per code more than without the list \
             ({with:.0} against {without:.0})",
            loaded.as_secs_f64() * 1e3,
            with - without
        );
    }
    Ok(())
}
