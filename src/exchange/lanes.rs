//! Which client sent which request: result files don't tell, screens and recordings need it.

/// Gives requests, asked for in the order of their start, to the clients of a closed loop.
pub struct Lanes {
    /// When each client is free again, nanoseconds.
    free_ns: Vec<u64>,
}

impl Lanes {
    pub fn new(clients: u32) -> Self {
        Self { free_ns: vec![0; clients.max(1) as usize] }
    }

    /// The client of a request: of those that are free the one that has been so for the shortest time, since a
    /// client sends its next request as soon as it has an answer. If none is free (clocks of several processes
    /// differ by a little), the one that will be first.
    pub fn client(&mut self, start_ns: u64, end_ns: u64) -> u32 {
        let (mut best, mut best_key) = (0, (true, u64::MAX));
        for (i, free) in self.free_ns.iter().enumerate() {
            let busy = *free > start_ns;
            let key = (busy, free.abs_diff(start_ns));
            if key < best_key {
                (best, best_key) = (i, key);
            }
        }
        self.free_ns[best] = end_ns;
        best as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_goes_on_where_it_got_its_answer() {
        let mut lanes = Lanes::new(2);
        assert_eq!((lanes.client(0, 100), lanes.client(5, 60)), (0, 1));
        assert_eq!((lanes.client(61, 90), lanes.client(92, 150)), (1, 1));
        assert_eq!(lanes.client(101, 200), 0);
        // Both are busy: the one that ends first takes it.
        assert_eq!(lanes.client(140, 300), 1);
    }
}
