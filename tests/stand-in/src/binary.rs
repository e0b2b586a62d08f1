//! Finds the stand-in's binary from a test of any crate.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The stand-in binary in the target directory of the running test, built once per test process.
pub(crate) fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(error) => bail!("{error}"),
    }
}

fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("STAND_IN_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    if test.file_name().is_some_and(|name| name == "stand-in") {
        return Ok(test);
    }
    let dir = test.parent().and_then(Path::parent).context("stand-in: no target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "stand-in", "--bin", "stand-in"]);
    command.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if let Some(target) = dir.parent() {
        command.arg("--target-dir").arg(target);
    }
    if dir.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("cargo build --package stand-in")?;
    let path = dir.join("stand-in");
    if !status.success() || !path.exists() {
        bail!("stand-in: cargo build did not make {}", path.display());
    }
    Ok(path)
}
