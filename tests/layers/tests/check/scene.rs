//! A crate in a temporary folder, with the layers of idempotent-core.

use std::fs;
use std::path::{Path, PathBuf};

use idempotent_layers::{Report, check};

/// Checks a crate that consists of these files.
pub(crate) fn report(test: &str, files: &[(&str, &str)]) -> Report {
    let folder = written(test, "idempotent-core", files);
    check(&folder).expect("the crate is readable")
}

/// Why a crate that consists of these files fails, which it must.
pub(crate) fn failure(test: &str, files: &[(&str, &str)]) -> String {
    let report = report(test, files);
    assert!(!report.passed(), "it passed, with these arrows:\n{}", report.arrows());
    report.verdict()
}

/// The arrows of a crate that consists of these files, which must pass.
pub(crate) fn arrows(test: &str, files: &[(&str, &str)]) -> String {
    let report = report(test, files);
    assert!(report.passed(), "{}", report.verdict());
    report.arrows()
}

/// Writes a package into a folder of its own.
pub(crate) fn written(test: &str, package: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of an earlier run can be removed");
    }
    fs::create_dir_all(&folder).expect("the folder can be made");
    let manifest = format!("[package]\nname = \"{package}\"\n");
    fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
    for (file, text) in files {
        let path = folder.join("src").join(file);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("it can be made");
        fs::write(path, text).expect("a file can be written");
    }
    folder
}
