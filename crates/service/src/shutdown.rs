//! One shutdown token per process.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once with code 130.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let cancel = token.clone();
    tokio::spawn(async move {
        let mut n_signals = 0;
        loop {
            tokio::select! {
                got = term.recv() => if got.is_none() { return },
                got = int.recv() => if got.is_none() { return },
            }
            n_signals += 1;
            if n_signals > 1 {
                std::process::exit(130);
            }
            cancel.cancel();
        }
    });
    Ok(token)
}
