//! What happened in the apps, written down outside of the store, proxies and clients.
//!
//! One file for all processes, one line an event, each line one `write` at the file's end: what was
//! written is there when its process dies the next instant, and the lines are in order.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use idempotent_tests::millis;
use serde::{Deserialize, Serialize};

/// One life of an app: no two have the same number.
pub(crate) type Life = u128;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A request for an order came, sent by the client or by a proxy alone.
    Arrived { life: Life, order: u32 },
    /// A handler began to work off an order that waits at a gate.
    Began { life: Life, order: u32 },
    /// A handler took effect.
    Effect { life: Life, order: u32 },
    /// The app is about to kill itself.
    Killed { life: Life },
    /// A request came that only opens connections, to the app of that port.
    WarmUp { port: u16 },
}

pub(crate) struct Ledger {
    folder: PathBuf,
    file: File,
}

impl Ledger {
    pub(crate) fn open(folder: &Path) -> Ledger {
        let file = OpenOptions::new().append(true).create(true).open(path(folder)).unwrap();
        Ledger { folder: folder.to_owned(), file }
    }

    pub(crate) fn write(&self, event: Event) {
        let mut line = serde_json::to_vec(&event).unwrap();
        line.push(b'\n');
        assert_eq!((&self.file).write(&line).unwrap(), line.len(), "a line was cut in two");
    }

    /// Whether the fault of an order has not struck yet, in whichever process. It has, from now on.
    pub(crate) fn strikes(&self, order: u32) -> bool {
        match File::create_new(self.folder.join(format!("struck-{order}"))) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns once the gate of that name is open. Gates are closed at first.
    pub(crate) async fn pass_gate(&self, name: &str) {
        while !gate(&self.folder, name).exists() {
            tokio::time::sleep(millis(5)).await;
        }
    }

    pub(crate) fn open_gate(folder: &Path, name: &str) {
        File::create(gate(folder, name)).unwrap();
    }

    pub(crate) fn read(folder: &Path) -> Vec<Event> {
        let text = fs::read_to_string(path(folder)).unwrap();
        // Without a line that another process is still writing.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("ledger")
}

fn gate(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("gate-{name}"))
}
