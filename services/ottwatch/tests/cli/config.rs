//! `--check-config` of every service.

use crate::support::{finish, ottwatch, run};

const SERVICES: [&str; 7] = ["scheduler", "fetcher", "validator", "alert-router", "notifier", "recorder", "api"];

#[tokio::test(flavor = "multi_thread")]
async fn a_right_configuration_ends_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site file.toml");
    std::fs::write(
        &path,
        "[nats]\nurl = \"nats://bus:4222\"\nconnect_wait = \"5s\"\n[fetcher]\nprobe = \"hcm-1\"\ndrain_timeout = \"4s\"\n",
    )
    .unwrap();
    for service in SERVICES {
        let alone = run(&[service, "--check-config"]).await;
        assert_eq!(alone.code, 0, "{service}: {alone:?}");
        let done = run(&[service, "--check-config", "--config", path.to_str().unwrap()]).await;
        assert!(done.code == 0 && done.stdout.contains("is right"), "{service}: {done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_ends_with_78_and_tells_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    let file = path.to_str().unwrap();
    for service in SERVICES {
        let text = format!(
            "[nats]\nurll = \"nats://bus:4222\"\nconnect_wait = \"5 parsecs\"\n[postgres]\npool_size = \"many\"\n[{service}]\nno_such_key = 1\n[fetchr]\nslots = 5\n"
        );
        std::fs::write(&path, text).unwrap();
        let mut command = ottwatch(&[service, "--check-config", "--config", file]);
        command.env("OTTWATCH_NATS__USER", "[not a name]").env("OTTWATCH_POSTGRES__SCHEM", "x");
        let done = finish(command).await;
        assert_eq!(done.code, 78, "{service}: {done:?}");
        let own = format!("{service}.no_such_key");
        for told in [
            "nats.urll",
            "nats.connect_wait = \"5 parsecs\"",
            "connect_wait = \"30s\"",
            "postgres.pool_size",
            "OTTWATCH_POSTGRES__SCHEM",
            "fetchr",
            &own,
            file,
        ] {
            assert!(done.stderr.contains(told), "{service}: {told} is missing:\n{}", done.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_checked_and_shows_no_secret() {
    let mut command = ottwatch(&["fetcher", "--check-config"]);
    command.env("OTTWATCH_FETCHER__SLOTS", "0").env("OTTWATCH_FETCHER__PROBE", "HCM 1");
    let done = finish(command).await;
    assert_eq!(done.code, 78, "{done:?}");
    for told in ["fetcher.slots", "fetcher.probe", "HCM 1", "probe = \"hcm-1\""] {
        assert!(done.stderr.contains(told), "{told}: {done:?}");
    }
    let mut command = ottwatch(&["notifier", "--check-config"]);
    command.env("OTTWATCH_POSTGRES__PASSWORD", "s3cret").env("OTTWATCH_NATS__TOKEN", "t0psecret");
    let done = finish(command).await;
    assert_eq!(done.code, 78, "{done:?}");
    assert!(!done.stderr.contains("s3cret") && !done.stderr.contains("t0psecret"), "{done:?}");

    let missing = run(&["api", "--check-config", "--config", "/nonexistent/site.toml"]).await;
    assert!(missing.code == 78 && missing.stderr.contains("/nonexistent/site.toml"), "{missing:?}");
}
