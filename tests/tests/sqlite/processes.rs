//! Several processes on one file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::database::Database;
use super::worker::{Said, Work, Worker};

const KEYS: u32 = 60;
const WORKERS: u32 = 4;

#[derive(Default)]
struct Books {
    /// Who ran a key.
    runs: BTreeMap<u32, Vec<u32>>,
    answers: BTreeMap<u32, Vec<String>>,
}

impl Books {
    fn note(&mut self, worker: u32, said: Said) {
        match said {
            Said::Ready => {}
            Said::Ran(key) => self.runs.entry(key).or_default().push(worker),
            Said::Answered(key, answer) => self.answers.entry(key).or_default().push(answer),
        }
    }
}

/// Workers that begin at the same moment.
async fn start_workers(database: &Database, lease: Duration) -> Vec<Worker> {
    let start = |name| Worker::start(&database.file(), name, Work::Each { keys: KEYS, lease });
    let mut workers: Vec<_> = (0..WORKERS).map(start).collect();
    for worker in &mut workers {
        assert_eq!(worker.says().await, Some(Said::Ready));
    }
    workers.iter_mut().for_each(Worker::go);
    workers
}

#[tokio::test]
async fn of_all_processes_that_call_a_key_one_runs_it_and_all_have_its_answer() {
    let database = Database::new();
    let mut books = Books::default();
    let mut workers = start_workers(&database, Duration::from_secs(60)).await;
    for (name, worker) in workers.iter_mut().enumerate() {
        worker.rest().await.into_iter().for_each(|said| books.note(name as u32, said));
    }
    assert_eq!(books.runs.len(), KEYS as usize);
    for (key, runs) in &books.runs {
        assert_eq!(runs.len(), 1, "key {key} was run by {runs:?}");
        let answers = &books.answers[key];
        assert_eq!(answers.len(), WORKERS as usize, "key {key}: {answers:?}");
        let answer = format!("order {key} by {}", runs[0]);
        assert!(answers.iter().all(|it| *it == answer), "key {key}: {answers:?}");
    }
    let workers: std::collections::BTreeSet<_> = books.runs.values().flatten().collect();
    assert!(workers.len() > 1, "they did not meet");
}

#[tokio::test]
async fn what_a_killed_process_had_begun_another_runs_and_nothing_else_runs_twice() {
    let database = Database::new();
    let mut books = Books::default();
    // The others wait for what the killed one leaves.
    let mut workers = start_workers(&database, Duration::from_secs(6)).await;
    let victim = &mut workers[0];
    for _ in 0..6 {
        books.note(0, victim.says().await.unwrap());
    }
    victim.kill();
    for (name, worker) in workers.iter_mut().enumerate() {
        worker.rest().await.into_iter().for_each(|said| books.note(name as u32, said));
    }
    assert_eq!(books.runs.len(), KEYS as usize);
    for (key, runs) in &books.runs {
        let (_, before) = runs.split_last().unwrap();
        assert!(before.len() <= 1 && before.iter().all(|it| *it == 0), "key {key}: {runs:?}");
        let answers = &books.answers[key];
        assert!(answers.iter().all(|it| *it == answers[0]), "key {key}: {answers:?}");
    }
}
