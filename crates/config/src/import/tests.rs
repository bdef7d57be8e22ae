use proptest::prelude::*;

use super::*;
use crate::{Owner, SourceFile, plan};

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn defaults() -> Defaults {
    Defaults { probes: vec![slug("hcm-1")], ..Defaults::default() }
}

/// Problems as `row column code`, of the text or else of the rows and the documents they make.
fn problems(format: Format, text: &str) -> Vec<String> {
    let told = match rows(format, text) {
        Err(problems) => problems,
        Ok(rows) => rows.iter().filter_map(|row| row.document(&defaults(), None).err()).flatten().collect(),
    };
    let code = |problem: &RowProblem| serde_json::to_value(problem.code).unwrap().as_str().unwrap().to_owned();
    told.iter().map(|p| format!("{} {} {}", p.row, p.column, code(p))).collect()
}

/// Channels as `name [labels] spec`.
fn check(format: Format, text: &str, expected: &[(&str, Value, Value)]) {
    let rows = rows(format, text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let object = row.document(&defaults(), None).unwrap_or_else(|p| panic!("{text}\n{p:?}")).object;
            (object.name.to_string(), json!(object.labels), object.spec)
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(n, l, s)| ((*n).to_owned(), l.clone(), s.clone())).collect();
    assert_eq!(found, expected, "{text}");
}

fn spec(protocol: &str, url: &str) -> Value {
    json!({"probes": ["hcm-1"], "streams": [{"name": "main", "protocol": protocol, "url": url}]})
}

#[test]
fn tables_are_read() {
    let one = || ("vtv3", json!({}), spec("hls", "http://o/a.m3u8"));
    check(Format::Csv, "name,url\nvtv3,http://o/a.m3u8\n", &[one()]);
    check(Format::Csv, "\u{feff}name;url\r\nvtv3;http://o/a.m3u8\r\n;\r\n", &[one()]);
    check(Format::Csv, "url\tname\nhttp://o/a.m3u8\tvtv3", &[one()]);
    check(
        Format::Csv,
        " name , url ,protocol\n vtv3 , http://o/live?x=1 ,HLS\n",
        &[("vtv3", json!({}), spec("hls", "http://o/live?x=1"))],
    );
    check(
        Format::Csv,
        "name,url\nvtv3,\"http://o/a,b.mpd?x=\"\"1\"\"\"\n",
        &[("vtv3", json!({}), spec("dash", "http://o/a,b.mpd?x=\"1\""))],
    );
    check(
        Format::Csv,
        "name,displayName,url.hls,url.dash,template,packager,region,probes,label.group,label.tier,enabled\n\
         vtv3,\"Thể thao, \"\"HD\"\"\",http://o/a.m3u8,http://o/a.mpd,hd,p7,hcm,hcm-1;hcm-2 hn-1,sport,,no\n",
        &[(
            "vtv3",
            json!({"group": "sport"}),
            json!({"displayName": "Thể thao, \"HD\"", "template": "hd", "packager": "p7", "region": "hcm",
                "probes": ["hcm-1", "hcm-2", "hn-1"], "enabled": false, "streams": [
                    {"name": "hls", "protocol": "hls", "url": "http://o/a.m3u8"},
                    {"name": "dash", "protocol": "dash", "url": "http://o/a.mpd"}]}),
        )],
    );
}

#[test]
fn each_problem_of_a_table_is_told_with_row_and_column() {
    for (text, expected) in [
        ("", "0  syntax"),
        ("name,url\n", "0  syntax"),
        ("nane,url,url\nvtv3,http://o/a.m3u8,\n", "0 nane unknown-field|0 url duplicate-field|0 name missing-field"),
        ("name,label.\n", "0 label. unknown-field"),
        ("name,url\nVTV 3,http://o/a.m3u8\n", "1 name invalid-value"),
        ("name,url\n,http://o/a.m3u8\n", "1 name invalid-value"),
        ("name,url\nvtv1,http://o/a.m3u8\nvtv3,ftp://o/a.m3u8\n", "2 url invalid-value"),
        ("name,url\nvtv3,http://o/live\n", "1 url invalid-value"),
        ("name,url,protocol\nvtv3,http://o/live,rtmp\n", "1 protocol invalid-value"),
        ("name,url.dash\nvtv3,file:///etc/passwd\n", "1 url.dash invalid-value"),
        ("name,url\nvtv3,\n", "1 url missing-field"),
        ("name,url\nvtv3\n", "1 url missing-field"),
        ("name,url\nvtv3,http://o/a.m3u8,more\n", "1  syntax"),
        ("name,url\na,http://o/a.m3u8\na,http://o/b.m3u8\n", "2 name duplicate-object"),
        ("name,url,enabled\nvtv3,http://o/a.m3u8,maybe\n", "1 enabled invalid-value"),
        ("name,url,template,probes\nvtv3,http://o/a.m3u8,H D,X!\n", "1 probes invalid-value|1 template invalid-value"),
        ("name,url,label.Group!\nvtv3,http://o/a.m3u8,x\n", "1 label.Group! invalid-value"),
        ("name,url\na,http://o/a.m3u8\nb,\"http://o/b.m3u8\nc,http://o/c.m3u8\n", "2  syntax"),
    ] {
        let mut found = problems(Format::Csv, text);
        // A quote that is not closed spoils the address as well.
        found.retain(|line| !(text.contains("b,\"") && line == "2 url invalid-value"));
        assert_eq!(found.join("|"), expected, "{text}");
    }
    let told = rows(Format::Csv, "name,urls\n").unwrap_err();
    assert!(told[0].reason.contains("did you mean \"url\"?") && told[0].reason.contains("url.hls"), "{told:?}");
    let rows = rows(Format::Csv, "name,url\n\n\"a\",http://o/a.m3u8\nVTV3 Thể thao,x://o/a.m3u8?key=1\n").unwrap();
    let told = rows[1].document(&defaults(), None).unwrap_err();
    assert_eq!((told[0].line, told[0].value.as_str(), told[0].example.as_str()), (4, "VTV3 Thể thao", "vtv3-the-thao"));
    assert!(told[0].to_string().starts_with("line 4: name \"VTV3 Thể thao\" is no name: "), "{}", told[0]);
}

#[test]
fn playlists_are_read() {
    let entry = |name: &str, labels: Value, title: &str, protocol: &str, url: &str| {
        let mut spec = spec(protocol, url);
        spec["displayName"] = title.into();
        (name.to_owned(), labels, spec)
    };
    let text = "\u{feff}#EXTM3U url-tvg=\"http://epg/x\"\r\n\
        #EXTINF:-1 tvg-id=\"VTV3.vn\" tvg-logo=\"http://l/a,b.png\" group-title=\"Thể thao\",VTV3 HD, bản 2\r\n\
        #EXTVLCOPT:http-user-agent=x\r\nhttp://o/vtv3/MASTER.M3U8?t=1\r\n\
        #EXTINF:-1 tvg-id=\"\" tvg-name=\"Đồng Nai 1\",\r\n#EXTGRP:Địa phương\r\nhttps://o/dn1.mpd\r\n\
        \r\n#EXTINF:-1,K+ Sport\nhttp://o/k1.m3u8\n#EXTINF:-1 group-title=VTV,K+ SPORT\nhttp://o/k2.m3u8\n\
        #EXTINF:-1,K+ Sport 2\nhttp://o/k3.m3u8\n";
    let expected = [
        entry("vtv3-vn", json!({"group": "the-thao"}), "VTV3 HD, bản 2", "hls", "http://o/vtv3/MASTER.M3U8?t=1"),
        entry("dong-nai-1", json!({"group": "dia-phuong"}), "Đồng Nai 1", "dash", "https://o/dn1.mpd"),
        entry("k-plus-sport", json!({}), "K+ Sport", "hls", "http://o/k1.m3u8"),
        entry("k-plus-sport-2", json!({"group": "vtv"}), "K+ SPORT", "hls", "http://o/k2.m3u8"),
        entry("k-plus-sport-2-2", json!({}), "K+ Sport 2", "hls", "http://o/k3.m3u8"),
    ];
    let expected: Vec<_> = expected.iter().map(|(n, l, s)| (n.as_str(), l.clone(), s.clone())).collect();
    check(Format::M3u, text, &expected);
}

#[test]
fn each_problem_of_a_playlist_is_told_with_its_entry() {
    for (text, expected) in [
        ("", "0  syntax"),
        ("#EXTM3U\n", "0  syntax"),
        ("http://o/a.m3u8\n", "0  syntax"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n", "0  syntax"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", "0  syntax"),
        ("#EXTM3U\n#EXTINF:-1,A\nudp://239.0.0.1:1234\n", "1 url invalid-value"),
        ("#EXTM3U\n#EXTINF:-1,A\nrtmp://o/a.m3u8\n", "1 url invalid-value"),
        ("#EXTM3U\n#EXTINF:-1,A\nhttp://o/a.m3u8|User-Agent=x\n", "1 url invalid-value"),
        (
            "#EXTM3U\n#EXTINF:-1,A\n#EXTINF:-1,B\nhttp://o/b.m3u8\n#EXTINF:-1,C\n",
            "1 url missing-field|3 url missing-field",
        ),
        ("#EXTM3U\nhttp://o/a.m3u8\n", "1 tvg-id missing-field"),
        ("#EXTM3U\n#EXTINF:-1,央视\nhttp://o/a.m3u8\n", "1 tvg-id missing-field"),
    ] {
        assert_eq!(problems(Format::M3u, text).join("|"), expected, "{text}");
    }
}

#[test]
fn names_are_folded() {
    let long = "x".repeat(80);
    for (text, expected) in [
        ("VTV3 HD", "vtv3-hd"),
        ("Đà Nẵng — Thể thao & Giải trí", "da-nang-the-thao-giai-tri"),
        ("Truye\u{302}\u{300}n hi\u{300}nh Vi\u{323}nh", "truyen-hinh-vinh"),
        ("ƯỚC MƠ VIỆT", "uoc-mo-viet"),
        ("K+", "k-plus"),
        ("--a__b--", "a-b"),
        ("央视", ""),
        (&long, &long[..63]),
    ] {
        assert_eq!(folded(text), expected, "{text}");
    }
    let mut names = name::Names::default();
    let given: Vec<String> = (0..12).map(|_| names.unique(long[..63].to_owned())).collect();
    assert!(given.iter().all(|name| Slug::new(name).is_ok()));
    assert!(given[1].ends_with("x-2") && given[11].ends_with("x-12"));
}

/// What the row does not say stays: headers, overrides, labels, other streams.
#[test]
fn a_row_changes_only_what_it_says() {
    let name = slug("vtv3");
    let stored = crate::document_of(
        ConfigKind::Channel,
        &name,
        Some(&json!({"tier": "1", "group": "old"})),
        Some(&json!({"template": "hd", "probes": ["hn-1"], "overrides": {"depth": "head"}, "streams": [
            {"name": "hls-main", "protocol": "hls", "url": "http://old/a.m3u8", "headers": {"X-Key": "k"}},
            {"name": "dash", "protocol": "dash", "url": "http://old/a.mpd"}]})),
    )
    .unwrap()
    .object;
    let text = "name,url,label.group,packager\nvtv3,http://new/a.m3u8,sport,\n";
    let row = &rows(Format::Csv, text).unwrap()[0];
    let asked = Defaults { packager: Some(slug("p9")), ..Defaults::default() };
    let made = row.document(&asked, Some(&stored)).unwrap().object;
    assert_eq!(json!(made.labels), json!({"tier": "1", "group": "sport"}));
    let mut expected = stored.spec.clone();
    expected["packager"] = "p9".into();
    expected["streams"][0]["url"] = "http://new/a.m3u8".into();
    assert_eq!(made.spec, expected);
    assert!(row.document(&Defaults::default(), None).unwrap_err()[0].column == "probes");
}

#[test]
fn rows_and_bytes_are_bounded() {
    let table = |n: usize| {
        let lines: String = (0..n).map(|n| format!("c{n},http://o/{n}.m3u8\n")).collect();
        format!("name,url\n{lines}")
    };
    let playlist = |n: usize| format!("#EXTM3U\n{}", "#EXTINF:-1,A\nhttp://o/a.m3u8\n".repeat(n));
    assert_eq!(rows(Format::Csv, &table(MAX_ROWS)).unwrap().len(), MAX_ROWS);
    assert_eq!(rows(Format::M3u, &playlist(MAX_ROWS)).unwrap().len(), MAX_ROWS);
    for (format, text) in [(Format::Csv, table(MAX_ROWS + 1)), (Format::M3u, playlist(MAX_ROWS + 1))] {
        assert!(rows(format, &text).unwrap_err()[0].reason.contains("more than 10000 rows"));
    }
    assert!(rows(Format::Csv, &" ".repeat(MAX_BYTES + 1)).unwrap_err()[0].reason.contains("bytes"));
    assert!(rows(Format::Csv, &"name,".repeat(100)).is_err());
}

/// Plan against nothing, as stored; read back what is exported; plan again.
fn applies_back(format: Format, text: &str) {
    let probe = crate::document_of(ConfigKind::Probe, &slug("hcm-1"), None, None).unwrap().object;
    let documents: Vec<Document> = match rows(format, text) {
        Ok(rows) => rows.iter().filter_map(|row| row.document(&defaults(), None).ok()).collect(),
        Err(_) => return,
    };
    let owner = Owner::new(slug("import"));
    let created = plan(std::slice::from_ref(&probe), &documents, Some(&owner)).unwrap().create;
    let mut stored = vec![probe];
    stored.extend(created);
    let files = [SourceFile { name: "export".into(), text: crate::export(&stored) }];
    let again = plan(&stored, &crate::read(&files).unwrap(), None).unwrap();
    assert!(again.is_empty(), "{text}\n{again}");
    // And the same list again.
    let rows = rows(format, text).unwrap();
    let find = |row: &Row| stored.iter().find(|o| o.kind == ConfigKind::Channel && o.name.as_str() == row.name);
    let documents: Vec<Document> = rows.iter().filter_map(|row| row.document(&defaults(), find(row)).ok()).collect();
    let again = plan(&stored, &documents, Some(&owner)).unwrap();
    assert!(again.is_empty(), "{text}\n{again}");
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~à-ỹ\"\n]{0,20}", Just("true".to_owned()), Just("http://o/a.m3u8?x=1".to_owned())]
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,400}", quoted in "[a-z,;\"\n\r\t#:=-]{0,200}") {
        for text in [&text, &quoted] {
            for (format, head) in [(Format::Csv, "name,url\n"), (Format::M3u, "#EXTM3U\n#EXTINF:-1 "), (Format::Csv, ""), (Format::M3u, "")] {
                if let Ok(rows) = rows(format, &format!("{head}{text}")) {
                    for row in rows {
                        let _ = row.document(&defaults(), None);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_imported_applies_back_to_no_change(
        table in proptest::collection::vec(("[a-z0-9]{1,8}", cell(), "[a-z/?=&%é ]{0,20}", cell()), 1..8),
    ) {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let lines: Vec<String> = table.iter()
            .map(|(name, title, path, label)| {
                format!("{name},{},{},{}", quoted(title), quoted(&format!("http://o/{path}.m3u8")), quoted(label))
            })
            .collect();
        applies_back(Format::Csv, &format!("name,displayName,url,label.group\n{}\n", lines.join("\n")));
        let entries: Vec<String> = table.iter()
            .map(|(name, title, path, label)| {
                format!("#EXTINF:-1 tvg-id=\"{name}\" group-title=\"{label}\",{title}\nhttp://o/{path}.mpd")
            })
            .collect();
        applies_back(Format::M3u, &format!("#EXTM3U\n{}\n", entries.join("\n")));
    }
}
