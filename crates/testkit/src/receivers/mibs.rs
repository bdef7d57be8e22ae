//! Where the base MIB modules are, which smilint and the net-snmp tools want. `scripts/setup.sh test` fetches them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The folder of the project.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with `SNMPv2-SMI`, `SNMPv2-TC`, `SNMPv2-CONF` and `SNMP-FRAMEWORK-MIB`.
pub fn base_mibs() -> Result<PathBuf> {
    let given = std::env::var_os("OTTWATCH_MIBS").map(PathBuf::from);
    let usual = ["/usr/share/snmp/mibs", "/var/lib/mibs/ietf", "/usr/share/mibs/ietf"].map(PathBuf::from);
    let places = given.into_iter().chain([project().join(".cache/mibs")]).chain(usual);
    for place in places {
        if place.join("SNMPv2-SMI").exists() && place.join("SNMP-FRAMEWORK-MIB").exists() {
            return Ok(place);
        }
    }
    bail!("the base MIB modules are missing: run scripts/setup.sh test, or set OTTWATCH_MIBS to a folder with them")
}
