//! Developer commands: `cargo xtask check` runs all that continuous integration runs, the others are its parts.

mod deps;
#[cfg(test)]
mod documents;
mod generate;
mod reference;
mod run;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask <command>

  check          format, lints, crate edges, licences, generated files, tests: what continuous integration runs
  fmt            format all code
  lint           clippy over everything, warnings are errors
  deps           allowed crate edges, homes of client libraries, licences, banned and duplicate dependencies
  gen            write schemas/ and docs/ that come from code
  gen --check    fail when a generated file is not up to date
  faults [NAME]  play the faults of the origin in virtual time, say what found each; --write makes docs/faults.md
  test [ARGS]    all tests (cargo nextest where installed); ARGS go to the test runner
";

fn main() -> Result<()> {
    std::env::set_current_dir(run::root())?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["check"] => {
            run::step("format", || run::cargo(&["fmt", "--all", "--check"]))?;
            run::step("dependencies", deps::check)?;
            run::step("lint", lint)?;
            run::step("generated files", || generate::run(generate::Mode::Check))?;
            run::step("tests", || test(&[]))
        }
        ["fmt"] => run::cargo(&["fmt", "--all"]),
        ["lint"] => lint(),
        ["deps"] => deps::check(),
        ["gen"] => generate::run(generate::Mode::Write),
        ["gen", "--check"] => generate::run(generate::Mode::Check),
        ["faults", rest @ ..] => faults(rest),
        ["test", rest @ ..] => test(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("unknown command {:?}\n\n{HELP}", other.join(" ")),
    }
}

fn lint() -> Result<()> {
    run::cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}

/// A program of its own, because it links the fetcher.
fn faults(args: &[&str]) -> Result<()> {
    let mut command = vec!["run", "--quiet", "--locked", "--package", "ow-faults", "--"];
    command.extend_from_slice(args);
    run::cargo(&command)
}

/// The services' binary is built first: the end-to-end tests start it as processes.
fn test(args: &[&str]) -> Result<()> {
    run::cargo(&["build", "--package", "ottwatch"])?;
    let nextest = run::succeeds("cargo", &["nextest", "--version"]);
    let mut command =
        if nextest { vec!["nextest", "run", "--workspace"] } else { vec!["test", "--workspace", "--no-fail-fast"] };
    command.extend_from_slice(args);
    run::cargo(&command)
}
