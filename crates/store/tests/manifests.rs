//! Manifests as they were served, against a real server.

mod server;

use std::time::Duration;

use ow_domain::capture::ObjectKind;
use ow_domain::{ChannelId, Span, Time};
use ow_store::manifests::{ManifestFilter, ManifestLoad, ManifestText, Pruned};
use server::Server;

fn start() -> Time {
    Time::from_unix_micros(jiff::Timestamp::now().as_microsecond()) - Span::from_secs(3_000)
}

fn channel() -> ChannelId {
    ChannelId::new("vtv3").unwrap()
}

/// A media playlist of a rendition, or the multivariant one without.
fn load(at: Time, track: Option<&str>, body: Option<&str>) -> ManifestLoad {
    ManifestLoad {
        channel: "vtv3".into(),
        stream: "main".into(),
        object: if track.is_some() { ObjectKind::MediaPlaylist } else { ObjectKind::Mvp },
        track: track.map(str::to_owned),
        probe: "p1".into(),
        at,
        url: "http://origin.example/a.m3u8".into(),
        status: body.map(|_| 200),
        failure: body.is_none().then(|| "connect refused".to_owned()),
        digest: body.map(digest),
        body: body.map(|text| ManifestText { text: text.to_owned(), lossy: false }),
        capture: "c".into(),
    }
}

/// Not the SHA-256, but one per text.
fn digest(text: &str) -> String {
    let sum = text.bytes().fold(7_u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
    format!("{sum:064x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_at_a_time_is_found_again() {
    let server = Server::start();
    let store = server.migrated().await;
    let t = start();
    let at = |s: i64| t + Span::from_secs(s);
    let (master, first, second) = ("#EXTM3U master", "#EXTM3U first", "#EXTM3U second é");
    let batch = [
        load(at(0), None, Some(master)),
        load(at(1), Some("v1"), Some(first)),
        load(at(1), Some("v2"), Some(first)),
        load(at(7), Some("v1"), Some(second)),
        load(at(13), Some("v1"), None),
    ];
    store.add_manifests(&batch).await.unwrap();
    // The same again changes nothing; a body known by its digest need not come again.
    store.add_manifests(&batch).await.unwrap();
    store.add_manifests(&[ManifestLoad { body: None, ..load(at(19), Some("v1"), Some(first)) }]).await.unwrap();
    store.add_manifests(&[]).await.unwrap();

    let seen = async |s: i64, filter: ManifestFilter| -> Vec<(Option<String>, String)> {
        let served = store.manifests_at(&channel(), at(s), &filter).await.unwrap();
        served.into_iter().map(|m| (m.load.track, m.text)).collect()
    };
    let of = |track: &str, text: &str| (Some(track.to_owned()), text.to_owned());
    let all = ManifestFilter::default();
    assert_eq!(seen(-1, all.clone()).await, []);
    assert_eq!(seen(2, all.clone()).await, [(None, master.to_owned()), of("v1", first), of("v2", first)]);
    let v1 = ManifestFilter { track: Some("v1".into()), ..all.clone() };
    assert_eq!(seen(7, v1.clone()).await, [of("v1", second)]);
    // A load that failed serves nothing: the last body stands.
    assert_eq!(seen(13, v1.clone()).await, [of("v1", second)]);
    assert_eq!(seen(20, v1.clone()).await, [of("v1", first)]);
    assert_eq!(seen(20 + 3_700, all.clone()).await, [], "nobody asked for an hour");
    let mvp = ManifestFilter { object: Some("mvp".into()), ..all.clone() };
    assert_eq!(seen(20, mvp).await, [(None, master.to_owned())]);

    let loads = store.manifest_loads(&channel(), at(0), at(19), &v1, 100).await.unwrap();
    let seen: Vec<_> = loads.iter().map(|l| (l.at, l.status, l.failure.as_deref(), l.digest.clone())).collect();
    assert_eq!(
        seen,
        [
            (at(1), Some(200), None, Some(digest(first))),
            (at(7), Some(200), None, Some(digest(second))),
            (at(13), None, Some("connect refused"), None),
        ]
    );
    assert_eq!(store.manifest_loads(&channel(), at(0), at(99), &v1, 2).await.unwrap().len(), 2);
    assert_eq!(store.manifest_body(&digest(second)).await.unwrap().as_deref(), Some(second));
    assert_eq!(store.manifest_body(&"0".repeat(64)).await.unwrap(), None);
    assert!(store.manifest_body("short").await.unwrap_err().is_data_fault());

    // The same in pages, each behind the last of the one before.
    let whole = store.manifest_loads(&channel(), at(0), at(99), &all, 100).await.unwrap();
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = store.page_of_loads(&channel(), (at(0), at(99)), &all, after.as_ref(), 2).await.unwrap();
        let more = page.len() > 2;
        paged.extend(page.into_iter().take(2));
        after = paged.last().map(ow_store::manifests::StoredLoad::key);
        if !more {
            break;
        }
    }
    assert_eq!(paged, whole);
    assert_eq!(whole.len(), 6);

    // A body is to be seen by who may see a channel that served it.
    let unseen = "0".repeat(64);
    let kept = store.manifests_kept(&[&digest(second), &unseen, "short"]).await.unwrap();
    assert_eq!(kept, [digest(second)]);
    let scope = |text: &str| text.parse::<ow_domain::access::LabelScope>().unwrap();
    let (sport, news) = (scope("group=sport|kids"), scope("group=news"));
    let body = async |digest: &str, scope| store.manifest_in_scope(digest, scope).await.unwrap();
    assert_eq!(body(&digest(second), None).await, Some((second.to_owned(), false)));
    assert_eq!(body("short", None).await, None);
    assert_eq!(body(&digest(second), Some(&sport)).await, None, "the channel is not configured");
    let object = ow_domain::config::ConfigObject {
        kind: ow_domain::config::ConfigKind::Channel,
        name: ow_domain::Slug::new("vtv3").unwrap(),
        labels: [("group".to_owned(), "sport".to_owned())].into(),
        spec: serde_json::json!({"streams": [], "probes": []}),
        revision: 0,
    };
    let by = ow_domain::config::ChangedBy { actor: "test".into(), source: "test".into() };
    store.apply_config(&[ow_domain::config::ConfigChange::Create(object)], &by).await.unwrap();
    assert!(body(&digest(second), Some(&sport)).await.is_some());
    assert_eq!(body(&digest(second), Some(&news)).await, None);
    assert_eq!(body(&digest(second), Some(&scope("group=sport,site=hcm"))).await, None, "every label is needed");
    let labels = store.channel_labels(&channel()).await.unwrap();
    assert!(sport.admits(&labels.unwrap()));
    assert_eq!(store.channel_labels(&ChannelId::new("other").unwrap()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn age_and_size_bound_what_is_kept() {
    let server = Server::start();
    let store = server.migrated().await;
    let t = start();
    let at = |s: i64| t + Span::from_secs(s);
    // Text that does not compress to nothing, one a minute.
    let text = |n: i64| {
        (0..400_u64).map(|i| format!("{:x}", (i + 1).wrapping_mul(0x9e37_79b9 + n as u64))).collect::<String>()
    };
    for n in 0..40 {
        store.add_manifests(&[load(at(60 * n), Some("v1"), Some(&text(n)))]).await.unwrap();
    }
    let n_loads = async || {
        store.manifest_loads(&channel(), at(-1), at(9_999), &ManifestFilter::default(), 1_000).await.unwrap().len()
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(store.prune_manifests(day, 1 << 30).await.unwrap(), Pruned::default());
    // 3,000 s ago it began: ten of forty are older than 2,400 s.
    let pruned = store.prune_manifests(Duration::from_secs(2_400), 1 << 30).await.unwrap();
    assert!((10..=11).contains(&pruned.loads) && pruned.bodies == pruned.loads, "{pruned:?}");
    let before = n_loads().await;
    let pruned = store.prune_manifests(day, 20_000).await.unwrap();
    let left = n_loads().await;
    assert!(pruned.loads > 0 && left > 0 && left as u64 + pruned.loads == before as u64, "{pruned:?} {left}");
    assert!(store.manifest_body(&digest(&text(39))).await.unwrap().is_some(), "the newest stay");
    assert!(store.manifest_body(&digest(&text(12))).await.unwrap().is_none());
    assert_eq!(store.prune_manifests(day, 20_000).await.unwrap(), Pruned::default(), "it is small enough now");
    let pruned = store.prune_manifests(day, 0).await.unwrap();
    assert_eq!((pruned.loads as usize, n_loads().await), (left, 0));
}
