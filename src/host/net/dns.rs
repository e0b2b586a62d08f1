//! Questions to the DNS itself: SRV records, and whether a name exists. The system's resolver answers
//! neither.
//!
//! Must not decide what an answer means.

use super::super::{env::Env, files, random};
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData,
};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// How long a server may take for an answer. Each is asked twice.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A record of the type SRV.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Srv {
    /// Lower ones come first.
    pub priority: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: String,
}

/// The SRV records of a name, the first one first; an empty list if it has none.
///
/// # Errors
/// The DNS does not answer.
pub(super) fn srv(env: &Env, name: &str) -> Result<Vec<Srv>, String> {
    let mut records = vec![];
    ask(env, name, TYPE::SRV, |data| {
        if let RData::SRV(srv) = data {
            let target = srv.target.to_string().trim_end_matches('.').to_ascii_lowercase();
            records.push(Srv { priority: srv.priority, port: srv.port, target });
        }
    })?;
    // One without a target says that there is no such service.
    records.retain(|record| !record.target.is_empty());
    records.sort();
    Ok(records)
}

/// The addresses of a name; an empty list if it has none.
///
/// # Errors
/// The DNS does not answer.
pub(super) fn addresses(env: &Env, name: &str) -> Result<Vec<IpAddr>, String> {
    let mut addresses = vec![];
    for kind in [TYPE::A, TYPE::AAAA] {
        ask(env, name, kind, |data| match data {
            RData::A(a) => addresses.push(IpAddr::from(a.address.to_be_bytes())),
            RData::AAAA(aaaa) => addresses.push(IpAddr::from(aaaa.address.to_be_bytes())),
            _ => {}
        })?;
    }
    Ok(addresses)
}

/// Asks one server after the other, and passes on each record of the answer.
fn ask(env: &Env, name: &str, kind: TYPE, mut found: impl FnMut(&RData<'_>)) -> Result<(), String> {
    let id = random::bytes::<2>().map_err(|error| error.lines().join("; "))?;
    let id = u16::from_be_bytes(id);
    let question = query(id, name, kind)?;
    let mut why = "no server is known".to_owned();
    let servers = servers(env);
    for server in servers.iter().chain(&servers) {
        match exchange(*server, id, &question) {
            Ok(answer) => {
                let packet = Packet::parse(&answer).map_err(|error| error.to_string())?;
                match packet.rcode() {
                    RCODE::NoError | RCODE::NameError => {
                        packet.answers.iter().for_each(|record| found(&record.rdata));
                        return Ok(());
                    }
                    code => why = format!("{code:?}"),
                }
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(format!("the DNS does not answer for {name}: {why}"))
}

fn query(id: u16, name: &str, kind: TYPE) -> Result<Vec<u8>, String> {
    let name = Name::new(name).map_err(|error| format!("{name}: {error}"))?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let (kind, class) = (QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN));
    packet.questions.push(Question::new(name, kind, class, false));
    packet.build_bytes_vec().map_err(|error| error.to_string())
}

/// Asks over UDP, and over TCP if the answer does not fit there.
fn exchange(server: SocketAddr, id: u16, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    // Only this server's answers are received.
    socket.connect(server)?;
    socket.send(question)?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer)?;
        let answer = &buffer[..length];
        let Ok(packet) = Packet::parse(answer) else {
            // One that was cut off need not be complete.
            if answer.get(..2) == Some(&id.to_be_bytes()[..]) {
                return over_tcp(server, question);
            }
            continue;
        };
        if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
            continue;
        }
        if packet.has_flags(PacketFlag::TRUNCATION) {
            return over_tcp(server, question);
        }
        return Ok(answer.to_vec());
    }
}

fn over_tcp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let length = u16::try_from(question.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// The servers of this host; tests have one of their own.
fn servers(env: &Env) -> Vec<SocketAddr> {
    if let Some(server) = test_server(env) {
        return vec![server];
    }
    let text = files::read("/etc/resolv.conf".into()).ok().flatten().unwrap_or_default();
    from_resolv_conf(&text)
}

/// The DNS server that tests name instead of the host's.
pub(super) fn test_server(env: &Env) -> Option<SocketAddr> {
    env.get("DOKKU_MATRIX_DNS")?.parse().ok()
}

fn from_resolv_conf(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        // A scope, as in `fe80::1%eth0`, cannot be named here.
        Some(SocketAddr::from((address.parse::<IpAddr>().ok()?, 53)))
    };
    let mut servers: Vec<_> = text.lines().filter_map(server).take(3).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resolv_conf() {
        for (text, servers) in [
            ("", vec!["127.0.0.1:53"]),
            ("search a.b\nnameserver 10.0.0.1\n", vec!["10.0.0.1:53"]),
            ("#nameserver 1.1.1.1\n nameserver\t::1 \noptions x\n", vec!["[::1]:53"]),
            ("nameserver x\nnameserver 1.1.1.1", vec!["1.1.1.1:53"]),
            (
                "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4",
                vec!["1.0.0.1:53", "1.0.0.2:53", "1.0.0.3:53"],
            ),
        ] {
            let read: Vec<_> = from_resolv_conf(text).iter().map(ToString::to_string).collect();
            assert_eq!(read, servers, "{text:?}");
        }
    }
}
