//! `ottwatch completion SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

/// The script for a shell, on standard output.
pub fn print(shell: Shell) {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::Cli::command(), "ottwatch", &mut out);
    // A closed pipe is the reader's wish.
    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), &out);
}
