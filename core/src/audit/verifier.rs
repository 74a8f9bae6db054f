//! Checks a trail line by line, in memory that does not grow with it.

use std::collections::VecDeque;

use super::judge::{Line, judge};
use super::{Broken, Chain, Finding, Hash, Hasher, Link, Note, Place, Report, Torn};

/// So many good lines in a row end a stretch that is looked at as a whole.
const GOOD_AGAIN: usize = 32;
/// The longest such stretch.
const LONGEST_STRETCH: usize = 65_536;

/// A check under way. Feed it every line of every file, the oldest first.
#[derive(Clone, Default)]
pub struct Verifier {
    wanted: Option<Hash>,
    seen_wanted: bool,
    last: Option<(Chain, Place)>,
    /// The last good lines, which may turn out not to be: their place before is `last`.
    recent: VecDeque<Line>,
    stretch: Vec<Line>,
    good: usize,
    /// Lines that are none, of which the next line may know.
    strange: Vec<Place>,
    strange_bytes: u64,
    strange_hash: Hasher,
    place: Place,
    report: Report,
    inserted: Vec<(Place, u64)>,
}

impl Verifier {
    /// With a head that was noted elsewhere, or none.
    pub fn new(head: Option<Hash>) -> Verifier {
        Verifier { wanted: head, ..Verifier::default() }
    }

    /// Begins the next file.
    pub fn next_file(&mut self, file: usize) {
        self.place = Place { file, line: 0 };
    }

    /// Takes a line without its line break.
    pub fn feed(&mut self, line: &[u8]) {
        self.place.line += 1;
        let Some(link) = Link::parse(line) else {
            if !self.strange.is_empty() {
                self.add_strange(b"\n");
            }
            self.strange.push(self.place);
            self.add_strange(line);
            return;
        };
        if !self.strange.is_empty() {
            let torn = Torn { bytes: self.strange_bytes, hash: self.strange_hash.clone().finish() };
            self.settle_strange(link.intact && Torn::of(line) == Some(torn));
        }
        self.report.lines += 1;
        self.report.first = self.report.first.or(Some(link.seq));
        self.seen_wanted |= link.intact && self.wanted == Some(link.hash);
        let before = self.stretch.last().or(self.recent.back());
        let before =
            before.map_or(self.last.map(|(chain, _)| chain), |line| line.link.as_ref().map(Link::chain));
        let follows = before.is_some_and(|before| before.hash == link.previous && before.seq + 1 == link.seq);
        let begins = self.last.is_none() && self.recent.is_empty();
        let good = link.intact && (follows || begins);
        let line = Line { place: self.place, link: Some(link) };
        if good && self.stretch.is_empty() {
            self.remember(line);
            return;
        }
        self.good = if good { self.good + 1 } else { 0 };
        self.suspect(line);
        if self.good >= GOOD_AGAIN || self.stretch.len() >= LONGEST_STRETCH {
            self.settle();
        }
    }

    /// What was found. `ended` says whether the last line had its line break.
    pub fn finish(mut self, ended: bool) -> Report {
        if !ended && let Some(place) = self.strange.pop_if(|place| *place == self.place) {
            self.report.torn.push(Note { place, owned: false });
        }
        self.settle_strange(false);
        self.settle();
        while let Some(Line { place, link }) = self.recent.pop_front() {
            self.last = link.map(|link| (link.chain(), place));
        }
        self.report.last = self.last.map(|(chain, _)| chain.seq);
        self.report.head = self.last.map(|(chain, _)| chain.hash);
        self.move_back();
        if self.wanted.is_some() && !self.seen_wanted {
            let place = self.last.map_or(self.place, |(_, place)| place);
            self.report.broken.push(Finding { place, broken: Broken::Cut });
        }
        self.report
    }

    fn remember(&mut self, line: Line) {
        self.recent.push_back(line);
        if self.recent.len() > GOOD_AGAIN
            && let Some(Line { place, link: Some(link) }) = self.recent.pop_front()
        {
            self.last = Some((link.chain(), place));
        }
    }

    /// Looks at a line together with the good ones before it.
    fn suspect(&mut self, line: Line) {
        self.stretch.extend(self.recent.drain(..));
        self.stretch.push(line);
    }

    fn add_strange(&mut self, bytes: &[u8]) {
        self.strange_bytes += bytes.len() as u64;
        self.strange_hash.add(bytes);
    }

    /// Lines that are none were torn, if the next one says so; else somebody put them there.
    fn settle_strange(&mut self, owned: bool) {
        for place in std::mem::take(&mut self.strange) {
            if owned {
                self.report.torn.push(Note { place, owned });
            } else {
                self.suspect(Line { place, link: None });
                self.good = 0;
            }
        }
        self.strange_bytes = 0;
        self.strange_hash = Hasher::default();
    }

    fn settle(&mut self) {
        if self.stretch.is_empty() {
            return;
        }
        let (found, last) = judge(self.last, &self.stretch);
        for finding in found {
            let line = self.stretch.iter().find(|line| line.place == finding.place);
            let link = line.and_then(|line| line.link.as_ref()).filter(|link| link.intact);
            match (finding.broken, link) {
                (Broken::Inserted, Some(link)) => self.inserted.push((finding.place, link.seq)),
                _ => self.report.broken.push(finding),
            }
        }
        self.last = last;
        self.stretch.clear();
        self.good = 0;
    }

    /// A line that is missing in one place and too many in another was moved.
    fn move_back(&mut self) {
        for (place, seq) in std::mem::take(&mut self.inserted) {
            let gap = self.report.broken.iter().position(
                |finding| matches!(finding.broken, Broken::Removed { first, last } if (first..=last).contains(&seq)),
            );
            let broken = if gap.is_some() { Broken::Reordered { seq } } else { Broken::Inserted };
            self.report.broken.push(Finding { place, broken });
            let Some(gap) = gap else { continue };
            let Finding { place, broken } = self.report.broken.remove(gap);
            if let Broken::Removed { first, last } = broken {
                let left = [(first, seq.wrapping_sub(1)), (seq + 1, last)];
                let left = left.into_iter().filter(|(first, last)| first <= last);
                let left = left.map(|(first, last)| Broken::Removed { first, last });
                self.report.broken.extend(left.map(|broken| Finding { place, broken }));
            }
        }
        self.report.broken.sort_by_key(|finding| finding.place);
    }
}
