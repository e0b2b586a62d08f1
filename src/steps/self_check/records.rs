//! The DNS records that a homeserver needs.

use crate::{
    error::Result,
    host::{Host, Reading, net},
    state::Spec,
    steps::here,
};

const NEEDED: &str = "These DNS records are needed:";
const THIS_HOST: &str = "<address of this host>";
const OTHER_HOST: &str = "<address of the host that serves its well-known files>";

/// The DNS records that are needed, and where each leads now.
pub fn dns_records(host: &Host, spec: &Spec) -> Result<Vec<String>> {
    let line = |(name, address): &(&str, &str)| {
        let now = match net::resolve(host, name) {
            Reading::Value(now) => {
                now.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Reading::Absent => "missing".to_owned(),
            Reading::Unknown(_) => "unknown".to_owned(),
        };
        format!("{}  (now: {now})", record(name, address))
    };
    let names = names(host, spec)?;
    Ok(std::iter::once(NEEDED.to_owned()).chain(names.iter().map(line)).collect())
}

/// A record as one would type it into a zone.
fn record(name: &str, address: &str) -> String {
    format!("{name}.  A  {address}")
}

/// The records of names that lead nowhere yet.
pub(super) fn missing(host: &Host, spec: &Spec) -> Result<Vec<String>> {
    let mut names = names(host, spec)?;
    names.retain(|(name, _)| !matches!(net::resolve(host, name), Reading::Value(_)));
    Ok(below_a_title(names.into_iter()))
}

/// The records that lead these names to this host, below a line that says so; nothing for none.
pub(in crate::steps) fn needed_records<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    below_a_title(names.map(|name| (name, THIS_HOST)))
}

fn below_a_title<'a>(names: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut lines: Vec<_> = names.map(|(name, address)| record(name, address)).collect();
    if !lines.is_empty() {
        lines.insert(0, NEEDED.to_owned());
    }
    lines
}

/// The names, and where each must lead.
fn names<'a>(host: &Host, spec: &'a Spec) -> Result<Vec<(&'a str, &'static str)>> {
    let components = spec.components.values().map(|one| one.domain.as_str());
    let domains = std::iter::once(spec.domain.as_str()).chain(components);
    let mut names: Vec<_> = domains.map(|domain| (domain, THIS_HOST)).collect();
    let name = spec.server_name.host();
    if name == spec.domain.as_str() {
        return Ok(names);
    }
    if spec.server_name.has_port() {
        names.push((name, THIS_HOST));
    } else if spec.needs_well_known() {
        let is_here = here::app(host, name)?.is_some();
        names.push((name, if is_here { THIS_HOST } else { OTHER_HOST }));
    }
    Ok(names)
}
