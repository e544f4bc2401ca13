//! [`Line`]: a socket to the node that takes and sends many datagrams in one system call, so that
//! requests are made faster than nodes answer.

use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, recvmmsg, sendmmsg, setsockopt,
    sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
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
    buffers: Vec<u8>,
    /// The lengths of the datagrams taken last, with the time at which the system received them if
    /// it says so, and how many of them have been handed out.
    taken: Vec<(usize, Option<SystemTime>)>,
    next: usize,
    is_stamped: bool,
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
            buffers: vec![0; MANY * ROOM],
            taken: Vec::new(),
            next: 0,
            is_stamped: false,
        })
    }

    /// Has the system say from now on when each datagram came, for which it takes a little longer.
    pub(crate) fn stamp(&mut self) -> Result<()> {
        setsockopt(&self.socket, ReceiveTimestampns, &true)?;
        self.is_stamped = true;
        Ok(())
    }

    /// The address.
    pub(crate) fn addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Talks to this node only.
    pub(crate) fn connect(&self, node: SocketAddr) -> Result<()> {
        self.socket.connect(node)
    }

    /// The next datagram, and when it came if that is known; `None` if there was none when it was
    /// last looked.
    pub(crate) fn take(&mut self) -> Result<Option<(&[u8], Option<SystemTime>)>> {
        if self.next == self.taken.len() {
            let was_all = (1..MANY).contains(&self.taken.len());
            self.taken.clear();
            self.next = 0;
            if !was_all {
                self.receive()?;
            }
        }
        let Some(&(len, came_at)) = self.taken.get(self.next) else {
            return Ok(None);
        };
        let start = self.next * ROOM;
        self.next += 1;
        Ok(Some((&self.buffers[start..start + len], came_at)))
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
        let places = self.buffers.chunks_exact_mut(ROOM);
        let mut places: Vec<_> = places.map(|place| [IoSliceMut::new(place)]).collect();
        let control = self.is_stamped.then(|| nix::cmsg_space!(TimeSpec));
        let mut headers = MultiHeaders::<()>::preallocate(MANY, control);
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        match recvmmsg(fd, &mut headers, places.iter_mut(), flags, None) {
            Ok(received) => {
                let taken = received.map(|message| (message.bytes, came_at(&message)));
                self.taken.extend(taken);
            }
            Err(error) if is_nothing(&error.into()) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// When the system received a datagram, if it says so.
fn came_at(message: &RecvMsg<'_, '_, ()>) -> Option<SystemTime> {
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(UNIX_EPOCH + Duration::from(at)),
        _ => None,
    })
}

/// Reports whether there is just nothing to receive, or no peer there yet.
fn is_nothing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::ConnectionRefused
    )
}
