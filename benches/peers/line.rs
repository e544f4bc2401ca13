//! [`Line`]: a socket to the node that takes and sends many datagrams in one system call, so that requests are made
//! faster than nodes answer.

use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};
use socket2::{Domain, Socket, Type};

/// The size asked for each buffer of a socket, in bytes: what is lost shall be lost by the node.
const BUFFER_BYTES: usize = 4 << 20;
/// Datagrams taken or sent at once.
const MANY: usize = 8;
/// Room for each of them, in bytes; not a power of two, which the processor's caches do not like.
const ROOM: usize = (64 << 10) + 576;

/// An address of ours, and what has come there.
pub(crate) struct Line {
    socket: UdpSocket,
    room: Vec<u8>,
    /// The datagrams taken last, and how many of them have been handed out.
    lens: Vec<usize>,
    next: usize,
}

impl Line {
    /// Takes an address.
    pub(crate) fn bind(ip: Ipv4Addr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.set_recv_buffer_size(BUFFER_BYTES)?;
        socket.set_send_buffer_size(BUFFER_BYTES)?;
        socket.bind(&SocketAddr::from((ip, 0)).into())?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: socket.into(),
            room: vec![0; MANY * ROOM],
            lens: Vec::new(),
            next: 0,
        })
    }

    /// The address.
    pub(crate) fn addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Talks to nobody but this node.
    pub(crate) fn connect(&self, node: SocketAddr) -> Result<()> {
        self.socket.connect(node)
    }

    /// The next datagram; `None` if there was none when it was last looked.
    pub(crate) fn take(&mut self) -> Result<Option<&[u8]>> {
        if self.next == self.lens.len() {
            let was_all = (1..MANY).contains(&self.lens.len());
            self.lens.clear();
            self.next = 0;
            if !was_all {
                self.receive()?;
            }
        }
        let Some(&len) = self.lens.get(self.next) else {
            return Ok(None);
        };
        let start = self.next * ROOM;
        self.next += 1;
        Ok(Some(&self.room[start..start + len]))
    }

    /// Sends these datagrams. What cannot be sent is lost, as in any network.
    pub(crate) fn send(&self, datagrams: &[&[u8]]) -> Result<()> {
        for some in datagrams.chunks(MANY) {
            let mut rest = some;
            while !rest.is_empty() {
                match self.send_some(rest) {
                    Ok(sent) => rest = &rest[sent..],
                    Err(error) if is_nothing(&error) => rest = &rest[1..],
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn send_some(&self, datagrams: &[&[u8]]) -> Result<usize> {
        let slices: Vec<_> = datagrams.iter().map(|it| [IoSlice::new(it)]).collect();
        let mut headers = MultiHeaders::<()>::preallocate(slices.len(), None);
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let to = vec![None; slices.len()];
        Ok(sendmmsg(fd, &mut headers, &slices, to, [], flags)?.count())
    }

    fn receive(&mut self) -> Result<()> {
        let places = self.room.chunks_exact_mut(ROOM);
        let mut places: Vec<_> = places.map(|place| [IoSliceMut::new(place)]).collect();
        let mut headers = MultiHeaders::<()>::preallocate(MANY, None);
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        match recvmmsg(fd, &mut headers, places.iter_mut(), flags, None) {
            Ok(received) => self.lens.extend(received.map(|message| message.bytes)),
            Err(error) if is_nothing(&error.into()) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Whether there is just nothing to receive, or nobody there yet.
fn is_nothing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::ConnectionRefused
    )
}
