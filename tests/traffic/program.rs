//! The program with which the tests see whether packets get through, and from where: a server and its clients, tcp and udp.
//!
//! `answer [ADDRESS:]PORT…`: serves both protocols at each, and says `ready`.
//! `who tcp|udp ADDRESS:PORT [MILLISECONDS]`: the address that the server sees; else `refused`, `silent` or `unreachable`.
//! `echo tcp|udp ADDRESS:PORT BYTES`: so many bytes there and back again; `same` if all came back.
//! `speed ADDRESS:PORT MILLISECONDS`: megabits per second of one tcp connection, there.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// What a connection is for is its first byte; a datagram of one such byte asks, any other is sent back.
const WHO: u8 = b'w';
const ECHO: u8 = b'e';
const SINK: u8 = b's';
/// Bytes of a datagram: with its headers less than any link's limit here.
const DATAGRAM_BYTES: usize = 1200;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let milliseconds = |text: &str| Duration::from_millis(text.parse().unwrap());
    let said = match words.as_slice() {
        ["answer", ports @ ..] => answer(ports),
        ["who", protocol, at] => who(protocol, at.parse().unwrap(), PATIENCE),
        ["who", protocol, at, limit] => who(protocol, at.parse().unwrap(), milliseconds(limit)),
        ["echo", "tcp", at, bytes] => echo_tcp(at.parse().unwrap(), bytes.parse().unwrap()),
        ["echo", "udp", at, bytes] => echo_udp(at.parse().unwrap(), bytes.parse().unwrap()),
        ["speed", at, limit] => speed(at.parse().unwrap(), milliseconds(limit)),
        _ => panic!("what does {words:?} mean?"),
    };
    println!("{}", said.unwrap_or_else(|error| reason(&error)));
}

/// Why there was no answer, in a word if it is one of the kernel's usual ones.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "silent".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable".to_owned(),
        _ => format!("error: {error}"),
    }
}

fn answer(ports: &[&str]) -> std::io::Result<String> {
    let mut threads = Vec::new();
    for port in ports {
        // Both versions of the protocol, where there are two.
        let places = match port.parse::<SocketAddr>() {
            Ok(place) => vec![place],
            Err(_) => vec![format!("[::]:{port}").parse().unwrap(), format!("0.0.0.0:{port}").parse().unwrap()],
        };
        let tcp = TcpListener::bind(places.as_slice())?;
        let udp = UdpSocket::bind(tcp.local_addr()?)?;
        threads.push(std::thread::spawn(move || {
            for connection in tcp.incoming().flatten() {
                std::thread::spawn(move || serve(connection));
            }
        }));
        threads.push(std::thread::spawn(move || while serve_datagram(&udp).is_ok() {}));
    }
    println!("ready");
    for thread in threads {
        let _ = thread.join();
    }
    Ok(String::new())
}

fn seen(peer: SocketAddr) -> String {
    peer.ip().to_canonical().to_string()
}

fn serve(mut connection: TcpStream) -> std::io::Result<()> {
    let mut buf = vec![0; 1 << 17];
    connection.read_exact(&mut buf[..1])?;
    let wish = buf[0];
    if wish == WHO {
        return connection.write_all(seen(connection.peer_addr()?).as_bytes());
    }
    let mut sum = 0u64;
    loop {
        let n = connection.read(&mut buf)?;
        if n == 0 {
            break;
        }
        sum += n as u64;
        if wish == ECHO {
            connection.write_all(&buf[..n])?;
        }
    }
    if wish == SINK { connection.write_all(&sum.to_ne_bytes()) } else { Ok(()) }
}

fn serve_datagram(socket: &UdpSocket) -> std::io::Result<()> {
    let mut buf = [0; 2048];
    let (n, from) = socket.recv_from(&mut buf)?;
    let answer = if buf[..n] == [WHO] { seen(from).into_bytes() } else { buf[..n].to_vec() };
    let _ = socket.send_to(&answer, from); // who asked may be gone
    Ok(())
}

fn connect(at: SocketAddr, limit: Duration, wish: u8) -> std::io::Result<TcpStream> {
    let mut connection = TcpStream::connect_timeout(&at, limit)?;
    connection.set_read_timeout(Some(limit))?;
    connection.set_write_timeout(Some(limit))?;
    connection.write_all(&[wish])?;
    Ok(connection)
}

/// A socket for datagrams that hears of refusals.
fn connected(at: SocketAddr, limit: Duration) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    let socket = UdpSocket::bind(any)?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(limit))?;
    Ok(socket)
}

fn who(protocol: &str, at: SocketAddr, limit: Duration) -> std::io::Result<String> {
    let mut text = [0; 64];
    let n = if protocol == "tcp" {
        connect(at, limit, WHO)?.read(&mut text)?
    } else {
        let socket = connected(at, limit)?;
        socket.send(&[WHO])?;
        socket.recv(&mut text)?
    };
    Ok(String::from_utf8_lossy(&text[..n]).into_owned())
}

/// Bytes that do not repeat.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, buf: &mut [u8]) {
        for eight in buf.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            eight.copy_from_slice(&self.0.to_ne_bytes()[..eight.len()]);
        }
    }
}

fn echo_tcp(at: SocketAddr, bytes: usize) -> std::io::Result<String> {
    let mut connection = connect(at, PATIENCE, ECHO)?;
    let mut sent = vec![0; bytes];
    Noise(0x9e37_79b9_7f4a_7c15).fill(&mut sent);
    let mut writer = connection.try_clone()?;
    let (mut received, noise) = (Vec::with_capacity(bytes), sent.clone());
    let thread = std::thread::spawn(move || writer.write_all(&noise).and_then(|()| writer.shutdown(Shutdown::Write)));
    connection.read_to_end(&mut received)?;
    thread.join().unwrap()?;
    Ok(if received == sent { "same".to_owned() } else { format!("{} of {bytes} bytes, other ones", received.len()) })
}

/// Datagrams, each sent again until it comes back: the protocol promises nothing, a busy machine drops some.
fn echo_udp(at: SocketAddr, bytes: usize) -> std::io::Result<String> {
    let socket = connected(at, Duration::from_millis(200))?;
    let (mut noise, mut sent, mut received) =
        (Noise(0x2545_f491_4f6c_dd1d), [0; DATAGRAM_BYTES], [0; DATAGRAM_BYTES + 1]);
    let mut lost = 0;
    for _ in 0..bytes.div_ceil(DATAGRAM_BYTES) {
        noise.fill(&mut sent);
        let end = Instant::now() + PATIENCE;
        loop {
            socket.send(&sent)?;
            match socket.recv(&mut received) {
                Ok(n) if received[..n] == sent => break,
                Ok(_) => {} // of one that was sent twice
                Err(error) if reason(&error) == "silent" && Instant::now() < end => lost += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(if lost < 100 { "same".to_owned() } else { format!("{lost} datagrams lost") })
}

#[allow(clippy::cast_precision_loss)] // a rate
fn speed(at: SocketAddr, limit: Duration) -> std::io::Result<String> {
    let mut connection = connect(at, PATIENCE, SINK)?;
    let buf = vec![0; 1 << 17];
    let start = Instant::now();
    while start.elapsed() < limit {
        connection.write_all(&buf)?;
    }
    connection.shutdown(Shutdown::Write)?;
    let mut sum = [0; 8];
    connection.read_exact(&mut sum)?;
    let bits = u64::from_ne_bytes(sum) as f64 * 8.0;
    Ok(format!("{:.0}", bits / start.elapsed().as_secs_f64() / 1e6))
}
