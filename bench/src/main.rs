//! Measures what the design promises, on this machine, in about a minute and a half: `make bench`.
//!
//! The probe is compared with `wrk` on the same bytes of the same origin in the same round, as the machine around them
//! is the same then; the figure that a promise rests on is CPU time per request of the client alone. It asserts
//! nothing: figures are for people to read. Start reading at [`measure`].

mod bus;
mod cpu;
mod judge;
mod lists;
mod media;
mod objects;
mod probe;
mod replay;
mod wrk;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Argument with which the program starts itself as the origin.
const ORIGIN: &str = "origin";
const ROUNDS: usize = 3;
const SECONDS: u64 = 3;
const MEDIA_TIME: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure(true),
        ["--no-bus"] => measure(false),
        ["--replay"] => {
            print!("{}", replay::run()?);
            Ok(())
        }
        ["--lists"] => {
            print!("{}", lists::run()?);
            Ok(())
        }
        [ORIGIN] => serve(),
        _ => bail!("usage: ow-bench [--no-bus | --replay | --lists]"),
    }
}

fn measure(with_bus: bool) -> Result<()> {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores, load average before: {}\n", load.split(' ').next().unwrap_or("unknown"));
    let origin = Origin::start()?;
    let objects = objects::find(&origin.url)?;
    println!("## Probe against wrk\n");
    println!("One client thread, 32 connections, {ROUNDS} rounds of {SECONDS} s each, alternately; medians.\n");
    println!(
        "| object | bytes | wrk req/s | probe req/s | ratio | probe MB/s | wrk CPU µs/req | probe CPU µs/req | probe req/s on a whole core |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for object in &objects {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let wrk = wrk::run(&object.url, Duration::from_secs(SECONDS))?;
            let probe = probe::run(object, Duration::from_secs(SECONDS))?;
            rounds.push((wrk, probe));
        }
        let of = |value: &dyn Fn(&(cpu::Rate, cpu::Rate)) -> f64| median(rounds.iter().map(value).collect());
        let probe_cpu = of(&|r| r.1.cpu_us());
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {probe_cpu:.0} | {:.0} |",
            object.name,
            object.bytes.len(),
            of(&|r| r.0.per_second()),
            of(&|r| r.1.per_second()),
            of(&|r| r.1.per_second() / r.0.per_second()),
            of(&|r| r.1.per_second()) * object.bytes.len() as f64 / 1e6,
            of(&|r| r.0.cpu_us()),
            1e6 / probe_cpu,
        );
        std::io::stdout().flush()?;
    }
    drop(origin);
    println!("\n## Media parser and digest, CPU time\n");
    println!("| object | parser µs | parser GB/s | SHA-256 µs | SHA-256 GB/s |\n|---|---|---|---|---|");
    for object in objects.iter().filter(|o| o.is_segment) {
        let (parse, digest) = (media::parse(object, MEDIA_TIME), media::digest(object, MEDIA_TIME));
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let rate = |time: Duration| object.bytes.len() as f64 / time.as_secs_f64() / 1e9;
        println!(
            "| {} | {:.1} | {:.2} | {:.1} | {:.2} |",
            object.name,
            us(parse),
            rate(parse),
            us(digest),
            rate(digest)
        );
    }
    println!("\n## Judge, CPU time\n");
    print!("{}", judge::run()?);
    println!("\n## Replay of a bundle, CPU time\n");
    print!("{}", replay::run()?);
    if with_bus {
        println!("\n## Bus: capture published to verdict received, one at a time\n");
        print!("{}", bus::run()?);
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The origin as a process of its own, so that its CPU time is not the client's. Ends with its standard input.
struct Origin {
    child: Child,
    url: String,
}

impl Origin {
    fn start() -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let command = Command::new(program).arg(ORIGIN).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = command.context("start the origin")?;
        let mut url = String::new();
        let stdout = child.stdout.take().context("the origin has no output")?;
        BufReader::new(stdout).read_line(&mut url).context("read the address of the origin")?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends.
fn serve() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        // Segments stay listed for longer than the measurement takes.
        let config = ow_origin::OriginConfig { window_segments: 200, ..Default::default() };
        let origin = ow_origin::start(config).await?;
        println!("{}", origin.url(""));
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        origin.shutdown().await;
        Ok(())
    })
}
