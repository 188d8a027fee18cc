//! Which names segments may have.

/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 200;

/// What is wrong with a name: `None` for 1 to 200 of `A-Z a-z 0-9 . _ -` that begin with a letter or a digit.
pub fn why_no_name(name: &[u8]) -> Option<&'static str> {
    let Some(first) = name.first() else { return Some("it is empty") };
    if name.len() > LONGEST_NAME {
        return Some("it is too long");
    }
    if !first.is_ascii_alphanumeric() {
        return Some("its first character is neither a letter nor a digit");
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    (!name.iter().all(allowed)).then_some("it has a character that is not allowed")
}
