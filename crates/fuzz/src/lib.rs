//! Mutation of inputs, for the fuzz targets of the parsers (`cargo run -p ow-hls --example fuzz -- --for 600s`).
//!
//! It works on the stable compiler and without instrumentation: what leads to new ground is told by the *shape* that the
//! target answers (which facts and issues there were), and inputs of a new shape are mutated further. It refuses to
//! know any format; the target brings the words and numbers of its own. Start reading at [`Fuzz::run`].

mod mutate;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub use mutate::{Dice, mutate};

/// Inputs beside the corpus that are kept to start from.
const MAX_KEPT: usize = 1024;
const MAX_INPUT: usize = 64 << 10;
/// A run ends after so many findings.
const MAX_FINDINGS: usize = 10;
/// An input made anew, where the target can make one, every so many mutations.
const FRESH_EVERY: u64 = 64;

/// One fuzz target.
pub struct Fuzz<'a> {
    /// Folder of files to start from; `.md` is prose about them.
    pub corpus: PathBuf,
    /// Pieces of text that mean something to the parser. Empty for binary formats.
    pub words: &'a [&'a str],
    /// Inputs made anew, if the target can.
    pub generate: Option<&'a mut dyn FnMut() -> Vec<u8>>,
}

struct Options {
    time: Duration,
    seed: u64,
    /// Where inputs are written that showed something.
    out: PathBuf,
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut options = Self { time: Duration::from_secs(60), seed: 1, out: std::env::temp_dir() };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} has no value"))?;
            let number = || value.trim_end_matches('s').parse().map_err(|_| format!("{name} {value}: a number, as 60"));
            match name.as_str() {
                "--for" => options.time = Duration::from_secs(number()?),
                "--seed" => options.seed = number()?,
                "--out" => options.out = PathBuf::from(value),
                _ => return Err(format!("{name} is not known")),
            }
        }
        Ok(options)
    }
}

impl Fuzz<'_> {
    /// Runs by the arguments of the process. `exercise` asks everything of one input and answers its shape, or what is
    /// wrong; a panic counts as wrong. Ends with failure when something was found.
    pub fn run(mut self, mut exercise: impl FnMut(&[u8], &mut Dice) -> Result<String, String>) -> ExitCode {
        let options = match Options::read() {
            Ok(options) => options,
            Err(wrong) => {
                eprintln!("{wrong}\nusage: fuzz [--for 60s] [--seed 1] [--out FOLDER]");
                return ExitCode::from(2);
            }
        };
        let mut dice = Dice::new(options.seed);
        let mut inputs = self.corpus();
        let most = inputs.len() + MAX_KEPT;
        let mut shapes = BTreeSet::new();
        let (start, mut n, mut n_bytes, mut n_found) = (Instant::now(), 0_u64, 0_u64, 0);
        while start.elapsed() < options.time && n_found < MAX_FINDINGS {
            let body = match &mut self.generate {
                Some(generate) if n % FRESH_EVERY == 0 => generate(),
                _ => {
                    let (base, other) = (dice.below(inputs.len()), dice.below(inputs.len()));
                    mutate(&mut dice, inputs[base].clone(), &inputs[other], self.words, MAX_INPUT)
                }
            };
            n += 1;
            n_bytes += body.len() as u64;
            let outcome = catch_unwind(AssertUnwindSafe(|| exercise(&body, &mut dice)));
            match outcome.unwrap_or_else(|_| Err("panic".to_owned())) {
                Err(what) => {
                    n_found += 1;
                    let path = options.out.join(format!("fuzz-{}-{n}", options.seed));
                    let kept = std::fs::write(&path, &body);
                    eprintln!("input {n}: {what}\n{}: {kept:?}", path.display());
                }
                Ok(shape) => {
                    if inputs.len() < most && shapes.insert(shape) {
                        inputs.push(body);
                    }
                }
            }
        }
        println!(
            "{n} inputs, {} MB, {} shapes in {:.0} s, {n_found} findings",
            n_bytes >> 20,
            shapes.len(),
            start.elapsed().as_secs_f64()
        );
        ExitCode::from(u8::from(n_found > 0))
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(&self.corpus).expect("the folder of the corpus");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let inputs = paths.iter().filter(|path| path.extension().is_none_or(|e| e != "md"));
        inputs.map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
    }
}
