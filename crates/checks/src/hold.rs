//! From evaluations to alarms (CHECKS 5.9): hold, clear, severity, events, flapping.
//!
//! One [`AlarmState`] per check and subject. It is fed evaluations with their time and says what changed; it knows
//! neither checks nor messages.

use std::collections::VecDeque;

use ow_domain::{Severity, Span, Time};
use serde::{Deserialize, Serialize};

/// Evaluations remembered per subject; bounds `n` of every hold and clear.
pub const MAX_WINDOW: usize = 32;
/// An active alarm of which nothing was learned for so long is indeterminate.
pub const UNKNOWN_MAX: Span = Span::from_secs(900);

const FLAP_RAISE: f64 = 1000.0;
const FLAP_HALF_LIFE_S: f64 = 600.0;
const FLAP_ABOVE: f64 = 2500.0;
const FLAP_BELOW: f64 = 1000.0;
/// Below this the penalty of an inactive alarm is forgotten.
const FLAP_FORGET: f64 = 100.0;

/// When a level of an alarm is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `m` of the last `n` evaluations; `H2` is 2 of 2.
    Count { m: u8, n: u8 },
    /// `m` evaluations within a span: `H3/60s`.
    Within { m: u8, span: Span },
    /// Failing without a pass for a span, at least two evaluations: `H30s`.
    For(Span),
    /// Every failure is an event that closes by itself: `EV`.
    Event,
}

/// Evaluations that fail with `from` or worse count; when `rule` is met the alarm has severity `raise`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub from: Severity,
    pub raise: Severity,
    pub rule: Rule,
}

/// All levels of an alarm, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold(pub Vec<Level>);

/// When an alarm closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// So many passing evaluations in a row.
    Count(u8),
    /// Passing for a span.
    For(Span),
}

/// Everything that decides over one alarm.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub hold: &'a Hold,
    pub clear: Clear,
    /// Life of an event without recurrence.
    pub event_ttl: Span,
}

/// Result of one evaluation as far as the alarm is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Pass,
    /// Below the raise threshold, not yet below the clear threshold: a pass for an inactive alarm, nothing for an
    /// active one.
    Between,
    /// Input missing: freezes counters and timers.
    Unknown,
    Fail(Severity),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    Raised,
    /// Severity changed inside the same alarm.
    Updated,
    Cleared,
}

/// State of one alarm: `inactive`, `pending` (failures in the window), `active`, `clearing` (active, last passed).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AlarmState {
    /// Newest last: time and code, 0 pass, 1..=5 failing severity, 15 between.
    recent: VecDeque<(i64, u8)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// Per failing severity code 1..=5: start of the run of evaluations at least that bad.
    failing_since: [Option<Time>; 5],
    passing_since: Option<Time>,
    last_known: Option<Time>,
    frozen: bool,
    /// Thousandths: a whole number is the same after a snapshot.
    penalty: i64,
    penalty_at: Option<Time>,
    pub flapping: bool,
    /// First failure of the present run of trouble.
    pub first_failed_at: Option<Time>,
    pub last_failed_at: Option<Time>,
    /// Failures since `first_failed_at`.
    pub count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Active {
    pub severity: Severity,
    pub raised_at: Time,
    /// A level other than an event is (or was) reached: closes by its clear rule, not by age.
    pub standing: bool,
    pub indeterminate: bool,
}

const BETWEEN: u8 = 15;

const fn code(severity: Severity) -> u8 {
    match severity {
        Severity::Cleared => 0,
        Severity::Info => 1,
        Severity::Indeterminate | Severity::Warning => 2,
        Severity::Minor => 3,
        Severity::Major => 4,
        Severity::Critical => 5,
    }
}

impl AlarmState {
    /// Takes one evaluation. Times must not step back.
    pub fn evaluate(&mut self, at: Time, input: Input, rules: Rules<'_>) -> Change {
        let expired = self.expire(at, rules);
        let evaluated = self.take(at, input, rules);
        if evaluated == Change::None { expired } else { evaluated }
    }

    fn take(&mut self, at: Time, input: Input, rules: Rules<'_>) -> Change {
        let code = match (input, self.active) {
            (Input::Unknown, _) => {
                self.frozen = true;
                return Change::None;
            }
            (Input::Pass, _) | (Input::Between, None) => 0,
            (Input::Between, Some(_)) => BETWEEN,
            (Input::Fail(severity), _) => self::code(severity).max(1),
        };
        self.thaw(at);
        self.push(at, code);
        if let Some(active) = &mut self.active {
            active.indeterminate = false;
        }
        if let Input::Fail(_) = input {
            self.first_failed_at.get_or_insert(at);
            self.last_failed_at = Some(at);
            self.count += 1;
        }
        let met = rules.hold.0.iter().filter(|level| self.is_met(at, level)).max_by_key(|level| level.raise);
        let standing = rules.hold.0.iter().any(|level| level.rule != Rule::Event && self.is_met(at, level));
        match (&mut self.active, met) {
            (None, Some(level)) => {
                let raise = level.raise;
                self.active = Some(Active { severity: raise, raised_at: at, standing, indeterminate: false });
                self.penalize(at);
                Change::Raised
            }
            (None, None) => {
                if !self.recent.iter().any(|&(_, code)| (1..BETWEEN).contains(&code)) {
                    self.first_failed_at = None;
                    self.count = 0;
                }
                Change::None
            }
            (Some(active), met) => {
                active.standing |= standing;
                match met {
                    Some(level) if level.raise > active.severity => {
                        active.severity = level.raise;
                        Change::Updated
                    }
                    _ => self.ease(at, rules),
                }
            }
        }
    }

    /// Lowers or closes an active standing alarm once its clear rule is met.
    fn ease(&mut self, at: Time, rules: Rules<'_>) -> Change {
        let Some(active) = self.active else { return Change::None };
        if !active.standing {
            return Change::None;
        }
        let cleared = match rules.clear {
            Clear::Count(n) => self.last_n(n).is_some_and(|mut codes| codes.all(|code| code == 0)),
            Clear::For(span) => self.passing_since.is_some_and(|since| at - since >= span),
        };
        if cleared {
            self.close();
            return Change::Cleared;
        }
        // Down only after the clear rule of the higher severity: all of its last evaluations were milder.
        let needed =
            rules.hold.0.iter().filter(|l| l.raise >= active.severity).map(|l| code(l.from)).min().unwrap_or(1);
        let n = match rules.clear {
            Clear::Count(n) => n,
            Clear::For(_) => MAX_WINDOW as u8,
        };
        let Some(worst) = self.last_n(n).and_then(Iterator::max) else { return Change::None };
        if worst == BETWEEN || worst >= needed || worst == 0 {
            return Change::None;
        }
        let lower = rules.hold.0.iter().filter(|l| code(l.from) <= worst && l.raise < active.severity).map(|l| l.raise);
        match (lower.max(), &mut self.active) {
            (Some(severity), Some(active)) => {
                active.severity = severity;
                Change::Updated
            }
            _ => Change::None,
        }
    }

    /// Time passes without an evaluation: closes events, marks what cannot be known any more.
    pub fn tick(&mut self, at: Time, rules: Rules<'_>) -> Change {
        let change = self.expire(at, rules);
        if self.flapping && self.penalty_now(at) < FLAP_BELOW {
            self.flapping = false;
        }
        if let (Some(active), Some(last)) = (&mut self.active, self.last_known)
            && active.standing
            && !active.indeterminate
            && at - last > UNKNOWN_MAX
        {
            active.indeterminate = true;
            return Change::Updated;
        }
        change
    }

    fn expire(&mut self, at: Time, rules: Rules<'_>) -> Change {
        let over = self.active.is_some_and(|a| !a.standing)
            && self.last_failed_at.is_some_and(|last| at - last >= rules.event_ttl);
        if over {
            self.close();
            return Change::Cleared;
        }
        Change::None
    }

    fn close(&mut self) {
        self.active = None;
        self.first_failed_at = None;
        self.count = 0;
        // Failures before the clear do not count towards the next raise.
        self.recent.clear();
        self.failing_since = [None; 5];
    }

    fn push(&mut self, at: Time, code: u8) {
        if self.recent.len() == MAX_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back((at.unix_micros(), code));
        for (index, since) in self.failing_since.iter_mut().enumerate() {
            let bad = code != BETWEEN && usize::from(code) > index;
            *since = if bad { Some(since.unwrap_or(at)) } else { None };
        }
        self.passing_since = (code == 0).then(|| self.passing_since.unwrap_or(at));
        self.last_known = Some(at);
    }

    /// Moves timers over the time in which nothing was known.
    fn thaw(&mut self, at: Time) {
        if !std::mem::take(&mut self.frozen) {
            return;
        }
        let Some(last) = self.last_known else { return };
        let gap = at - last;
        for since in self.failing_since.iter_mut().chain([&mut self.passing_since]) {
            *since = since.map(|since| since + gap);
        }
        for (when, _) in &mut self.recent {
            *when = when.saturating_add(gap.micros());
        }
    }

    fn is_met(&self, at: Time, level: &Level) -> bool {
        let from = code(level.from).max(1);
        let fails = |c: u8| c != BETWEEN && c >= from;
        // A level is reached by a failure, never by a pass that slides the window.
        if !self.recent.back().is_some_and(|&(_, c)| fails(c)) {
            return false;
        }
        match level.rule {
            Rule::Event => true,
            Rule::Count { m, n } => {
                let last = self.recent.iter().rev().take(usize::from(n));
                last.filter(|&&(_, c)| fails(c)).count() >= usize::from(m.max(1))
            }
            Rule::Within { m, span } => {
                let oldest = (at + -span).unix_micros();
                let last = self.recent.iter().filter(|&&(when, c)| when >= oldest && fails(c));
                last.count() >= usize::from(m.max(1))
            }
            Rule::For(span) => self.failing_since[usize::from(from) - 1]
                .is_some_and(|since| at - since >= span && self.recent.iter().filter(|&&(_, c)| fails(c)).count() >= 2),
        }
    }

    fn last_n(&self, n: u8) -> Option<impl Iterator<Item = u8> + '_> {
        let n = usize::from(n.max(1));
        (self.recent.len() >= n).then(|| self.recent.iter().rev().take(n).map(|&(_, code)| code))
    }

    fn penalty_now(&self, at: Time) -> f64 {
        let Some(since) = self.penalty_at else { return 0.0 };
        self.penalty as f64 / 1e3 * (-(at - since).secs_f64().max(0.0) / FLAP_HALF_LIFE_S).exp2()
    }

    fn penalize(&mut self, at: Time) {
        let penalty = self.penalty_now(at) + FLAP_RAISE;
        self.penalty = (penalty * 1e3).round() as i64;
        self.penalty_at = Some(at);
        self.flapping |= penalty > FLAP_ABOVE;
    }

    /// The last known evaluation failed.
    pub fn is_failing(&self) -> bool {
        self.recent.back().is_some_and(|&(_, code)| (1..BETWEEN).contains(&code))
    }

    /// Nothing worth remembering: not active, no failure in the window, no penalty left.
    pub fn is_idle(&self, at: Time) -> bool {
        self.active.is_none() && !self.recent.iter().any(|&(_, c)| c != 0) && self.penalty_now(at) < FLAP_FORGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::{parse_clear, parse_hold};
    use proptest::prelude::*;

    fn at(seconds: f64) -> Time {
        Time::UNIX_EPOCH + Span::from_secs_f64(seconds)
    }

    /// Runs `F`, `P`, `U`, `B` (between) and severities `w`, `m`, `M`, `C`, one second apart; writes what changed.
    fn run(hold: &str, clear: &str, script: &str) -> String {
        let hold = parse_hold(hold).unwrap();
        let rules = Rules { hold: &hold, clear: parse_clear(clear).unwrap(), event_ttl: Span::from_secs(300) };
        let mut state = AlarmState::default();
        let mut out = String::new();
        for (second, c) in script.chars().filter(|c| !c.is_whitespace()).enumerate() {
            let input = match c {
                'P' => Input::Pass,
                'U' => Input::Unknown,
                'B' => Input::Between,
                'w' => Input::Fail(Severity::Warning),
                'm' => Input::Fail(Severity::Minor),
                'F' | 'M' => Input::Fail(Severity::Major),
                'C' => Input::Fail(Severity::Critical),
                _ => panic!("unknown step {c}"),
            };
            out.push(match state.evaluate(at(second as f64), input, rules) {
                Change::None => '.',
                Change::Raised => 'R',
                Change::Updated => 'U',
                Change::Cleared => 'X',
            });
        }
        out
    }

    #[test]
    fn holds_and_clears() {
        for (hold, clear, script, expected) in [
            ("H2", "C2", "FPFFPFPP", "...R...X"), // GV92
            ("H2", "C2", "FUUF", "...R"),         // GV93
            ("H3/5", "C2", "FPFPF", "....R"),     // GV94
            ("H1", "C1", "FPFP", "RXRX"),
            ("H2", "C2", "mMM", ".RU"),
            ("H1", "C2", "CmPP", "R.UX"),
            ("H1", "C2", "CmmPP", "R.U.X"),
            ("H1", "C2", "FBPBPP", "R....X"),
            ("H2", "C1", "BFBF", "...."),
            ("H1", "C2", "FPUP", "R..X"),
            ("EV", "C1", "FPPF", "R..."),
            ("EV, H3/10", "C3", "FPFFPPP", "R.....X"),
            ("warning EV -> minor@warning H3/10 -> major H1", "C10", "wPwwM", "R..UU"),
            ("warning H3/10 -> minor H3/5 -> major H2/5", "C3", "wwmmmMM", "..R.U.U"),
            ("H3s", "C2s", "FFFFPPP", "...R..X"),
            ("H3s", "C2s", "FFUUUFFF", ".......R"),
            ("H3/4s", "C1", "FPPFPPFF", ".......R"),
        ] {
            assert_eq!(run(hold, clear, script), expected, "{hold} / {clear}: {script}");
        }
    }

    #[test]
    fn three_raises_in_two_minutes_flap() {
        // GV95: 1000 x 2^-0.2 + 1000 x 2^-0.1 + 1000 = 2803.6 at 120 s, below 1000 from 1012.4 s on.
        let hold = parse_hold("H1").unwrap();
        let rules = Rules { hold: &hold, clear: Clear::Count(1), event_ttl: Span::from_secs(300) };
        let mut state = AlarmState::default();
        for second in [0.0, 60.0, 120.0] {
            assert_eq!(state.evaluate(at(second), Input::Fail(Severity::Major), rules), Change::Raised);
            if second == 120.0 {
                assert!((state.penalty_now(at(120.0)) - 2803.6).abs() < 0.05 && state.flapping);
            } else {
                assert!(!state.flapping);
            }
            assert_eq!(state.evaluate(at(second + 1.0), Input::Pass, rules), Change::Cleared);
        }
        state.tick(at(1012.3), rules);
        assert!(state.flapping);
        state.tick(at(1012.5), rules);
        assert!(!state.flapping);
    }

    #[test]
    fn a_restored_state_does_not_raise_again() {
        // GV96.
        let hold = parse_hold("H2").unwrap();
        let rules = Rules { hold: &hold, clear: Clear::Count(2), event_ttl: Span::from_secs(300) };
        let mut state = AlarmState::default();
        state.evaluate(at(0.0), Input::Fail(Severity::Major), rules);
        state.evaluate(at(1.0), Input::Fail(Severity::Major), rules);
        let text = serde_json::to_string(&state).unwrap();
        let mut restored: AlarmState = serde_json::from_str(&text).unwrap();
        assert_eq!(restored, state);
        assert_eq!(restored.evaluate(at(2.0), Input::Fail(Severity::Major), rules), Change::None);
        assert_eq!(restored.active.unwrap().raised_at, at(1.0));
    }

    #[test]
    fn events_close_by_themselves_and_silence_is_indeterminate() {
        let hold = parse_hold("EV").unwrap();
        let rules = Rules { hold: &hold, clear: Clear::Count(1), event_ttl: Span::from_secs(300) };
        let mut state = AlarmState::default();
        state.evaluate(at(0.0), Input::Fail(Severity::Major), rules);
        state.evaluate(at(100.0), Input::Fail(Severity::Major), rules);
        assert_eq!(state.count, 2);
        assert_eq!(state.tick(at(399.0), rules), Change::None);
        assert_eq!(state.tick(at(400.0), rules), Change::Cleared);

        let hold = parse_hold("H1").unwrap();
        let rules = Rules { hold: &hold, ..rules };
        let mut state = AlarmState::default();
        state.evaluate(at(0.0), Input::Fail(Severity::Major), rules);
        assert_eq!(state.tick(at(900.0), rules), Change::None);
        assert_eq!(state.tick(at(900.1), rules), Change::Updated);
        assert!(state.active.unwrap().indeterminate);
        state.evaluate(at(901.0), Input::Fail(Severity::Major), rules);
        assert!(!state.active.unwrap().indeterminate);
    }

    proptest! {
        #[test]
        fn raises_and_clears_alternate(
            inputs in proptest::collection::vec((0u8..8, 0i64..50), 0..100),
            hold in prop_oneof!["H1", "H2", "H3/5", "H10s", "EV", "EV, H3/10", "warning H3/10 -> minor H3/5 -> major H2/5"],
            clear in prop_oneof!["C1", "C3", "C20s"],
        ) {
            let hold = parse_hold(&hold).unwrap();
            let rules = Rules { hold: &hold, clear: parse_clear(&clear).unwrap(), event_ttl: Span::from_secs(300) };
            let mut state = AlarmState::default();
            let mut now = Time::UNIX_EPOCH;
            let mut was_active = false;
            for (kind, pause) in inputs {
                now += Span::from_secs(pause);
                let input = match kind {
                    0 | 1 => Input::Pass,
                    2 => Input::Unknown,
                    3 => Input::Between,
                    4 => Input::Fail(Severity::Warning),
                    5 => Input::Fail(Severity::Minor),
                    6 => Input::Fail(Severity::Major),
                    _ => Input::Fail(Severity::Critical),
                };
                let before = state.clone();
                let change = state.evaluate(now, input, rules);
                match change {
                    Change::Raised => prop_assert!(matches!(input, Input::Fail(_))),
                    Change::Cleared => prop_assert!(was_active && state.active.is_none()),
                    Change::Updated => prop_assert!(was_active),
                    Change::None => prop_assert_eq!(was_active, state.active.is_some()),
                }
                if input == Input::Unknown && change == Change::None {
                    prop_assert_eq!(before.active, state.active);
                    prop_assert_eq!(before.count, state.count);
                }
                was_active = state.active.is_some();
                prop_assert!(state.recent.len() <= MAX_WINDOW);
                let restored: AlarmState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                prop_assert_eq!(restored.active, state.active);
            }
        }
    }
}
