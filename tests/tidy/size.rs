//! Files under 500 lines, functions under 70.

use crate::scan::{Source, find_word, is_word};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// Complains about a file that is too long.
pub fn file(source: &Source) -> Vec<String> {
    let lines = source.lines.len();
    if lines < FILE_LINES {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines; a file has under {FILE_LINES}", source.path)]
}

/// Complains about functions that are too long, from the line with `fn` to the closing brace.
pub fn functions(source: &Source) -> Vec<String> {
    let code = source.code().map(|(_, code)| code).collect::<Vec<_>>().join("\n");
    let mut complaints = Vec::new();
    for at in find_word(&code, "fn") {
        let Some((name, text)) = function(&code[at..]) else { continue };
        let lines = text.matches('\n').count() + 1;
        if lines >= FUNCTION_LINES {
            let line = code[..at].matches('\n').count() + 1;
            let path = &source.path;
            complaints
                .push(format!("{path}:{line}: `{name}` has {lines} lines; a function has under {FUNCTION_LINES}"));
        }
    }
    complaints
}

/// The name and the whole text of the function that `code` begins with; `None` for a type or one without a body.
fn function(code: &str) -> Option<(&str, &str)> {
    let after = code["fn".len()..].trim_start();
    let name = &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())];
    let body = body_start(code).filter(|_| !name.is_empty())?;
    Some((name, &code[..body + braces_len(&code[body..])]))
}

/// Where the first brace outside all brackets is, unless a semicolon ends the declaration before it.
fn body_start(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The length of the block in braces that `code` begins with.
fn braces_len(code: &str) -> usize {
    let mut depth = 0_u32;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> Vec<String> {
        let body = "    x();\n".repeat(lines - 2);
        functions(&Source::new("x.rs", &format!("// {{\n\npub fn long<'a>(x: [u8; 4]) -> &'a str {{\n{body}}}\n")))
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(file(&Source::new("x.rs", &"\n".repeat(499))).is_empty());
        assert_eq!(file(&Source::new("x.rs", &"\n".repeat(500))), ["x.rs: 500 lines; a file has under 500"]);
    }

    #[test]
    fn a_long_function_is_found() {
        assert!(long(69).is_empty());
        assert_eq!(long(70), ["x.rs:3: `long` has 70 lines; a function has under 70"]);
    }

    #[test]
    fn a_long_function_within_a_short_one_is_found_in_both() {
        let body = "\n".repeat(80);
        let found = functions(&Source::new("x.rs", &format!("mod a {{\nfn b() {{\nfn c() {{{body}}}\n}}\n}}\n")));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn braces_in_strings_and_comments_do_not_count() {
        let text = format!("fn a() {{\n    f(\"}}\", '}}'); // }}\n    /* }} */{}}}\n", "\n".repeat(70));
        assert_eq!(functions(&Source::new("x.rs", &text)).len(), 1);
        let text = format!("fn a() {{ f(\"{{\", '{{'); /* {{ */ }} // {{\n{}", "fn b() {}\n".repeat(100));
        assert!(functions(&Source::new("x.rs", &text)).is_empty());
    }

    #[test]
    fn declarations_and_types_have_no_length() {
        let text = format!("trait A {{ fn a(x: [u8; 2]); {} }}\ntype B = fn(u8);\n", "\n".repeat(100));
        assert!(functions(&Source::new("x.rs", &text)).is_empty());
    }
}
