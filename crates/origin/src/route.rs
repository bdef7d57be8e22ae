//! From a URL's path to an object of a channel.

use crate::fault::{Format, ObjectKind, Target};
use crate::hls::Name;
use crate::ladder::{AUDIO, Ladder, RENDITIONS};
use crate::mpd::Addressing;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object<'a> {
    pub channel: &'a str,
    pub format: Format,
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
}

impl<'a> Object<'a> {
    /// `/live/<channel>/<format>/...`; `None`: there is no such path.
    pub fn parse(path: &'a str) -> Option<Object<'a>> {
        let mut parts = path.strip_prefix("/live/")?.split('/');
        let channel = parts.next()?;
        let format = match parts.next()? {
            "ts" => Format::Ts,
            "cmaf" => Format::Cmaf,
            "ll" => Format::Ll,
            "dash" => Format::Dash,
            _ => return None,
        };
        let item = match (parts.next()?, parts.next(), parts.next()) {
            ("master.m3u8", None, None) if format != Format::Dash => Item::Master,
            ("timeline.mpd", None, None) if format == Format::Dash => Item::Mpd(Addressing::Timeline),
            ("number.mpd", None, None) if format == Format::Dash => Item::Mpd(Addressing::Number),
            (rendition, Some(file), None) => in_rendition(format, Ladder::index(rendition)?, file)?,
            _ => return None,
        };
        Some(Object { channel, format, item })
    }

    /// What fault selectors look at.
    pub fn target(&self) -> Target<'a> {
        let (kind, rendition, number) = match self.item {
            Item::Master => (ObjectKind::Mvp, None, None),
            Item::Mpd(_) => (ObjectKind::Mpd, None, None),
            Item::Playlist(r) => (ObjectKind::MediaPlaylist, Some(r), None),
            Item::Part(r, n, _) => (ObjectKind::Part, Some(r), Some(n)),
            Item::Init(r) | Item::OtherInit(r) => (ObjectKind::Init, Some(r), None),
            Item::Segment(r, name) => {
                let n = match name {
                    Name::Plain { n } | Name::Restarted { n, .. } | Name::Renamed { n, .. } => Some(n),
                    Name::At { .. } => None,
                };
                (ObjectKind::Segment, Some(r), n)
            }
        };
        Target { channel: self.channel, format: self.format, kind, rendition: rendition.map(|r| RENDITIONS[r]), number }
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
            ("/live/a/dash/master.m3u8", None),
            ("/live/a/ts/master.m3u8/x", None),
            ("/live/a", None),
            ("/", None),
        ] {
            assert_eq!(item(path), expected, "{path}");
        }
    }
}
