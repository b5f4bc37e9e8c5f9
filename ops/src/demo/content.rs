//! Contents after the example standard: messages about people who moved. All invented.

use std::fmt::Write as _;

use amtsbote_domain::Timestamp;
use amtsbote_domain::message::Metadata;

use crate::node::region::Town;

/// The versions of the example standard that messages can be made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 1.0.
    V1_0,
    /// 1.1: a dwelling is confirmed by its owner.
    V1_1,
}

impl Version {
    /// As the standard writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }

    fn reasons(self) -> &'static str {
        match self {
            Self::V1_0 => "1",
            Self::V1_1 => "2",
        }
    }
}

/// What a message tells; the number chooses among the invented.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// Its number.
    pub(crate) number: usize,
    /// In which version.
    pub(crate) version: Version,
    /// Who writes.
    pub(crate) author: Town,
    /// Who is to read.
    pub(crate) reader: Town,
    /// `nachrichtenUUID`.
    pub(crate) uuid: String,
    /// An answer to an earlier message instead of a notice.
    pub(crate) answer: bool,
    /// Name and SHA-256 of a part beside it.
    pub(crate) attachment: Option<(String, String)>,
}

/// Given names, invented combinations, with letters that DIN 91379 demands.
const GIVEN: [&str; 16] = [
    "Małgorzata",
    "Jörn",
    "Ayşe",
    "Łucja",
    "Søren",
    "Zoë",
    "Žofia",
    "Ğizem",
    "François",
    "Øyvind",
    "Ștefania",
    "Ångström",
    "Đorđe",
    "Ñuñez",
    "Íris",
    "Käthe",
];
/// Family names, invented combinations.
const FAMILY: [&str; 16] = [
    "Wiśniewska-Brökel",
    "Yıldırım",
    "Šimůnková",
    "Størmeyer",
    "Weßling",
    "d’Aubigné",
    "Țurcanu",
    "Müller-Lüdenscheid",
    "Čvrljević",
    "Kjærgård",
    "Gößmann",
    "Łyżwa",
    "Þórhalls",
    "van ’t Hoff",
    "Ősz",
    "Großerüschkamp",
];
const STREETS: [&str; 8] = [
    "Musterstraße",
    "Am Beispielbach",
    "Lange Straße",
    "Probeweg",
    "Königsplatz",
    "Alte Mühle",
    "Erfundene Gasse",
    "Zum Übungsfeld",
];
/// Countries of the code list: Germany, Poland, Turkey, Romania, Portugal.
const COUNTRIES: [&str; 5] = ["000", "152", "163", "154", "153"];

fn pick<'a>(from: &[&'a str], number: usize) -> &'a str {
    from[number % from.len()]
}

impl Story {
    /// The content for these metadata: its header names the same authorities, and is marked as
    /// test where they are.
    pub(crate) fn xml(&self, metadata: &Metadata) -> Vec<u8> {
        let (root, kind) = if self.answer {
            ("ummeldung.antwort.0101", "0101")
        } else {
            ("ummeldung.mitteilung.0100", "0100")
        };
        let version = self.version.as_str();
        let test = if metadata.test { " test=\"Demonstration\"" } else { "" };
        let day = day(metadata.created);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <um:{root} xmlns:um=\"urn:amtsbote:standard:xummeldung:{version}\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" produkt=\"Amtsbote Demo\" \
             produkthersteller=\"Amtsbote\" standard=\"XUmmeldung\" version=\"{version}\"{test}>\n"
        );
        self.header(&mut xml, metadata, kind);
        let body = if self.answer { self.answer_body(&day) } else { self.notice_body(&day) };
        writeln!(xml, "{body}</um:{root}>").expect("writing to a string");
        xml.into_bytes()
    }

    fn header(&self, xml: &mut String, metadata: &Metadata, kind: &str) {
        write!(
            xml,
            "  <nachrichtenkopf.g2g>\n    <identifikation.nachricht>\n      \
             <nachrichtenUUID>{}</nachrichtenUUID>\n      \
             <nachrichtentyp><code>{kind}</code></nachrichtentyp>\n      \
             <erstellungszeitpunkt>{}</erstellungszeitpunkt>\n    </identifikation.nachricht>\n",
            self.uuid,
            instant(metadata.created)
        )
        .expect("writing to a string");
        for (role, party, name) in [
            ("leser", &metadata.reader, &self.reader.name),
            ("autor", &metadata.author, &self.author.name),
        ] {
            write!(
                xml,
                "    <{role}>\n      <verzeichnisdienst><code>DVDV</code></verzeichnisdienst>\n      \
                 <kennung>{party}</kennung>\n      <name>{name}</name>\n    </{role}>\n"
            )
            .expect("writing to a string");
        }
        xml.push_str("  </nachrichtenkopf.g2g>\n");
    }

    fn notice_body(&self, day: &str) -> String {
        let n = self.number;
        let mut body = format!(
            "  <grund listVersionID=\"{}\"><code>01</code></grund>\n  \
             <wirksamAb>{day}</wirksamAb>\n",
            self.version.reasons()
        );
        body.push_str(&self.dwelling(1, &self.author, day, true));
        body.push_str(&self.dwelling(2, &self.reader, day, false));
        let family = n % 3 == 1;
        body.push_str(&self.adult("p1", n, family.then_some("p2")));
        if family {
            body.push_str(&self.adult("p2", n + 7, Some("p1")));
            body.push_str(&child("p3", n + 3, n));
        }
        if let Some((name, digest)) = &self.attachment {
            writeln!(
                body,
                "  <anlage cid=\"{name}\"><bezeichnung>Bestätigung des Wohnungsgebers</bezeichnung>\
                 <sha256>{digest}</sha256></anlage>"
            )
            .expect("writing to a string");
        }
        if n % 4 == 2 {
            body.push_str("  <bemerkung>Rückfragen bitte an das Bürgerbüro - gern auch telefonisch.</bemerkung>\n");
        }
        body
    }

    fn dwelling(&self, number: u8, town: &Town, day: &str, moved_in: bool) -> String {
        let place = town.name.split_once(' ').map_or(town.name.as_str(), |(_, name)| name);
        let house = 1 + (self.number * 13 + usize::from(number)) % 180;
        let street = pick(&STREETS, self.number + usize::from(number));
        let moved = match (moved_in, self.version) {
            (true, Version::V1_1) => {
                format!("<einzug>{day}</einzug><bestaetigtAm>{day}</bestaetigtAm>")
            }
            (true, Version::V1_0) => format!("<einzug>{day}</einzug>"),
            (false, _) => format!("<auszug>{day}</auszug>"),
        };
        format!(
            "  <wohnung nummer=\"{number}\"><strasse>{street}</strasse>\
             <hausnummer>{house}</hausnummer><postleitzahl>32{:03}</postleitzahl>\
             <ort>{place}</ort><gemeindeschluessel>{}</gemeindeschluessel>{moved}</wohnung>\n",
            self.number % 1000,
            town.ags
        )
    }

    fn adult(&self, id: &str, n: usize, spouse: Option<&str>) -> String {
        let contact = match self.version {
            Version::V1_1 if n.is_multiple_of(5) => {
                "<kontakt><kanal><code>01</code></kanal>\
                 <kennung>person@beispiel.example</kennung></kontakt>"
            }
            _ => "",
        };
        let spouse = spouse.map_or_else(String::new, |id| format!("<ehepartner person=\"{id}\"/>"));
        let sex = ["weiblich", "maennlich", "divers"][n % 3];
        format!(
            "  <person id=\"{id}\" xsi:type=\"um:VolljaehrigePersonType\">{}\
             <geschlecht>{sex}</geschlecht><geburt><datum>{}-{:02}-{:02}</datum></geburt>\
             <staatsangehoerigkeit><code>{}</code></staatsangehoerigkeit>{BOTH}{contact}{spouse}\
             </person>\n",
            name(n),
            1950 + n % 50,
            1 + n % 12,
            1 + n % 28,
            pick(&COUNTRIES, n)
        )
    }

    fn answer_body(&self, day: &str) -> String {
        format!(
            "  <bezug>{}</bezug>\n  <ergebnis><code>01</code></ergebnis>\n  \
             <abgemeldetZum>{day}</abgemeldetZum>\n",
            uuid::Uuid::new_v4()
        )
    }
}

const BOTH: &str =
    "<bezieht wohnung=\"1\" status=\"alleinige\"/><bezieht wohnung=\"2\" status=\"alleinige\"/>";

fn name(n: usize) -> String {
    format!(
        "<name><vornamen>{}</vornamen><familienname>{}</familienname></name>",
        pick(&GIVEN, n),
        pick(&FAMILY, n / 2 + n)
    )
}

fn child(id: &str, n: usize, year: usize) -> String {
    format!(
        "  <person id=\"{id}\" xsi:type=\"um:MinderjaehrigePersonType\">{}\
         <geschlecht>ohne Angabe</geschlecht><geburt><datum>{}-07</datum></geburt>\
         <staatsangehoerigkeit><code>000</code></staatsangehoerigkeit>{BOTH}\
         <gesetzlicherVertreter person=\"p1\"/><gesetzlicherVertreter person=\"p2\"/></person>\n",
        name(n),
        2012 + year % 12
    )
}

/// The calendar day in Germany.
fn day(at: Timestamp) -> String {
    at.in_tz("Europe/Berlin").map_or_else(|_| at.to_string(), |local| local.date().to_string())
}

/// With milliseconds and zone, as the header wants it.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::plan::metadata_for_tests;
    use crate::node::files;
    use amtsbote_schemas::pack::PackSet;
    use amtsbote_schemas::validate::Verdict;
    use amtsbote_schemas::xml::Limits;

    #[test]
    fn every_story_is_valid_in_its_version() {
        let folder = tempfile::tempdir().expect("a folder");
        files::packs(folder.path()).expect("written");
        let packs = PackSet::load(folder.path()).expect("they load");
        let town = |ags: &str, name: &str| Town { ags: ags.into(), name: name.into() };
        for number in 0..96 {
            let story = Story {
                number,
                version: if number % 2 == 0 { Version::V1_1 } else { Version::V1_0 },
                author: town("05766044", "Stadt Lemgo"),
                reader: town("05766020", "Stadt Detmold"),
                uuid: uuid::Uuid::new_v4().to_string(),
                answer: number % 7 == 3,
                attachment: (number % 6 == 0)
                    .then(|| ("bestaetigung.pdf".to_owned(), "ab".repeat(32))),
            };
            let created = "2026-11-20T10:00:00.120Z".parse().expect("an instant");
            let mut metadata = metadata_for_tests("ags:05766044", "ags:05766020", created);
            metadata.test = number % 5 == 0;
            let xml = story.xml(&metadata);
            let checked = packs.check(&xml[..], created, &Limits::default(), &|| false);
            let findings = &checked.findings;
            assert_eq!(checked.verdict, Verdict::Valid, "story {number}: {findings:?}");
            assert_eq!(checked.version.as_deref(), Some(story.version.as_str()));
        }
    }
}
