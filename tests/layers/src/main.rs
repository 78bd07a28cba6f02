//! The command: which crates to check, and what to print of each.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use idempotent_layers::check;

const USAGE: &str = "\
Fails when an import runs against the layers, or in a circle.

Usage: cargo run -q -p idempotent-layers -- [--crate DIR]... [--arrows] [--verbose]

  --crate DIR   check this crate instead of those of the workspace
  --arrows      print every arrow from file to file
  --verbose     print every path that was skipped
";

#[derive(Default)]
struct Options {
    crates: Vec<PathBuf>,
    arrows: bool,
    verbose: bool,
}

fn main() -> ExitCode {
    let options = match options(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprint!("{mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut passed = true;
    for directory in &options.crates {
        match check(directory) {
            Ok(report) => {
                if options.arrows {
                    print!("{}", report.arrows());
                }
                if options.verbose {
                    print!("{}", report.skipped());
                }
                print!("{}", report.verdict());
                passed &= report.passed();
            }
            Err(error) => {
                eprintln!("{error}");
                passed = false;
            }
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the command line says, or nothing where it asks for help.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--crate" => match arguments.next() {
                Some(directory) => options.crates.push(directory.into()),
                None => return Err("--crate needs a directory".to_owned()),
            },
            "--arrows" => options.arrows = true,
            "--verbose" => options.verbose = true,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument: {other}")),
        }
    }
    if options.crates.is_empty() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let crates = ["idempotent-core", "idempotent-macros"];
        let adapters = ["adapters/idempotent-kafka", "adapters/idempotent-rabbitmq"];
        let folders = crates.into_iter().chain(adapters);
        options.crates = folders.map(|folder| workspace.join(folder)).collect();
    }
    Ok(Some(options))
}
