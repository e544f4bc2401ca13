//! [`Udp`]: a socket that takes and sends many datagrams in one system call, where the system
//! offers that: entering the system is a good part of what a datagram costs.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use batched::{Udp, own_addresses};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use portable::{Udp, own_addresses};

/// The largest UDP payload, in bytes.
const MAX_DATAGRAM: usize = 65_535;
/// Datagrams taken or sent in one call.
const MAX_MANY: usize = 16;

/// Linux and Android: `recvmmsg`, `sendmmsg`, and UDP segmentation offload.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod batched {
    use std::array;
    use std::cell::RefCell;
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
    use std::os::fd::AsRawFd;

    use nix::cmsg_space;
    use nix::ifaddrs::getifaddrs;
    use nix::libc::{in_pktinfo, in6_pktinfo};
    use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
    use nix::sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn,
        SockaddrIn6, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg, sendmsg, setsockopt,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{MAX_DATAGRAM, MAX_MANY};
    use crate::Family;
    use crate::net::datagram::Datagram;

    /// A socket whose datagrams can be waited for, and nothing else: of one that can be written to,
    /// the system would say so after each datagram that has gone, and wake up a thread for that.
    pub(in super::super) struct Udp {
        socket: AsyncFd<UdpSocket>,
        /// Whether the system says at which of the host's addresses a datagram came in.
        tells_address: bool,
    }

    /// From one datagram's place to the next, in bytes: places a power of two apart would get into
    /// each other's way in the processor's caches.
    const PLACE: usize = MAX_DATAGRAM + 577;

    thread_local! {
        /// Takes what one call receives, for all nodes that a thread drives. It uses memory only as
        /// far as datagrams fill it.
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_MANY * PLACE]);
    }

    impl Udp {
        /// Wraps a socket that does not block. Called within a runtime.
        #[expect(
            deprecated,
            reason = "unsound with types that change or close their descriptor meanwhile, which a socket does not; what replaces it is unsafe"
        )]
        pub(in super::super) fn new(socket: UdpSocket) -> io::Result<Self> {
            let bound = socket.local_addr()?;
            let tells_address = bound.ip().is_unspecified() && tell_address(&socket, &bound);
            let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
            Ok(Self {
                socket,
                tells_address,
            })
        }

        pub(in super::super) fn local_addr(&self) -> io::Result<SocketAddr> {
            self.socket.get_ref().local_addr()
        }

        /// Waits until there is something to receive. Loses nothing if it is dropped.
        pub(in super::super) async fn readable(&self) -> io::Result<()> {
            self.socket.readable().await.map(drop)
        }

        /// Takes what is there, up to `MAX_MANY` datagrams: of each the sender, and the address of
        /// this host that it came to if the socket is bound to all.
        ///
        /// # Errors
        ///
        /// What the system says; [`io::ErrorKind::WouldBlock`] also after the last that was there.
        pub(in super::super) fn receive(
            &self,
            family: Family,
            take: impl FnMut(SocketAddr, Option<IpAddr>, &[u8]),
        ) -> io::Result<()> {
            match family {
                Family::V4 => {
                    self.receive_from(|&from: &SockaddrIn| SocketAddrV4::from(from), take)
                }
                Family::V6 => {
                    self.receive_from(|&from: &SockaddrIn6| SocketAddrV6::from(from), take)
                }
            }
        }

        fn receive_from<S: SockaddrLike + Copy, A: Into<SocketAddr>>(
            &self,
            address: fn(&S) -> A,
            mut take: impl FnMut(SocketAddr, Option<IpAddr>, &[u8]),
        ) -> io::Result<()> {
            let tells_address = self.tells_address;
            let mut receive = |socket: &UdpSocket, buffer: &mut [u8]| {
                let mut places = buffer.chunks_exact_mut(PLACE);
                let mut places: [_; MAX_MANY] =
                    array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
                let mut headers =
                    MultiHeaders::<S>::preallocate(MAX_MANY, address_space(tells_address));
                let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
                let received = recvmmsg(fd, &mut headers, places.iter_mut(), flags, None)?;
                let mut count = 0;
                for message in received {
                    count += 1;
                    if let (Some(from), Some(bytes)) = (&message.address, message.iovs().next()) {
                        let to = tells_address.then(|| address_asked(&message)).flatten();
                        take(address(from).into(), to, bytes);
                    }
                }
                if count < MAX_MANY {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            };
            self.socket.try_io(Interest::READABLE, |socket| {
                BUFFER.with_borrow_mut(|buffer| receive(socket, buffer))
            })
        }

        /// Sends one datagram.
        ///
        /// # Errors
        ///
        /// What the system says; [`io::ErrorKind::WouldBlock`] if it has no room now.
        pub(in super::super) fn send(&self, datagram: &Datagram) -> io::Result<()> {
            if datagram.source.is_some() {
                return self.send_message(datagram, &[IoSlice::new(&datagram.bytes)], None);
            }
            let sent = self.socket.get_ref().send_to(&datagram.bytes, datagram.to);
            sent.map(drop)
        }

        /// Sends datagrams, each to its own address, all from that of the first; returns how many
        /// were sent.
        ///
        /// # Errors
        ///
        /// What the system says of the first.
        pub(in super::super) fn send_many(&self, datagrams: &[Datagram]) -> io::Result<usize> {
            let places = datagrams.chunks(MAX_MANY).next().unwrap_or_default();
            let slices: [_; MAX_MANY] = array::from_fn(|index| {
                let bytes = places
                    .get(index)
                    .map_or(&[][..], |datagram| &datagram.bytes);
                [IoSlice::new(bytes)]
            });
            let addresses: [_; MAX_MANY] = array::from_fn(|index| {
                let datagram = places.get(index)?;
                Some(SockaddrStorage::from(datagram.to))
            });
            let source = places.first().and_then(|first| first.source);
            let source = source.map(PacketInfo::from);
            let message = source.as_ref().map(PacketInfo::message);
            let space = address_space(message.is_some());
            let mut headers = MultiHeaders::preallocate(places.len(), space);
            let sent = sendmmsg(
                self.socket.as_raw_fd(),
                &mut headers,
                slices.iter().take(places.len()),
                addresses,
                message.as_slice(),
                MsgFlags::MSG_DONTWAIT,
            )?;
            Ok(sent.count())
        }

        /// Sends datagrams to the address of the first and from there, all of its size but the
        /// last, which may be smaller.
        ///
        /// # Errors
        ///
        /// What the system says, which may be that it cannot do so, as where a segment is too large
        /// for the path. Nothing has been sent then.
        pub(in super::super) fn send_batch(&self, datagrams: &[Datagram]) -> io::Result<()> {
            let first = datagrams.first().ok_or(io::ErrorKind::InvalidInput)?;
            let size = first.bytes.len() as u16;
            let slices: Vec<_> = datagrams
                .iter()
                .map(|datagram| IoSlice::new(&datagram.bytes))
                .collect();
            self.send_message(first, &slices, Some(ControlMessage::UdpGsoSegments(&size)))
        }

        /// Sends `slices` as one message where `datagram` goes.
        fn send_message(
            &self,
            datagram: &Datagram,
            slices: &[IoSlice<'_>],
            segments: Option<ControlMessage<'_>>,
        ) -> io::Result<()> {
            let to = SockaddrStorage::from(datagram.to);
            let source = datagram.source.map(PacketInfo::from);
            let source = source.as_ref().map(PacketInfo::message);
            let control: Vec<_> = segments.into_iter().chain(source).collect();
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            sendmsg(fd, slices, &control, flags, Some(&to))?;
            Ok(())
        }
    }

    /// The address that a datagram is to be sent from, as the system takes it.
    enum PacketInfo {
        V4(in_pktinfo),
        V6(in6_pktinfo),
    }

    impl From<IpAddr> for PacketInfo {
        fn from(source: IpAddr) -> Self {
            match source {
                IpAddr::V4(ip) => Self::V4(in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: SockaddrIn::from(SocketAddrV4::new(ip, 0)).as_ref().sin_addr,
                    ipi_addr: SockaddrIn::new(0, 0, 0, 0, 0).as_ref().sin_addr,
                }),
                IpAddr::V6(ip) => Self::V6(in6_pktinfo {
                    ipi6_addr: SockaddrIn6::from(SocketAddrV6::new(ip, 0, 0, 0))
                        .as_ref()
                        .sin6_addr,
                    ipi6_ifindex: 0,
                }),
            }
        }
    }

    impl PacketInfo {
        fn message(&self) -> ControlMessage<'_> {
            match self {
                Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
                Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
            }
        }
    }

    /// Has the system say of each datagram at which address of the host it came in; reports whether
    /// it will.
    fn tell_address(socket: &UdpSocket, bound: &SocketAddr) -> bool {
        let set = match bound {
            SocketAddr::V4(_) => setsockopt(socket, Ipv4PacketInfo, &true),
            SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvPacketInfo, &true),
        };
        set.is_ok()
    }

    /// Returns room for an address beside a message, if it is needed.
    fn address_space(is_needed: bool) -> Option<Vec<u8>> {
        is_needed.then(|| cmsg_space!(in6_pktinfo))
    }

    /// Returns the address of the host that a datagram came to.
    fn address_asked<S: SockaddrLike>(message: &RecvMsg<'_, '_, S>) -> Option<IpAddr> {
        message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
            _ => None,
        })
    }

    /// Lists the addresses of this host.
    pub(in super::super) fn own_addresses() -> Vec<IpAddr> {
        let Ok(interfaces) = getifaddrs() else {
            return Vec::new();
        };
        interfaces
            .filter_map(|interface| {
                let addr = interface.address?;
                let v4 = addr.as_sockaddr_in().map(|addr| addr.ip().into());
                v4.or_else(|| addr.as_sockaddr_in6().map(|addr| addr.ip().into()))
            })
            .collect()
    }
}

/// What every system offers.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable {
    use std::cell::RefCell;
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use tokio::net::UdpSocket;

    use super::{MAX_DATAGRAM, MAX_MANY};
    use crate::Family;
    use crate::net::datagram::Datagram;

    thread_local! {
        /// Takes what one call receives, for all nodes that a thread drives.
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM]);
    }

    /// A socket of the runtime.
    pub(in super::super) struct Udp(UdpSocket);

    impl Udp {
        /// Wraps a socket that does not block. Called within a runtime.
        pub(in super::super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
            UdpSocket::from_std(socket).map(Self)
        }

        pub(in super::super) fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }

        /// Waits until there is something to receive. Loses nothing if it is dropped.
        pub(in super::super) async fn readable(&self) -> io::Result<()> {
            self.0.readable().await
        }

        /// Takes what is there, up to `MAX_MANY` datagrams.
        pub(in super::super) fn receive(
            &self,
            _: Family,
            mut take: impl FnMut(SocketAddr, Option<IpAddr>, &[u8]),
        ) -> io::Result<()> {
            BUFFER.with_borrow_mut(|buffer| {
                for _ in 0..MAX_MANY {
                    let (len, from) = self.0.try_recv_from(buffer)?;
                    take(from, None, buffer.get(..len).unwrap_or_default());
                }
                Ok(())
            })
        }

        /// Sends one datagram, from the address that the system chooses.
        pub(in super::super) fn send(&self, datagram: &Datagram) -> io::Result<()> {
            let sent = self.0.try_send_to(&datagram.bytes, datagram.to);
            sent.map(drop)
        }

        /// Sends the first; returns how many were sent.
        pub(in super::super) fn send_many(&self, datagrams: &[Datagram]) -> io::Result<usize> {
            let first = datagrams.first().ok_or(io::ErrorKind::InvalidInput)?;
            self.send(first).map(|()| 1)
        }

        /// Fails: this is not offered.
        pub(in super::super) fn send_batch(&self, _: &[Datagram]) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Lists no address: which one was asked is not known here.
    pub(in super::super) fn own_addresses() -> Vec<IpAddr> {
        Vec::new()
    }
}
