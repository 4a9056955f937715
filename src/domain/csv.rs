//! Lines of delimited text, as programs export them and people paste them.
//!
//! A line is a record (RFC 4180 without line breaks inside of quotes), so that what is wrong can
//! be told by the number of its line, and one bad line never swallows those after it.

/// What stands between the fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// A sign; fields may be quoted.
    Sign(char),
    /// One or more blanks.
    Blanks,
}

/// A quote that is opened and not closed in the same line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quotation mark is not closed")]
pub struct Unclosed;

impl Delimiter {
    /// Guesses from a line. A comma may also be part of a number, so blanks count where commas
    /// stand between digits only and the first field ends with a blank.
    pub fn of(line: &str) -> Self {
        if let Some(sign) = ['\t', ';'].into_iter().find(|sign| line.contains(*sign)) {
            return Self::Sign(sign);
        }
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let separates = |(at, _): (usize, &str)| {
            !is_digit(line[..at].chars().next_back()) || !is_digit(line[at + 1..].chars().next())
        };
        let ends_first = line.find([',', ' ', '\u{a0}']).is_some_and(|at| line[at..].starts_with(','));
        if ends_first || line.match_indices(',').any(separates) { Self::Sign(',') } else { Self::Blanks }
    }

    /// Returns the fields of a line, trimmed.
    pub fn split(self, line: &str) -> Result<Vec<String>, Unclosed> {
        match self {
            Self::Blanks => Ok(line.split_whitespace().map(str::to_owned).collect()),
            Self::Sign(sign) => split_quoted(line, sign),
        }
    }
}

fn split_quoted(line: &str, sign: char) -> Result<Vec<String>, Unclosed> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            // Elsewhere a quotation mark is a letter as any other: 5" pipes.
            '"' if field.trim().is_empty() => {
                field.clear();
                is_quoted = true;
            }
            _ if letter == sign && !is_quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            _ => field.push(letter),
        }
    }
    if is_quoted {
        return Err(Unclosed);
    }
    fields.push(field.trim().to_owned());
    Ok(fields)
}

/// Returns the lines that say something, with their numbers from 1. Empty lines and those that
/// begin with `#` do not; a byte order mark is none of the text.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| says_something(line))
}

/// Returns whether a line is neither empty nor a comment.
pub fn says_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// Returns the name of a column in the form in which names are compared: `Cost Basis` is
/// `costbasis`.
pub fn column_name(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_what_separates() {
        for (line, expected) in [
            ("AAPL,10,1500", Delimiter::Sign(',')),
            ("7203,10", Delimiter::Sign(',')),
            ("AAPL, 10", Delimiter::Sign(',')),
            ("Stock name,Symbol", Delimiter::Sign(',')),
            ("\"Apple, Inc\",10", Delimiter::Sign(',')),
            ("AAPL;10,5;1.500,00", Delimiter::Sign(';')),
            ("AAPL\t10,5", Delimiter::Sign('\t')),
            ("AAPL 10,5 1500,20", Delimiter::Blanks),
            ("AAPL   10", Delimiter::Blanks),
            ("AAPL", Delimiter::Blanks),
        ] {
            assert_eq!(Delimiter::of(line), expected, "{line}");
        }
    }

    #[test]
    fn quotes_hold_fields_together() {
        let comma = |line| Delimiter::Sign(',').split(line);
        assert_eq!(comma("a, b ,"), Ok(vec!["a".into(), "b".into(), String::new()]));
        assert_eq!(comma("\"a,b\", \"say \"\"hi\"\"\""), Ok(vec!["a,b".into(), "say \"hi\"".into()]));
        assert_eq!(comma("5\" pipe,1"), Ok(vec!["5\" pipe".into(), "1".into()]));
        assert_eq!(comma("\"a,b"), Err(Unclosed));
        assert_eq!(Delimiter::Blanks.split(" a \u{a0} b "), Ok(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn lines_keep_their_numbers() {
        let found: Vec<_> = lines("\u{feff}a\r\n\r\n# note\r\nb").collect();
        assert_eq!(found, [(1, "a"), (4, "b")]);
        assert_eq!(column_name(" Cost_Basis "), "costbasis");
    }
}
