//! One connection through a proxy: four loops, a reader and a writer for each direction, that end
//! together.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::control::{Control, Faults, OneShot, Stall};
use super::frames::{self, Frame};

/// What a reader hands to its writer.
enum Piece {
    Bytes { bytes: Vec<u8>, not_before: Instant, answers: bool },
    Cut,
}

/// What the two directions of one connection know of each other.
struct Progress {
    // Of another protocol than Redis': requests and answers cannot be told apart.
    foreign: bool,
    requests: u64,
    replies: u64,
    // The request whose answer is to be swallowed, by its number from 0.
    swallow: Option<u64>,
    // Whether the client has got an answer since it last sent something.
    answered: bool,
}

struct Connection<'a> {
    control: &'a Control,
    number: u64,
    progress: Mutex<Progress>,
}

/// Forwards until one side closes, or the test cuts. The connection belongs to `generation`, and is the
/// `number`th of all.
pub(super) async fn run(
    control: Arc<Control>,
    mut client: TcpStream,
    upstream: SocketAddr,
    generation: u64,
    number: u64,
) {
    let mut changes = control.watch();
    tokio::select! {
        biased;
        _ = changes.wait_for(|faults| faults.generation != generation) => {}
        () = forward(&control, number, &mut client, upstream) => {}
    }
    // Closed before it counts as ended.
    drop(client);
    control.ended(generation);
}

async fn forward(control: &Control, number: u64, client: &mut TcpStream, upstream: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let progress =
        Progress { foreign: false, requests: 0, replies: 0, swallow: None, answered: true };
    let connection = Connection { control, number, progress: Mutex::new(progress) };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let (send_request, requests) = unbounded_channel();
    let (send_reply, replies) = unbounded_channel();
    let readers = async {
        tokio::join!(
            connection.read(from_client, send_request, Direction::ToServer),
            connection.read(from_server, send_reply, Direction::ToClient),
        )
    };
    // A writer ends when its reader has, and all that was read before is written.
    let writers = async {
        tokio::select! {
            () = connection.write(to_server, requests, Direction::ToServer) => {}
            () = connection.write(to_client, replies, Direction::ToClient) => {}
        }
    };
    tokio::select! {
        () = writers => {}
        ((), ()) = readers => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl Connection<'_> {
    async fn read(
        &self,
        mut from: ReadHalf<'_>,
        pieces: UnboundedSender<Piece>,
        direction: Direction,
    ) {
        let mut buffer = Vec::with_capacity(16 * 1024);
        let faults = self.control.watch();
        loop {
            let open = matches!(from.read_buf(&mut buffer).await, Ok(bytes) if bytes > 0);
            let delay = delay(&faults.borrow(), direction);
            let goes_on = open && self.take(&mut buffer, &pieces, delay, direction);
            if !goes_on {
                let _ = pieces.send(Piece::Cut);
                // The writer says when the connection ends.
                return std::future::pending().await;
            }
        }
    }

    // Moves what is whole from the buffer to the writer. False when the connection is to be cut.
    fn take(
        &self,
        buffer: &mut Vec<u8>,
        pieces: &UnboundedSender<Piece>,
        delay: Duration,
        direction: Direction,
    ) -> bool {
        let mut end = 0;
        let mut goes_on = true;
        let mut answers = false;
        while goes_on && end < buffer.len() {
            let length = match self.frame(&buffer[end..]) {
                Frame::Whole(length) => length,
                Frame::Partial => break,
                Frame::Foreign => buffer.len() - end,
            };
            let frame = &buffer[end..end + length];
            goes_on = match direction {
                Direction::ToServer => self.request(frame),
                Direction::ToClient => self.reply(frame, &mut answers),
            };
            if goes_on {
                end += length;
            }
        }
        if end > 0 {
            let bytes = buffer.drain(..end).collect();
            let _ =
                pieces.send(Piece::Bytes { bytes, not_before: Instant::now() + delay, answers });
        }
        goes_on
    }

    fn frame(&self, bytes: &[u8]) -> Frame {
        let mut progress = self.progress();
        if progress.foreign {
            return Frame::Foreign;
        }
        let frame = frames::first(bytes);
        progress.foreign = frame == Frame::Foreign;
        frame
    }

    // False when this request is not to reach the server.
    fn request(&self, frame: &[u8]) -> bool {
        let mut progress = self.progress();
        let name = if progress.foreign { None } else { frames::command(frame) };
        if std::mem::take(&mut progress.answered) {
            self.control.round_trip();
        }
        if let Some(name) = &name {
            self.control.command(name);
        }
        match self.control.fire(name.as_deref()) {
            Some(OneShot::DropRequest) => return false,
            Some(OneShot::DropReply) => progress.swallow = Some(progress.requests),
            None => {}
        }
        // The answer to a subscription is a message, which is not counted either.
        if !name.is_some_and(|name| name.ends_with("SUBSCRIBE")) {
            progress.requests += 1;
        }
        true
    }

    // False when this answer is not to reach the client.
    fn reply(&self, frame: &[u8], answers: &mut bool) -> bool {
        let mut progress = self.progress();
        if progress.foreign {
            *answers = true;
            return progress.swallow.is_none();
        }
        if frames::is_push(frame) {
            return true;
        }
        self.control.reply();
        if progress.swallow == Some(progress.replies) {
            return false;
        }
        progress.replies += 1;
        *answers = true;
        true
    }

    async fn write(
        &self,
        mut to: WriteHalf<'_>,
        mut pieces: UnboundedReceiver<Piece>,
        direction: Direction,
    ) {
        let mut faults = self.control.watch();
        while let Some(Piece::Bytes { bytes, not_before, answers }) = pieces.recv().await {
            tokio::time::sleep_until(not_before).await;
            self.flows(&mut faults, direction).await;
            // Before the bytes are out: whoever has them may look at the counts, or ask again.
            self.control.forwarded(direction == Direction::ToServer, bytes.len());
            if answers {
                self.progress().answered = true;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // Nor is a cut seen during a stall.
        self.flows(&mut faults, direction).await;
    }

    // Waits out a stall. The sender of faults outlives every connection.
    async fn flows(&self, faults: &mut watch::Receiver<Faults>, direction: Direction) {
        let stalled = |faults: &Faults| {
            faults.silent == Some(self.number)
                || match direction {
                    Direction::ToServer => faults.stall == Stall::Both,
                    Direction::ToClient => faults.stall != Stall::None,
                }
        };
        let _ = faults.wait_for(|faults| !stalled(faults)).await;
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delay(faults: &Faults, direction: Direction) -> Duration {
    match direction {
        Direction::ToServer => faults.delay_requests,
        Direction::ToClient => faults.delay_replies,
    }
}
