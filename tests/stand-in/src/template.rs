//! The part of Go's templates that `docker --format` is given: fields, `json`, `index`, `range`.

use serde_json::Value;

/// Renders a template for one object.
pub(crate) fn render(template: &str, object: &Value) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text += before;
        let Some((action, tail)) = after.split_once("}}") else { return text + "{{" + after };
        let action = action.trim();
        rest = tail;
        if let Some(list) = action.strip_prefix("range ") {
            let (body, tail) = rest
                .split_once("{{end}}")
                .or_else(|| rest.split_once("{{ end }}"))
                .unwrap_or((rest, ""));
            text += &range(&field(object, list.rsplit(' ').next().unwrap_or_default()), body);
            rest = tail;
        } else {
            text += &value(action, object);
        }
    }
    text + rest
}

fn range(list: &Value, body: &str) -> String {
    match list {
        Value::Array(items) => items.iter().map(|item| render(body, item)).collect(),
        Value::Object(items) => items.values().map(|item| render(body, item)).collect(),
        _ => String::new(),
    }
}

fn value(action: &str, object: &Value) -> String {
    let words: Vec<&str> = action.split_whitespace().collect();
    match words.as_slice() {
        ["json", path] => field(object, path).to_string(),
        ["index", path, key] => plain(&field(object, path)[key.trim_matches('"')]),
        [".Label", key] => plain(&object["Labels"][key.trim_matches('"')]),
        ["println", path] => plain(&field(object, path)) + "\n",
        [path] => plain(&field(object, path)),
        _ => format!("<stand-in: template {action} is not known>"),
    }
}

fn field(object: &Value, path: &str) -> Value {
    let parts = path.trim_start_matches('$').split('.').filter(|part| !part.is_empty());
    parts.fold(object.clone(), |value, part| value[part].clone())
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
