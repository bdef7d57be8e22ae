//! How many channels an `AudioChannelConfiguration` stands for (§5.8.4.7).

use crate::Descriptor;

/// By the first descriptor whose scheme and value are known.
pub fn channel_count(configurations: &[Descriptor]) -> Option<u32> {
    configurations.iter().find_map(|configuration| {
        let value = configuration.value.as_ref().map_or("", |at| at.value.trim());
        match &*configuration.scheme_id_uri {
            "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
            | "urn:mpeg:dash:outputChannelPositionList:2012" => value.parse().ok(),
            // ISO/IEC 23091-3: 1 to 6 are their own count, 7 is 7.1 of 8 loudspeakers.
            "urn:mpeg:mpegB:cicp:ChannelConfiguration" => match value.parse::<u32>() {
                Ok(n @ 1..=6) => Some(n),
                Ok(7 | 12) => Some(8),
                _ => None,
            },
            "tag:dolby.com,2014:dash:audio_channel_configuration:2011"
            | "urn:dolby:dash:audio_channel_configuration:2011" => {
                u16::from_str_radix(value, 16).ok().map(loudspeakers)
            }
            _ => None,
        }
    })
}

/// Loudspeakers of Dolby's bit field: pairs count twice (ETSI TS 102 366 Table E.1.3).
fn loudspeakers(bits: u16) -> u32 {
    const PAIRS: [bool; 16] =
        [false, false, false, false, false, true, true, false, false, true, true, true, false, true, false, false];
    PAIRS.iter().enumerate().filter(|(n, _)| bits & (0x8000 >> n) != 0).map(|(_, pair)| 1 + u32::from(*pair)).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn channels_of_the_schemes_in_use() {
        let check = |scheme: &str, value: &str, expected: Option<u32>| {
            let text = format!(
                "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period><AdaptationSet><AudioChannelConfiguration \
                 schemeIdUri=\"{scheme}\" value=\"{value}\"/></AdaptationSet></Period></MPD>"
            );
            let document = crate::parse(text.as_bytes()).0;
            let set = &document.as_mpd().unwrap().periods[0].adaptation_sets[0];
            assert_eq!(super::channel_count(&set.common.audio_channel_configurations), expected, "{scheme} {value}");
        };
        check("urn:mpeg:dash:23003:3:audio_channel_configuration:2011", "6", Some(6));
        check("urn:mpeg:mpegB:cicp:ChannelConfiguration", "7", Some(8));
        check("urn:mpeg:mpegB:cicp:ChannelConfiguration", "13", None);
        check("tag:dolby.com,2014:dash:audio_channel_configuration:2011", "F801", Some(6));
        check("tag:dolby.com,2014:dash:audio_channel_configuration:2011", "A000", Some(2));
        check("urn:example:other", "2", None);
    }
}
