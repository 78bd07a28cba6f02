//! What the documentation, the alert rules and the dashboard say of metrics is what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use idempotent_servers::{Server, require};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The texts of all files of Rust below a folder.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}

/// The names of metrics that a text has.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("idempotent_") && *word != "idempotent_core");
    names.map(str::to_owned).collect()
}

/// Every metric of the crate, with its kind, as the code records it.
fn recorded() -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    for text in sources(&root().join("idempotent-core/src")) {
        for (call, kind) in [
            ("metrics::counter!(", "counter"),
            ("count(", "counter"),
            ("metrics::gauge!(", "gauge"),
            ("metrics::histogram!(", "histogram"),
        ] {
            for (at, _) in text.match_indices(call) {
                let rest = text[at + call.len()..].trim_start();
                let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next())
                else {
                    continue;
                };
                if name.starts_with("idempotent_") {
                    found.insert(name.to_owned(), kind);
                }
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The series of all metrics, as Prometheus has them.
fn series() -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    for (name, kind) in recorded() {
        if kind == "histogram" {
            series.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        } else {
            series.insert(name);
        }
    }
    series
}

/// The metrics of a table in a text, with their kinds.
fn tabled(text: &str) -> BTreeMap<String, String> {
    let rows = text.lines().filter_map(|line| {
        let line = line.trim_start_matches("//!").trim();
        let mut cells = line.strip_prefix("| `idempotent_")?.split('|').map(str::trim);
        let name = format!("idempotent_{}", cells.next()?.trim_matches('`'));
        Some((name, cells.next()?.to_owned()))
    });
    rows.collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("examples/observability/dashboard.json")).expect("it is JSON")
}

/// The expressions of the dashboard, with its variables in place.
fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let replaced = expressions.map(|expression| {
        let expression = expression.replace("$operation", ".*");
        expression.replace("$__rate_interval", "5m").replace("$__range", "6h")
    });
    replaced.collect()
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_exist() {
    let series = series();
    for text in [read("examples/observability/alerts.yml"), expressions().join("\n")] {
        let unknown: Vec<_> = names(&text).difference(&series).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn the_dashboard_shows_every_metric_of_calls_and_consumers() {
    let shown = names(&expressions().join("\n"));
    let missing: Vec<_> = recorded()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("idempotent_outbox"))
        .filter(|(name, kind)| match *kind {
            "histogram" => !shown.contains(&format!("{name}_bucket")),
            _ => !shown.contains(name),
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_pages_list_exactly_the_metrics_of_the_engine() {
    let is_elsewhere = |name: &str| {
        ["idempotent_outbox", "idempotent_client", "idempotent_consumer"]
            .iter()
            .any(|elsewhere| name.starts_with(elsewhere))
    };
    let engine: BTreeMap<_, _> = recorded()
        .into_iter()
        .filter(|(name, _)| !is_elsewhere(name))
        .map(|(name, kind)| (name, kind.to_owned()))
        .collect();
    for page in ["idempotent-core/src/lib.rs", "idempotent-core/src/guide/production.md"] {
        assert_eq!(tabled(&read(page)), engine, "{page}");
    }
    let client = read("idempotent-core/src/client/mod.rs");
    for (name, _) in recorded().iter().filter(|(name, _)| name.starts_with("idempotent_client")) {
        assert!(client.contains(name.as_str()), "{name}");
    }
}

#[test]
fn the_page_of_consumers_lists_exactly_their_metrics() {
    let recorded = recorded().into_iter();
    let recorded = recorded.filter(|(name, _)| name.starts_with("idempotent_consumer"));
    let recorded: BTreeMap<_, _> = recorded.map(|(name, kind)| (name, kind.to_owned())).collect();
    let tabled = tabled(&read("idempotent-core/src/consumer/mod.rs")).into_iter();
    let kind = |text: String| text.split(',').next().unwrap_or_default().to_owned();
    let tabled: BTreeMap<_, _> = tabled.map(|(name, text)| (name, kind(text))).collect();
    assert_eq!(tabled, recorded);
    assert!(recorded.len() > 6, "{recorded:?}");
}

#[test]
fn the_guide_has_the_rules_of_the_example() {
    let rules = read("examples/observability/alerts.yml");
    let rules = &rules[rules.find("groups:").unwrap()..];
    assert!(read("idempotent-core/src/guide/production.md").contains(rules));
}

/// The sections of the runbook's pages, each from its heading to the next one.
fn sections_of_the_runbook() -> Vec<String> {
    let pages = ["runbook.md", "runbook_of_messages.md"];
    let pages = pages.map(|page| read(&format!("idempotent-core/src/guide/{page}")));
    pages
        .iter()
        .flat_map(|page| page.split("\n# ").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn each_alert_has_a_section_that_ends_with_what_to_type_and_to_look_for() {
    let rules = read("examples/observability/alerts.yml");
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let sections = sections_of_the_runbook();
    for alert in alerts {
        let heading = format!("`{alert}`");
        let section = sections.iter().find(|it| it.lines().next().unwrap().contains(&heading));
        let section = section.unwrap_or_else(|| panic!("the runbook has no section for {alert}"));
        let (_, after) = section.split_once("Afterwards").unwrap_or_else(|| panic!("{alert}"));
        assert!(after.contains("```sh\n"), "{alert}: what is to be looked at afterwards?");
    }
}

#[test]
fn what_the_runbook_has_in_a_block_can_be_pasted() {
    let pages = ["runbook.md", "runbook_of_messages.md", "when_a_call_is_in_doubt.md"];
    for page in pages {
        let text = read(&format!("idempotent-core/src/guide/{page}"));
        let blocks: Vec<_> = text.split("```sh\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{page}");
        for block in blocks {
            let (block, _) = block.split_once("```").expect("it ends");
            let lines = block.lines().map(str::trim_start);
            let wrong: Vec<_> =
                lines.filter(|line| line.starts_with("$ ") || line.contains('…')).collect();
            assert!(wrong.is_empty(), "{page}: {wrong:?}");
            // Whether a shell understands it.
            let parsed = Command::new("sh").args(["-n", "-c", block]).status().expect("a shell");
            assert!(parsed.success(), "{page}: {block}");
        }
    }
}

#[test]
fn the_rules_look_for_outcomes_and_dispositions_that_exist() {
    let text = read("examples/observability/alerts.yml") + &expressions().join("\n");
    let guide = read("idempotent-core/src/guide/production.md");
    let codes = read("idempotent-core/src/error.rs");
    for label in ["outcome=", "outcome=~", "disposition=", "disposition!="] {
        for (at, _) in text.match_indices(&format!("{label}\"")) {
            let values = text[at + label.len() + 1..].split('"').next().unwrap();
            for value in values.split('|') {
                let row = guide.contains(&format!("| `{value}` |"));
                let code = codes.contains(&format!("=> \"{value}\""));
                assert!(row || code, "{label}{value}");
            }
        }
    }
}

/// What Grafana needs of a dashboard: panels with ids and places of their own, and a source for each query.
#[test]
fn the_dashboard_has_the_shape_of_one() {
    let dashboard = dashboard();
    for field in ["title", "uid", "schemaVersion", "time", "templating"] {
        assert!(!dashboard[field].is_null(), "{field}");
    }
    let variables: Vec<_> = dashboard["templating"]["list"].as_array().unwrap().iter().collect();
    let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "operation"]);
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        assert!(["timeseries", "stat"].contains(&panel["type"].as_str().unwrap()), "{title}");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}: it is not in the grid");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title}: its place is taken");
        }
        let mut letters = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(letters.insert(target["refId"].as_str().unwrap().to_owned()), "{title}");
        }
    }
}

/// `promtool`, with what it says if it refuses.
fn promtool(arguments: &[&str]) {
    let program = Server::Promtool.find().expect("it is required");
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_takes_every_rule_and_every_expression_of_the_dashboard() {
    require!(Server::Promtool);
    let rules = root().join("examples/observability/alerts.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()]);
    let folder = tempfile::TempDir::new().unwrap();
    let mut recorded = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (at, expression) in expressions().iter().enumerate() {
        let expression = Value::from(expression.as_str());
        recorded += &format!("      - record: panel:{at}\n        expr: {expression}\n");
    }
    let file = folder.path().join("dashboard.yml");
    fs::write(&file, recorded).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
}

/// A rule may be valid and never fire, for instance where one of two series is missing.
#[test]
fn promtool_sees_the_rules_fire() {
    require!(Server::Promtool);
    promtool(&[
        "test",
        "rules",
        root().join("tests/tests/telemetry/alerts_test.yml").to_str().unwrap(),
    ]);
}
