//! A stretch of lines in which something is wrong: which lines are the trail's own, and what became of the others.
//!
//! The hashes are walked from the end back to the last good line before the
//! stretch. A line on that way was written there; one beside it was not.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::order::displaced;
use super::{Broken, Chain, Finding, Hash, Link, Place};

/// A line and its place; without a link it was not written as a line of a trail is.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) link: Option<Link>,
}

/// So many chains that start anew within a stretch are told apart.
const MOST_STARTS: usize = 64;

/// What is wrong between a good line, if there is one, and the end of the stretch; and the last line of the trail in it.
pub(super) fn judge(
    anchor: Option<(Chain, Place)>,
    lines: &[Line],
) -> (Vec<Finding>, Option<(Chain, Place)>) {
    let (mut found, mut last, mut end) = (Vec::new(), anchor, lines.len());
    for starts in 0..=MOST_STARTS {
        let mut walk = Walk::new(&lines[..end]);
        let Some(newest) = walk.end() else {
            found.extend(walk.findings());
            break;
        };
        walk.back_from(newest, anchor);
        if starts == 0 {
            last = walk.link(newest).map(|link| (link.chain(), lines[newest].place));
        }
        // A chain that starts anew says nothing of the one before, which is looked at by itself.
        let start = walk.starts_anew(anchor).filter(|_| starts < MOST_STARTS);
        let Some(start) = start else {
            found.extend(walk.findings());
            break;
        };
        let mut after = Walk::new(&lines[start..end]);
        after.back_from(newest - start, None);
        found.extend(after.findings());
        found.push(Finding { place: lines[start].place, broken: Broken::Anew });
        end = start;
    }
    found.sort_by_key(|finding| finding.place);
    (found, last)
}

struct Walk<'a> {
    lines: &'a [Line],
    by_hash: HashMap<Hash, Vec<usize>>,
    /// Lines of the trail, the last first.
    way: Vec<usize>,
    on_way: Vec<bool>,
    /// Missing numbers, and between which lines they are missing.
    gaps: Vec<(RangeInclusive<u64>, Option<usize>, usize)>,
    found: Vec<Finding>,
}

impl<'a> Walk<'a> {
    fn new(lines: &'a [Line]) -> Walk<'a> {
        let mut by_hash: HashMap<Hash, Vec<usize>> = HashMap::new();
        for (index, line) in lines.iter().enumerate() {
            if let Some(link) = &line.link {
                by_hash.entry(link.hash).or_default().push(index);
            }
        }
        let on_way = vec![false; lines.len()];
        Walk { lines, by_hash, way: Vec::new(), on_way, gaps: Vec::new(), found: Vec::new() }
    }

    fn link(&self, index: usize) -> Option<&'a Link> {
        self.lines[index].link.as_ref()
    }

    /// The last line of the trail: the last one in the files, unless another goes on from it.
    fn end(&self) -> Option<usize> {
        let intact = |index: &usize| self.link(*index).is_some_and(|link| link.intact);
        let all = || (0..self.lines.len()).rev();
        let mut end = all().find(intact).or_else(|| all().find(|index| self.link(*index).is_some()))?;
        let after: HashMap<Hash, usize> =
            all().filter(intact).filter_map(|index| Some((self.link(index)?.previous, index))).collect();
        while let Some(next) = self.link(end).and_then(|link| {
            let next = *after.get(&link.hash)?;
            (self.link(next)?.seq > link.seq).then_some(next)
        }) {
            end = next;
        }
        Some(end)
    }

    /// Where the way begins with the first line of a chain, although there is another chain before it.
    fn starts_anew(&self, anchor: Option<(Chain, Place)>) -> Option<usize> {
        let first = *self.way.last()?;
        let begins = |link: &&Link| link.intact && link.previous == Hash::default() && link.seq == 1;
        self.link(first).filter(begins)?;
        let before = &self.lines[..first];
        let another = before.iter().any(|line| line.link.as_ref().is_some_and(|link| link.intact));
        ((anchor.is_some() || another) && !self.on_way[..first].contains(&true)).then_some(first)
    }

    fn back_from(&mut self, end: usize, anchor: Option<(Chain, Place)>) {
        let mut at = Some(end);
        while let Some(index) = at {
            let Some(link) = self.link(index) else { break };
            self.on_way[index] = true;
            self.way.push(index);
            if anchor.is_some_and(|(chain, _)| chain.hash == link.previous && chain.seq < link.seq) {
                break;
            }
            at = self.written_before(index, link).or_else(|| self.next_piece(index, link, anchor));
        }
    }

    /// The line that this one was written after. A copy of it is as good, so the nearest counts.
    fn written_before(&self, index: usize, link: &Link) -> Option<usize> {
        let fits = |other: &usize| {
            let before = self.link(*other).is_some_and(|before| before.seq < link.seq || !before.intact);
            before && !self.on_way[*other]
        };
        let known = self.by_hash.get(&link.previous)?;
        let nearest = known.iter().rev().filter(|other| **other < index).find(|other| fits(other));
        nearest.or_else(|| known.iter().find(|other| fits(other))).copied()
    }

    /// Where the trail goes on before a break, which is recorded.
    fn next_piece(&mut self, index: usize, link: &Link, anchor: Option<(Chain, Place)>) -> Option<usize> {
        let before = (0..index).rev().filter(|other| !self.on_way[*other]);
        let before = if link.intact {
            // The later of two with the same number: min_by_key takes the first that it meets.
            let lower = before.filter_map(|other| Some((other, self.link(other)?.seq)));
            lower
                .filter(|(_, seq)| *seq < link.seq)
                .min_by_key(|(_, seq)| u64::MAX - *seq)
                .map(|found| found.0)
        } else {
            before.into_iter().find(|other| self.link(*other).is_some())
        };
        let known = before.and_then(|other| Some((self.link(other)?.seq, self.lines[other].place)));
        let known = known.or(anchor.map(|(chain, place)| (chain.seq, place)));
        // What was changed names a wrong line before it, and is named itself.
        if let (true, Some((seq, place))) = (link.intact, known) {
            if seq + 1 == link.seq {
                self.found.push(Finding { place, broken: Broken::Changed });
            } else if seq < link.seq {
                self.gaps.push((seq + 1..=link.seq - 1, before, index));
            } else {
                self.found.push(Finding { place: self.lines[index].place, broken: Broken::Anew });
            }
        }
        before
    }

    fn findings(mut self) -> Vec<Finding> {
        for index in (0..self.lines.len()).rev() {
            let place = self.lines[index].place;
            match self.link(index) {
                Some(link) if link.intact && self.on_way[index] => {}
                Some(link) if !link.intact && self.on_way[index] => {
                    self.found.push(Finding { place, broken: Broken::Changed });
                }
                Some(link) if link.intact => self.found.push(Finding { place, broken: Broken::Inserted }),
                // In the place of a line that is missing, or of the last.
                link => {
                    let is_last = link.is_some() && self.way.first().is_some_and(|end| *end < index);
                    let stands = is_last || self.stands_for(index);
                    let broken = if stands { Broken::Changed } else { Broken::Inserted };
                    self.found.push(Finding { place, broken });
                }
            }
        }
        self.moved();
        for (missing, _, index) in self.gaps.iter().filter(|(missing, ..)| !missing.is_empty()) {
            let broken = Broken::Removed { first: *missing.start(), last: *missing.end() };
            self.found.push(Finding { place: self.lines[*index].place, broken });
        }
        self.found.sort_by_key(|finding| finding.place);
        self.found.dedup_by_key(|finding| (finding.place, matches!(finding.broken, Broken::Changed)));
        self.found
    }

    /// Takes one of the numbers that are missing around a line, if there are any.
    fn stands_for(&mut self, index: usize) -> bool {
        let around = |(_, before, after): &&mut (RangeInclusive<u64>, Option<usize>, usize)| {
            before.is_none_or(|before| before < index) && index < *after
        };
        match self.gaps.iter_mut().find(around) {
            Some((missing, ..)) => missing.next_back().is_some(),
            None => false,
        }
    }

    /// Lines of the trail that do not stand in its order.
    fn moved(&mut self) {
        self.way.reverse();
        for place in displaced(&self.way) {
            let index = self.way[place];
            if let Some(link) = self.link(index) {
                let broken = Broken::Reordered { seq: link.seq };
                self.found.push(Finding { place: self.lines[index].place, broken });
            }
        }
    }
}
