//! The offer of an MPD.

use ow_dash::{AdaptationSet, Common, ContentProtection, Descriptor, Mpd, Period, Representation};
use ow_domain::ladder::{AudioCodec, AudioRole, DynamicRange, TextKind};

use super::codec::is_dolby_vision;
use super::hls::{normal_key_id, system_of};
use super::{AudioTrack, Ladder, MAX_OFFERED, Protection, TextTrack, VideoTrack, audio_codec, video_codec};

/// A Period of the channel that is shorter than this and has an end is a break.
const LONGEST_BREAK_US: i64 = 300_000_000;

/// What the newest Period of the programme offers. `None` when only breaks are listed: they may well offer less.
pub fn of_dash(mpd: &Mpd) -> Option<Ladder> {
    let content = mpd.periods.iter().enumerate().rev().find(|(n, period)| !is_break(mpd, *n, period));
    content.map(|(_, period)| of_period(period))
}

/// An advertisement: it says so, or it is short and has an end.
fn is_break(mpd: &Mpd, n: usize, period: &Period) -> bool {
    if !mpd.is_dynamic() {
        return false;
    }
    let scheme = period.asset_identifier.as_ref().map_or("", |asset| &asset.scheme_id_uri);
    if scheme.contains("ad-id") || scheme.contains("scte") {
        return true;
    }
    let start = period.start.map(|at| at.value.micros);
    let next = mpd.periods.get(n + 1).and_then(|p| p.start).map(|at| at.value.micros);
    let implied = start.zip(next).map(|(start, next)| next - start);
    period.duration.map(|at| at.value.micros).or(implied).is_some_and(|length| (1..=LONGEST_BREAK_US).contains(&length))
}

fn of_period(period: &Period) -> Ladder {
    let mut ladder = Ladder::default();
    for set in period.adaptation_sets.iter().take(MAX_OFFERED) {
        if set.common.max_playout_rate.is_some() || essential(set, "http://dashif.org/guidelines/trickmode").is_some() {
            ladder.n_trick = ladder.n_trick.saturating_add(set.representations.len() as u32);
            continue;
        }
        for representation in set.representations.iter().take(MAX_OFFERED) {
            let track = View { period, set, representation };
            match track.kind() {
                Kind::Video if ladder.video.len() < MAX_OFFERED => ladder.video.push(track.video()),
                Kind::Audio if ladder.audio.len() < MAX_OFFERED => ladder.audio.push(track.audio()),
                Kind::Text if ladder.text.len() < MAX_OFFERED => ladder.text.push(track.text()),
                _ => {}
            }
        }
        let captions = set.accessibilities.iter().filter(|a| a.scheme_id_uri.starts_with("urn:scte:dash:cc:cea-"));
        for caption in captions {
            for language in value_of(caption).split(';').take(8) {
                let (name, language) = language.split_once('=').unwrap_or(("CC1", language));
                let language = language.strip_prefix("lang:").unwrap_or(language);
                let track = TextTrack {
                    name: name.to_owned(),
                    language: Some(language.split(',').next().unwrap_or(language).to_owned()).filter(|l| !l.is_empty()),
                    kind: TextKind::Captions,
                };
                if ladder.text.len() < MAX_OFFERED {
                    ladder.text.push(track);
                }
            }
        }
    }
    for track in ladder.video.iter().filter_map(|v| v.protection.clone()) {
        ladder.protection.encrypted |= track.encrypted;
        ladder.protection.systems.extend(track.systems);
    }
    ladder
}

enum Kind {
    Video,
    Audio,
    Text,
    Other,
}

/// A Representation with what it inherits.
struct View<'a> {
    period: &'a Period,
    set: &'a AdaptationSet,
    representation: &'a Representation,
}

impl<'a> View<'a> {
    fn first<T>(&self, get: impl Fn(&'a Common) -> Option<T>) -> Option<T> {
        get(&self.representation.common).or_else(|| get(&self.set.common))
    }

    fn codecs(&self) -> &'a str {
        self.first(|c| c.codecs.as_ref()).map_or("", |at| &at.value)
    }

    fn name(&self) -> String {
        self.representation.id.as_ref().map_or_else(String::new, |id| id.value.to_string())
    }

    fn kind(&self) -> Kind {
        let declared = self.set.content_type.as_ref().map_or("", |at| &*at.value);
        let mime = self.first(|c| c.mime_type.as_ref()).map_or("", |at| &*at.value);
        let of = |word: &str| declared == word || declared.is_empty() && mime.starts_with(word);
        let codecs = self.codecs();
        if of("video") || declared.is_empty() && video_codec(codecs).is_some() {
            Kind::Video
        } else if of("audio") || declared.is_empty() && audio_codec(codecs).is_some() {
            Kind::Audio
        } else if of("text")
            || codecs.starts_with("stpp")
            || codecs.starts_with("wvtt")
            || mime == "application/ttml+xml"
        {
            Kind::Text
        } else {
            Kind::Other
        }
    }

    fn language(&self) -> Option<String> {
        self.set.lang.as_ref().map(|at| at.value.to_string())
    }

    fn property(&self, scheme: &str) -> Option<&'a str> {
        let of = |c: &'a Common| {
            let all = c.essential_properties.iter().chain(&c.supplemental_properties);
            all.filter(|d| &*d.scheme_id_uri == scheme).find_map(|d| d.value.as_ref().map(|at| &*at.value))
        };
        self.first(of)
    }

    fn video(&self) -> VideoTrack {
        let codecs = self.codecs();
        let codec_string = codecs.split(',').map(str::trim).find(|c| video_codec(c).is_some()).map(str::to_owned);
        let range = match self.property("urn:mpeg:mpegB:cicp:TransferCharacteristics") {
            _ if codecs.split(',').any(is_dolby_vision) => Some(DynamicRange::DolbyVision),
            Some("16") => Some(DynamicRange::Hdr10),
            Some("18" | "14") if self.property("urn:mpeg:mpegB:cicp:ColourPrimaries") == Some("9") => {
                Some(DynamicRange::Hlg)
            }
            Some("18") => Some(DynamicRange::Hlg),
            Some(_) => Some(DynamicRange::Sdr),
            None => None,
        };
        let rate = self.first(|c| c.frame_rate.as_ref()).map(|at| at.value);
        let milli = rate.and_then(|rate| rate.milli());
        let small = |at: &ow_dash::At<u64>| u32::try_from(at.value).ok();
        VideoTrack {
            name: self.name(),
            width: self.first(|c| c.width.as_ref()).and_then(small),
            height: self.first(|c| c.height.as_ref()).and_then(small),
            codec: codec_string.as_deref().and_then(video_codec),
            codec_string,
            frame_rate_milli: milli,
            bandwidth: self.representation.bandwidth.as_ref().map(|at| at.value),
            average_bandwidth: None,
            range,
            with_audio: codecs.split(',').any(|c| audio_codec(c).is_some()),
            protection: Some(self.protection()),
        }
    }

    fn audio(&self) -> AudioTrack {
        let codec = audio_codec(self.codecs());
        let (channels, joc) = self.channels(codec);
        let rate = self.first(|c| c.audio_sampling_rate.as_ref()).map_or("", |at| &*at.value);
        AudioTrack {
            name: self.name(),
            language: self.language(),
            role: self.role(),
            codec,
            channels,
            joc,
            sample_rate: rate.split_whitespace().last().and_then(|r| r.parse().ok()),
            default: self.set.roles.iter().any(|r| is_role(r, "main")),
            muxed: false,
            protection: Some(self.protection()),
        }
    }

    fn role(&self) -> AudioRole {
        let purpose = |value: &str| {
            let scheme = "urn:tva:metadata:cs:AudioPurposeCS:2007";
            self.set.accessibilities.iter().any(|a| &*a.scheme_id_uri == scheme && value_of(a) == value)
        };
        let has = |word: &str| self.set.roles.iter().chain(&self.set.accessibilities).any(|r| is_role(r, word));
        if purpose("1") || has("description") {
            AudioRole::Description
        } else if purpose("2") || has("enhanced-audio-intelligibility") {
            AudioRole::Clear
        } else if has("commentary") {
            AudioRole::Commentary
        } else if has("dub") {
            AudioRole::Dub
        } else {
            AudioRole::Main
        }
    }

    fn channels(&self, codec: Option<AudioCodec>) -> (Option<u32>, bool) {
        let joc = self.property("tag:dolby.com,2018:dash:EC3_ExtensionType:2018") == Some("JOC");
        let configurations =
            |c: &'a Common| (!c.audio_channel_configurations.is_empty()).then_some(&c.audio_channel_configurations);
        if let Some(count) = self.first(configurations).and_then(|c| ow_dash::channel_count(c)) {
            return (Some(count), joc);
        }
        (if joc && codec == Some(AudioCodec::Eac3) { Some(16) } else { None }, joc)
    }

    fn text(&self) -> TextTrack {
        let has = |word: &str| self.set.roles.iter().chain(&self.set.accessibilities).any(|r| is_role(r, word));
        let hard_of_hearing = self
            .set
            .accessibilities
            .iter()
            .any(|a| &*a.scheme_id_uri == "urn:tva:metadata:cs:AudioPurposeCS:2007" && value_of(a) == "2");
        let kind = if has("forced-subtitle") || has("forced_subtitle") {
            TextKind::Forced
        } else if has("caption") || hard_of_hearing {
            TextKind::Captions
        } else {
            TextKind::Subtitles
        };
        TextTrack { name: self.name(), language: self.language(), kind }
    }

    fn protection(&self) -> Protection {
        let mut protection = Protection::default();
        let levels = [
            &self.representation.common.content_protections,
            &self.set.common.content_protections,
            &self.period.content_protections,
        ];
        for descriptor in levels.into_iter().flatten() {
            protection.encrypted = true;
            protection.systems.extend(system_of(&descriptor.descriptor.scheme_id_uri.to_ascii_lowercase()));
            protection.key_ids.extend(key_ids(descriptor));
        }
        protection
    }
}

fn key_ids(protection: &ContentProtection) -> impl Iterator<Item = String> + '_ {
    let text = protection.default_kid.as_ref().map_or("", |at| &*at.value);
    text.split_whitespace().take(16).map(normal_key_id).filter(|kid| kid.len() == 32)
}

fn value_of(descriptor: &Descriptor) -> &str {
    descriptor.value.as_ref().map_or("", |at| &at.value)
}

fn is_role(descriptor: &Descriptor, word: &str) -> bool {
    &*descriptor.scheme_id_uri == "urn:mpeg:dash:role:2011" && value_of(descriptor) == word
}

fn essential<'a>(set: &'a AdaptationSet, scheme: &str) -> Option<&'a Descriptor> {
    set.common.essential_properties.iter().find(|d| &*d.scheme_id_uri == scheme)
}

#[cfg(test)]
mod tests {
    use ow_domain::ladder::{DrmSystem, VideoCodec};

    use super::*;

    fn mpd(periods: &str) -> Mpd {
        let text = format!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" xmlns:cenc=\"urn:mpeg:cenc:2013\" type=\"dynamic\" minBufferTime=\"PT2S\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" availabilityStartTime=\"1970-01-01T00:00:00Z\">{periods}</MPD>"
        );
        let (document, _) = ow_dash::parse(text.as_bytes());
        document.as_mpd().unwrap().clone()
    }

    const CONTENT: &str = r#"<Period id="1" start="PT0S">
      <AdaptationSet contentType="video" mimeType="video/mp4" frameRate="30000/1001">
        <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="00112233-4455-6677-8899-AABBCCDDEEFF"/>
        <ContentProtection schemeIdUri="urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED"/>
        <SupplementalProperty schemeIdUri="urn:mpeg:mpegB:cicp:TransferCharacteristics" value="16"/>
        <Representation id="v1" bandwidth="5000000" width="1920" height="1080" codecs="hvc1.2.4.L123.B0"/>
      </AdaptationSet>
      <AdaptationSet mimeType="audio/mp4" lang="fr" codecs="mp4a.40.2" audioSamplingRate="48000">
        <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
        <Representation id="a1" bandwidth="128000"/>
      </AdaptationSet>
      <AdaptationSet mimeType="audio/mp4" lang="fr" codecs="ec-3">
        <Accessibility schemeIdUri="urn:tva:metadata:cs:AudioPurposeCS:2007" value="1"/>
        <AudioChannelConfiguration schemeIdUri="tag:dolby.com,2014:dash:audio_channel_configuration:2011" value="F801"/>
        <Representation id="a2" bandwidth="256000"/>
      </AdaptationSet>
      <AdaptationSet contentType="text" mimeType="application/mp4" codecs="stpp.ttml.im1t" lang="en">
        <Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption"/><Representation id="t1" bandwidth="1000"/>
      </AdaptationSet>
      <AdaptationSet contentType="video" mimeType="video/mp4">
        <EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/><Representation id="i" bandwidth="1"/>
      </AdaptationSet></Period>"#;

    #[test]
    fn an_offer_of_dash() {
        let ladder = of_dash(&mpd(CONTENT)).unwrap();
        let video = &ladder.video[0];
        assert_eq!((ladder.video.len(), video.height, video.codec), (1, Some(1080), Some(VideoCodec::H265)));
        assert_eq!((video.frame_rate_milli, video.range), (Some(29_970), Some(DynamicRange::Hdr10)));
        let protection = video.protection.as_ref().unwrap();
        assert!(protection.encrypted && protection.systems.contains(&DrmSystem::Widevine));
        assert_eq!(protection.key_ids.first().unwrap(), "00112233445566778899aabbccddeeff");
        assert_eq!((ladder.audio[0].channels, ladder.audio[0].role), (Some(2), AudioRole::Main));
        assert!(ladder.audio[0].default && ladder.audio[0].sample_rate == Some(48_000));
        assert_eq!((ladder.audio[1].channels, ladder.audio[1].role), (Some(6), AudioRole::Description));
        assert_eq!((ladder.text[0].kind, ladder.n_trick), (TextKind::Captions, 1));
    }

    #[test]
    fn a_break_is_no_programme() {
        let short = r#"<Period id="ad" start="PT3600S" duration="PT30S"><AdaptationSet mimeType="video/mp4"><Representation id="x" bandwidth="1"/></AdaptationSet></Period>"#;
        assert_eq!(of_dash(&mpd(&format!("{CONTENT}{short}"))).unwrap().video[0].name, "v1");
        assert_eq!(of_dash(&mpd(short)), None);
    }
}
