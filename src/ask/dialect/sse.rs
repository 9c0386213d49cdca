//! Parses server-sent events from bytes in chunks of any size.

/// Collects the events of a stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The incomplete line.
    line: Vec<u8>,
    /// Whether the last line ended with a carriage return.
    ///
    /// A line feed right after it is part of the same line end.
    after_return: bool,
    /// Data of the incomplete event.
    data: Option<String>,
}

impl Events {
    /// Takes more bytes, and passes on the data of completed events.
    pub fn push(&mut self, bytes: &[u8], mut event: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_return) => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    self.end_line(&mut event);
                }
                byte => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
        }
    }

    /// Ends the stream. The last event counts even without an empty line.
    pub fn finish(&mut self, mut event: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.end_line(&mut event);
        }
        self.end_line(&mut event);
    }

    /// Bytes of the incomplete event.
    pub fn held(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, String::len)
    }

    fn end_line(&mut self, event: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if let Some(data) = self.data.take() {
                event(&data);
            }
            return;
        }
        // Other fields add no data. Lines that start with a colon are comments.
        let Some(value) = line.strip_prefix(b"data:") else { return };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(&value);
            }
            None => self.data = Some(value.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let (mut events, mut seen) = (Events::default(), Vec::new());
        for chunk in chunks {
            events.push(chunk, |data| seen.push(data.to_owned()));
        }
        events.finish(|data| seen.push(data.to_owned()));
        seen
    }

    #[test]
    fn events_do_not_depend_on_the_sizes_of_chunks() {
        let text = ": comment\r\nevent: x\r\ndata: {\"a\":\r\ndata: \"ä€😀\"}\r\n\r\ndata:[DONE]\n\n:\n\ndata: last".as_bytes();
        let expected = ["{\"a\":\n\"ä€😀\"}", "[DONE]", "last"];
        assert_eq!(events(&[text]), expected);
        for cut in 0..text.len() {
            assert_eq!(events(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
        assert_eq!(events(&text.chunks(1).collect::<Vec<_>>()), expected);
    }
}
