//! GGUF's header, read piece by piece, without trust in any length in it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::ModelError;

/// Longest text that is taken for one (chat templates are the longest).
const MOST_TEXT: u64 = 16 << 20;

/// A metadata value, as far as it is of use.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    /// Whole numbers and booleans.
    Number(i128),
    /// An array of whole numbers.
    Numbers(Vec<i64>),
    /// An array of anything else, of which only the length is kept.
    Long(u64),
    Other,
}

/// A tensor's entry.
pub struct TensorInfo {
    pub name: String,
    pub elements: u64,
    pub kind: u32,
    pub offset: u64,
}

/// Reads a header.
pub struct Reader<'a> {
    file: BufReader<File>,
    path: &'a Path,
    at: u64,
    file_bytes: u64,
}

impl<'a> Reader<'a> {
    pub fn new(file: File, path: &'a Path, file_bytes: u64) -> Self {
        Self { file: BufReader::with_capacity(1 << 18, file), path, at: 0, file_bytes }
    }

    /// Bytes read so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Magic and version; gives the numbers of tensors and of metadata pairs.
    pub fn start(&mut self) -> Result<(u64, u64), ModelError> {
        let magic: [u8; 4] = self.bytes()?;
        if &magic != b"GGUF" {
            let found = format!("`{}`", magic.escape_ascii());
            return Err(ModelError::NotGguf { path: self.path.into(), found });
        }
        let version = u32::from_le_bytes(self.bytes()?);
        if !(2..=3).contains(&version) {
            return Err(ModelError::GgufVersion { path: self.path.into(), version });
        }
        Ok((self.u64()?, self.u64()?))
    }

    pub fn text(&mut self) -> Result<String, ModelError> {
        let length = self.length()?;
        let mut text = vec![0; length as usize];
        self.exact(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub fn value(&mut self) -> Result<Value, ModelError> {
        let kind = u32::from_le_bytes(self.bytes()?);
        match kind {
            8 => Ok(Value::Text(self.text()?)),
            9 => self.array(),
            6 => self.bytes::<4>().map(|_| Value::Other),
            12 => self.bytes::<8>().map(|_| Value::Other),
            _ => Ok(Value::Number(self.number(kind)?)),
        }
    }

    pub fn tensor(&mut self) -> Result<TensorInfo, ModelError> {
        let name = self.text()?;
        let dimensions = u32::from_le_bytes(self.bytes()?);
        if dimensions > 8 {
            return Err(self.damaged(format!("the tensor `{name}` has {dimensions} dimensions")));
        }
        let mut elements = 1u64;
        for _ in 0..dimensions {
            elements = elements.saturating_mul(self.u64()?);
        }
        let kind = u32::from_le_bytes(self.bytes()?);
        Ok(TensorInfo { name, elements, kind, offset: self.u64()? })
    }

    fn array(&mut self) -> Result<Value, ModelError> {
        let kind = u32::from_le_bytes(self.bytes()?);
        let length = self.u64()?;
        match kind {
            8 => {
                for _ in 0..length {
                    let text = self.length()?;
                    self.skip(text)?;
                }
                Ok(Value::Long(length))
            }
            6 => self.skip(length.saturating_mul(4)).map(|()| Value::Long(length)),
            12 => self.skip(length.saturating_mul(8)).map(|()| Value::Long(length)),
            9 => Err(self.damaged("an array of arrays in its metadata".into())),
            _ => {
                let mut all = Vec::new();
                for _ in 0..length {
                    all.push(i64::try_from(self.number(kind)?).unwrap_or(i64::MAX));
                }
                Ok(Value::Numbers(all))
            }
        }
    }

    fn number(&mut self, kind: u32) -> Result<i128, ModelError> {
        Ok(match kind {
            0 | 7 => u8::from_le_bytes(self.bytes()?).into(),
            1 => i8::from_le_bytes(self.bytes()?).into(),
            2 => u16::from_le_bytes(self.bytes()?).into(),
            3 => i16::from_le_bytes(self.bytes()?).into(),
            4 => u32::from_le_bytes(self.bytes()?).into(),
            5 => i32::from_le_bytes(self.bytes()?).into(),
            10 => u64::from_le_bytes(self.bytes()?).into(),
            11 => i64::from_le_bytes(self.bytes()?).into(),
            _ => return Err(self.damaged(format!("metadata of the unknown type {kind}"))),
        })
    }

    fn length(&mut self) -> Result<u64, ModelError> {
        let length = self.u64()?;
        if length > MOST_TEXT {
            return Err(self.damaged(format!("a text of {length} bytes in its header")));
        }
        Ok(length)
    }

    fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    fn exact(&mut self, out: &mut [u8]) -> Result<(), ModelError> {
        self.room_for(out.len() as u64)?;
        self.file.read_exact(out).map_err(ModelError::io("can't read", self.path))?;
        self.at += out.len() as u64;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ModelError> {
        self.room_for(bytes)?;
        let distance = i64::try_from(bytes).map_err(|_| self.damaged("a length beyond all files".into()))?;
        self.file.seek_relative(distance).map_err(ModelError::io("can't read", self.path))?;
        self.at += bytes;
        Ok(())
    }

    fn room_for(&self, bytes: u64) -> Result<(), ModelError> {
        if self.at.saturating_add(bytes) > self.file_bytes {
            let what = format!("its header goes on past its {} bytes", self.file_bytes);
            return Err(ModelError::Truncated { path: self.path.into(), what });
        }
        Ok(())
    }

    fn damaged(&self, what: String) -> ModelError {
        ModelError::Damaged { path: self.path.into(), what }
    }
}
