//! The installations that the other tests stand on.

use ow_e2e::{SERVICES, Site, site::UP};

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_starts_and_starts_again_on_its_data() {
    let mut site = Site::all_in_one().await.unwrap();
    assert!(site.alarms("state=all&include_info=true").await.unwrap().is_empty());
    site.restart(UP).await.unwrap();
    assert!(site.alarms("").await.unwrap().is_empty());
    assert!(site.terminate(UP).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_starts_again_after_a_kill_and_ends_in_order() {
    let mut site = Site::processes().await.unwrap();
    assert!(site.alarms("").await.unwrap().is_empty());
    for service in SERVICES {
        site.restart(service).await.unwrap();
    }
    assert!(site.alarms("").await.unwrap().is_empty());
    for service in SERVICES {
        let ended = site.terminate(service).await.unwrap();
        assert!(ended.success(), "{service}: {ended}\n{}", site.log(service));
    }
}
