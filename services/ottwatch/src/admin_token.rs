//! The administrator's token of a private installation: made once, kept in its folder, readable by its owner only.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ow_service::Secret;

/// Name of the file in `--home`.
const FILE: &str = "api-token";

/// The token of this folder and its file; made when there is none yet.
pub fn of(home: &Path) -> std::io::Result<(Secret, PathBuf)> {
    // Clients may run in another folder.
    let path = std::path::absolute(home.join(FILE))?;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let token = ow_api::random_secret().map_err(std::io::Error::other)?;
            file.write_all(format!("{token}\n").as_bytes())?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let token = Secret::from_file(&path).map_err(std::io::Error::other)?;
    Ok((token, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let (token, path) = of(home.path()).unwrap();
        assert!(token.reveal().len() >= 32);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(of(home.path()).unwrap().0.reveal(), token.reveal());
        assert_ne!(of(tempfile::tempdir().unwrap().path()).unwrap().0.reveal(), token.reveal());
    }
}
