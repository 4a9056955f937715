//! The wording of letters: built in, or as an admin has written it.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::{lang::Lang, letter::LetterName};

/// The templates of one letter in one language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    /// What makes the subject.
    pub subject: String,
    /// What makes the plain text.
    pub text: String,
    /// What makes the HTML.
    pub html: String,
}

/// A part of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The subject.
    Subject,
    /// The plain text.
    Text,
    /// The HTML.
    Html,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }

    /// Returns the most characters that its template may have.
    pub fn most_characters(self) -> usize {
        match self {
            Self::Subject => 500,
            Self::Text => 8_000,
            Self::Html => 16_000,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Wording {
    /// Returns the template of a part.
    pub fn part(&self, part: Part) -> &str {
        match part {
            Part::Subject => &self.subject,
            Part::Text => &self.text,
            Part::Html => &self.html,
        }
    }

    /// Makes line ends what they are here: forms send them in pairs.
    #[must_use]
    pub fn tidied(self) -> Self {
        let tidy =
            |text: String| if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        Self { subject: tidy(self.subject).trim().to_owned(), text: tidy(self.text), html: tidy(self.html) }
    }
}

/// Where and why a wording does not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct WordingProblem {
    /// In which part.
    pub part: Part,
    /// On which of its lines, from 1, where that is known.
    pub line: Option<usize>,
    /// What is wrong, in English.
    pub reason: String,
}

impl fmt::Display for WordingProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}, line {line}: {}", self.part, self.reason),
            None => write!(out, "{}: {}", self.part, self.reason),
        }
    }
}

/// How a letter is worded in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailTemplate {
    /// Which letter.
    pub letter: LetterName,
    /// In which language.
    pub lang: Lang,
    /// What an admin has written; nothing when it is as built in.
    pub edited: Option<Wording>,
    /// Grows with every change; 0 before the first.
    pub version: i64,
    /// Who changed it last.
    pub updated_by: Option<String>,
    /// When.
    pub updated_at: Option<DateTime<Utc>>,
}

impl MailTemplate {
    /// Returns one that nobody has ever changed.
    pub fn built_in(letter: LetterName, lang: Lang) -> Self {
        Self { letter, lang, edited: None, version: 0, updated_by: None, updated_at: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_sends_has_plain_line_ends() {
        let sent = Wording { subject: " Hello\r\n".to_owned(), text: "a\r\nb\rc\n".to_owned(), html: "<p>".to_owned() };
        let tidied = sent.tidied();
        assert_eq!((tidied.subject.as_str(), tidied.text.as_str()), ("Hello", "a\nb\nc\n"));
    }

    #[test]
    fn a_problem_says_where_it_is() {
        let problem = WordingProblem { part: Part::Text, line: Some(3), reason: "unexpected end".to_owned() };
        assert_eq!(problem.to_string(), "text, line 3: unexpected end");
    }
}
