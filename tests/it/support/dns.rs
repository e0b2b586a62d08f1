//! A DNS server with the names that a test gives it. It does not answer for any other.

use simple_dns::rdata::{A, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// What there is of one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) a: Vec<Ipv4Addr>,
    /// Priority, port, and target.
    pub(crate) srv: Vec<(u16, u16, String)>,
}

type Zone = Arc<Mutex<BTreeMap<String, Records>>>;

/// It answers as long as the test program runs.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Zone,
}

impl Dns {
    /// Knows `localhost` only.
    pub(crate) fn start() -> Self {
        Self::start_with(false)
    }

    /// Also sends everything over TCP, because no answer fits into a packet.
    pub(crate) fn start_with(truncates: bool) -> Self {
        let zone = Zone::default();
        // The same port for both protocols.
        let (udp, tcp) = std::iter::repeat_with(|| {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let udp = UdpSocket::bind(tcp.local_addr().unwrap());
            udp.map(|udp| (udp, tcp))
        })
        .find_map(Result::ok)
        .unwrap();
        let address = udp.local_addr().unwrap();
        let of_udp = Arc::clone(&zone);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                let answer = answer(&of_udp, &buffer[..length], truncates);
                udp.send_to(&answer, from).ok();
            }
        });
        let of_tcp = Arc::clone(&zone);
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut question).unwrap();
                let answer = answer(&of_tcp, &question, false);
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length, answer.as_slice()].concat()).unwrap();
            }
        });
        let dns = Self { address, zone };
        dns.put("localhost", Records { a: vec![Ipv4Addr::LOCALHOST], ..Records::default() });
        dns
    }

    /// Gives a name these records; without any, the name does not exist.
    pub(crate) fn put(&self, name: &str, records: Records) {
        self.zone.lock().unwrap().insert(name.to_owned(), records);
    }

    /// Leads names to this machine.
    pub(crate) fn lead_here(&self, names: &[&str]) {
        for name in names {
            self.put(name, Records { a: vec![Ipv4Addr::LOCALHOST], ..Records::default() });
        }
    }

    /// Says of names that they do not exist.
    pub(crate) fn deny(&self, names: &[&str]) {
        names.iter().for_each(|name| self.put(name, Records::default()));
    }
}

fn answer(zone: &Zone, question: &[u8], truncates: bool) -> Vec<u8> {
    let packet = Packet::parse(question).unwrap();
    let question = packet.questions[0].clone();
    let name = question.qname.to_string().to_ascii_lowercase();
    let mut reply = packet.into_reply();
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    // Records in the zone, and those of names below and above it: an SRV record's name has no other.
    let zone = zone.lock().unwrap();
    let domain = name.trim_start_matches("_matrix-fed._tcp.").trim_start_matches("_matrix._tcp.");
    let records = match zone.get(&name) {
        Some(records) => Some(records.clone()),
        None => zone.get(domain).map(|_| Records::default()),
    };
    let data: Vec<RData<'static>> = match &records {
        None => {
            *reply.rcode_mut() = RCODE::ServerFailure;
            vec![]
        }
        Some(records) if records.a.is_empty() && records.srv.is_empty() => {
            *reply.rcode_mut() = RCODE::NameError;
            vec![]
        }
        Some(_) if truncates => {
            reply.set_flags(PacketFlag::TRUNCATION);
            vec![]
        }
        Some(records) => match question.qtype {
            QTYPE::TYPE(TYPE::A) => {
                records.a.iter().map(|&address| RData::A(A { address: address.into() })).collect()
            }
            QTYPE::TYPE(TYPE::SRV) => records.srv.iter().map(srv).collect(),
            _ => vec![],
        },
    };
    for data in data {
        let name = question.qname.clone().into_owned();
        reply.answers.push(ResourceRecord::new(name, CLASS::IN, 1, data));
    }
    reply.build_bytes_vec_compressed().unwrap()
}

fn srv((priority, port, target): &(u16, u16, String)) -> RData<'static> {
    let target = Name::new(target).unwrap().into_owned();
    RData::SRV(SRV { priority: *priority, weight: 0, port: *port, target })
}
