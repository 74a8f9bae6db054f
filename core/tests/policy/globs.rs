//! Patterns against a second matcher that tries every way, and against names that would make it slow.

use livekit_keyd_core::policy::Glob;
use proptest::prelude::*;

/// By the definition alone: a star is nothing, or a character and a star.
fn fits(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), Some((_, left))) => fits(rest, name) || fits(pattern, left),
        (Some(('*', rest)), None) => fits(rest, name),
        (Some(('?', rest)), Some((_, left))) => fits(rest, left),
        (Some((wanted, rest)), Some((found, left))) => wanted == found && fits(rest, left),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_name_fits_as_the_definition_has_it(pattern in "[ab?*\u{fc}]{0,8}", name in "[ab*?\u{fc}]{0,10}") {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = fits(&letters(&pattern), &letters(&name));
        prop_assert_eq!(Glob::parse(&pattern).expect("a pattern").fits(&name, None), expected);
    }
}

#[test]
fn patterns_made_to_backtrack_end() {
    let long = "a".repeat(100_000);
    for pattern in ["*a*a*a*a*a*a*a*a*a*a*a*a*b", "*?*?*?*?*?*?*?*?*?*?*?*?*b", "a*a*a*a*a*a*a*a*a*a*a*a*c*"]
    {
        assert!(!Glob::parse(pattern).expect("a pattern").fits(&long, None), "{pattern}");
    }
    // One that speaks of the identity, which its owner may have made to be slow: it stands letter by letter.
    let of_identity = Glob::parse("*{identity}*{identity}*").expect("a pattern");
    let identity = "*a".repeat(128);
    assert!(!of_identity.fits(&"a".repeat(256), Some(&identity)));
    assert!(of_identity.fits(&format!("{identity}{identity}"), Some(&identity)));
}

#[test]
fn a_look_alike_is_another_name() {
    let ann = Glob::parse("ann*").expect("a pattern");
    assert!(ann.fits("ann-1", None));
    // Cyrillic, full width, accents in two ways, another case, a letter that is not seen.
    for name in ["\u{430}nn-1", "\u{ff41}nn-1", "Ann-1", "a\u{200b}nn-1"] {
        assert!(!ann.fits(name, None), "{name:?}");
    }
    assert!(!Glob::parse("andr\u{e9}").expect("a pattern").fits("andre\u{301}", None));
}
