//! From a URL's path to an object of a channel.

use crate::fault::{Format, ObjectKind, Target};
use crate::hls::Name;
use crate::ladder::{AUDIO, Ladder, RENDITIONS, SUBTITLES};
use crate::mpd::Addressing;
use crate::protect::Dress;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object<'a> {
    pub channel: &'a str,
    pub format: Format,
    pub dress: Dress,
    pub item: Item,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Master,
    Mpd(Addressing),
    /// Rendition by place in [`RENDITIONS`].
    Playlist(usize),
    Init(usize),
    /// The one that a fault names from some segment on.
    OtherInit(usize),
    Segment(usize, Name),
    /// Rendition, segment, place in the segment from 0.
    Part(usize, i64, i64),
    /// Initialization segment of a later key: rendition, generation.
    KeyInit(usize, i64),
    /// The key itself, by generation.
    Key(i64),
    TextPlaylist,
    /// Subtitles of a segment.
    Text(i64),
}

impl<'a> Object<'a> {
    /// `/live/<channel>/<format>/...`; `None`: there is no such path.
    pub fn parse(path: &'a str) -> Option<Object<'a>> {
        let mut parts = path.strip_prefix("/live/")?.split('/');
        let channel = parts.next()?;
        let (format, dress) = match parts.next()? {
            "ts" => (Format::Ts, Dress::Plain),
            "ts-aes" => (Format::Ts, Dress::Aes128),
            "ts-subs" => (Format::Ts, Dress::Subtitles),
            "cmaf" => (Format::Cmaf, Dress::Plain),
            "cmaf-drm" => (Format::Cmaf, Dress::Drm),
            "ll" => (Format::Ll, Dress::Plain),
            "dash" => (Format::Dash, Dress::Plain),
            "dash-drm" => (Format::Dash, Dress::Drm),
            _ => return None,
        };
        let item = match (parts.next()?, parts.next(), parts.next()) {
            ("master.m3u8", None, None) if format != Format::Dash => Item::Master,
            ("timeline.mpd", None, None) if format == Format::Dash => Item::Mpd(Addressing::Timeline),
            ("number.mpd", None, None) if format == Format::Dash => Item::Mpd(Addressing::Number),
            (file, None, None) if dress == Dress::Aes128 => Item::Key(plain(file.strip_prefix("key-")?)?),
            (SUBTITLES, Some(file), None) if dress == Dress::Subtitles => match file.rsplit_once('.')? {
                ("index", "m3u8") => Item::TextPlaylist,
                (name, "vtt") => Item::Text(plain(name)?),
                _ => return None,
            },
            (rendition, Some(file), None) => {
                let item = in_rendition(format, Ladder::index(rendition)?, file)?;
                if matches!(item, Item::KeyInit(..)) && dress != Dress::Drm {
                    return None;
                }
                item
            }
            _ => return None,
        };
        Some(Object { channel, format, dress, item })
    }

    /// What fault selectors look at.
    pub fn target(&self) -> Target<'a> {
        let place = |r: usize| Some(RENDITIONS[r]);
        let (kind, rendition, number) = match self.item {
            Item::Key(_) => (ObjectKind::Key, None, None),
            Item::TextPlaylist => (ObjectKind::MediaPlaylist, Some(SUBTITLES), None),
            Item::Text(n) => (ObjectKind::Segment, Some(SUBTITLES), Some(n)),
            Item::Master => (ObjectKind::Mvp, None, None),
            Item::Mpd(_) => (ObjectKind::Mpd, None, None),
            Item::Playlist(r) => (ObjectKind::MediaPlaylist, place(r), None),
            Item::Part(r, n, _) => (ObjectKind::Part, place(r), Some(n)),
            Item::Init(r) | Item::OtherInit(r) | Item::KeyInit(r, _) => (ObjectKind::Init, place(r), None),
            Item::Segment(r, name) => {
                let n = match name {
                    Name::Plain { n } | Name::Restarted { n, .. } | Name::Renamed { n, .. } => Some(n),
                    Name::At { .. } => None,
                };
                (ObjectKind::Segment, place(r), n)
            }
        };
        Target { channel: self.channel, format: self.format, kind, rendition, number }
    }
}

/// A number as it stands in a name.
fn plain(text: &str) -> Option<i64> {
    match Name::parse(text)? {
        Name::Plain { n } => Some(n),
        _ => None,
    }
}

fn in_rendition(format: Format, rendition: usize, file: &str) -> Option<Item> {
    // In TS the audio is muxed into each rendition.
    if format == Format::Ts && rendition == AUDIO {
        return None;
    }
    match (file.rsplit_once('.')?, format) {
        (("index", "m3u8"), Format::Ts | Format::Cmaf | Format::Ll) => Some(Item::Playlist(rendition)),
        (("init", "mp4"), Format::Cmaf | Format::Ll | Format::Dash) => Some(Item::Init(rendition)),
        (("init-b", "mp4"), Format::Cmaf) => Some(Item::OtherInit(rendition)),
        ((name, "m4s"), Format::Ll) => match name.split_once('.') {
            None => match Name::parse(name)? {
                name @ Name::Plain { .. } => Some(Item::Segment(rendition, name)),
                _ => None,
            },
            Some((n, part)) => match (Name::parse(n)?, Name::parse(part)?) {
                // Of a part's place only that it is small is known here.
                (Name::Plain { n }, Name::Plain { n: part }) if part < 1_000 => Some(Item::Part(rendition, n, part)),
                _ => None,
            },
        },
        ((name, "mp4"), Format::Cmaf) => Some(Item::KeyInit(rendition, plain(name.strip_prefix("init-k")?)?)),
        ((name, "ts"), Format::Ts) | ((name, "m4s"), Format::Cmaf | Format::Dash) => {
            let name = Name::parse(name)?;
            let fits = match name {
                Name::Plain { .. } => true,
                Name::At { .. } => format == Format::Dash,
                Name::Restarted { .. } | Name::Renamed { .. } => format != Format::Dash,
            };
            fits.then_some(Item::Segment(rendition, name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let item = |path| Object::parse(path).map(|o| (o.channel, o.format, o.item));
        for (path, expected) in [
            ("/live/a/ts/master.m3u8", Some(("a", Format::Ts, Item::Master))),
            ("/live/a/ts/360p/index.m3u8", Some(("a", Format::Ts, Item::Playlist(0)))),
            ("/live/a/ts/144p/12.ts", Some(("a", Format::Ts, Item::Segment(2, Name::Plain { n: 12 })))),
            ("/live/a/ts/audio/index.m3u8", None),
            ("/live/a/ts/360p/12.m4s", None),
            ("/live/a/cmaf/audio/init.mp4", Some(("a", Format::Cmaf, Item::Init(3)))),
            ("/live/a/cmaf/360p/t12.m4s", None),
            ("/live/a/ll/360p/index.m3u8", Some(("a", Format::Ll, Item::Playlist(0)))),
            ("/live/a/ll/360p/12.m4s", Some(("a", Format::Ll, Item::Segment(0, Name::Plain { n: 12 })))),
            ("/live/a/ll/audio/12.3.m4s", Some(("a", Format::Ll, Item::Part(3, 12, 3)))),
            ("/live/a/ll/audio/12.1000.m4s", None),
            ("/live/a/ll/audio/12.3.4.m4s", None),
            ("/live/a/ll/audio/t12.m4s", None),
            ("/live/a/cmaf/audio/12.3.m4s", None),
            ("/live/a/dash/number.mpd", Some(("a", Format::Dash, Item::Mpd(Addressing::Number)))),
            ("/live/a/dash/360p/t12.m4s", Some(("a", Format::Dash, Item::Segment(0, Name::At { time: 12 })))),
            ("/live/a/ts-aes/360p/12.ts", Some(("a", Format::Ts, Item::Segment(0, Name::Plain { n: 12 })))),
            ("/live/a/ts-aes/key-3", Some(("a", Format::Ts, Item::Key(3)))),
            ("/live/a/ts/key-3", None),
            ("/live/a/cmaf-drm/audio/init-k2.mp4", Some(("a", Format::Cmaf, Item::KeyInit(3, 2)))),
            ("/live/a/cmaf/audio/init-k2.mp4", None),
            ("/live/a/ts-subs/subs/index.m3u8", Some(("a", Format::Ts, Item::TextPlaylist))),
            ("/live/a/ts-subs/subs/9.vtt", Some(("a", Format::Ts, Item::Text(9)))),
            ("/live/a/ts/subs/9.vtt", None),
            ("/live/a/dash/master.m3u8", None),
            ("/live/a/ts/master.m3u8/x", None),
            ("/live/a", None),
            ("/", None),
        ] {
            assert_eq!(item(path), expected, "{path}");
        }
    }
}
