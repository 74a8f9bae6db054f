//! The known word that somebody probably meant.
//!
//! Every list of names that people write by hand (settings, JSON fields, time
//! zones) answers a mistake with the name nearest to it, by this one measure.

/// The known word with the fewest edits from `word`, if one is near enough to be worth naming.
///
/// An edit is a character put in, left out, replaced, or swapped with its neighbour;
/// case, and `-` against `_`, do not count. Near enough is one edit for every three
/// characters of `word`, and one at least. The first of several equally near wins.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word);
    let limit = (word.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let candidate = folded(name);
        // What differs more in length than it may differ in all needs no comparison: words come from strangers.
        if candidate.len().abs_diff(word.len()) > limit {
            continue;
        }
        let edits = edits(&word, &candidate);
        if edits <= limit && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, name));
        }
    }
    best.map(|(_, name)| name)
}

fn folded(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).map(|c| if c == '-' { '_' } else { c }).collect()
}

/// The optimal string alignment distance, kept as the last three rows of its table.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant() {
        let known = ["overlap", "max_token_ttl", "clock_skew", "roomJoin", "rotation_schedule"];
        for (word, meant) in [
            ("overlpa", Some("overlap")),
            ("Overlap", Some("overlap")),
            ("max-token-ttl", Some("max_token_ttl")),
            ("clockskew", Some("clock_skew")),
            ("room_join", Some("roomJoin")),
            ("rotation_shedule", Some("rotation_schedule")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn counts_edits() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!(edits(&folded(a), &folded(b)), count, "{a} {b}");
        }
    }

    #[test]
    fn the_first_of_equally_near_words() {
        assert_eq!(nearest("cat", ["bat", "hat"]), Some("bat"));
        assert_eq!(nearest("hat", ["bat", "hat"]), Some("hat"));
    }
}
