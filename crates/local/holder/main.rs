//! Starts both servers on the home given, prints their process ids, and holds them until its input ends.

use std::io::Read;

use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};

fn main() {
    let home = std::env::args().nth(1).expect("usage: ow-local-holder HOME");
    // On a thread that ends at once: the servers must not end with it.
    let servers = std::thread::spawn(move || {
        let nats = LocalNats::start(NatsOptions::new(&home))?;
        let postgres = LocalPostgres::start(PgOptions { fast_tests: true, ..PgOptions::new(&home) })?;
        Ok::<_, ow_local::LocalError>((nats, postgres))
    })
    .join()
    .expect("the starting thread does not panic");
    match servers {
        Ok((nats, postgres)) => {
            println!("{} {}", nats.pid(), postgres.pid());
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
