//! The text of one topic level in 16 bytes: most levels are short, and a million heap blocks
//! of a few bytes each cost more than what is in them.

/// One topic level.
#[derive(Debug)]
pub(crate) enum Label {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<LongLabel>),
}

/// Boxed once more, so that a label that needs the heap does not make all others larger.
#[derive(Debug)]
pub(crate) struct LongLabel(Box<[u8]>);

const SHORT: usize = 14;

impl Label {
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(len), Some(place)) => {
                place.copy_from_slice(text);
                Self::Short { len, bytes }
            }
            (Ok(_) | Err(_), _) => Self::Long(Box::new(LongLabel(text.into()))),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(long) => &long.0,
        }
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::Short {
            len: 0,
            bytes: [0; SHORT],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_small_and_keeps_its_text() {
        assert_eq!(size_of::<Label>(), 16);
        for len in [0, 1, 13, 14, 15, 255, 256, 65_535] {
            let text = "é".repeat(len / 2) + &"x".repeat(len % 2);
            assert_eq!(text.len(), len);
            assert_eq!(Label::new(text.as_bytes()).as_bytes(), text.as_bytes());
        }
    }
}
