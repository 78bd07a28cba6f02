//! Tables: one row of text a row of runs.

use super::Summary;
use crate::checker::Cause;
use crate::ledger::Disturbance;

const HEADS: [&str; 13] = [
    "row",
    "seeds",
    "answers",
    "effects",
    "replays",
    "refused",
    "indeterminate",
    "duplicates",
    "owner killed / paused / server fault / unexplained",
    "usable again within",
    "begins cancelled / found open / connections held",
    "promised",
    "kept",
];

fn cells(summary: &Summary) -> [String; 13] {
    let causes = Cause::ALL.map(|cause| summary.cause(cause).to_string()).join(" / ");
    let duplicates = match summary.seeds_with_duplicates {
        0 => "0".to_owned(),
        seeds => format!("{} in {seeds} seeds", summary.duplicates),
    };
    let recovery =
        summary.recovery.map_or_else(|| "-".to_owned(), |took| format!("{} ms", took.as_millis()));
    let Disturbance { cancelled, left_open, held } = summary.disturbance;
    let disturbance = format!("{cancelled} / {left_open} / {held}");
    let kept = match (summary.broken.len(), summary.failed.len()) {
        (0, 0) => "yes".to_owned(),
        (0, failed) => format!("{failed} seeds failed"),
        (broken, _) => format!("NO, in {broken} seeds"),
    };
    [
        summary.row.clone(),
        summary.seeds.to_string(),
        summary.answers.to_string(),
        summary.effects.to_string(),
        summary.replayed.to_string(),
        summary.refusals().to_string(),
        summary.indeterminate.to_string(),
        duplicates,
        causes,
        recovery,
        disturbance,
        summary.promise.to_owned(),
        kept,
    ]
}

/// For documents.
pub(crate) fn markdown(summaries: &[Summary]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&HEADS.map(str::to_owned));
    table.push_str(&line(&HEADS.map(|_| "---".to_owned())));
    summaries.iter().for_each(|summary| table.push_str(&line(&cells(summary))));
    table
}

/// For people.
pub(crate) fn plain(summaries: &[Summary]) -> String {
    let mut rows = vec![HEADS.map(|head| short(head).to_owned())];
    rows.extend(summaries.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |row: &[String; 13]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn short(head: &str) -> &str {
    match head {
        "owner killed / paused / server fault / unexplained" => "killed/paused/server/?",
        "begins cancelled / found open / connections held" => "cancelled/open/held",
        head => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::rows;

    #[test]
    fn both_tables_have_a_line_a_row_and_name_what_was_broken() {
        let mut summaries: Vec<_> = rows().iter().take(2).map(Summary::of).collect();
        summaries[1].broken.push(super::super::Broken { seed: 3, how: vec!["so".to_owned()] });
        summaries[1].by_cause.insert(Cause::Unexplained, 2);

        assert_eq!(markdown(&summaries).lines().count(), 4);
        assert!(markdown(&summaries).contains("| 0 / 0 / 0 / 2 |"));
        let plain = plain(&summaries);
        assert_eq!(plain.lines().count(), 3);
        assert!(plain.lines().nth(1).is_some_and(|line| line.ends_with("yes")));
        assert!(plain.lines().nth(2).is_some_and(|line| line.ends_with("NO, in 1 seeds")));
    }
}
