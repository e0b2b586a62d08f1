//! Docker's flags in an app's docker options: which flag an option is, and what its value is.
//!
//! Dokku passes options through a shell, so an option is a line of shell words. Must not judge
//! whether a flag is allowed.

use std::net::IpAddr;

/// A flag of `docker container create`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// With its dashes: `--publish`, `-p`.
    pub name: String,
    /// Its value; `None` if nothing that could be one follows.
    pub value: Option<String>,
}

impl Flag {
    /// Whether it is one of these.
    pub fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// Whether a switch is on: pflag takes `--flag` and `--flag=<boolean>`.
    pub fn is_on(&self) -> bool {
        !matches!(self.value.as_deref(), Some("false" | "FALSE" | "False" | "f" | "F" | "0"))
    }
}

/// Short flags without a value.
const SWITCHES: [char; 5] = ['d', 'i', 'P', 'q', 't'];

/// The flags of an option. There is one, but for a line that another plugin has written.
pub fn of(option: &str) -> Vec<Flag> {
    let words = words(option);
    let mut flags = vec![];
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).filter(|next| !next.starts_with('-')).cloned();
        let Some(short) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else { continue };
        if short.starts_with('-') {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), next),
            };
            flags.push(Flag { name: name.to_owned(), value });
            continue;
        }
        // `-iP`, `-p80`, `-p=80`, `-p 80`
        for (place, letter) in short.char_indices() {
            let rest = &short[place + letter.len_utf8()..];
            let name = format!("-{letter}");
            if SWITCHES.contains(&letter) && !rest.starts_with('=') {
                flags.push(Flag { name, value: None });
                continue;
            }
            let value = Some(rest.strip_prefix('=').unwrap_or(rest).to_owned());
            flags.push(Flag { name, value: value.filter(|value| !value.is_empty()).or(next) });
            break;
        }
    }
    flags
}

/// Splits a line into shell words. Nothing is expanded.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None::<char>);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Whether the value of `--publish` keeps a port on this host, and publishes another one than
/// `port` of the container. What cannot be parsed does not.
pub fn is_published_locally(value: &str, port: u16) -> bool {
    let value = value.split('/').next().unwrap_or(value);
    // `[[address:][port]:]port`; an address of version 6 is in brackets.
    let mut parts = value.rsplitn(3, ':');
    let (Some(inside), Some(_), Some(address)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (first, last) = inside.split_once('-').unwrap_or((inside, inside));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return false };
    is_loopback(address) && !(first..=last).contains(&port)
}

/// Whether an address is that of the host itself.
pub fn is_loopback(address: &str) -> bool {
    let address = address.trim_matches(['[', ']']);
    address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_flags_and_values() {
        for (option, wanted) in [
            ("-p 8008:8008", "-p=8008:8008"),
            ("-p8008", "-p=8008"),
            ("-p=8008", "-p=8008"),
            ("-itp 80", "-i -t -p=80"),
            ("-iP", "-i -P"),
            ("-P", "-P"),
            ("-P=true", "-P=true"),
            ("--publish '127.0.0.1:1:1'", "--publish=127.0.0.1:1:1"),
            ("--publish=\"1:1\"", "--publish=1:1"),
            ("--pub\\lish=1", "--publish=1"),
            ("--publish-all", "--publish-all"),
            ("--publish-all --init", "--publish-all --init"),
            ("--label 'a -p b'", "--label=a -p b"),
            ("-v /a:/b -p 1", "-v=/a:/b -p=1"),
            ("-e P=1", "-e=P=1"),
            ("-ePp", "-e=Pp"),
            ("", ""),
            ("- a", ""),
        ] {
            let shown = |flag: Flag| match flag.value {
                Some(value) => format!("{}={value}", flag.name),
                None => flag.name,
            };
            let flags: Vec<_> = of(option).into_iter().map(shown).collect();
            assert_eq!(flags.join(" "), wanted, "{option}");
        }
    }

    #[test]
    fn tells_switches_that_are_off() {
        for (option, is_on) in
            [("-P", true), ("--publish-all", true), ("--init=true", true), ("--init=false", false)]
        {
            assert_eq!(of(option)[0].is_on(), is_on, "{option}");
        }
    }

    #[test]
    fn tells_ports_of_this_host_from_public_ones() {
        for (value, wanted) in [
            ("127.0.0.1:9000:9000", true),
            ("127.0.0.1::9000", true),
            ("127.8.0.1:9000:9000/udp", true),
            ("[::1]:9000:9000", true),
            ("127.0.0.1:9000-9001:9000-9001", true),
            ("127.0.0.1:8008:9000", true),
            ("127.0.0.1:9000:8008", false),
            ("127.0.0.1:8000-8010:8000-8010", false),
            ("127.0.0.1:9000", false),
            ("9000:9000", false),
            ("9000", false),
            ("0.0.0.0:9000:9000", false),
            ("[::]:9000:9000", false),
            ("192.168.1.1:9000:9000", false),
            ("localhost:9000:9000", false),
            ("published=9000,target=9000", false),
            ("127.0.0.1:a:b", false),
            ("", false),
        ] {
            assert_eq!(is_published_locally(value, 8008), wanted, "{value}");
        }
    }
}
