//! Memory and disk.

use crate::{
    error::{Error, Result},
    host::{Host, files},
};

const MIB: u64 = 1 << 20;

/// Checks the machine; gives what the user should know.
pub(super) fn check(host: &Host) -> Result<Vec<String>> {
    let mut warnings = vec![];
    let meminfo = files::read("/proc/meminfo".into())?.unwrap_or_default();
    // Without a figure there is nothing to warn of.
    if let Some(memory) = total_memory(&meminfo) {
        if memory < 512 {
            return Err(Error::new(format!(
                "this host has {memory} MiB of memory; Synapse needs 512 MiB at the very least"
            )));
        }
        if memory < 1024 {
            warnings.push(format!(
                "This host has {memory} MiB of memory; 1 GiB is little for Synapse."
            ));
        }
    }
    let root = host.env().lib_root();
    let free = files::free_space(&root)? / MIB;
    if free < 2048 {
        return Err(Error::new(format!("{root} has {free} MiB left; 2 GiB are needed"))
            .hint("docker system df shows what images take"));
    }
    if free < 5120 {
        warnings.push(format!("{root} has {free} MiB left; media and database grow."));
    }
    Ok(warnings)
}

/// In MiB.
fn total_memory(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024)
}
