//! Prints Dokku's reports: as text, as JSON, or a single value.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::call::{Call, fail};

/// The arguments of a report command.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// The app; `None` means every app.
    pub(crate) app: Option<String>,
    pub(crate) global: bool,
    json: bool,
    flag: Option<String>,
}

impl Request {
    pub(crate) fn parse(args: &[String]) -> Self {
        let mut request = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--format" => request.json = args.next().is_some_and(|format| format == "json"),
                "--format=json" => request.json = true,
                "--global" => request.global = true,
                flag if flag.starts_with("--") => request.flag = Some(flag.to_owned()),
                app => request.app = Some(app.to_owned()),
            }
        }
        request
    }
}

/// The keys of the JSON output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keys {
    /// Without the prefix, sorted.
    Plain,
    /// With and without the prefix, sorted.
    Both,
    /// Without the prefix, in the order of the rows. An empty single value is an error.
    Ordered,
}

/// A report on one app or on the whole host.
#[derive(Debug)]
pub(crate) struct Report {
    /// The name of the plugin in the heading.
    pub(crate) title: &'static str,
    /// The prefix of its flags, including the last dash.
    pub(crate) prefix: &'static str,
    pub(crate) keys: Keys,
    /// Flags without their leading dashes, and values.
    pub(crate) rows: Vec<(String, String)>,
    /// Values that appear in JSON only.
    pub(crate) extra: Vec<(String, Value)>,
}

impl Report {
    pub(crate) fn new(title: &'static str, prefix: &'static str, keys: Keys) -> Self {
        Self { title, prefix, keys, rows: Vec::new(), extra: Vec::new() }
    }

    /// Adds a row; the name is given without the prefix.
    pub(crate) fn row(mut self, name: &str, value: impl Into<String>) -> Self {
        self.rows.push((format!("{}{name}", self.prefix), value.into()));
        self
    }

    /// Adds a row whose flag has no prefix.
    pub(crate) fn bare(mut self, name: &str, value: impl Into<String>) -> Self {
        self.rows.push((name.to_owned(), value.into()));
        self
    }

    /// Adds the rows of a property: the computed value, the global one, and the app's own.
    pub(crate) fn property(self, name: &str, value: Option<&String>, default: &str) -> Self {
        let value = value.cloned().unwrap_or_default();
        let computed = if value.is_empty() { default.to_owned() } else { value.clone() };
        self.row(&format!("computed-{name}"), computed)
            .row(&format!("global-{name}"), "")
            .row(name, value)
    }

    /// Prints the requested form of the report.
    pub(crate) fn answer(mut self, call: &Call, subject: &str, request: &Request) -> Result<()> {
        if request.global {
            let global = format!("{}global-", self.prefix);
            let computed = format!("{}computed-", self.prefix);
            let both = self.keys == Keys::Both;
            self.rows.retain(|(flag, _)| {
                flag.starts_with(&global) || both && flag.starts_with(&computed)
            });
        }
        if request.json {
            call.line(self.json());
            return Ok(());
        }
        let Some(flag) = &request.flag else {
            self.human(call, subject);
            return Ok(());
        };
        let row = self.rows.iter().find(|(name, _)| flag.strip_prefix("--") == Some(name));
        match row {
            Some((_, value)) if value.is_empty() && self.keys == Keys::Ordered => {
                fail("not deployed")
            }
            Some((_, value)) => {
                call.line(value);
                Ok(())
            }
            // A real Dokku may have more values than the stand-in.
            None => bail!("{flag} of a report on {} is not supported", self.title),
        }
    }

    fn json(mut self) -> String {
        let mut pairs: Vec<(String, Value)> = Vec::new();
        for (flag, value) in &self.rows {
            if let Some(plain) = flag.strip_prefix(self.prefix) {
                pairs.push((plain.to_owned(), Value::from(value.as_str())));
                if self.keys != Keys::Both {
                    continue;
                }
            }
            pairs.push((flag.clone(), Value::from(value.as_str())));
        }
        pairs.append(&mut self.extra);
        if self.keys != Keys::Ordered {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    fn human(&self, call: &Call, subject: &str) {
        call.info2(format!("{subject} {} information", self.title));
        for (flag, value) in &self.rows {
            let mut label = flag.replace(['-', '.'], " ");
            if let Some(first) = label.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            call.verbose(format!("{:<30} {value}", format!("{label}:")));
        }
    }
}

/// Prints a report on the requested app, or on every app.
pub(crate) fn of_apps(
    call: &Call,
    args: &[String],
    make: impl Fn(&str) -> Result<Report>,
) -> Result<()> {
    let request = Request::parse(args);
    if request.global {
        return make("")?.answer(call, "global", &request);
    }
    let apps = match &request.app {
        Some(app) => vec![app.clone()],
        None => call.visible(call.state()?.apps.into_keys().collect())?,
    };
    for app in apps {
        call.app(&app)?;
        make(&app)?.answer(call, &app, &request)?;
    }
    Ok(())
}
