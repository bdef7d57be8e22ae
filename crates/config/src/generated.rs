//! Documents made at random from the tables of all kinds: what is exported changes nothing when it is applied again.

use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use serde_json::{Map, Value, json};

use crate::kinds;
use crate::schema::{Field, Keys, Shape};
use crate::{SourceFile, document_of, export, plan, read, spec_json};

/// Numbers that repeat with their seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % n.max(1)
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.roll(items.len())]
    }
}

/// Texts that a careless writer of YAML would spoil.
const TEXTS: [&str; 16] = [
    "x",
    "no",
    "1.0",
    "007",
    "a: b #c",
    "Đêm nhạc",
    "'q'",
    "\"q\"",
    "- x",
    "*",
    "&a",
    "null",
    "~",
    "12:30",
    "{a}",
    "x ",
];

fn object(fields: &'static [Field], dice: &mut Dice) -> Value {
    let mut out = Map::new();
    for field in fields {
        if field.required || dice.roll(2) == 0 {
            // Some texts have rules of their own, which examples keep.
            let example = crate::json_schema::example(field).filter(|_| dice.roll(3) > 0 || is_ruled(field.name));
            out.insert(field.name.to_owned(), example.unwrap_or_else(|| value(&field.shape, dice)));
        }
    }
    Value::Object(out)
}

fn is_ruled(name: &str) -> bool {
    let ruled = ["resolution", "language", "matchers", "match", "rrule", "timeZone", "hold", "clear", "overrides"];
    let specs = [
        "target",
        "baseOid",
        "alsoBaseOid",
        "startsAt",
        "endsAt",
        "frameRate",
        "bitrateKbps",
        "tolerance",
        "from",
        "to",
    ];
    ruled.contains(&name) || specs.contains(&name)
}

fn value(shape: &'static Shape, dice: &mut Dice) -> Value {
    let between =
        |min: u64, max: u64, dice: &mut Dice| min + u64::try_from(dice.roll(1 << 30)).unwrap_or(0) % (max - min + 1);
    match shape {
        Shape::Text { max } => dice.of(&TEXTS).chars().take(*max).collect::<String>().into(),
        Shape::LongText { .. } => dice.of(&["one line", "two\nlines\n", " x\n  y", "a\n\nb", "tab\there"]).into(),
        Shape::Slug => dice.of(&["a", "b-1", "1", "no", "0x1"]).into(),
        Shape::Bool => (dice.roll(2) == 0).into(),
        Shape::Int { min, max } => (min + i64::try_from(dice.roll(1 << 20)).unwrap_or(0) % (max - min + 1)).into(),
        Shape::Number => json!(dice.of(&[0.0, 2.5, 1e6, 1e-6])),
        Shape::Duration { min, max } => crate::units::format_duration(between(*min, *max, dice)).into(),
        Shape::Size { min, max } => crate::units::format_size(between(*min, *max, dice)).into(),
        Shape::Url => dice.of(&["http://o/a", "https://o:8443/a?b=c&d#e", "http://[::1]/x"]).into(),
        Shape::Time => dice.of(&["2026-12-24T19:00:00+07:00", "2027-01-01T00:00:00Z"]).into(),
        Shape::Choice(choices) => dice.of(choices).into(),
        Shape::Depth => match dice.roll(4) {
            0 => json!({"sampled": 5}),
            n => ["full", "head", "manifest"][n - 1].into(),
        },
        Shape::List { of, min, max } => {
            let n = (min + dice.roll(3)).min(*max);
            Value::Array((0..n).map(|_| value(of, dice)).collect())
        }
        Shape::Map { keys, of, .. } => {
            let key = match keys {
                Keys::Label => ["group", "007", "a.b_c"],
                Keys::Header => ["X-Key", "Accept", "null"],
                Keys::Name => ["a_b", "Z", "0"],
            };
            let n = dice.roll(3);
            Value::Object(key.iter().take(n).map(|key| ((*key).to_owned(), value(of, dice))).collect())
        }
        Shape::Object(fields) => object(fields, dice),
        Shape::Tagged { tag, variants } => {
            let (name, fields) = dice.of(variants);
            let mut out = object(fields, dice);
            out[*tag] = name.into();
            out
        }
    }
}

#[test]
fn what_is_exported_changes_nothing_when_applied_again() {
    let name = Slug::new("a").unwrap();
    for kind in ConfigKind::ALL {
        let mut n_good = 0;
        for seed in 1..600_u64 {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let spec = value(kinds::spec_of(kind), &mut dice);
            let labels = json!({"group": dice.of(&TEXTS)});
            // Rules between fields refuse some; that they do is tested elsewhere.
            let Ok(document) = document_of(kind, &name, Some(&labels), Some(&spec)) else { continue };
            n_good += 1;
            let object = ConfigObject { revision: 3, ..document.object.clone() };
            let text = export(std::slice::from_ref(&object));
            let file = SourceFile { name: "t".into(), text: text.clone() };
            let again = read(&[file]).unwrap_or_else(|p| panic!("{}\n{text}", p[0]));
            assert_eq!((&again[0].object.labels, &again[0].object.spec), (&object.labels, &object.spec), "{text}");
            // The same over REST.
            let body = spec_json(&object);
            let back = document_of(kind, &name, Some(&json!(object.labels)), Some(&body));
            let back = back.unwrap_or_else(|p| panic!("{}\n{body}", p[0]));
            assert_eq!(back.object.spec, object.spec, "{body}");
            // And through jsonb.
            let stored: Value = serde_json::from_str(&object.spec.to_string()).unwrap();
            assert_eq!(stored, object.spec);
            if matches!(kind, ConfigKind::Probe | ConfigKind::Receiver | ConfigKind::Silence) {
                let plan = plan(std::slice::from_ref(&object), &again, None).unwrap();
                assert!(plan.is_empty(), "{plan}\n{text}");
            }
        }
        assert!(n_good >= 20, "{kind}: only {n_good} of 599 documents are good");
    }
}
