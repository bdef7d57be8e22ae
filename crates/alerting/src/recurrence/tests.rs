use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

fn recurrence(start: &str, rule: &str, zone_name: &str) -> Recurrence {
    let rule: Rule = rule.parse().unwrap_or_else(|e| panic!("{rule}: {e}"));
    Recurrence::new(rule, time(start), zone(zone_name).unwrap()).unwrap_or_else(|e| panic!("{e}"))
}

/// The first starts of a rule, as local times of the zone.
fn check(start: &str, rule: &str, zone_name: &str, expected: &[&str]) {
    let recurrence = recurrence(start, rule, zone_name);
    let mut found = Vec::new();
    let mut from = time("1990-01-01T00:00:00Z");
    while let Some(next) = recurrence.next_from(from).filter(|_| found.len() < expected.len() + 1) {
        let local = recurrence.zone.to_datetime(Timestamp::from_microsecond(next.unix_micros()).unwrap());
        found.push(local.strftime("%Y-%m-%d %H:%M").to_string());
        from = next + Span::from_micros(1);
    }
    let ends = rule.contains("COUNT") || rule.contains("UNTIL");
    assert_eq!(found.len() > expected.len(), !ends, "{rule}: {found:?}");
    found.truncate(expected.len());
    assert_eq!(found, expected, "{rule}");
}

const NY: &str = "America/New_York";

/// The examples of RFC 5545 §3.8.5.3 that use the parts we know.
#[test]
fn the_examples_of_the_standard() {
    let start = "1997-09-02T09:00:00-04:00";
    for (rule, expected) in [
        ("FREQ=DAILY;COUNT=3", &["1997-09-02 09:00", "1997-09-03 09:00", "1997-09-04 09:00"][..]),
        ("FREQ=DAILY;INTERVAL=10;COUNT=3", &["1997-09-02 09:00", "1997-09-12 09:00", "1997-09-22 09:00"]),
        ("FREQ=DAILY;UNTIL=19970904T130000Z", &["1997-09-02 09:00", "1997-09-03 09:00", "1997-09-04 09:00"]),
        ("FREQ=DAILY;UNTIL=19970903", &["1997-09-02 09:00", "1997-09-03 09:00"]),
        ("FREQ=WEEKLY;COUNT=3", &["1997-09-02 09:00", "1997-09-09 09:00", "1997-09-16 09:00"]),
        (
            "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
            &[
                "1997-09-02 09:00",
                "1997-09-04 09:00",
                "1997-09-09 09:00",
                "1997-09-11 09:00",
                "1997-09-16 09:00",
                "1997-09-18 09:00",
                "1997-09-23 09:00",
                "1997-09-25 09:00",
                "1997-09-30 09:00",
                "1997-10-02 09:00",
            ],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
            &[
                "1997-09-02 09:00",
                "1997-09-04 09:00",
                "1997-09-16 09:00",
                "1997-09-18 09:00",
                "1997-09-30 09:00",
                "1997-10-02 09:00",
                "1997-10-14 09:00",
                "1997-10-16 09:00",
            ],
        ),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=1FR", &["1997-09-05 09:00", "1997-10-03 09:00", "1997-11-07 09:00"]),
        (
            "FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU",
            &["1997-09-07 09:00", "1997-09-28 09:00", "1997-11-02 09:00", "1997-11-30 09:00"],
        ),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", &["1997-09-22 09:00", "1997-10-20 09:00", "1997-11-17 09:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-3", &["1997-09-28 09:00", "1997-10-29 09:00", "1997-11-28 09:00"]),
        (
            "FREQ=MONTHLY;COUNT=4;BYMONTHDAY=2,15",
            &["1997-09-02 09:00", "1997-09-15 09:00", "1997-10-02 09:00", "1997-10-15 09:00"],
        ),
        ("FREQ=YEARLY;COUNT=3;BYMONTH=6,7", &["1998-06-02 09:00", "1998-07-02 09:00", "1999-06-02 09:00"]),
        ("FREQ=YEARLY;BYDAY=20MO", &["1998-05-18 09:00", "1999-05-17 09:00", "2000-05-15 09:00"]),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", &["1998-03-05 09:00", "1998-03-12 09:00", "1998-03-19 09:00"]),
        // Friday the 13th.
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            &["1998-02-13 09:00", "1998-03-13 09:00", "1998-11-13 09:00", "1999-08-13 09:00", "2000-10-13 09:00"],
        ),
        // The first Saturday that follows the first Sunday of the month.
        ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", &["1997-09-13 09:00", "1997-10-11 09:00"]),
        // The US presidential election day.
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            &["1997-11-04 09:00", "2001-11-06 09:00"],
        ),
        (
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            &["1997-09-04 09:00", "1997-10-07 09:00", "1997-11-06 09:00"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            &["1997-09-29 09:00", "1997-10-30 09:00", "1997-11-27 09:00"],
        ),
        (
            "FREQ=DAILY;BYHOUR=9,16;BYMINUTE=0,20",
            &["1997-09-02 09:00", "1997-09-02 09:20", "1997-09-02 16:00", "1997-09-02 16:20", "1997-09-03 09:00"],
        ),
        ("FREQ=MONTHLY;COUNT=2;BYMONTHDAY=31", &["1997-10-31 09:00", "1997-12-31 09:00"]),
    ] {
        check(start, rule, NY, expected);
    }
    // The meaning of WKST.
    let start = "1997-08-05T09:00:00-04:00";
    check(
        start,
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        NY,
        &["1997-08-05 09:00", "1997-08-10 09:00", "1997-08-19 09:00", "1997-08-24 09:00"],
    );
    check(
        start,
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        NY,
        &["1997-08-05 09:00", "1997-08-17 09:00", "1997-08-19 09:00", "1997-08-31 09:00"],
    );
    // 29 February comes every fourth year.
    check("2096-02-29T00:00:00Z", "FREQ=YEARLY", "UTC", &["2096-02-29 00:00", "2104-02-29 00:00"]);
}

#[test]
fn clocks_that_change_move_what_they_skip_and_take_the_first_of_two() {
    // 02:30 does not exist on 2027-03-14 in New York and comes twice on 2027-11-07.
    let rule = recurrence("2027-03-13T02:30:00-05:00", "FREQ=DAILY", NY);
    let starts = rule.between(time("2027-03-13T00:00:00Z"), time("2027-03-16T00:00:00Z"));
    assert_eq!(starts, ["2027-03-13T07:30:00Z", "2027-03-14T07:30:00Z", "2027-03-15T06:30:00Z"].map(time));
    let rule = recurrence("2027-11-06T01:30:00-04:00", "FREQ=DAILY", NY);
    let starts = rule.between(time("2027-11-06T00:00:00Z"), time("2027-11-09T00:00:00Z"));
    assert_eq!(starts, ["2027-11-06T05:30:00Z", "2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"].map(time));
    // Skipped 02:30 lands behind 03:10.
    let rule = recurrence("2027-03-13T02:30:00-05:00", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=10,30", NY);
    let starts = rule.between(time("2027-03-14T05:00:00Z"), time("2027-03-15T04:00:00Z"));
    assert_eq!(starts, ["2027-03-14T07:10:00Z", "2027-03-14T07:30:00Z"].map(time));
}

#[test]
fn bad_rules_say_which_part_and_why() {
    for (rule, part) in [
        ("", "FREQ is missing"),
        ("BYDAY=MO", "FREQ is missing"),
        ("FREQ=HOURLY", "FREQ is not one of"),
        ("FREQ", "no value"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;COUNT=1001", "COUNT"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20270101", "exclude"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL"),
        ("FREQ=DAILY;UNTIL=20261301T000000Z", "UNTIL"),
        ("FREQ=DAILY;BYDAY=1MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=XX", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=đMO", "BYDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=DAILY;BYSECOND=1", "not supported"),
        ("FREQ=DAILY;X=1", "not a part"),
        (&"X".repeat(600), "longer"),
    ] {
        let error = rule.parse::<Rule>().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("FREQ=WEEKLY"), "{rule}: {error}");
    }
}

fn any_rule() -> impl Strategy<Value = String> {
    let part = |name: &'static str, values: &'static str| {
        proptest::option::of(values.prop_map(move |value| format!(";{name}={value}")))
            .prop_map(Option::unwrap_or_default)
    };
    (
        "DAILY|WEEKLY|MONTHLY|YEARLY",
        part("INTERVAL", "[1-9]|1[0-9]"),
        part("BYDAY", "(MO|TU|FR|SU)|(MO|WE),(TH|SA)"),
        part("BYMONTHDAY", "[1-9]|-[1-9]|29,30,31"),
        part("BYMONTH", "[1-9]|2,11"),
        part("BYHOUR", "[0-9]|1,2,3|23"),
        part("BYSETPOS", "1|-1|2"),
        part("COUNT", "[1-9]|[1-9]0"),
    )
        .prop_map(|(f, a, b, c, d, e, g, h)| format!("FREQ={f}{a}{b}{c}{d}{e}{g}{h}"))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        if let Ok(rule) = text.parse::<Rule>() {
            prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
        }
    }

    /// The text form is stable; the search forward and the list between two times are the same starts; none lies before
    /// the start of the rule; COUNT counts.
    #[test]
    fn two_ways_of_expansion_agree(rule in any_rule(), start in 1_700_000_000_i64..1_900_000_000, days in 0_i64..800,
        zone_name in "UTC|Asia/Ho_Chi_Minh|America/New_York|Australia/Lord_Howe") {
        let Ok(parsed) = rule.parse::<Rule>() else { return Ok(()) };
        prop_assert_eq!(&parsed.to_string().parse::<Rule>().unwrap(), &parsed);
        let start = Time::from_unix_micros(start * 1_000_000);
        let Ok(recurrence) = Recurrence::new(parsed.clone(), start, zone(&zone_name).unwrap()) else { return Ok(()) };
        let from = start + Span::from_secs(days * 86_400 - 40 * 86_400);
        let to = from + Span::from_secs(60 * 86_400);
        let listed = recurrence.between(from, to);
        let mut found = Vec::new();
        let mut at = from;
        while let Some(next) = recurrence.next_from(at).filter(|next| *next <= to) {
            found.push(next);
            at = next + Span::from_micros(1);
        }
        prop_assert_eq!(&listed, &found, "{} from {} in {}", rule, start, zone_name);
        prop_assert!(listed.iter().all(|s| *s >= start));
        if let Some(count) = parsed.count {
            let all = recurrence.between(start, start + Span::from_secs(60 * 365 * 86_400));
            prop_assert!(all.len() <= count as usize);
        }
    }

    /// Each start of a weekly rule is on a wanted day at the wanted local time, and every wanted day has one.
    #[test]
    fn weekly_starts_are_the_wanted_days(start in 1_700_000_000_i64..1_900_000_000) {
        let start = Time::from_unix_micros(start * 1_000_000);
        let recurrence = Recurrence::new("FREQ=WEEKLY;BYDAY=MO,TH".parse().unwrap(), start, zone("Asia/Tokyo").unwrap()).unwrap();
        let starts = recurrence.between(start, start + Span::from_secs(70 * 86_400 - 1));
        prop_assert_eq!(starts.len(), 20);
        for s in starts {
            let local = recurrence.zone.to_datetime(Timestamp::from_microsecond(s.unix_micros()).unwrap());
            prop_assert!(matches!(local.weekday(), jiff::civil::Weekday::Monday | jiff::civil::Weekday::Thursday));
            prop_assert_eq!(local.time(), recurrence.start.time());
        }
    }
}
