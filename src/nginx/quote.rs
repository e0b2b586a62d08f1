//! Quotes JSON as one argument of an nginx directive.

use serde_json::Value;

/// The value as JSON in single quotes, so that nginx's `return` sends exactly that JSON.
///
/// nginx's parser unescapes `\'` and `\\` in a quoted string. Then `return` expands variables, and
/// there a `$` cannot be escaped; but in JSON it only occurs in strings, where `\u0024` means the
/// same.
pub(super) fn json(value: &Value) -> String {
    let mut quoted = String::from("'");
    for character in value.to_string().chars() {
        match character {
            '\'' => quoted.push_str(r"\'"),
            '\\' => quoted.push_str(r"\\"),
            '$' => quoted.push_str(r"\\u0024"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Unquotes a string like nginx's parser (`ngx_conf_read_token`).
    fn read_by_nginx(quoted: &str) -> String {
        let mut characters = quoted.strip_prefix('\'').unwrap().chars().peekable();
        let mut text = String::new();
        loop {
            match characters.next().expect("the string ends with its quote") {
                '\'' => break,
                '\\' => match characters.next().unwrap() {
                    escaped @ ('"' | '\'' | '\\') => text.push(escaped),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'n' => text.push('\n'),
                    other => text.extend(['\\', other]),
                },
                other => text.push(other),
            }
        }
        assert_eq!(characters.next(), None, "something follows the closing quote");
        text
    }

    #[test]
    fn quotes_examples() {
        for (value, quoted) in [
            (json!({"m.server": "m.example.org:443"}), r#"'{"m.server":"m.example.org:443"}'"#),
            (json!("it's"), r#"'"it\'s"'"#),
            (json!("a \"b\""), r#"'"a \\"b\\""'"#),
            (json!("$host ${host}"), r#"'"\\u0024host \\u0024{host}"'"#),
            (json!("line\nline; }"), r#"'"line\\nline; }"'"#),
        ] {
            assert_eq!(json(&value), quoted);
        }
    }

    proptest! {
        #[test]
        fn nginx_reads_back_the_same_json(text in any::<String>()) {
            let read = read_by_nginx(&json(&json!({ &text: &text })));
            prop_assert!(!read.contains('$'));
            prop_assert_eq!(serde_json::from_str::<Value>(&read).unwrap(), json!({ &text: &text }));
        }
    }
}
