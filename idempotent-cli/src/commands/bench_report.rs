//! What `bench` has measured: percentiles and rates, as a table and as a document.

use std::time::Duration;

use super::bench::OPERATION;
use crate::args::Bench;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{BenchRowDocument, Document, Style, clean, grouped};

/// Below this width the remarks are left out.
const WIDE: usize = 104;

/// Latencies, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<u32>);

/// What was measured of one request.
#[derive(Debug)]
pub(super) struct Row {
    what: &'static str,
    remark: String,
    count: u64,
    per_second: f64,
    /// The 50th, 95th and 99th percentile, and the longest.
    millis: [f64; 4],
}

impl Samples {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(super) fn row(mut self, what: &'static str, remark: &str, took: Duration) -> Row {
        self.0.sort_unstable();
        // The nearest rank: of few samples, the slowest.
        let at = |percent: usize| {
            let rank = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
            self.0.get(rank).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        let count = self.0.len() as u64;
        let per_second = (count as f64 / took.as_secs_f64().max(0.001)).round();
        let millis = [at(50), at(95), at(99), at(100)];
        Row { what, remark: remark.to_owned(), count, per_second, millis }
    }
}

pub(super) fn report(
    context: &mut Context,
    place: &str,
    arguments: &Bench,
    rows: &[Row],
    (purged, left): (u64, u64),
    is_complete: bool,
) -> Result<(), Failure> {
    if context.is_json() {
        let rows = rows.iter().map(|row| BenchRowDocument {
            what: row.what,
            count: row.count,
            per_second: row.per_second,
            p50_ms: row.millis[0],
            p95_ms: row.millis[1],
            p99_ms: row.millis[2],
            max_ms: row.millis[3],
        });
        let document = Document::Bench {
            store: place.to_owned(),
            operation: OPERATION,
            tasks: arguments.tasks,
            result_bytes: arguments.result_bytes,
            complete: is_complete,
            rows: rows.collect(),
            purged,
            left,
        };
        return context.output.line(document.to_line());
    }
    let output = &mut context.output;
    let is_wide = output.width().is_none_or(|width| width >= WIDE);
    let is_narrow = output.width().is_some_and(|width| width < 56);
    let (tasks, bytes) = (arguments.tasks, arguments.result_bytes);
    let tasks = if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") };
    output.line(format_args!("{}: {tasks}, results of {bytes} bytes", clean(place)))?;
    let header = match is_narrow {
        true => format!("{:14}{:>8}{:>8}{:>8}", "", "PER S", "P50 MS", "P99 MS"),
        false => format!(
            "{:14}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}",
            "", "PER S", "P50 MS", "P95 MS", "P99 MS", "MAX MS"
        ),
    };
    output.line(output.styled(Style::Bold, header))?;
    for row in rows {
        let per_second = grouped(row.per_second as u64);
        let [p50, p95, p99, max] = row.millis;
        let what = row.what;
        if is_narrow {
            output.line(format_args!("{what:14}{per_second:>8}{p50:>8.2}{p99:>8.2}"))?;
            continue;
        }
        let remark = if is_wide { format!("  {}", row.remark) } else { String::new() };
        let line = format!(
            "{what:14}  {per_second:>8}  {p50:>8.2}  {p95:>8.2}  {p99:>8.2}  {max:>8.2}{remark}"
        );
        output.line(line.trim_end())?;
    }
    output.line(format_args!("{} records of {OPERATION} were written and purged", grouped(purged)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_samples_the_slowest_is_the_99th_percentile() {
        for count in [1, 2, 50] {
            let mut samples = Samples::default();
            for millis in 1..=count {
                samples.add(Duration::from_millis(millis));
            }
            let row = samples.row("reserve", "", Duration::from_secs(1));
            assert_eq!(row.millis[2], count as f64, "{count}");
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_measured() {
        let mut samples = Samples::default();
        for millis in (1..=100).rev() {
            samples.add(Duration::from_millis(millis));
        }
        let row = samples.row("reserve", "", Duration::from_secs(2));
        assert_eq!((row.count, row.per_second), (100, 50.0));
        assert_eq!(row.millis, [50.0, 95.0, 99.0, 100.0]);
    }

    #[test]
    fn nothing_measured_is_no_panic() {
        let row = Samples::default().row("reserve", "", Duration::ZERO);
        assert_eq!((row.count, row.millis), (0, [0.0; 4]));
    }
}
