//! A way to the server that can be cut at the worst moment: the commit is through, its answer is not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Cuts that are still to come.
#[derive(Clone, Default)]
pub(super) struct Cuts(Arc<AtomicU32>);

impl Cuts {
    /// The next commit loses its answer, and with it the connection.
    pub(super) fn plan(&self, count: u32) {
        self.0.store(count, Ordering::SeqCst);
    }

    pub(super) fn left(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Passes connections on to the server; says at which port. Ends with the process of the tests.
pub(super) fn start(server: u16, cuts: &Cuts) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("a port").port();
    let cuts = cuts.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), cuts) = (client, cuts.clone()) else { return };
            thread::spawn(move || pass(client, server, &cuts));
        }
    });
    port
}

fn pass(mut client: TcpStream, server: u16, cuts: &Cuts) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    let (mut from, mut to) =
        (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
    let muted = Arc::new(AtomicU32::new(0));
    let back = {
        let muted = Arc::clone(&muted);
        thread::spawn(move || {
            let mut octets = [0; 65536];
            while let Ok(count @ 1..) = from.read(&mut octets) {
                if muted.load(Ordering::SeqCst) > 0 {
                    // Nothing is passed on any more; when the commit is through, all is cut.
                    match octets[..count].windows(7).any(|window| window == b"COMMIT\0") {
                        true => break,
                        false => continue,
                    }
                }
                if to.write_all(&octets[..count]).is_err() {
                    break;
                }
            }
            // One that the other side closed already is what was wanted.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        })
    };
    let mut octets = [0; 65536];
    while let Ok(count @ 1..) = client.read(&mut octets) {
        let commit = octets[..count].windows(7).any(|window| window == b"COMMIT\0");
        if commit
            && cuts.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
        {
            muted.store(1, Ordering::SeqCst);
        }
        if server.write_all(&octets[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = back.join();
}
