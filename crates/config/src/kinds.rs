//! The fields of each kind of document.

use ow_domain::config::ConfigKind;
use ow_domain::ladder::{AudioCodec, AudioRole, DrmSystem, DynamicRange, TextKind, VideoCodec};

use crate::schema::{Field, Keys, Shape};

const HOUR: u64 = 3_600_000;

/// What stands in every document beside `spec`.
pub const METADATA: &[Field] = &[
    Field::required("name", Shape::Slug, "vtv3"),
    Field::optional(
        "labels",
        Shape::Map { keys: Keys::Label, of: &Shape::Text { max: 256 }, max: 32 },
        "{group: sport}",
    ),
];

/// Shape of the `spec` of a kind.
pub const fn spec_of(kind: ConfigKind) -> &'static Shape {
    match kind {
        ConfigKind::Channel => &Shape::Object(CHANNEL),
        ConfigKind::Template => &Shape::Object(TEMPLATE),
        ConfigKind::Probe => &Shape::Object(PROBE),
        ConfigKind::Route => &Shape::Object(ROUTE),
        ConfigKind::Receiver => &Shape::Tagged { tag: "type", variants: RECEIVER },
        ConfigKind::Region => &Shape::Object(REGION),
        ConfigKind::Packager => &Shape::Object(PACKAGER),
        ConfigKind::Group => &Shape::Object(GROUP),
        ConfigKind::Silence => &Shape::Object(SILENCE),
        ConfigKind::Maintenance => &Shape::Object(MAINTENANCE),
    }
}

/// Kinds whose documents may well say nothing but their name.
pub const fn may_be_empty(kind: ConfigKind) -> bool {
    match kind {
        ConfigKind::Probe | ConfigKind::Template | ConfigKind::Region | ConfigKind::Packager | ConfigKind::Group => {
            true
        }
        ConfigKind::Channel
        | ConfigKind::Route
        | ConfigKind::Receiver
        | ConfigKind::Silence
        | ConfigKind::Maintenance => false,
    }
}

const CLASS: Shape = Shape::Choice(&["linear", "event", "fast", "radio"]);
const NAME_TEXT: Shape = Shape::Text { max: 128 };

const CHANNEL: &[Field] = &[
    Field::optional("displayName", NAME_TEXT, "VTV3 HD"),
    Field::optional("class", CLASS, "linear"),
    Field::optional("template", Shape::Slug, "hd-standard"),
    Field::optional("packager", Shape::Slug, "packager-07"),
    Field::optional("region", Shape::Slug, "hcm"),
    Field::required("probes", Shape::List { of: &Shape::Slug, min: 1, max: 16 }, "[hcm-1]"),
    Field::required(
        "streams",
        Shape::List { of: &Shape::Object(STREAM), min: 1, max: 16 },
        "[{name: main, protocol: hls, url: \"http://10.0.0.7/vtv3/master.m3u8\"}]",
    ),
    Field::optional("overrides", Shape::Object(SETTINGS), "{depth: head}"),
    Field::optional("runbook", Shape::Url, "https://wiki.example.net/vtv3"),
    Field::optional("enabled", Shape::Bool, "false").or("true"),
    Field::optional("eventStart", Shape::Time, "2026-12-24T19:00:00+07:00"),
    Field::optional("eventEnd", Shape::Time, "2026-12-24T23:00:00+07:00"),
];

const STREAM: &[Field] = &[
    Field::required("name", Shape::Slug, "main"),
    Field::required("protocol", Shape::Choice(&["hls", "dash"]), "hls"),
    Field::required("url", Shape::Url, "http://10.0.0.7/vtv3/master.m3u8"),
    Field::optional(
        "headers",
        Shape::Map { keys: Keys::Header, of: &Shape::Text { max: 4096 }, max: 32 },
        "{Authorization: Bearer abc}",
    )
    .secret(),
    Field::optional("depth", Shape::Depth, "head"),
];

const TEMPLATE: &[Field] = &[
    Field::optional("extends", Shape::Slug, "base"),
    Field::optional("class", CLASS, "linear"),
    Field::optional("depth", Shape::Depth, "head"),
    Field::optional("limits", Shape::Object(LIMITS), "{originRps: 100}"),
    Field::optional("checks", Shape::Object(CHECKS), "{appleRules: true}"),
    Field::optional("ladder", Shape::Object(LADDER), "{video: [{resolution: 1920x1080}]}"),
];

/// What a channel may set over its template.
const SETTINGS: &[Field] = &[
    Field::optional("depth", Shape::Depth, "head"),
    Field::optional("limits", Shape::Object(LIMITS), "{originRps: 100}"),
    Field::optional("checks", Shape::Object(CHECKS), "{appleRules: true}"),
    Field::optional("ladder", Shape::Object(LADDER), "{uhd: true}"),
];

const PERCENT: Shape = Shape::Number;
const LANGUAGE_TAG: Shape = Shape::Text { max: 35 };

/// What the channel has been agreed to offer: `ow_domain::ladder::LadderContract`.
const LADDER: &[Field] = &[
    Field::optional(
        "video",
        Shape::List { of: &Shape::Object(RUNG), min: 0, max: 64 },
        "[{resolution: 1920x1080, codec: h264}]",
    ),
    Field::optional("audio", Shape::List { of: &Shape::Object(AUDIO), min: 0, max: 64 }, "[{language: vi}]"),
    Field::optional("subtitles", Shape::List { of: &Shape::Object(SUBTITLE), min: 0, max: 64 }, "[{language: en}]"),
    Field::optional(
        "drm",
        Shape::List { of: &Shape::Choice(DrmSystem::WORDS), min: 0, max: 4 },
        "[widevine, playready, fairplay]",
    ),
    Field::optional("clearPeriods", Shape::Bool, "true").or("false"),
    Field::optional("uhd", Shape::Bool, "true").or("false"),
    Field::optional("hdr", Shape::Choice(&["hdr10", "hlg", "dolby-vision"]), "hdr10"),
    Field::optional("tolerance", Shape::Object(TOLERANCE), "{bitratePercent: 20}"),
];

const RUNG: &[Field] = &[
    Field::required("resolution", Shape::Text { max: 11 }, "1920x1080"),
    Field::optional("codec", Shape::Choice(VideoCodec::WORDS), "h264"),
    Field::optional("codecString", Shape::Text { max: 64 }, "avc1.640028"),
    Field::optional("frameRate", Shape::Number, "25"),
    Field::optional("bitrateKbps", Shape::Object(KBPS), "{min: 4000, max: 6000}"),
    Field::optional("dynamicRange", Shape::Choice(DynamicRange::WORDS), "sdr"),
];

const KBPS: &[Field] = &[
    Field::required("min", Shape::Int { min: 0, max: 1_000_000 }, "4000"),
    Field::required("max", Shape::Int { min: 1, max: 1_000_000 }, "6000"),
];

const AUDIO: &[Field] = &[
    Field::required("language", LANGUAGE_TAG, "vi"),
    Field::optional("role", Shape::Choice(AudioRole::WORDS), "description").or("\"main\""),
    Field::optional("codec", Shape::Choice(AudioCodec::WORDS), "aac"),
    Field::optional("channels", Shape::Int { min: 1, max: 64 }, "2"),
    Field::optional("sampleRate", Shape::Int { min: 8_000, max: 384_000 }, "48000"),
    Field::optional("default", Shape::Bool, "true").or("false"),
];

const SUBTITLE: &[Field] = &[
    Field::required("language", LANGUAGE_TAG, "en"),
    Field::optional("kind", Shape::Choice(TextKind::WORDS), "captions").or("\"subtitles\""),
    Field::optional("mandatory", Shape::Bool, "true").or("false"),
];

const TOLERANCE: &[Field] = &[
    Field::optional("bitratePercent", PERCENT, "20"),
    Field::optional("frameRatePercent", PERCENT, "0.5"),
    Field::optional("extraRenditions", Shape::Bool, "true").or("false"),
];

const TIMEOUT: Shape = Shape::Duration { min: 50, max: 60_000 };

const LIMITS: &[Field] = &[
    Field::optional("originRps", Shape::Int { min: 1, max: 100_000 }, "200"),
    Field::optional("originMbps", Shape::Int { min: 1, max: 1_000_000 }, "2000"),
    Field::optional("dnsTimeout", TIMEOUT, "2s"),
    Field::optional("connectTimeout", TIMEOUT, "3s"),
    Field::optional("tlsTimeout", TIMEOUT, "3s"),
    Field::optional("ttfbTimeout", TIMEOUT, "5s"),
    Field::optional("manifestTimeout", TIMEOUT, "5s"),
    Field::optional("segmentTimeout", TIMEOUT, "5s"),
    Field::optional("maxManifestBytes", Shape::Size { min: 1 << 10, max: 64 << 20 }, "8MiB"),
    Field::optional("maxSegmentBytes", Shape::Size { min: 1 << 10, max: 1 << 30 }, "64MiB"),
    Field::optional("maxRedirects", Shape::Int { min: 0, max: 20 }, "5"),
    Field::optional("initialSegments", Shape::Int { min: 1, max: 100 }, "1"),
    Field::optional("maxParallel", Shape::Int { min: 1, max: 64 }, "8"),
    Field::optional("allowPrivate", Shape::Bool, "true"),
    Field::optional("allowLinkLocal", Shape::Bool, "false"),
    Field::optional("extraRootsPem", Shape::LongText { max: 65_536 }, "|\n  -----BEGIN CERTIFICATE-----"),
];

const CHECKS: &[Field] = &[
    Field::optional("appleRules", Shape::Bool, "true"),
    Field::optional("webClients", Shape::Bool, "true"),
    Field::optional("trickplay", Shape::Bool, "true"),
    Field::optional(
        "originHeaders",
        Shape::List { of: &Shape::Text { max: 64 }, min: 0, max: 8 },
        "[x-packager-sequence]",
    ),
    Field::optional("tokenParams", Shape::List { of: &Shape::Text { max: 64 }, min: 0, max: 32 }, "[token, expires]"),
    Field::optional(
        "tagRules",
        Shape::List { of: &Shape::Object(TAG_RULE), min: 0, max: 16 },
        "[{name: no-vod, tag: EXT-X-PLAYLIST-TYPE, expect: absent}]",
    ),
    Field::optional("dvrWindow", Shape::Duration { min: 1_000, max: 720 * HOUR }, "2h"),
    Field::optional("adBreakInterval", Shape::Duration { min: 1_000, max: 24 * HOUR }, "20m"),
    Field::optional("latencyMax", Shape::Duration { min: 100, max: 24 * HOUR }, "30s"),
    Field::optional("startupGrace", Shape::Duration { min: 0, max: HOUR }, "30s"),
    Field::optional("eventTtl", Shape::Duration { min: 1_000, max: 24 * HOUR }, "5m"),
    Field::optional(
        "overrides",
        Shape::Map { keys: Keys::Name, of: &Shape::Object(OVERRIDE), max: 500 },
        "{hls-playlist-stale: {severity: major}}",
    ),
];

/// `ow_domain::policy::TagRule`.
const TAG_RULE: &[Field] = &[
    Field::required("name", Shape::Text { max: 40 }, "no-vod"),
    Field::required("tag", Shape::Text { max: 64 }, "EXT-X-CUE-OUT"),
    Field::optional("expect", Shape::Choice(&["present", "absent"]), "present"),
    Field::optional("value", Shape::Text { max: 200 }, "\"DURATION=[0-9.]+\""),
    Field::optional("everyS", Shape::Number, "600"),
    Field::optional("severity", Shape::Choice(&["info", "warning", "minor", "major", "critical"]), "major"),
];

const OVERRIDE: &[Field] = &[
    Field::optional("enabled", Shape::Bool, "false"),
    Field::optional("severity", Shape::Choice(&["info", "warning", "minor", "major", "critical"]), "major"),
    Field::optional("hold", Shape::Text { max: 32 }, "H3"),
    Field::optional("clear", Shape::Text { max: 32 }, "C2"),
    Field::optional(
        "params",
        Shape::Map { keys: Keys::Name, of: &Shape::Number, max: 32 },
        "{slack_target_durations: 3}",
    ),
];

const PROBE: &[Field] = &[
    Field::optional("region", Shape::Slug, "hcm"),
    Field::optional("slots", Shape::Int { min: 1, max: 100_000 }, "200"),
    // Its channels go to others, see `drain`.
    Field::optional("drain", Shape::Bool, "true").or("false"),
];

// Channels and probes name their region, channels their packager; an object of that name adds what is known of it. It
// may be missing: names came first.
const REGION: &[Field] = &[
    Field::optional("displayName", NAME_TEXT, "Ho Chi Minh City"),
    Field::optional("description", DESCRIPTION, "Data centre in District 7"),
    // The larger region that it is part of.
    Field::optional("parent", Shape::Slug, "south"),
    Field::optional("timeZone", ZONE, "Asia/Ho_Chi_Minh"),
    Field::optional("contact", SHORT, "noc-hcm@example.net"),
];

const PACKAGER: &[Field] = &[
    Field::optional("displayName", NAME_TEXT, "Packager 07"),
    Field::optional("description", DESCRIPTION, "Live packager, rack 12"),
    Field::optional("region", Shape::Slug, "hcm"),
    Field::optional("vendor", NAME_TEXT, "Example Media"),
    Field::optional("version", NAME_TEXT, "4.2.1"),
    Field::optional("contact", SHORT, "playout@example.net"),
    Field::optional("runbook", Shape::Url, "https://wiki.example.net/packager-07"),
];

const GROUP: &[Field] = &[
    Field::optional("displayName", NAME_TEXT, "Sport"),
    Field::optional("description", DESCRIPTION, "Channels of the sport desk"),
    // Beside the channels with the label `group: <name>`.
    Field::optional("channels", Shape::List { of: &Shape::Slug, min: 0, max: 10_000 }, "[vtv3, k-plus-sport]"),
];

const DESCRIPTION: Shape = Shape::LongText { max: 2048 };
const ZONE: Shape = Shape::Text { max: 64 };
const MATCHER: Shape = Shape::Text { max: 512 };

const SILENCE: &[Field] = &[
    Field::required("matchers", Shape::List { of: &MATCHER, min: 1, max: 32 }, "[\"channel=vtv3\", \"check=hls-*\"]"),
    Field::required("startsAt", Shape::Time, "2026-12-24T19:00:00+07:00"),
    Field::required("endsAt", Shape::Time, "2026-12-24T23:00:00+07:00"),
    Field::optional("comment", DESCRIPTION, "Encoder is being replaced"),
    Field::optional("createdBy", NAME_TEXT, "an.nguyen"),
];

const MAINTENANCE: &[Field] = &[
    Field::optional("matchers", Shape::List { of: &MATCHER, min: 0, max: 32 }, "[\"packager=packager-07\"]"),
    Field::optional("groups", Shape::List { of: &Shape::Slug, min: 0, max: 32 }, "[sport]"),
    // With a rule: where it begins, and the time of day.
    Field::required("startsAt", Shape::Time, "2026-12-01T02:00:00+07:00"),
    Field::optional("endsAt", Shape::Time, "2026-12-01T04:00:00+07:00"),
    Field::optional("duration", Shape::Duration { min: 60_000, max: 31 * 24 * HOUR }, "2h"),
    Field::optional("rrule", Shape::Text { max: 512 }, "FREQ=WEEKLY;BYDAY=TU"),
    Field::optional("timeZone", ZONE, "Asia/Ho_Chi_Minh").or("\"UTC\""),
    Field::optional("comment", DESCRIPTION, "Weekly update of packager 07"),
    Field::optional("createdBy", NAME_TEXT, "an.nguyen"),
];

const ROUTE: &[Field] = &[
    // Routes are tried in this order, then by name.
    Field::optional("order", Shape::Int { min: 0, max: 1_000_000 }, "10").or("100"),
    Field::optional("match", Shape::List { of: &Shape::Text { max: 512 }, min: 0, max: 32 }, "[\"severity>=major\"]"),
    Field::required("receivers", Shape::List { of: &Shape::Slug, min: 0, max: 32 }, "[noc-slack]"),
    Field::optional("continue", Shape::Bool, "true").or("false"),
];

const RECEIVER: &[(&str, &[Field])] = &[("snmp", SNMP), ("email", EMAIL), ("slack", SLACK), ("webhook", WEBHOOK)];
const TYPE: Field = Field::required("type", Shape::Choice(&["snmp", "email", "slack", "webhook"]), "slack");
const MIN_SEVERITY: Field = Field::optional(
    "minSeverity",
    Shape::Choice(&["indeterminate", "warning", "minor", "major", "critical"]),
    "warning",
)
.stored_as("min_severity")
.or("\"indeterminate\"");
const LANGUAGE: Field = Field::optional("language", Shape::Choice(&["en", "vi"]), "vi").or("\"en\"");
const CA_FILE: Field = Field::optional("caFile", PATH, "/etc/ottwatch/ca.pem").stored_as("ca_file");
const PATH: Shape = Shape::Text { max: 1024 };
const SHORT: Shape = Shape::Text { max: 256 };

const SNMP: &[Field] = &[
    TYPE,
    Field::required("target", SHORT, "nms.example.net:162"),
    Field::optional("version", Shape::Choice(&["v2c", "v3"]), "v3").or("\"v2c\""),
    Field::optional("mode", Shape::Choice(&["trap", "inform"]), "inform"),
    Field::optional("communityFile", PATH, "/run/secrets/snmp-community").stored_as("community_file"),
    Field::optional("user", SHORT, "ottwatch"),
    Field::optional("auth", Shape::Choice(&["SHA1", "SHA256", "SHA512"]), "SHA256"),
    Field::optional("authPasswordFile", PATH, "/run/secrets/snmp-auth").stored_as("auth_password_file"),
    Field::optional("privacy", Shape::Choice(&["AES128", "AES256"]), "AES128"),
    Field::optional("privacyPasswordFile", PATH, "/run/secrets/snmp-priv").stored_as("privacy_password_file"),
    Field::optional("keyExtension", Shape::Choice(&["blumenthal", "reeder"]), "reeder")
        .stored_as("key_extension")
        .or("\"blumenthal\""),
    Field::optional("baseOid", SHORT, "1.3.6.1.4.1.8072.9999.9999.7168")
        .stored_as("base_oid")
        .or("\"1.3.6.1.4.1.8072.9999.9999.7168\""),
    Field::optional("alsoBaseOid", SHORT, "1.3.6.1.4.1.8072.9999.9999.7168").stored_as("also_base_oid"),
    Field::optional("ascii", Shape::Bool, "true").or("false"),
    Field::optional("perSecond", Shape::Int { min: 1, max: 1000 }, "100").stored_as("per_second").or("100"),
    Field::optional("heartbeatSeconds", Shape::Int { min: 0, max: 86_400 }, "60")
        .stored_as("heartbeat_seconds")
        .or("60"),
    MIN_SEVERITY,
];

const EMAIL: &[Field] = &[
    TYPE,
    Field::required("host", SHORT, "smtp.example.net"),
    Field::optional("port", Shape::Int { min: 1, max: 65_535 }, "587"),
    Field::optional("tls", Shape::Choice(&["none", "starttls", "tls"]), "tls").or("\"starttls\""),
    Field::optional("username", SHORT, "ottwatch"),
    Field::optional("passwordFile", PATH, "/run/secrets/smtp-password").stored_as("password_file"),
    Field::required("from", SHORT, "ottwatch@example.net"),
    Field::required("to", Shape::List { of: &SHORT, min: 1, max: 100 }, "[noc@example.net]"),
    Field::optional("replyTo", SHORT, "noc@example.net").stored_as("reply_to"),
    LANGUAGE,
    Field::optional("severityInSubject", Shape::Bool, "true").stored_as("severity_in_subject").or("false"),
    Field::optional("listId", SHORT, "noc.example.net").stored_as("list_id"),
    CA_FILE,
    MIN_SEVERITY,
];

const SLACK: &[Field] = &[
    TYPE,
    Field::optional("mode", Shape::Choice(&["bot", "webhook"]), "webhook").or("\"bot\""),
    Field::optional("tokenFile", PATH, "/run/secrets/slack-token").stored_as("token_file"),
    Field::optional("channel", SHORT, "C0123456789"),
    Field::optional("webhookUrlFile", PATH, "/run/secrets/slack-webhook").stored_as("webhook_url_file"),
    Field::optional("apiUrl", Shape::Url, "https://slack.com/api").stored_as("api_url").or("\"https://slack.com/api\""),
    LANGUAGE,
    CA_FILE,
    MIN_SEVERITY,
];

const WEBHOOK: &[Field] = &[
    TYPE,
    Field::required("url", Shape::Url, "https://hooks.example.net/ottwatch"),
    Field::optional("secretFile", PATH, "/run/secrets/webhook").stored_as("secret_file"),
    Field::optional(
        "headers",
        Shape::Map { keys: Keys::Header, of: &Shape::Text { max: 4096 }, max: 32 },
        "{Authorization: \"env:HOOK_TOKEN\"}",
    )
    .secret(),
    CA_FILE,
    Field::optional("allowLinkLocal", Shape::Bool, "true").stored_as("allow_link_local").or("false"),
    MIN_SEVERITY,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ow_domain::receiver::ReceiverSpec;

    use super::*;

    /// The tables say the same as the type that is stored and used.
    #[test]
    fn receiver_fields_are_those_of_the_domain_type() {
        let schema = serde_json::to_value(schemars::schema_for!(ReceiverSpec)).unwrap();
        let variants = schema["oneOf"].as_array().expect("one schema per type");
        assert_eq!(variants.len(), RECEIVER.len());
        for (name, fields) in RECEIVER {
            let variant =
                variants.iter().find(|v| v["properties"]["type"]["const"] == *name).expect("a variant per table");
            let mut properties: BTreeSet<String> = variant["properties"].as_object().unwrap().keys().cloned().collect();
            if let Some(reference) = variant["$ref"].as_str() {
                let inner = schema.pointer(reference.trim_start_matches('#')).unwrap();
                properties.extend(inner["properties"].as_object().unwrap().keys().cloned());
            }
            let table: BTreeSet<String> = fields.iter().map(|f| f.stored.to_owned()).collect();
            assert_eq!(table, properties, "{name}");
        }
    }

    /// Defaults that the normal form leaves out are those that reading the stored form puts back.
    #[test]
    fn receiver_defaults_are_those_of_the_domain_type() {
        for (name, fields) in RECEIVER {
            let mut minimal = serde_json::json!({"type": name, "target": "a:1", "host": "a", "from": "a@b.c",
                "to": ["a@b.c"], "url": "http://a/"});
            minimal.as_object_mut().unwrap().retain(|key, _| fields.iter().any(|f| f.required && f.stored == key));
            let spec: ReceiverSpec = serde_json::from_value(minimal).unwrap();
            let full = serde_json::to_value(spec).unwrap();
            for field in fields.iter().filter(|f| !f.default.is_empty()) {
                let default: serde_json::Value = serde_json::from_str(field.default).unwrap();
                assert_eq!(full[field.stored], default, "{name}.{}", field.name);
            }
        }
    }
}
