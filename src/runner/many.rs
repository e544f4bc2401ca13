//! Many datagrams in one system call, where the system offers that: to enter it costs a good part of what it does.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use one_by_one::{receive, send_apart, send_together};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use together::{receive, send_apart, send_together};

/// The largest UDP payload, in bytes.
const MAX_DATAGRAM: usize = 65_535;

/// Linux and Android: `recvmmsg`, `sendmmsg`, and UDP segmentation offload.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod together {
    use std::array;
    use std::cell::RefCell;
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::SocketAddr;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{
        ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendmsg,
    };
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    use super::MAX_DATAGRAM;
    use crate::node::Transmit;

    /// Datagrams taken or sent in one call.
    const MANY: usize = 16;
    /// From one datagram's place to the next, in bytes: places a power of two apart would get into each other's way in
    /// the processor's caches.
    const PLACE: usize = MAX_DATAGRAM + 577;

    thread_local! {
        /// Room for what one call receives, shared by all nodes that a thread drives. It takes memory as it is used.
        static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; MANY * PLACE]);
    }

    /// Takes what is there, up to `MANY` datagrams.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::WouldBlock`] also after the last that was there.
    pub(in super::super) fn receive(
        socket: &UdpSocket,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<()> {
        let mut receive = |room: &mut [u8]| {
            let mut places = room.chunks_exact_mut(PLACE);
            let mut places: [_; MANY] =
                array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(MANY, None);
            let flags = MsgFlags::MSG_DONTWAIT;
            let received = recvmmsg(
                socket.as_raw_fd(),
                &mut headers,
                places.iter_mut(),
                flags,
                None,
            )?;
            let mut count = 0;
            for message in received {
                count += 1;
                if let (Some(from), Some(bytes)) = (
                    message.address.as_ref().and_then(address),
                    message.iovs().next(),
                ) {
                    take(from, bytes);
                }
            }
            if count < MANY {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        };
        socket.try_io(Interest::READABLE, || {
            ROOM.with_borrow_mut(|room| receive(room))
        })
    }

    /// Sends datagrams to wherever each goes; how many were sent.
    ///
    /// # Errors
    ///
    /// What the system says of the first.
    pub(in super::super) fn send_apart(
        socket: &UdpSocket,
        datagrams: &[Transmit],
    ) -> io::Result<usize> {
        socket.try_io(Interest::WRITABLE, || {
            let places = datagrams.chunks(MANY).next().unwrap_or_default();
            let slices: [_; MANY] = array::from_fn(|index| {
                let bytes = places
                    .get(index)
                    .map_or(&[][..], |datagram| &datagram.bytes);
                [IoSlice::new(bytes)]
            });
            let addresses: [_; MANY] = array::from_fn(|index| {
                let datagram = places.get(index)?;
                Some(SockaddrStorage::from(datagram.to))
            });
            let mut headers = MultiHeaders::preallocate(places.len(), None);
            let flags = MsgFlags::MSG_DONTWAIT;
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut headers,
                slices.iter().take(places.len()),
                addresses,
                [],
                flags,
            )?;
            Ok(sent.count())
        })
    }

    /// Sends datagrams to the address of the first, all of its size but the last, which may be smaller.
    ///
    /// # Errors
    ///
    /// What the system says, which may be that it cannot do so, as where a segment is too large for the path. Nothing
    /// has been sent then.
    pub(in super::super) fn send_together(
        socket: &UdpSocket,
        datagrams: &[Transmit],
    ) -> io::Result<()> {
        let first = datagrams.first().ok_or(io::ErrorKind::InvalidInput)?;
        let size = first.bytes.len() as u16;
        let slices: Vec<_> = datagrams
            .iter()
            .map(|datagram| IoSlice::new(&datagram.bytes))
            .collect();
        let to = SockaddrStorage::from(first.to);
        socket.try_io(Interest::WRITABLE, || {
            let segments = [ControlMessage::UdpGsoSegments(&size)];
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            sendmsg(fd, &slices, &segments, flags, Some(&to))?;
            Ok(())
        })
    }

    fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = storage.as_sockaddr_in();
        v4.map(|&v4| std::net::SocketAddrV4::from(v4).into())
            .or_else(|| {
                let v6 = storage.as_sockaddr_in6();
                v6.map(|&v6| std::net::SocketAddrV6::from(v6).into())
            })
    }
}

/// What every system offers.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod one_by_one {
    use std::cell::RefCell;
    use std::io;
    use std::net::SocketAddr;

    use tokio::net::UdpSocket;

    use super::MAX_DATAGRAM;
    use crate::node::Transmit;

    thread_local! {
        /// Room for what one call receives, shared by all nodes that a thread drives.
        static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM]);
    }

    /// Takes the next datagram.
    pub(in super::super) fn receive(
        socket: &UdpSocket,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<()> {
        ROOM.with_borrow_mut(|room| {
            let (len, from) = socket.try_recv_from(room)?;
            take(from, room.get(..len).unwrap_or_default());
            Ok(())
        })
    }

    /// Sends the first; how many were sent.
    pub(in super::super) fn send_apart(
        socket: &UdpSocket,
        datagrams: &[Transmit],
    ) -> io::Result<usize> {
        let first = datagrams.first().ok_or(io::ErrorKind::InvalidInput)?;
        socket.try_send_to(&first.bytes, first.to)?;
        Ok(1)
    }

    /// Not offered.
    pub(in super::super) fn send_together(_: &UdpSocket, _: &[Transmit]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
