use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::tls::Refusal;

/// How many sessions there are, in all and by address.
///
/// Bounds: so many in all, and from one address; whoever comes beyond is refused.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Shared>);

/// One session's seat; free again when dropped.
#[derive(Debug)]
pub struct Seat {
    sessions: Sessions,
    address: IpAddr,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    limit_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Sessions {
    /// So many seats in all, and for one address.
    pub fn new(limit: usize, limit_per_address: usize) -> Self {
        Self(Arc::new(Shared { limit, limit_per_address, taken: Mutex::default() }))
    }

    /// Whether there is a seat, before a handshake is begun for it.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.check_in(&self.taken(), address)
    }

    /// Takes a seat.
    ///
    /// # Errors
    /// When there is none.
    pub fn begin(&self, address: IpAddr) -> Result<Seat, Refusal> {
        let mut taken = self.taken();
        self.check_in(&taken, address)?;
        taken.all += 1;
        *taken.by_address.entry(address).or_default() += 1;
        Ok(Seat { sessions: self.clone(), address })
    }

    fn check_in(&self, taken: &Taken, address: IpAddr) -> Result<(), Refusal> {
        let Shared { limit, limit_per_address, .. } = *self.0;
        if taken.by_address.get(&address).is_some_and(|count| *count >= limit_per_address) {
            return Err(Refusal::FullForAddress { limit: limit_per_address });
        }
        if taken.all >= limit {
            return Err(Refusal::Full { limit });
        }
        Ok(())
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.sessions.taken();
        taken.all -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn sessions_are_counted_in_all_and_by_address_and_seats_come_back() {
        let sessions = Sessions::new(3, 2);
        let first = sessions.begin(address(1)).unwrap();
        let _second = sessions.begin(address(1)).unwrap();
        assert!(matches!(sessions.begin(address(1)), Err(Refusal::FullForAddress { limit: 2 })));
        assert!(matches!(sessions.check(address(1)), Err(Refusal::FullForAddress { limit: 2 })));
        let _third = sessions.begin(address(2)).unwrap();
        assert!(matches!(sessions.begin(address(3)), Err(Refusal::Full { limit: 3 })));
        drop(first);
        sessions.check(address(1)).unwrap();
        sessions.begin(address(1)).unwrap();
    }
}
