//! Compiles the gateway again when the web client that is part of it was built.

use std::env;
use std::path::Path;

fn main() {
    // In a debug build the files are read when they are asked for.
    let embedded = env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none();
    // While there is nothing to embed, it is the folder around it that changes when there is.
    let client = ["../web-client/dist", "../web-client"].into_iter().find(|folder| Path::new(folder).exists());
    let watched = client.filter(|_| embedded).unwrap_or("build.rs");
    println!("cargo::rerun-if-changed={watched}");
}
