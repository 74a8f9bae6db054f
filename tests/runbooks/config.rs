//! config.md

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::port;
use super::support::stores::FILES;

const WHAT_IS_WRONG: Id<'_> = Id("config.md", "ConfigRefused", "What is wrong with the file.");
const HAVE_IT_READ: Id<'_> = Id("config.md", "ConfigRefused", "Have the corrected file read.");
const ISSUER: Id<'_> = Id("config.md", "IssuerKeysUnread", "What the issuer answers.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 3] = [WHAT_IS_WRONG, HAVE_IT_READ, ISSUER];

#[test]
fn a_file_that_is_refused_and_an_issuer_that_does_not_answer() {
    let good = deployment::config_on(FILES, "both", QUICK_RULES);
    let mut daemon = Daemon::start(&good);
    let url = format!("http://127.0.0.1:{}", port::free());
    let mut operator = Operator::at(&daemon, &BLOCKS);
    operator.set("ISSUER_URL", &url);

    daemon.write_config(&good.replace("allowed_rooms", "allowed_romos"));
    daemon.hang_up();
    operator.sees("ConfigRefused", "");
    assert!(operator.run(WHAT_IS_WRONG).contains("allowed_rooms"), "it names the nearest");
    let issuer = format!(
        "[[issuer]]\nname = \"company\"\nurl = \"{url}\"\naudience = [\"calls\"]\n\
         [[issuer.rule]]\nwhen = \"true\"\nprofile = \"viewer\"\nroom = \"'demo'\"\n\
         [[profile]]\nname = \"viewer\"\nvideo = {{ roomJoin = true }}\n"
    );
    daemon.write_config(&format!("{good}{issuer}"));
    operator.run(HAVE_IT_READ);
    operator.sees_no_more("ConfigRefused");

    operator.sees("IssuerKeysUnread", "");
    assert!(operator.run(ISSUER).contains("curl:"), "nobody answers there");
    daemon.write_config(&good);
    operator.run(HAVE_IT_READ);
    operator.sees_no_more("IssuerKeysUnread");
}
