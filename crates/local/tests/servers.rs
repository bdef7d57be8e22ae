//! Real servers: start, keep data, end with their parent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use ow_local::{LocalError, LocalNats, LocalPostgres, NatsOptions, PgOptions, find_postgres};

/// Sends one JetStream request by the text protocol and gives what comes back.
fn nats_request(port: u16, subject: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{body}\r\n",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("MSG answer") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the server hung up");
    }
    let length: usize = line.split_whitespace().last().unwrap().parse().unwrap();
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn sql(postgres: &LocalPostgres, statement: &str) -> String {
    let psql = find_postgres(None).unwrap().bin.join("psql");
    let output = Command::new(psql).args(["-X", "-A", "-t", "-c", statement, &postgres.dsn()]).output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn is_alive(pid: u32) -> bool {
    // A killed child of a dead parent may stay a zombie where nobody reaps: it is dead all the same.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come true");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nats_keeps_its_streams_through_kill_restart_and_a_new_start() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().join("a home");
    let mut nats = LocalNats::start(NatsOptions::new(&home)).unwrap();
    let port = nats.client_port();
    let created = nats_request(port, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"],"storage":"file"}"#);
    assert!(!created.contains("error"), "{created}");
    assert!(nats_request(port, "s", "one").contains("\"seq\":1"));

    nats.kill();
    assert!(!nats.is_running());
    nats.restart().unwrap();
    assert_eq!(nats.client_port(), port);
    assert!(nats_request(port, "s", "two").contains("\"seq\":2"));

    drop(nats);
    let nats = LocalNats::start(NatsOptions::new(&home)).unwrap();
    assert!(nats_request(nats.client_port(), "s", "three").contains("\"seq\":3"));
}

#[test]
fn postgres_keeps_its_rows_through_kill_restart_and_a_new_start() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().join("it's a home");
    let mut postgres = LocalPostgres::start(PgOptions::new(&home)).unwrap();
    sql(&postgres, "create table t (n int); insert into t values (1)");

    postgres.kill();
    postgres.restart().unwrap();
    assert_eq!(sql(&postgres, "select n from t"), "1");

    drop(postgres);
    let postgres = LocalPostgres::start(PgOptions::new(&home)).unwrap();
    assert_eq!(sql(&postgres, "select n from t"), "1");
    assert_eq!(sql(&postgres, "show listen_addresses"), "");
}

#[test]
fn a_template_spares_initdb() {
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let template = folder.path().join("template");
    LocalPostgres::make_template(&template).unwrap();
    let options =
        PgOptions { fast_tests: true, template: Some(template), ..PgOptions::new(folder.path().join("home")) };
    let postgres = LocalPostgres::start(options).unwrap();
    assert_eq!(sql(&postgres, "show fsync"), "off");
}

#[test]
fn a_second_user_of_one_home_is_told_who_has_it() {
    let home = tempfile::tempdir().unwrap();
    let _nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
    let error = LocalNats::start(NatsOptions::new(home.path())).unwrap_err();
    assert!(matches!(error, LocalError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&std::process::id().to_string()) && error.to_string().contains("--home"));
}

#[test]
fn a_long_home_gets_a_short_socket_folder_and_removes_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().join("d".repeat(100));
    let postgres = LocalPostgres::start(PgOptions { fast_tests: true, ..PgOptions::new(&home) }).unwrap();
    let socket = postgres.socket_folder().to_owned();
    assert!(socket.as_os_str().len() <= 90 && socket.is_dir());
    assert_eq!(sql(&postgres, "select 1"), "1");
    drop(postgres);
    assert!(!socket.exists());
}

#[test]
fn a_server_that_ends_is_an_error_with_the_end_of_its_log() {
    let home = tempfile::tempdir().unwrap();
    let options = NatsOptions { extra_config: "no_such_option: 1".to_owned(), ..NatsOptions::new(home.path()) };
    let error = LocalNats::start(options).unwrap_err().to_string();
    assert!(error.contains("no_such_option"), "{error}");
}

#[test]
fn servers_end_with_a_parent_that_is_killed_and_start_again_at_once() {
    killed_parent(None);
}

/// As root the tests above ran PostgreSQL as another user; this runs everything as that other user.
#[test]
fn an_ordinary_user_can_do_it_too() {
    if fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
        killed_parent(Some(65_534));
    }
}

fn killed_parent(uid: Option<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    // A copy, as the folder of the build may be closed to the other user.
    let program = folder.path().join("holder");
    fs::copy(env!("CARGO_BIN_EXE_ow-local-holder"), &program).unwrap();
    if let Some(uid) = uid {
        open_to_all(folder.path());
        std::os::unix::fs::chown(&home, Some(uid), Some(uid)).unwrap();
    }
    let nats_server = ow_local::find_nats_server().unwrap().path;
    let shared_server = folder.path().join("nats-server");
    fs::copy(nats_server, &shared_server).unwrap();

    for _ in 0..2 {
        let (mut parent, servers) = hold(&program, &home, &shared_server, uid);
        assert!(servers.iter().all(|&pid| is_alive(pid)));
        parent.kill().unwrap();
        parent.wait().unwrap();
        eventually("the end of both servers", || servers.iter().all(|&pid| !is_alive(pid)));
    }
    let (mut parent, servers) = hold(&program, &home, &shared_server, uid);
    drop(parent.stdin.take());
    assert!(parent.wait().unwrap().success());
    assert!(servers.iter().all(|&pid| !is_alive(pid)), "a clean end leaves nothing");
}

fn hold(program: &Path, home: &Path, nats_server: &Path, uid: Option<u32>) -> (Child, Vec<u32>) {
    let mut command = Command::new(program);
    command.arg(home).env("OTTWATCH_NATS_SERVER", nats_server).stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<u32> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2, "the holder did not start");
    (child, pids)
}

fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}
