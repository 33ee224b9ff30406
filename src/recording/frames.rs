//! A recording's bytes back into lines, around any damage.
//!
//! A frame's lines are handed out once its checksum was found right. A frame that is cut off by the end of
//! the file still gives its whole lines. After damage, the next frame is searched by its magic number.

use std::io::{self, Read};

use memchr::memchr;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// The first bytes of a zstd frame.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Bytes asked of the source at a time, and decompressed at a time.
const CHUNK: usize = 128 * 1024;
/// A frame with more lines than this (not from our writer) is handed out before its checksum is known.
const UNCHECKED_BYTES: usize = 16 << 20;
/// Longest line; what is longer is damage.
const LINE_BYTES: usize = 64 << 20;

/// What was found wrong on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FrameLosses {
    pub(super) cut_off: bool,
    pub(super) damaged_frames: u64,
    pub(super) overlong_lines: u64,
    pub(super) skipped_bytes: u64,
}

/// Where reading can begin in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    /// Bytes of the file before it.
    pub offset: u64,
    /// Bytes of text to be passed over from there on: only within a frame too big to be handed out as a whole.
    pub skip: u64,
}

/// How far a step came.
enum Step {
    /// More input or output is to be had.
    Going,
    /// A frame is complete.
    FrameEnd,
    Damaged,
    /// The source has no more bytes.
    SourceEnd,
}

/// The lines of a recording.
pub(super) struct Frames {
    source: Box<dyn Read + Send>,
    /// `None` for uncompressed lines.
    decoder: Option<Decoder<'static>>,
    /// Compressed bytes from the start of the frame under way, as far as they may be needed again.
    input: Vec<u8>,
    /// Bytes of `input` that the decoder has taken.
    taken: usize,
    /// The frame under way has begun, i.e. its magic was there.
    in_frame: bool,
    /// The start of the frame is no longer in `input`.
    unchecked: bool,
    /// Lines, of which those before `ready` may be handed out from `given` on.
    text: Vec<u8>,
    given: usize,
    ready: usize,
    source_ended: bool,
    /// The decoder may hold text that had no room yet.
    more_text: bool,
    torn: bool,
    losses: FrameLosses,
    /// Bytes of the source that are no longer in `input`.
    passed_bytes: u64,
    /// Bytes of the source up to the end of the last whole frame.
    whole_bytes: u64,
    /// Bytes of the source before the frame under way, and those of text that it has given so far.
    frame_at: u64,
    frame_text: u64,
    /// Bytes of text of the first frame that are not wanted.
    skip: u64,
}

impl Frames {
    /// Lines of a source whose first bytes are `head`.
    pub(super) fn new(source: Box<dyn Read + Send>, head: Vec<u8>) -> io::Result<Self> {
        let decoder = if head.starts_with(&MAGIC) { Some(Decoder::new()?) } else { None };
        Ok(Self {
            source,
            decoder,
            input: head,
            taken: 0,
            in_frame: false,
            unchecked: false,
            text: Vec::new(),
            given: 0,
            ready: 0,
            source_ended: false,
            more_text: false,
            torn: false,
            losses: FrameLosses::default(),
            passed_bytes: 0,
            whole_bytes: 0,
            frame_at: 0,
            frame_text: 0,
            skip: 0,
        })
    }

    pub(super) fn losses(&self) -> FrameLosses {
        self.losses
    }

    /// Bytes of the source up to the end of the last whole frame; `None` if it has none, being uncompressed.
    pub(super) fn whole_bytes(&self) -> Option<u64> {
        self.decoder.is_some().then_some(self.whole_bytes)
    }

    /// Where reading can begin that goes on behind all that was handed out; `None` within a frame that was found whole
    /// before its lines were handed out.
    pub(super) fn boundary(&self) -> Option<Boundary> {
        let left = (self.text.len() - self.given) as u64;
        if self.decoder.is_none() {
            return Some(Boundary { offset: self.passed_bytes - left, skip: 0 });
        }
        if self.in_frame && self.unchecked {
            // What is left may reach back into the frame before.
            let skip = self.frame_text.checked_sub(left)?;
            return Some(Boundary { offset: self.frame_at, skip });
        }
        (!self.in_frame && left == 0).then_some(Boundary { offset: self.passed_bytes, skip: 0 })
    }

    /// Bytes of the source that have been dealt with.
    pub(super) fn passed_bytes(&self) -> u64 {
        self.passed_bytes
    }

    /// Lines of a source from its middle on, where a frame or a line begins, without the first `skip` bytes of text.
    pub(super) fn from_middle(source: Box<dyn Read + Send>, compressed: bool, skip: u64) -> io::Result<Self> {
        let mut frames = Self::new(source, Vec::new())?;
        frames.decoder = if compressed { Some(Decoder::new()?) } else { None };
        frames.skip = skip;
        Ok(frames)
    }

    /// Whether it is made of frames.
    pub(super) fn compressed(&self) -> bool {
        self.decoder.is_some()
    }

    /// Forgets the first bytes of `input`.
    fn pass(&mut self, bytes: usize) {
        self.input.drain(..bytes);
        self.passed_bytes += bytes as u64;
    }

    /// The next line, without its end; `None` at the end. The last line may lack its end only if the source
    /// is uncompressed.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(length) = memchr(b'\n', &self.text[self.given..self.ready]) {
                let start = self.given;
                self.given += length + 1;
                return Ok(Some(&self.text[start..start + length]));
            }
            if self.source_ended && self.input.is_empty() && !self.in_frame {
                return Ok(self.last_line());
            }
            self.make_room();
            if self.decoder.is_some() { self.decode()? } else { self.copy()? }
        }
    }

    /// What is left without a line end: a line of an uncompressed file, the torn end of a compressed one.
    fn last_line(&mut self) -> Option<&[u8]> {
        if self.given == self.text.len() {
            return None;
        }
        let start = std::mem::replace(&mut self.given, self.text.len());
        self.ready = self.given;
        self.torn = true;
        if self.decoder.is_some() {
            self.losses.cut_off = true;
            return None;
        }
        Some(&self.text[start..])
    }

    /// The last line handed out had no end: it may be cut off.
    pub(super) fn torn(&self) -> bool {
        self.torn
    }

    /// Forgets lines that were handed out, and a line that never ends.
    fn make_room(&mut self) {
        self.text.drain(..self.given);
        self.ready -= self.given;
        self.given = 0;
        if self.ready > LINE_BYTES {
            self.losses.overlong_lines += 1;
            self.text.drain(..self.ready);
            self.ready = 0;
        }
    }

    /// Gets more bytes; `false` at the source's end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.source_ended {
            return Ok(false);
        }
        let before = self.input.len();
        self.input.resize(before + CHUNK, 0);
        let got = loop {
            match self.source.read(&mut self.input[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.input.truncate(before + *got.as_ref().unwrap_or(&0));
        self.source_ended = got? == 0;
        Ok(!self.source_ended)
    }

    fn copy(&mut self) -> io::Result<()> {
        self.passed_bytes += self.input.len() as u64;
        self.text.append(&mut self.input);
        self.ready = self.text.len();
        self.fill()?;
        Ok(())
    }

    fn decode(&mut self) -> io::Result<()> {
        if !self.in_frame && !self.find_frame(0)? {
            return Ok(());
        }
        let step = self.step()?;
        if !matches!(step, Step::Going) {
            self.skip = 0;
        }
        match step {
            Step::Going => self.release_unchecked(),
            Step::FrameEnd => {
                self.pass(self.taken);
                self.whole_bytes = self.passed_bytes;
                self.taken = 0;
                self.in_frame = false;
                self.unchecked = false;
                self.ready = self.text.len();
            }
            Step::Damaged => self.resynchronise()?,
            Step::SourceEnd => self.end_in_frame()?,
        }
        Ok(())
    }

    /// Goes to the next frame, at `from` or later in `input`; `false` if there is none.
    fn find_frame(&mut self, from: usize) -> io::Result<bool> {
        let mut from = from;
        loop {
            if let Some(at) = find_magic(&self.input[from.min(self.input.len())..]) {
                let at = from + at;
                self.losses.skipped_bytes += at as u64;
                self.pass(at);
                self.in_frame = true;
                self.restart_decoder()?;
                return Ok(true);
            }
            // Three bytes may be the beginning of a magic that goes on in the next piece.
            let keep = self.input.len().saturating_sub(3).max(from.min(self.input.len()));
            self.losses.skipped_bytes += keep as u64;
            self.pass(keep);
            from = from.saturating_sub(keep);
            if !self.fill()? {
                if !self.input.is_empty() {
                    self.losses.cut_off = true;
                }
                self.losses.skipped_bytes += self.input.len() as u64;
                self.pass(self.input.len());
                self.taken = 0;
                return Ok(false);
            }
        }
    }

    fn restart_decoder(&mut self) -> io::Result<()> {
        self.taken = 0;
        // The beginning of a frame whose text is not wanted need not be kept either.
        self.unchecked = self.skip > 0;
        self.more_text = false;
        (self.frame_at, self.frame_text) = (self.passed_bytes, 0);
        if let Some(decoder) = &mut self.decoder {
            decoder.reinit()?;
        }
        Ok(())
    }

    /// Decompresses one piece.
    fn step(&mut self) -> io::Result<Step> {
        if self.taken == self.input.len() && !self.more_text && !self.fill()? {
            return Ok(Step::SourceEnd);
        }
        let Some(decoder) = &mut self.decoder else { return Ok(Step::SourceEnd) };
        let before = self.text.len();
        self.text.resize(before + CHUNK, 0);
        let mut from = InBuffer::around(&self.input[self.taken..]);
        let mut to = OutBuffer::around(&mut self.text[before..]);
        let outcome = decoder.run(&mut from, &mut to);
        let (read, written) = (from.pos(), to.pos());
        self.taken += read;
        self.text.truncate(before + written);
        self.frame_text += written as u64;
        let unwanted = self.skip.min(written as u64);
        self.skip -= unwanted;
        self.text.drain(before..before + unwanted as usize);
        self.more_text = written == CHUNK && outcome.as_ref().is_ok_and(|hint| *hint > 0);
        Ok(match outcome {
            Ok(0) => Step::FrameEnd,
            Ok(_) => Step::Going,
            Err(_) => Step::Damaged,
        })
    }

    /// Hands out the lines of a frame that is too big to be kept back.
    fn release_unchecked(&mut self) {
        if self.unchecked || self.text.len() - self.ready > UNCHECKED_BYTES {
            self.unchecked = true;
            self.ready = self.text.len();
            self.pass(self.taken);
            self.taken = 0;
        }
    }

    /// The frame under way is damaged: forgets what it gave, and looks for the next one behind its start.
    fn resynchronise(&mut self) -> io::Result<()> {
        self.losses.damaged_frames += 1;
        self.text.truncate(self.ready);
        if self.unchecked {
            // A torn line of the damaged frame must not run into the next frame's first one.
            let whole = self.text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            self.text.truncate(whole.max(self.given));
            self.ready = self.text.len();
        }
        self.in_frame = false;
        let from = if self.unchecked { self.taken } else { 1 };
        self.unchecked = false;
        self.find_frame(from)?;
        Ok(())
    }

    /// The file ends within a frame: cut off there, or a damaged frame has swallowed those behind it.
    fn end_in_frame(&mut self) -> io::Result<()> {
        if !self.unchecked && find_magic(&self.input[1.min(self.input.len())..]).is_some() {
            return self.resynchronise();
        }
        self.losses.cut_off = true;
        self.in_frame = false;
        self.ready = self.text.len();
        self.pass(self.input.len());
        self.taken = 0;
        Ok(())
    }
}

fn find_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|w| w == MAGIC)
}
