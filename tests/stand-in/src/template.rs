//! The part of Go's templates that `docker --format` is given: fields, `json`, `index`, `range`.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Renders a template for one object. What the object does not have is not known, rather than empty.
pub(crate) fn render(template: &str, object: &Value) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text += before;
        let Some((action, tail)) = after.split_once("}}") else {
            bail!("template {template} is not known")
        };
        let action = action.trim();
        rest = tail;
        if let Some(list) = action.strip_prefix("range ") {
            let (body, tail) = rest
                .split_once("{{end}}")
                .or_else(|| rest.split_once("{{ end }}"))
                .with_context(|| format!("template {template} is not known"))?;
            text += &range(&field(object, list)?, body)?;
            rest = tail;
        } else {
            text += &value(action, object)?;
        }
    }
    Ok(text + rest)
}

fn range(list: &Value, body: &str) -> Result<String> {
    match list {
        Value::Array(items) => items.iter().map(|item| render(body, item)).collect(),
        Value::Object(items) => items.values().map(|item| render(body, item)).collect(),
        other => bail!("a range over {other} is not known"),
    }
}

fn value(action: &str, object: &Value) -> Result<String> {
    let words: Vec<&str> = action.split_whitespace().collect();
    Ok(match words.as_slice() {
        ["json", path] => field(object, path)?.to_string(),
        ["index", path, key] => label(&field(object, path)?, key),
        [".Label", key] => label(&object["Labels"], key),
        ["println", path] => plain(&field(object, path)?) + "\n",
        [path] if path.starts_with('.') => plain(&field(object, path)?),
        _ => bail!("template action {action} is not known"),
    })
}

/// One of a map's values; a map may well be without it.
fn label(map: &Value, key: &str) -> String {
    map.get(key.trim_matches('"')).map_or_else(String::new, plain)
}

fn field(object: &Value, path: &str) -> Result<Value> {
    let mut parts = path.split('.').filter(|part| !part.is_empty());
    let found = parts.try_fold(object.clone(), |value, part| value.get(part).cloned());
    found.with_context(|| format!("template field {path} is not known"))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}
