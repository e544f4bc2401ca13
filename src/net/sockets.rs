//! [`Sockets`]: UDP in both address families, one socket for each.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, trace};

use super::datagram::Datagram;
use super::gso;
use super::source_addrs::SourceAddrs;
use super::udp::{Udp, own_addresses};
use crate::client::SocketErrors;
use crate::node::Transmit;
use crate::{ByFamily, Family, canonical};

/// The size asked for each buffer of a socket, in bytes. The system may give less; the usual
/// 208 KiB lose most of a burst of a thousand datagrams.
const BUFFER_BYTES: usize = 4 << 20;
/// Datagrams that wait for each other at most.
const MAX_QUEUED: usize = 64;
/// How long a full send buffer is waited for before the datagram is dropped, as a network would.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);
/// How often it is looked at meanwhile.
const SEND_RETRY: Duration = Duration::from_millis(1);

/// The addresses to bind, at most one of each family.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct BindPlan {
    addrs: ByFamily<Option<BindAddr>>,
    /// The size asked for each receive buffer, if not [`BUFFER_BYTES`].
    receive_buffer: Option<usize>,
}

/// An address to bind.
#[derive(Clone, Copy, Debug)]
struct BindAddr {
    addr: SocketAddr,
    /// Whether the node shall not start without it.
    is_required: bool,
}

/// No socket could be had.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error("cannot listen on {addr}{}", hint(.source))]
    Address {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Two addresses of one family were given.
    #[error("cannot listen on both {0} and {1}: a node has one socket for each address family")]
    Twice(SocketAddr, SocketAddr),
}

/// The sockets of a node: at least one.
pub(crate) struct Sockets {
    udp: ByFamily<Option<Udp>>,
    /// To be sent at the next [`Sockets::flush`], or before.
    queued: Vec<Datagram>,
    /// From where to reply on a host with several addresses.
    sources: SourceAddrs,
    /// Addresses that the system could not send to.
    unreachable: BTreeSet<SocketAddr>,
    /// The last datagram waited in vain, so the next ones do not wait at all.
    is_congested: bool,
    errors: SocketErrors,
}

impl BindPlan {
    /// Plans all addresses, of the families that the system has; a port 0 is for the system to
    /// choose.
    pub(crate) fn everywhere(ports: ByFamily<u16>) -> Self {
        let addrs = ByFamily::from_fn(|family| {
            let ip: IpAddr = match family {
                Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            Some(BindAddr {
                addr: SocketAddr::new(ip, ports[family]),
                is_required: false,
            })
        });
        Self {
            addrs,
            receive_buffer: None,
        }
    }

    /// Plans these addresses and no others.
    pub(crate) fn exactly(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let mut plan = Self::default();
        for &addr in addresses {
            let wanted = BindAddr {
                addr,
                is_required: true,
            };
            if let Some(taken) = plan.addrs[Family::of(&addr)].replace(wanted) {
                return Err(BindError::Twice(taken.addr, addr));
            }
        }
        Ok(plan)
    }

    /// Asks for receive buffers of this size.
    pub(crate) fn receive_buffer(self, bytes: Option<usize>) -> Self {
        Self {
            receive_buffer: bytes,
            ..self
        }
    }
}

impl Sockets {
    /// Binds what the plan says. An IPv6 port that is for the system to choose becomes that of IPv4
    /// if it is free.
    pub(crate) fn bind(plan: BindPlan) -> Result<Self, BindError> {
        let buffer = plan.receive_buffer.unwrap_or(BUFFER_BYTES);
        let bind_addr = |wanted| bind_addr(wanted, buffer);
        let plan = plan.addrs;
        let v4 = plan.v4.map_or(Ok(None), bind_addr)?;
        let v4_port = v4.as_ref().and_then(|socket| socket.local_addr().ok());
        let v6 = match (plan.v6, v4_port) {
            (Some(wanted), Some(v4)) if wanted.addr.port() == 0 => {
                bind(SocketAddr::new(wanted.addr.ip(), v4.port()), buffer)
                    .map_or_else(|_| bind_addr(wanted), |socket| Ok(Some(socket)))?
            }
            (Some(wanted), _) => bind_addr(wanted)?,
            (None, _) => None,
        };
        if let (None, None, Some(wanted)) = (&v4, &v6, plan.v4) {
            return Err(BindError::Address {
                addr: wanted.addr,
                source: io::ErrorKind::Unsupported.into(),
            });
        }
        Ok(Self {
            udp: ByFamily { v4, v6 },
            queued: Vec::new(),
            sources: SourceAddrs::new(own_addresses),
            unreachable: BTreeSet::new(),
            is_congested: false,
            errors: SocketErrors::default(),
        })
    }

    /// Returns the addresses bound.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let bound = self.udp.iter().flatten();
        bound
            .filter_map(|socket| socket.local_addr().ok())
            .collect()
    }

    /// Reports whether there is a socket for this address. An IPv4 address mapped into IPv6 counts
    /// as IPv4.
    pub(crate) fn serves(&self, addr: &SocketAddr) -> bool {
        self.of(&canonical(*addr)).is_some()
    }

    /// Returns what has gone wrong so far.
    pub(crate) fn errors(&self) -> SocketErrors {
        self.errors
    }

    /// Notes that the host's network is another.
    pub(crate) fn network_changed(&mut self) {
        self.sources.clear();
    }

    /// Waits until there is something to receive. Loses nothing if it is dropped.
    pub(crate) async fn readable(&self) {
        // An error here is that of the runtime shutting down; `receive` meets those of the socket.
        tokio::select! {
            _ = readable(self.udp.v4.as_ref()) => {}
            _ = readable(self.udp.v6.as_ref()) => {}
        }
    }

    /// Hands over what is there, of each family as much as comes in one call: few datagrams, so
    /// that replies do not pile up.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(SocketAddr, &[u8])) {
        for family in Family::ALL {
            let Some(socket) = &self.udp[family] else {
                continue;
            };
            let sources = &mut self.sources;
            let received = socket.receive(family, |from, to, bytes| {
                trace!(%from, len = bytes.len(), "received");
                if let Some(to) = to {
                    sources.on_received(Instant::now(), from, to);
                }
                take(from, bytes);
            });
            if let Err(error) = received
                && error.kind() != io::ErrorKind::WouldBlock
            {
                debug!(%error, "cannot receive");
                self.errors.receive += 1;
            }
        }
    }

    /// Sends a datagram, or drops it if that is not possible. It may wait for others until
    /// [`Sockets::flush`].
    pub(crate) async fn send(&mut self, Transmit { to, bytes }: Transmit) {
        let source = self.sources.of(Instant::now(), &to);
        self.queued.push(Datagram { to, source, bytes });
        if self.queued.len() >= MAX_QUEUED {
            self.flush().await;
        }
    }

    /// Takes the addresses that the system could not send to, each once.
    pub(crate) fn take_unreachable(&mut self) -> BTreeSet<SocketAddr> {
        mem::take(&mut self.unreachable)
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) {
        let mut queued = mem::take(&mut self.queued);
        let mut rest = &queued[..];
        while let Some((first, others)) = rest.split_first() {
            rest = match self.try_send(rest) {
                0 => {
                    self.send_one(first).await;
                    others
                }
                sent => rest.get(sent..).unwrap_or_default(),
            };
        }
        queued.clear();
        self.queued = queued;
    }

    /// Sends as many of the first datagrams as go in one call, without waiting; returns how many.
    fn try_send(&self, datagrams: &[Datagram]) -> usize {
        let Some(socket) = datagrams.first().and_then(|first| self.of(&first.to)) else {
            return 0;
        };
        let first = |count| datagrams.get(..count).unwrap_or_default();
        let mut count = gso::batch_len(datagrams);
        if count > 1 && socket.send_batch(first(count)).is_ok() {
            trace!(count, "sent as one");
            return count;
        }
        if count == 1 {
            count = gso::run_before_batch(datagrams);
        }
        if count == 1 {
            return 0;
        }
        let sent = socket.send_many(first(count)).unwrap_or(0);
        trace!(count = sent, "sent");
        sent
    }

    async fn send_one(&mut self, datagram: &Datagram) {
        let to = datagram.to;
        let Some(socket) = self.of(&to) else {
            return;
        };
        trace!(%to, len = datagram.bytes.len(), "sending");
        let mut sent = match socket.send(datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.is_congested => {
                let sending = timeout(SEND_TIMEOUT, send_when_possible(socket, datagram));
                sending.await.unwrap_or(Err(error))
            }
            sent => sent,
        };
        if let Err(error) = &sent
            && datagram.source.is_some()
            && error.kind() != io::ErrorKind::WouldBlock
        {
            // The host may have lost the address that the peer asked.
            debug!(%to, %error, "cannot send from the address asked");
            self.sources.clear();
            let datagram = Datagram {
                source: None,
                ..datagram.clone()
            };
            sent = self.of(&to).map_or(Ok(()), |socket| socket.send(&datagram));
        }
        self.is_congested = false;
        if let Err(error) = sent {
            debug!(%to, %error, "cannot send");
            self.errors.send += 1;
            if is_unreachable(&error) {
                self.unreachable.insert(to);
            }
            self.is_congested = error.kind() == io::ErrorKind::WouldBlock;
        }
    }

    fn of(&self, addr: &SocketAddr) -> Option<&Udp> {
        self.udp[Family::of(addr)].as_ref()
    }
}

/// Sends a datagram as soon as there is room for it.
async fn send_when_possible(socket: &Udp, datagram: &Datagram) -> io::Result<()> {
    loop {
        sleep(SEND_RETRY).await;
        match socket.send(datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

async fn readable(socket: Option<&Udp>) -> io::Result<()> {
    match socket {
        Some(socket) => socket.readable().await,
        None => pending().await,
    }
}

/// Binds an address; a family that the system lacks is left out unless it is required.
fn bind_addr(wanted: BindAddr, receive_buffer: usize) -> Result<Option<Udp>, BindError> {
    match bind(wanted.addr, receive_buffer) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if !wanted.is_required && lacks_family(&error) => {
            debug!(addr = %wanted.addr, %error, "address family left out");
            Ok(None)
        }
        Err(source) => Err(BindError::Address {
            addr: wanted.addr,
            source,
        }),
    }
}

fn bind(addr: SocketAddr, receive_buffer: usize) -> io::Result<Udp> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    enlarge_buffers(&socket, receive_buffer);
    socket.bind(&addr.into())?;
    Udp::new(socket.into())
}

/// Asks for large buffers. Small ones are a loss, not a failure.
fn enlarge_buffers(socket: &Socket, receive_buffer: usize) {
    let socket = SockRef::from(socket);
    for result in [
        socket.set_recv_buffer_size(receive_buffer),
        socket.set_send_buffer_size(BUFFER_BYTES),
    ] {
        if let Err(error) = result {
            debug!(%error, "socket buffers stay small");
        }
    }
}

/// Reports whether the error means that there is no way to an address now, of which an ordinary
/// datagram would not tell.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(
        error.kind(),
        AddrNotAvailable | HostUnreachable | NetworkDown | NetworkUnreachable
    ) || lacks_family(error)
}

/// Reports whether the error means that the system lacks the address family.
fn lacks_family(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT` of Linux, of the BSDs and macOS, and of Windows.
    const NO_FAMILY: [i32; 3] = [97, 47, 10_047];
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || error
            .raw_os_error()
            .is_some_and(|code| NO_FAMILY.contains(&code))
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": another program uses the port; choose another, or 0 for any",
        io::ErrorKind::PermissionDenied => ": not allowed; choose a port from 1024 on",
        io::ErrorKind::AddrNotAvailable => ": no interface has this address",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(addr: &str) -> Sockets {
        Sockets::bind(BindPlan::exactly(&[addr.parse().unwrap()]).unwrap()).unwrap()
    }

    fn datagram(to: &str) -> Transmit {
        Transmit {
            to: to.parse().unwrap(),
            bytes: "hello".into(),
        }
    }

    #[tokio::test]
    async fn what_comes_is_received_in_order_and_a_few_at_a_time() {
        let mut sockets = sockets("127.0.0.1:0");
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let count = 40;
        for number in 0..count {
            peer.send_to(&[number], sockets.addresses()[0]).unwrap();
        }
        sockets.readable().await;
        let mut received = Vec::new();
        while received.len() < usize::from(count) {
            let before = received.len();
            sockets.receive(|from, bytes| received.push((from, bytes.to_vec())));
            assert!(received.len() - before < usize::from(count) / 2);
        }
        let from = peer.local_addr().unwrap();
        let sent: Vec<_> = (0..count).map(|number| (from, vec![number])).collect();
        assert_eq!(received, sent);
    }

    #[tokio::test]
    async fn a_datagram_that_cannot_be_sent_is_counted() {
        let mut sockets = sockets("127.0.0.1:0");
        // Broadcasts are not allowed on ordinary sockets.
        sockets.send(datagram("255.255.255.255:9")).await;
        sockets.flush().await;
        assert_eq!(sockets.errors().send, 1);
    }

    #[test]
    fn an_address_without_a_route_is_told_of_once() {
        let is_told = |code| is_unreachable(&io::Error::from_raw_os_error(code));
        if cfg!(target_os = "linux") {
            // ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT; EAGAIN, EACCES.
            assert!([101, 113, 97].into_iter().all(is_told));
            assert!(![11, 13].into_iter().any(is_told));
        }
    }

    #[tokio::test]
    async fn datagrams_to_one_address_come_one_by_one_and_in_order() {
        let mut sockets = sockets("127.0.0.1:0");
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sizes = [9, 9, 9, 4, 4, 9, 1_200, 1_200];
        for (number, size) in (0..).zip(sizes) {
            let to = peer.local_addr().unwrap();
            let bytes = vec![number; size].into();
            sockets.send(Transmit { to, bytes }).await;
        }
        sockets.flush().await;
        let mut buffer = [0; 2_000];
        for (number, size) in (0..).zip(sizes) {
            let len = peer.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], vec![number; size]);
        }
        assert_eq!(sockets.errors(), SocketErrors::default());
    }

    #[tokio::test]
    async fn a_family_without_a_socket_is_not_served() {
        let mut sockets = sockets("127.0.0.1:0");
        assert!(sockets.serves(&"192.0.2.1:1".parse().unwrap()));
        assert!(sockets.serves(&"[::ffff:192.0.2.1]:1".parse().unwrap()));
        assert!(!sockets.serves(&"[2001:db8::1]:1".parse().unwrap()));
        sockets.send(datagram("[2001:db8::1]:1")).await;
        sockets.flush().await;
        assert_eq!(sockets.errors(), SocketErrors::default());
    }

    #[tokio::test]
    async fn an_ipv6_port_that_the_system_chooses_is_that_of_ipv4_if_it_is_free() {
        let any_port = |ip: IpAddr| SocketAddr::new(ip, 0);
        let both = [
            any_port(Ipv4Addr::LOCALHOST.into()),
            any_port(Ipv6Addr::LOCALHOST.into()),
        ];
        let first = Sockets::bind(BindPlan::exactly(&both).unwrap()).unwrap();
        let ports: Vec<_> = first.addresses().iter().map(SocketAddr::port).collect();
        assert_eq!(ports[0], ports[1]);
    }

    #[test]
    fn an_address_that_no_interface_has_is_named_with_the_cause() {
        let error = BindError::Address {
            addr: "192.0.2.1:0".parse().unwrap(),
            source: io::ErrorKind::AddrNotAvailable.into(),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen on 192.0.2.1:0: no interface has this address"
        );
    }
}
