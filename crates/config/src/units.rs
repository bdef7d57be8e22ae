//! Values with units, between text and number. The written form is the shortest exact one.

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// `1500ms`, `1.5s`, `2m`, `24h`, `7d` -> milliseconds. Parts of a millisecond are refused.
pub fn parse_duration(text: &str) -> Option<u64> {
    parse(text, &DURATIONS)
}

pub fn format_duration(ms: u64) -> String {
    format(ms, &DURATIONS)
}

/// `512B`, `64KiB`, `8MiB`, `1.5GiB` -> bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

pub fn format_size(bytes: u64) -> String {
    format(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.len() > 6 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u64>().ok()?.checked_mul(*factor)?;
    if part % scale != 0 { None } else { whole.checked_add(part / scale) }
}

fn format(value: u64, units: &[(&str, u64)]) -> String {
    let (name, factor) =
        units.iter().rev().find(|(_, factor)| value > 0 && value.is_multiple_of(*factor)).unwrap_or(&units[0]);
    format!("{}{name}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_and_write() {
        for (text, ms, shown) in [
            ("1500ms", 1500, "1500ms"),
            ("1.5s", 1500, "1500ms"),
            ("90s", 90_000, "90s"),
            ("120s", 120_000, "2m"),
            ("24h", 86_400_000, "1d"),
            ("0s", 0, "0ms"),
            ("10 s", 10_000, "10s"),
        ] {
            assert_eq!(parse_duration(text), Some(ms), "{text}");
            assert_eq!(format_duration(ms), shown);
            assert_eq!(parse_duration(shown), Some(ms));
        }
        for text in ["", "5", "s", "5 sec", "-1s", "1.s", ".5s", "1..2s", "1.0005s", "99999999999999999999s", "NaNs"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
        assert_eq!(parse_size("8MiB"), Some(8 << 20));
        assert_eq!(format_size(8 << 20), "8MiB");
        assert_eq!(parse_size("8MB"), None);
    }
}
