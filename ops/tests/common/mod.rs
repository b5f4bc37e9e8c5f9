//! The built binary, run the way people run it, with a clean environment.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The binary, English, without configuration from outside.
pub(crate) fn amtsbote(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amtsbote"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AMTSBOTE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("LC_MESSAGES").env_remove("LANG").env("LC_ALL", "C").current_dir(dir);
    command
}

/// What it printed on stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

/// Every line of stdout as an object; each says its version.
pub(crate) fn objects(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| {
            let object: Value = serde_json::from_str(line).expect("a JSON object per line");
            assert_eq!(object["schema_version"], 1, "{line}");
            object
        })
        .collect()
}

/// Asserts an exit code, and shows everything when it is another.
#[track_caller]
pub(crate) fn exits(output: &Output, code: i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}\n{stderr}", stdout(output));
}
