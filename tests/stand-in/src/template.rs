//! The subset of Go's templates that `docker --format` supports here: fields, `json`, `index`,
//! `range`.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Renders a template for one object. A field that the object does not have is unsupported, not
/// empty.
pub(crate) fn render(template: &str, object: &Value) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text += before;
        let Some((action, tail)) = after.split_once("}}") else {
            bail!("template {template} is not supported")
        };
        let action = action.trim();
        rest = tail;
        if let Some(list) = action.strip_prefix("range ") {
            let (body, tail) = rest
                .split_once("{{end}}")
                .or_else(|| rest.split_once("{{ end }}"))
                .with_context(|| format!("template {template} is not supported"))?;
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
        other => bail!("a range over {other} is not supported"),
    }
}

fn value(action: &str, object: &Value) -> Result<String> {
    let tokens: Vec<&str> = action.split_whitespace().collect();
    Ok(match tokens.as_slice() {
        ["json", path] => field(object, path)?.to_string(),
        ["index", path, key] => label(&field(object, path)?, key),
        [".Label", key] => label(&object["Labels"], key),
        ["println", path] => plain(&field(object, path)?) + "\n",
        [path] if path.starts_with('.') => plain(&field(object, path)?),
        _ => bail!("template action {action} is not supported"),
    })
}

/// A value of a map, or an empty string.
fn label(map: &Value, key: &str) -> String {
    map.get(key.trim_matches('"')).map_or_else(String::new, plain)
}

fn field(object: &Value, path: &str) -> Result<Value> {
    let mut parts = path.split('.').filter(|part| !part.is_empty());
    let value = parts.try_fold(object.clone(), |value, part| value.get(part).cloned());
    value.with_context(|| format!("template field {path} is not supported"))
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
