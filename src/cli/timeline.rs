//! Keys as bars along time: who signs, who is next, whose last token ends when.

use std::time::Duration;

use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::time::Time;

use super::moment::{relative, span};
use super::screen::{Hue, Screen};
use crate::api::report::{KeyStatus, KeysetStatus};

/// A narrower bar shows nothing.
const NARROWEST_BAR: usize = 24;
const SHORTEST_WINDOW: Duration = Duration::from_secs(20);

/// The stretch of time that is drawn, a column for each step.
struct Window {
    from: Time,
    to: Time,
    columns: usize,
}

impl Window {
    /// From the start of what still matters to the last thing foreseen; the past gets three quarters at most.
    fn around(keyset: &KeysetStatus, now: Time, columns: usize) -> Window {
        let live = || keyset.keys.iter().filter(|key| key.erased_at.is_none());
        let past = live().filter_map(|key| key.not_before).filter(|at| *at <= now).min();
        let past = now.since(past.or_else(|| live().map(|key| key.created_at).min()).unwrap_or(now));
        let ends = live().flat_map(|key| [key.not_before, key.not_after]).flatten();
        let future = ends.chain(keyset.next_firing).max().map_or(Duration::ZERO, |last| last.since(now));
        let future = future.max(past / 4).max(SHORTEST_WINDOW / 4);
        let past = past.clamp(future / 4, future * 3);
        Window { from: now - past, to: now + future + future / 12, columns }
    }

    fn length(&self) -> u128 {
        self.to.since(self.from).as_millis().max(1)
    }

    /// The column that holds a moment, if it is drawn at all.
    fn column(&self, at: Time) -> Option<usize> {
        if at < self.from || at >= self.to {
            return None;
        }
        usize::try_from(at.since(self.from).as_millis() * self.columns as u128 / self.length()).ok()
    }

    /// The middle of a column.
    fn moment(&self, column: usize) -> Time {
        let millis = (column as u128 * 2 + 1) * self.length() / (self.columns as u128 * 2);
        self.from + Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// As short as still tells the ends of the window apart.
    fn clock(&self, at: Time) -> String {
        let length = self.to.since(self.from).as_secs();
        let format = match length {
            0..3600 => "%H:%M:%S",
            3600..72_000 => "%H:%M",
            _ => "%m-%d %H:%M",
        };
        at.to_utc().format(format).to_string()
    }
}

/// The picture, or nothing where it does not fit.
pub fn draw(keyset: &KeysetStatus, now: Time, screen: &Screen) -> Option<String> {
    let keys: Vec<&KeyStatus> = keyset.keys.iter().filter(|key| key.erased_at.is_none()).collect();
    let labels: Vec<[String; 3]> =
        keys.iter().map(|key| [key.id.clone(), phase(key), remark(key, now)]).collect();
    let width = |part: usize| labels.iter().map(|label| label[part].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let margin = 2 + widths.iter().sum::<usize>() + 6;
    let columns = screen.width.checked_sub(margin + 1).filter(|room| *room >= NARROWEST_BAR)?;
    let window = Window::around(keyset, now, columns);

    let origin =
        if keyset.external { screen.paint(Hue::Dim, "  keys that others make") } else { String::new() };
    let mut text = format!("{}{origin}\n", screen.paint(Hue::Bold, &keyset.name));
    let mut heads = vec![(now, "now".to_owned())];
    heads.extend(keyset.next_firing.map(|at| (at, format!("next {}", relative(at, now)))));
    text.push_str(&format!("{:margin$}{}\n", "", ruler(&window, &heads)));
    for (key, [id, phase, remark]) in keys.iter().zip(&labels) {
        let label = format!("  {id:0$}  {phase:1$}  {remark:2$}  ", widths[0], widths[1], widths[2]);
        text.push_str(&label);
        text.push_str(&bar(&window, keyset, key, now, screen));
        text.push('\n');
    }
    let mut feet = vec![(window.from, window.clock(window.from)), (now, window.clock(now))];
    feet.extend(keyset.next_firing.map(|at| (at, window.clock(at))));
    text.push_str(&screen.paint(Hue::Dim, &format!("{:margin$}{}", "", ruler(&window, &feet))));
    text.push('\n');
    Some(text)
}

/// What the glyphs mean; once below all pictures.
pub fn legend(screen: &Screen) -> String {
    let text = "  ░ standby   █ signing   ▓ retiring   · ended   ┤ last token ends   │ now   ┊ next firing   (UTC)\n";
    screen.paint(Hue::Dim, text)
}

fn phase(key: &KeyStatus) -> String {
    if key.compromised { format!("{}, compromised", key.phase) } else { key.phase.clone() }
}

/// The one thing to know of a key in its phase.
fn remark(key: &KeyStatus, now: Time) -> String {
    let is = |phase: Phase| key.phase == phase.as_str();
    match (key.not_before, key.not_after) {
        _ if is(Phase::Standby) && key.proven_at.is_some() => "proven".to_owned(),
        _ if is(Phase::Standby) => "not proven".to_owned(),
        (Some(at), _) if is(Phase::Scheduled) => relative(at, now),
        (_, Some(end)) if is(Phase::Retiring) && end > now => format!("ends {}", relative(end, now)),
        (_, Some(end)) if is(Phase::Retiring) => format!("ended {}", relative(end, now)),
        (Some(at), _) if is(Phase::Active) => format!("since {}", span(now.since(at))),
        _ => key.unpublished_at.map(|at| format!("out {}", relative(at, now))).unwrap_or_default(),
    }
}

/// A cell of a bar.
fn glyph(keyset: &KeysetStatus, key: &KeyStatus, at: Time, now: Time) -> char {
    let reached = |time: Option<Time>| time.is_some_and(|time| time <= at);
    if at < key.created_at || reached(key.erased_at) {
        return ' ';
    }
    if reached(key.unpublished_at) || reached(key.not_after) {
        return if at <= now { '·' } else { ' ' };
    }
    if !reached(key.not_before) {
        return '░';
    }
    if reached(succeeded_at(keyset, key)) {
        return '▓';
    }
    // What comes after a firing that nobody has committed yet is not known.
    let active = key.phase == Phase::Active.as_str();
    if active && reached(keyset.next_firing) { ' ' } else { '█' }
}

/// When the next key takes over, as far as it is decided.
fn succeeded_at(keyset: &KeysetStatus, key: &KeyStatus) -> Option<Time> {
    let own = key.not_before?;
    let others = keyset.keys.iter().filter(|other| other.id != key.id && !other.compromised);
    let later = others.filter_map(|other| other.not_before).filter(|at| *at > own).min();
    later.or_else(|| key.not_after.map(|_| own))
}

fn bar(window: &Window, keyset: &KeysetStatus, key: &KeyStatus, now: Time, screen: &Screen) -> String {
    let mark = |at: Option<Time>| at.and_then(|at| window.column(at));
    let (present, firing, end) = (mark(Some(now)), mark(keyset.next_firing), mark(key.not_after));
    let cells: Vec<char> = (0..window.columns)
        .map(|column| match Some(column) {
            here if here == present => '│',
            here if here == end => '┤',
            here if here == firing => '┊',
            _ => glyph(keyset, key, window.moment(column), now),
        })
        .collect();
    let mut text = String::new();
    for run in cells.chunk_by(|one, other| one == other) {
        let run_text: String = run.iter().collect();
        let hue = match run[0] {
            '█' if key.compromised => Some(Hue::Bad),
            '█' => Some(Hue::Good),
            '▓' | '┤' => Some(Hue::Warn),
            '░' | '·' | '┊' => Some(Hue::Dim),
            '│' => Some(Hue::Bold),
            _ => None,
        };
        text.push_str(&hue.map_or(run_text.clone(), |hue| screen.paint(hue, &run_text)));
    }
    text.trim_end().to_owned()
}

/// Words above or below their columns; those that would touch an earlier one are left out.
fn ruler(window: &Window, words: &[(Time, String)]) -> String {
    let mut line = String::new();
    for (at, word) in words {
        let Some(column) = window.column(*at) else { continue };
        let length = word.chars().count();
        let column = column.min(window.columns.saturating_sub(length));
        let used = line.chars().count();
        if used > 0 && column <= used {
            continue;
        }
        line.push_str(&" ".repeat(column - used));
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;

    const SCREEN: Screen = Screen { terminal: true, colour: false, width: 100 };

    fn picture(screen: &Screen) -> String {
        let now = sample::now();
        draw(&sample::status(now).keysets[0], now, screen).expect("room for it")
    }

    fn row<'a>(picture: &'a str, id: &str) -> &'a str {
        picture.lines().find(|line| line.contains(id)).expect("a line a key")
    }

    #[test]
    fn each_key_has_a_line_with_its_phases_in_order() {
        let told = picture(&SCREEN);
        let old = row(&told, "APIold");
        assert!(old.contains("retiring") && old.contains("ends in 50 min"), "{told}");
        let order = |line: &str, glyphs: &str| {
            let mut seen: Vec<char> = line.chars().filter(|cell| "░█▓·┤│".contains(*cell)).collect();
            seen.dedup();
            assert_eq!(seen.into_iter().collect::<String>(), glyphs, "{told}");
        };
        order(old, "█▓│▓┤");
        order(row(&told, "APIactive"), "░█│█");
        order(row(&told, "APIstandby1"), "░│░");
    }

    #[test]
    fn now_and_the_next_firing_stand_in_one_column_from_top_to_bottom() {
        let told = picture(&SCREEN);
        let column = |line: &str, what: char| line.chars().position(|cell| cell == what);
        let now = column(row(&told, "APIold"), '│').expect("now is drawn");
        assert_eq!(column(row(&told, "APIstandby2"), '│'), Some(now), "{told}");
        let head = told.lines().nth(1).expect("a head");
        assert_eq!(head.find("now"), Some(now), "{told}");
        assert!(head.contains("next in 3 h 12 min"), "{told}");
        assert!(told.lines().last().expect("a foot").contains("12:00"), "{told}");
    }

    #[test]
    fn it_keeps_to_the_width_and_gives_way_where_it_does_not_fit() {
        assert!(picture(&SCREEN).lines().all(|line| line.chars().count() <= 100), "{}", picture(&SCREEN));
        let narrow = Screen { width: 50, ..SCREEN };
        assert_eq!(draw(&sample::status(sample::now()).keysets[0], sample::now(), &narrow), None);
    }

    #[test]
    fn a_keyset_without_any_time_is_drawn_all_the_same() {
        let now = sample::now();
        let mut keyset = sample::status(now).keysets.remove(0);
        keyset.keys = vec![sample::key("APInew", "standby", now)];
        keyset.next_firing = None;
        assert!(draw(&keyset, now, &SCREEN).expect("room for it").contains("APInew"));
        keyset.keys.clear();
        assert!(draw(&keyset, now, &SCREEN).is_some());
    }
}
