//! amtsbote
fn main() {}
