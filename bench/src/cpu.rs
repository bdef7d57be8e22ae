//! What a run cost.

use std::time::Duration;

/// Requests of one run, its time on the wall and on the CPU.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub n: u64,
    pub wall: Duration,
    pub cpu: Duration,
}

impl Rate {
    pub fn per_second(&self) -> f64 {
        self.n as f64 / self.wall.as_secs_f64()
    }
    /// CPU microseconds of the client per request, user and system.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.n.max(1) as f64
    }
}

/// CPU time so far, user and system.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    ThisThread,
    /// Of those that have ended and were waited for.
    Children,
}

pub fn used(of: Of) -> Duration {
    let who = match of {
        Of::ThisThread => libc::RUSAGE_THREAD,
        Of::Children => libc::RUSAGE_CHILDREN,
    };
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    #[expect(
        unsafe_code,
        reason = "getrusage has no safe form in std; it writes one struct that all zeroes are valid for"
    )]
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn time(value: libc::timeval) -> Duration {
    Duration::from_micros(
        u64::try_from(value.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(value.tv_usec).unwrap_or(0),
    )
}
