//! A name server of the test's own on loopback.

use std::net::{Ipv4Addr, SocketAddr};

use dipole_dns::Hickory;
use dipole_dns::hickory_resolver::proto::op::{Message, ResponseCode};
use dipole_dns::hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

/// What a name server knows: by name and type, with a time to live in seconds.
pub(crate) type Records = fn(&str, RecordType) -> Vec<(u32, RData)>;

/// Asks a name server that knows these, and that there is no name which begins with `nowhere`.
pub(crate) async fn hickory(records: Records) -> Hickory {
    Hickory::asking([name_server(records).await]).expect("a resolver")
}

/// Answers until the test's runtime ends.
async fn name_server(records: Records) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let addr = socket.local_addr().expect("its address");
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
            let asked = Message::from_vec(&packet[..length]).expect("a question");
            let query = asked.queries[0].clone();
            let name = query.name().to_string().to_lowercase();
            let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
            if name.starts_with("nowhere") {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.queries.push(query.clone());
            let record = |(ttl, data)| Record::from_rdata(query.name().clone(), ttl, data);
            answer.answers.extend(records(&name, query.query_type()).into_iter().map(record));
            let bytes = answer.to_vec().expect("a message");
            socket.send_to(&bytes, peer).await.expect("it is sent");
        }
    });
    addr
}
