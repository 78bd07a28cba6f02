//! How often a server executed a command.

use idempotent_servers::Redis;

/// As the server counts it.
pub(crate) async fn calls(server: &Redis, command: &str) -> usize {
    let info = server.cli(&["INFO", "commandstats"]).await.to_string();
    let begin = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&begin)?.split(',').next());
    line.map_or(0, |calls| calls.parse().expect("a number"))
}
