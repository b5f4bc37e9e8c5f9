//! The generated documents: cases of a register that nobody keeps, by a seed.

use std::io::{self, Write};

const STREETS: [&str; 6] =
    ["Am Mühlbach", "Lindenallee", "Große Gasse", "Hafenstraße", "Bürgerplatz", "An der Schleuse"];
const PLACES: [&str; 5] = ["Altmünde", "Neuhausen", "Kleinbrück", "Sankt Veit", "Oberau"];
const FAMILIES: [&str; 6] = ["Muster", "Beispiel", "Probst", "Größling", "Yılmaz", "Nowak"];
const GIVEN: [&str; 6] = ["Erika Maria", "Max", "Jürgen", "Ayşe", "Łukasz", "Anna-Lena"];
const COUNTRIES: [&str; 5] = ["000", "121", "163", "152", "129"];

/// A sequence of numbers that is the same in every run.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Writes a document of at least `bytes`; gives its length.
pub(super) fn write(out: &mut impl Write, bytes: u64, seed: u64) -> io::Result<u64> {
    let mut random = Seeded(seed | 1);
    let mut text = String::new();
    text.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r:register version=\"1.0\" \
         xmlns:r=\"urn:example:register\" xmlns:p=\"urn:example:persons\" \
         xmlns:t=\"urn:example:types\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n",
    );
    text.push_str(&format!(
        "  <r:head>\n    <r:identifier>{}</r:identifier>\n    \
         <r:created>2026-03-01T08:00:00.000+01:00</r:created>\n    \
         <r:author>ags:05766044</r:author>\n    <r:reader>ags:05758012</r:reader>\n  </r:head>\n",
        identifier(u64::MAX, seed)
    ));
    let mut written = 0;
    let mut number = 0;
    while written + (text.len() as u64) < bytes {
        case(&mut text, number, seed, &mut random);
        number += 1;
        if text.len() > 1 << 16 {
            out.write_all(text.as_bytes())?;
            written += text.len() as u64;
            text.clear();
        }
    }
    text.push_str("</r:register>\n");
    out.write_all(text.as_bytes())?;
    Ok(written + text.len() as u64)
}

fn identifier(number: u64, seed: u64) -> String {
    let mixed = (number ^ seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:08x}-{:04x}-4abc-9def-{number:012x}", mixed >> 32, mixed & 0xFFFF)
        .replace("-ffffffffffffffff", "-ffffffffffff")
}

fn case(text: &mut String, number: u64, seed: u64, random: &mut Seeded) {
    let id = identifier(number, seed);
    let urgent = if random.below(8) == 0 { " urgent=\"true\"" } else { "" };
    let (year, month, day) = (1990 + random.below(36), 1 + random.below(12), 1 + random.below(28));
    let kind = 100 + random.below(30);
    text.push_str(&format!(
        "  <r:case id=\"{id}\"{urgent}>\n    <r:fileNumber>MU/{year}/{number}</r:fileNumber>\n    \
         <r:opened>{year}-{month:02}-{day:02}</r:opened>\n    \
         <r:kind listURI=\"urn:example:list:kind\" listVersionID=\"3\">\n      <code>{kind}</code>\n      \
         <name>Ummeldung innerhalb der Gemeinde</name>\n    </r:kind>\n"
    ));
    if random.below(2) == 0 {
        text.push_str(&format!(
            "    <r:fee>{}.{:02}</r:fee>\n",
            random.below(500),
            random.below(100)
        ));
    }
    for party in 1..=1 + random.below(3) {
        if random.below(4) == 0 {
            organisation(text, party, random);
        } else {
            person(text, party, random);
        }
    }
    if number > 0 && random.below(3) == 0 {
        let before = identifier(random.below(number), seed);
        text.push_str(&format!("    <r:follows case=\"{before}\"/>\n"));
    }
    if random.below(2) == 0 {
        text.push_str("    <r:remark>Unterlagen liegen vollständig vor; Rückfrage an die Ausländerbehörde &amp; das Standesamt am selben Tag erledigt.</r:remark>\n");
    }
    text.push_str("  </r:case>\n");
}

fn begin(text: &mut String, party: u64, kind: &str, random: &mut Seeded) {
    text.push_str(&format!(
        "    <r:party xsi:type=\"p:{kind}\" number=\"{party}\">\n      \
         <p:role listURI=\"urn:example:list:role\">\n        <code>0{party}</code>\n      </p:role>\n      \
         <p:address>\n        <p:street>{}</p:street>\n        <p:number>{}</p:number>\n        \
         <p:postcode>{:05}</p:postcode>\n        <p:place>{}</p:place>\n        \
         <p:country>000</p:country>\n      </p:address>\n",
        random.of(&STREETS),
        1 + random.below(200),
        10_000 + random.below(89_999),
        random.of(&PLACES)
    ));
    text.push_str(&format!(
        "      <p:telephone preferred=\"true\">\n        <p:value>+49 30 {}</p:value>\n        \
         <p:since>{}-{:02}</p:since>\n      </p:telephone>\n",
        1_000_000 + random.below(8_999_999),
        2000 + random.below(26),
        1 + random.below(12)
    ));
    if random.below(2) == 0 {
        text.push_str(
            "      <p:mailbox>\n        <p:value>eingang@beispiel.example</p:value>\n        \
             <p:provider>ehb:05766044</p:provider>\n      </p:mailbox>\n",
        );
    }
}

fn person(text: &mut String, party: u64, random: &mut Seeded) {
    begin(text, party, "person", random);
    let born = match random.below(10) {
        0 => format!("{}", 1930 + random.below(90)),
        1 => format!("{}-{:02}", 1930 + random.below(90), 1 + random.below(12)),
        _ => {
            let (month, day) = (1 + random.below(12), 1 + random.below(28));
            format!("{}-{month:02}-{day:02}", 1930 + random.below(90))
        }
    };
    text.push_str(&format!(
        "      <p:familyName>{}</p:familyName>\n      <p:givenNames>{}</p:givenNames>\n      \
         <p:born>{born}</p:born>\n      <p:gender>{}</p:gender>\n      \
         <p:nationality>{}</p:nationality>\n    </r:party>\n",
        random.of(&FAMILIES),
        random.of(&GIVEN),
        random.of(&["m", "w", "d", "x"]),
        random.of(&COUNTRIES)
    ));
}

fn organisation(text: &mut String, party: u64, random: &mut Seeded) {
    begin(text, party, "organisation", random);
    text.push_str(
        "      <p:name>Wohnungsgesellschaft Beispiel mbH</p:name>\n      \
         <p:authority>ags:05766044</p:authority>\n    </r:party>\n",
    );
}
