//! Zstandard (RFC 8878) as a stream: frames one after the other, skippable ones between them, each with its checksum.

mod bits;
mod block;
mod fse;
mod huffman;
#[cfg(test)]
mod tests;
mod xxh64;

use super::gzip::Input;
use crate::error::{Error, Result};
use crate::kernel::io::copy;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use bits::BEFORE_BYTES;
use block::Blocks;
use xxh64::Xxh64;

/// How far a frame may look back: what RFC 8878 (3.1.1.1.2) wants every decoder to take, and what `zstd -19` uses at most.
pub const WINDOW_BYTES_MAX: u64 = 8 << 20;
/// `Block_Maximum_Size` (3.1.1.2.4), compressed and not.
const BLOCK_BYTES_MAX: usize = 128 << 10;
const MAGIC: u64 = 0xfd2f_b528;
/// Of frames that decoders skip (3.1.2), with any last digit.
const MAGIC_SKIPPED: u64 = 0x184d_2a50;

/// What the next bytes of the input are.
enum Place {
    /// Another frame, or the end.
    Between,
    Block,
    /// What comes after a frame's last block.
    FrameEnd,
}

/// A decoder between two reads.
pub struct Zstd {
    place: Place,
    /// Whether there was a frame already.
    seen: bool,
    blocks: Box<Blocks>,
    /// A compressed block, after [`BEFORE_BYTES`].
    packed: Vec<u8>,
    /// What of the window is not yet read: `from..to`.
    from: usize,
    to: usize,
    /// The sum of the frame's content, if the frame has one to compare.
    sum: Option<Xxh64>,
    /// How many bytes of content the frame says that it has, and how many came.
    size: Option<u64>,
    given: u64,
}

impl Default for Zstd {
    /// A decoder at the beginning of its input.
    fn default() -> Self {
        let packed = vec![0; BEFORE_BYTES + BLOCK_BYTES_MAX];
        let blocks = Box::new(Blocks::new());
        Self { place: Place::Between, seen: false, blocks, packed, from: 0, to: 0, sum: None, size: None, given: 0 }
    }
}

impl Zstd {
    /// Gives some of the content; 0 at the end.
    pub fn read(&mut self, input: &mut Input<'_>, buf: &mut [u8]) -> Result<usize> {
        while self.from == self.to {
            match self.place {
                Place::Between if !input.is_empty()? => self.begin(input)?,
                Place::Between => return if self.seen { Ok(0) } else { Err(ends_early()) },
                Place::Block => self.block(input)?,
                Place::FrameEnd => self.end(input)?,
            }
        }
        let n = copy(self.blocks.bytes.get(self.from..self.to).unwrap_or_default(), buf);
        self.from += n;
        input.count(n as u64)?;
        Ok(n)
    }

    /// A frame's header (3.1.1.1). One that decoders skip is skipped.
    fn begin(&mut self, input: &mut Input<'_>) -> Result<()> {
        let magic = number(input, 4)?;
        if magic & !15 == MAGIC_SKIPPED {
            let mut left = number(input, 4)? as usize;
            while left > 0 {
                let n = input.some(left)?.len();
                left -= if n == 0 { return Err(ends_early()) } else { n };
            }
            return Ok(());
        }
        if magic != MAGIC {
            return Err(Error::new(if self.seen {
                "junk after the end of the zstd data"
            } else {
                "damaged zstd header"
            }));
        }
        let descriptor = number(input, 1)? as usize;
        if descriptor & 8 != 0 {
            return Err(Error::new("damaged zstd header"));
        }
        let is_single = descriptor >> 5 & 1;
        let mut window = 0;
        if is_single == 0 {
            let byte = number(input, 1)?;
            window = (8 + byte % 8) << (7 + byte / 8);
        }
        let dictionary = number(input, 1 << (descriptor % 4) >> 1)?;
        let size_bytes = match descriptor >> 6 {
            0 => is_single,
            flag => 1 << flag,
        };
        let size = number(input, size_bytes)?.saturating_add(if size_bytes == 2 { 256 } else { 0 });
        if is_single != 0 {
            window = size;
        }
        if window > WINDOW_BYTES_MAX {
            return Err(Error::new(format_args!(
                "this zstd archive needs a window of {window} bytes, more than the {WINDOW_BYTES_MAX} that are allowed: \
                 compress it again with zstd -19 or less, without --long"
            )));
        }
        if dictionary != 0 {
            return Err(Error::new("this zstd archive needs a dictionary"));
        }
        self.blocks.begin(window as usize);
        self.sum = (descriptor & 4 != 0).then(Xxh64::new);
        self.size = (size_bytes > 0).then_some(size);
        (self.place, self.seen, self.given) = (Place::Block, true, 0);
        Ok(())
    }

    /// A block (3.1.1.2): its content is there to be read. So what is unread is never more than one.
    fn block(&mut self, input: &mut Input<'_>) -> Result<()> {
        let header = number(input, 3)? as usize;
        let size = header >> 3;
        if size > BLOCK_BYTES_MAX {
            return Err(damaged());
        }
        let blocks = &mut *self.blocks;
        let from = blocks.begin_block();
        match header >> 1 & 3 {
            0 => fill(input, blocks.room(size))?,
            1 => {
                let byte = number(input, 1)? as u8;
                blocks.room(size).fill(byte);
            }
            2 => {
                let packed = self.packed.get_mut(..BEFORE_BYTES + size).ok_or_else(damaged)?;
                fill(input, &mut packed[BEFORE_BYTES..])?;
                blocks.decode(packed).ok_or_else(damaged)?;
            }
            _ => return Err(damaged()),
        }
        (self.from, self.to) = (from, blocks.at);
        let content = blocks.bytes.get(from..blocks.at).unwrap_or_default();
        self.given += content.len() as u64;
        if let Some(sum) = &mut self.sum {
            sum.add(content);
        }
        if header & 1 != 0 {
            self.place = Place::FrameEnd;
        }
        Ok(())
    }

    /// The end of a frame: all that it promised must have come.
    fn end(&mut self, input: &mut Input<'_>) -> Result<()> {
        if self.size.is_some_and(|size| size != self.given) {
            return Err(Error::new("damaged zstd data (wrong size)"));
        }
        if let Some(sum) = &self.sum
            && number(input, 4)? as u32 != sum.value() as u32
        {
            return Err(Error::new("damaged zstd data (wrong checksum)"));
        }
        self.place = Place::Between;
        Ok(())
    }
}

/// Reads a number of `n` bytes, 8 at most.
fn number(input: &mut Input<'_>, n: usize) -> Result<u64> {
    let mut bytes = [0; 8];
    fill(input, &mut bytes[..n])?;
    Ok(u64::from_le_bytes(bytes))
}

fn fill(input: &mut Input<'_>, mut buf: &mut [u8]) -> Result<()> {
    while !buf.is_empty() {
        let n = copy(input.some(buf.len())?, buf);
        if n == 0 {
            return Err(ends_early());
        }
        buf = &mut buf[n..];
    }
    Ok(())
}

fn ends_early() -> Error {
    Error::new("the zstd data ends too early")
}

fn damaged() -> Error {
    Error::new("damaged zstd data")
}
