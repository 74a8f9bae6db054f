//! What is remembered of one node.
//!
//! A node reads its keys when it starts. So what it said before it was silent is
//! forgotten when it answers again: it may have started anew, with other keys.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Answer, Node, Verdict};

use super::moment::Moment;
use super::trouble::Trouble;

/// One node.
pub(super) struct Record {
    answers: BTreeMap<KeyId, Said>,
    answering_since: Option<Moment>,
    gone_at: Option<Moment>,
    trouble: Option<Trouble>,
    alternated: Option<Moment>,
    clock_difference: Duration,
}

struct Said {
    verdict: Verdict,
    since: Moment,
    asked: Moment,
}

impl Record {
    /// Of a node that is known by name only.
    pub(super) fn new() -> Record {
        Record {
            answers: BTreeMap::new(),
            answering_since: None,
            gone_at: None,
            trouble: Some(Trouble::Unasked),
            alternated: None,
            clock_difference: Duration::ZERO,
        }
    }

    /// What it made of a key the last time.
    pub(super) fn verdict(&self, id: &KeyId) -> Option<Verdict> {
        self.answers.get(id).map(|said| said.verdict)
    }

    /// Whether it has said something to each of the keys, or gives no answer.
    pub(super) fn is_settled<'a>(&self, mut keys: impl Iterator<Item = &'a KeyId>) -> bool {
        match &self.trouble {
            Some(trouble) => *trouble != Trouble::Unasked,
            None => keys.all(|id| self.answers.contains_key(id)),
        }
    }

    /// It answers, whatever it says.
    pub(super) fn answers(&mut self, clock_difference: Option<Duration>) {
        self.trouble = None;
        if let Some(difference) = clock_difference {
            self.clock_difference = difference;
        }
        if self.answering_since.is_none() {
            self.starts();
        }
    }

    /// It started a moment ago, so nothing that was known of it holds.
    pub(super) fn starts(&mut self) {
        self.answers.clear();
        self.answering_since = Some(Moment::now());
    }

    /// It answered a question about a key.
    pub(super) fn says(&mut self, id: &KeyId, verdict: Verdict, asked: Moment) {
        let said = self.answers.entry(id.clone()).or_insert(Said { verdict, since: asked, asked });
        if said.verdict != verdict {
            said.since = asked;
        }
        (said.verdict, said.asked) = (verdict, asked);
    }

    /// It gave no answer that is worth anything.
    pub(super) fn fails(&mut self, trouble: Trouble) {
        if matches!(trouble, Trouble::Gone(_)) {
            self.gone_at = Some(Moment::now());
        }
        self.trouble = Some(trouble);
        self.answering_since = None;
    }

    /// It said one thing and its contrary.
    pub(super) fn alternates(&mut self) {
        self.alternated = Some(Moment::now());
    }

    /// Forgets what it said about other keys than these.
    pub(super) fn keep(&mut self, keep: impl Fn(&KeyId) -> bool) {
        self.answers.retain(|id, _| keep(id));
    }

    /// Why it is not believed. It is believed again when it did not contradict itself for a while.
    pub(super) fn trouble(&self, now: Moment, doubted_for: Duration) -> Option<Trouble> {
        let doubted = self.alternated.is_some_and(|at| at.age(now) < doubted_for);
        self.trouble.clone().or_else(|| doubted.then(Trouble::alternates))
    }

    /// What it makes of the keys; nothing while it is not to be believed.
    pub(super) fn verdicts(&self, now: Moment, doubted_for: Duration) -> BTreeMap<KeyId, Verdict> {
        if self.trouble(now, doubted_for).is_some() {
            return BTreeMap::new();
        }
        self.answers.iter().map(|(id, said)| (id.clone(), said.verdict)).collect()
    }

    /// By how much its clock differs at least.
    pub(super) fn clock_difference(&self) -> Duration {
        self.clock_difference
    }

    /// As the planner sees it.
    pub(super) fn node(&self, now: Moment, doubted_for: Duration) -> Node {
        let answer = |said: &Said| Answer {
            verdict: said.verdict,
            since: said.since.told(now),
            asked_at: said.asked.told(now),
        };
        Node {
            answers: self.answers.iter().map(|(id, said)| (id.clone(), answer(said))).collect(),
            answering_since: self.answering_since.map(|at| at.told(now)),
            gone_at: self.gone_at.map(|at| at.told(now)),
            trouble: self.trouble(now, doubted_for).map(|trouble| trouble.to_string()),
            clock_difference: self.clock_difference,
        }
    }
}

/// Whether two answers differ in what the node knows, which no change of clocks explains.
pub(super) fn contradict(one: Verdict, other: Verdict) -> bool {
    (one == Verdict::Refused) != (other == Verdict::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBT: Duration = Duration::from_secs(60);

    fn seen(record: &Record) -> Node {
        record.node(Moment::now(), DOUBT)
    }

    #[test]
    fn nothing_is_known_of_a_node_that_starts_anew() {
        let id = KeyId::new("APIx");
        let mut record = Record::new();
        assert!(seen(&record).trouble.is_some(), "it was never asked");
        record.answers(None);
        record.says(&id, Verdict::Accepted, Moment::now());
        assert_eq!(seen(&record).trouble, None);
        assert!(seen(&record).answering_since.is_some());

        record.fails(Trouble::Silent("it does not answer".to_owned()));
        let silent = seen(&record);
        assert_eq!(silent.trouble.as_deref(), Some("it does not answer"));
        assert_eq!(silent.answering_since, None);
        assert_eq!(silent.gone_at, None, "an answer may have been lost");

        record.answers(None);
        assert_eq!(seen(&record).answers.get(&id), None, "it may have read another file");

        record.fails(Trouble::Gone("nothing listens there".to_owned()));
        assert!(seen(&record).gone_at.is_some());
    }

    #[test]
    fn a_node_that_contradicts_itself_is_doubted_for_a_while() {
        let mut record = Record::new();
        record.answers(None);
        record.alternates();
        assert!(seen(&record).trouble.is_some_and(|trouble| trouble.contains("load balancer")));
        assert_eq!(record.node(Moment::now(), Duration::ZERO).trouble, None);
        assert!(contradict(Verdict::Accepted, Verdict::Refused));
        assert!(contradict(Verdict::Refused, Verdict::Mismatch));
        assert!(!contradict(Verdict::Accepted, Verdict::Mismatch), "a clock may explain it");
    }
}
