//! [`Train`]: datagrams of one size to one address. Linux and Android take them in one call (UDP segmentation offload),
//! which costs a fraction of one call for each.

use std::io;

use tokio::net::UdpSocket;

use crate::node::Transmit;

/// Datagrams waiting to be sent together: the same address, the same size, only the last may be smaller.
#[derive(Default, Debug)]
pub(super) struct Train {
    cars: Vec<Transmit>,
    bytes: usize,
}

/// Whether the system sends several datagrams in one call.
const IS_OFFERED: bool = cfg!(any(target_os = "linux", target_os = "android"));
/// Datagrams of a train: what the system takes.
const MAX_CARS: usize = if IS_OFFERED { 64 } else { 1 };
/// Bytes of a train: less than the largest UDP payload.
const MAX_BYTES: usize = 60_000;

impl Train {
    /// Couples a datagram on, or gives it back if it does not fit. An empty train takes any.
    pub(super) fn couple(&mut self, car: Transmit) -> Result<(), Transmit> {
        if let (Some(first), Some(last)) = (self.cars.first(), self.cars.last()) {
            let (len, size) = (car.bytes.len(), first.bytes.len());
            let fits = car.to == first.to
                && last.bytes.len() == size
                && (1..=size).contains(&len)
                && self.bytes + len <= MAX_BYTES
                && self.cars.len() < MAX_CARS;
            if !fits {
                return Err(car);
            }
        }
        self.bytes += car.bytes.len();
        self.cars.push(car);
        Ok(())
    }

    /// The datagrams, in order.
    pub(super) fn cars(&self) -> &[Transmit] {
        &self.cars
    }

    /// Leaves it empty.
    pub(super) fn clear(&mut self) {
        self.cars.clear();
        self.bytes = 0;
    }

    /// Sends all in one call, without waiting.
    ///
    /// # Errors
    ///
    /// What the system says, which may be that it cannot do so, as where a segment is too large for the path. Nothing
    /// has been sent then.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn try_send(&self, socket: &UdpSocket) -> io::Result<()> {
        use std::os::fd::AsRawFd;

        use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

        let first = self.cars.first().ok_or(io::ErrorKind::InvalidInput)?;
        let size = first.bytes.len() as u16;
        let slices: Vec<_> = self
            .cars
            .iter()
            .map(|car| io::IoSlice::new(&car.bytes))
            .collect();
        let segments = [ControlMessage::UdpGsoSegments(&size)];
        let to = SockaddrStorage::from(first.to);
        socket.try_io(tokio::io::Interest::WRITABLE, || {
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            sendmsg(fd, &slices, &segments, flags, Some(&to))?;
            Ok(())
        })
    }

    /// Not offered by this system.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn try_send(&self, _: &UdpSocket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn car(port: u16, len: usize) -> Transmit {
        Transmit {
            to: SocketAddr::from(([127, 0, 0, 1], port)),
            bytes: vec![port as u8; len].into(),
        }
    }

    /// How many of these are coupled.
    fn coupled(cars: &[Transmit]) -> usize {
        let mut train = Train::default();
        cars.iter()
            .take_while(|car| train.couple((*car).clone()).is_ok())
            .count()
    }

    #[test]
    fn a_train_has_one_address_and_one_size_but_for_its_end() {
        if IS_OFFERED {
            assert_eq!(coupled(&[car(1, 9), car(1, 9), car(1, 5), car(1, 5)]), 3);
            assert_eq!(coupled(&[car(1, 9), car(1, 10)]), 1);
            assert_eq!(coupled(&[car(1, 9), car(1, 0)]), 1);
            assert_eq!(coupled(&[car(1, 9), car(2, 9)]), 1);
            assert_eq!(coupled(&vec![car(1, 9); 100]), MAX_CARS);
            assert_eq!(coupled(&vec![car(1, 1_300); 100]), MAX_BYTES / 1_300);
        } else {
            assert_eq!(coupled(&[car(1, 9), car(1, 9)]), 1);
        }
    }

    #[test]
    fn an_empty_train_takes_any_datagram() {
        let mut train = Train::default();
        for car in [car(1, 0), car(2, 65_507)] {
            assert_eq!(train.couple(car), Ok(()));
            train.clear();
        }
    }
}
