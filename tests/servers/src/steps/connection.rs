//! One connection through the proxy: one loop that forwards whole messages, until one side closes or
//! its transaction is to be halted.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::control::{Control, Halt, Halted, Wanted};
use super::messages::{FLUSH, whole};
use super::session::{Answer, Session, Step};

struct Connection<'a> {
    control: &'a Control,
    session: Session,
    /// Whether the client's first message, which has no type, went by.
    begun: bool,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// What is to be halted once its answer is here.
    halting: Option<(Wanted, Step)>,
    /// Of an answer that is not to arrive.
    withheld: Vec<u8>,
}

/// Forwards until one side closes. A halted connection goes on being open, and forwards nothing.
pub(super) async fn run(control: &Control, mut client: TcpStream, upstream: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut connection = Connection {
        control,
        session: Session::default(),
        begun: false,
        from_client: Vec::new(),
        from_server: Vec::new(),
        to_client: Vec::new(),
        to_server: Vec::new(),
        halting: None,
        withheld: Vec::new(),
    };
    if let Ok(Some(halted)) = connection.forward(&mut client, &mut server).await {
        control.halted(halted);
        // Whatever either side still says is as if it had not come to that.
        tokio::select! {
            () = ends(&mut client) => {}
            () = ends(&mut server) => {}
        }
    }
    // It went down on its way there: the next one may come to it.
    connection.gives_up();
}

/// Returns when there is no more.
async fn ends(stream: &mut TcpStream) {
    let mut nobody = [0; 1024];
    while matches!(stream.read(&mut nobody).await, Ok(bytes) if bytes > 0) {}
}

impl Connection<'_> {
    async fn forward(
        &mut self,
        client: &mut TcpStream,
        server: &mut TcpStream,
    ) -> io::Result<Option<Halted>> {
        loop {
            let halted = self.take_answers().or_else(|| self.take_messages());
            server.write_all(&self.to_server).await?;
            client.write_all(&self.to_client).await?;
            self.to_server.clear();
            self.to_client.clear();
            if halted.is_some() {
                return Ok(halted);
            }
            let bytes = tokio::select! {
                bytes = server.read_buf(&mut self.from_server) => bytes?,
                bytes = client.read_buf(&mut self.from_client), if self.halting.is_none() => bytes?,
            };
            if bytes == 0 {
                return Ok(None);
            }
        }
    }

    /// Moves the client's whole messages on, up to one that is to be halted.
    fn take_messages(&mut self) -> Option<Halted> {
        while self.halting.is_none() {
            let length = whole(&self.from_client, self.begun)?;
            let message: Vec<u8> = self.from_client.drain(..length).collect();
            if !std::mem::replace(&mut self.begun, true) {
                self.to_server.extend(message);
                continue;
            }
            let number = self.session.sends(&message);
            let halting = number.zip(self.session.last()).and_then(|(number, step)| {
                Some((self.control.reached(number, step)?, step.clone()))
            });
            match halting {
                Some((wanted, step)) if wanted.halt == Halt::Before => {
                    return Some(Halted::new(&wanted, step));
                }
                // Else the server may keep its answer to itself until the client asks for all of them.
                Some(_) => self.to_server.extend([&message, FLUSH].concat()),
                None => self.to_server.extend(message),
            }
            self.halting = halting;
        }
        None
    }

    /// Moves the server's whole messages on, up to the end of an answer after which to halt.
    fn take_answers(&mut self) -> Option<Halted> {
        while let Some(length) = whole(&self.from_server, true) {
            let message: Vec<u8> = self.from_server.drain(..length).collect();
            let answer = self.session.answers(&message);
            match &self.halting {
                Some((wanted, _)) if wanted.halt == Halt::Unanswered => {
                    self.withheld.extend(message);
                }
                _ => self.to_client.extend(message),
            }
            let ended = match answer {
                Answer::Part => continue,
                Answer::Ends(number) => number,
                Answer::Over(number, steps) => {
                    self.control.over(steps);
                    number
                }
                // Not the step that is meant: the client learns of it, and another one will be.
                Answer::Refused => {
                    self.to_client.append(&mut self.withheld);
                    self.gives_up();
                    continue;
                }
            };
            let halting = self.halting.take_if(|(wanted, _)| ended == Some(wanted.number));
            if let Some((wanted, step)) = halting {
                return Some(Halted::new(&wanted, step));
            }
        }
        None
    }

    fn gives_up(&mut self) {
        if let Some((wanted, _)) = self.halting.take() {
            self.control.halt(wanted);
        }
    }
}
