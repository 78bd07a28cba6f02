//! Who can read the files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use idempotent_core::backends::SqliteStore;
use idempotent_tests::Attempt;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

/// Each file of a folder, and its permissions.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut modes: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let mode = fs::metadata(file.path()).unwrap().permissions().mode() & 0o777;
            (file.file_name().into_string().unwrap(), mode)
        })
        .collect();
    modes.sort();
    modes
}

/// A record, and everything that `SQLite` writes for one.
async fn write(store: &SqliteStore) {
    let attempt = Attempt::new();
    let owner = attempt.win(store).await;
    attempt.record(store, &owner, b"receipt").await;
}

fn in_a_folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.db");
    (folder, file)
}

#[tokio::test]
async fn only_the_owner_can_read_what_the_store_creates() {
    let (folder, file) = in_a_folder();
    let store = SqliteStore::connect(&file).await.unwrap();
    write(&store).await;
    let expected = ["calls.db", "calls.db-shm", "calls.db-wal"].map(|it| (it.to_owned(), 0o600));
    assert_eq!(modes(folder.path()), expected);
    store.close().await;
    // Again, on a file that is there.
    let store = SqliteStore::connect(&file).await.unwrap();
    write(&store).await;
    assert_eq!(modes(folder.path()), expected);
}

#[tokio::test]
async fn a_journal_in_place_of_the_log_is_as_private() {
    let (folder, file) = in_a_folder();
    SqliteStore::connect(&file).await.unwrap().close().await;
    let options = SqliteConnectOptions::new().filename(&file);
    let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Persist);
    let store = SqliteStore::connect(options).await.unwrap();
    write(&store).await;
    let journal = ("calls.db-journal".to_owned(), 0o600);
    assert!(modes(folder.path()).contains(&journal), "{:?}", modes(folder.path()));
}

#[tokio::test]
async fn a_file_that_is_there_keeps_its_permissions_and_its_contents() {
    let (folder, file) = in_a_folder();
    let store = SqliteStore::connect(&file).await.unwrap();
    write(&store).await;
    store.close().await;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
    let store = SqliteStore::connect(&file).await.unwrap();
    write(&store).await;
    assert!(modes(folder.path()).iter().all(|(_, mode)| *mode == 0o660));
    let page = idempotent_core::Store::scan(&store, &idempotent_core::store::Scan::all()).await;
    assert_eq!(page.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn a_link_to_a_file_that_is_not_there_yet_is_followed() {
    let (folder, file) = in_a_folder();
    fs::create_dir(folder.path().join("data")).unwrap();
    symlink("data/real.db", &file).unwrap();
    let store = SqliteStore::connect(&file).await.unwrap();
    write(&store).await;
    let real = modes(&folder.path().join("data"));
    assert!(!real.is_empty() && real.iter().all(|(_, mode)| *mode == 0o600), "{real:?}");
}
