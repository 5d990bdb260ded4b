//! Archives as only an attacker writes them: every field of every header by hand.

use crate::host::busybox_tar;

const BLOCK: usize = 512;

/// A tar archive in the making.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

/// One header; everything else of it is zero.
pub struct Header<'a> {
    pub kind: u8,
    pub name: &'a [u8],
    pub link: &'a [u8],
    pub mode: u32,
    /// As the field has it: twelve bytes.
    pub size: &'a [u8],
    pub device: (u32, u32),
}

impl Header<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, self.name);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, b"0000000\x000000000\0");
        put(124, self.size);
        put(136, b"14371573460\0        ");
        put(156, &[self.kind]);
        put(157, self.link);
        put(257, b"ustar\x0000");
        put(329, format!("{:07o}\0{:07o}\0", self.device.0, self.device.1).as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

impl Tar {
    /// The busybox image, to go on from.
    pub fn busybox() -> Self {
        let mut bytes = std::fs::read(busybox_tar()).unwrap();
        while bytes[bytes.len() - BLOCK..].iter().all(|byte| *byte == 0) {
            bytes.truncate(bytes.len() - BLOCK);
        }
        Self(bytes)
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub fn header(self, header: &Header<'_>) -> Self {
        self.raw(&header.bytes())
    }

    /// An entry with content or a link's target.
    pub fn entry(self, kind: u8, name: &str, link: &str, content: &[u8]) -> Self {
        self.bytes_entry(kind, name.as_bytes(), link.as_bytes(), content)
    }

    pub fn bytes_entry(self, kind: u8, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        let size = format!("{:011o}\0", content.len());
        let mode = if kind == b'5' { 0o755 } else { 0o644 };
        self.header(&Header { kind, name, link, mode, size: size.as_bytes(), device: (0, 0) }).raw(content)
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(b'0', name, "", content)
    }

    pub fn dir(self, name: &str) -> Self {
        self.entry(b'5', name, "", b"")
    }

    pub fn symlink(self, name: &str, to: &str) -> Self {
        self.entry(b'2', name, to, b"")
    }

    pub fn hard_link(self, name: &str, to: &str) -> Self {
        self.entry(b'1', name, to, b"")
    }

    pub fn fifo(self, name: &str) -> Self {
        self.entry(b'6', name, "", b"")
    }

    pub fn device(self, kind: u8, name: &str, device: (u32, u32)) -> Self {
        let size = b"00000000000\0";
        self.header(&Header { kind, name: name.as_bytes(), link: b"", mode: 0o666, size, device })
    }

    /// A pax record for the next entry.
    pub fn pax(self, key: &str, value: &[u8]) -> Self {
        let rest = key.len() + value.len() + 3;
        let digits = (1..9).find(|digits| (rest + digits).to_string().len() == *digits).unwrap();
        let mut record = format!("{} {key}=", rest + digits).into_bytes();
        record.extend_from_slice(value);
        record.push(b'\n');
        self.bytes_entry(b'x', b"pax", b"", &record)
    }

    /// Without the end marker.
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn finished(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).0
    }
}
