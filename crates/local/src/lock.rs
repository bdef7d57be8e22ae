//! Two locks per server folder. `owner` is ours alone: a second ottwatch on the same folder is told at once.
//! `running` is inherited by the server: it stays locked until the last process of an earlier run is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::{LocalError, sys};

const LONGEST_SHUTDOWN: Duration = Duration::from_secs(15);

/// Held for as long as the value lives.
#[derive(Debug)]
pub struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    pub fn acquire(folder: &Path) -> Result<Self, LocalError> {
        let mut file = open(&folder.join("owner.lock"))?;
        if !sys::try_lock(&file).map_err(LocalError::folder(folder))? {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() };
            return Err(LocalError::InUse { home: folder.to_owned(), holder });
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(LocalError::folder(folder))?;
        Ok(Self { _file: file })
    }
}

/// The lock file for a new server process, once no process of an earlier run holds it.
pub fn acquire_running(name: &'static str, folder: &Path) -> Result<File, LocalError> {
    let file = open(&folder.join("running.lock"))?;
    let start = Instant::now();
    while !sys::try_lock(&file).map_err(LocalError::folder(folder))? {
        if start.elapsed() > LONGEST_SHUTDOWN {
            return Err(LocalError::StillRunning { name, home: folder.to_owned(), waited: LONGEST_SHUTDOWN });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(file)
}

fn open(path: &Path) -> Result<File, LocalError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(LocalError::folder(folder))?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(LocalError::folder(path))
}
