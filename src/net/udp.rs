//! [`Udp`]: a socket that takes and sends many datagrams in one system call, where the system
//! offers that: entering the system is a good part of what a datagram costs.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use batched::Udp;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use portable::Udp;

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
    use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{
        ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike,
        SockaddrStorage, recvmmsg, sendmmsg, sendmsg,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{MAX_DATAGRAM, MAX_MANY};
    use crate::Family;
    use crate::node::Transmit;

    /// A socket whose datagrams can be waited for, and nothing else: of one that can be written to,
    /// the system would say so after each datagram that has gone, and wake up a thread for that.
    pub(in super::super) struct Udp(AsyncFd<UdpSocket>);

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
            AsyncFd::with_interest(socket, Interest::READABLE).map(Self)
        }

        pub(in super::super) fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.get_ref().local_addr()
        }

        /// Waits until there is something to receive. Loses nothing if it is dropped.
        pub(in super::super) async fn readable(&self) -> io::Result<()> {
            self.0.readable().await.map(drop)
        }

        /// Takes what is there, up to `MAX_MANY` datagrams.
        ///
        /// # Errors
        ///
        /// What the system says; [`io::ErrorKind::WouldBlock`] also after the last that was there.
        pub(in super::super) fn receive(
            &self,
            family: Family,
            take: impl FnMut(SocketAddr, &[u8]),
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
            mut take: impl FnMut(SocketAddr, &[u8]),
        ) -> io::Result<()> {
            let mut receive = |socket: &UdpSocket, buffer: &mut [u8]| {
                let mut places = buffer.chunks_exact_mut(PLACE);
                let mut places: [_; MAX_MANY] =
                    array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
                let mut headers = MultiHeaders::<S>::preallocate(MAX_MANY, None);
                let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
                let received = recvmmsg(fd, &mut headers, places.iter_mut(), flags, None)?;
                let mut count = 0;
                for message in received {
                    count += 1;
                    if let (Some(from), Some(bytes)) = (&message.address, message.iovs().next()) {
                        take(address(from).into(), bytes);
                    }
                }
                if count < MAX_MANY {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            };
            self.0.try_io(Interest::READABLE, |socket| {
                BUFFER.with_borrow_mut(|buffer| receive(socket, buffer))
            })
        }

        /// Sends one datagram.
        ///
        /// # Errors
        ///
        /// What the system says; [`io::ErrorKind::WouldBlock`] if it has no room now.
        pub(in super::super) fn send(&self, Transmit { to, bytes }: &Transmit) -> io::Result<()> {
            self.0.get_ref().send_to(bytes, to).map(drop)
        }

        /// Sends datagrams, each to its own address; returns how many were sent.
        ///
        /// # Errors
        ///
        /// What the system says of the first.
        pub(in super::super) fn send_many(&self, datagrams: &[Transmit]) -> io::Result<usize> {
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
            let mut headers = MultiHeaders::preallocate(places.len(), None);
            let sent = sendmmsg(
                self.0.as_raw_fd(),
                &mut headers,
                slices.iter().take(places.len()),
                addresses,
                [],
                MsgFlags::MSG_DONTWAIT,
            )?;
            Ok(sent.count())
        }

        /// Sends datagrams to the address of the first, all of its size but the last, which may be
        /// smaller.
        ///
        /// # Errors
        ///
        /// What the system says, which may be that it cannot do so, as where a segment is too large
        /// for the path. Nothing has been sent then.
        pub(in super::super) fn send_batch(&self, datagrams: &[Transmit]) -> io::Result<()> {
            let first = datagrams.first().ok_or(io::ErrorKind::InvalidInput)?;
            let size = first.bytes.len() as u16;
            let slices: Vec<_> = datagrams
                .iter()
                .map(|datagram| IoSlice::new(&datagram.bytes))
                .collect();
            let to = SockaddrStorage::from(first.to);
            let segments = [ControlMessage::UdpGsoSegments(&size)];
            let (fd, flags) = (self.0.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            sendmsg(fd, &slices, &segments, flags, Some(&to))?;
            Ok(())
        }
    }
}

/// What every system offers.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable {
    use std::cell::RefCell;
    use std::io;
    use std::net::SocketAddr;

    use tokio::net::UdpSocket;

    use super::{MAX_DATAGRAM, MAX_MANY};
    use crate::Family;
    use crate::node::Transmit;

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
            mut take: impl FnMut(SocketAddr, &[u8]),
        ) -> io::Result<()> {
            BUFFER.with_borrow_mut(|buffer| {
                for _ in 0..MAX_MANY {
                    let (len, from) = self.0.try_recv_from(buffer)?;
                    take(from, buffer.get(..len).unwrap_or_default());
                }
                Ok(())
            })
        }

        /// Sends one datagram.
        pub(in super::super) fn send(&self, Transmit { to, bytes }: &Transmit) -> io::Result<()> {
            self.0.try_send_to(bytes, *to).map(drop)
        }

        /// Sends the first; returns how many were sent.
        pub(in super::super) fn send_many(&self, datagrams: &[Transmit]) -> io::Result<usize> {
            let first = datagrams.first().ok_or(io::ErrorKind::InvalidInput)?;
            self.send(first).map(|()| 1)
        }

        /// Fails: this is not offered.
        pub(in super::super) fn send_batch(&self, _: &[Transmit]) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
