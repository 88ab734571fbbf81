//! A client that asks several servers in turn, in bursts of some milliseconds, and says what CPU time each
//! burst has cost its server. What the machine does beside is then the same for all of them: a run of
//! seconds hits one server in a slow moment and another in a quick one.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long a server has to say something.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// For a server to go to sleep, so that the scheduler has accounted for all that it has done.
const REST: Duration = Duration::from_millis(2);
/// Bursts that are not counted.
const WARM_UP: usize = 2;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [path, deep, connections, think, requests, bursts, servers @ ..] = &arguments[..] else {
        usage()
    };
    let think = Duration::from_nanos(think.parse()?);
    let (deep, connections) = (deep.parse::<usize>()?, connections.parse::<usize>()?);
    let (requests, bursts) = (requests.parse::<usize>()?, bursts.parse::<usize>()?);
    if servers.is_empty() || deep == 0 || connections == 0 || requests < deep {
        usage()
    }
    let request = request_for(path);
    let servers = servers.iter().map(|server| Server::new(server, &request, deep, connections));
    let mut servers = servers.collect::<Result<Vec<_>>>()?;
    let mut input = vec![0; 256 * 1024];
    for burst in 0..WARM_UP + bursts {
        // Another one begins each time, and has others before it.
        let first = burst % servers.len();
        servers.rotate_left(first);
        if burst % 2 == 1 {
            servers.reverse();
        }
        for server in &mut servers {
            let cost = server.burst(requests.div_ceil(deep), think, &mut input)?;
            if burst >= WARM_UP {
                let requests = requests.div_ceil(deep) * deep;
                let cost = cost as f64 / requests as f64;
                println!("burst={} server={} nanoseconds={cost:.1}", burst - WARM_UP, server.name);
            }
        }
    }
    Ok(())
}

/// A GET, and where it is to be echoed, a POST of 4 KiB.
fn request_for(path: &str) -> String {
    let head = |method| format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    match path {
        "/echo" => format!("{}Content-Length: 4096\r\n\r\n{}", head("POST"), "x".repeat(4096)),
        _ => head("GET") + "\r\n",
    }
}

fn usage() -> ! {
    eprintln!(
        "usage: bursts PATH DEEP CONNECTIONS THINK_NANOSECONDS REQUESTS BURSTS NAME=PROCESS:PORT ..."
    );
    std::process::exit(2)
}

/// A server and the connections to it, which are kept from burst to burst.
struct Server {
    name: String,
    process: u32,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// What each connection asks at a time, and how long the answers to it are.
    request: Vec<u8>,
    answers: usize,
}

struct Connection {
    socket: TcpStream,
    /// Bytes of answers that are still to come.
    awaited: usize,
}

impl Server {
    fn new(server: &str, request: &str, deep: usize, connections: usize) -> Result<Self> {
        let (name, place) = server.split_once('=').unwrap_or_else(|| usage());
        let (process, port) = place.split_once(':').unwrap_or_else(|| usage());
        let (process, port) = (process.parse()?, port.parse::<u16>()?);
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut made = Vec::with_capacity(connections);
        for index in 0..connections {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(Duration::from_secs(PATIENCE.tv_sec as u64)))?;
            epoll::add(&epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            made.push(Connection { socket, awaited: 0 });
        }
        let answers = deep * made[0].length_of_answer(request)?;
        let request = request.repeat(deep).into_bytes();
        Ok(Self { name: name.into(), process, epoll, connections: made, request, answers })
    }

    /// Lets each connection ask again as soon as it was answered, so often in all; gives the CPU time that
    /// the server took for it, in nanoseconds. After each answer the client is busy with itself for `think`.
    fn burst(&mut self, mut batches: usize, think: Duration, input: &mut [u8]) -> Result<u64> {
        sleep(REST);
        let before = self.cpu()?;
        let mut open = 0;
        for connection in self.connections.iter_mut().take(batches) {
            connection.ask(&self.request, self.answers)?;
            open += 1;
        }
        batches -= open;
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        while open > 0 {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PATIENCE)) {
                Ok(0) => return Err(format!("{} does not answer", self.name).into()),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let connection = &mut self.connections[event.data.u64() as usize];
                if !connection.hear(&self.name, input)? {
                    continue;
                }
                be_busy(think);
                if batches > 0 {
                    batches -= 1;
                    connection.ask(&self.request, self.answers)?;
                } else {
                    open -= 1;
                }
            }
        }
        sleep(REST);
        Ok(self.cpu()? - before)
    }

    /// Nanoseconds that all threads have run.
    fn cpu(&self) -> Result<u64> {
        let mut ran = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process))? {
            let account = fs::read_to_string(task?.path().join("schedstat"))?;
            ran += account.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(ran)
    }
}

/// The time that a client with more to do with an answer would take for it.
fn be_busy(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

impl Connection {
    fn ask(&mut self, request: &[u8], answers: usize) -> Result<()> {
        self.awaited = answers;
        Ok(self.socket.write_all(request)?)
    }

    /// Takes what has come; true when that was all.
    fn hear(&mut self, server: &str, input: &mut [u8]) -> Result<bool> {
        let came = self.socket.read(input)?;
        let is_too_much = came > self.awaited;
        if came == 0 || is_too_much {
            return Err(format!("{server}: {came} bytes where {} were due", self.awaited).into());
        }
        self.awaited -= came;
        Ok(self.awaited == 0)
    }

    /// The answer's length, head and content: each is as long as the first.
    fn length_of_answer(&mut self, request: &str) -> Result<usize> {
        self.socket.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.socket.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let text = String::from_utf8(head)?.to_ascii_lowercase();
        let (_, length) = text.split_once("content-length: ").ok_or("no content-length")?;
        let content = length.lines().next().unwrap_or_default().trim().parse::<usize>()?;
        self.socket.read_exact(&mut vec![0; content])?;
        Ok(text.len() + content)
    }
}
