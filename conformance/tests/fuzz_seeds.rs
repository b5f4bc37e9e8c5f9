//! Every seed of the fuzz targets for documents, run through the same functions without a fuzzer, so
//! that what a fuzzer once found stays found.

#![expect(clippy::print_stdout, reason = "the name of the seed, where it fails")]

#[path = "../fuzz/src/targets/mod.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use it as a library")]
mod targets;

use std::fs;
use std::path::Path;

/// Most bytes of the seeds of one target, so that the checkout stays small.
const MAX_SEED_BYTES: usize = 128 * 1024;

fn run(target: &str, function: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    let mut bytes = 0;
    for entry in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = entry.expect("an entry").path();
        let octets = fs::read(&path).expect("a seed");
        count += 1;
        bytes += octets.len();
        println!("{}", path.display());
        function(&octets);
    }
    assert!(count > 20, "only {count} seeds of {target}");
    assert!(bytes <= MAX_SEED_BYTES, "{bytes} bytes of seeds of {target}");
}

#[test]
fn seeds_of_the_reader() {
    run("xml", targets::xml);
}

#[test]
fn seeds_of_our_own_packs() {
    run("pack", targets::pack);
}

#[test]
fn seeds_of_the_schema_compiler() {
    run("schema", targets::schema);
}

#[test]
fn seeds_of_the_validator() {
    run("validator", targets::validator);
}

#[test]
fn edits_do_what_their_programs_say() {
    use targets::edits::reshape;
    let document = b"<a x='1'><b>t</b><c y='2'/></a>";
    let edit = |program: &[u8]| String::from_utf8(reshape(document, program)).expect("text");
    assert_eq!(edit(&[0, 1, 0]), "<a x='1'><c y='2'/></a>", "delete");
    assert_eq!(edit(&[1, 2, 1]), "<a x='1'><c y='2'/><b>t</b><c y='2'/></a>", "copy");
    assert_eq!(edit(&[2, 1, 2]), "<a x='1'><c y='2'/><b>t</b></a>", "exchange");
    assert_eq!(edit(&[3, 0, 3]), "<a x='1'><b>t</b><c y='2'/></a>", "a word for a value");
    assert_eq!(edit(&[5, 0, 1]), "<a x='2'><b>t</b><c y='2'/></a>", "a value for a value");
    assert_eq!(edit(&[6, 1, 0]), "<a x='1'><b x='1'>t</b><c y='2'/></a>", "one attribute more");
    assert_eq!(edit(&[7, 0, 0]), "<a ><b>t</b><c y='2'/></a>", "one attribute less");
    assert_eq!(edit(&[8, 1, 2]), "<a x='1'><c>t</c><c y='2'/></a>", "another name");
    assert_eq!(edit(&[0, 0, 0, 0, 0, 0]), "", "nothing is left, and nothing fails");
}
