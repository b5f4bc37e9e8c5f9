//! A small server on loopback that hands out one list, and can be away.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

/// Longest wait for a line of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What lies there.
enum Shelf {
    List(Vec<u8>),
    /// Connections are closed without a word.
    Away,
    /// The server ends.
    Closed,
}

/// The server; it ends with its owner.
pub(super) struct Server {
    shelf: Arc<Mutex<Shelf>>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Hands out this list, under whatever path.
    pub(super) fn start(list: Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shelf = Arc::new(Mutex::new(Shelf::List(list)));
        let serving = Arc::clone(&shelf);
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // Copied, so that a slow client keeps nobody from changing what lies there.
                let list = match &*serving.lock().unwrap_or_else(PoisonError::into_inner) {
                    Shelf::List(list) => list.clone(),
                    Shelf::Away => continue,
                    Shelf::Closed => return,
                };
                // A client that goes away is no error of the server.
                drop(hand_out(&stream, &list));
            }
        });
        Ok(Self { shelf, address, thread: Some(thread) })
    }

    /// Where it is.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Hands out this list from now on.
    pub(super) fn lay(&self, list: Vec<u8>) {
        self.set(Shelf::List(list));
    }

    /// Answers nobody from now on.
    pub(super) fn leave(&self) {
        self.set(Shelf::Away);
    }

    fn set(&self, shelf: Shelf) {
        *self.shelf.lock().unwrap_or_else(PoisonError::into_inner) = shelf;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.set(Shelf::Closed);
        // Wakes it, so that it sees.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn hand_out(mut stream: &TcpStream, list: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/pkix-crl";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", list.len())?;
    stream.write_all(list)
}
