//! The few calls that std does not offer.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Effective user id of this process.
pub fn euid() -> u32 {
    #[expect(unsafe_code, reason = "geteuid has no precondition and cannot fail")]
    unsafe {
        libc::geteuid()
    }
}

/// Signals a process, or with a negative id a process group. A process that is gone is no error.
pub fn signal(pid: i32, signal: i32) {
    #[expect(unsafe_code, reason = "kill takes two integers; its failure (no such process) is what we want to ignore")]
    unsafe {
        libc::kill(pid, signal);
    }
}

/// Takes an exclusive lock without waiting; `Ok(false)` if someone else has it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    #[expect(unsafe_code, reason = "flock on a descriptor that `file` keeps open")]
    let result = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
}

/// Makes the child its own process group, lets it inherit `kept_open`, and has the kernel send it `death_signal` when
/// the thread that spawns it ends. std runs this after setuid, which would otherwise clear the death signal.
pub fn bind_to_parent(command: &mut Command, death_signal: i32, kept_open: &File) {
    command.process_group(0);
    let parent = std::process::id() as i32;
    let kept_open = kept_open.as_raw_fd();
    #[expect(unsafe_code, reason = "the closure runs between fork and exec: it makes only async-signal-safe calls")]
    unsafe {
        command.pre_exec(move || {
            if libc::fcntl(kept_open, libc::F_SETFD, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            if libc::prctl(libc::PR_SET_PDEATHSIG, death_signal as libc::c_ulong) == -1 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before prctl.
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}
