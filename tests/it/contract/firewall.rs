//! What ufw answers, and what comes of it.

use super::harness::TestHost;

/// A call of ufw, what `sudo` does instead, whether the deploy opens the port, and what it says.
type Case = (&'static str, &'static str, bool, &'static str);

const CASES: [Case; 4] = [
    // A rule that refuses the port does not open it.
    ("ufw status", "printf 'Status: active\\n8448/tcp DENY Anywhere\\n'; exit", true, ""),
    ("ufw status", "echo 'Status: unknown'; exit", false, "dokku may not ask it"),
    // Its words are translated, unless it is told otherwise.
    ("ufw status", "[[ $LC_ALL == C ]] || { echo 'Status: Aktiv'; exit; }", true, ""),
    ("ufw allow", "exit 1", true, "The firewall could not be set.\n !     sudo ufw allow 8448/tcp"),
];

#[test]
fn reads_what_ufw_says() {
    for (call, action, opens, text) in CASES {
        let host = TestHost::after("matrix:create matrix --email admin@site.test");
        host.scene.update(|state| state.ufw.active = true).unwrap();
        host.override_program("sudo", &format!("[[ $* == *'{call}'* ]]"), action);
        let output = host.dokku("matrix:deploy matrix");
        let title = "-----> Opening port 8448 in the firewall\n";
        assert_eq!(output.stdout.contains(title), opens, "{action}: {output:#?}");
        assert!(output.stderr.contains(text), "{action}: {output:#?}");
    }
}
