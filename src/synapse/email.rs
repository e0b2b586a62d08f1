//! The SMTP server that Synapse sends e-mail through.
//!
//! Owns the content of its file. Writes nothing.

use super::{config::EMAIL_FILE, yaml};
use crate::{error::Result, host::secret::Secret, names::Sender};
use serde::Serialize;

/// An SMTP server.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its host name or address.
    pub host: String,
    /// Its port. 465 means implicit TLS; any other port requires STARTTLS.
    pub port: u16,
    /// The user to log in as, if it requires one.
    pub user: Option<String>,
    /// The password of that user.
    pub password: Option<Secret>,
    /// The sender of every e-mail.
    pub from: Sender,
}

/// The content of [`EMAIL_FILE`]. `client` is the URL of the client that e-mails link to, usually
/// Element Web's; without one they link to matrix.to.
pub fn email_yaml(smtp: &Smtp, client: Option<&str>) -> Result<Secret> {
    let implicit_tls = smtp.port == 465;
    let email = Block {
        smtp_host: &smtp.host,
        smtp_port: smtp.port,
        smtp_user: smtp.user.as_deref(),
        smtp_pass: smtp.password.as_ref().map(Secret::expose),
        force_tls: implicit_tls,
        require_transport_security: !implicit_tls,
        // Synapse applies Python's `%` operator to it.
        notif_from: smtp.from.as_str().replace('%', "%%"),
        // Users may opt in to e-mails about missed messages.
        enable_notifs: true,
        notif_for_new_users: false,
        client_base_url: client,
    };
    yaml::file(EMAIL_FILE, &File { email }).map(Secret::new)
}

/// The file with another client, for when Element Web is enabled or disabled later. A file that was
/// edited so that it no longer has the generated form is returned unchanged.
pub fn with_client(text: &str, client: Option<&str>) -> String {
    let other = |line: &&str| !line.starts_with("  client_base_url:");
    let line = client.map(|url| format!("  client_base_url: {url}"));
    let lines = text.lines().filter(other).map(str::to_owned).chain(line);
    let new: String = lines.map(|line| line + "\n").collect();
    let read: Option<serde_json::Value> = serde_yaml::from_str(&new).ok();
    let email = read.as_ref().map(|file| &file["email"]).filter(|email| email.is_object());
    let is_right = email.is_some_and(|email| email["client_base_url"].as_str() == client);
    if is_right { new } else { text.to_owned() }
}

#[derive(Serialize)]
struct File<'a> {
    email: Block<'a>,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are Synapse's own")]
struct Block<'a> {
    smtp_host: &'a str,
    smtp_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp_pass: Option<&'a str>,
    force_tls: bool,
    require_transport_security: bool,
    notif_from: String,
    enable_notifs: bool,
    notif_for_new_users: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_base_url: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(port: u16) -> Smtp {
        Smtp {
            host: "mail.example.org".to_owned(),
            port,
            user: Some("no".to_owned()),
            password: Some(Secret::new("it's 12:30")),
            from: "a%b@example.org".parse().unwrap(),
        }
    }

    #[test]
    fn writes_the_whole_file() {
        let text = email_yaml(&smtp(587), Some("https://chat.example.org")).unwrap();
        assert_eq!(text.expose(), include_str!("email.test.yaml"));
    }

    #[test]
    fn omits_what_is_not_given() {
        let smtp = Smtp { user: None, password: None, ..smtp(25) };
        let text = email_yaml(&smtp, None).unwrap();
        for key in ["smtp_user", "smtp_pass", "client_base_url"] {
            assert!(!text.expose().contains(key), "{key}");
        }
    }

    #[test]
    fn changes_the_client() {
        let chat = Some("https://chat.example.org");
        let with = email_yaml(&smtp(587), chat).unwrap();
        let without = email_yaml(&smtp(587), None).unwrap();
        assert_eq!(with_client(without.expose(), chat), with.expose());
        assert_eq!(with_client(with.expose(), chat), with.expose());
        assert_eq!(with_client(with.expose(), None), without.expose());
        for edited in ["email:\n    smtp_host: h\n", "email:\n  a: b\nother:\n  c: d\n", "- a\n"] {
            assert_eq!(with_client(edited, chat), edited);
        }
    }

    #[test]
    fn chooses_the_encryption_by_port() {
        for (port, force, require) in
            [(465, true, false), (587, false, true), (25, false, true), (2525, false, true)]
        {
            let text = email_yaml(&smtp(port), None).unwrap();
            let lines = format!("  force_tls: {force}\n  require_transport_security: {require}\n");
            assert!(text.expose().contains(&lines), "{port}");
        }
    }
}
