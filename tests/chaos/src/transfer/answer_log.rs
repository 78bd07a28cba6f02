//! What a worker was told, in a file: a line is there before the worker goes on, and outlives its
//! `kill -9`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// A worker's own file.
#[derive(Debug)]
pub(super) struct AnswerLog(File);

impl AnswerLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    pub(super) fn answered(&self, number: u32, answer: i64) -> io::Result<()> {
        (&self.0).write_all(format!("ok {number} {answer}\n").as_bytes())
    }

    /// A call that ended otherwise, in one word.
    pub(super) fn not_answered(&self, number: u32, why: &str) -> io::Result<()> {
        (&self.0).write_all(format!("no {number} {why}\n").as_bytes())
    }

    /// A promise that was broken.
    pub(super) fn broken(&self, number: u32, what: &str) -> io::Result<()> {
        (&self.0).write_all(format!("broken {number} {what}\n").as_bytes())
    }
}

/// All that such a file says.
#[derive(Debug, Default)]
pub(super) struct LoggedAnswers {
    pub(super) answers: HashMap<u32, Vec<i64>>,
    pub(super) not_answered: BTreeMap<String, u64>,
    pub(super) broken: Vec<String>,
}

impl LoggedAnswers {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut entries = Self::default();
        entries.add(&std::fs::read_to_string(path)?);
        Ok(entries)
    }

    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            let (kind, number) = (words.next(), words.next().and_then(|word| word.parse().ok()));
            let rest = words.next().unwrap_or_default();
            match (kind, number, rest.parse()) {
                (Some("ok"), Some(number), Ok(answer)) => {
                    self.answers.entry(number).or_default().push(answer);
                }
                (Some("no"), Some(_), _) => {
                    *self.not_answered.entry(rest.to_owned()).or_default() += 1;
                }
                _ => self.broken.push(line.to_owned()),
            }
        }
    }
}

/// Counts the answers in a file that is being written.
#[derive(Debug)]
pub(super) struct AnswerCount {
    file: File,
    at: u64,
    answers: u64,
}

impl AnswerCount {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        AnswerLog::open(path)?;
        Ok(Self { file: File::open(path)?, at: 0, answers: 0 })
    }

    pub(super) fn answers(&mut self) -> io::Result<u64> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.read_to_string(&mut text)?;
        // A line that is not whole yet is read again.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.at += whole as u64;
        self.answers += text[..whole].lines().filter(|line| line.starts_with("ok ")).count() as u64;
        Ok(self.answers)
    }
}
