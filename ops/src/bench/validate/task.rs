//! What is validated: generated messages, one generated document, and real messages.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::document;

/// Octets that a turn over one message works through at least.
const TURN_OCTETS: u64 = 4 << 20;
/// The schemas of what is generated: imports, abstract types with `xsi:type`, a substitution group,
/// unions, patterns, enumerations, `key`, `unique` and `keyref`. The first one is the entry.
const SCHEMAS: [(&str, &str); 3] = [
    ("register.xsd", include_str!("register.xsd")),
    ("persons.xsd", include_str!("persons.xsd")),
    ("types.xsd", include_str!("types.xsd")),
];
/// Real messages of the corpus, each with its schema: a small one, two of usual size, a large one.
const CORPUS: [(&str, &str); 4] = [
    ("xwasser/1.0.0/messages/olb_report_minimal.xml", "xwasser/1.0.0/xsd/xwasser.xsd"),
    (
        "xjustiz/messages/xjustiz_nachricht_abs_sonst_v3_2.xml",
        "xjustiz/3.2.1/xsd/xjustiz_0005_nachrichten_3_0.xsd",
    ),
    (
        "xbeteiligung/1.2/messages/example402FromCockpit.xml",
        "xbeteiligung/1.2/xsd/xbeteiligung.xsd",
    ),
    (
        "xbildung/messages/xschule/XSchule_Abiturzeugnis_NW_01.xml",
        "xbildung/validator-artefacts/xschule/1.2/xschule.xsd",
    ),
];

/// What is worked through at once.
pub(super) struct Task {
    /// What it is called.
    pub(super) name: String,
    /// The documents.
    pub(super) files: Vec<PathBuf>,
    /// Whether they are read from their files each time, piece by piece, or lie in memory.
    pub(super) from_file: bool,
    /// How often it is worked through in one turn.
    pub(super) times: u64,
    /// Octets of all documents.
    pub(super) octets: u64,
    /// The schema.
    pub(super) schema: PathBuf,
    /// Where what it imports is found.
    pub(super) catalog: Option<PathBuf>,
}

impl Task {
    /// So many generated messages of about so many octets.
    pub(super) fn messages(schema: &Path, count: u32, octets: u64) -> anyhow::Result<Self> {
        let folder = schema.with_file_name("messages");
        fs::create_dir_all(&folder)?;
        let (mut files, mut all) = (Vec::new(), 0);
        for n in 1..=u64::from(count) {
            let file = folder.join(format!("{n}.xml"));
            all += generate(&file, octets, n)?;
            files.push(file);
        }
        Ok(Self {
            name: "messages".to_owned(),
            files,
            from_file: false,
            times: TURN_OCTETS.div_ceil(all.max(1)),
            octets: all,
            schema: schema.to_owned(),
            catalog: None,
        })
    }

    /// One generated document of about so many octets.
    pub(super) fn document(schema: &Path, octets: u64) -> anyhow::Result<Self> {
        let file = schema.with_file_name("document.xml");
        Ok(Self {
            name: "document".to_owned(),
            octets: generate(&file, octets, 7)?,
            files: vec![file],
            from_file: true,
            times: 1,
            schema: schema.to_owned(),
            catalog: None,
        })
    }

    /// A message that somebody names.
    pub(super) fn named(file: &Path, schema: &Path, catalog: &Path) -> anyhow::Result<Self> {
        let octets = fs::metadata(file)?.len();
        Ok(Self {
            name: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            files: vec![file.to_owned()],
            from_file: false,
            times: TURN_OCTETS.div_ceil(octets.max(1)),
            octets,
            schema: schema.to_owned(),
            catalog: Some(catalog.to_owned()),
        })
    }
}

/// The real messages in a corpus: each with its schema and the catalog, there or not.
pub(super) fn real(corpus: &Path) -> Vec<[PathBuf; 3]> {
    let all = CORPUS.iter();
    all.map(|(file, schema)| [corpus.join(file), corpus.join(schema), corpus.join("catalog.xml")])
        .collect()
}

/// Writes the schemas of what is generated; gives the entry.
pub(super) fn write_schemas(folder: &Path) -> anyhow::Result<PathBuf> {
    for (name, text) in SCHEMAS {
        fs::write(folder.join(name), text)?;
    }
    Ok(folder.join(SCHEMAS[0].0))
}

fn generate(file: &Path, octets: u64, seed: u64) -> anyhow::Result<u64> {
    let mut out = BufWriter::new(File::create(file)?);
    let written = document::write(&mut out, octets, seed)?;
    out.flush()?;
    Ok(written)
}
