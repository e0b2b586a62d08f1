//! `nginx -t`: whether nginx accepts a configuration. Changes nothing.

use crate::{
    error::{Error, Result},
    host::{
        Host,
        cmd::{Cmd, Output},
    },
};
use camino::Utf8Path;

/// Tests the configuration of this host, or that in a file; `None` if nginx accepts it, else what
/// nginx printed.
///
/// # Errors
/// It is not known: nginx did not say that it accepts the configuration.
pub(super) fn refused(host: &Host, conf: Option<&Utf8Path>) -> Result<Option<Output>> {
    let mut cmd = Cmd::reads("sudo").args(["-n", "nginx", "-t"]);
    if let Some(conf) = conf {
        cmd = cmd.args(["-c", conf.as_str()]);
    }
    let output = host.run(&cmd)?;
    match output.code {
        0 if output.says("test is successful") => Ok(None),
        0 => Err(Error::new(format!(
            "`{cmd}` ended with exit code 0 and printed nothing of a successful test"
        ))),
        _ => Ok(Some(output)),
    }
}
