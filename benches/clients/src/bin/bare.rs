//! The floor: a bare epoll loop that writes a canned request and looks for the end of the answer.
//!
//! One `send`, one `recv` and its share of an `epoll_wait` a request, no allocation. It is no HTTP
//! client: it knows how long the body is.

use std::io::{Read, Write};
use std::net::TcpStream;

use clients::{CONNECTIONS, Load, Measure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

fn main() -> std::io::Result<()> {
    let load = Load::of_arguments();
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", load.server).into_bytes();
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut sockets = Vec::new();
    for index in 0..CONNECTIONS {
        let socket = TcpStream::connect(load.server)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let data = EventData::new_u64(index as u64);
        epoll::add(&epoll, &socket, data, EventFlags::IN | EventFlags::ET)?;
        sockets.push(socket);
    }
    for requests in [load.requests / 10, load.requests] {
        let measure = Measure::begin();
        let mut left = vec![requests; CONNECTIONS];
        let mut going = CONNECTIONS;
        for mut socket in &sockets {
            socket.write_all(&request)?;
        }
        let mut events = Vec::<Event>::with_capacity(256);
        let mut input = [0; 4096];
        while going > 0 {
            events.clear();
            epoll::wait(&epoll, spare_capacity(&mut events), None)?;
            for event in &events {
                let index = event.data.u64() as usize;
                let mut socket = &sockets[index];
                let length = socket.read(&mut input)?;
                assert!(input[..length].ends_with(b"Hello, World!"), "a short answer in pieces");
                left[index] -= 1;
                if left[index] == 0 {
                    going -= 1;
                } else {
                    socket.write_all(&request)?;
                }
            }
        }
        if requests == load.requests {
            measure.tell(requests * CONNECTIONS);
        }
    }
    Ok(())
}
