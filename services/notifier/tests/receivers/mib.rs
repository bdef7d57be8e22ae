//! The MIB is what the generator writes, smilint finds nothing in it, and net-snmp resolves every name.

use std::path::Path;
use std::process::Command;

use ow_domain::receiver::DEFAULT_BASE_OID;
use ow_notifier::mib_text;
use ow_notifier::snmp::Trap;
use ow_testkit::receivers::mibs::{base_mibs, project};

fn run(program: &str, args: &[&str], smi_path: &Path) -> String {
    let out = Command::new(program)
        .args(args)
        .env("SMIPATH", smi_path)
        .env("SNMPCONFPATH", "/nonexistent")
        .env("SNMP_PERSISTENT_DIR", std::env::temp_dir())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; scripts/setup.sh test installs it"));
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn the_mib_in_schemas_is_that_of_the_generator() {
    let path = project().join("schemas/mib/OTTWATCH-MIB.txt");
    let text = mib_text(DEFAULT_BASE_OID).unwrap();
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "schemas/mib/OTTWATCH-MIB.txt is not what mib_text() gives: write it anew");
}

#[test]
fn smilint_finds_nothing_on_its_strictest_level() {
    let base = base_mibs().unwrap();
    for oid in [DEFAULT_BASE_OID, "1.3.6.1.4.1.99999", "1.3.6.1.3.77.1"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("OTTWATCH-MIB.txt");
        std::fs::write(&file, mib_text(oid).unwrap()).unwrap();
        // A long arc implies nodes without names: legal, and ours to name they are not.
        let said = run("smilint", &["-l", "6", "-i", "node-implicit", file.to_str().unwrap()], &base);
        assert_eq!(said, "", "{oid}");
    }
    assert!(mib_text("1.3").is_err());
}

#[test]
fn every_notification_and_object_has_its_number() {
    let base = base_mibs().unwrap();
    let path = format!("{}:{}", base.display(), project().join("schemas/mib").display());
    let mut names: Vec<(String, String)> =
        Trap::ALL.iter().map(|t| (t.name().to_owned(), format!("0.{}", t.arc()))).collect();
    for (name, arc) in [
        ("owInstanceName", "1.1.1"),
        ("owLastSequence", "1.1.2"),
        ("owActiveLastChange", "1.1.3"),
        ("owActiveCount", "1.1.4"),
        ("owSuppressedNotifications", "1.1.5"),
        ("owActiveIndex", "1.2.1.1.1"),
        ("owAlarmId", "1.2.1.1.2"),
        ("owAlarmSeverity", "1.2.1.1.3"),
        ("owAlarmState", "1.2.1.1.4"),
        ("owAlarmChannel", "1.2.1.1.5"),
        ("owAlarmCheck", "1.2.1.1.6"),
        ("owAlarmText", "1.2.1.1.7"),
        ("owAlarmRaised", "1.2.1.1.8"),
        ("owAlarmProbe", "1.2.1.1.9"),
        ("owAlarmUrl", "1.2.1.1.10"),
        ("owAlarmGroup", "1.2.1.1.11"),
        ("owSequence", "1.3.1"),
        ("owEventTime", "1.3.2"),
        ("owResend", "1.3.3"),
        ("owHeartbeatInterval", "1.3.4"),
    ] {
        names.push((name.to_owned(), arc.to_owned()));
    }
    let wanted: Vec<String> = names.iter().map(|(_, arc)| format!(".{DEFAULT_BASE_OID}.{arc}")).collect();
    let full: Vec<String> = names.iter().map(|(name, _)| format!("OTTWATCH-MIB::{name}")).collect();
    let mut args = vec!["-M", &path, "-m", "OTTWATCH-MIB", "-On"];
    args.extend(full.iter().map(String::as_str));
    let said = run("snmptranslate", &args, &base);
    let got: Vec<&str> = said.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(got, wanted);
}
