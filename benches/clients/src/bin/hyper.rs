//! hyper's connections by themselves: no pool, a task for each.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use clients::{CONNECTIONS, Load, check};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Sender = Rc<RefCell<Option<SendRequest<Empty<Bytes>>>>>;

fn main() {
    let load = Load::of_arguments();
    let (server, host) = (load.server, load.server.to_string());
    let clients: Vec<Sender> = (0..CONNECTIONS).map(|_| Sender::default()).collect();
    let request = move |client: Sender| {
        let host = host.clone();
        async move {
            let taken = client.borrow_mut().take();
            let mut sender = match taken {
                Some(sender) => sender,
                None => {
                    let socket = TcpStream::connect(server).await.expect("a connection");
                    socket.set_nodelay(true).expect("a socket");
                    let (sender, connection) = handshake(TokioIo::new(socket)).await.expect("one");
                    tokio::spawn(connection);
                    sender
                }
            };
            sender.ready().await.expect("the connection is there");
            let request = http::Request::get("/").header("host", &*host).body(Empty::new());
            let response = sender.send_request(request.expect("a request")).await;
            let response = response.expect("a response");
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a whole body").to_bytes();
            check(status, &body);
            *client.borrow_mut() = Some(sender);
        }
    };
    load.run(request, clients);
}
