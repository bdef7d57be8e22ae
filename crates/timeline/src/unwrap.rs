//! Media timestamps without their wrap (CHECKS 5.6 steps 1 to 4).
//!
//! PTS, DTS and PCR base count 33 bits at 90 kHz and wrap every 95 443.7177 s; `tfdt` version 0 counts 32 bits of the
//! track's timescale. One [`Unwrapper`] serves one programme: the other tracks are placed next to its value by
//! [`Unwrapper::near`], else tracks on both sides of the wrap would differ by 26.5 h.

use ow_domain::Span;
use serde::{Deserialize, Serialize};

/// PTS, DTS, PCR base (ISO/IEC 13818-1 §2.4.3).
pub const TS_BITS: u32 = 33;
/// Ticks per second of PTS and DTS.
pub const TS_TIMESCALE: u32 = 90_000;
/// A larger step in either direction is a jump and no wrap.
pub const JUMP_MAX: Span = Span::from_secs(10);

/// Follows one wrapping counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unwrapper {
    bits: u32,
    timescale: u32,
    last: Option<i64>,
}

/// A timestamp in ticks since an arbitrary origin, and how it joins the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwrapped {
    pub ticks: i64,
    pub join: Join,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// First value, or re-anchored at an announced discontinuity or new epoch.
    Anchored,
    /// Difference to the value before, in ticks; below zero for reordering.
    Step(i64),
    /// More than [`JUMP_MAX`] without an announcement; the counter is anchored anew. Signed difference in ticks.
    Jump(i64),
}

impl Unwrapper {
    /// For PTS and DTS.
    pub const fn ts() -> Self {
        Self::new(TS_BITS, TS_TIMESCALE)
    }

    /// `bits` is clamped to 1..=62, `timescale` 0 counts as 1.
    pub const fn new(bits: u32, timescale: u32) -> Self {
        let bits = if bits == 0 {
            1
        } else if bits > 62 {
            62
        } else {
            bits
        };
        Self { bits, timescale: if timescale == 0 { 1 } else { timescale }, last: None }
    }

    /// The value unwrapped last.
    pub const fn last(&self) -> Option<i64> {
        self.last
    }

    /// Takes the next raw value. `announced`: a DISCONTINUITY or new epoch stands before it.
    pub fn push(&mut self, raw: u64, announced: bool) -> Unwrapped {
        let raw = self.masked(raw);
        let Some(last) = self.last.filter(|_| !announced) else {
            self.last = Some(raw);
            return Unwrapped { ticks: raw, join: Join::Anchored };
        };
        let delta = modular_difference(raw, last, self.bits);
        let limit = ticks(JUMP_MAX, self.timescale);
        if delta.abs() > limit {
            self.last = Some(raw);
            return Unwrapped { ticks: raw, join: Join::Jump(delta) };
        }
        let ticks = last.saturating_add(delta);
        self.last = Some(ticks);
        Unwrapped { ticks, join: Join::Step(delta) }
    }

    /// Places a value of another track of the same programme next to the last one, without moving the state.
    /// `None` before the first [`Self::push`].
    pub fn near(&self, raw: u64) -> Option<i64> {
        let last = self.last?;
        Some(last.saturating_add(modular_difference(self.masked(raw), last, self.bits)))
    }

    const fn masked(&self, raw: u64) -> i64 {
        (raw & ((1 << self.bits) - 1)) as i64
    }
}

/// `new - last` modulo 2^bits, in [-2^(bits-1), 2^(bits-1)). The arguments may be unwrapped values.
pub const fn modular_difference(new: i64, last: i64, bits: u32) -> i64 {
    let half = 1i128 << (bits - 1);
    let difference = new as i128 - last as i128;
    ((difference + half).rem_euclid(1i128 << bits) - half) as i64
}

/// A `tfdt` version 1 value; `None` from 2^63 (CHECKS 5.6 step 1: rejected).
pub fn tfdt64(raw: u64) -> Option<i64> {
    i64::try_from(raw).ok()
}

/// Ticks to microseconds, rounded toward zero, saturating.
pub fn to_span(ticks: i64, timescale: u32) -> Span {
    Span::from_micros(ticks).mul_ratio(1_000_000, i64::from(timescale.max(1)))
}

/// Microseconds to ticks, rounded toward zero, saturating.
pub fn ticks(span: Span, timescale: u32) -> i64 {
    span.mul_ratio(i64::from(timescale), 1_000_000).micros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: u64 = 1 << 33;

    #[test]
    fn a_wrap_is_no_jump() {
        let mut unwrapper = Unwrapper::ts();
        assert_eq!(unwrapper.push(PERIOD - 90_000, false).join, Join::Anchored);
        assert_eq!(unwrapper.push(PERIOD - 3_600, false).join, Join::Step(86_400));
        let after = unwrapper.push(3_600, false);
        assert_eq!(after, Unwrapped { ticks: (PERIOD + 3_600) as i64, join: Join::Step(7_200) });
        // Audio still before the wrap, video after it: 80 ms apart, not 26.5 h.
        assert_eq!(unwrapper.near(PERIOD - 3_600), Some((PERIOD - 3_600) as i64));
    }

    #[test]
    fn jumps_are_told_and_announced_ones_are_not() {
        for (step, announced, expected) in [
            (900_000i64, false, Join::Step(900_000)),
            (900_001, false, Join::Jump(900_001)),
            (-900_001, false, Join::Jump(-900_001)),
            (-3_600, false, Join::Step(-3_600)),
            (5_000_000, true, Join::Anchored),
        ] {
            let mut unwrapper = Unwrapper::ts();
            unwrapper.push(10_000_000, false);
            let found = unwrapper.push((10_000_000 + step) as u64, announced);
            assert_eq!(found.join, expected, "{step} {announced}");
            assert_eq!(found.ticks, 10_000_000 + step);
        }
    }

    #[test]
    fn units_are_exact() {
        assert_eq!(to_span(90_000, TS_TIMESCALE), Span::from_secs(1));
        assert_eq!(ticks(Span::from_secs(10), 48_000), 480_000);
        assert_eq!(to_span(i64::MAX, 1), Span::from_micros(i64::MAX));
        assert_eq!((tfdt64(1 << 63), tfdt64(7)), (None, Some(7)));
    }

    proptest! {
        #[test]
        fn small_steps_unwrap_to_their_sum(start in any::<u64>(), steps in prop::collection::vec(-300_000i64..900_000, 1..200)) {
            let mut unwrapper = Unwrapper::ts();
            let first = unwrapper.push(start, false).ticks;
            let mut raw = start as i128;
            let mut sum = 0;
            for step in steps {
                raw += i128::from(step);
                sum += step;
                let found = unwrapper.push(raw.rem_euclid(1 << 33) as u64, false);
                prop_assert_eq!(found.ticks, first + sum);
                prop_assert_eq!(found.join, Join::Step(step));
            }
        }

        #[test]
        fn differences_stay_in_half_a_period(a in any::<i64>(), b in any::<i64>(), bits in 2u32..=62) {
            let d = modular_difference(a, b, bits);
            prop_assert!(d >= -(1i64 << (bits - 1)) && d < (1i64 << (bits - 1)));
        }
    }
}
