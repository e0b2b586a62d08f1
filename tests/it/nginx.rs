//! The nginx template and locations, checked with the real sigil and the real nginx.

mod harness;
pub(crate) mod http;
mod paths;
pub(crate) mod serving;
pub(crate) mod tools;

use dokku_matrix::nginx::forms::{Form, Site, forms};
use dokku_matrix::nginx::locations::{self, WellKnown};
use dokku_matrix::nginx::template;
use dokku_matrix::state::Support;
use tools::{certificate, knows_http2_directive, render, validate};

fn well_known(support: Option<&Support>) -> WellKnown<'_> {
    let base_url = "https://matrix.example.org".to_owned();
    WellKnown {
        base_url,
        client: serde_json::Map::new(),
        server: Some("matrix.example.org:443".to_owned()),
        support,
    }
}

fn site(tls_dir: &str, http2_directive: bool) -> Site<'_> {
    Site {
        app: "matrix",
        domain: "matrix.example.org",
        dokku_root: "/nonexistent/dokku",
        lib_root: "/nonexistent/lib",
        tls_dir,
        http2_directive,
    }
}

fn form(name: &str, http2_directive: bool) -> Form {
    let forms = forms(&site("/nonexistent/tls", http2_directive));
    forms.into_iter().find(|form| form.name == name).unwrap()
}

#[test]
fn nginx_accepts_every_form() {
    let tls = certificate(&["matrix.example.org"]);
    for http2_directive in [false, true] {
        for default_server in [false, true] {
            for form in forms(&site(tls.path().to_str().unwrap(), http2_directive)) {
                let mut rendered = render(&template(default_server), &form).unwrap();
                assert!(!rendered.contains("<no value>") && !rendered.contains("{{"), "{rendered}");
                let tls_servers = rendered.matches("ssl_certificate ").count();
                let by_directive = rendered.matches("\n  http2 on;\n").count();
                assert_eq!(
                    by_directive,
                    if http2_directive { tls_servers } else { 0 },
                    "{rendered}"
                );
                if !knows_http2_directive() {
                    rendered = rendered.replace("http2 on;", "");
                }
                validate(&rendered)
                    .unwrap_or_else(|error| panic!("{}: {error}{rendered}", form.name));
            }
        }
    }
}

#[test]
fn rendered_forms() {
    for (name, default_server, http2_directive) in [
        ("never deployed", false, false),
        ("https and 8448", true, false),
        ("properties set", false, true),
    ] {
        let rendered = render(&template(default_server), &form(name, http2_directive)).unwrap();
        insta::assert_snapshot!(name.replace(' ', "_"), rendered);
    }
    let nothing = render(&template(true), &form("nothing to serve", false)).unwrap();
    assert_eq!(nothing.trim(), "# End of the configuration by dokku-matrix");
}

#[test]
fn rendered_locations() {
    let support = Support {
        email: "admin@example.org".parse().ok(),
        mxid: "@admin:example.org".parse().ok(),
        page: Some("https://example.org/help".to_owned()),
    };
    let known = well_known(Some(&support));
    insta::assert_snapshot!("homeserver", locations::homeserver(&known));
    insta::assert_snapshot!("element", locations::element());
    // A sibling gets the well-known files, which are the first part of the homeserver's locations.
    // The support file needs a contact.
    let hidden = locations::homeserver(&known).split_once("if (").unwrap().0.to_owned();
    assert_eq!(locations::sibling(&known, |_| true), hidden);
    let without = hidden.split_once("location = /.well-known/matrix/support").unwrap().0;
    assert_eq!(locations::sibling(&well_known(None), |_| true), without);
    assert_eq!(locations::sibling(&well_known(Some(&Support::default())), |_| true), without);
}

/// Other versions of Dokku may not set every variable.
#[test]
fn missing_and_empty_variables_are_left_out() {
    const NEEDED: [&str; 6] = [
        "APP",
        "DOKKU_ROOT",
        "APP_SSL_PATH",
        "PROXY_PORT_MAP",
        "PROXY_UPSTREAM_PORTS",
        "DOKKU_APP_WEB_LISTENERS",
    ];
    let tls = certificate(&["matrix.example.org"]);
    let all = forms(&site(tls.path().to_str().unwrap(), false));
    let mut missing = all.into_iter().find(|form| form.name == "https and 8448").unwrap();
    let mut empty = missing.clone();
    missing.variables.retain(|(name, _)| NEEDED.contains(name));
    assert_eq!(missing.variables.len(), NEEDED.len());
    for (name, value) in &mut empty.variables {
        if !NEEDED.contains(name) {
            value.clear();
        }
    }
    let [missing, empty] = [missing, empty].map(|form| render(&template(false), &form).unwrap());
    assert_eq!(missing, empty);
    assert!(!missing.contains("<no value>"), "{missing}");
    validate(&missing).unwrap();
}

#[test]
fn broken_templates_are_rejected() {
    #[derive(Debug, PartialEq)]
    enum Validation {
        Accepted,
        RejectedBySigil,
        RejectedByNginx,
    }
    let good = template(false);
    for (case, text, validation) in [
        ("the template", good.clone(), Validation::Accepted),
        ("half a template", good[..good.len() / 2].to_owned(), Validation::RejectedBySigil),
        ("an unknown function", good.clone() + "{{ nothing }}", Validation::RejectedBySigil),
        ("an unknown directive", good.clone() + "nothing on;", Validation::RejectedByNginx),
        ("a server left open", good.clone() + "server {", Validation::RejectedByNginx),
        ("the same upstream twice", good.clone() + &good, Validation::RejectedByNginx),
    ] {
        let actual = match render(&text, &form("http", false)).map(|rendered| validate(&rendered)) {
            Err(_) => Validation::RejectedBySigil,
            Ok(Err(_)) => Validation::RejectedByNginx,
            Ok(Ok(())) => Validation::Accepted,
        };
        assert_eq!(actual, validation, "{case}");
    }
}

#[test]
fn nginx_rejects_two_default_servers_on_8448() {
    let tls = certificate(&["matrix.example.org"]);
    for (first, second, is_accepted) in
        [(false, false, true), (true, false, true), (false, true, true), (true, true, false)]
    {
        let both = [("matrix", first), ("other", second)].map(|(app, default_server)| {
            let site = Site { app, domain: app, ..site(tls.path().to_str().unwrap(), false) };
            let form = forms(&site).into_iter().find(|form| form.name == "https and 8448").unwrap();
            render(&template(default_server), &form).unwrap()
        });
        let validation = validate(&both.concat());
        assert_eq!(validation.is_ok(), is_accepted, "{first} {second}: {validation:?}");
        let error = validation.err().unwrap_or_default();
        assert_eq!(error.contains("a duplicate default server"), !is_accepted, "{error}");
    }
}
