//! Texts for people and consoles: cutting, one line, ASCII, durations, the deep link, and the fixed words per
//! language. Pure.

use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::operation::OperationKind;
use ow_domain::receiver::Language;
use ow_domain::{Severity, Span, Time};

/// Most octets of a text in a notification: consoles read them line by line and many stop at 255.
pub const MAX_OCTETS: usize = 255;

/// One line of at most `max` octets, cut at a character and then marked by `…`.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            space = !line.is_empty();
            continue;
        }
        if space {
            line.push(' ');
            space = false;
        }
        line.push(c);
        if line.len() > max {
            break;
        }
    }
    cut(line, max)
}

fn cut(mut line: String, max: usize) -> String {
    if line.len() <= max {
        return line;
    }
    const MARK: &str = "…";
    let mut end = max.saturating_sub(MARK.len()).min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    if max >= MARK.len() {
        line.push_str(MARK);
    }
    line
}

/// Latin letters without their marks, other characters as `?`: for consoles that know ASCII only.
pub fn to_ascii(text: &str) -> String {
    text.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).map(ascii_char).collect()
}

fn ascii_char(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    // Vietnamese and Western European letters; the ranges of Latin Extended Additional alternate cases.
    const TABLE: [(&str, char); 20] = [
        ("àáâãäåāăạảấầẩẫậắằẳẵặ", 'a'),
        ("ÀÁÂÃÄÅĀĂẠẢẤẦẨẪẬẮẰẲẴẶ", 'A'),
        ("èéêëēẹẻẽếềểễệ", 'e'),
        ("ÈÉÊËĒẸẺẼẾỀỂỄỆ", 'E'),
        ("ìíîïīĩỉị", 'i'),
        ("ÌÍÎÏĪĨỈỊ", 'I'),
        ("òóôõöøōơọỏốồổỗộớờởỡợ", 'o'),
        ("ÒÓÔÕÖØŌƠỌỎỐỒỔỖỘỚỜỞỠỢ", 'O'),
        ("ùúûüūũưụủứừửữự", 'u'),
        ("ÙÚÛÜŪŨƯỤỦỨỪỬỮỰ", 'U'),
        ("ýÿỳỵỷỹ", 'y'),
        ("ÝŸỲỴỶỸ", 'Y'),
        ("đ", 'd'),
        ("ĐÐ", 'D'),
        ("ñ", 'n'),
        ("çć", 'c'),
        ("–—−", '-'),
        ("‘’", '\''),
        ("“”", '"'),
        ("…", '.'),
    ];
    TABLE.iter().find(|(letters, _)| letters.contains(c)).map_or('?', |(_, ascii)| *ascii)
}

/// `24 s`, `4 m 12 s`, `3 h 05 m`, `2 d 4 h`.
pub fn duration(span: Span) -> String {
    let secs = span.micros().max(0) / 1_000_000;
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} m {:02} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {:02} m", secs / 3600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3600 % 24),
    }
}

/// `2026-11-22 09:41:07 UTC`.
pub fn utc(time: Time) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => text,
    }
}

/// `https://ott.example/i/INC-1042?at=2026-11-22T09:41:07.250000Z`; empty when there is no public URL.
pub fn deep_link(public_url: &str, notice: &Notice) -> String {
    if public_url.is_empty() {
        return String::new();
    }
    format!("{}/i/{}?at={}", public_url.trim_end_matches('/'), notice.number, notice.at)
}

/// The severity that a message is about: of a clear, the one that is over.
pub fn told_severity(notice: &Notice) -> Severity {
    match notice.change {
        ChangeKind::Clear => notice.previous_severity.unwrap_or(Severity::Indeterminate),
        ChangeKind::Raise | ChangeKind::Update => notice.severity,
    }
}

/// Glyph and colour of a severity; never without the word beside it.
pub const fn glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "■",
        Severity::Major => "▲",
        Severity::Minor => "◆",
        Severity::Warning => "●",
        Severity::Info | Severity::Indeterminate => "?",
        Severity::Cleared => "✓",
    }
}

pub const fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "#c92a2a",
        Severity::Major => "#d9480f",
        Severity::Minor => "#b07d00",
        Severity::Warning => "#1971c2",
        Severity::Info | Severity::Indeterminate => "#5f3dc4",
        Severity::Cleared => "#2b8a3e",
    }
}

/// The fixed words of a message, one value per language. What comes from a notice (check titles, sentences) is in
/// the language of the notice.
#[derive(Debug)]
pub struct Words {
    pub resolved: &'static str,
    pub after: &'static str,
    pub channel: &'static str,
    pub severity: &'static str,
    pub was: &'static str,
    pub what: &'static str,
    pub measured: &'static str,
    pub limit: &'static str,
    pub subject: &'static str,
    pub since: &'static str,
    pub cleared: &'static str,
    pub duration: &'static str,
    pub probe: &'static str,
    pub packager: &'static str,
    pub region: &'static str,
    pub incident: &'static str,
    pub check: &'static str,
    pub runbook: &'static str,
    pub open: &'static str,
    pub changed: &'static str,
    pub worse: &'static str,
    pub eased: &'static str,
    pub forced: &'static str,
    pub channel_removed: &'static str,
    pub subject_removed: &'static str,
    pub footer: &'static str,
    pub in_hand: &'static str,
    pub until: &'static str,
    /// Acknowledged, given back, noted, shelved, taken from the shelf, hidden, no longer hidden.
    operations: [&'static str; 7],
    severities: [&'static str; 6],
}

static EN: Words = Words {
    resolved: "RESOLVED",
    after: "after",
    channel: "Channel",
    severity: "Severity",
    was: "was",
    what: "What",
    measured: "Measured",
    limit: "Limit",
    subject: "Where",
    since: "Since",
    cleared: "Cleared",
    duration: "Duration",
    probe: "Probe",
    packager: "Packager",
    region: "Region",
    incident: "Incident",
    check: "Check",
    runbook: "Runbook",
    open: "Open in ottwatch",
    changed: "Changed",
    worse: "Worse",
    eased: "Eased",
    forced: "cleared by hand",
    channel_removed: "the channel is no longer watched",
    subject_removed: "the stream or rendition is gone",
    footer: "Sent by ottwatch. Later messages of this incident join this thread.",
    in_hand: "In hand",
    until: "until",
    operations: [
        "acknowledged by",
        "acknowledgement taken back by",
        "note of",
        "shelved by",
        "taken from the shelf by",
        "silenced by",
        "still so after",
    ],
    severities: ["CLEARED", "INDETERMINATE", "WARNING", "MINOR", "MAJOR", "CRITICAL"],
};

static VI: Words = Words {
    resolved: "ĐÃ KHẮC PHỤC",
    after: "sau",
    channel: "Kênh",
    severity: "Mức độ",
    was: "trước đó",
    what: "Sự cố",
    measured: "Giá trị đo",
    limit: "Ngưỡng",
    subject: "Vị trí",
    since: "Từ lúc",
    cleared: "Hết lúc",
    duration: "Thời gian",
    probe: "Điểm đo",
    packager: "Packager",
    region: "Khu vực",
    incident: "Mã sự cố",
    check: "Phép kiểm tra",
    runbook: "Hướng dẫn xử lý",
    open: "Mở trong ottwatch",
    changed: "Thay đổi",
    worse: "Nặng hơn",
    eased: "Giảm nhẹ",
    forced: "đóng thủ công",
    channel_removed: "kênh không còn được giám sát",
    subject_removed: "luồng hoặc rendition không còn",
    footer: "Gửi từ ottwatch. Các tin sau của sự cố này nằm trong cùng chuỗi thư.",
    in_hand: "Người xử lý",
    until: "đến",
    operations: [
        "đã nhận xử lý bởi",
        "đã bỏ nhận xử lý bởi",
        "ghi chú của",
        "tạm gác bởi",
        "bỏ tạm gác bởi",
        "tạm im lặng bởi",
        "vẫn còn sau",
    ],
    severities: ["HẾT SỰ CỐ", "KHÔNG XÁC ĐỊNH", "CẢNH BÁO", "NHẸ", "NGHIÊM TRỌNG", "KHẨN CẤP"],
};

impl Words {
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Vi => &VI,
        }
    }

    pub const fn severity_name(&self, severity: Severity) -> &'static str {
        self.severities[match severity {
            Severity::Cleared => 0,
            Severity::Info | Severity::Indeterminate => 1,
            Severity::Warning => 2,
            Severity::Minor => 3,
            Severity::Major => 4,
            Severity::Critical => 5,
        }]
    }

    /// `acknowledged by lan until 2026-11-22 17:00:00 UTC: on it`; `None` when nobody did anything.
    pub fn operation(&self, notice: &Notice) -> Option<String> {
        let operation = notice.operation.as_ref()?;
        let [ack, unack, note, shelve, unshelve, suppress, unsuppress] = self.operations;
        let (verb, by, note) = match operation.kind {
            OperationKind::Ack => (ack, operation.by.as_str(), operation.note.as_deref()),
            OperationKind::Unack => (unack, operation.by.as_str(), operation.note.as_deref()),
            OperationKind::Note => (note, operation.by.as_str(), operation.note.as_deref()),
            OperationKind::Shelve => (shelve, operation.by.as_str(), operation.note.as_deref()),
            OperationKind::Unshelve => (unshelve, operation.by.as_str(), operation.note.as_deref()),
            OperationKind::Resolve => (self.forced, operation.by.as_str(), operation.note.as_deref()),
            // Rules: what they are is in the note.
            OperationKind::Suppress => (suppress, operation.note.as_deref().unwrap_or_default(), None),
            OperationKind::Unsuppress => (unsuppress, operation.note.as_deref().unwrap_or_default(), None),
        };
        let until = operation.until.map(|until| format!(" {} {}", self.until, utc(until))).unwrap_or_default();
        let note = note.filter(|n| !n.is_empty()).map(|note| format!(": {note}")).unwrap_or_default();
        Some(one_line(&format!("{verb} {by}{until}{note}"), 1000))
    }

    /// Why it was cleared, when not because the checks pass again.
    pub fn clear_reason(&self, reason: &str) -> String {
        match reason {
            "forced" => self.forced.to_owned(),
            "channel-removed" => self.channel_removed.to_owned(),
            "subject-removed" => self.subject_removed.to_owned(),
            other => one_line(other, MAX_OCTETS),
        }
    }

    /// `CRITICAL — VTV3 HD: HLS playlist stale` or `RESOLVED after 4 m 12 s — VTV3 HD: HLS playlist stale`.
    pub fn headline(&self, notice: &Notice) -> String {
        let state = match notice.change {
            ChangeKind::Clear => {
                let span = notice.cleared_at.unwrap_or(notice.at).since(notice.raised_at);
                format!("{} {} {}", self.resolved, self.after, duration(span))
            }
            ChangeKind::Raise | ChangeKind::Update => self.severity_name(notice.severity).to_owned(),
        };
        one_line(&format!("{state} — {}: {}", notice.channel_name, notice.title), 400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_single_bounded_and_cut_at_characters() {
        for (text, max, expected) in [
            ("a\r\n b\tc", 255, "a b c"),
            ("  x  ", 255, "x"),
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc…"),
            ("ắắắắ", 8, "ắ…"),
            ("", 3, ""),
        ] {
            let line = one_line(text, max);
            assert_eq!(line, expected);
            assert!(line.len() <= max);
        }
        assert!(one_line(&"đ".repeat(4000), MAX_OCTETS).len() <= MAX_OCTETS);
    }

    #[test]
    fn ascii_keeps_vietnamese_readable() {
        assert_eq!(to_ascii("Danh sách phát không cập nhật – Đà Nẵng ▲"), "Danh sach phat khong cap nhat - Da Nang ?");
    }

    #[test]
    fn what_somebody_did_is_one_line() {
        use crate::sample::acked;
        let (en, vi) = (Words::of(Language::En), Words::of(Language::Vi));
        let line = "acknowledged by user:lan until 2026-11-22 10:43:00 UTC: gọi packager-07";
        assert_eq!(en.operation(&acked()).as_deref(), Some(line));
        assert!(vi.operation(&acked()).unwrap().starts_with("đã nhận xử lý bởi user:lan đến "));
        assert_eq!(en.operation(&crate::sample::update()), None);
        let mut over = acked();
        if let Some(operation) = &mut over.operation {
            *operation = ow_domain::operation::Operation {
                kind: OperationKind::Unsuppress,
                by: "ottwatch".into(),
                note: Some("silence works".into()),
                until: None,
            };
        }
        assert_eq!(en.operation(&over).as_deref(), Some("still so after silence works"));
    }

    #[test]
    fn durations_read_well() {
        for (secs, text) in [(-5, "0 s"), (24, "24 s"), (252, "4 m 12 s"), (11_100, "3 h 05 m"), (187_200, "2 d 4 h")] {
            assert_eq!(duration(Span::from_secs(secs)), text);
        }
    }
}
