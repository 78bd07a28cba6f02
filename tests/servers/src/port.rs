//! Ports that no two servers of ours get, whichever process starts them.
//!
//! Binding port 0 and letting it go leaves a gap in which another process may take the port. Here a
//! port stays ours, over restarts of its server too, by an abstract socket that is named after it:
//! the kernel gives a name to one process at a time, and takes it back when that process ends.

use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

// Below the ports that the kernel gives to outgoing connections, with room above each for the port
// of a cluster's bus.
const FIRST: u16 = 12_000;
const COUNT: u16 = 10_000;

/// How far above its port a cluster node listens for the other nodes.
pub(crate) const BUS: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port, and its bus port, that are ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _name: UnixListener,
}

impl Port {
    /// # Errors
    ///
    /// A text, when each port is in use.
    pub(crate) fn reserve() -> Result<Port, String> {
        // Processes begin at different places, so that they seldom meet.
        let begin = std::process::id().wrapping_mul(61) % u32::from(COUNT);
        let begin = u16::try_from(begin).unwrap_or(0);
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (begin + step) % COUNT;
            if let Some(port) = Port::claim(number) {
                return Ok(port);
            }
        }
        Err(format!("no free port from {FIRST} to {}", FIRST + COUNT - 1))
    }

    fn claim(number: u16) -> Option<Port> {
        let address = SocketAddr::from_abstract_name(format!("idempotent-servers-{number}"));
        let name = UnixListener::bind_addr(&address.ok()?).ok()?;
        (is_free(number) && is_free(number + BUS)).then_some(Port { number, _name: name })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

fn is_free(port: u16) -> bool {
    // Bound, and not listening: what another thread starts has a copy of the socket until it becomes its program, and a copy
    // that listens would be in the server's way.
    let Ok(socket) = TcpSocket::new_v4() else { return false };
    // All addresses, since a server on any of them is in the way.
    socket.set_reuseaddr(true).is_ok() && socket.bind((Ipv4Addr::UNSPECIFIED, port).into()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{BUS, Port};

    #[test]
    fn a_reserved_port_is_nobody_elses_until_it_is_given_back() {
        let port = Port::reserve().unwrap();
        let number = port.number();

        assert!(Port::claim(number).is_none());
        drop(port);
        assert!(Port::claim(number).is_some());
    }

    #[test]
    fn a_port_is_not_given_while_it_or_its_bus_is_in_use() {
        let number = Port::reserve().unwrap().number();

        for used in [number, number + BUS] {
            let listener = TcpListener::bind(("127.0.0.1", used)).unwrap();
            assert!(Port::claim(number).is_none(), "{used} is in use");
            drop(listener);
        }
        assert!(Port::claim(number).is_some());
    }
}
