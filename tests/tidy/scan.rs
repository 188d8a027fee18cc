//! Splits Rust text into code and comments, so that the rules see neither strings nor prose.

/// One file, line by line.
pub struct Source {
    /// The path from the root of the repository, with `/`.
    pub path: String,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// One line. What stands in strings is in neither part; the quotes stay in the code.
#[derive(Default)]
pub struct Line {
    /// The code.
    pub code: String,
    /// The text of an ordinary `//` comment; comments in doc form and block comments are left out.
    pub comment: String,
}

impl Line {
    /// Nothing on it but an ordinary comment.
    pub fn is_comment(&self) -> bool {
        self.code.trim().is_empty() && !self.comment.trim().is_empty()
    }
}

impl Source {
    /// Reads `text`.
    pub fn new(path: &str, text: &str) -> Self {
        let mut scanner = Scanner { rest: text, lines: vec![Line::default()] };
        while let Some(c) = scanner.rest.chars().next() {
            scanner.step(c);
        }
        if text.ends_with('\n') {
            scanner.lines.pop();
        }
        Self { path: path.to_string(), lines: scanner.lines }
    }

    /// Whether the file lies in `dir`, which ends in `/`.
    pub fn is_in(&self, dir: &str) -> bool {
        self.path.starts_with(dir)
    }

    /// The numbers (from 1) and the code of all lines.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().map(|(index, line)| (index + 1, line.code.as_str()))
    }
}

struct Scanner<'a> {
    rest: &'a str,
    lines: Vec<Line>,
}

impl Scanner<'_> {
    fn step(&mut self, c: char) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.line_comment();
        } else if rest.starts_with("/*") {
            self.skip(block_comment_len(rest));
        } else if let Some(len) = raw_string_len(rest).filter(|_| !self.after_word()) {
            self.literal(len);
        } else if c == '"' {
            self.literal(string_len(rest));
        } else if let Some(len) = char_len(rest) {
            self.literal(len);
        } else {
            self.code(c);
        }
    }

    fn line(&mut self) -> &mut Line {
        self.lines.last_mut().expect("there is always a line")
    }

    /// Whether the code so far ends in the middle of a word, so that an `r` does not begin a raw string.
    fn after_word(&self) -> bool {
        self.lines.last().is_some_and(|line| line.code.ends_with(is_word))
    }

    fn code(&mut self, c: char) {
        self.rest = &self.rest[c.len_utf8()..];
        match c {
            '\n' => self.lines.push(Line::default()),
            c => self.line().code.push(c),
        }
    }

    fn line_comment(&mut self) {
        let comment = self.rest.split('\n').next().unwrap_or_default();
        let is_doc = comment.starts_with("//!") || comment.starts_with("///") && !comment.starts_with("////");
        let text = comment.trim_start_matches('/');
        if !is_doc {
            self.line().comment.push_str(text.trim());
        }
        self.rest = &self.rest[comment.len()..];
    }

    fn skip(&mut self, len: usize) {
        let (skipped, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.line().code.push(' ');
        for _ in skipped.matches('\n') {
            self.lines.push(Line::default());
        }
    }

    fn literal(&mut self, len: usize) {
        self.line().code.push('"');
        self.skip(len);
        self.line().code.push('"');
    }
}

/// Whether `c` may stand in a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands in `code` as a word of its own.
pub fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word)
    })
}

fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string that `text` begins with, if it does.
fn raw_string_len(text: &str) -> Option<usize> {
    let unprefixed = text.strip_prefix(['b', 'c']).unwrap_or(text).strip_prefix('r')?;
    let inner = unprefixed.trim_start_matches('#');
    let hashes = unprefixed.len() - inner.len();
    let inner = inner.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let prefix = text.len() - inner.len();
    Some(inner.find(&end).map_or(text.len(), |at| prefix + at + end.len()))
}

/// The length of the character that `text` begins with, if it is one and not a lifetime.
fn char_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        let after = 2 + inner[1..].chars().next()?.len_utf8();
        return text[after..].find('\'').map(|at| after + at + 1);
    }
    let end = 1 + first.len_utf8();
    text[end..].starts_with('\'').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("x.rs", text).code().map(|(_, code)| code.trim_end()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn strings_are_blanked() {
        assert_eq!(code(r#"f("a{", b"\"}", 'x')"#), r#"f("" ", b"" ", "" ")"#.replace("\"\" \"", "\" \""));
        assert_eq!(code("f(r#\"a\"{\"#, br\"}\")"), "f(\" \", \" \")");
        assert_eq!(code("f(r#fn, var)"), "f(r#fn, var)");
        assert_eq!(code("\"two\nlines\" + x"), "\"\n\" + x");
    }

    #[test]
    fn characters_are_not_lifetimes() {
        assert_eq!(code("['{', '\\'', '\\u{7b}', 'ä']"), "[\" \", \" \", \" \", \" \"]");
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code("['\\\\', x]"), "[\" \", x]");
    }

    #[test]
    fn comments_are_apart_from_code() {
        let source = Source::new("x.rs", "a; // one \"{\n// two\n/// doc {\n//! doc\n/* b /* c */\n{ */ d\n");
        let comments: Vec<_> = source.lines.iter().map(|line| line.comment.as_str()).collect();
        assert_eq!(comments, ["one \"{", "two", "", "", "", ""]);
        assert_eq!(source.lines[0].code, "a; ");
        assert_eq!(source.lines[5].code.trim(), "d");
        assert!(source.lines[1].is_comment() && !source.lines[0].is_comment() && !source.lines[2].is_comment());
    }

    #[test]
    fn lines_are_counted() {
        for (text, lines) in [("", 1), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\n\n", 2), ("\"a\nb\"\nc\n", 3)] {
            assert_eq!(Source::new("x.rs", text).lines.len(), lines, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_closed_ends_with_the_file() {
        for text in ["\"abc", "r#\"abc\"", "/* abc", "'\\", "'", "\"\\"] {
            assert_eq!(Source::new("x.rs", text).lines.len(), 1, "{text:?}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(find_word("fn fnord(fn_x, fn)", "fn").collect::<Vec<_>>(), [0, 15]);
    }
}
