//! A JSON file of the administrator's own, merged over a generated one as RFC 7396 says.
//!
//! Owns what may be in it. It is nobody's business what is: no error prints its content, only names
//! of keys. Must not write it.

use crate::{
    error::{Error, Result},
    host::files,
};
use camino::Utf8Path;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt;

/// The content of a new file.
pub const EMPTY: &str = "{}\n";

/// A key at the top of the file that only the plugin sets.
#[derive(Clone, Copy, Debug)]
pub struct Owned {
    /// The key.
    pub key: &'static str,
    /// Why it is refused.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

/// Merges the file at `path` over what is generated; without a file nothing is changed.
///
/// # Errors
/// It cannot be read, is no JSON, is no object, has a key twice, or has a key of the plugin's.
pub fn merge(generated: &mut Value, path: &Utf8Path, owned: &[Owned]) -> Result<()> {
    match files::read(path)? {
        Some(text) => {
            merge_patch(generated, parse(path, &text, owned)?);
            Ok(())
        }
        None => Ok(()),
    }
}

fn parse(path: &Utf8Path, text: &str, owned: &[Owned]) -> Result<Value> {
    let Unique(content) = serde_json::from_str(text)
        .map_err(|error| Error::new(format!("{path} is not valid: {error}")))?;
    let Some(keys) = content.as_object() else {
        let before = text.len() - text.trim_start().len();
        let line = text[..before].matches('\n').count() + 1;
        let column = before - text[..before].rfind('\n').map_or(0, |end| end + 1) + 1;
        return Err(Error::new(format!(
            "{path} is not valid: expected an object, {{...}}, at line {line} column {column}"
        )));
    };
    let mut refused = owned.iter().filter(|owned| keys.contains_key(owned.key)).peekable();
    if refused.peek().is_none() {
        return Ok(content);
    }
    let (mut lines, mut hints) = (vec![], vec![]);
    for Owned { key, why, instead } in refused {
        lines.push(format!("{path} must not set {key}: {why}"));
        if !hints.contains(instead) {
            hints.push(instead);
        }
    }
    Err(hints.into_iter().fold(Error::new(lines.join("\n")), Error::hint))
}

/// RFC 7396, section 2.
fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    let mut fields = match std::mem::take(target) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(&key);
        } else {
            merge_patch(fields.entry(key).or_insert(Value::Null), value);
        }
    }
    *target = Value::Object(fields);
}

/// JSON in which no object has a key twice. Of two, other parsers silently take the last: pasted
/// examples would replace each other.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = vec![];
        while let Some(Unique(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {key} is there twice")));
            }
            let Unique(value) = fields.next_value()?;
            all.insert(key, value);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The test cases of RFC 7396, appendix A, and the example of its section 3.
    #[test]
    fn merges_as_the_rfc_says() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (
                json!({
                    "title": "Goodbye!",
                    "author": {"givenName": "John", "familyName": "Doe"},
                    "tags": ["example", "sample"],
                    "content": "This will be unchanged",
                }),
                json!({
                    "title": "Hello!",
                    "phoneNumber": "+01-123-456-7890",
                    "author": {"familyName": null},
                    "tags": ["example"],
                }),
                json!({
                    "title": "Hello!",
                    "author": {"givenName": "John"},
                    "tags": ["example"],
                    "content": "This will be unchanged",
                    "phoneNumber": "+01-123-456-7890",
                }),
            ),
        ];
        for (original, patch, result) in cases {
            let mut merged = original.clone();
            merge_patch(&mut merged, patch.clone());
            assert_eq!(merged, result, "{original} {patch}");
        }
    }

    const OWNED: [Owned; 3] = [
        Owned { key: "a", why: "it is ours", instead: "Use b." },
        Owned { key: "c", why: "so is this", instead: "Use b." },
        Owned { key: "d", why: "and this", instead: "Leave it." },
    ];

    /// Each with the place of the mistake, and nothing of a value.
    #[test]
    fn refuses_what_it_cannot_merge() {
        for (text, expected) in [
            ("", "/l is not valid: EOF while parsing a value at line 1 column 0"),
            ("{\n  \"x\": \"s3cret\",\n}", "/l is not valid: trailing comma at line 3 column 1"),
            ("{\"x\": 's3cret'}", "/l is not valid: expected value at line 1 column 7"),
            ("{\"x\": 1} s3cret", "/l is not valid: trailing characters at line 1 column 10"),
            (
                "{\n \"x\": {\"y\": \"s3cret\",\n \"y\": 2}}",
                "/l is not valid: the key y is there twice at line 3 column 4",
            ),
            ("\n  [\"s3cret\"]", "/l is not valid: expected an object, {...}, at line 2 column 3"),
            ("\"s3cret\"", "/l is not valid: expected an object, {...}, at line 1 column 1"),
            (" \n\n null", "/l is not valid: expected an object, {...}, at line 3 column 2"),
            ("{\"d\": \"s3cret\"}", "/l must not set d: and this\nLeave it."),
            (
                "{\"c\": {\"x\": \"s3cret\"}, \"a\": null}",
                "/l must not set a: it is ours\n/l must not set c: so is this\nUse b.",
            ),
        ] {
            let error = parse("/l".into(), text, &OWNED).unwrap_err();
            assert_eq!(error.lines().join("\n"), expected, "{text}");
        }
    }

    #[test]
    fn keeps_every_value() {
        let text =
            r#"{"s": "ü", "n": [null, true, -1, 18446744073709551615, 1.5], "o": {"a": {}}}"#;
        let patch = parse("/l".into(), text, &OWNED).unwrap();
        assert_eq!(patch, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn needs_no_file() {
        let (_guard, root) = files::scratch().unwrap();
        let path = root.join("local.json");
        let mut value = json!({"x": 1});
        merge(&mut value, &path, &OWNED).unwrap();
        files::write_scratch(&path, EMPTY).unwrap();
        merge(&mut value, &path, &OWNED).unwrap();
        assert_eq!(value, json!({"x": 1}));
        files::write_scratch(&path, r#"{"x": 2}"#).unwrap();
        merge(&mut value, &path, &OWNED).unwrap();
        assert_eq!(value, json!({"x": 2}));
    }
}
