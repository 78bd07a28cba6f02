//! What a source that is no source is answered: what to write.

use idempotent_core::backends::{PostgresStore, RedisSource, RedisStore, SqliteStore};
use idempotent_core::store::StoreErrorKind;

#[tokio::test]
async fn a_url_of_redis_without_its_scheme_is_told_what_to_write() {
    for (url, text) in [
        ("localhost:6379", "redis: the URL has no scheme: write redis://localhost:6379"),
        (
            "http://localhost:6379/",
            "redis: the URL begins with http://, which is not redis: write redis://localhost:6379/",
        ),
        (
            "shop:hunter2@localhost:6379/1",
            "redis: the URL has no scheme: write redis://…@localhost:6379/1",
        ),
        ("hunter2", "redis: the URL has no scheme: write redis://host:port"),
    ] {
        let error = RedisStore::connect(url).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (StoreErrorKind::Unavailable, text.into()));
        assert_eq!(RedisStore::builder(url).connect_lazy().unwrap_err().to_string(), text);
    }
    for source in
        [RedisSource::cluster(["localhost:1"]), RedisSource::sentinel(["localhost:1"], "a")]
    {
        let error = RedisStore::connect(source).await.unwrap_err().to_string();
        assert_eq!(error, "redis: the URL has no scheme: write redis://localhost:1");
    }
}

#[tokio::test]
async fn a_url_of_postgres_without_its_scheme_is_told_what_to_write() {
    for (url, text) in [
        (
            "localhost:5432/shop",
            "postgres: the URL has no scheme: write postgres://localhost:5432/shop",
        ),
        (
            "postgre://localhost:5432/shop",
            "postgres: the URL begins with postgre://, which is not postgres: write postgres://localhost:5432/shop",
        ),
        (
            "http://shop:hunter2@localhost/shop",
            "postgres: the URL begins with http://, which is not postgres: write postgres://…@localhost/shop",
        ),
        ("hunter2", "postgres: the URL has no scheme: write postgres://host:port"),
    ] {
        assert_eq!(PostgresStore::connect(url).await.unwrap_err().to_string(), text);
    }
}

#[tokio::test]
async fn what_is_no_path_of_a_file_is_told_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let (here, missing) = (folder.path().display(), folder.path().join("missing"));
    let missing = missing.display();
    for (path, text) in [
        (
            "sqlite:///var/calls.db".to_owned(),
            "sqlite: it takes the path of a file, and not a URL: write /var/calls.db".to_owned(),
        ),
        (
            "sqlite:calls.db?mode=rwc".to_owned(),
            "sqlite: it takes the path of a file, and not a URL: write calls.db".to_owned(),
        ),
        (
            "postgres://shop:hunter2@localhost/shop".to_owned(),
            "sqlite: it takes the path of a file, and not the URL of a server: write /path/to/calls.db".to_owned(),
        ),
        (
            here.to_string(),
            format!("sqlite file {here}: it is a folder: write {here}/calls.db"),
        ),
        (
            format!("{missing}/calls.db"),
            format!("sqlite file {missing}/calls.db: its folder {missing} does not exist: create it"),
        ),
    ] {
        assert_eq!(SqliteStore::connect(&path).await.unwrap_err().to_string(), text);
    }
}
